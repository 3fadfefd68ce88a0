//! Notion: data sources of databases, whose rows are events.
//!
//! What it does otherwise than others, and what is done about it:
//!
//! - The time of a row's last change has whole minutes: the cursor is the newest minute that was seen, and what was
//!   changed up to two minutes before is asked for again ([`cursor`]).
//! - A row in the trash is in no list but that of the trash, and one that has left it in none: all rows are listed once a
//!   day, and those that are not among them are deleted ([`pull`]).
//! - A query ends after 10,000 rows, and says so only in passing: the rest is asked for by time ([`rows`]).
//! - Properties are named by their owner ([`schema`]). What a row says is taken out of them here; so values of this
//!   provider have the same names for every data source.
//! - A row has no version, and a request no condition: a digest of what it says is compared before it is changed
//!   ([`push`]).
//! - Nothing keeps two tries of one create from making two rows, but a key in a property of our own.
//! - Its webhooks are made by hand, in the settings of the integration.

mod api;
mod create;
mod cursor;
mod pull;
mod push;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use calendar_sync_core::event::Body;
use calendar_sync_core::providers::notion;
use calendar_sync_core::zones::Zones;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::account::{
    AccountProvider, Ask, CannotHold, Change, Changes, ChangesRequest, ClientAuthentication, Endpoints, FoundCalendar,
    Pushed, Read, Remote, Watch, Watched,
};
use super::api::ApiError;

const POLL_INTERVAL: Duration = Duration::from_secs(120);

/// Notion's API.
pub struct Notion;

impl AccountProvider for Notion {
    fn endpoints(&self) -> Endpoints {
        Endpoints {
            api: "https://api.notion.com/v1",
            authorize: "https://api.notion.com/v1/oauth/authorize",
            token: "https://api.notion.com/v1/oauth/token",
            revoke: Some("https://api.notion.com/v1/oauth/revoke"),
            // What a connection may do is settled when it is made.
            scopes: &[],
            authorize_parameters: &[("owner", "user")],
            client_authentication: ClientAuthentication::BasicWithJson,
        }
    }

    fn calendars(&self, ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError> {
        schema::calendars(ask)
    }

    fn pull(&self, ask: &Ask, request: &ChangesRequest) -> Result<Changes, ApiError> {
        pull::pull(ask, request)
    }

    fn read(&self, values: Vec<Value>, _options: &Value, _zones: &dyn Zones, _default_zone: &str) -> Vec<Read> {
        values.iter().map(|entry| notion::read(entry).map(remote)).collect()
    }

    fn write(&self, body: &Body, _options: &Value, zones: &dyn Zones) -> Result<Map<String, Value>, CannotHold> {
        notion::write(body, zones).map_err(CannotHold)
    }

    fn not_made(&self, ask: &Ask, keys: &[Uuid]) -> Result<HashSet<Uuid>, ApiError> {
        create::not_made(ask, keys)
    }

    fn push(&self, ask: &Ask, change: &Change) -> Result<Pushed, ApiError> {
        push::push(ask, change)
    }

    fn watch(&self, _ask: &Ask, _watch: &Watch) -> Result<Option<Watched>, ApiError> {
        Ok(None)
    }

    fn renew(&self, _ask: &Ask, _watch: &Watch, _old: &Watched) -> Result<Option<Watched>, ApiError> {
        Ok(None)
    }

    fn unwatch(&self, _ask: &Ask, _watched: &Watched) -> Result<(), ApiError> {
        Ok(())
    }

    fn poll_interval(&self) -> Option<Duration> {
        Some(POLL_INTERVAL)
    }
}

fn remote(found: notion::Found) -> Remote {
    Remote { item: found.item, etag: found.version, instances: vec![], mark: found.mark }
}
