//! Items as Microsoft Graph takes them, and back.

mod common;
mod strategies;

use calendar_sync_core::event::{Body, Details, Event, Importance, Series, ShowAs, TeamsMeeting, Timing};
use calendar_sync_core::providers::microsoft::{CannotHold, Reader, write};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, TimeDelta, Utc};
use common::cases;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn event(start: &str, hours: i64, time_zone: Option<&str>) -> Event {
    let start = at(start);
    Event {
        timing: Timing {
            start,
            end: Some(start + TimeDelta::hours(hours)),
            all_day: false,
            time_zone: time_zone.map(str::to_owned),
            floating: false,
        },
        details: Details { title: "Budget".into(), ..Details::default() },
    }
}

fn series(template: Event, rule: &str) -> Series {
    Series {
        template,
        local_start: None,
        duration: None,
        rrules: vec![rule.to_owned()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides: vec![],
    }
}

fn written(body: &Body) -> Result<Map<String, Value>, CannotHold> {
    write(body, &ChronoZones::default())
}

fn single(event: Event) -> Body {
    Body::Single(Box::new(event))
}

fn read_back(mut members: Map<String, Value>) -> Body {
    members.insert("id".into(), json!("a"));
    let zone = members["start"]["timeZone"].clone();
    members.insert("originalStartTimeZone".into(), zone);
    let zones = ChronoZones::default();
    Reader::new(&zones, "UTC").unwrap().read(&Value::Object(members)).unwrap().item.body
}

#[test]
fn an_event_is_written_in_the_words_and_zones_of_windows_and_without_attendees() {
    let mut event = event("2026-11-30T08:00:00Z", 1, Some("Europe/Berlin"));
    event.details.attendees = vec![Default::default()];
    event.details.show_as = ShowAs::OutOfOffice;
    event.details.importance = Importance::Low;
    event.details.teams = Some(TeamsMeeting::default());
    let expected = json!({
        "subject": "Budget",
        "body": { "contentType": "text", "content": "" },
        "location": { "displayName": "" },
        "showAs": "oof",
        "sensitivity": "normal",
        "importance": "low",
        "categories": [],
        "isOnlineMeeting": true,
        "onlineMeetingProvider": "teamsForBusiness",
        "isAllDay": false,
        "start": { "dateTime": "2026-11-30T09:00:00", "timeZone": "W. Europe Standard Time" },
        "end": { "dateTime": "2026-11-30T10:00:00", "timeZone": "W. Europe Standard Time" },
    });
    assert_eq!(Value::Object(written(&single(event)).unwrap()), expected);
}

#[test]
fn all_day_events_are_written_as_days_wherever_theirs_begins() {
    let mut event = event("2026-11-29T23:00:00Z", 24, Some("Europe/Berlin"));
    event.timing.all_day = true;
    for (end, after) in [(event.timing.end, "2026-12-01"), (None, "2026-12-01")] {
        event.timing.end = end;
        let members = written(&single(event.clone())).unwrap();
        assert_eq!(members["start"], json!({ "dateTime": "2026-11-30T00:00:00", "timeZone": "UTC" }));
        assert_eq!(members["end"], json!({ "dateTime": format!("{after}T00:00:00"), "timeZone": "UTC" }));
    }
}

#[test]
fn a_zone_that_windows_does_not_have_is_given_up_by_an_event_and_refused_of_a_series() {
    let event = event("2026-07-01T08:00:00Z", 1, Some("Antarctica/Troll"));
    let members = written(&single(event.clone())).unwrap();
    assert_eq!(members["start"], json!({ "dateTime": "2026-07-01T08:00:00", "timeZone": "UTC" }));
    let series = series(event, "FREQ=DAILY");
    assert!(written(&Body::Series(Box::new(series))).unwrap_err().to_string().contains("Antarctica/Troll"));
}

/// The table of patterns, each with the start that it needs.
#[test]
fn every_pattern_of_outlook_is_written_as_what_it_is_read_from() {
    for (start, rule, pattern) in [
        ("2026-01-05", "FREQ=DAILY;INTERVAL=3", json!({ "type": "daily", "interval": 3 })),
        (
            "2026-01-05",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU",
            json!({ "type": "weekly", "interval": 2, "daysOfWeek": ["monday", "friday"], "firstDayOfWeek": "sunday" }),
        ),
        (
            "2026-01-05",
            "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
            json!({ "type": "weekly", "interval": 1, "firstDayOfWeek": "monday",
                    "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"] }),
        ),
        ("2026-01-28", "FREQ=MONTHLY", json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 28 })),
        (
            "2026-01-31",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31 }),
        ),
        (
            "2026-01-30",
            "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=28,29,30;BYSETPOS=-1",
            json!({ "type": "absoluteMonthly", "interval": 2, "dayOfMonth": 30 }),
        ),
        (
            "2026-01-08",
            "FREQ=MONTHLY;BYDAY=2TH",
            json!({ "type": "relativeMonthly", "interval": 1, "daysOfWeek": ["thursday"], "index": "second" }),
        ),
        (
            "2026-01-30",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            json!({ "type": "relativeMonthly", "interval": 1, "index": "last",
                    "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"] }),
        ),
        ("2026-03-31", "FREQ=YEARLY", json!({ "type": "absoluteYearly", "interval": 1, "month": 3, "dayOfMonth": 31 })),
        (
            "2028-02-29",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
            json!({ "type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29 }),
        ),
        (
            "2026-11-26",
            "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
            json!({ "type": "relativeYearly", "interval": 1, "month": 11, "daysOfWeek": ["thursday"], "index": "fourth" }),
        ),
    ] {
        let template = event(&format!("{start}T12:00:00Z"), 1, None);
        let original = series(template, rule);
        let body = Body::Series(Box::new(original.clone()));
        let members = written(&body).unwrap_or_else(|why| panic!("{rule}: {why}"));
        assert_eq!(members["recurrence"]["pattern"], pattern, "{rule}");
        assert_eq!(
            members["recurrence"]["range"],
            json!({ "type": "noEnd", "startDate": start, "recurrenceTimeZone": "UTC" })
        );
        let Body::Series(again) = read_back(members) else { panic!("{rule}") };
        assert_eq!(starts(&again), starts(&original), "{rule}");
    }
}

