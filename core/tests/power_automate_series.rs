//! Series in the answers of Power Automate flows: of a word, of Graph's pattern, beside their own occurrences.

#[path = "common/flows.rs"]
mod flows;

use calendar_sync_core::event::{Body, Series};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::ChronoZones;
use flows::{at, good, item, items, read, with};
use serde_json::{Value, json};

fn series(value: &Value) -> Series {
    match good(&json!([value])).remove(0).body {
        Body::Series(series) => *series,
        other => panic!("{other:?}"),
    }
}

/// The starts of a series within the year of 2026 and the next.
fn starts(series: &Series) -> Vec<String> {
    let window = Window { from: at("2026-01-01T00:00:00Z").timestamp(), to: at("2028-01-01T00:00:00Z").timestamp() };
    let zones = ChronoZones::default();
    let instances = Instances::new(series, &zones, window).unwrap();
    instances.map(|instance| instance.unwrap().start.format("%m-%d %H:%M").to_string()).collect()
}

#[test]
fn a_series_keeps_its_local_time_over_a_clock_change() {
    let weekly = series(&with(
        item("a", "2026-03-16T08:00:00", "2026-03-16T09:00:00"),
        json!({
            "timeZone": "W. Europe Standard Time", "recurrence": "weekly", "numberOfOccurences": 4
        }),
    ));
    assert_eq!(weekly.rrules, ["FREQ=WEEKLY;COUNT=4"]);
    assert_eq!(starts(&weekly), ["03-16 08:00", "03-23 08:00", "03-30 07:00", "04-06 07:00"]);
    assert_eq!(weekly.template.details.series_master_id.as_deref(), Some("a"));
}

#[test]
fn words_mean_the_day_of_the_start_as_exchange_counts_it() {
    let recurring = |start: &str, word: &str, end: Value| {
        series(&json!({ "id": "a", "start": start, "recurrence": word, "recurrenceEnd": end }))
    };
    let monthly = recurring("2026-01-31T09:00:00", "monthly", json!("2026-05-01"));
    assert_eq!(starts(&monthly), ["01-31 09:00", "02-28 09:00", "03-31 09:00", "04-30 09:00"]);
    let monthly = recurring("2026-01-30T09:00:00", "Monthly", json!("2026-04-30T00:00:00+00:00"));
    assert_eq!(starts(&monthly), ["01-30 09:00", "02-28 09:00", "03-30 09:00", "04-30 09:00"]);
    let monthly = recurring("2026-10-15T09:00:00", "monthly", json!("2026-11-30"));
    assert_eq!(starts(&monthly), ["10-15 09:00", "11-15 09:00"]);
    let yearly = recurring("2024-02-29T09:00:00", "yearly", json!(null));
    assert_eq!(starts(&yearly), ["02-28 09:00", "02-28 09:00"]);
    let daily = recurring("2026-12-01T22:00:00", "daily", json!("2026-12-03T23:59:59.9999999"));
    assert_eq!(starts(&daily), ["12-01 22:00", "12-02 22:00", "12-03 22:00"]);
    let never = recurring("2026-12-30T09:00:00", "daily", json!("9999-12-31T00:00:00"));
    assert_eq!(never.rrules, ["FREQ=DAILY"]);
}

#[test]
fn graphs_patterns_are_rules() {
    let rule = |pattern: Value, range: Value| {
        series(&json!({ "id": "a", "start": { "dateTime": "2026-12-01T09:00:00", "timeZone": "Europe/Berlin" },
            "recurrence": { "pattern": pattern, "range": range } }))
        .rrules
        .remove(0)
    };
    let endless = || json!({ "type": "noEnd", "startDate": "2026-12-01", "endDate": "0001-01-01" });
    for (pattern, expected) in [
        (json!({ "type": "daily", "interval": 3 }), "FREQ=DAILY;INTERVAL=3"),
        (
            json!({ "type": "weekly", "interval": 2, "daysOfWeek": ["thursday", "tuesday"], "firstDayOfWeek": "sunday" }),
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;WKST=SU",
        ),
        (json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 1 }), "FREQ=MONTHLY;BYMONTHDAY=1"),
        (json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31 }), "FREQ=MONTHLY;BYMONTHDAY=-1"),
        (
            json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 30 }),
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
        ),
        (
            json!({ "type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"], "index": "last" }),
            "FREQ=MONTHLY;BYDAY=-1FR",
        ),
        (
            json!({ "type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday", "tuesday"], "index": "second" }),
            "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=2",
        ),
        (
            json!({ "type": "absoluteYearly", "interval": 1, "month": 12, "dayOfMonth": 1 }),
            "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1",
        ),
        (
            json!({ "type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29 }),
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
        ),
        (
            json!({ "type": "relativeYearly", "interval": 1, "month": 12, "daysOfWeek": ["tuesday"], "index": "first" }),
            "FREQ=YEARLY;BYMONTH=12;BYDAY=1TU",
        ),
    ] {
        assert_eq!(rule(pattern.clone(), endless()), expected, "{pattern}");
    }
    let daily = || json!({ "type": "daily", "interval": 1 });
    let numbered = json!({ "type": "numbered", "numberOfOccurrences": 7, "endDate": "0001-01-01" });
    assert_eq!(rule(daily(), numbered), "FREQ=DAILY;COUNT=7");
    let ended = json!({ "type": "endDate", "endDate": "2026-12-24", "numberOfOccurrences": 0 });
    assert_eq!(rule(daily(), ended), "FREQ=DAILY;UNTIL=20261224T225959Z");

    let odd = json!([{ "id": "a", "start": "2026-12-01T09:00:00", "recurrence": { "pattern": { "type": "lunar" } } }]);
    assert!(items(read(&odd.to_string()))[0].is_err());
}

