//! Outside calendars, each provider behind one trait. All of it runs on plain threads and never touches Postgres.

pub mod account;
pub mod api;
mod google;
mod ics;
mod microsoft;
mod notion;
pub mod oauth;
mod power_automate;
mod status;
#[cfg(test)]
mod testing;

use std::time::Duration;

use calendar_sync_core::providers::Document;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::http::{Address, Client, HttpError};

/// A kind of outside calendar.
pub trait Provider: Sync {
    /// Fetches what changed and reads it.
    fn pull(&self, client: &Client, request: &PullRequest) -> Result<Answer, PullError>;

    /// Usual time between two polls; `None`: the setting's.
    fn poll_interval(&self) -> Option<Duration> {
        None
    }
}

/// The provider of that name, as calendar_connections.provider has it.
pub fn named(name: &str) -> Option<&'static dyn Provider> {
    match name {
        "ics" => Some(&ics::Ics),
        "powerautomate" => Some(&power_automate::PowerAutomate),
        _ => None,
    }
}

/// What is asked for, and what the last answer said.
#[derive(Debug, Clone)]
pub struct PullRequest {
    pub address: Address,
    pub validators: Validators,
    /// Hash of the last calendar ([`Fetched::body_hash`]): the same again need not be read.
    pub body_hash: Option<Vec<u8>>,
    /// Everything is wanted, whether it has changed or not; then the two above are empty.
    pub everything: bool,
    /// More events than this are refused.
    pub max_events: usize,
    /// The span of time that is wanted, where a provider can be told.
    pub window: (DateTime<Utc>, DateTime<Utc>),
    /// The provider's own settings of the connection.
    pub options: Option<Value>,
    /// Where the answer to an earlier request will be.
    pub pending: Option<Address>,
}

/// What a server gives to ask whether something changed (RFC 9110, 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// What a pull gives.
#[derive(Debug)]
pub enum Answer {
    /// The server says so, or the calendar is the same but for what changes at every fetch.
    Unchanged(Validators),
    Calendar(Box<Fetched>),
    /// It is still being made.
    Pending(Box<Pending>),
}

/// A calendar as its server gave it.
#[derive(Debug)]
pub struct Fetched {
    pub validators: Validators,
    pub body_hash: Vec<u8>,
    /// How long its publisher wants to be left alone, whatever that is.
    pub refresh: Option<Duration>,
    pub document: Document,
    /// What starts then or later was not asked for this time, though it was before.
    pub until: Option<DateTime<Utc>>,
    /// What is to be remembered in the connection's options.
    pub learned: Option<Value>,
}

/// An answer that is yet to come.
#[derive(Debug)]
pub struct Pending {
    /// Where it will be. A secret.
    pub location: Address,
    /// When to look there.
    pub pause: Duration,
    /// It is the one that was asked for ([`PullRequest::pending`]), and no new one.
    pub is_same: bool,
    /// See [`Fetched::learned`].
    pub learned: Option<Value>,
}

/// Why a pull gave nothing; it changes no event.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{0}: the server wants a login (401)")]
    Unauthorized(Address),
    #[error("{0}: the server forbids it (403)")]
    Forbidden(Address),
    #[error("{0}: there is no such calendar (404)")]
    NotFound(Address),
    #[error("{0}: the calendar is gone for good (410)")]
    Gone(Address),
    #[error("{0}: the server has been asked too often (429)")]
    TooManyRequests(Address, Option<Duration>),
    #[error("{0}: the server failed ({1})")]
    Server(Address, u16, Option<Duration>),
    #[error("{0}: the server answered with status {1}")]
    Status(Address, u16),
    #[error("{0}: the answer is empty")]
    Empty(Address),
    #[error("{0}: the answer is a web page, not a calendar")]
    WebPage(Address),
    #[error("{0}: the answer is cut off: an END:VCALENDAR is missing")]
    CutOff(Address),
    #[error("{0}: {1}")]
    NotACalendar(Address, calendar_sync_core::ics::ReadError),
    #[error("{0}: {1}")]
    Flow(Address, power_automate::FlowError),
}

impl PullError {
    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests(_, pause) | Self::Server(_, _, pause) => *pause,
            _ => None,
        }
    }

    /// Whether only its owner can mend it, by giving another URL or a new login.
    pub fn wants_login(&self) -> bool {
        match self {
            Self::Unauthorized(_) => true,
            Self::Flow(_, error) => error.wants_login(),
            _ => false,
        }
    }

    /// Whether it may be another time, without anything being done about it.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Http(_) | Self::TooManyRequests(..) | Self::Server(..))
    }
}
