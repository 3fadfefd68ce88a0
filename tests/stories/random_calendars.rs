//! Random calendars, through SQL: the agenda is what an independent reader finds in them, and what is exported is read as
//! the same by it, by libical and by ourselves.

use std::collections::BTreeSet;
use std::process::Command;

use calendar_sync_e2e::{Cluster, Occurrence, read_occurrences, read_with_libical, repository};
use postgres::Client;
use serde_json::Value;

/// First seed and how many, unless CALENDAR_SYNC_SEEDS says otherwise.
const SEEDS: &str = "1 40";

struct Calendar {
    seed: String,
    ics: String,
    /// The window, ISO 8601.
    from: String,
    to: String,
    /// Start, end and SUMMARY.
    occurrences: Vec<[String; 3]>,
}

fn random_calendars() -> Vec<Calendar> {
    let seeds = std::env::var("CALENDAR_SYNC_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let output = Command::new(repository().join("target/venv/bin/python"))
        .arg(repository().join("tests/python/random_calendars.py"))
        .args(seeds.split_whitespace())
        .output()
        .expect("target/venv is there: run bin/setup test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calendar = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a line of JSON");
        let occurrences = row["occurrences"].as_array().expect("its occurrences").iter();
        Calendar {
            seed: row["seed"].to_string(),
            ics: text(&row["ics"]),
            from: text(&row["from"]),
            to: text(&row["to"]),
            occurrences: occurrences.map(|fields| [0, 1, 2].map(|field| text(&fields[field]))).collect(),
        }
    };
    String::from_utf8_lossy(&output.stdout).lines().map(calendar).collect()
}

fn import(client: &mut Client, user: &str, ics: &str) {
    let bad = "select uid || ': ' || error from calendar_ics_import($1, $2) where error is not null";
    let bad: Vec<String> =
        client.query(bad, &[&user, &ics]).expect("the import").iter().map(|row| row.get(0)).collect();
    assert!(bad.is_empty(), "{user}: {bad:?}\n{ics}");
}

/// What starts in the window, sorted. Without an end something ends when it starts, as other readers have it.
fn agenda(client: &mut Client, user: &str, calendar: &Calendar) -> Vec<[String; 3]> {
    let rows = client
        .query(
            r#"select to_char(starts_at at time zone 'UTC', f),
                   to_char(coalesce(ends_at, starts_at) at time zone 'UTC', f), title
               from calendar_agenda($1, $2::text::timestamptz, $3::text::timestamptz),
                    lateral (select case when all_day then 'YYYYMMDD' else 'YYYYMMDD"T"HH24MISS"Z"' end) as format (f)"#,
            &[&user, &calendar.from, &calendar.to],
        )
        .expect("the agenda");
    well_inside(rows.iter().map(|row| [0, 1, 2].map(|field| row.get(field))))
}

/// The reader takes the window in each event's own zone: what starts at its ends is not compared.
fn well_inside(occurrences: impl IntoIterator<Item = [String; 3]>) -> Vec<[String; 3]> {
    let inside = |start: &str| ("20250103".."20251230").contains(&&start[..8]);
    let mut kept: Vec<_> = occurrences.into_iter().filter(|fields| inside(&fields[0])).collect();
    kept.sort();
    kept
}

#[test]
fn the_agenda_of_a_random_calendar_is_what_an_independent_reader_finds() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    for calendar in random_calendars() {
        let (first, again) = (calendar.seed.as_str(), format!("{} again", calendar.seed));
        import(&mut client, first, &calendar.ics);
        let expected = well_inside(calendar.occurrences.clone());
        assert_eq!(agenda(&mut client, first, &calendar), expected, "seed {first}\n{}", calendar.ics);

        let export = "select calendar_ics_export($1, $2::text::timestamptz, $3::text::timestamptz)";
        let exported: String =
            client.query_one(export, &[&first, &calendar.from, &calendar.to]).expect("the export").get(0);
        import(&mut client, &again, &exported);
        assert_eq!(agenda(&mut client, &again, &calendar), expected, "seed {first}, exported\n{exported}");
        compare_readers(&calendar, &expected, &exported);
    }
}

/// Starts and titles, each once: which lengths other readers take otherwise is said in `random_calendars.py`, and libical
/// gives an RDATE that the rule gives, too, twice.
fn compare_readers(calendar: &Calendar, expected: &[[String; 3]], exported: &str) {
    type Starts = BTreeSet<(String, String)>;
    let utc = |instant: &str| instant.replace('Z', "+00:00");
    let (from, to) = (utc(&calendar.from), utc(&calendar.to));
    let expected: Starts = expected.iter().map(|[start, _, title]| (start.clone(), title.clone())).collect();
    let compare = |reader: &str, occurrences: Vec<Occurrence>| {
        let found = well_inside(occurrences.into_iter().map(|it| [it.start, it.end, it.summary]));
        let found: Starts = found.into_iter().map(|[start, _, title]| (start, title)).collect();
        let differences: Vec<_> = found.symmetric_difference(&expected).collect();
        assert!(differences.is_empty(), "seed {}, by {reader}: {differences:?}\n{exported}", calendar.seed);
    };
    compare("icalendar", read_occurrences(exported, &from, &to));
    if !exported.lines().any(is_beyond_libical) {
        compare("libical", read_with_libical(exported, &from, &to));
    }
}

/// It does not know RANGE=THISANDFUTURE, leaves RDATEs out that are PERIODs, takes others as UTC, and of a time that exists
/// twice or not at all another than 3.3.5 says (in these zones clocks change before four).
fn is_beyond_libical(line: &str) -> bool {
    let at_night = ["T00", "T01", "T02", "T03"].iter().any(|hour| line.contains(hour));
    line.contains("RANGE=THISANDFUTURE")
        || line.contains("VALUE=PERIOD")
        || line.starts_with("RDATE;TZID")
        || (line.contains(";TZID=") && at_night)
}
