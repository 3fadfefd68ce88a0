//! What the worker holds while it waits, how it is woken, and what it shows of itself.

use calendar_sync_e2e::{
    Cluster, FakeWeb, Fault, count, eventually, numbered_calendar, subscribe_to, worker_of, worker_state,
};
use postgres::Client;

const EVENTS: &str = "select count(*) from calendar_events";

fn start() -> (Cluster, Client, FakeWeb) {
    let cluster = Cluster::start_with(&[("max_prepared_transactions", "5"), ("calendar_sync.poll_interval", "30d")]);
    let client = cluster.create_database("crm");
    (cluster, client, FakeWeb::start())
}

#[test]
fn while_the_network_is_waited_for_no_transaction_is_open_and_no_address_is_shown() {
    let (_cluster, mut client, web) = start();
    for (path, fault) in [("/stall-secret.ics", Fault::Stall), ("/hold-secret.ics", Fault::Hold)] {
        web.serve(path, numbered_calendar(3));
        web.set_fault(path, fault);
        subscribe_to(&mut client, &web, path);
    }
    let waits = "select count(*) from calendar_worker_status where state = 'running' and in_flight = 2";
    eventually("both are under way", || count(&mut client, waits) == 1 && web.requests("/hold-secret.ics").len() == 1);
    let worker = "backend_type = 'calendar_sync worker' and datname = current_database()";
    eventually("the worker waits", || {
        count(&mut client, &format!("select count(*) from pg_stat_activity where {worker} and state = 'idle'")) == 1
    });
    let shown = client
        .query_one(
            &format!(
                "select query, application_name, xact_start is null, backend_xid is null, backend_xmin is null,
                     (select count(*) from pg_locks l where l.pid = a.pid)
                 from pg_stat_activity a where {worker}"
            ),
            &[],
        )
        .expect("the worker");
    assert_eq!(shown.get::<_, String>(0), "calendar_sync: waiting, 2 calendars on the network");
    assert_eq!(shown.get::<_, String>(1), "calendar_sync worker");
    assert_eq!((shown.get(2), shown.get(3), shown.get(4)), (true, true, true), "a transaction is open");
    assert_eq!(shown.get::<_, i64>(5), 0, "locks are held");
}

#[test]
fn a_call_wakes_the_worker_when_it_commits_by_whatever_way_and_not_before() {
    let (cluster, mut client, web) = start();
    web.serve("/team.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/team.ics");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
    eventually("the worker runs", || worker_state(&mut client) == "running");
    let asked = |web: &FakeWeb| web.requests("/team.ics").len();
    let before = asked(&web);
    for undone in [
        "begin; select calendar_sync_request(); rollback",
        "begin; savepoint s; select calendar_sync_request(); rollback to s; commit",
    ] {
        client.batch_execute(undone).expect(undone);
    }
    let ways: [&[&str]; 6] = [
        &["select calendar_sync_request()"],
        &["begin; savepoint s; select calendar_sync_request(); release s; commit"],
        &["begin; savepoint s; select calendar_sync_request(); rollback to s; select calendar_sync_request(); commit"],
        &["do $$ begin perform calendar_sync_request(); commit; end $$"],
        // Transactions of one message have the same start.
        &["begin; select calendar_sync_request(); rollback; begin; select calendar_sync_request(); commit"],
        &["begin; select calendar_sync_request(); prepare transaction 'call'", "commit prepared 'call'"],
    ];
    for (way, messages) in ways.into_iter().enumerate() {
        for message in messages {
            client.batch_execute(message).expect(message);
        }
        eventually(messages[0], || asked(&web) == before + way + 1);
    }
    // CREATE EXTENSION in a transaction that another session commits.
    let mut later = {
        cluster.connect("postgres").batch_execute("create database later").expect("create database");
        cluster.connect("later")
    };
    later
        .batch_execute("begin; create extension calendar_sync; prepare transaction 'extension'")
        .expect("create extension and prepare");
    cluster.connect("later").batch_execute("commit prepared 'extension'").expect("commit prepared");
    eventually("the launcher finds it", || worker_of(&mut client, "later").is_some());
}

#[test]
fn what_the_worker_writes_is_counted_by_the_statistics() {
    let (_cluster, mut client, web) = start();
    web.serve("/team.ics", numbered_calendar(50));
    subscribe_to(&mut client, &web, "/team.ics");
    let written = "select n_tup_ins from pg_stat_user_tables where relname = 'calendar_events'";
    eventually("its rows are counted", || count(&mut client, written) == 50);
}
