//! Errands of the worker: what is due is leased, done on the network's threads, and noted.

use std::collections::HashMap;
use std::time::Duration;

use chrono::Utc;
use uuid::Uuid;

use super::errand::{Errand, Outcome};
use super::keep;
use crate::errors::SqlResult;
use crate::http::{Client, Options};
use crate::providers::account::{AccountProvider, Ask};
use crate::providers::api::ApiError;
use crate::secrets;
use crate::store::channels::Due;
use crate::store::tokens::{self as accounts, Account};
use crate::store::{Installation, registrations};
use crate::sync::accounts::site::Sites;
use crate::sync::tokens::{self, Access, Pass};

/// A lease beyond the longest time that the request may take.
const AFTER_REQUEST: Duration = Duration::from_secs(60);
/// While the account's tokens are renewed, which its next pull sees to.
const SOON: Duration = Duration::from_secs(60);
/// While its user has to log in again.
const LATER: Duration = Duration::from_secs(3600);

/// An errand with all that it takes, ready for any thread.
pub struct Visit {
    channel: Due,
    errand: Errand,
    provider: &'static dyn AccountProvider,
    ask: Ask,
    generation: i64,
}

/// What came of it.
pub struct Visited {
    channel: Due,
    result: Result<Outcome, ApiError>,
    generation: i64,
}

/// Leases what is due of channels and makes errands of it.
pub fn begin(installation: &Installation, limit: usize, options: &Options) -> SqlResult<Vec<Visit>> {
    let due = registrations::lease_due(installation, limit as i64, options.timeout + AFTER_REQUEST)?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let mut ids: Vec<Uuid> = due.iter().filter_map(|channel| channel.calendar.account_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let read = accounts::read(installation, &ids)?;
    let accounts: HashMap<Uuid, Account> = read.into_iter().map(|account| (account.id, account)).collect();
    let (mut sites, mut visits) = (Sites::default(), Vec::with_capacity(due.len()));
    for channel in due {
        let account = channel.calendar.account_id.and_then(|id| accounts.get(&id));
        let id = channel.webhook_id;
        match account {
            // Nobody can end it there any more; it expires.
            None if channel.is_to_end => registrations::ended(installation, id, None)?,
            None => registrations::postponed(installation, id, LATER)?,
            Some(account) if tokens::is_due(account) && account.is_renewable => {
                registrations::postponed(installation, id, SOON)?;
            }
            Some(account) => match tokens::access(installation, account, &mut sites, options)? {
                Access::Ready(pass) => {
                    let provider = sites.get(installation, &account.provider)?.provider;
                    visits.extend(visit(channel, provider, pass, options)?);
                }
                Access::Renew(_) | Access::Wait(_) => registrations::postponed(installation, id, SOON)?,
                Access::LoginRequired(_) => registrations::postponed(installation, id, LATER)?,
            },
        }
    }
    Ok(visits)
}

fn visit(
    channel: Due,
    provider: &'static dyn AccountProvider,
    pass: Pass,
    options: &Options,
) -> SqlResult<Option<Visit>> {
    let Ok(client) = Client::with(options.clone()) else { return Ok(None) };
    let errand = Errand::new(&channel)?;
    let generation = pass.generation;
    let calendar = channel.calendar.clone();
    let ask = pass.ask(client, calendar.external_id, calendar.mailbox, calendar.options);
    Ok(Some(Visit { channel, errand, provider, ask, generation }))
}

impl Visit {
    pub fn webhook_id(&self) -> Uuid {
        self.channel.webhook_id
    }

    /// Scheme, host and port of the server.
    pub fn origin(&self) -> String {
        self.ask.api.origin()
    }

    /// Asks the provider. Any thread.
    pub fn run(self) -> Visited {
        let Self { channel, errand, provider, ask, generation } = self;
        Visited { channel, result: errand.run(provider, &ask), generation }
    }
}

/// Notes what came of an errand.
pub fn finish(installation: &Installation, visited: Visited) -> SqlResult<()> {
    let Visited { channel, result, generation } = visited;
    if let (Err(error), Some(account)) = (&result, channel.calendar.account_id)
        && error.is_unauthorized()
    {
        tokens::rejected(installation, account, generation)?;
    }
    keep::finish(installation, &channel, result, Utc::now(), secrets::fraction()?)
}
