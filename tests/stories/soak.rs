//! Memory stays flat: what takes too long for every run of the tests. `make soak`.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use calendar_sync_e2e::{Cluster, FakeWeb, INSERT_INTERACTIONS, count, create_crm, eventually};

const TEAM_CALENDAR: &str = include_str!("../../demo/team.ics");
const FEEDS: i32 = 1_000;

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
    let worker: i32 = client
        .query_one("select pid from pg_stat_activity where backend_type like 'calendar_sync%' and datname = 'crm'", &[])
        .expect("the worker")
        .get(0);

    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < how_long() {
        sleep(Duration::from_secs(10));
        samples.push(own_memory(worker));
    }
    println!("memory of the worker every 10 s, in MB: {samples:?}");
    let requests: usize = (1..=FEEDS).map(|feed| web.requests(&format!("/{feed}.ics")).len()).sum();
    assert!(requests > 2 * FEEDS as usize, "it polls: {requests} requests");
    let quarter = samples.len().div_ceil(4);
    let mean = |part: &[i64]| part.iter().sum::<i64>() / part.len() as i64;
    let (first, last) = (mean(&samples[..quarter]), mean(&samples[samples.len() - quarter..]));
    assert!(last <= first + first / 20 + 2, "grown from {first} to {last} MB");
}
