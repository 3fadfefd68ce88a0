//! Occurrences of a series: each has an identifier before it differs from its rule, and is then an event of its own.

use calendar_sync_core::providers::google::instance_id;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::api;
use crate::http::Method;
use crate::providers::account::{Ask, InstanceChange};
use crate::providers::api::ApiError;

/// What an occurrence must be like to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// As we know it; if it is not known, as its series gives it.
    OursAlone,
    /// Ours goes over whatever is there.
    Nothing,
}

/// What came of a change of one occurrence.
pub enum Outcome {
    /// As it is there now.
    Done(Box<Value>),
    /// It is to be gone, and its series does not give it any more.
    NotGiven,
    /// It has changed there since the version that we know.
    Stale,
    Refused(String),
}

/// Changes one occurrence; `master` is its series as it is there now.
pub fn push(
    ask: &Ask,
    series: &str,
    master: &Value,
    change: &InstanceChange,
    guard: Guard,
) -> Result<Outcome, ApiError> {
    let made = instance_id(series, change.recurrence_id, change.all_day);
    let id = change.external_id.as_deref().unwrap_or(&made);
    let known = change.etag.as_deref().filter(|_| guard == Guard::OursAlone);
    let result = if guard == Guard::OursAlone && known.is_none() {
        match api::get(ask, api::events(ask, &[id], &[])) {
            Ok(there) if is_exception(&there, master) => return Ok(Outcome::Stale),
            Ok(there) => write(ask, id, there["etag"].as_str(), change),
            Err(error) => Err(error),
        }
    } else {
        write(ask, id, known, change)
    };
    match result {
        Ok(there) => Ok(Outcome::Done(Box::new(there))),
        Err(ApiError::Failed(failure)) => match failure.status {
            412 => Ok(Outcome::Stale),
            404 | 410 if change.payload.is_none() => Ok(Outcome::NotGiven),
            400 | 403 | 404 | 409 | 410 => Ok(Outcome::Refused(format!("occurrence {id}: {}", failure.said()))),
            _ => Err(ApiError::Failed(failure)),
        },
        Err(error) => Err(error),
    }
}

fn write(ask: &Ask, id: &str, etag: Option<&str>, change: &InstanceChange) -> Result<Value, ApiError> {
    let payload = match &change.payload {
        Some(payload) => {
            let mut payload = payload.clone();
            // It recurs no more than its series lets it.
            payload.remove("recurrence");
            Value::Object(payload)
        }
        None => json!({ "status": "cancelled" }),
    };
    api::write(ask, Method::PATCH, Some(id), etag, Some(&payload))
}

/// Whether somebody has changed an occurrence that we know nothing of: one that only its series gives has the version of
/// that.
fn is_exception(there: &Value, master: &Value) -> bool {
    let updated = |value: &Value| value["updated"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    there["etag"] != master["etag"] && updated(there) > updated(master)
}
