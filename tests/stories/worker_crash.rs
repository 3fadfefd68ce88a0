//! kill -9 of the worker in the middle of a pull: the pull is made again, nothing is there twice.

use calendar_sync_e2e::{Cluster, FakeWeb, Fault, count, eventually, numbered_calendar, worker_of};

#[test]
fn a_worker_killed_amid_a_fetch_starts_again_and_every_event_is_there_once() {
    let web = FakeWeb::start();
    web.serve("/held.ics", numbered_calendar(300));
    web.set_fault("/held.ics", Fault::Hold);
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    client.execute("select calendar_subscribe('ada@example.com', $1)", &[&web.url("/held.ics")]).expect("subscribe");
    eventually("the worker is amid the fetch", || web.requests("/held.ics").len() == 1);
    let worker = worker_of(&mut client, "crm").expect("a worker");
    cluster.kill(worker);
    web.set_fault("/held.ics", None);

    let mut client = cluster.connect("crm");
    eventually("the lease of the dead is over", || {
        count(&mut client, "select count(*) from calendar_connections where leased_until is not null") == 0
    });
    client.batch_execute("select calendar_sync_request()").expect("request");
    eventually("the calendar is pulled", || count(&mut client, "select count(*) from calendar_events") > 0);
    let distinct = "select count(distinct external_id) from calendar_events";
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 300);
    assert_eq!(count(&mut client, distinct), 300);
    let pulls = "select count(*) from calendar_sync_log where action = 'pull' and status = 'success'";
    eventually("the pull is logged", || count(&mut client, pulls) == 1);
}
