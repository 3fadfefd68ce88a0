//! A dump carries everything; restoring it fires nothing; the restored copy stands aside.

use std::collections::BTreeMap;

use calendar_sync_e2e::{Cluster, FakeWeb, INSERT_INTERACTIONS, count, create_crm, eventually, rounds};
use postgres::Client;

const TEAM_CALENDAR: &str = include_str!("../../demo/team.ics");

/// What a dump restores before calendar_installation, and that table itself.
const EARLY: &str = "calendar_connections";
const INSTALLATION: &str = "calendar_installation";

/// Every row of every table of the extension, as text.
fn all_rows(client: &mut Client) -> BTreeMap<String, Vec<String>> {
    let tables = client
        .query(
            "select c.oid::regclass::text
             from pg_depend d
             join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass
             where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
               and d.deptype = 'e' and c.relkind in ('r', 'p') and c.relpersistence = 'p'",
            &[],
        )
        .expect("the extension's tables");
    tables
        .iter()
        .map(|row| {
            let table: String = row.get(0);
            let rows = client.query(&format!("select t::text from {table} t order by 1"), &[]).expect("its rows");
            (table, rows.iter().map(|row| row.get(0)).collect())
        })
        .collect()
}

/// A copy knows nothing of transactions that are open meanwhile: what they have sent is not to be undone.
fn as_dumped(mut rows: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    rows.insert("calendar_unconfirmed_pushes".into(), Vec::new());
    rows
}

fn triggers(client: &mut Client) -> Vec<String> {
    let rows = client
        .query(
            "select pg_get_triggerdef(oid) || ' ' || tgenabled::text from pg_trigger where not tgisinternal order by 1",
            &[],
        )
        .expect("the triggers");
    rows.iter().map(|row| row.get(0)).collect()
}

/// A database with something in every table: interactions, a failure, a pulled calendar with series, an application's
/// events, published feeds.
fn fill(cluster: &Cluster, web: &FakeWeb) -> Client {
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    client.execute(INSERT_INTERACTIONS, &[&1, &200]).expect("interactions");
    client
        .batch_execute(
            "insert into interaction (subject, interaction_date, duration_minutes, created_by)
             values ('typing error', now() + interval '1 day', -5, 'a0000000-0000-4000-8000-000000000001');
             select calendar_upsert_event('ada@example.com', 'planner', 'shift',
                 '{\"title\": \"Shift\", \"start\": \"2030-01-01T08:00:00Z\", \"end\": \"2030-01-01T16:00:00Z\"}')",
        )
        .expect("a failure and an application's event");
    web.serve("/team.ics", TEAM_CALENDAR);
    client
        .execute("select calendar_subscribe('ada@example.com', $1, name => 'Team')", &[&web.url("/team.ics")])
        .expect("subscribe");
    client.batch_execute("select calendar_sync_now('ada@example.com')").expect("pull");
    client
        .batch_execute(
            "create table links as
             select visibility, c.token
             from (values ('details'), ('busy')) v (visibility)
             cross join lateral calendar_feed_create('ada@example.com', visibility, visibility) c",
        )
        .expect("feeds");
    // Paused: nobody asks Google for it.
    client
        .batch_execute(
            "select calendar_oauth_register('google', 'crm.example.com', 'kept by the application');
             select calendar_account_add('ada@example.com', 'google', 'access', 'refresh', account_email => 'ada@example.com');
             insert into calendar_connections (user_id, name, provider, account_id, external_calendar_id, direction, status)
             select user_id, 'Work', provider, account_id, account_email, 'both', 'paused' from calendar_accounts;
             insert into calendar_events (user_id, title, event_date) values ('ada@example.com', 'Waits', now()), ('ada@example.com', 'Sent', now());
             insert into calendar_event_links (connection_id, event_id, external_id, sync_status, base)
             select c.connection_id, e.event_id, '1', 'synced', '{}'
             from calendar_connections c, calendar_events e
             where c.name = 'Work' and e.title = 'Sent';
             insert into calendar_webhook_subscriptions (subscription_id, connection_id, provider, notification_url)
             select '1', connection_id, provider, 'https://crm.example.com' from calendar_connections where name = 'Work';
             insert into calendar_webhook_notices (connection_id) select connection_id from calendar_connections;
             insert into calendar_unconfirmed_pushes (note_id, connection_id, event_id, operation, revision, only_busy)
             select gen_random_uuid(), connection_id, gen_random_uuid(), 'delete', 0, false from calendar_connections",
        )
        .expect("an account's calendar, what was sent there and what waits");
    client.batch_execute("create role ada; select calendar_grant('ada', 'user', 'ada@example.com')").expect("a grant");
    client
}

/// What is read under the links that were given out before.
fn published(client: &mut Client) -> Vec<String> {
    let rows = client.query("select calendar_feed(token) from links order by visibility", &[]).expect("the feeds");
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_dump_carries_all_rows_but_what_may_not_have_come_to_nothing_and_triggers_and_restoring_it_fires_nothing() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut original = fill(&cluster, &web);
    let rows = all_rows(&mut original);
    let empty: Vec<&String> = rows.iter().filter(|(_, rows)| rows.is_empty()).map(|(table, _)| table).collect();
    assert!(empty.is_empty(), "nothing to compare in {empty:?}");
    let rows = as_dumped(rows);

    let mut copy = restore(&cluster);
    for (table, restored) in all_rows(&mut copy) {
        assert_eq!(restored, rows[&table], "rows of {table}");
    }
    assert_eq!(triggers(&mut copy), triggers(&mut original));
    assert_eq!(
        count(&mut copy, "select count(*) from interaction"),
        count(&mut original, "select count(*) from interaction")
    );

    // The copy goes on with its interactions.
    copy.execute(INSERT_INTERACTIONS, &[&1001, &1003]).expect("interactions of the copy");
    let events = "select count(*) from calendar_events where title in ('visit 1001', 'visit 1002', 'visit 1003')";
    assert_eq!(count(&mut copy, events), 3);
    assert_eq!(count(&mut original, events), 0);
}

