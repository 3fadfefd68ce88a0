//! The properties that a page is given by an entry.

use serde_json::{Map, Value, json};

use super::mapping::{Mapping, Property, Role};
use super::rich_text::{items, length};
use super::status;
use crate::event::EventStatus;

/// Longest value of a property of type email.
const MAX_EMAIL: usize = 200;

/// Of the fields that `entry` has, those for which the data source has a property. `is_new`: what nobody has set is left
/// to Notion.
pub fn properties(entry: &Map<String, Value>, mapping: &Mapping, is_new: bool) -> Map<String, Value> {
    let mut given = Map::new();
    for (field, value) in entry {
        let role = match field.as_str() {
            "title" => Role::Title,
            "description" => Role::Description,
            "location" => Role::Location,
            "status" => Role::Status,
            "url" => Role::Url,
            "attendees" => Role::Attendees,
            "categories" => Role::Categories,
            "mark" => Role::Key,
            "date" => {
                dates(value, mapping, &mut given);
                continue;
            }
            _ => continue,
        };
        let Some(property) = mapping.get(role) else { continue };
        let is_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if is_new && (is_nothing || (role == Role::Status && value == EventStatus::Scheduled.word())) {
            continue;
        }
        if let Some(value) = value_of(role, property, value) {
            given.insert(property.name.clone(), json!({ property.kind.as_str(): value }));
        }
    }
    given
}

/// One property, or two where the end has one of its own.
fn dates(date: &Value, mapping: &Mapping, given: &mut Map<String, Value>) {
    let Some(start) = mapping.get(Role::Start) else { return };
    let of = |start: &Value, end: &Value| {
        let mut value = json!({ "start": start });
        if !end.is_null() {
            value["end"] = end.clone();
        }
        if let Some(zone) = date["time_zone"].as_str() {
            value["time_zone"] = json!(zone);
        }
        value
    };
    let Some(end) = mapping.get(Role::End) else {
        given.insert(start.name.clone(), json!({ "date": of(&date["start"], &date["end"]) }));
        return;
    };
    given.insert(start.name.clone(), json!({ "date": of(&date["start"], &Value::Null) }));
    let end_value = if date["end"].is_null() { Value::Null } else { of(&date["end"], &Value::Null) };
    given.insert(end.name.clone(), json!({ "date": end_value }));
}

/// `None` where a property of this type cannot be given that value: it stays as it is.
fn value_of(role: Role, property: &Property, value: &Value) -> Option<Value> {
    let text = || value.as_str().unwrap_or_default();
    let list = || value.as_array().into_iter().flatten().filter_map(Value::as_str);
    match property.kind.as_str() {
        "title" | "rich_text" => match value {
            Value::Array(_) => items(&list().collect::<Vec<_>>().join(", ")),
            _ => items(text()),
        },
        "status" | "select" if role == Role::Status => {
            Some(json!({ "name": status::choice(EventStatus::from_word(text())?, &property.choices)? }))
        }
        "select" => match value {
            Value::Null => Some(Value::Null),
            Value::Array(categories) if categories.len() > 1 => None,
            Value::Array(_) => Some(list().next().map_or(Value::Null, |name| json!({ "name": name }))),
            // A choice that is not there is a new one.
            _ => (!text().contains(',') && length(text()) <= 100).then(|| json!({ "name": text() })),
        },
        "multi_select" => Some(list().map(|name| json!({ "name": name })).collect()),
        "email" => match list().collect::<Vec<_>>().join(", ") {
            addresses if addresses.is_empty() => Some(Value::Null),
            addresses => (length(&addresses) <= MAX_EMAIL).then(|| json!(addresses)),
        },
        "url" => Some(value.clone()),
        // Notion's own users, and places on its map, have identifiers that nobody else knows.
        _ => None,
    }
}
