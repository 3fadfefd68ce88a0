//! Answers that Google would never give.

mod common;
#[path = "common/google.rs"]
mod google;

use calendar_sync_core::providers::google::write;
use calendar_sync_core::zones::ChronoZones;
use google::{echoed, found, good};
use proptest::prelude::*;
use serde_json::{Value, json};

const KEYS: [&str; 30] = [
    "id",
    "status",
    "start",
    "end",
    "date",
    "dateTime",
    "timeZone",
    "recurrence",
    "recurringEventId",
    "attendees",
    "originalStartTime",
    "summary",
    "etag",
    "updated",
    "sequence",
    "organizer",
    "email",
    "displayName",
    "self",
    "responseStatus",
    "conferenceData",
    "entryPoints",
    "uri",
    "entryPointType",
    "eventType",
    "extendedProperties",
    "private",
    "conversation_id",
    "endTimeUnspecified",
    "transparency",
];
const WORDS: [&str; 16] = [
    "e1aaa",
    "cancelled",
    "confirmed",
    "2030-01-07",
    "2030-01-07T09:00:00Z",
    "9999-12-31",
    "0000-00-00",
    "video",
    "-9999-01-01T00:00:00+24:00",
    "Europe/Berlin",
    "RRULE:FREQ=DAILY",
    "EXDATE:99999999",
    "RDATE;TZID=x:1",
    "\u{0}",
    "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "+262142-12-31T23:59:59Z",
];

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => prop::sample::select(WORDS.to_vec()).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 60, 12, |inner| {
        let key = prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            4 => prop::collection::hash_map(key, inner, 0..12).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// An event that can mostly be read, with something strange in it.
fn nearly_an_event() -> impl Strategy<Value = Value> {
    let times = [
        json!({"date": "2030-01-07"}),
        json!({"date": "9999-12-31"}),
        json!({"dateTime": "2030-03-31T02:30:00", "timeZone": "Europe/Berlin"}),
        json!({"dateTime": "2030-10-27T02:30:00+01:00", "timeZone": "Europe/Berlin"}),
        json!({"dateTime": "1883-01-01T00:00:00Z", "timeZone": "America/New_York"}),
        json!({"dateTime": "2011-12-30T09:00:00", "timeZone": "Pacific/Apia"}),
        json!({"dateTime": "0001-01-01T00:00:00+14:00"}),
        json!({"dateTime": "2030-01-07T09:00:00Z", "timeZone": "W. Europe Standard Time"}),
    ];
    let lines = [
        "RRULE:FREQ=DAILY;UNTIL=20300301",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,TU;WKST=SU;UNTIL=20300301T235959Z",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=-1",
        "EXRULE:FREQ=MONTHLY",
        "RDATE;VALUE=PERIOD:20300110T090000Z/PT2H",
        "RDATE;TZID=Asia/Kathmandu:20300110T090000",
        "EXDATE;VALUE=DATE:20300108",
    ];
    let time = prop::sample::select(times.to_vec());
    let lines = prop::collection::vec(prop::sample::select(lines.to_vec()), 0..4);
    let more = prop::option::of((prop::sample::select(KEYS.to_vec()), json_value()));
    (time.clone(), prop::option::of(time), lines, more).prop_map(|(start, end, lines, more)| {
        let mut event = json!({"id": "e1aaa", "start": start, "end": end, "recurrence": lines});
        if let Some((key, value)) = more {
            event[key] = value;
        }
        event
    })
}

proptest! {
    #![proptest_config(common::cases(1_000))]

    /// Whatever an answer holds, reading ends, and each of its values is at most one item or fault. What is written of what
    /// was read is the same again after a round.
    #[test]
    fn no_answer_is_too_strange(
        values in prop::collection::vec(prop_oneof![json_value(), nearly_an_event()], 0..6)
    ) {
        let found = found(&values);
        prop_assert!(found.len() <= values.len());
        for item in found.into_iter().flatten().map(|found| found.item) {
            let Ok(written) = write(&item.body, &ChronoZones::default()) else { continue };
            let again = good(&[echoed(&item.external_id, &written)]).remove(0).item.body;
            prop_assert_eq!(write(&again, &ChronoZones::default()), Ok(written));
        }
    }
}
