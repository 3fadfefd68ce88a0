//! Google Calendar (API v3).
//!
//! What it does otherwise than others, and what is done about it:
//!
//! - Everything is listed from the window's beginning on, then changes by a sync token, for which the same parameters must
//!   be sent again and some may not be sent at all ([`pull`]). 410 means three things; here, that the list begins anew.
//! - A new event has an identifier of ours, so that a second try finds the event of the first; of a deleted one it is
//!   taken, and gets up again ([`create`]).
//! - Exceptions of a series are events of their own, and occurrences have identifiers before they are any ([`instances`]).
//! - 403 is a limit or a refusal: its reason tells ([`api`]).
//! - Channels can't be renewed, only replaced ([`watch`]).

mod api;
mod create;
mod instances;
mod pull;
mod push;
#[cfg(test)]
mod tests;
mod watch;

use calendar_sync_core::event::Body;
use calendar_sync_core::providers::BadItem;
use calendar_sync_core::providers::google::{self, Found};
use calendar_sync_core::zones::Zones;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::account::{
    AccountProvider, Ask, CannotHold, Change, Changes, ChangesRequest, ClientAuthentication, Endpoints, FoundCalendar,
    Instance, Pushed, Read, Remote, Watch, Watched,
};
use super::api::ApiError;

/// Google Calendar, API version 3.
pub struct Google;

impl AccountProvider for Google {
    fn endpoints(&self) -> Endpoints {
        Endpoints {
            api: "https://www.googleapis.com/calendar/v3",
            authorize: "https://accounts.google.com/o/oauth2/v2/auth",
            token: "https://oauth2.googleapis.com/token",
            revoke: Some("https://oauth2.googleapis.com/revoke"),
            scopes: &[
                "https://www.googleapis.com/auth/calendar.events",
                "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
            ],
            // A refresh token is given only then, and to users who have agreed before only with the latter.
            authorize_parameters: &[("access_type", "offline"), ("prompt", "consent")],
            client_authentication: ClientAuthentication::Form,
        }
    }

    fn login(&self, ask: &Ask) -> Result<Option<String>, ApiError> {
        api::login(ask)
    }

    fn calendars(&self, ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError> {
        api::calendars(ask)
    }

    fn pull(&self, ask: &Ask, request: &ChangesRequest) -> Result<Changes, ApiError> {
        pull::pull(ask, request)
    }

    fn overlooks_beyond_span(&self) -> bool {
        true
    }

    fn read(&self, values: Vec<Value>, _options: &Value, zones: &dyn Zones, default_zone: &str) -> Vec<Read> {
        let found = google::read(&values, zones, default_zone).or_else(|_| google::read(&values, zones, "UTC"));
        match found {
            Ok(found) => found.into_iter().map(|one| one.map(remote)).collect(),
            Err(why) => vec![Err(BadItem { external_id: None, is_override: false, message: why.to_string() })],
        }
    }

    fn write(&self, body: &Body, _options: &Value, zones: &dyn Zones) -> Result<Map<String, Value>, CannotHold> {
        google::write(body, zones).map_err(|why| CannotHold(why.to_string()))
    }

    fn push(&self, ask: &Ask, change: &Change) -> Result<Pushed, ApiError> {
        push::push(ask, change)
    }

    fn watch(&self, ask: &Ask, watch: &Watch) -> Result<Option<Watched>, ApiError> {
        watch::begin(ask, watch, watch.webhook_id)
    }

    fn renew(&self, ask: &Ask, watch: &Watch, _old: &Watched) -> Result<Option<Watched>, ApiError> {
        watch::begin(ask, watch, Uuid::now_v7())
    }

    fn unwatch(&self, ask: &Ask, watched: &Watched) -> Result<(), ApiError> {
        watch::end(ask, watched)
    }
}

fn remote(found: Found) -> Remote {
    let occurrences = found.occurrences.into_iter().map(|one| Instance {
        recurrence_id: one.recurrence_id,
        external_id: one.external_id,
        etag: one.etag,
    });
    let mark = found.key.map(|key| Uuid::from_u128(key).to_string());
    Remote { item: found.item, etag: found.etag, instances: occurrences.collect(), mark }
}
