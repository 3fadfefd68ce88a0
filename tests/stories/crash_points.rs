//! kill -9 at random points of a pull: after the restart the tables become those of a pull that nobody disturbed.
//!
//! Five points here; `make crash` takes a hundred (CRASH_POINTS) of a larger calendar. CRASH_SEED repeats a run's points.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use calendar_sync_e2e::{Cluster, FakeWeb, Fault, Random, count, eventually};
use postgres::Client;

/// All that is due is pulled and seen to.
const UNSETTLED: &str = "
    select (select count(*) from calendar_connections where next_poll_at <= now() or leased_until is not null)
         + (select count(*) from calendar_series where expand_at <= now() and sync_status <> 'deleted')";

/// What differs from run to run: keys of new rows, times, who is at it.
const VOLATILE: &str = "{event_id, series_id, log_id, created_at, updated_at, changed_at, last_synced_at, last_updated,
    next_poll_at, lease_generation, leased_by, leased_by_start, announced_for, duration_ms, database_oid, expand_at,
    expanded_from, expanded_until}";

/// Whom the kill strikes.
const VICTIMS: [&str; 8] = [
    "calendar_sync worker",
    "calendar_sync worker",
    "calendar_sync worker",
    "calendar_sync launcher",
    "checkpointer",
    "walwriter",
    "background writer",
    "postmaster",
];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

fn file(vevents: impl Iterator<Item = String>) -> String {
    let mut ics = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stories//EN\r\n");
    for vevent in vevents {
        write!(ics, "BEGIN:VEVENT\r\nDTSTAMP:20250101T000000Z\r\n{vevent}END:VEVENT\r\n").expect("text");
    }
    ics.push_str("END:VCALENDAR\r\n");
    ics
}

fn single(number: usize, title: &str) -> String {
    let (month, day, hour) = (1 + number % 12, 1 + number / 12 % 28, number / 336 % 24);
    format!(
        "UID:{number}@stories\r\nDTSTART:2030{month:02}{day:02}T{hour:02}0000Z\r\nDURATION:PT30M\r\nSUMMARY:{title}\r\n"
    )
}

/// Twenty weeks from January on, the second one left out.
fn series(number: usize, hour: usize) -> String {
    format!(
        "UID:series-{number}@stories\r\nDTSTART;TZID=Europe/Berlin:20300107T{hour:02}0000\r\nDURATION:PT1H\r\n\
         RRULE:FREQ=WEEKLY;COUNT=20\r\nEXDATE;TZID=Europe/Berlin:20300114T{hour:02}0000\r\nSUMMARY:Series {number}\r\n"
    )
}

/// The calendar before and after: events stay, change, go and come; so do series.
fn large(events: usize) -> (String, String) {
    let all_series = events / 20;
    let before = file(
        (0..events)
            .map(|number| single(number, &format!("Event {number}")))
            .chain((0..all_series).map(|number| series(number, 9))),
    );
    let changed = |number: usize| if number.is_multiple_of(7) { "moved".to_owned() } else { format!("Event {number}") };
    let after = file(
        (0..events + events / 5)
            .filter(|number| number % 10 != 3)
            .map(|number| single(number, &changed(number)))
            .chain(
                (0..all_series + all_series / 5)
                    .filter(|number| number % 10 != 3)
                    .map(|number| series(number, if number.is_multiple_of(4) { 11 } else { 9 })),
            ),
    );
    (before, after)
}

/// Makes the database that every run starts from: calendars were pulled, have changed since, and the window in which
/// series are stored has moved on.
fn prepare(cluster: &Cluster, web: &FakeWeb, events: usize) {
    let (before, after) = large(events);
    let slow = |events: usize| file((0..events).map(|number| single(number, "Slow")));
    web.serve("/large.ics", before);
    web.serve("/slow.ics", slow(3));
    web.serve("/same.ics", slow(5));
    let mut client = cluster.create_database("base");
    for name in ["large", "slow", "same"] {
        let url = web.url(&format!("/{name}.ics"));
        client
            .execute("select calendar_subscribe($1, $2)", &[&format!("{name}@example.com"), &url])
            .expect("subscribe");
    }
    eventually("all are pulled", || {
        count(&mut client, "select count(*) from calendar_connections where last_synced_at is null") == 0
    });
    // Of some series that stay as they are: what else there was of the others depends on what comes first.
    client
        .batch_execute(
            "create view stays as
                 select series_id from calendar_series
                 cross join lateral (select substring(external_id, '\\d+')::int) as s (number)
                 where number % 5 = 1 and number % 4 <> 0;
             delete from calendar_events
                 where series_id in (select series_id from stays) and event_date > '2030-02-15';
             update calendar_series set expanded_until = '2030-02-15', expand_at = '2026-01-01'
                 where series_id in (select series_id from stays)",
        )
        .expect("a narrower window");
    // Nobody is in a template, the worker neither.
    cluster.connect("postgres").batch_execute("alter database base allow_connections false").expect("alter database");
    drop(client);
    web.serve("/large.ics", after);
    web.serve("/slow.ics", slow(4));
    web.set_fault("/slow.ics", Fault::Drip(Duration::from_millis(1)));
}

