//! Memory stays flat: what takes too long for every run of the tests. `make soak`.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use calendar_sync_e2e::{Cluster, FakeWeb, Fault, INSERT_INTERACTIONS, count, create_crm, eventually};
use postgres::Client;

const TEAM_CALENDAR: &str = include_str!("../../demo/team.ics");
const FEEDS: i32 = 1_000;
const FEEDS_OF_ALL_KINDS: i32 = 300;

/// Memory that a process has for itself (not shared buffers), in MB.
fn own_memory(pid: i32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse::<i64>().expect("a number") / 1024
}

/// SOAK_MINUTES, or ten.
fn how_long() -> Duration {
    let minutes = std::env::var("SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(10);
    Duration::from_secs(60 * minutes)
}

#[test]
fn a_million_interactions_in_one_statement_stay_under_500_mb_in_the_backend() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    let pid: i32 = client.query_one("select pg_backend_pid()", &[]).expect("its pid").get(0);
    let (done, peak) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(own_memory(pid), Ordering::Relaxed);
                sleep(Duration::from_millis(20));
            }
        });
        client.execute(INSERT_INTERACTIONS, &[&1, &1_000_000]).expect("a million interactions");
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 1_000_000);
    let peak = peak.into_inner();
    println!("peak memory of the backend: {peak} MB");
    assert!(peak < 500, "{peak} MB");
}

#[test]
fn a_worker_that_polls_a_thousand_feeds_does_not_grow() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.poll_interval", "10s"), ("calendar_sync.jitter", "50")]);
    let mut client = cluster.create_database("crm");
    for feed in 1..=FEEDS {
        let path = format!("/{feed}.ics");
        // Half of them tell that they have not changed, half send the same again.
        if feed % 2 == 0 {
            web.serve(&path, TEAM_CALENDAR);
        } else {
            web.serve_without_validators(&path, TEAM_CALENDAR);
        }
        client
            .execute("select calendar_subscribe('user' || $1::int, $2)", &[&feed, &web.url(&path)])
            .expect("subscribe");
    }
    let polled = "select count(*) from calendar_connections where last_synced_at is not null";
    eventually("all feeds are pulled once", || count(&mut client, polled) == i64::from(FEEDS));
    let worker = worker_of(&mut client);
    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < how_long() {
        sleep(Duration::from_secs(10));
        samples.push(own_memory(worker));
    }
    println!("memory of the worker every 10 s, in MB: {samples:?}");
    let requests: usize = (1..=FEEDS).map(|feed| web.requests(&format!("/{feed}.ics")).len()).sum();
    assert!(requests > 2 * FEEDS as usize, "it polls: {requests} requests");
    assert_flat("memory of the worker in MB", &samples, 2);
}

#[test]
fn a_worker_and_a_session_do_not_grow_whatever_the_feeds_do() {
    let web = FakeWeb::start();
    web.serve("/elsewhere.ics", TEAM_CALENDAR);
    let cluster = Cluster::start_with(&[
        ("calendar_sync.http_timeout", "5s"),
        ("calendar_sync.manual_sync_limit", "1000"),
        ("calendar_sync.poll_interval", "10s"),
    ]);
    let mut client = cluster.create_database("crm");
    for feed in 1..=FEEDS_OF_ALL_KINDS {
        let url = match feed % 10 {
            0 => format!("http://n{feed}.invalid/"),
            _ => web.url(&format!("/{feed}.ics")),
        };
        misbehave(&web, feed, 0);
        client
            .execute("select calendar_subscribe('user' || $1::int % 3, $2, name => $2)", &[&feed, &url])
            .expect("subscribe");
    }
    let worker = worker_of(&mut client);
    let session: i32 = client.query_one("select pg_backend_pid()", &[]).expect("its pid").get(0);

    let start = Instant::now();
    let mut samples: Vec<[i64; 6]> = Vec::new();
    while start.elapsed() < how_long() {
        for feed in 1..=FEEDS_OF_ALL_KINDS {
            misbehave(&web, feed, samples.len());
        }
        // What has failed is not left alone, either.
        client.execute("select calendar_sync_request()", &[]).expect("request");
        client.execute("select * from calendar_sync_now('user1')", &[]).expect("a pull by hand");
        sleep(Duration::from_secs(2));
        let of = |pid| [own_memory(pid), entries(pid, "task"), entries(pid, "fd")];
        let (of_worker, of_session) = (of(worker), of(session));
        samples.push([of_worker[0], of_worker[1], of_worker[2], of_session[0], of_session[1], of_session[2]]);
    }
    println!(
        "rounds: {}, rows of the log: {}",
        samples.len(),
        count(&mut client, "select count(*) from calendar_sync_log")
    );
    let names = ["memory in MB", "threads", "descriptors"];
    for (column, name) in names.iter().chain(&names).enumerate() {
        let whose = if column < 3 { "worker" } else { "session" };
        let values: Vec<i64> = samples.iter().map(|sample| sample[column]).collect();
        assert_flat(&format!("{name} of the {whose}"), &values, if name.ends_with("MB") { 3 } else { 25 });
    }
}

/// What is wrong with a feed, by its number; some change from one round to the next.
fn misbehave(web: &FakeWeb, feed: i32, round: usize) {
    let path = format!("/{feed}.ics");
    let fault = match feed % 10 {
        1 => Fault::Status(503, Vec::new()),
        2 => Fault::Status(302, vec!["Location: /elsewhere.ics".into()]),
        3 => Fault::Drip(Duration::from_millis(2)),
        // Another one each time, so that who waits on the other side goes on.
        4 => {
            if round % 2 == 0 {
                Fault::Stall
            } else {
                Fault::StallInHead
            }
        }
        5 => Fault::Truncate(round % 500),
        6 => Fault::Html,
        7 => Fault::Gzip,
        8 => Fault::NewUids,
        _ => {
            web.serve(&path, TEAM_CALENDAR.replace("SUMMARY:", &format!("SUMMARY:{round} ")));
            return;
        }
    };
    if round == 0 {
        web.serve(&path, TEAM_CALENDAR);
    }
    web.set_fault(&path, fault);
}

fn worker_of(client: &mut Client) -> i32 {
    let pid = "select pid from pg_stat_activity where backend_type = 'calendar_sync worker' and datname = 'crm'";
    eventually("there is a worker", || client.query_opt(pid, &[]).expect(pid).is_some());
    client.query_one(pid, &[]).expect("the worker").get(0)
}

/// Threads ("task") or open files ("fd") of a process.
fn entries(pid: i32, what: &str) -> i64 {
    fs::read_dir(format!("/proc/{pid}/{what}")).expect("a running process").count() as i64
}

fn assert_flat(what: &str, samples: &[i64], slack: i64) {
    let quarter = samples.len().div_ceil(4);
    let mean = |part: &[i64]| part.iter().sum::<i64>() / part.len() as i64;
    let (first, last) = (mean(&samples[..quarter]), mean(&samples[samples.len() - quarter..]));
    println!(
        "{what}: {first} in the first quarter, {last} in the last, {} at most",
        samples.iter().max().unwrap_or(&0)
    );
    assert!(last <= first + first / 20 + slack, "{what}: grown from {first} to {last}");
}
