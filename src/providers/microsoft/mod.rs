//! Microsoft Graph: the calendars of Outlook, Exchange and Teams.
//!
//! What it does otherwise than others, and what is done about it:
//!
//! - A delta round is bound to one span of time. The cursor holds that span; when the wanted one has moved on by a week
//!   a new round begins, in other calendars on another day ([`cursor`]).
//! - Occurrences come as stubs without a subject, and a deleted one does not come at all: a series of which anything
//!   has changed is asked for again, whole ([`series`]).
//! - `@removed` is also said of what has left the span: it is asked for by its id before it counts as deleted.
//! - It is said of what an earlier round has shown, and of nothing else: what we make between two rounds and somebody
//!   deletes before the second is in neither. So whatever of that a round does not show is asked for by its id, too.
//! - Identifiers change when an event is moved, unless every request wants those that do not ([`api`]).
//! - The body of an online meeting holds the way to join; without it the meeting is none any more ([`body`]).

mod api;
mod body;
mod cursor;
mod instances;
mod pull;
mod push;
mod series;
#[cfg(test)]
mod tests;
mod wanted;
mod watch;

use calendar_sync_core::event::Body;
use calendar_sync_core::providers::BadItem;
use calendar_sync_core::providers::microsoft::{Found, Reader, write};
use calendar_sync_core::zones::Zones;
use serde_json::{Map, Value};

use super::account::{
    AccountProvider, Ask, CannotHold, Change, Changes, ChangesRequest, ClientAuthentication, Endpoints, FoundCalendar,
    Instance, Pushed, Read, Remote, Watch, Watched,
};
use super::api::ApiError;

/// Microsoft Graph, version 1.0.
pub struct Microsoft;

impl AccountProvider for Microsoft {
    fn endpoints(&self) -> Endpoints {
        Endpoints {
            api: "https://graph.microsoft.com/v1.0",
            authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            token: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            revoke: None,
            // With the first three the token endpoint says whose login it is.
            scopes: &["openid", "profile", "email", "offline_access", "Calendars.ReadWrite"],
            authorize_parameters: &[],
            client_authentication: ClientAuthentication::Form,
        }
    }

    fn login(&self, ask: &Ask) -> Result<Option<String>, ApiError> {
        api::login(ask)
    }

    fn excludes_by_rule(&self) -> bool {
        false
    }

    /// As Outlook warns: "Any exceptions associated with this recurring appointment will be lost."
    fn forgets_occurrences(&self, payload: &Map<String, Value>) -> bool {
        ["recurrence", "start", "end", "isAllDay"].iter().any(|name| payload.contains_key(*name))
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

    fn overlooks_new(&self) -> bool {
        true
    }

    fn read(&self, values: Vec<Value>, _options: &Value, zones: &dyn Zones, default_zone: &str) -> Vec<Read> {
        let mut reader = match Reader::new(zones, default_zone).or_else(|_| Reader::new(zones, "UTC")) {
            Ok(reader) => reader,
            Err(why) => {
                return vec![Err(BadItem { external_id: None, is_override: false, message: why.to_string() })];
            }
        };
        values.iter().map(|value| reader.read(value).map(remote)).collect()
    }

    fn write(&self, body: &Body, _options: &Value, zones: &dyn Zones) -> Result<Map<String, Value>, CannotHold> {
        write(body, zones).map_err(|why| CannotHold(why.to_string()))
    }

    fn push(&self, ask: &Ask, change: &Change) -> Result<Pushed, ApiError> {
        push::push(ask, change)
    }

    fn watch(&self, ask: &Ask, watch: &Watch) -> Result<Option<Watched>, ApiError> {
        watch::begin(ask, watch)
    }

    fn renew(&self, ask: &Ask, watch: &Watch, old: &Watched) -> Result<Option<Watched>, ApiError> {
        watch::renew(ask, watch, old)
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
    Remote { item: found.item, etag: found.etag, instances: occurrences.collect(), mark: found.transaction_id }
}
