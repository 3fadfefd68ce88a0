//! What of a payload is sent: the members that differ from those that were agreed on.

use serde_json::{Map, Value};

/// The members of `now` that `before` has otherwise; null for those that it alone has.
pub fn members(before: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    let changed = now.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let cleared = before.iter().filter(|(key, value)| !now.contains_key(*key) && !value.is_null());
    let changed = changed.map(|(key, value)| (key.clone(), value.clone()));
    changed.chain(cleared.map(|(key, _)| (key.clone(), Value::Null))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(before: Value, now: Value) -> Value {
        let (Value::Object(before), Value::Object(now)) = (before, now) else { panic!("objects") };
        members(&before, &now).into()
    }

    #[test]
    fn only_what_differs_is_sent_and_what_is_no_more_is_cleared() {
        let before = json!({ "title": "One", "place": "Here", "start": { "date": "2030-01-01" }, "note": null });
        let now = json!({ "title": "Two", "start": { "date": "2030-01-01" } });
        assert_eq!(difference(before.clone(), now), json!({ "title": "Two", "place": null }));
        assert_eq!(difference(before.clone(), before), json!({}));
    }
}
