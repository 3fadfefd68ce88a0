//! Outside calendars: subscribed to, pulled by the worker and by hand, and everything that can go wrong on the way.

use std::ops::RangeInclusive;
use std::time::Duration;

use calendar_sync_e2e::{ADA, Cluster, FakeWeb, Fault, count, eventually, subscribe, text};
use postgres::Client;

/// One event for each number, on its own day of 2030.
fn calendar(numbers: RangeInclusive<u32>) -> String {
    let mut ics = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stories//EN\r\n");
    for number in numbers {
        ics.push_str(&format!(
            "BEGIN:VEVENT\r\nUID:{number}@stories\r\nDTSTAMP:20250101T000000Z\r\nDTSTART:2030{:02}{:02}T090000Z\r\n\
             DURATION:PT30M\r\nSUMMARY:Event {number}\r\nEND:VEVENT\r\n",
            1 + number / 28,
            1 + number % 28
        ));
    }
    ics.push_str("END:VCALENDAR\r\n");
    ics
}

/// Status and error of one calendar_sync_now of that connection.
fn sync(client: &mut Client, name: &str, force: bool) -> (String, String) {
    let row = client
        .query_one(
            "select status, coalesce(error, '') from calendar_sync_now($1, force => $2, name => $3)",
            &[&ADA, &force, &name],
        )
        .expect("a row for the connection");
    (row.get(0), row.get(1))
}

const EVENTS: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";
/// Changes with every version of a row that is written.
const VERSIONS: &str = "select string_agg(ctid::text || xmin::text, ' ' order by event_id) from calendar_events";

fn without_worker() -> (Cluster, Client, FakeWeb) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let client = cluster.create_database("crm");
    (cluster, client, FakeWeb::start())
}

fn with_worker() -> (Cluster, Client, FakeWeb) {
    let cluster = Cluster::start();
    let client = cluster.create_database("crm");
    (cluster, client, FakeWeb::start())
}

#[test]
fn the_worker_pulls_and_what_is_unchanged_writes_no_row_version() {
    let (_cluster, mut client, web) = with_worker();
    web.serve("/tagged.ics", calendar(1..=30));
    web.serve_without_validators("/plain.ics", calendar(101..=130));
    subscribe(&mut client, &web.url("/tagged.ics"), "tagged");
    subscribe(&mut client, &web.url("/plain.ics"), "plain");
    eventually("both are pulled", || count(&mut client, EVENTS) == 60);
    let before = text(&mut client, VERSIONS);

    client.execute("select calendar_sync_request($1)", &[&ADA]).expect("request");
    eventually("both are asked again", || {
        web.not_modified("/tagged.ics") == 1 && web.requests("/plain.ics").len() == 2
    });
    eventually("the worker is done", || {
        count(&mut client, "select count(*) from calendar_connections where leased_until is null") == 2
    });
    assert_eq!(text(&mut client, VERSIONS), before);

    web.serve("/tagged.ics", calendar(1..=31));
    client.execute("select calendar_sync_request($1)", &[&ADA]).expect("request");
    eventually("the new event is there", || count(&mut client, EVENTS) == 61);
}

#[test]
fn an_answer_that_is_no_calendar_changes_no_event() {
    let (_cluster, mut client, web) = without_worker();
    web.serve_without_validators("/team.ics", calendar(1..=30));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    assert_eq!(sync(&mut client, "team", false).0, "success");
    let before = text(&mut client, VERSIONS);
    let status = |code| Fault::Status(code, vec![]);
    for (fault, said) in [
        (Fault::Html, "web page"),
        (Fault::Truncate(700), "connection failed"),
        (status(204), "204"),
        (status(403), "403"),
        (status(404), "404"),
        (status(410), "410"),
        (Fault::Status(429, vec!["Retry-After: 7200".into()]), "429"),
        (status(503), "503"),
        (status(401), "401"),
    ] {
        web.set_fault("/team.ics", fault.clone());
        let (status, error) = sync(&mut client, "team", false);
        assert_eq!(status, "error", "{fault:?}");
        assert!(error.contains(said), "{fault:?}: {error}");
        assert!(!error.contains("team.ics"), "{error}");
        if let Fault::Status(429, _) = fault {
            let pause = "select (next_poll_at > now() + interval '119 minutes')::text from calendar_connections";
            assert_eq!(text(&mut client, pause), "true", "Retry-After is obeyed");
        }
    }
    web.set_fault("/team.ics", None);
    web.serve_without_validators("/team.ics", "");
    assert!(sync(&mut client, "team", false).1.contains("empty"));
    let cut = calendar(1..=30).replace("END:VCALENDAR\r\n", "");
    web.serve_without_validators("/team.ics", cut);
    assert!(sync(&mut client, "team", false).1.contains("cut off"));
    assert_eq!(text(&mut client, VERSIONS), before);

    web.serve_without_validators("/team.ics", calendar(1..=30));
    web.set_fault("/team.ics", Fault::Gzip);
    assert_eq!(sync(&mut client, "team", false), ("success".into(), String::new()));
    assert_eq!(text(&mut client, "select status from calendar_connections"), "active");
}

