//! On a standby the worker waits; promoted, it starts.

use calendar_sync_e2e::{
    Cluster, FakeWeb, count, eventually, numbered_calendar, subscribe_to, worker_of, worker_state,
};

const EVENTS: &str = "select count(*) from calendar_events";

#[test]
fn a_standby_reads_and_waits_and_pulls_once_it_is_promoted_beside_the_old_primary() {
    let web = FakeWeb::start();
    web.serve("/team.ics", numbered_calendar(5));
    let primary = Cluster::start_with(&[("calendar_sync.poll_interval", "30d")]);
    let mut client = primary.create_database("crm");
    subscribe_to(&mut client, &web, "/team.ics");
    eventually("the primary pulls", || count(&mut client, EVENTS) == 5);
    client
        .batch_execute("create table link as select token from calendar_feed_create('/team.ics', 'all')")
        .expect("a feed");

    let standby = primary.standby();
    let mut copy = standby.connect("crm");
    eventually("the standby has it", || count(&mut copy, EVENTS) == 5);
    assert_eq!(worker_state(&mut copy), "standby");
    for query in [
        "select count(*) from calendar_agenda('/team.ics', '2030-01-01', '2030-12-31')",
        "select count(*) from calendar_sync_status('/team.ics') where events = 5",
        "select count(*) from calendar_connection_status",
        "select count(*) from calendar_sync_recent",
        "select length(calendar_ics_export('/team.ics', '2030-01-01', '2030-12-31'))::bigint",
        "select length(calendar_feed(token))::bigint from link",
    ] {
        assert!(count(&mut copy, query) > 0, "{query}");
    }
    let asked = web.requests("/team.ics").len();

    copy.batch_execute("select pg_promote()").expect("promote");
    eventually("its worker runs", || worker_state(&mut copy) == "running");
    web.serve("/team.ics", numbered_calendar(7));
    copy.batch_execute("select calendar_sync_request()").expect("request");
    eventually("it pulls", || count(&mut copy, EVENTS) == 7);
    assert_eq!(web.requests("/team.ics").len(), asked + 1, "once");
    assert_eq!(count(&mut copy, "select count(distinct external_id) from calendar_events"), 7);

    // The old primary does not know: it goes on as what it is.
    assert_eq!(worker_state(&mut client), "running");
    assert!(worker_of(&mut client, "crm").is_some());
    assert_eq!(count(&mut client, EVENTS), 5);
}
