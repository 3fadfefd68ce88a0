//! kill -9 of a backend in the middle of its work: nothing is lost, nothing is there twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use calendar_sync_e2e::{Cluster, INSERT_INTERACTIONS, count, create_crm, eventually};
use postgres::Client;

/// Interactions without exactly one event, and events without their interaction.
const MISMATCHES: &str = "
    select count(*)
    from interaction i
    full join calendar_events e on e.related_id = i.interaction_id and e.related_table = 'interaction'
    where i.interaction_id is null or e.event_id is null";

fn backend_pid(client: &mut Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).expect("its pid").get(0)
}

#[test]
fn a_backend_killed_amid_a_batch_of_100000_leaves_nothing_of_it_and_all_of_what_was_there() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    client.execute(INSERT_INTERACTIONS, &[&1, &500]).expect("a first batch");

    let pid = backend_pid(&mut client);
    let batch = std::thread::spawn(move || client.execute(INSERT_INTERACTIONS, &[&501, &100_500]));
    let mut watcher = cluster.connect("crm");
    // Its log or its events have begun to grow: it is in the middle of the flush, or of collecting for it.
    let written = "select pg_relation_size('interaction') + pg_relation_size('calendar_events')";
    let before = count(&mut watcher, written);
    eventually("the batch is under way", || count(&mut watcher, written) > before + 2_000_000);
    cluster.kill(pid);
    batch.join().expect("the batch's thread").expect_err("the batch must not have ended before the kill");

    let mut client = cluster.connect("crm");
    assert_eq!(count(&mut client, "select count(*) from interaction"), 500);
    assert_eq!(count(&mut client, MISMATCHES), 0);
    client.execute(INSERT_INTERACTIONS, &[&501, &100_500]).expect("the batch again");
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 100_500);
    assert_eq!(count(&mut client, MISMATCHES), 0);
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once_with_its_event() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    let pid = backend_pid(&mut client);
    let acknowledged = Arc::new(AtomicI32::new(0));
    let so_far = acknowledged.clone();
    let writer = std::thread::spawn(move || {
        for first in (1..).step_by(50) {
            let last = first + 49;
            if client.execute(INSERT_INTERACTIONS, &[&first, &last]).is_err() {
                return;
            }
            so_far.store(last, Ordering::SeqCst);
        }
    });
    eventually("some statements are acknowledged", || acknowledged.load(Ordering::SeqCst) >= 1_000);
    cluster.kill(pid);
    writer.join().expect("the writer's thread");

    let mut client = cluster.connect("crm");
    let kept = count(&mut client, "select count(*) from interaction");
    let acknowledged = i64::from(acknowledged.load(Ordering::SeqCst));
    assert!(kept == acknowledged || kept == acknowledged + 50, "{kept} kept of {acknowledged} acknowledged");
    assert_eq!(count(&mut client, MISMATCHES), 0);
}
