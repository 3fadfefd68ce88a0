//! Values of a patch. Of each key: absent (`None`), null (`Some(None)`), or a value of the right type.

use serde_json::{Map, Value};

use super::{Patched, wrong};
use crate::event::Attendee;

type Given<T> = Patched<Option<Option<T>>>;

/// A text.
pub fn text(patch: &Map<String, Value>, key: &str) -> Given<String> {
    match patch.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) => Ok(Some(Some(text.clone()))),
        Some(_) => wrong(key, "is not a string", format!("Write \"{key}\": \"...\", or null to clear it.")),
    }
}

/// true or false.
pub fn flag(patch: &Map<String, Value>, key: &str) -> Given<bool> {
    match patch.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::Bool(flag)) => Ok(Some(Some(*flag))),
        Some(_) => wrong(key, "is neither true nor false", format!("Write \"{key}\": true, or false.")),
    }
}

/// A number that fits an int.
pub fn integer(patch: &Map<String, Value>, key: &str) -> Given<i32> {
    match patch.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => match value.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(number) => Ok(Some(Some(number))),
            None => wrong(key, "is not an integer", format!("Write \"{key}\": 1, at most 2147483647.")),
        },
    }
}

/// Null is an empty list.
pub fn texts(patch: &Map<String, Value>, key: &str) -> Patched<Option<Vec<String>>> {
    let hint = || format!("Write \"{key}\": [\"...\", \"...\"], or null to clear it.");
    match patch.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(Vec::new())),
        Some(Value::Array(elements)) => {
            let texts: Option<Vec<String>> = elements.iter().map(|e| e.as_str().map(str::to_owned)).collect();
            match texts {
                Some(texts) => Ok(Some(texts)),
                None => wrong(key, "has an element that is not a string", hint()),
            }
        }
        Some(_) => wrong(key, "is not a list", hint()),
    }
}

/// Null is an empty list.
pub fn attendees(patch: &Map<String, Value>, key: &str) -> Patched<Option<Vec<Attendee>>> {
    match patch.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(Vec::new())),
        Some(value) => match serde_json::from_value(value.clone()) {
            Ok(attendees) => Ok(Some(attendees)),
            Err(error) => wrong(
                key,
                format!("is not a list of attendees: {error}"),
                "Write [{\"address\": \"ada@example.com\", \"name\": \"Ada\", \"response\": \"accepted\"}, ...].",
            ),
        },
    }
}

/// One of a column's words; null is its default.
pub fn word<T: Copy + Default>(
    field: &mut T,
    patch: &Map<String, Value>,
    key: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Patched<()> {
    let Some(given) = text(patch, key)? else { return Ok(()) };
    let Some(given) = given else {
        *field = T::default();
        return Ok(());
    };
    match all.iter().find(|value| word(**value) == given) {
        Some(value) => *field = *value,
        None => {
            let words: Vec<&str> = all.iter().map(|value| word(*value)).collect();
            return wrong(key, format!("can't be \"{given}\""), format!("It is one of {}.", words.join(", ")));
        }
    }
    Ok(())
}

/// Lays what was given over a field; null clears it.
pub fn set(field: &mut Option<String>, given: Option<Option<String>>) {
    if let Some(value) = given {
        *field = value;
    }
}

/// Merges `patch` into the metadata as RFC 7396 says, down to any depth.
pub fn merge(metadata: &mut Option<Value>, patch: &Value) -> Patched<()> {
    match patch {
        Value::Null => *metadata = None,
        Value::Object(_) => merge_value(metadata.get_or_insert(Value::Null), patch),
        _ => return wrong("metadata", "is not a JSON object", "Write \"metadata\": {\"project\": \"...\"}."),
    }
    Ok(())
}

fn merge_value(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            members.remove(key);
        } else {
            merge_value(members.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
