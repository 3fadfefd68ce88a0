//! The worker ends when it is told to, wherever it is, and comes back; what it is told by settings it does at once.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use calendar_sync_e2e::{
    Cluster, FakeWeb, Fault, GoogleCall, GoogleFault, Linked, activity_of, count, eventually, numbered_calendar,
    subscribe_to, worker_of, worker_state,
};
use postgres::Client;

const EVENTS: &str = "select count(*) from calendar_events";

fn running(client: &mut Client) -> i32 {
    eventually("the worker runs", || worker_state(client) == "running");
    worker_of(client, "crm").expect("a worker that runs")
}

/// Ends a process of the server as an administrator does, and waits until it is gone.
fn terminate(client: &mut Client, pid: i32) {
    let started = Instant::now();
    let ended: bool = client.query_one("select pg_terminate_backend($1, 60000)", &[&pid]).expect("terminate").get(0);
    println!("ended after {:?}", started.elapsed());
    assert!(ended, "it has not ended");
}

#[test]
fn the_worker_ends_at_once_wherever_it_is_and_what_it_was_at_is_done_by_the_next() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    web.serve("/nothing.ics", numbered_calendar(0));
    subscribe_to(&mut client, &web, "/nothing.ics");
    let idle = running(&mut client);
    terminate(&mut client, idle);

    // Servers that take connections and say nothing: in the TLS handshake, before an answer, amid one.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let handshake = format!("https://{}/handshake.ics", silent.local_addr().expect("its address"));
    let calendar = numbered_calendar(50);
    for (path, fault) in [("/stall.ics", Fault::Stall), ("/hold.ics", Fault::Hold)] {
        web.serve(path, calendar.as_bytes());
        web.set_fault(path, fault);
        subscribe_to(&mut client, &web, path);
    }
    // 192.0.2.1 leads nowhere (RFC 5737); the name's server may say so at once.
    for url in [handshake.as_str(), "http://192.0.2.1/connecting.ics", "http://nowhere.example.com/name.ics"] {
        client.execute("select calendar_subscribe('ada', $1, name => $1)", &[&url]).expect("subscribe");
    }
    eventually("all are under way", || {
        web.requests("/stall.ics").len() == 1 && web.requests("/hold.ics").len() == 1 && silent.accept().is_ok()
    });
    let on_network = running(&mut client);
    terminate(&mut client, on_network);
    // Nobody has to wait for the leases of the one that has ended in order.
    eventually("the next one asks again", || web.requests("/hold.ics").len() == 2);
    web.set_fault("/stall.ics", None);
    web.set_fault("/hold.ics", None);
    eventually("and pulls them", || {
        client.batch_execute("select calendar_sync_request()").expect("request");
        count(&mut client, EVENTS) == 100
    });

    web.serve("/large.ics", numbered_calendar(6_000));
    subscribe_to(&mut client, &web, "/large.ics");
    eventually("it applies a large calendar", || activity_of(&mut client, "crm").contains("applying"));
    let applying = worker_of(&mut client, "crm").expect("the worker that applies");
    terminate(&mut client, applying);
    assert_eq!(count(&mut client, EVENTS), 100, "nothing of the large one is there");
    eventually("the next one applies it", || count(&mut client, EVENTS) == 6_100);
    let failures = "select count(*) from calendar_connections where name = '/large.ics' and consecutive_failures > 0";
    assert_eq!(count(&mut client, failures), 0, "that a worker ended is no calendar's failure");
}

#[test]
fn a_cancel_ends_neither_the_worker_nor_the_launcher_and_a_terminated_launcher_comes_back() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    web.serve("/one.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/one.ics");
    let worker = running(&mut client);
    let launcher = "select pid from pg_stat_activity where backend_type = 'calendar_sync launcher'";
    let first: i32 = client.query_one(launcher, &[]).expect("the launcher").get(0);
    for pid in [worker, first, worker] {
        client.query("select pg_cancel_backend($1)", &[&pid]).expect("cancel");
    }
    web.serve("/two.ics", numbered_calendar(4));
    subscribe_to(&mut client, &web, "/two.ics");
    eventually("it pulls on", || {
        // The pull itself may have been what was cancelled.
        client.batch_execute("select calendar_sync_request()").expect("request");
        count(&mut client, EVENTS) == 7
    });
    assert_eq!(worker_of(&mut client, "crm"), Some(worker));
    assert_eq!(client.query_one(launcher, &[]).expect("the launcher").get::<_, i32>(0), first);

    terminate(&mut client, first);
    eventually("there is another launcher", || {
        client.query_opt(launcher, &[]).expect("pg_stat_activity").is_some_and(|row| row.get::<_, i32>(0) != first)
    });
    assert_eq!(worker_of(&mut client, "crm"), Some(worker), "the worker went on");
    cluster.create_database("later");
    eventually("it finds a new database", || worker_of(&mut client, "later").is_some());
}

