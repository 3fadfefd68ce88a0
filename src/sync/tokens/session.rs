//! Requests in an account's name from a session.
//!
//! What renews tokens must commit whatever becomes of the session's transaction: a short background worker does it, which
//! needs no shared_preload_libraries. The session waits for it and reads the account again under a new snapshot.

use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use serde_json::Value;
use uuid::Uuid;

use super::{Pass, is_due, is_usable, pass};
use crate::errors::{SqlResult, error, internal};
use crate::http::{Bell, Client};
use crate::providers::account::{AccountProvider, Ask};
use crate::providers::api::ApiError;
use crate::store::installation_row::{self, Standing};
use crate::store::tokens::{self, Account};
use crate::store::{self, Installation, can_write_in_passing};
use crate::sync::accounts::site::Site;
use crate::sync::aside::aside;
use crate::sync::fetch::http_options;
use crate::sync::short_worker::{self, Work};
use crate::sync::wait::wait;

/// Longest nap.
const NAP: Duration = Duration::from_millis(100);
/// How long others who renew the same tokens are waited for, beyond http_timeout.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request from a session is about.
#[derive(Clone, Default)]
pub struct About {
    /// The provider's identifier of the calendar; empty where none is meant.
    pub calendar: String,
    pub mailbox: Option<String>,
    pub options: Value,
}

/// Why an account can't be asked in.
#[derive(Debug)]
pub enum Refusal {
    /// Only its user can mend that.
    LoginRequired(String),
    Trouble(String),
}

/// Asks a provider in an account's name, and waits for it. Tokens that are about to expire, or that the provider refuses, are
/// renewed first.
///
/// # Errors
/// 28000 where the user has to log in again; 08000 for a provider that can't be reached; 38000 for what it says.
pub fn ask<T: Send + 'static>(
    account_id: Uuid,
    about: &About,
    request: impl Fn(&dyn AccountProvider, &Ask) -> Result<T, ApiError> + Clone + Send + 'static,
) -> SqlResult<T> {
    let mut refused = None;
    loop {
        let (pass, provider) = match entry(account_id, refused)? {
            Ok(entry) => entry,
            Err(refusal) => return Err(refusal.into_error()),
        };
        let (generation, is_on_trial) = (pass.generation, pass.is_on_trial);
        let (options, about, request) = (http_options(), about.clone(), request.clone());
        let answer = aside(move || {
            let ask = pass.ask(Client::with(options)?, about.calendar, about.mailbox, about.options);
            request(provider, &ask)
        })?;
        match answer {
            Ok(answer) => {
                if is_on_trial && can_write_in_passing() {
                    store::as_owner(|installation| tokens::worked(installation, account_id, generation))?;
                }
                return Ok(answer);
            }
            // Each time that it is asked again its tokens are others; a second refusal ends in 'reauth_required'.
            Err(error) if error.is_unauthorized() && refused != Some(generation) => refused = Some(generation),
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// What lets a session ask in an account's name; `refused`: the generation of tokens that the provider has just refused.
/// Waits while tokens are renewed.
pub fn entry(
    account_id: Uuid,
    refused: Option<i64>,
) -> SqlResult<Result<(Pass, &'static dyn AccountProvider), Refusal>> {
    let patience = http_options().timeout + PATIENCE;
    let (started, bell) = (Instant::now(), Bell::new().map_err(internal)?);
    let mut tried = false;
    loop {
        let state = store::as_owner(|installation| State::read(installation, account_id))?;
        let Some(State { account, site, standing }) = state else {
            return Ok(Err(Refusal::Trouble("the account is no more".to_owned())));
        };
        let is_refused = refused == Some(account.generation);
        if !account.is_active {
            return Ok(Err(Refusal::LoginRequired(account.last_error.unwrap_or_default())));
        }
        if !is_refused && (!is_due(&account) || (is_usable(&account) && (tried || !account.is_renewable))) {
            return Ok(Ok((pass(&account, &site)?, site.provider)));
        }
        if standing == Standing::Elsewhere {
            let why = "tokens are not renewed in a restored copy; calendar_resume() makes it the real one";
            return Ok(Err(Refusal::Trouble(why.to_owned())));
        }
        if account.renewed_for.is_some() && started.elapsed() < patience {
            wait(&bell, NAP);
        } else if tried {
            return Ok(Err(Refusal::Trouble(account.last_error.unwrap_or_else(|| IN_THE_WAY.to_owned()))));
        } else {
            renew(&account, is_refused, &bell)?;
            tried = true;
        }
    }
}

const IN_THE_WAY: &str = "the tokens could not be renewed: a transaction is at work on the account, maybe this one; \
                          that must be committed first";

/// An account as it is now, whatever the transaction's snapshot says.
struct State {
    account: Account,
    site: Site,
    standing: Standing,
}

impl State {
    fn read(installation: &Installation, id: Uuid) -> SqlResult<Option<Self>> {
        let Some(account) = tokens::read_now(installation, id)? else { return Ok(None) };
        let site = Site::of(installation, &account.provider)?;
        Ok(Some(Self { account, site, standing: installation_row::standing(installation)? }))
    }
}

impl Refusal {
    /// For the caller, with what to do (28000 where the user's login has ended).
    pub fn into_error(self) -> ErrorReport {
        match self {
            Self::LoginRequired(why) => error(
                PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
                format!("the user has to log in again: {why}"),
            )
            .set_hint(
                "calendar_oauth_begin(user_id, provider, redirect_uri), or calendar_account_add with new tokens.",
            ),
            Self::Trouble(why) => error(PgSqlErrorCode::ERRCODE_CONNECTION_EXCEPTION, why)
                .set_hint("Try again later; calendar_account_status shows the account."),
        }
    }
}

fn failed(source: &ApiError) -> ErrorReport {
    let code = match source {
        ApiError::Http(_) => PgSqlErrorCode::ERRCODE_CONNECTION_EXCEPTION,
        _ => PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
    };
    error(code, source.to_string()).set_hint("Nothing was changed. Try again later.")
}

/// Has a background worker renew an account's tokens, and waits until it has ended.
fn renew(account: &Account, refused: bool, bell: &Bell) -> SqlResult<()> {
    let order = Order { account_id: account.id, generation: account.generation, refused };
    if short_worker::run(Work::RenewTokens, &order.to_text(), bell) {
        return Ok(());
    }
    let refusal = error(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "the account's tokens can't be renewed: there is no free slot for a background worker",
    );
    Err(refusal.set_hint("Try again, or raise max_worker_processes and restart the server."))
}

/// What the background worker is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub account_id: Uuid,
    /// Of the tokens that are to be replaced.
    pub generation: i64,
    /// The provider has refused them.
    pub refused: bool,
}

impl Order {
    fn to_text(&self) -> String {
        format!("{} {} {}", self.account_id, self.generation, self.refused)
    }

    /// As [`Order::to_text`] has written it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            account_id: words.next()?.parse().ok()?,
            generation: words.next()?.parse().ok()?,
            refused: words.next()?.parse().ok()?,
        })
    }
}