#[test]
fn a_login_that_is_wanted_ends_the_tries_until_the_url_is_given_anew() {
    let (_cluster, mut client, web) = with_worker();
    web.serve("/team.ics", calendar(1..=3));
    web.set_fault("/team.ics", Fault::Status(401, vec![]));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    let state = "select status from calendar_connections";
    eventually("it wants a login", || text(&mut client, state) == "reauth_required");
    web.set_fault("/team.ics", None);
    subscribe(&mut client, &web.url("/team.ics"), "team");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
    assert_eq!(text(&mut client, state), "active");
}

#[test]
fn a_pull_by_hand_can_be_cancelled_wherever_it_hangs_and_the_session_goes_on() {
    let (_cluster, mut client, web) = without_worker();
    web.serve("/good.ics", calendar(1..=3));
    for (name, fault) in
        [("stall", Fault::Stall), ("hold", Fault::Hold), ("drip", Fault::Drip(Duration::from_millis(50)))]
    {
        web.serve(&format!("/{name}.ics"), calendar(1..=100));
        web.set_fault(&format!("/{name}.ics"), fault);
        subscribe(&mut client, &web.url(&format!("/{name}.ics")), name);
        client.batch_execute("set statement_timeout = '300ms'").expect("set");
        let error = client
            .query("select * from calendar_sync_now($1, name => $2)", &[&ADA, &name])
            .expect_err("the statement is cancelled");
        assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{name}: {error}");
        client.batch_execute("reset statement_timeout").expect("reset");
    }
    subscribe(&mut client, &web.url("/good.ics"), "good");
    assert_eq!(sync(&mut client, "good", false).0, "success");
    assert_eq!(count(&mut client, EVENTS), 3);
}

#[test]
fn one_bad_connection_hides_no_other_and_all_roll_back_with_the_caller() {
    let (_cluster, mut client, web) = without_worker();
    web.serve("/a.ics", calendar(1..=3));
    web.serve("/c.ics", calendar(11..=13));
    for name in ["a", "b", "c"] {
        subscribe(&mut client, &web.url(&format!("/{name}.ics")), name);
    }
    client.batch_execute("begin").expect("begin");
    let rows = client.query("select name, status from calendar_sync_now($1)", &[&ADA]).expect("sync");
    let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let of = |name: &str, status: &str| (name.to_string(), status.to_string());
    assert_eq!(rows, [of("a", "success"), of("b", "error"), of("c", "success")]);
    assert_eq!(count(&mut client, EVENTS), 6);
    client.batch_execute("rollback").expect("rollback");
    assert_eq!(count(&mut client, EVENTS), 0);
}

