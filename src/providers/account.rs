//! Calendars that are reached through an account: Google, Microsoft 365, Notion.
//!
//! What asks the network runs on plain threads; what needs time zones ([`AccountProvider::read`] and
//! [`AccountProvider::write`]) on the main thread, before and after.

use std::collections::HashSet;
use std::time::Duration;

use calendar_sync_core::event::{Body, Item};
use calendar_sync_core::providers::BadItem;
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::api::{ApiError, Token};
use super::google::Google;
use super::microsoft::Microsoft;
use super::notion::Notion;
use crate::http::{Address, Client};

/// A provider whose calendars are reached through an account.
pub trait AccountProvider: Sync {
    /// Where it is asked, unless calendar_oauth_clients says otherwise.
    fn endpoints(&self) -> Endpoints;

    /// The name of the login that the token is of, such as its e-mail address, where the token endpoint does not say it.
    fn login(&self, _ask: &Ask) -> Result<Option<String>, ApiError> {
        Ok(None)
    }

    /// The calendars that the account can see.
    fn calendars(&self, ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError>;

    /// What changed since the cursor, or everything: all pages.
    fn pull(&self, ask: &Ask, request: &ChangesRequest) -> Result<Changes, ApiError>;

    /// Reads what [`AccountProvider::pull`] or [`AccountProvider::push`] gave. Times that name no zone, where that means
    /// the reader's own, are in `default_zone`. Main thread.
    fn read(&self, values: Vec<Value>, options: &Value, zones: &dyn Zones, default_zone: &str) -> Vec<Read>;

    /// The provider's form of an item, or of one occurrence of a series. Main thread.
    ///
    /// # Errors
    /// What the provider cannot hold is not sent in an approximate form.
    fn write(&self, body: &Body, options: &Value, zones: &dyn Zones) -> Result<Map<String, Value>, CannotHold>;

    /// Whether EXDATEs stand in what [`AccountProvider::write`] gives. Else each of them is an [`InstanceChange`] without a
    /// payload.
    fn excludes_by_rule(&self) -> bool {
        true
    }

    /// Whether a change of these members of a series takes all away there that is different about single occurrences:
    /// then it is sent again.
    fn forgets_occurrences(&self, _payload: &Map<String, Value>) -> bool {
        false
    }

    /// Whether its changes may leave out what lies beyond the span that was asked for. Then each pull is told of what was
    /// found changed there and none has shown yet ([`ChangesRequest::unseen`]).
    fn overlooks_beyond_span(&self) -> bool {
        false
    }

    /// Whether its changes do not tell of what came and went between two pulls. Then each pull is told also of what we
    /// made there and none has shown yet, and of what is known to be gone ([`ChangesRequest::gone`]).
    fn overlooks_new(&self) -> bool {
        false
    }

    /// Of creates that are about to be sent, by their keys, those that no earlier try has made; asked for all at once where
    /// [`AccountProvider::push`] would have to ask for each.
    fn not_made(&self, _ask: &Ask, _keys: &[Uuid]) -> Result<HashSet<Uuid>, ApiError> {
        Ok(HashSet::new())
    }

    /// Sends one change.
    fn push(&self, ask: &Ask, change: &Change) -> Result<Pushed, ApiError>;

    /// Asks for notifications of changes. `None`: this calendar can't have any, and is only polled.
    fn watch(&self, ask: &Ask, watch: &Watch) -> Result<Option<Watched>, ApiError>;

    /// Makes a channel last longer, or a new one in its place: then the old one is to be stopped.
    fn renew(&self, ask: &Ask, watch: &Watch, old: &Watched) -> Result<Option<Watched>, ApiError>;

    /// Ends a channel; one that is no more is no error.
    fn unwatch(&self, ask: &Ask, watched: &Watched) -> Result<(), ApiError>;

    /// Usual time between two polls; `None`: the setting's.
    fn poll_interval(&self) -> Option<Duration> {
        None
    }
}

/// Longest identifier that is taken, in bytes: that of Google's events.
const LONGEST_IDENTIFIER: usize = 1_024;

/// Whether a provider's identifier of an event can be asked with: it becomes a segment of an address, in which dots alone
/// would lead elsewhere.
pub fn is_identifier(text: &str) -> bool {
    (1..=LONGEST_IDENTIFIER).contains(&text.len()) && !matches!(text, "." | "..") && !text.contains(char::is_control)
}

/// The provider of that name, as calendar_accounts.provider has it.
pub fn named(name: &str) -> Option<&'static dyn AccountProvider> {
    match name {
        "google" => Some(&Google),
        "microsoft" => Some(&Microsoft),
        "notion" => Some(&Notion),
        _ => None,
    }
}

