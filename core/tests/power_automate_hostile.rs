//! Answers of Power Automate flows that were made to harm, or by chance.

mod common;
#[path = "common/flows.rs"]
mod flows;

use calendar_sync_core::event::{Body, Item};
use calendar_sync_core::providers::power_automate::Answer;
use common::cases;
use flows::{MAX, items, read};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn hostile_json_ends_soon_and_takes_no_memory_of_its_own() {
    let refused = |body: &str| Answer::read(body.as_bytes(), 1_000).is_err();
    assert!(refused(&"[".repeat(1_000_000)));
    assert!(refused(&format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000))));
    assert!(refused(&"{\"value\":".repeat(1_000_000)));
    assert!(refused(&format!("{}[]{}", "{\"value\":".repeat(100_000), "}".repeat(100_000))));
    assert!(refused(&format!("[{}{{}}]", "{},".repeat(200_000))));
    // Strings in strings, each twice as long as the one within.
    let mut nested = "[]".to_owned();
    for _ in 0..15 {
        nested = json!(nested).to_string();
    }
    assert!(refused(&nested));

    let deep =
        format!(r#"[{{"id":"a","start":"2026-12-01T09:00:00","x":{}1{}}}]"#, "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(items(read(&deep)).len(), 1);
    let many =
        format!(r#"[{{"id":"a","start":"2026-12-01T09:00:00","requiredAttendees":"{}"}}]"#, "a@b;".repeat(1_000_000));
    assert!(items(read(&many))[0].is_ok());
    let long =
        format!(r#"[{{"id":"{}","start":"2026-12-01T09:00:00","subject":"a\u0000b\ud800c"}}]"#, "i".repeat(6_000));
    let Item { external_id, body: Body::Single(event) } = items(read(&long)).remove(0).unwrap() else { panic!() };
    assert_eq!((external_id.len(), event.details.title.as_str()), (6_000, "ab\u{FFFD}\u{FFFD}\u{FFFD}c"));
    let broken = [br#"[{"id":"a","start":"2026-12-01T09:00:00","subject":"a"#, &b"\xFF\xC3"[..], br#"b"}]"#].concat();
    assert_eq!(items(Answer::read(&broken, 10).unwrap()).len(), 1);
}

/// A value of any kind and depth, of the words that answers are made of.
fn any_value() -> impl Strategy<Value = Value> {
    let texts = [
        "a",
        "",
        "none",
        "weekly",
        "Daily",
        "2026-12-01T09:00:00.0000000",
        "2026-12-01T09:00:00+01:00",
        "2026-12-01",
        "9999-12-31T23:59:59.9999999",
        "W. Europe Standard Time",
        "tzone://Microsoft/Custom",
        "<p>a",
        "a;b;",
        "deleted",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let names = [
            "id",
            "iCalUId",
            "start",
            "end",
            "startWithTimeZone",
            "timeZone",
            "isAllDay",
            "recurrence",
            "recurrenceEnd",
            "numberOfOccurences",
            "seriesMasterId",
            "value",
            "body",
            "dateTime",
            "pattern",
            "type",
            "interval",
            "daysOfWeek",
            "attendees",
            "emailAddress",
            "requiredAttendees",
            "actionType",
            "@odata.count",
            "subject",
        ];
        let members = prop::collection::vec((prop::sample::select(names.to_vec()), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn whatever_an_answer_holds_each_event_is_taken_or_told(values in prop::collection::vec(any_value(), 0..6)) {
        let body = json!({ "value": values }).to_string();
        if let Ok(answer) = Answer::read(body.as_bytes(), MAX) {
            let (len, deleted) = (answer.len(), answer.deleted().len());
            let found = items(answer);
            prop_assert!(found.len() + deleted <= len);
            for bad in found.iter().filter_map(|found| found.as_ref().err()) {
                prop_assert!(!bad.message.is_empty());
            }
        }
    }

    #[test]
    fn no_bytes_harm_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Answer::read(&bytes, MAX).map(items);
    }
}