#[test]
fn a_mass_delete_is_held_back_until_it_is_confirmed_or_seen_three_times() {
    let (_cluster, mut client, web) = without_worker();
    for confirm in ["force", "patience"] {
        let path = format!("/{confirm}.ics");
        web.serve_without_validators(&path, calendar(1..=30));
        subscribe(&mut client, &web.url(&path), confirm);
        assert_eq!(sync(&mut client, confirm, false).0, "success");
        web.serve(&path, calendar(1..=5));
        let (status, error) = sync(&mut client, confirm, false);
        assert_eq!(status, "error");
        assert!(error.contains("25 of 30"), "{error}");
        let held = format!(
            "select count(*) from calendar_events e join calendar_connections c using (connection_id)
             where c.name = '{confirm}' and e.sync_status <> 'deleted'"
        );
        assert_eq!(count(&mut client, &held), 30);
        if confirm == "patience" {
            assert_eq!(sync(&mut client, confirm, false).0, "error");
        }
        assert_eq!(sync(&mut client, confirm, confirm == "force").0, "success");
        assert_eq!(count(&mut client, &held), 5);
    }
}

#[test]
fn what_was_unsubscribed_from_revives_without_doubles() {
    let (_cluster, mut client, web) = without_worker();
    let past = calendar(1..=2).replace("DTSTART:2030", "DTSTART:2020");
    let both =
        calendar(11..=15).replace("BEGIN:VCALENDAR\r\n", "").replace("VERSION:2.0\r\nPRODID:-//stories//EN\r\n", "");
    web.serve("/team.ics", past.replace("END:VCALENDAR\r\n", &both));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    sync(&mut client, "team", false);
    assert_eq!(count(&mut client, EVENTS), 7);

    client.execute("select calendar_unsubscribe(connection_id) from calendar_connections", &[]).expect("unsubscribe");
    assert_eq!(count(&mut client, EVENTS), 2, "past events stay");
    assert_eq!(count(&mut client, "select count(*) from calendar_connections where url is not null"), 0);

    client.execute("select calendar_subscribe($1, $2)", &[&ADA, &web.url("/team.ics")]).expect("subscribe again");
    assert_eq!(count(&mut client, "select count(*) from calendar_connections"), 1);
    assert_eq!(sync(&mut client, "team", false).0, "success");
    assert_eq!(count(&mut client, EVENTS), 7);
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 7);

    client
        .execute("select calendar_unsubscribe(connection_id, keep_events => false) from calendar_connections", &[])
        .expect("unsubscribe");
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 0);
}

#[test]
fn inside_addresses_are_refused_by_literal_by_name_and_by_redirect() {
    let (cluster, mut client, web) = without_worker();
    web.serve("/team.ics", calendar(1..=3));
    let by_name = web.url("/team.ics").replace("127.0.0.1", "localhost");
    client.batch_execute("set calendar_sync.http_allow_private = off").expect("set");
    let error = client
        .query("select calendar_subscribe($1, $2)", &[&ADA, &web.url("/team.ics")])
        .expect_err("a loopback address");
    assert_eq!(error.code().map(|code| code.code()), Some("22023"));
    subscribe(&mut client, &by_name, "name");
    let (status, error) = sync(&mut client, "name", false);
    assert_eq!(status, "error");
    assert!(error.contains("loopback"), "{error}");
    assert!(web.requests("/team.ics").is_empty());

    // Only hosts that are allowed are asked, also where a redirect leads.
    client.batch_execute("set calendar_sync.http_allow_private = on").expect("set");
    client.batch_execute("set calendar_sync.http_allow_hosts = 'localhost'").expect("set");
    web.serve("/moved.ics", "");
    web.set_fault("/moved.ics", Fault::Status(302, vec![format!("Location: {}", web.url("/team.ics"))]));
    subscribe(&mut client, &web.url("/moved.ics").replace("127.0.0.1", "localhost"), "moved");
    let (status, error) = sync(&mut client, "moved", false);
    assert_eq!(status, "error");
    assert!(error.contains("http_allow_hosts"), "{error}");
    assert!(web.requests("/team.ics").is_empty());
    client.batch_execute("reset calendar_sync.http_allow_hosts").expect("reset");
    assert_eq!(sync(&mut client, "moved", false).0, "success");
    drop(cluster);
}

