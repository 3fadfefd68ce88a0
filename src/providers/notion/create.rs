//! New pages. A try whose answer was lost must not be made again: what it has made is looked for before.

use calendar_sync_core::providers::notion::{self, Mapping, Role, properties};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api;
use super::push::{write, written};
use super::schema::Schema;
use crate::providers::account::{Ask, Pushed, is_identifier};
use crate::providers::api::ApiError;

pub fn create(ask: &Ask, key: &Uuid, payload: &Map<String, Value>, mut schema: Schema) -> Result<Pushed, ApiError> {
    let key = key.to_string();
    let earlier = match schema.key(ask)?.map(|property| property.name.clone()) {
        Some(property) => {
            let has_key = json!({ "property": property, "rich_text": { "equals": key } });
            // One that was duplicated in Notion has the key of the first.
            find(ask, &schema.mapping, &has_key)?.into_iter().next()
        }
        None => find_like(ask, &schema.mapping, payload)?,
    };
    let mapping = &schema.mapping;
    if let Some(page) = earlier {
        return complete(ask, &page, payload, mapping);
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
fn complete(ask: &Ask, page: &Value, payload: &Map<String, Value>, mapping: &Mapping) -> Result<Pushed, ApiError> {
    let given = differing(page, properties(payload, mapping, false));
    if given.is_empty() {
        return Ok(written(page, mapping));
    }
    let is_ours = page["last_edited_by"]["id"] == page["created_by"]["id"];
    let id = page["id"].as_str().unwrap_or_default();
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
    let body = json!({ "filter": filter, "sorts": sorts, "page_size": 100 });
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
