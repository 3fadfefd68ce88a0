//! Agenda, free/busy, free slots and overlaps answer what an oracle in plain SQL answers, over random calendars.

use calendar_sync_e2e::{Cluster, count, eventually};

const ORACLE: &str = include_str!("queries/oracle.sql");
const RANDOM: &str = include_str!("queries/random.sql");

/// As many times are calendars drawn as `CALENDAR_SYNC_QUERY_SEEDS` says, up to 1,000; once if it does not.
fn seeds() -> u32 {
    std::env::var("CALENDAR_SYNC_QUERY_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
}

#[test]
fn over_random_calendars_the_queries_answer_what_an_oracle_answers() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("timezone", "UTC")]);
    for seed in 1..=seeds() {
        let database = format!("seed_{seed}");
        let mut client = cluster.create_database(&database);
        client.batch_execute(ORACLE).expect("the oracle");
        client.batch_execute(&format!("select setseed({seed} / 1000.0); {RANDOM}")).expect("random calendars");
        assert_eq!(count(&mut client, "select count(*) from imported where error is not null"), 0, "seed {seed}");
        assert_eq!(count(&mut client, "select count(*) from imported where action = 'created'"), 160, "seed {seed}");
        // The farthest dates of the world, where a date begins on another day than in UTC, and one with clock changes.
        for zone in ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
            client.batch_execute(&format!("set calendar_sync.time_zone = '{zone}'")).expect("set");
            let differences = client
                .query(
                    "select a.user_id || ' ' || a.range::text || ': ' || d
                     from asked a
                     cross join lateral differences(a.user_id, a.range, $1) d
                     limit 10",
                    &[&zone],
                )
                .expect("the differences");
            let differences: Vec<String> = differences.iter().map(|row| row.get(0)).collect();
            assert!(differences.is_empty(), "seed {seed}, {zone}:\n{}", differences.join("\n"));
        }
        drop(client);
        cluster.connect("postgres").batch_execute(&format!("drop database {database}")).expect("drop database");
    }
}

/// Rows of calendar tables that were read one after the other, rather than by an index.
fn read_in_sequence(client: &mut postgres::Client) -> i64 {
    count(
        client,
        "select coalesce(sum(seq_tup_read), 0)::bigint
         from pg_stat_user_tables
         where relname in ('calendar_events', 'calendar_series', 'calendar_connections')",
    )
}

#[test]
fn what_was_planned_when_the_tables_were_empty_goes_by_indexes_when_they_are_full() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("autovacuum", "off")]);
    let mut asker = cluster.create_database("crm");
    let mut loader = cluster.connect("crm");
    let ask = "select (select count(*) from calendar_agenda('user 7', now(), now() + interval '1 month')),
                      (select count(*) from calendar_free_busy('{user 7, user 8, nobody}', now(), now() + interval '14 days')),
                      (select count(*) from calendar_overlaps('user 7', now(), now() + interval '1 month'))";
    // More often than a plan is made anew for its arguments.
    for _ in 0..10 {
        asker.batch_execute(ask).expect("an answer");
    }
    loader
        .batch_execute(
            "insert into calendar_connections (user_id, name, provider)
             select 'user ' || i, 'work', 'ics' from generate_series(1, 5000) i;
             insert into calendar_events (user_id, title, event_date, event_end, connection_id)
             select 'user ' || i % 500, 'x', at, at + interval '1 hour' * (1 + i % 50), calendar_uuid_v7()
             from generate_series(1, 50000) i, lateral (select now() + interval '1 minute' * i) t(at);
             insert into calendar_series
                 (user_id, external_source, external_id, title, dtstart, expanded_from, expanded_until, expand_at, ends_at)
             select 'user ' || i, 'app', i, 'x', now(), now(), now() + interval '1 day', now(), now() + interval '7 days'
             from generate_series(1, 5000) i",
        )
        .expect("loaded");
    loader.batch_execute("select pg_stat_force_next_flush()").expect("flushed");
    let before = read_in_sequence(&mut loader);
    let by_index = "select sum(idx_scan)::bigint from pg_stat_user_indexes where relname = 'calendar_events'";
    let scans_before = count(&mut loader, by_index);
    for _ in 0..10 {
        asker.batch_execute(ask).expect("an answer");
    }
    drop(asker);
    eventually("what was read is counted", || count(&mut loader, by_index) >= scans_before + 30);
    assert_eq!(read_in_sequence(&mut loader), before);
}
