//! What calendar_ics_export writes is read back by an independent reader, which finds the agenda's occurrences.

use std::collections::BTreeSet;

use calendar_sync_e2e::{Cluster, INSERT_INTERACTIONS, create_crm, read_occurrences};
use postgres::Client;

const FROM: &str = "2030-03-01T00:00:00+00:00";
const TO: &str = "2030-12-01T00:00:00+00:00";

/// Start, end and title of everything in the agenda that has both a start and an end, as the reader writes them.
fn agenda(client: &mut Client, from: &str, to: &str) -> Vec<(String, String, String)> {
    let rows = client
        .query(
            "select to_char(starts_at at time zone 'UTC', format), to_char(ends_at at time zone 'UTC', format), title
             from calendar_agenda('ada@example.com', $1::text::timestamptz, $2::text::timestamptz),
                  lateral (select case when all_day then 'YYYYMMDD' else 'YYYYMMDD\"T\"HH24MISS\"Z\"' end as format) f",
            &[&from, &to],
        )
        .expect("the agenda");
    let mut found: Vec<_> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    found.sort();
    found
}

fn exported(client: &mut Client, from: &str, to: &str) -> String {
    let export = "select calendar_ics_export('ada@example.com', $1::text::timestamptz, $2::text::timestamptz)";
    client.query_one(export, &[&from, &to]).expect("the export").get(0)
}

fn read_back(ics: &str, from: &str, to: &str) -> Vec<(String, String, String)> {
    let mut found: Vec<_> =
        read_occurrences(ics, from, to).into_iter().map(|it| (it.start, it.end, it.summary)).collect();
    found.sort();
    found
}

fn upsert(client: &mut Client, id: &str, event: &str) {
    client
        .execute("select calendar_upsert_event('ada@example.com', 'story', $1, $2::text::jsonb)", &[&id, &event])
        .unwrap_or_else(|error| panic!("{event}: {error:?}"));
}

#[test]
fn an_exported_calendar_has_the_agendas_occurrences_for_an_independent_reader() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    // Over the clock changes of spring and autumn, on both sides of the Atlantic, to the end of a month and of a year.
    for (id, event) in [
        ("plain", r#"{"title": "Plain", "start": "2030-04-01T09:00:00Z", "end": "2030-04-01T10:30:00Z"}"#),
        (
            "folded",
            r#"{"title": "Grüße; from\\Köln, a long title that has to be folded over more than one line of 75 octets – twice, even: ÄÖÜ",
            "description": "two\nlines", "start": "2030-04-02T09:00:00+02:00", "end": "2030-04-02T10:30:00+02:00"}"#,
        ),
        ("day", r#"{"title": "All day", "start": "2030-05-01", "end": "2030-05-02"}"#),
        ("days", r#"{"title": "Two days", "start": "2030-05-04", "end": "2030-05-06"}"#),
        (
            "berlin",
            r#"{"title": "Berlin", "start": "2030-03-25T09:00:00", "end": "2030-03-25T09:45:00",
            "time_zone": "Europe/Berlin", "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=40",
            "EXDATE;TZID=Europe/Berlin:20300401T090000"]}"#,
        ),
        (
            "new york",
            r#"{"title": "New York", "start": "2030-01-31T17:00:00", "end": "2030-01-31T18:00:00",
            "time_zone": "America/New_York", "recurrence": ["RRULE:FREQ=MONTHLY;BYDAY=-1TH"]}"#,
        ),
        (
            "holidays",
            r#"{"title": "Holidays", "start": "2028-08-12", "end": "2028-08-26",
            "recurrence": ["RRULE:FREQ=YEARLY"]}"#,
        ),
    ] {
        upsert(&mut client, id, event);
    }
    let ics = exported(&mut client, FROM, TO);
    let expected = agenda(&mut client, FROM, TO);
    assert!(expected.len() > 40, "{expected:?}");
    let titles: BTreeSet<&str> = expected.iter().map(|it| it.2.as_str()).collect();
    assert_eq!(titles.len(), 7, "{titles:?}");
    assert_eq!(read_back(&ics, FROM, TO), expected, "{ics}");
    assert_eq!(exported(&mut client, FROM, TO), ics, "the same data give the same bytes");
}

#[test]
fn exported_interactions_are_read_back_by_an_independent_reader() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    client.execute(INSERT_INTERACTIONS, &[&1, &50]).expect("interactions");
    let window = client
        .query_one("select to_char(now(), 'YYYY-MM-DD'), to_char(now() + interval '3 days', 'YYYY-MM-DD')", &[])
        .expect("a window");
    let [from, to] = [0, 1].map(|column| format!("{}T00:00:00+00:00", window.get::<_, &str>(column)));
    let expected = agenda(&mut client, &from, &to);
    assert_eq!(expected.len(), 50);
    let ics = exported(&mut client, &from, &to);
    let whole_seconds: Vec<_> = read_back(&ics, &from, &to);
    assert_eq!(whole_seconds, expected, "{ics}");
}
