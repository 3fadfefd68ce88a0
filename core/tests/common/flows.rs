//! Answers of Power Automate flows, and what is made of them.

#![allow(dead_code, reason = "every test file uses a part of this")]

use calendar_sync_core::event::Item;
use calendar_sync_core::providers::power_automate::Answer;
use calendar_sync_core::providers::{BadItem, Document};
use calendar_sync_core::zones::ChronoZones;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub const MAX: usize = 500_000;

/// What is read of a body.
pub fn read(body: &str) -> Answer {
    Answer::read(body.as_bytes(), MAX).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// Its events as items, good and bad; zones that nobody knows are Tokyo.
pub fn items(answer: Answer) -> Vec<Result<Item, BadItem>> {
    let zones = ChronoZones::default();
    let mut items = Document::PowerAutomate(answer).resolve(&zones, "Asia/Tokyo").unwrap();
    std::iter::from_fn(|| items.next_unless(|_, _| false)).map(|found| found.map(|sourced| sourced.item)).collect()
}

/// The items of an answer that has no bad ones.
pub fn good(value: &Value) -> Vec<Item> {
    items(read(&value.to_string())).into_iter().map(|found| found.unwrap()).collect()
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An item as 'Get calendar view of events (V3)' gives it.
pub fn item(id: &str, start: &str, end: &str) -> Value {
    json!({
        "subject": format!("Meeting {id}"), "id": id, "iCalUId": format!("uid-{id}"),
        "start": format!("{start}.0000000"), "end": format!("{end}.0000000"),
        "startWithTimeZone": format!("{start}+00:00"), "endWithTimeZone": format!("{end}+00:00"),
        "body": "", "isHtml": true, "responseType": "organizer", "responseTime": "0001-01-01T00:00:00+00:00",
        "createdDateTime": "2026-01-02T03:04:05.678+00:00", "lastModifiedDateTime": "2026-02-03T04:05:06.789+00:00",
        "organizer": "ada@example.com", "timeZone": "UTC", "seriesMasterId": null, "categories": [],
        "webLink": "https://outlook.example.com/1", "requiredAttendees": "", "optionalAttendees": "",
        "resourceAttendees": "", "location": "", "importance": "normal", "isAllDay": false, "recurrence": "none",
        "recurrenceEnd": null, "numberOfOccurences": null, "reminderMinutesBeforeStart": 15, "isReminderOn": true,
        "showAs": "busy", "responseRequested": true, "sensitivity": "normal"
    })
}

pub fn with(mut item: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        item[key] = value.clone();
    }
    item
}
