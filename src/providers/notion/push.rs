//! Changes on their way out. No request has a condition: a page is read and compared before it is changed.

use calendar_sync_core::providers::notion::{self, Mapping, properties};
use serde_json::{Map, Value, json};

use super::schema::{Schema, forget_key};
use super::{api, create};
use crate::providers::account::{Ask, Change, Pushed};
use crate::providers::api::ApiError;

/// [`crate::providers::account::AccountProvider::push`]
pub fn push(ask: &Ask, change: &Change) -> Result<Pushed, ApiError> {
    let remembered = Schema::for_push(ask)?;
    let was_remembered = !remembered.is_fresh;
    let pushed = verdict(attempt(ask, change, remembered));
    if was_remembered && matches!(pushed, Ok(Pushed::Refused(_))) {
        // A property may have been renamed, removed, or given another type since.
        let schema = Schema::fetch(ask)?;
        forget_key(&schema.mapping.data_source);
        return verdict(attempt(ask, change, schema));
    }
    pushed
}

fn attempt(ask: &Ask, change: &Change, schema: Schema) -> Result<Pushed, ApiError> {
    match change {
        Change::Create { key, is_new, is_retry, payload, .. } => {
            create::create(ask, key, *is_new, *is_retry, payload, schema)
        }
        Change::Update { external_id, etag, payload, .. } => {
            let Some(page) = page(ask, external_id, &schema.mapping)? else { return Ok(Pushed::Gone) };
            if is_stale(&page, etag.as_deref(), &schema.mapping) {
                return Ok(Pushed::Stale);
            }
            let given = properties(payload, &schema.mapping, false);
            if given.is_empty() {
                return Ok(written(&page, &schema.mapping));
            }
            write(ask, external_id, given, &schema.mapping)
        }
        Change::Delete { external_id, etag } => {
            let Some(page) = page(ask, external_id, &schema.mapping)? else { return Ok(Pushed::Gone) };
            if is_stale(&page, etag.as_deref(), &schema.mapping) {
                return Ok(Pushed::Stale);
            }
            api::patch(ask, &["pages", external_id], &json!({ "in_trash": true }))?;
            Ok(Pushed::Gone)
        }
    }
}

/// What a failure means for the change.
fn verdict(pushed: Result<Pushed, ApiError>) -> Result<Pushed, ApiError> {
    match pushed {
        Err(ApiError::Failed(failure)) => match failure.status {
            // conflict_error: somebody changed it at the same moment.
            409 => Ok(Pushed::Stale),
            404 | 410 => Ok(Pushed::Gone),
            400 | 403 | 413 | 422 => Ok(Pushed::Refused(failure.said())),
            _ => Err(ApiError::Failed(failure)),
        },
        pushed => pushed,
    }
}

/// The page, unless it is in the trash or gone for good. One that is not to be seen because its data source is not is
/// not gone.
fn page(ask: &Ask, id: &str, mapping: &Mapping) -> Result<Option<Value>, ApiError> {
    match api::get(ask, &["pages", id]) {
        Err(error) if api::is_hidden(&error) => {
            api::get(ask, &["data_sources", &mapping.data_source]).map_err(api::no_access)?;
            Ok(None)
        }
        page => Ok(Some(page?).filter(|page| !notion::is_in_trash(page))),
    }
}

fn is_stale(page: &Value, etag: Option<&str>, mapping: &Mapping) -> bool {
    let version = notion::entry(page, mapping).map(|entry| notion::version(&entry));
    etag.is_some() && version.as_deref() != etag
}

/// Changes a page.
pub fn write(ask: &Ask, id: &str, given: Map<String, Value>, mapping: &Mapping) -> Result<Pushed, ApiError> {
    let page = api::patch(ask, &["pages", id], &json!({ "properties": given }))?;
    Ok(written(&page, mapping))
}

/// A page as it is now.
pub fn written(page: &Value, mapping: &Mapping) -> Pushed {
    let entry = notion::entry(page, mapping);
    Pushed::Written {
        external_id: page["id"].as_str().unwrap_or_default().to_owned(),
        etag: entry.as_ref().map(notion::version),
        values: entry.into_iter().collect(),
    }
}