#[test]
fn size_time_and_redirects_have_limits_and_credentials_stay_with_their_host() {
    let (_cluster, mut client, web) = without_worker();
    web.serve("/big.ics", calendar(1..=300));
    web.set_fault("/big.ics", Fault::Gzip);
    subscribe(&mut client, &web.url("/big.ics"), "big");
    client.batch_execute("set calendar_sync.http_max_bytes = '16kB'").expect("set");
    let (status, error) = sync(&mut client, "big", false);
    assert!(status == "error" && error.contains("larger than 16384 bytes"), "counted after decompression: {error}");
    client.batch_execute("reset calendar_sync.http_max_bytes").expect("reset");
    assert_eq!(sync(&mut client, "big", false).0, "success");

    web.serve("/drip.ics", calendar(1..=300));
    web.set_fault("/drip.ics", Fault::Drip(Duration::from_millis(20)));
    subscribe(&mut client, &web.url("/drip.ics"), "drip");
    client.batch_execute("set calendar_sync.http_timeout = '400ms'").expect("set");
    let (status, error) = sync(&mut client, "drip", false);
    assert!(status == "error" && error.contains("too slow"), "{error}");
    client.batch_execute("reset calendar_sync.http_timeout").expect("reset");

    web.serve("/loop.ics", "");
    web.set_fault("/loop.ics", Fault::Status(302, vec!["Location: /loop.ics".into()]));
    subscribe(&mut client, &web.url("/loop.ics"), "loop");
    let (status, error) = sync(&mut client, "loop", false);
    assert!(status == "error" && error.contains("redirects"), "{error}");
    assert_eq!(web.requests("/loop.ics").len(), 6);

    let elsewhere = web.url("/there.ics").replace("127.0.0.1", "localhost");
    web.serve("/there.ics", calendar(1..=3));
    web.serve("/here.ics", "");
    web.set_fault("/here.ics", Fault::Status(302, vec![format!("Location: {elsewhere}")]));
    subscribe(&mut client, &web.url("/here.ics").replace("://", "://ada:pass@"), "login");
    assert_eq!(sync(&mut client, "login", false).0, "success");
    assert_eq!(
        web.requests("/here.ics")[0].headers.get("authorization").map(String::as_str),
        Some("Basic YWRhOnBhc3M=")
    );
    assert_eq!(web.requests("/there.ics")[0].headers.get("authorization"), None);
}

#[test]
fn without_a_key_nothing_is_stored_and_the_error_says_how_to_make_one() {
    let cluster = Cluster::start_with(&[("calendar_sync.encryption_key_file", "")]);
    let mut client = cluster.create_database("crm");
    let error = client
        .query("select calendar_subscribe('ada', 'https://calendar.example.com/team.ics')", &[])
        .expect_err("there is no key");
    let error = error.as_db_error().expect("the server's error");
    assert_eq!(error.code().code(), "55000");
    assert!(error.hint().is_some_and(|hint| hint.contains("head -c 32 /dev/urandom | base64 >")));
    assert_eq!(count(&mut client, "select count(*) from calendar_connections"), 0);
}

#[test]
fn too_many_pulls_by_hand_are_limited_by_user() {
    let (_cluster, mut client, web) = without_worker();
    web.serve("/team.ics", calendar(1..=3));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    client.batch_execute("set calendar_sync.manual_sync_limit = 2").expect("set");
    assert_eq!(sync(&mut client, "team", false).0, "success");
    assert_eq!(sync(&mut client, "team", false).0, "success");
    assert_eq!(sync(&mut client, "team", false).0, "rate_limited");
    assert_eq!(web.requests("/team.ics").len(), 2);
}

#[test]
fn the_worker_is_switched_off_and_on_by_a_reload() {
    let (cluster, mut client, web) = with_worker();
    let waits = "select count(*) from calendar_worker_status
                 where database = current_database() and state = 'waits: nothing attached or subscribed yet'";
    eventually("it waits for something to do", || count(&mut client, waits) == 1);
    cluster.set("calendar_sync.worker", "off");
    eventually("it has ended", || {
        count(&mut client, "select count(*) from pg_stat_activity where backend_type = 'calendar_sync worker'") == 0
    });
    assert_eq!(text(&mut client, "select state from calendar_worker_status"), "off");
    web.serve("/team.ics", calendar(1..=3));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    cluster.set("calendar_sync.worker", "on");
    eventually("it pulls", || count(&mut client, EVENTS) == 3);
}