#[test]
fn the_last_day_of_a_series_is_that_of_its_own_zone() {
    let daily = |zone: &str, end: &str| {
        let fields = json!({ "timeZone": zone, "recurrence": "daily", "recurrenceEnd": end });
        starts(&series(&with(item("a", "2026-12-01T01:00:00", "2026-12-01T02:00:00"), fields)))
    };
    // 20:00 of the evening before in New York, 10:00 in Tokyo.
    for end in ["2026-12-02T00:00:00+00:00", "2026-12-02", "2026-12-02T23:59:59Z"] {
        assert_eq!(daily("Eastern Standard Time", end), ["12-01 01:00", "12-02 01:00", "12-03 01:00"], "{end}");
        assert_eq!(daily("Tokyo Standard Time", end), ["12-01 01:00", "12-02 01:00"], "{end}");
    }
}

#[test]
fn an_all_day_series_is_one_of_dates() {
    let weekly =
        series(&json!({ "id": "a", "isAllDay": true, "start": "2026-12-01T00:00:00", "end": "2026-12-02T00:00:00",
        "recurrence": "weekly", "recurrenceEnd": "2026-12-15T00:00:00" }));
    assert_eq!(starts(&weekly), ["12-01 00:00", "12-08 00:00", "12-15 00:00"]);
}

/// A weekly series of ten, from Tuesday 2026-12-01, and some of its occurrences.
fn with_occurrences(occurrences: &[Value]) -> Vec<String> {
    let master = with(
        item("m", "2026-12-01T09:00:00", "2026-12-01T10:00:00"),
        json!({ "subject": "Weekly", "recurrence": "weekly", "numberOfOccurences": 10 }),
    );
    let mut all = vec![master];
    all.extend(occurrences.iter().cloned());
    let mut found = vec![];
    for item in good(&json!(all)) {
        match item.body {
            Body::Series(series) => found.extend(starts(&series).into_iter().map(|start| format!("{start} rule"))),
            Body::Single(event) => {
                assert_eq!(event.details.series_master_id.as_deref(), Some("m"));
                found.push(format!("{} own", event.timing.start.format("%m-%d %H:%M")));
            }
            Body::Overrides(_) => panic!(),
        }
    }
    found.sort();
    found
}

fn occurrence(id: &str, day: &str, time: &str, subject: &str) -> Value {
    let (start, end) = (format!("2026-{day}T{time}"), format!("2026-{day}T10:00:00"));
    with(item(id, &start, &end), json!({ "subject": subject, "seriesMasterId": "m" }))
}

#[test]
fn no_occurrence_that_the_answer_holds_itself_comes_from_the_rule_too() {
    assert_eq!(with_occurrences(&[]).len(), 10);
    // As far as the occurrences go they are the series: the second was deleted.
    let found = with_occurrences(&[
        occurrence("o1", "12-01", "09:00:00", "Weekly"),
        occurrence("o3", "12-15", "09:00:00", "Weekly"),
    ]);
    assert_eq!(
        found[found.len() - 4..],
        ["12-01 09:00 own", "12-15 09:00 own", "12-22 09:00 rule", "12-29 09:00 rule"].map(String::from)[..]
    );
    assert_eq!(found.len(), 2 + 7);
    // One that was changed or moved stands for that of the rule.
    let found = with_occurrences(&[occurrence("o2", "12-08", "09:00:00", "Changed")]);
    assert_eq!((found.len(), found.iter().filter(|it| it.starts_with("12-08")).count()), (10, 1));
    let found = with_occurrences(&[occurrence("o2", "12-09", "08:00:00", "Weekly")]);
    assert_eq!(found.len(), 10);
    assert!(found.contains(&"12-09 08:00 own".into()) && !found.iter().any(|it| it.starts_with("12-08")));
}

#[test]
fn a_word_that_is_not_all_of_a_rule_adds_nothing_to_its_occurrences() {
    // In truth it is on Tuesdays and Thursdays.
    let found = with_occurrences(&[
        occurrence("o1", "12-01", "09:00:00", "Weekly"),
        occurrence("o2", "12-03", "09:00:00", "Weekly"),
    ]);
    assert_eq!(found, ["12-01 09:00 own", "12-03 09:00 own"]);
}
