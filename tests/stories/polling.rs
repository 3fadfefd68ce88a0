//! When a connection is polled: intervals, what a feed asks for, jitter, and what comes after failures.

use calendar_sync_e2e::{ADA, Cluster, FakeWeb, Fault, calendar_of, pull, subscribe, text, vevent};
use postgres::Client;

fn start(jitter: &str) -> (Cluster, Client, FakeWeb) {
    let settings = [
        ("calendar_sync.worker", "off"),
        ("calendar_sync.manual_sync_limit", "10000"),
        ("calendar_sync.jitter", jitter),
    ];
    let cluster = Cluster::start_with(&settings);
    let client = cluster.create_database("crm");
    (cluster, client, FakeWeb::start())
}

fn asking(lines: &str) -> String {
    calendar_of([vevent("a", 1, "Meeting")]).replace("VERSION:2.0\r\n", &format!("VERSION:2.0\r\n{lines}"))
}

/// From now to the next poll, in whole minutes.
fn minutes(client: &mut Client, name: &str) -> i64 {
    let query = "select round(extract(epoch from next_poll_at - clock_timestamp()) / 60)::bigint
                 from calendar_connections where name = $1";
    client.query_one(query, &[&name]).expect("the connection").get(0)
}

#[test]
fn a_feed_that_asks_to_be_left_alone_is_polled_less_often_and_its_owner_has_the_last_word() {
    let (_cluster, mut client, web) = start("0");
    for (name, lines, expected) in [
        ("silent", "", 10),
        ("standard", "REFRESH-INTERVAL;VALUE=DURATION:PT3H\r\n", 180),
        ("older", "X-PUBLISHED-TTL:PT2H\r\n", 120),
        ("both", "X-PUBLISHED-TTL:PT9H\r\nREFRESH-INTERVAL;VALUE=DURATION:PT4H\r\n", 240),
        ("often", "REFRESH-INTERVAL;VALUE=DURATION:PT1M\r\n", 10),
        ("absurd", "REFRESH-INTERVAL;VALUE=DURATION:P9999W\r\n", 24 * 60),
        ("years", "REFRESH-INTERVAL;VALUE=DURATION:P10000Y\r\n", 10),
        ("back", "REFRESH-INTERVAL;VALUE=DURATION:-PT5H\r\n", 10),
    ] {
        web.serve(&format!("/{name}.ics"), asking(lines));
        subscribe(&mut client, &web.url(&format!("/{name}.ics")), name);
        assert_eq!(pull(&mut client, name).status, "success");
        assert_eq!(minutes(&mut client, name), expected, "{name}");
        assert_eq!(pull(&mut client, name).status, "success");
        assert_eq!(web.not_modified(&format!("/{name}.ics")), 1);
        assert_eq!(minutes(&mut client, name), expected, "{name}, after a 304");
    }
    let subscribe_with = "select calendar_subscribe($1, $2, name => 'standard', poll_interval => '30 minutes')";
    client.execute(subscribe_with, &[&ADA, &web.url("/standard.ics")]).expect("subscribe");
    pull(&mut client, "standard");
    assert_eq!(minutes(&mut client, "standard"), 30);
    // It changes its mind.
    web.serve("/older.ics", asking("X-PUBLISHED-TTL:PT1H\r\n"));
    pull(&mut client, "older");
    assert_eq!(minutes(&mut client, "older"), 60);
}

