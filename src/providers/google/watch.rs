//! Channels: notifications that a calendar has changed. One can't be made to last longer; a new one takes its place.

use chrono::DateTime;
use serde_json::{Value, json};
use uuid::Uuid;

use super::api;
use crate::http::Method;
use crate::providers::account::{Ask, Watch, Watched};
use crate::providers::api::{ApiError, Call};

/// A new channel of that name, or another if there is one of that name whose answer was lost.
pub fn begin(ask: &Ask, watch: &Watch, name: Uuid) -> Result<Option<Watched>, ApiError> {
    let made = match open(ask, watch, name) {
        Err(error) if has_reason(&error, "channelIdNotUnique") => open(ask, watch, Uuid::now_v7()),
        made => made,
    };
    match made {
        // Calendars of holidays and birthdays.
        Err(error) if has_reason(&error, "pushNotSupportedForRequestedResource") => Ok(None),
        Err(error) => Err(api::no_access(error)),
        Ok(made) => Ok(Some(watched(&made, name))),
    }
}

fn open(ask: &Ask, watch: &Watch, name: Uuid) -> Result<Value, ApiError> {
    let channel = json!({
        "id": name.to_string(),
        "type": "web_hook",
        "address": watch.notification_url,
        "token": watch.client_state,
        "expiration": watch.expires.timestamp_millis().to_string(),
    });
    api::send(ask, Call::send(Method::POST, api::events(ask, &["watch"], &[]), Some(&channel)))
}

fn watched(made: &Value, name: Uuid) -> Watched {
    let text = |key: &str| made[key].as_str().map(str::to_owned);
    // In milliseconds since 1970; a string, since JSON's numbers are too short for some readers.
    let expires = text("expiration").and_then(|millis| millis.parse().ok()).or_else(|| made["expiration"].as_i64());
    Watched {
        subscription_id: text("id").unwrap_or_else(|| name.to_string()),
        resource_id: text("resourceId"),
        resource_path: text("resourceUri"),
        expires: expires.and_then(DateTime::from_timestamp_millis),
    }
}

/// Stops a channel; one that is no more is stopped.
pub fn end(ask: &Ask, watched: &Watched) -> Result<(), ApiError> {
    // One whose resource nobody knows can't be stopped, and ends by itself.
    let Some(resource) = &watched.resource_id else { return Ok(()) };
    let channel = json!({ "id": watched.subscription_id, "resourceId": resource });
    match api::send(ask, Call::send(Method::POST, ask.api.below(&["channels", "stop"], &[]), Some(&channel))) {
        Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(()),
        ended => ended.map(|_| ()),
    }
}

fn has_reason(error: &ApiError, wanted: &str) -> bool {
    matches!(error, ApiError::Failed(failure) if api::reason(failure) == wanted)
}