/// A provider's usual addresses and scopes. Tests, national clouds and gateways have others.
#[derive(Debug, Clone, Copy)]
pub struct Endpoints {
    /// Below it is all of the API.
    pub api: &'static str,
    /// OAuth 2.0 (RFC 6749): where users are sent, where codes and refresh tokens are exchanged, where they are revoked.
    pub authorize: &'static str,
    pub token: &'static str,
    pub revoke: Option<&'static str>,
    /// The least that two-way sync needs.
    pub scopes: &'static [&'static str],
    /// Further parameters of the address that users are sent to.
    pub authorize_parameters: &'static [(&'static str, &'static str)],
    /// Where the client's credentials go in a token request.
    pub client_authentication: ClientAuthentication,
}

/// RFC 6749, 2.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// client_id and client_secret among the form's fields.
    Form,
    /// HTTP Basic, and a body of JSON (Notion, which knows no PKCE and refuses fields that it does not know).
    BasicWithJson,
}

impl ClientAuthentication {
    /// RFC 7636.
    pub const fn has_pkce(self) -> bool {
        matches!(self, Self::Form)
    }
}

/// What every request in an account's name needs.
#[derive(Clone)]
pub struct Ask {
    pub client: Client,
    pub api: Address,
    pub token: Token,
    /// The provider's identifier of the calendar; empty where none is meant.
    pub calendar: String,
    /// Whose it is, where it is somebody else's (calendar_connections.delegate_email).
    pub mailbox: Option<String>,
    /// The connection's options; null for none.
    pub options: Value,
}

/// A calendar that an account can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCalendar {
    pub external_calendar_id: String,
    pub name: String,
    pub writable: bool,
    pub owner_email: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ChangesRequest {
    /// Of the last pull that was applied.
    pub cursor: Option<String>,
    /// Everything is wanted, whatever the cursor; there is none then.
    pub everything: bool,
    /// Somebody has asked for this pull, or a notification: nothing is to be left for a later one.
    pub is_called_for: bool,
    /// The span of time that is wanted, where a provider can be told.
    pub window: (DateTime<Utc>, DateTime<Utc>),
    /// More events than this are refused.
    pub max_events: usize,
    pub connection_id: Uuid,
    /// What no pull has shown yet of what we found changed or made there, by its identifiers, oldest first; see
    /// [`AccountProvider::overlooks_beyond_span`] and [`AccountProvider::overlooks_new`].
    pub unseen: Vec<String>,
    /// What is known here to be deleted there, of late; see [`AccountProvider::overlooks_new`].
    pub gone: Vec<String>,
}

/// What a pull gave: all of its pages.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Events in the provider's form, in the order in which they are to be applied; of one that stands twice the last
    /// counts.
    pub values: Vec<Value>,
    /// Identifiers of events that are known to be deleted. Of an occurrence of a series as the provider names it.
    pub deleted: Vec<String>,
    /// `values` is all that the calendar holds: what is not in it and not over yet is deleted.
    pub complete: bool,
    /// Of a series that changed, only those occurrences are in `values` that changed, too: what is known of the others
    /// stays, as long as the series gives them.
    pub partial_series: bool,
    /// What starts before or after this span was not asked for, and is not deleted by being absent.
    pub window: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// For the next pull.
    pub cursor: Option<String>,
    /// Those of [`ChangesRequest::unseen`] that need not be asked for again.
    pub seen: Vec<String>,
    /// What the calendar calls itself, and its zone (IANA).
    pub name: Option<String>,
    pub time_zone: Option<String>,
    /// What is to be remembered in the connection's options (merged into them).
    pub learned: Option<Value>,
}

/// An event that was read.
pub type Read = Result<Remote, BadItem>;