#[test]
fn failures_back_off_until_the_circuit_breaker_opens_and_one_success_closes_it() {
    let (_cluster, mut client, web) = start("10");
    web.serve_without_validators("/team.ics", calendar_of([vevent("a", 1, "Meeting")]));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    web.set_fault("/team.ics", Fault::Status(503, vec![]));
    let state = "select concat_ws(' ', status, consecutive_failures, last_error is not null) from calendar_connections";
    for (failures, status, pause) in
        [(1, "active", 1), (2, "active", 2), (3, "active", 4), (4, "active", 8), (5, "error", 360), (6, "error", 360)]
    {
        assert_eq!(pull(&mut client, "team").status, "error");
        assert_eq!(text(&mut client, state), format!("{status} {failures} t"));
        let minutes = minutes(&mut client, "team");
        assert!((pause * 85 / 100..=pause * 115 / 100).contains(&minutes), "after {failures}: {minutes} minutes");
        assert!(minutes <= 360);
    }
    for (asked, expected) in [("7200", 360), ("43200", 720), ("999999999", 24 * 60), ("-5", 360), ("soon", 360)] {
        web.set_fault("/team.ics", Fault::Status(429, vec![format!("Retry-After: {asked}")]));
        pull(&mut client, "team");
        let minutes = minutes(&mut client, "team");
        assert!((expected * 85 / 100..=expected).contains(&minutes), "Retry-After: {asked} gives {minutes} minutes");
    }
    web.set_fault("/team.ics", Fault::Status(401, vec![]));
    pull(&mut client, "team");
    assert_eq!(text(&mut client, state), "reauth_required 12 t");
    web.set_fault("/team.ics", None);
    assert_eq!(pull(&mut client, "team").status, "success");
    assert_eq!(text(&mut client, state), "active 0 f");
    assert_eq!(
        text(
            &mut client,
            "select string_agg(status, ' ' order by log_id) from calendar_sync_log where action = 'pull'"
        ),
        "success failed retry retry retry retry retry retry retry retry retry retry failed success"
    );
}

#[test]
fn polls_are_spread_over_all_of_the_jitter() {
    let (_cluster, mut client, web) = start("10");
    web.serve("/team.ics", calendar_of([vevent("a", 1, "Meeting")]));
    client
        .execute(
            "select calendar_subscribe($1, $2 || '?' || n, poll_interval => '1000 seconds') from generate_series(1, 100) n",
            &[&ADA, &web.url("/team.ics")],
        )
        .expect("subscribe");
    assert_eq!(client.query("select * from calendar_sync_now($1)", &[&ADA]).expect("sync").len(), 100);
    let spread = client
        .query_one(
            "select min(seconds), max(seconds)
             from calendar_connections,
                 lateral (select extract(epoch from next_poll_at - last_synced_at)::float8) s (seconds)",
            &[],
        )
        .expect("the spread");
    let (first, last): (f64, f64) = (spread.get(0), spread.get(1));
    assert!((899.0..930.0).contains(&first) && (1070.0..1101.0).contains(&last), "{first} to {last}");
}

#[test]
fn a_paused_calendar_stays_paused_whatever_a_pull_by_its_name_finds() {
    let (_cluster, mut client, web) = start("10");
    let meetings = |count| calendar_of((0..count).map(|n| vevent(&n.to_string(), n + 1, "Meeting")));
    web.serve("/team.ics", meetings(30));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    client.execute("select calendar_pause(connection_id) from calendar_connections", &[]).expect("pause");
    assert!(client.query("select * from calendar_sync_now($1)", &[&ADA]).expect("sync").is_empty());
    let status = "select status from calendar_connections";
    for (events, fault, pulled) in [
        (31, None, "success"),
        (1, None, "error"),
        (31, Some(Fault::Status(500, vec![])), "error"),
        (31, Some(Fault::Status(401, vec![])), "error"),
    ] {
        web.serve("/team.ics", meetings(events));
        web.set_fault("/team.ics", fault);
        assert_eq!(pull(&mut client, "team").status, pulled);
        assert_eq!(text(&mut client, status), "paused");
    }
    client.execute("select calendar_continue(connection_id) from calendar_connections", &[]).expect("continue");
    assert_eq!(text(&mut client, status), "active");
}

#[test]
fn a_calendar_of_more_events_than_can_be_meant_is_refused_whole() {
    let (_cluster, mut client, web) = start("10");
    let most =
        calendar_of([format!("{}{}", "BEGIN:VEVENT\r\nEND:VEVENT\r\n".repeat(500_000), vevent("a", 1, "Meeting"))]);
    web.serve("/endless.ics", most);
    subscribe(&mut client, &web.url("/endless.ics"), "endless");
    let pulled = pull(&mut client, "endless");
    assert!(pulled.error.ends_with("the calendar has more than 500000 events"), "{}", pulled.error);
    assert_eq!(text(&mut client, "select count(*)::text from calendar_events"), "0");
}
