//! Data sources, and which of their properties hold what.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use calendar_sync_core::providers::notion::{self, KEY_PROPERTY, Mapping, Property, Role};
use serde_json::{Value, json};

use super::api;
use crate::providers::account::{Ask, FoundCalendar};
use crate::providers::api::ApiError;

/// Pages of data sources that are followed.
const MAX_PAGES: usize = 100;
/// Data sources of which something is remembered.
const MAX_REMEMBERED: usize = 10_000;
/// How long a schema that was read serves what is sent after it.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What this process remembers of data sources, by their identifiers.
type Memory<T> = Mutex<Option<HashMap<String, T>>>;

/// The properties of keys that were found or made since their data source was read.
static KEYS: Memory<Property> = Mutex::new(None);
/// Schemas as they were read.
static READ: Memory<Reading> = Mutex::new(None);

#[derive(Clone)]
struct Reading {
    at: Instant,
    /// The option of that name that it was read with.
    properties: Value,
    mapping: Mapping,
}

/// All data sources that the account can see.
pub fn calendars(ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError> {
    let mut found = vec![];
    let mut body = json!({ "filter": { "property": "object", "value": "data_source" }, "page_size": 100 });
    for _ in 0..MAX_PAGES {
        let page = api::post(ask, &["search"], &body)?;
        found.extend(page["results"].as_array().into_iter().flatten().filter_map(calendar));
        let Some(next) = page["next_cursor"].as_str().filter(|_| page["has_more"] == true) else { break };
        body["start_cursor"] = json!(next);
    }
    Ok(found)
}

fn calendar(source: &Value) -> Option<FoundCalendar> {
    let is_one = source["object"] == "data_source" && !notion::is_in_trash(source);
    Some(FoundCalendar {
        external_calendar_id: source["id"].as_str().filter(|_| is_one)?.to_owned(),
        name: notion::title_of(source).unwrap_or_else(|| "Untitled".into()),
        // Whether it is, Notion says only when something is written.
        writable: true,
        owner_email: None,
        time_zone: None,
    })
}

/// What is known of a data source.
pub struct Schema {
    pub mapping: Mapping,
    /// Its title, where it was asked for just now.
    pub name: Option<String>,
    /// It was asked for just now, and not remembered.
    pub is_fresh: bool,
}

impl Schema {
    /// As it was remembered in the connection's options, else as it is now.
    pub fn known(ask: &Ask) -> Result<Self, ApiError> {
        learned_before(ask).map_or_else(|| Self::fetch(ask), |mapping| Ok(Self::remembered(mapping)))
    }

    /// The same for what is sent. The options of a connection that is never pulled have learned nothing: it would be asked
    /// for anew with each page.
    pub fn for_push(ask: &Ask) -> Result<Self, ApiError> {
        let known = learned_before(ask).or_else(|| read_lately(ask));
        known.map_or_else(|| Self::fetch(ask), |mapping| Ok(Self::remembered(mapping)))
    }

    const fn remembered(mapping: Mapping) -> Self {
        Self { mapping, name: None, is_fresh: false }
    }

    /// As it is now.
    pub fn fetch(ask: &Ask) -> Result<Self, ApiError> {
        let source = api::get(ask, &["data_sources", &ask.calendar]).map_err(api::no_access)?;
        let mapping = Mapping::find(&source, &ask.options);
        let mapping = mapping.map_err(|why| ApiError::Unexpected(api::address(ask, &[]), why.to_string()))?;
        let properties = ask.options["properties"].clone();
        remember(&READ, &ask.calendar, Reading { at: Instant::now(), properties, mapping: mapping.clone() });
        Ok(Self { mapping, name: notion::title_of(&source), is_fresh: true })
    }

    /// What [`Schema::known`] finds again.
    pub fn learned(&self, ask: &Ask) -> Option<Value> {
        let learned = json!({ "properties": ask.options["properties"], "mapping": self.mapping });
        self.is_fresh.then(|| json!({ "schema": learned }))
    }

    /// The property that holds keys: made where there is none, and it is not left out by the options. `None` where it
    /// cannot be made.
    pub fn key(&mut self, ask: &Ask) -> Result<Option<&Property>, ApiError> {
        let is_left_out = ask.options["properties"].get("key").is_some_and(Value::is_null);
        if self.mapping.get(Role::Key).is_none() && !is_left_out {
            let made = match remembered(&KEYS, &self.mapping.data_source) {
                None => make_key(ask, &self.mapping.data_source)?,
                known => known,
            };
            if let Some(property) = made {
                self.mapping.set_key(property);
            }
        }
        Ok(self.mapping.get(Role::Key))
    }
}

/// `None` where the schema is not the connection's to change.
fn make_key(ask: &Ask, data_source: &str) -> Result<Option<Property>, ApiError> {
    let source = match api::patch(ask, &["data_sources", data_source], &notion::key_definition()) {
        Err(error) if matches!(error.status(), Some(400 | 403 | 404 | 409)) => return Ok(None),
        source => source?,
    };
    let made = &source["properties"][KEY_PROPERTY];
    let (Some(id), Some("rich_text")) = (made["id"].as_str(), made["type"].as_str()) else { return Ok(None) };
    let property = Property { id: id.into(), name: KEY_PROPERTY.into(), kind: "rich_text".into(), choices: vec![] };
    remember(&KEYS, data_source, property.clone());
    Ok(Some(property))
}

fn learned_before(ask: &Ask) -> Option<Mapping> {
    let learned = &ask.options["schema"];
    let is_of_these = learned["properties"] == ask.options["properties"];
    serde_json::from_value(learned["mapping"].clone()).ok().filter(|_| is_of_these)
}

fn read_lately(ask: &Ask) -> Option<Mapping> {
    let read = remembered(&READ, &ask.calendar)?;
    (read.at.elapsed() < GOOD_FOR && read.properties == ask.options["properties"]).then_some(read.mapping)
}

fn remembered<T: Clone>(memory: &Memory<T>, data_source: &str) -> Option<T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(data_source).cloned()
}

fn remember<T>(memory: &Memory<T>, data_source: &str, what: T) {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let memory = memory.get_or_insert_default();
    if memory.len() >= MAX_REMEMBERED {
        memory.clear();
    }
    memory.insert(data_source.to_owned(), what);
}

/// The schema has changed: what was remembered of it is not to be used again.
pub fn forget_key(data_source: &str) {
    if let Some(keys) = KEYS.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        keys.remove(data_source);
    }
}
