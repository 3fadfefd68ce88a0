//! Google's event resources, and what is made of them.

#![allow(dead_code, reason = "every test file uses a part of this")]

use calendar_sync_core::event::{Body, Event, Series};
use calendar_sync_core::providers::BadItem;
use calendar_sync_core::providers::google::{Found, instance_id, read};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

pub fn found(values: &[Value]) -> Vec<Result<Found, BadItem>> {
    read(values, &ChronoZones::default(), "Europe/Berlin").unwrap()
}

pub fn good(values: &[Value]) -> Vec<Found> {
    found(values).into_iter().map(Result::unwrap).collect()
}

pub fn single(value: Value) -> Event {
    match good(&[value]).remove(0).item.body {
        Body::Single(event) => *event,
        other => panic!("{other:?}"),
    }
}

pub fn series(values: &[Value]) -> Series {
    match good(values).remove(0).item.body {
        Body::Series(series) => *series,
        other => panic!("{other:?}"),
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn event(id: &str, more: Value) -> Value {
    let mut event = json!({
        "kind": "calendar#event", "etag": "\"3181161784712000\"", "id": id, "status": "confirmed",
        "htmlLink": "https://www.google.com/calendar/event?eid=x", "created": "2026-01-02T03:04:05.000Z",
        "updated": "2026-02-03T04:05:06.789Z", "summary": "Planning", "iCalUID": format!("{id}@google.com"),
        "creator": {"email": "ada@example.com", "self": true}, "organizer": {"email": "ada@example.com", "self": true},
        "start": {"dateTime": "2030-01-07T09:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2030-01-07T10:00:00+01:00", "timeZone": "Europe/Berlin"},
        "sequence": 2, "reminders": {"useDefault": true}, "eventType": "default"
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

pub fn exception(series: &str, original: &str, more: Value) -> Value {
    let id = instance_id(series, at(original), false);
    let original = json!({"dateTime": original, "timeZone": "Europe/Berlin"});
    let mut value = event(&id, json!({"recurringEventId": series, "originalStartTime": original}));
    for (key, new) in more.as_object().unwrap() {
        value[key] = new.clone();
    }
    value
}

/// As an increment tells it: no more than is certain.
pub fn cancelled_exception(series: &str, original: &str) -> Value {
    json!({
        "kind": "calendar#event", "etag": "\"1\"", "id": instance_id(series, at(original), false), "status": "cancelled",
        "recurringEventId": series, "originalStartTime": {"dateTime": original, "timeZone": "Europe/Berlin"}
    })
}

/// What Google would answer: without what says nothing.
pub fn echoed(id: &str, written: &Map<String, Value>) -> Value {
    let mut value = Value::Object(written.clone());
    fn strip(value: &mut Value) {
        if let Value::Object(map) = value {
            map.values_mut().for_each(strip);
            map.retain(|_, value| !value.is_null() && value != "" && *value != json!({}));
        }
    }
    strip(&mut value);
    value["id"] = json!(id);
    value["etag"] = json!("\"7\"");
    value
}
