//! Agenda, free/busy, free slots and overlaps answer what an oracle in plain SQL answers, over random calendars.

use calendar_sync_e2e::{Cluster, count};

const ORACLE: &str = include_str!("queries/oracle.sql");
const RANDOM: &str = include_str!("queries/random.sql");

/// As many calendars are drawn as `CALENDAR_SYNC_SEEDS` says; 1 if it does not.
fn seeds() -> u32 {
    std::env::var("CALENDAR_SYNC_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
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
