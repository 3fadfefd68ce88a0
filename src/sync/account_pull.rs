//! The network half of an account's pull: what changed in its calendar.

use chrono::Utc;
use uuid::Uuid;

use super::apply;
use super::fetch::MAX_EVENTS;
use crate::errors::{SqlResult, internal};
use crate::providers::account::{self, AccountProvider, Ask, Changes, ChangesRequest};
use crate::providers::api::ApiError;
use crate::store::connections::{Calendar, Connection};
use crate::store::{Installation, unseen};

/// All answers of one pull are kept until the last is there: they may be so many times as large as one.
const LARGEST_ANSWERS: u64 = 4;

/// All that a thread needs to ask an account's calendar for its changes.
pub struct Pull {
    pub ask: Ask,
    provider: &'static dyn AccountProvider,
    request: ChangesRequest,
}

impl Pull {
    /// `all`: ask for everything, whatever the cursor.
    pub fn new(
        installation: &Installation,
        connection: &Connection,
        calendar: &Calendar,
        ask: Ask,
        all: bool,
    ) -> SqlResult<Self> {
        let now = Utc::now();
        let provider = provider_of(connection)?;
        let told = |wanted: bool, find: fn(&Installation, Uuid) -> SqlResult<Vec<String>>| {
            if wanted { find(installation, connection.id) } else { Ok(Vec::new()) }
        };
        let cursor = calendar.cursor.clone().filter(|_| !all);
        let request = ChangesRequest {
            everything: cursor.is_none(),
            cursor,
            is_called_for: connection.generation.is_none() || connection.is_called_for,
            window: (apply::first_start(now), apply::horizon(now)),
            max_events: MAX_EVENTS,
            connection_id: connection.id,
            unseen: told(provider.overlooks_beyond_span() || provider.overlooks_new(), unseen::find)?,
            gone: told(provider.overlooks_new(), unseen::gone)?,
        };
        Ok(Self { ask, provider, request })
    }

    /// Any thread. All answers together are at most [`LARGEST_ANSWERS`] times `http_max_bytes`.
    pub fn run(self) -> Result<Changes, ApiError> {
        let client = self.ask.client.within(self.ask.client.max_bytes().saturating_mul(LARGEST_ANSWERS));
        self.provider.pull(&Ask { client, ..self.ask }, &self.request)
    }
}

/// # Errors
/// XX000 for a provider that this version does not know.
pub fn provider_of(connection: &Connection) -> SqlResult<&'static dyn AccountProvider> {
    account::named(&connection.provider)
        .ok_or_else(|| internal(format!("calendars of provider {} are not known", connection.provider)))
}
