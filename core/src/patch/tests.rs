use serde_json::json;

use super::*;
use crate::recurrence::{Instances, Window};
use crate::zones::ChronoZones;

fn patched(current: Option<&Body>, patch: Value) -> Patched<Body> {
    apply(current, "k1", &patch, &ChronoZones::default()).map(|item| item.body)
}

fn single(current: Option<&Body>, patch: Value) -> Event {
    match patched(current, patch) {
        Ok(Body::Single(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn problem(patch: Value) -> String {
    patched(None, patch).unwrap_err().to_string()
}

#[test]
fn a_local_time_is_taken_in_the_time_zone() {
    let event = single(
        None,
        json!({"title": "Stand-up", "start": "2026-04-06T09:00", "end": "2026-04-06T09:15", "time_zone": "Europe/Berlin"}),
    );
    assert_eq!(event.timing.start.to_rfc3339(), "2026-04-06T07:00:00+00:00");
    assert_eq!(event.timing.end.unwrap().to_rfc3339(), "2026-04-06T07:15:00+00:00");
    assert_eq!(event.timing.time_zone.as_deref(), Some("Europe/Berlin"));
}

#[test]
fn an_offset_says_enough() {
    for text in ["2026-04-06T09:00:00+02:00", "2026-04-06T07:00:00Z", "2026-04-06 09:00:00+02", "2026-04-06T09:00+0200"]
    {
        let event = single(None, json!({"title": "x", "start": text}));
        assert_eq!(event.timing.start.to_rfc3339(), "2026-04-06T07:00:00+00:00", "{text}");
    }
}

#[test]
fn a_bare_date_means_all_day() {
    let event = single(None, json!({"title": "Fair", "start": "2026-04-06"}));
    assert!(event.timing.all_day);
    assert_eq!(event.timing.end.unwrap().to_rfc3339(), "2026-04-07T00:00:00+00:00");
}

#[test]
fn an_absent_key_keeps_and_null_clears() {
    let before = Body::Single(Box::new(single(
        None,
        json!({"title": "A", "start": "2026-04-06T09:00Z", "end": "2026-04-06T10:00Z", "location": "Room 5",
               "description": "d", "metadata": {"project": "p", "deep": {"a": 1, "b": 2}}, "show_as": "oof"}),
    )));
    let after =
        single(Some(&before), json!({"location": null, "show_as": null, "metadata": {"deep": {"a": null, "c": 3}}}));
    assert_eq!(after.details.location, None);
    assert_eq!(after.details.description.as_deref(), Some("d"));
    assert_eq!(after.details.show_as, ShowAs::Busy);
    assert_eq!(after.details.metadata, Some(json!({"project": "p", "deep": {"b": 2, "c": 3}})));
    assert_eq!(after.timing.end.unwrap().to_rfc3339(), "2026-04-06T10:00:00+00:00");
}

#[test]
fn errors_name_the_key() {
    let new = |key: &str, value: Value| {
        let mut patch = json!({"title": "A", "start": "2026-04-06T09:00Z"});
        patch[key] = value;
        problem(patch)
    };
    assert_eq!(new("titel", json!("x")), "event key \"titel\" is not known");
    assert_eq!(new("event_id", json!("x")), "event key \"event_id\" can't be set");
    assert_eq!(new("show_as", json!("away")), "event key \"show_as\" can't be \"away\"");
    assert_eq!(new("categories", json!("x")), "event key \"categories\" is not a list");
    assert_eq!(new("end", json!("2026-04-06T08:00Z")), "event key \"end\" is before \"start\"");
    assert_eq!(new("end", json!("2026-04-07")), "event key \"end\" is a date, but the event starts at a time");
    assert_eq!(new("start", json!("next week")), "event key \"start\" is not a time: \"next week\"");
    assert_eq!(new("time_zone", json!("Mars/Base")), "event key \"time_zone\" names no time zone: \"Mars/Base\"");
    assert_eq!(problem(json!({"title": "A"})), "event key \"start\" is missing");
    assert_eq!(
        new("event_date", json!("2026-04-07T09:00Z")),
        "event key \"start\" is given together with \"event_date\""
    );
    let both_ends = json!({"title": "A", "start": "2026-04-06", "end": "2026-04-08", "event_end": null});
    assert_eq!(problem(both_ends), "event key \"end\" is given together with \"event_end\"");
    assert_eq!(problem(json!({"start": "2026-04-06"})), "event key \"title\" is missing");
    assert_eq!(
        problem(json!({"title": "A", "start": "2026-04-06T09:00"})),
        "event key \"start\" has neither an offset from UTC nor a \"time_zone\""
    );
    assert_eq!(
        new("recurrence", json!(["RRULE:FREQ=FORTNIGHTLY"])),
        "event key \"recurrence\" has an invalid rule: FREQ: \"FORTNIGHTLY\" is not a frequency"
    );
}

#[test]
fn recurrence_lines_make_a_series_and_null_ends_it() {
    let weekly = json!({"title": "A", "start": "2026-04-06T09:00", "time_zone": "Europe/Berlin",
        "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE:20260413T090000", "RDATE;VALUE=DATE-TIME:20260414T070000Z"]});
    let body = patched(None, weekly).unwrap();
    let Body::Series(series) = &body else { panic!("{body:?}") };
    assert_eq!(series.rrules, ["FREQ=WEEKLY;COUNT=4"]);
    assert_eq!(series.exdates[0].to_rfc3339(), "2026-04-13T07:00:00+00:00");
    assert_eq!(series.rdates[0].to_rfc3339(), "2026-04-14T07:00:00+00:00");
    let Ok(Body::Series(renamed)) = patched(Some(&body), json!({"title": "B"})) else { panic!() };
    assert_eq!((renamed.template.details.title.as_str(), &renamed.rrules), ("B", &series.rrules));
    assert!(matches!(patched(Some(&body), json!({"recurrence": null})), Ok(Body::Single(_))));
}

#[test]
fn sequence_counts_changes_of_time_recurrence_and_cancellation() {
    let body = |current: Option<&Body>, patch: Value| patched(current, patch).unwrap();
    let sequence = |body: &Body| match body {
        Body::Single(event) => event.details.sequence,
        Body::Series(series) => series.template.details.sequence,
        Body::Overrides(_) => panic!("overrides"),
    };
    let mut current = body(None, json!({"title": "A", "start": "2026-04-06T09:00Z", "end": "2026-04-06T10:00Z"}));
    assert_eq!(sequence(&current), 0);
    for (patch, expected) in [
        (json!({"title": "B", "location": "Room 5"}), 0),
        (json!({"start": "2026-04-06T09:00Z", "end": "2026-04-06T10:00Z"}), 0),
        (json!({"end": "2026-04-06T11:00Z"}), 1),
        (json!({"recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}), 2),
        (json!({"recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}), 2),
        (json!({"recurrence": ["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260407T090000Z"]}), 3),
        (json!({"event_status": "cancelled"}), 4),
        (json!({"event_status": "scheduled", "sequence": 9}), 9),
        (json!({"recurrence": null}), 10),
    ] {
        current = body(Some(&current), patch.clone());
        assert_eq!(sequence(&current), expected, "{patch}");
    }
}

#[test]
fn a_series_whose_start_the_clock_leaves_out_is_at_that_time_on_other_days() {
    let daily = json!({"title": "A", "start": "2024-03-31T02:30", "time_zone": "Europe/Berlin",
        "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]});
    let starts = |body: &Body| -> Vec<String> {
        let Body::Series(series) = body else { panic!("{body:?}") };
        let zones = ChronoZones::default();
        let instances = Instances::new(series, &zones, Window::ALL).unwrap();
        instances.map(|instance| instance.unwrap().start.format("%d %H:%M").to_string()).collect()
    };
    let body = patched(None, daily).unwrap();
    assert_eq!(starts(&body), ["31 01:30", "01 00:30"]);
    let renamed = patched(Some(&body), json!({"title": "B"})).unwrap();
    assert_eq!(starts(&renamed), ["31 01:30", "01 00:30"]);
    let moved = patched(Some(&body), json!({"start": "2024-03-31T03:30"})).unwrap();
    assert_eq!(starts(&moved), ["31 01:30", "01 01:30"]);
}