#[test]
fn what_no_pattern_says_is_refused_and_never_sent_as_something_like_it() {
    for (start, rule, why) in [
        ("2026-01-31", "FREQ=MONTHLY", "too short"),
        ("2026-01-30", "FREQ=MONTHLY;BYMONTHDAY=30", "too short"),
        ("2028-02-29", "FREQ=YEARLY", "too short"),
        ("2026-01-05", "FREQ=MONTHLY;BYMONTHDAY=5,20", "several days"),
        ("2026-01-05", "FREQ=MONTHLY;BYDAY=1MO,3MO", "several numbered"),
        ("2026-01-29", "FREQ=MONTHLY;BYDAY=5TH", "counts weekdays"),
        ("2026-02-13", "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "both"),
        ("2026-01-05", "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=5", "several months"),
        ("2026-01-05", "FREQ=YEARLY;BYDAY=1MO", "no one month"),
        ("2026-01-05", "FREQ=DAILY;BYMONTH=1", "BYMONTH"),
        ("2026-01-05", "FREQ=DAILY;INTERVAL=2;BYDAY=MO", "further conditions"),
        ("2026-01-05", "FREQ=YEARLY;BYYEARDAY=5", "BYYEARDAY"),
        ("2026-01-05", "FREQ=DAILY;BYHOUR=12,15", "BYHOUR"),
        ("2026-01-05", "FREQ=HOURLY", "more often"),
        ("2026-01-06", "FREQ=WEEKLY;BYDAY=MO", "does not recur on the day"),
        ("2026-01-05", "FREQ=DAILY;UNTIL=20260101T000000Z", "ends before"),
    ] {
        let body = Body::Series(Box::new(series(event(&format!("{start}T12:00:00Z"), 1, None), rule)));
        let refusal = written(&body).err().unwrap_or_else(|| panic!("{rule} is written")).to_string();
        assert!(refusal.contains(why), "{rule}: {refusal}");
    }
    let plain = || series(event("2026-01-05T12:00:00Z", 1, None), "FREQ=DAILY");
    let mut several = plain();
    several.rrules.push("FREQ=WEEKLY".into());
    let mut dates = plain();
    dates.rdates.push(at("2026-01-05T15:00:00Z"));
    for (series, why) in [(several, "several rules"), (dates, "RDATE")] {
        assert!(written(&Body::Series(Box::new(series))).unwrap_err().to_string().contains(why));
    }
    assert!(written(&Body::Overrides(vec![])).is_err());
}

#[test]
fn a_series_ends_on_the_last_day_of_its_zone_on_which_it_still_takes_place() {
    for (until, last) in [
        // 9 o'clock in Auckland is 20 o'clock UTC of the day before.
        ("20260109T200000Z", "2026-01-10"),
        ("20260109T195959Z", "2026-01-09"),
        ("20260110T090000", "2026-01-10"),
        ("20260110", "2026-01-09"),
    ] {
        let template = event("2026-01-04T20:00:00Z", 1, Some("Pacific/Auckland"));
        let original = series(template, &format!("FREQ=DAILY;UNTIL={until}"));
        let members = written(&Body::Series(Box::new(original.clone()))).unwrap();
        let range = &members["recurrence"]["range"];
        assert_eq!((&range["startDate"], &range["endDate"]), (&json!("2026-01-05"), &json!(last)), "{until}");
        assert_eq!(range["recurrenceTimeZone"], json!("New Zealand Standard Time"));
        let Body::Series(again) = read_back(members) else { panic!() };
        assert_eq!(starts(&again), starts(&original), "{until}");
    }
}

/// The first occurrences.
fn starts(series: &Series) -> Vec<DateTime<Utc>> {
    let zones = ChronoZones::default();
    let instances = Instances::new(series, &zones, Window::ALL).unwrap();
    instances.map_while(Result::ok).take(60).map(|instance| instance.start).collect()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_rule_that_is_written_gives_the_same_occurrences_when_it_is_read_again(
        rule in strategies::rule(),
        start in 1_700_000_000_i64..1_900_000_000,
        zone in prop::sample::select(vec![None, Some("Europe/Berlin"), Some("America/New_York"), Some("Asia/Kolkata")]),
    ) {
        let mut template = event("2026-01-01T00:00:00Z", 1, zone);
        template.timing.start = DateTime::from_timestamp(start - start % 60, 0).unwrap();
        template.timing.end = Some(template.timing.start + TimeDelta::hours(1));
        let original = series(template, &rule.to_string());
        if let Ok(members) = written(&Body::Series(Box::new(original.clone()))) {
            let Body::Series(again) = read_back(members) else { panic!("no series") };
            prop_assert_eq!(starts(&again), starts(&original), "{}", rule);
        }
    }

    #[test]
    fn a_pattern_that_is_read_is_written_as_one_that_gives_the_same_occurrences(
        kind in prop::sample::select(vec![
            "daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly",
        ]),
        (interval, month, day) in (1_u32..4, 1_u32..13, 1_u32..32),
        days in prop::sample::subsequence(
            vec!["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"], 1..=7),
        first in prop::sample::select(vec!["sunday", "monday", "saturday"]),
        index in prop::sample::select(vec!["first", "second", "third", "fourth", "last"]),
        count in 1_u32..40,
    ) {
        let pattern = json!({
            "type": kind, "interval": interval, "month": month, "dayOfMonth": day, "daysOfWeek": days,
            "firstDayOfWeek": first, "index": index,
        });
        let value = |start: DateTime<Utc>| {
            let time = |at: DateTime<Utc>| json!({
                "dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"
            });
            json!({
                "id": "a", "subject": "Budget", "start": time(start), "end": time(start + TimeDelta::hours(1)),
                "recurrence": { "pattern": pattern, "range": { "type": "numbered", "numberOfOccurrences": count } },
            })
        };
        let read = |start| match read_back(value(start).as_object().unwrap().clone()) {
            Body::Series(series) => *series,
            other => panic!("{other:?}"),
        };
        // Of the occurrences after any day, the first that the rule itself gives: there the series begins.
        let from = at("2026-01-01T12:00:00Z");
        let Some(first) = starts(&read(from)).get(1).copied() else { return Ok(()) };
        let original = read(first);
        let body = Body::Series(Box::new(original.clone()));
        let members = written(&body);
        prop_assume!(!members.as_ref().is_err_and(|why| why.to_string().contains("too short")) || day > 28);
        if let Ok(members) = members {
            let Body::Series(again) = read_back(members) else { panic!("no series") };
            prop_assert_eq!(starts(&again), starts(&original));
        } else {
            prop_assert!(false, "{}: {:?}", original.rrules[0], members);
        }
    }

    #[test]
    fn no_json_does_any_harm(value in json_value()) {
        let zones = ChronoZones::default();
        let mut reader = Reader::new(&zones, "UTC").unwrap();
        let _ = reader.read(&value);
        if let Value::Object(members) = value {
            let mut known = json!({ "id": "a", "start": { "dateTime": "2026-01-05T09:00:00", "timeZone": "UTC" } });
            known.as_object_mut().unwrap().extend(members);
            let _ = reader.read(&known);
        }
    }
}

/// Objects of Graph's names with values of every kind.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "0001-01-01T00:00:00",
            "9999-12-31T23:59:59.9999999",
            "2026-01-05T09:00:00Z",
            "262143-12-31",
            "UTC",
            "daily",
            "weekly",
            "absoluteYearly",
            "endDate",
            "numbered",
            "OID.a.2026-01-05",
            "9999-12-31",
        ])
        .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "id",
        "start",
        "end",
        "dateTime",
        "timeZone",
        "isAllDay",
        "recurrence",
        "pattern",
        "range",
        "type",
        "interval",
        "daysOfWeek",
        "dayOfMonth",
        "month",
        "endDate",
        "numberOfOccurrences",
        "exceptionOccurrences",
        "originalStart",
        "cancelledOccurrences",
        "instances",
        "from",
        "to",
        "value",
        "body",
        "content",
        "attendees",
        "categories",
    ]);
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()
            )),
        ]
    })
}
