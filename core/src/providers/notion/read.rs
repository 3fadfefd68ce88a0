//! An entry as an item.

use chrono::DateTime;
use serde_json::{Value, json};

use super::times;
use crate::event::{Attendee, Body, Details, Event, EventStatus, Item};
use crate::providers::BadItem;

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub item: Item,
    /// See [`super::version`].
    pub version: Option<String>,
    /// The key that its page has.
    pub mark: Option<String>,
}

/// Reads an entry. The name of its zone is not in it: a time of a page is an instant.
pub fn read(entry: &Value) -> Result<Found, BadItem> {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let external_id = text("id");
    let bad = |message: String| BadItem { external_id: external_id.clone(), is_override: false, message };
    let id = external_id.clone().ok_or_else(|| bad("it has no id".into()))?;
    let timing = times::timing(&entry["date"]).map_err(bad)?;
    let attendees = attendees(&entry["attendees"]);
    let details = Details {
        title: text("title").unwrap_or_default(),
        description: text("description"),
        location: text("location"),
        event_status: text("status").and_then(|word| EventStatus::from_word(&word)).unwrap_or_default(),
        categories: texts(&entry["categories"]),
        participants: attendees.iter().map(|one| one.name.clone().unwrap_or_else(|| one.address.clone())).collect(),
        attendees,
        last_updated: text("last_edited_time")
            .and_then(|text| Some(DateTime::parse_from_rfc3339(&text).ok()?.to_utc())),
        metadata: metadata(text("web_link"), text("url")),
        ..Details::default()
    };
    let body = Body::Single(Box::new(Event { timing, details }));
    Ok(Found { item: Item { external_id: id, body }, version: text("version"), mark: text("mark") })
}

fn metadata(web_link: Option<String>, url: Option<String>) -> Option<Value> {
    let members = [("web_link", web_link), ("url", url)].into_iter();
    let members: serde_json::Map<String, Value> =
        members.filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect();
    Some(Value::Object(members)).filter(|metadata| *metadata != json!({}))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn attendees(list: &Value) -> Vec<Attendee> {
    let attendee = |one: &Value| {
        let address = one["address"].as_str()?.to_owned();
        Some(Attendee { address, name: one["name"].as_str().map(str::to_owned), response: None })
    };
    list.as_array().into_iter().flatten().filter_map(attendee).collect()
}
