//! New pages. A try whose answer was lost must not be made again: what it has made is looked for before, for all of a batch at
//! once. That there was no earlier try is nothing that could be known: one of a session is noted in its own transaction.

use std::collections::HashSet;

use calendar_sync_core::providers::notion::{self, Mapping, Role, properties};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api;
use super::push::{write, written};
use super::schema::Schema;
use crate::providers::account::{Ask, Pushed, is_identifier};
use crate::providers::api::ApiError;

/// Pages that one query gives.
const PAGE: usize = 100;
/// Keys of one query.
const MOST_KEYS: usize = 50;

/// Those of the keys that no page has.
pub fn not_made(ask: &Ask, keys: &[Uuid]) -> Result<HashSet<Uuid>, ApiError> {
    let mut schema = Schema::for_push(ask)?;
    let Some(property) = schema.key(ask)?.map(|property| property.name.clone()) else { return Ok(HashSet::new()) };
    let mut not_made: HashSet<Uuid> = keys.iter().copied().collect();
    for keys in keys.chunks(MOST_KEYS) {
        let one_of: Vec<Value> = keys.iter().map(|key| has_key(&property, &key.to_string())).collect();
        let pages = find(ask, &schema.mapping, &json!({ "or": one_of }))?;
        // Copies that were made in Notion have the key as well: there may be others than these.
        if pages.len() >= PAGE {
            return Ok(HashSet::new());
        }
        for page in pages {
            let found = notion::plain(&page["properties"][&property]["rich_text"]);
            let Ok(key) = found.parse() else { return Ok(HashSet::new()) };
            not_made.remove(&key);
        }
    }
    Ok(not_made)
}

fn has_key(property: &str, key: &str) -> Value {
    json!({ "property": property, "rich_text": { "equals": key } })
}

/// `is_new`, `is_retry`: see [`crate::providers::account::Change::Create`].
pub fn create(
    ask: &Ask,
    key: &Uuid,
    is_new: bool,
    is_retry: bool,
    payload: &Map<String, Value>,
    mut schema: Schema,
) -> Result<Pushed, ApiError> {
    let key = key.to_string();
    let property = schema.key(ask)?.map(|property| property.name.clone());
    let earlier = match property {
        _ if is_new => None,
        // One that was duplicated in Notion has the key of the first.
        Some(property) => find(ask, &schema.mapping, &has_key(&property, &key))?.into_iter().next(),
        None => find_like(ask, &schema.mapping, payload)?,
    };
    let mapping = &schema.mapping;
    if let Some(page) = earlier {
        return complete(ask, &page, is_retry, payload, mapping);
    }
    let mut given = properties(payload, mapping, true);
    let mark = Map::from_iter([("mark".to_owned(), json!(key))]);
    given.extend(properties(&mark, mapping, true));
    let parent = json!({ "type": "data_source_id", "data_source_id": mapping.data_source });
    match api::post(ask, &["pages"], &json!({ "parent": parent, "properties": given })) {
        // Nothing is gone but the data source.
        Err(error) if api::is_hidden(&error) => Err(api::no_access(error)),
        page => {
            let page = page?;
            if !has_id(&page) {
                let why = "the answer to a new page has no id";
                return Err(ApiError::Unexpected(api::address(ask, &[]), why.into()));
            }
            Ok(written(&page, mapping))
        }
    }
}

fn has_id(page: &Value) -> bool {
    page["id"].as_str().is_some_and(is_identifier)
}

/// A page that an earlier try has made: with what that one sent, unless somebody was there since.
fn complete(
    ask: &Ask,
    page: &Value,
    is_retry: bool,
    payload: &Map<String, Value>,
    mapping: &Mapping,
) -> Result<Pushed, ApiError> {
    let given = differing(page, properties(payload, mapping, false));
    if given.is_empty() {
        return Ok(written(page, mapping));
    }
    let id = page["id"].as_str().unwrap_or_default();
    if is_retry {
        return Ok(Pushed::Found { external_id: id.to_owned() });
    }
    let is_ours = page["last_edited_by"]["id"] == page["created_by"]["id"];
    // Else the next pull finds it by its key, and knows what to do.
    if is_ours { write(ask, id, given, mapping) } else { Ok(Pushed::Stale) }
}

/// Properties whose value is another than that of the page.
fn differing(page: &Value, given: Map<String, Value>) -> Map<String, Value> {
    let is_other = |name: &String, value: &Value| {
        let there = &page["properties"][name];
        let Some(kind) = there["type"].as_str() else { return true };
        let (there, wanted) = (&there[kind], &value[kind]);
        match kind {
            "title" | "rich_text" => notion::plain(there) != notion::plain(wanted),
            "select" | "status" => there["name"] != wanted["name"],
            "multi_select" => names(there) != names(wanted),
            "date" => !notion::is_same_date(there, wanted),
            _ => there != wanted,
        }
    };
    given.into_iter().filter(|(name, value)| is_other(name, value)).collect()
}

fn names(choices: &Value) -> Vec<&str> {
    choices.as_array().into_iter().flatten().filter_map(|choice| choice["name"].as_str()).collect()
}

/// Pages that match, the oldest first.
fn find(ask: &Ask, mapping: &Mapping, filter: &Value) -> Result<Vec<Value>, ApiError> {
    let sorts = json!([{ "timestamp": "created_time", "direction": "ascending" }]);
    let body = json!({ "filter": filter, "sorts": sorts, "page_size": PAGE });
    let found = api::post(ask, &["data_sources", &mapping.data_source, "query"], &body).map_err(api::no_access)?;
    Ok(found["results"].as_array().into_iter().flatten().filter(|page| has_id(page)).cloned().collect())
}

/// Without a key: a page of that title and date which nobody but this connection has touched.
fn find_like(ask: &Ask, mapping: &Mapping, payload: &Map<String, Value>) -> Result<Option<Value>, ApiError> {
    let (Some(title), Some(start)) = (mapping.get(Role::Title), mapping.get(Role::Start)) else { return Ok(None) };
    let text = payload.get("title").and_then(Value::as_str).unwrap_or_default();
    let has_title = json!({ "property": title.name, "title": { "equals": text } });
    let me = api::get(ask, &["users", "me"])?;
    let given = properties(payload, mapping, false);
    let is_it = |page: &Value| {
        let is_ours = [&page["created_by"]["id"], &page["last_edited_by"]["id"]].iter().all(|id| **id == me["id"]);
        is_ours && !differing(page, given.clone()).contains_key(&start.name)
    };
    Ok(find(ask, mapping, &has_title)?.into_iter().find(is_it))
}
