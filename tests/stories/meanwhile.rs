//! Two at once: what becomes of a pull whose calendar was paused, ended or re-pointed meanwhile, of two pulls of one
//! calendar, and of sessions that write the same events.

use std::thread;
use std::time::Duration;

use calendar_sync_e2e::{
    ADA, Cluster, FakeWeb, Fault, GoogleCall, GoogleFault, Linked, calendar_of, count, eventually, pull, subscribe,
    text, vevent,
};
use postgres::Client;

const EVENTS: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";

fn without_worker() -> (Cluster, Client, FakeWeb) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "10000")]);
    let client = cluster.create_database("crm");
    (cluster, client, FakeWeb::start())
}

fn meetings(title: &str, count: i64) -> String {
    calendar_of((0..count).map(|number| vevent(&format!("{title}{number}"), number + 1, title)))
}

/// What its owner may do with a calendar while it is being fetched, with its status afterwards.
fn acts(web: &FakeWeb) -> [(String, &'static str); 3] {
    [
        ("select calendar_pause(connection_id) from calendar_connections".to_owned(), "paused"),
        (format!("select calendar_subscribe('{ADA}', '{}', name => 'team')", web.url("/other.ics")), "active"),
        ("select calendar_unsubscribe(connection_id) from calendar_connections".to_owned(), "removed"),
    ]
}

#[test]
fn a_pull_by_hand_that_was_overtaken_by_its_owner_changes_nothing() {
    let (cluster, mut client, web) = without_worker();
    web.serve("/other.ics", meetings("Other", 3));
    for (act, status) in acts(&web) {
        for fails in [false, true] {
            web.serve("/team.ics", meetings("Meeting", 5));
            web.set_fault("/team.ics", if fails { Fault::Stall } else { Fault::Hold });
            subscribe(&mut client, &web.url("/team.ics"), "team");
            let asked = web.requests("/team.ics").len();
            let mut other = cluster.connect("crm");
            let pulling = thread::spawn(move || pull(&mut other, "team"));
            eventually("the calendar is being fetched", || web.requests("/team.ics").len() > asked);
            client.batch_execute(&act).expect(&act);
            web.set_fault("/team.ics", None);
            let pulled = pulling.join().expect("the other session");
            assert_eq!(pulled.status, "error", "{act}");
            assert!(fails || pulled.error.contains("meanwhile"), "{}", pulled.error);
            assert_eq!(count(&mut client, EVENTS), 0, "{act}");
            let state = "select concat_ws(' ', status, consecutive_failures, last_error) from calendar_connections";
            assert_eq!(text(&mut client, state), format!("{status} 0"), "{act}");
        }
    }
}

#[test]
fn a_pull_of_the_worker_that_was_overtaken_by_its_owner_changes_nothing() {
    let cluster = Cluster::start_with(&[("calendar_sync.http_timeout", "60s")]);
    let mut client = cluster.create_database("crm");
    let web = FakeWeb::start();
    web.serve("/other.ics", "");
    web.set_fault("/other.ics", Fault::Status(503, vec![]));
    for (act, status) in acts(&web) {
        web.serve("/team.ics", meetings("Meeting", 5));
        web.set_fault("/team.ics", Fault::Hold);
        let asked = web.requests("/team.ics").len();
        subscribe(&mut client, &web.url("/team.ics"), "team");
        eventually("the calendar is being fetched", || web.requests("/team.ics").len() > asked);
        client.batch_execute(&act).expect(&act);
        web.set_fault("/team.ics", None);
        let in_flight = "select in_flight::bigint from calendar_worker_status where database = current_database()";
        eventually("the worker is done with it", || count(&mut client, in_flight) == 0);
        assert_eq!(text(&mut client, "select status from calendar_connections"), status, "{act}");
        assert_eq!(count(&mut client, EVENTS), 0, "{act}");
    }
}

#[test]
fn of_two_pulls_of_one_calendar_the_second_waits_for_some_seconds_and_says_that_it_is_busy() {
    let (cluster, mut client, web) = without_worker();
    web.serve_without_validators("/team.ics", meetings("Meeting", 5));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    let mut other = cluster.connect("crm");
    other.batch_execute("begin").expect("begin");
    assert_eq!(pull(&mut other, "team").status, "success");
    let busy = pull(&mut client, "team");
    assert_eq!((busy.status.as_str(), web.requests("/team.ics").len()), ("busy", 1));
    other.batch_execute("commit").expect("commit");
    let again = pull(&mut client, "team");
    assert_eq!((again.status.as_str(), again.counts), ("success", [0, 0, 0, 5]));
}

/// The worker needs for its end what the session has for itself while it is at a calendar.
#[test]
fn a_call_by_hand_waits_no_longer_than_the_worker_is_at_an_accounts_calendar() {
    let mut linked = Linked::start(true, "both");
    let listed = |linked: &Linked| linked.google.count(GoogleCall::List);
    eventually("the calendar is pulled", || {
        count(&mut linked.client, "select count(*) from calendar_connections where last_synced_at is not null") == 1
    });
    linked.google.forget_requests();
    linked.google.fail(GoogleCall::List, 1, GoogleFault::Delay(Duration::from_millis(500)));
    linked.client.execute("select calendar_sync_request($1)", &[&ADA]).expect("due");
    eventually("the worker asks for it", || listed(&linked) == 1);
    let (status, _, error) = linked.sync_now();
    assert_eq!((status.as_str(), error.as_str()), ("success", ""));
    assert_eq!(listed(&linked), 2, "the worker's pull has come to its end, and was not made again");
}

#[test]
fn a_pull_that_waited_for_another_asks_for_what_is_new_since_that_one() {
    let (cluster, mut client, web) = without_worker();
    web.serve("/team.ics", meetings("Before", 5));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    client.batch_execute("begin").expect("begin");
    web.serve("/team.ics", meetings("After", 5));
    assert_eq!(pull(&mut client, "team").counts, [5, 0, 5, 0]);
    let mut other = cluster.connect("crm");
    let waiting = thread::spawn(move || pull(&mut other, "team"));
    // It has read the connection by the time that it says so.
    let naps =
        "select count(*) from pg_stat_activity where wait_event = 'Extension' and query like '%calendar_sync_now%'";
    let mut watcher = cluster.connect("crm");
    eventually("the other session waits", || count(&mut watcher, naps) > 0);
    // Its old ETag is right again, and what is here is not.
    web.serve("/team.ics", meetings("Before", 5));
    client.batch_execute("commit").expect("commit");
    assert_eq!(waiting.join().expect("the other session").counts, [0, 5, 5, 0]);
    assert_eq!(count(&mut client, &format!("{EVENTS} and title = 'Before'")), 5);
}

#[test]
fn a_pull_by_hand_belongs_to_whatever_statement_or_savepoint_calls_it() {
    let (_cluster, mut client, web) = without_worker();
    web.serve("/team.ics", meetings("Meeting", 5));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    client
        .batch_execute(
            "create function refresh(who text) returns bigint language plpgsql as $$
             declare made bigint;
             begin
                 select sum(created) into made from calendar_sync_now(who);
                 return made;
             end $$;
             create function refresh_and_fail(who text) returns text language plpgsql as $$
             begin
                 perform calendar_sync_now(who);
                 raise exception 'after all not';
             exception when others then
                 return sqlerrm;
             end $$",
        )
        .expect("functions");
    client.batch_execute("begin; savepoint here").expect("begin");
    assert_eq!(count(&mut client, "select refresh('ada@example.com')"), 5);
    client.batch_execute("rollback to here").expect("rollback");
    assert_eq!(count(&mut client, EVENTS), 0);
    assert_eq!(text(&mut client, "select refresh_and_fail('ada@example.com')"), "after all not");
    assert_eq!(count(&mut client, EVENTS), 0);
    assert_eq!(text(&mut client, "select last_synced_at::text from calendar_connections"), "");
    assert_eq!(count(&mut client, "select refresh('ada@example.com')"), 5);
    client.batch_execute("commit").expect("commit");
    assert_eq!(count(&mut client, EVENTS), 5);
    assert_eq!(count(&mut client, "select count(*) from calendar_sync_log where action = 'pull'"), 1);
}

#[test]
fn two_sessions_that_subscribe_to_one_calendar_at_once_make_one_connection() {
    let (cluster, mut client, web) = without_worker();
    // Whoever subscribes first in a database writes its calendar_installation.
    subscribe(&mut client, &web.url("/first.ics"), "first");
    let url = web.url("/team.ics");
    let mut other = cluster.connect("crm");
    client.batch_execute("begin").expect("begin");
    let subscribe = "select calendar_subscribe($1, $2)::text";
    let one: String = client.query_one(subscribe, &[&ADA, &url]).expect("subscribe").get(0);
    let same_url = url.clone();
    let waiting =
        thread::spawn(move || -> String { other.query_one(subscribe, &[&ADA, &same_url]).expect("subscribe").get(0) });
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = 'crm'";
    let mut watch = cluster.connect("crm");
    eventually("the second session waits for the first", || count(&mut watch, waits) == 1);
    client.batch_execute("commit").expect("commit");
    assert_eq!(waiting.join().expect("the other session"), one);
    assert_eq!(count(&mut client, "select count(*) from calendar_connections where name <> 'first'"), 1);
}

#[test]
fn sessions_that_write_the_same_events_in_any_order_wait_for_each_other_and_no_more() {
    let (cluster, mut client, _web) = without_worker();
    let upsert = "select count(error) from calendar_upsert_events('ada', 'app', (
        select jsonb_agg(jsonb_build_object('external_id', n::text, 'start', '2031-01-01', 'title', gen_random_uuid())
                         order by random())
        from generate_series(1, 1500) n))";
    assert_eq!(count(&mut client, upsert), 0);
    let sessions: Vec<_> = (0..3)
        .map(|_| {
            let mut session = cluster.connect("crm");
            thread::spawn(move || (0..4).map(|_| count(&mut session, upsert)).sum::<i64>())
        })
        .collect();
    let errors: i64 = sessions.into_iter().map(|session| session.join().expect("no deadlock")).sum();
    assert_eq!(errors, 0);
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 1500);
}
