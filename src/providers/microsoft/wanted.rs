//! Whether an event that an earlier try has created is the one that is wanted now: it may have changed here since.

use serde_json::{Map, Value};

/// What is there agrees with what was sent, as far as it says anything of that. Times must have been asked for in the zone
/// that they were sent in. What Graph writes otherwise than it was sent costs a needless change, and no more.
pub fn is_as_wanted(there: &Value, payload: &Map<String, Value>) -> bool {
    payload.iter().all(|(name, wanted)| match name.as_str() {
        "body" => is_same_text(&wanted["content"], &there["body"]),
        "start" | "end" if there[name]["timeZone"] != wanted["timeZone"] => true,
        _ => agrees(wanted, &there[name]),
    })
}

fn agrees(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (_, Value::Null) => true,
        (Value::Object(members), _) => members.iter().all(|(name, wanted)| agrees(wanted, &there[name])),
        (Value::Array(all), Value::Array(found)) => {
            all.len() == found.len() && all.iter().all(|one| found.contains(one))
        }
        // Times come back with fractions.
        (Value::String(wanted), Value::String(there)) => wanted == there || is_same_time(wanted, there),
        _ => wanted == there,
    }
}

fn is_same_time(wanted: &str, there: &str) -> bool {
    there.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.') && rest[1..].bytes().all(|digit| digit == b'0'))
}

/// As text; an online meeting's has more behind it. Exchange puts blanks and lines in order.
fn is_same_text(wanted: &Value, there: &Value) -> bool {
    let is_text = there["contentType"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("text"));
    let (Some(wanted), Some(there), true) = (wanted.as_str(), there["content"].as_str(), is_text) else { return true };
    let mut words = there.split_whitespace();
    wanted.split_whitespace().all(|word| words.next() == Some(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_as_wanted_unless_it_says_otherwise() {
        let payload = json!({
            "subject": "Budget", "categories": ["a", "b"], "location": { "displayName": "Room 5" },
            "body": { "contentType": "text", "content": "One\nTwo" },
            "start": { "dateTime": "2030-01-07T09:00:00", "timeZone": "W. Europe Standard Time" },
        });
        let Value::Object(payload) = payload else { panic!() };
        let mut there = json!({
            "subject": "Budget", "categories": ["b", "a"], "location": { "displayName": "Room 5", "locationType": "default" },
            "body": { "contentType": "text", "content": "One\r\nTwo\r\n____" },
            "start": { "dateTime": "2030-01-07T09:00:00.0000000", "timeZone": "W. Europe Standard Time" },
        });
        assert!(is_as_wanted(&there, &payload));
        for (name, other) in [
            ("subject", json!("Other")),
            ("categories", json!(["a"])),
            ("location", json!({ "displayName": "" })),
            ("body", json!({ "contentType": "text", "content": "One" })),
            ("start", json!({ "dateTime": "2030-01-07T10:00:00.0000000", "timeZone": "W. Europe Standard Time" })),
        ] {
            let before = std::mem::replace(&mut there[name], other);
            assert!(!is_as_wanted(&there, &payload), "{name}");
            there[name] = before;
        }
        // In another zone it can't be told.
        there["start"] = json!({ "dateTime": "2030-01-07T10:00:00.0000000", "timeZone": "UTC" });
        assert!(is_as_wanted(&there, &payload));
    }
}