fn dump(cluster: &Cluster) -> String {
    let dump = cluster.folder().join("crm.dump");
    let file = dump.to_str().expect("a path in UTF-8").to_owned();
    cluster.run_program("pg_dump", "crm", &["--format=custom", "--file", &file]);
    file
}

fn restore(cluster: &Cluster) -> Client {
    let file = dump(cluster);
    cluster.connect("postgres").batch_execute("create database copy").expect("create database");
    cluster.run_program("pg_restore", "copy", &["--exit-on-error", "--dbname=copy", &file]);
    cluster.connect("copy")
}

#[test]
fn links_that_were_given_out_open_the_same_calendars_in_a_restored_copy() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut original = fill(&cluster, &web);
    let mut copy = restore(&cluster);
    let before = published(&mut original);
    assert!(before.len() == 2 && before.iter().all(|file| file.contains("BEGIN:VEVENT")), "{before:?}");
    // Also the UIDs of the one that shows times alone.
    assert_eq!(published(&mut copy), before);
}

#[test]
fn a_worker_leaves_a_restore_that_is_under_way_alone() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut original = fill(&cluster, &web);
    original
        .batch_execute(
            "update calendar_connections set next_poll_at = now() - interval '1 hour';
             update calendar_sync_failures set next_retry_at = now() - interval '1 hour';
             update calendar_series set expanded_until = now() - interval '1 hour'",
        )
        .expect("due");
    let rows = as_dumped(all_rows(&mut original));
    let dump = dump(&cluster);
    let contents = cluster.run_program("pg_restore", "crm", &["--list", &dump]);
    let place =
        |table: &str| contents.find(&format!("TABLE DATA public {table} ")).expect("the table's rows in the dump");
    assert!(place(EARLY) < place(INSTALLATION), "the order of a dump has changed:\n{contents}");

    // The restore stops where it has come to the connections; the worker goes round meanwhile.
    let middle = contents[..place(INSTALLATION)].rfind('\n').expect("a line before it");
    let (early, late) = contents.split_at(middle + 1);
    let list = |name: &str, text: &str| {
        let path = cluster.folder().join(name);
        std::fs::write(&path, text).expect("a list of what to restore");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let (early, late) = (list("early.list", early), list("late.list", late));
    cluster.set("calendar_sync.worker", "on");
    cluster.connect("postgres").batch_execute("create database copy").expect("create database");
    // A worker's SQL must not go by what a database sets.
    cluster
        .connect("postgres")
        .batch_execute("alter database copy set search_path = crooked, public")
        .expect("alter database");
    let requests = web.requests("/team.ics").len();
    let restore = |list: &str| {
        cluster.run_program("pg_restore", "copy", &["--exit-on-error", "--use-list", list, "--dbname=copy", &dump])
    };
    restore(&early);
    let mut copy = cluster.connect("copy");
    rounds(&mut copy, "waits: nothing attached or subscribed yet");
    restore(&late);
    rounds(&mut copy, "stands aside: restored copy");

    for (table, restored) in all_rows(&mut copy) {
        assert_eq!(restored, rows[&table], "rows of {table}");
    }
    // The original's worker pulls it, once.
    assert!(web.requests("/team.ics").len() <= requests + 1, "the copy's worker has asked");
}

#[test]
fn a_restored_copy_stands_aside_until_it_is_told_that_it_is_the_real_one() {
    let web = FakeWeb::start();
    let cluster = Cluster::start();
    let mut original = fill(&cluster, &web);
    let mut copy = restore(&cluster);
    let says = |client: &mut Client, words: &str| {
        let status = "select coalesce(string_agg(w::text, ' '), '') from calendar_worker_status w
                      where database = current_database()";
        client.query_one(status, &[]).expect("the worker's status").get::<_, String>(0).contains(words)
    };
    eventually("the copy says that it stands aside", || says(&mut copy, "stands aside"));
    assert!(!says(&mut original, "stands aside"));

    let due = "update calendar_connections set next_poll_at = now()";
    let pulls = "select count(*) from calendar_sync_log where action = 'pull'";
    let last_pull = "select (extract(epoch from max(last_synced_at)) * 1000000)::bigint from calendar_connections";
    let (before, pulled_before) = (count(&mut copy, last_pull), count(&mut copy, pulls));
    let requests = web.requests("/team.ics").len();
    copy.batch_execute(due).expect("due in the copy");
    original.batch_execute(&format!("{due}; select calendar_sync_request('ada@example.com')")).expect("due");
    eventually("the original's worker pulls", || web.requests("/team.ics").len() > requests);
    assert_eq!((count(&mut copy, last_pull), count(&mut copy, pulls)), (before, pulled_before), "the copy has pulled");

    copy.batch_execute("select calendar_resume(); select calendar_sync_request('ada@example.com')").expect("resume");
    eventually("the copy pulls, now that it is the real one", || count(&mut copy, last_pull) > before);
}
