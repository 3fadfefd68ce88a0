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
use crate::store::channels::{self, Due};
use crate::store::tokens::{self as accounts, Account};
use crate::store::{Installation, registrations};
use crate::sync::accounts::site::Sites;
use crate::sync::job::TokenId;
use crate::sync::tokens::{self, Access, Pass, Renewal};

/// A lease beyond the longest time that the request may take.
const AFTER_REQUEST: Duration = Duration::from_secs(60);
/// While the account's tokens are renewed.
const SOON: Duration = Duration::from_secs(2);
/// While its user has to log in again.
const LATER: Duration = Duration::from_secs(3600);

/// An errand with all that it takes, ready for any thread.
pub struct Visit {
    channel: Due,
    errand: Errand,
    provider: &'static dyn AccountProvider,
    ask: Ask,
    token: TokenId,
}

/// What came of it.
pub struct Visited {
    channel: Due,
    result: Result<Outcome, ApiError>,
    token: TokenId,
}

/// What was begun.
#[derive(Default)]
pub struct Begun {
    pub visits: Vec<Visit>,
    /// Of accounts whose tokens come first.
    pub renewals: Vec<Renewal>,
}

/// Leases what is due of channels and makes errands of it.
pub fn begin(installation: &Installation, limit: usize, options: &Options) -> SqlResult<Begun> {
    let due = registrations::lease_due(installation, limit as i64, options.timeout + AFTER_REQUEST)?;
    let mut begun = Begun::default();
    if due.is_empty() {
        return Ok(begun);
    }
    let mut ids: Vec<Uuid> = due.iter().filter_map(|channel| channel.calendar.account_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let read = accounts::read(installation, &ids)?;
    let accounts: HashMap<Uuid, Account> = read.into_iter().map(|account| (account.id, account)).collect();
    let mut sites = Sites::default();
    for channel in due {
        let id = channel.webhook_id;
        let Some(account) = channel.calendar.account_id.and_then(|id| accounts.get(&id)) else {
            // Nobody can do anything about it any more; it expires.
            channels::given_up(installation, id, None)?;
            continue;
        };
        match tokens::access(installation, account, &mut sites, options) {
            Ok(Access::Ready(pass)) => {
                let provider = sites.get(installation, &account.provider)?.provider;
                begun.visits.extend(visit(channel, provider, pass, options)?);
            }
            Ok(Access::Renew(renewal)) => {
                begun.renewals.push(*renewal);
                registrations::postponed(installation, id, SOON)?;
            }
            Ok(Access::Wait(pause)) => registrations::postponed(installation, id, pause.max(SOON))?,
            Ok(Access::LoginRequired(_)) => registrations::postponed(installation, id, LATER)?,
            // What is wrong with one account keeps no other's channels, nor calendars, from what is due for them.
            Err(report) => keep::failed(installation, &channel, report.message(), None, secrets::fraction()?)?,
        }
    }
    Ok(begun)
}

fn visit(
    channel: Due,
    provider: &'static dyn AccountProvider,
    pass: Pass,
    options: &Options,
) -> SqlResult<Option<Visit>> {
    let Ok(client) = Client::with(options.clone()) else { return Ok(None) };
    let errand = Errand::new(&channel)?;
    let token = (pass.account_id, pass.generation);
    let calendar = channel.calendar.clone();
    let ask = pass.ask(client, calendar.external_id, calendar.mailbox, calendar.options);
    Ok(Some(Visit { channel, errand, provider, ask, token }))
}

impl Visit {
    /// Which channel it is about.
    pub fn webhook_id(&self) -> Uuid {
        self.channel.webhook_id
    }

    /// The account in whose name it is, and the generation of its tokens.
    pub fn token(&self) -> TokenId {
        self.token
    }

    /// Scheme, host and port of the server.
    pub fn origin(&self) -> String {
        self.ask.api.origin()
    }

    /// Asks the provider. Any thread.
    pub fn run(self) -> Visited {
        let Self { channel, errand, provider, ask, token } = self;
        Visited { channel, result: errand.run(provider, &ask), token }
    }
}

/// Notes what came of an errand.
pub fn finish(installation: &Installation, visited: &Visited) -> SqlResult<()> {
    let Visited { channel, result, token } = visited;
    if result.as_ref().is_err_and(ApiError::is_unauthorized) {
        tokens::rejected(installation, token.0, token.1)?;
        return registrations::postponed(installation, channel.webhook_id, SOON);
    }
    keep::finish(installation, channel, result, Utc::now(), secrets::fraction()?)
}
