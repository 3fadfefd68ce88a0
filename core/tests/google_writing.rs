//! What Google is sent, and that it comes back as it was.

mod common;
#[path = "common/google.rs"]
mod google;
mod strategies;

use calendar_sync_core::event::{Body, Details, Event, EventStatus, Item, Sensitivity, Series, ShowAs, Timing};
use calendar_sync_core::providers::google::{read, write};
use calendar_sync_core::recurrence::Rule;
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, TimeDelta};
use google::{at, echoed, event, exception, series, single};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn written(body: &Body) -> Map<String, Value> {
    write(body, &ChronoZones::default()).unwrap()
}

#[test]
fn an_interaction_without_a_length_is_its_day_where_the_crm_is() {
    let mut event = single(event("e1aaa", json!({})));
    event.timing.start = at("2030-01-07T23:30:00Z");
    event.timing.end = None;
    event.timing.all_day = true;
    let written = written(&Body::Single(Box::new(event)));
    assert_eq!(written["start"], json!({"date": "2030-01-08", "dateTime": null, "timeZone": null}));
    assert_eq!(written["end"]["date"], "2030-01-09");
}

#[test]
fn an_event_is_written_with_its_zone_and_never_with_people() {
    let value = event("e1aaa", json!({"attendees": [{"email": "bob@example.com"}], "transparency": "transparent"}));
    let mut event = single(value);
    event.details.conversation_id = Some("AAQk".into());
    event.timing.end = None;
    let written = written(&Body::Single(Box::new(event)));
    let start = json!({"date": null, "dateTime": "2030-01-07T09:00:00+01:00", "timeZone": "Europe/Berlin"});
    assert_eq!((&written["start"], &written["end"]), (&start, &start));
    assert_eq!(written["extendedProperties"]["private"]["conversation_id"], "AAQk");
    assert_eq!((&written["transparency"], &written["visibility"]), (&json!("transparent"), &json!("default")));
    assert_eq!((&written["description"], &written["recurrence"]), (&Value::Null, &Value::Null));
    for key in ["attendees", "organizer", "id", "sequence", "iCalUID"] {
        assert!(!written.contains_key(key), "{key}");
    }
}

#[test]
fn what_would_become_something_else_at_google_is_not_written() {
    let good = series(&[event("e1aaa", json!({"recurrence": ["RRULE:FREQ=DAILY"]})), {
        exception("e1aaa", "2030-01-08T09:00:00+01:00", json!({}))
    }]);
    let refused = |change: fn(&mut Series)| {
        let mut series = good.clone();
        change(&mut series);
        write(&Body::Series(Box::new(series)), &ChronoZones::default()).unwrap_err().to_string()
    };
    assert!(refused(|series| series.overrides[0].this_and_future = true).contains("THISANDFUTURE"));
    assert!(refused(|series| series.local_start = Some(series.template.timing.start.naive_utc())).contains("clock"));
    assert!(
        refused(|series| series.rdate_ends = vec![(at("2030-01-09T08:00:00Z"), at("2030-01-09T10:00:00Z"))])
            .contains("PERIOD")
    );
    assert!(write(&Body::Overrides(good.overrides.clone()), &ChronoZones::default()).is_err());
}

fn zone() -> impl Strategy<Value = Option<String>> {
    let names = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Europe/Dublin"];
    prop::option::of(prop::sample::select(names.map(str::to_owned).to_vec()))
}

fn details() -> impl Strategy<Value = Details> {
    let text = || prop::option::of("[a-zA-Zäß ,;:<>&\"\\n]{1,20}");
    let show_as = prop::sample::select(vec![ShowAs::Busy, ShowAs::Free]);
    let sensitivity = prop::sample::select(Sensitivity::ALL.to_vec());
    let status = prop::sample::select(vec![EventStatus::Scheduled, EventStatus::Tentative]);
    (text(), text(), text(), text(), show_as, sensitivity, status).prop_map(
        |(title, description, location, conversation_id, show_as, sensitivity, event_status)| Details {
            title: title.unwrap_or_default(),
            description,
            location,
            conversation_id,
            show_as,
            sensitivity,
            event_status,
            ..Details::default()
        },
    )
}

fn an_event() -> impl Strategy<Value = Event> {
    let timing = (0_i64..4_000_000_000, prop::option::of(1_i64..200_000), zone(), any::<bool>());
    (timing, details()).prop_map(|((start, length, time_zone, all_day), details)| {
        let start = if all_day { start - start % 86_400 } else { start };
        let days = |length: i64| (length / 86_400 + 1) * 86_400;
        let length = if all_day { Some(days(length.unwrap_or(1))) } else { length };
        let start = DateTime::from_timestamp(start, 0).unwrap();
        let timing = Timing {
            start,
            end: length.map(|length| start + TimeDelta::seconds(length)),
            all_day,
            time_zone: time_zone.filter(|_| !all_day),
            floating: false,
        };
        Event { timing, details }
    })
}

fn read_back(body: &Body) -> Item {
    let written = written(body);
    let found = read(&[echoed("e1aaa", &written)], &ChronoZones::default(), "UTC").unwrap();
    found.into_iter().next().unwrap().unwrap_or_else(|bad| panic!("{}: {written:?}", bad.message)).item
}

proptest! {
    #![proptest_config(common::cases(300))]

    #[test]
    fn an_event_comes_back_as_it_was_written(event in an_event()) {
        let body = Body::Single(Box::new(event));
        prop_assert_eq!(read_back(&body).body, body);
    }

    #[test]
    fn a_series_comes_back_as_it_was_written(
        template in an_event(),
        rule in strategies::rule(),
        dates in prop::collection::btree_set(1_i64..2_000, 0..4),
        until in prop::option::of(1_i64..5_000),
    ) {
        let mut rule = rule;
        if let Some(days) = until.filter(|_| rule.count.is_none()) {
            let until = (template.timing.start + TimeDelta::days(days)).timestamp();
            rule.until = Some(calendar_sync_core::recurrence::Until::Utc(until));
            if template.timing.all_day {
                rule.until = Some(calendar_sync_core::recurrence::Until::Date(until.div_euclid(86_400)));
            }
        }
        let dates: Vec<_> = dates.into_iter().map(|days| template.timing.start + TimeDelta::days(days)).collect();
        let (rdates, exdates) = dates.split_at(dates.len() / 2);
        let mut template = template;
        template.details.series_master_id = Some("e1aaa".into());
        let series = Series {
            template,
            local_start: None,
            duration: None,
            rrules: vec![Rule::parse(&rule.to_string()).unwrap().to_string()],
            exrules: vec![],
            rdates: rdates.to_vec(),
            rdate_ends: vec![],
            exdates: exdates.to_vec(),
            overrides: vec![],
        };
        let body = Body::Series(Box::new(series));
        prop_assert_eq!(read_back(&body).body, body);
    }
}