/// An event as the provider holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// `external_id` is the provider's identifier; of overrides that came without their series, that of the series.
    pub item: Item,
    /// Its version.
    pub etag: Option<String>,
    /// Occurrences that have an identifier of their own.
    pub instances: Vec<Instance>,
    /// It is of this item and connection, by a mark that we left there: [`Change::key`].
    pub mark: Option<String>,
}

/// An occurrence of a series that has its own identifier and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub recurrence_id: DateTime<Utc>,
    pub external_id: String,
    pub etag: Option<String>,
}

/// Why an item stays here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider cannot hold {0}")]
pub struct CannotHold(pub String);

/// One change on its way out.
#[derive(Debug, Clone)]
pub enum Change {
    Create {
        /// The same for every try: the item's identity at the provider derives from it, so that a try whose answer was lost
        /// makes no second event.
        key: Uuid,
        /// [`AccountProvider::not_made`] has it: nothing is to be looked for.
        is_new: bool,
        /// It was tried before, and nobody has heard what came of that: what is there, and otherwise, is not written over but
        /// [`Pushed::Found`].
        is_retry: bool,
        payload: Map<String, Value>,
        /// Occurrences that differ from the rule of a series, or do not take place.
        instances: Vec<InstanceChange>,
    },
    Update {
        external_id: String,
        /// Of the version that is changed; `None` where it is not known.
        etag: Option<String>,
        /// The keys whose values differ; may be empty.
        payload: Map<String, Value>,
        instances: Vec<InstanceChange>,
    },
    Delete {
        external_id: String,
        etag: Option<String>,
    },
}

/// A change of one occurrence of a series.
#[derive(Debug, Clone)]
pub struct InstanceChange {
    /// The occurrence's original start; of an all-day series 00:00 UTC of its date.
    pub recurrence_id: DateTime<Utc>,
    /// Of the series.
    pub all_day: bool,
    /// What it has been sent or seen under.
    pub external_id: Option<String>,
    pub etag: Option<String>,
    /// `None`: it does not take place.
    pub payload: Option<Map<String, Value>>,
}

/// What came of a change.
#[derive(Debug, Clone)]
pub enum Pushed {
    /// It is there now.
    Written {
        external_id: String,
        etag: Option<String>,
        /// The item (and occurrences) as the provider holds it now, in its form, for [`AccountProvider::read`].
        values: Vec<Value>,
    },
    /// What an earlier try has created is there, and not as it is wanted now: it has changed since, there or here. Nothing was
    /// written.
    Found { external_id: String },
    /// It is there no more: deleted, by us or by others.
    Gone,
    /// It has changed there since the version that we know (412): nothing was written.
    Stale,
    /// The provider does not take it, and never will as it is.
    Refused(String),
}

impl Pushed {
    /// A failure that is a verdict on this one change is what came of it (RFC 9110, 15.5); others stay failures.
    pub fn by_answer(answer: Result<Self, ApiError>) -> Result<Self, ApiError> {
        let Err(ApiError::Failed(failure)) = answer else { return answer };
        match failure.status {
            412 => Ok(Self::Stale),
            404 | 410 => Ok(Self::Gone),
            400 | 403 | 409 | 413 | 422 => Ok(Self::Refused(failure.said())),
            _ => Err(ApiError::Failed(failure)),
        }
    }
}

/// Notifications that are asked for.
#[derive(Debug, Clone)]
pub struct Watch {
    /// A name for the channel that no other has had.
    pub webhook_id: Uuid,
    pub notification_url: String,
    /// Comes back with every notification, where the provider can be told one. A secret.
    pub client_state: String,
    pub expires: DateTime<Utc>,
}

/// A channel that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pub subscription_id: String,
    pub resource_id: Option<String>,
    pub resource_path: Option<String>,
    pub expires: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn what_would_lead_elsewhere_in_an_address_is_no_identifier() {
        for text in ["a", "AAMkAGI2T=_-", "a/../b", "...", "%2e%2e", "20300107T090000Z", "\u{e4}"] {
            assert!(is_identifier(text), "{text}");
        }
        for text in ["", ".", "..", "a\0b", "a\nb", &"x".repeat(1_025)] {
            assert!(!is_identifier(text), "{text}");
        }
    }
}