/// Copies the base and makes all of it due.
fn begin(cluster: &Cluster, database: &str) -> Client {
    let mut postgres = cluster.connect("postgres");
    eventually("nobody is in the base", || {
        postgres.batch_execute(&format!("create database {database} template base")).is_ok()
    });
    let mut client = cluster.connect(database);
    client.batch_execute("select calendar_resume(), calendar_sync_request()").expect("due");
    client
}

fn end(cluster: &Cluster, database: &str, client: Client) {
    drop(client);
    cluster.connect("postgres").batch_execute(&format!("drop database {database} with (force)")).expect("drop");
}

fn settle(client: &mut Client) {
    eventually("the pulls have ended", || count(client, UNSETTLED) == 0);
}

/// Every row of every table without what is volatile; of the log what succeeded.
fn rows(client: &mut Client) -> BTreeMap<String, Vec<String>> {
    let tables = client
        .query(
            "select c.relname::text from pg_depend d join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass
             where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
               and d.deptype = 'e' and c.relkind = 'r'",
            &[],
        )
        .expect("the extension's tables");
    let mut all: BTreeMap<String, Vec<String>> = tables
        .iter()
        .map(|row| {
            let table: String = row.get(0);
            let condition = if table == "calendar_sync_log" { "where status = 'success'" } else { "" };
            let query =
                format!("select (to_jsonb(t) - '{VOLATILE}'::text[])::text from {table} t {condition} order by 1");
            (table, texts(client, &query))
        })
        .collect();
    let instances = "select s.external_id || ' ' || e.external_id || ' ' || e.recurrence_id || ' ' || e.event_status
                     from calendar_events e left join calendar_series s using (series_id)
                     where e.series_id is not null order by 1";
    all.insert("instances of series".into(), texts(client, instances));
    all
}

fn texts(client: &mut Client, query: &str) -> Vec<String> {
    client.query(query, &[]).expect(query).iter().map(|row| row.get(0)).collect()
}

/// Kills a process of the server, maybe the first of all, and waits until the server is there again. Returns what the
/// worker was at.
fn strike(cluster: &Cluster, database: &str, victim: &str) -> String {
    let mut watcher = cluster.connect("postgres");
    let row = watcher
        .query_one(
            "select (select min(pid) from pg_stat_activity
                     where backend_type = $1 and (datname is null or datname = $2)),
                 coalesce((select query from pg_stat_activity
                           where backend_type = 'calendar_sync worker' and datname = $2), 'no worker yet')",
            &[&victim, &database],
        )
        .expect("pg_stat_activity");
    drop(watcher);
    match row.get::<_, Option<i32>>(0) {
        Some(pid) => cluster.kill(pid),
        None => cluster.kill_server(),
    }
    row.get(1)
}

#[test]
fn wherever_a_kill_strikes_a_pull_the_tables_become_those_of_an_undisturbed_one() {
    let points = number("CRASH_POINTS", 5);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_nanos() as u64;
    let seed = number("CRASH_SEED", clock) | 1;
    let events = if points > 20 { 5_000 } else { 500 };
    println!("CRASH_SEED={seed}, {points} points of a pull of {events} events and {} series", events / 20);
    let mut random = Random::new(seed);
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[
        // Nothing is due but what a run makes due.
        ("calendar_sync.poll_interval", "30d"),
        ("calendar_sync.expand_ahead", "14000d"),
        ("autovacuum", "off"),
    ]);
    prepare(&cluster, &web, events);

    let mut client = begin(&cluster, "calm");
    let started = Instant::now();
    settle(&mut client);
    let duration = started.elapsed();
    let undisturbed = rows(&mut client);
    assert!(undisturbed["calendar_events"].len() > events && undisturbed["calendar_sync_log"].len() >= 5);
    end(&cluster, "calm", client);

    let mut struck: BTreeMap<(String, &str), u32> = BTreeMap::new();
    for point in 1..=points {
        let database = format!("point_{point}");
        let client = begin(&cluster, &database);
        let (after, victim) = (duration.mul_f64(random.fraction()), random.one_of(&VICTIMS));
        sleep(after);
        let at = strike(&cluster, &database, victim);
        drop(client);
        let mut client = cluster.connect(&database);
        eventually("the leases of the dead are over", || {
            count(&mut client, "select count(*) from calendar_connections where leased_until is not null") == 0
        });
        client.batch_execute("select calendar_sync_request()").expect("due");
        settle(&mut client);
        let became = rows(&mut client);
        for (table, rows) in &undisturbed {
            let differing = rows.iter().zip(&became[table]).find(|(one, other)| one != other);
            assert!(
                rows == &became[table],
                "{victim} killed after {after:?} ({at}): {table} has {} rows, not {}: {differing:#?}",
                became[table].len(),
                rows.len()
            );
        }
        *struck.entry((at, victim)).or_default() += 1;
        end(&cluster, &database, client);
    }
    println!("an undisturbed run takes {duration:?}; struck, and the same in the end:");
    for ((at, victim), times) in struck {
        println!("{times:4} x {victim}, the worker at: {at}");
    }
}
