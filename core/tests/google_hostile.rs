//! Answers that Google would never give.

mod common;
#[path = "common/google.rs"]
mod google;

use google::found;
use proptest::prelude::*;
use serde_json::Value;

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

proptest! {
    #![proptest_config(common::cases(2_000))]

    /// Whatever an answer holds, reading ends, and each of its values is at most one item or fault.
    #[test]
    fn no_answer_is_too_strange(values in prop::collection::vec(json_value(), 0..6)) {
        prop_assert!(found(&values).len() <= values.len());
    }
}