#[test]
fn a_calendar_is_free_as_soon_as_the_worker_that_was_at_it_is_gone() {
    let mut linked = Linked::start_with(&[], "both");
    linked.google.fail(GoogleCall::List, 1, GoogleFault::Delay(Duration::from_secs(20)));
    eventually("it is amid a pull", || linked.google.count(GoogleCall::List) == 1);
    linked.cluster.set("calendar_sync.worker", "off");
    eventually("it is gone", || worker_of(&mut linked.client, "crm").is_none());
    let leased = "select count(*) from calendar_connections where leased_until > now()";
    assert_eq!(count(&mut linked.client, leased), 1);
    assert_eq!(linked.sync_now(), ("success".into(), 0, String::new()));
}

#[test]
fn whatever_way_the_server_restarts_the_worker_goes_on() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    web.serve("/stall.ics", numbered_calendar(3));
    web.set_fault("/stall.ics", Fault::Stall);
    subscribe_to(&mut client, &web, "/stall.ics");
    for (round, mode) in ["smart", "fast", "immediate"].into_iter().enumerate() {
        eventually("it is amid a pull", || web.requests("/stall.ics").len() == round + 1);
        // A smart shutdown waits for clients.
        drop(client);
        cluster.restart(mode);
        client = cluster.connect("crm");
        eventually("the lease of the dead is over", || {
            count(&mut client, "select count(*) from calendar_connections where leased_until is not null") == 0
        });
        client.batch_execute("select calendar_sync_request()").expect("request");
    }
    web.set_fault("/stall.ics", None);
    client.batch_execute("select calendar_sync_request()").expect("request");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
}

#[test]
fn a_pull_with_which_the_server_went_down_goes_on_at_once_and_if_that_happens_again_later_and_later() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    web.serve("/stall.ics", numbered_calendar(3));
    web.set_fault("/stall.ics", Fault::Stall);
    subscribe_to(&mut client, &web, "/stall.ics");
    for crashes in 1..=2 {
        eventually("it is amid a pull", || web.requests("/stall.ics").len() == crashes);
        let worker = worker_of(&mut client, "crm").expect("a worker");
        cluster.kill(worker);
        client = cluster.connect("crm");
        let failed = format!(
            "select count(*) from calendar_connections
             where consecutive_failures = {crashes} and last_error like 'the server stopped%'"
        );
        eventually("that counts as a failure", || count(&mut client, &failed) == 1);
    }
    let later = "select count(*) from calendar_connections where next_poll_at > now() + interval '100 seconds'";
    assert_eq!((count(&mut client, later), web.requests("/stall.ics").len()), (1, 2));
}

#[test]
fn settings_reach_a_running_worker_by_reload_and_those_of_its_database_by_its_restart() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    web.serve("/one.ics", numbered_calendar(30));
    subscribe_to(&mut client, &web, "/one.ics");
    let worker = running(&mut client);
    let agents = |web: &FakeWeb| -> Vec<String> {
        web.requests("/one.ics").iter().map(|request| request.headers["user-agent"].clone()).collect()
    };
    cluster.set("calendar_sync.http_user_agent", "by reload");
    cluster.set("calendar_sync.worker_threads", "2");
    eventually("it asks under the new name", || {
        client.batch_execute("select calendar_sync_request()").expect("request");
        agents(&web).contains(&"by reload".to_owned())
    });
    assert_eq!(worker_of(&mut client, "crm"), Some(worker));
    client.batch_execute("alter database crm set calendar_sync.http_user_agent = 'of the database'").expect("alter");
    eventually("it asks under the database's name", || {
        client.batch_execute("select calendar_sync_request()").expect("request");
        agents(&web).contains(&"of the database".to_owned())
    });
    // What a database sets for its sessions is not meant for the worker.
    web.serve("/two.ics", numbered_calendar(40));
    client
        .batch_execute(
            "alter database crm set default_transaction_read_only = on;
             alter database crm set default_transaction_isolation = 'serializable'",
        )
        .expect("alter database");
    subscribe_to(&mut client, &web, "/two.ics");
    eventually("it pulls all the same", || count(&mut client, EVENTS) == 70);
}
