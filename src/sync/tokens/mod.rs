//! Access tokens for requests in accounts' names, and their renewal by one at a time.
//!
//! A refresh token may be good for one use (RFC 6749, 10.4): who renews holds a lease on the account's row that was
//! committed before the provider is asked, and what it gives is committed, durably, before it is used. If the server
//! crashes between the answer and that commit, the answer is lost; a provider that takes the old refresh token once more
//! gives another, with any other the user has to log in again.

pub mod session;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::accounts::seal;
use super::accounts::site::{Site, Sites};
use super::schedule;
use crate::errors::{SqlResult, internal};
use crate::http::{Address, Client, Options};
use crate::providers::account::Ask;
use crate::providers::api::Token;
use crate::providers::oauth::{Application, Grant, TokenError, Tokens};
use crate::secrets;
use crate::store::sealed::{ACCESS_TOKEN, REFRESH_TOKEN};
use crate::store::tokens::{self, Account};
use crate::store::{self, Installation};

/// Tokens are renewed so long before they expire, or a fifth of their life if that is shorter, in seconds.
const EARLY: f64 = 300.0;
/// A lease beyond the longest time that the request may take: for the transaction after it.
const AFTER_REQUEST: Duration = Duration::from_secs(60);
/// Failures in a row that lengthen the pause before the next try: eight minutes at most.
const FAILURES_THAT_COUNT: u32 = 4;
const EXPIRED: &str = "the access token has expired and there is no refresh token";
const REFUSED: &str = "the provider refuses the account's access token (401)";

/// How an account can be asked in now.
pub enum Access {
    Ready(Pass),
    /// Its tokens are to be renewed first: once this transaction is committed, by [`Renewal::run`] on any thread, and then
    /// by [`finish`].
    Renew(Box<Renewal>),
    /// Somebody renews them, or that failed lately.
    Wait(Duration),
    /// Nothing helps but that the user logs in again; the text says why.
    LoginRequired(String),
}

/// What lets one in.
pub struct Pass {
    pub account_id: Uuid,
    /// Of its tokens; see [`rejected`].
    pub generation: i64,
    is_on_trial: bool,
    pub api: Address,
    pub token: Token,
}

impl Pass {
    /// What requests about a calendar need. `mailbox`: calendar_connections.delegate_email.
    pub fn ask(self, client: Client, calendar: String, mailbox: Option<String>, options: Value) -> Ask {
        Ask { client, api: self.api, token: self.token, calendar, mailbox, options }
    }
}

/// Says how an account can be asked in; where its tokens are to be renewed, the caller is the one who does that. Never
/// waits. Only where nothing stands aside: a restored copy would take the original's refresh tokens from it.
///
/// # Errors
/// Those of [`secrets::open`].
pub fn access(
    installation: &Installation,
    account: &Account,
    sites: &mut Sites,
    options: &Options,
) -> SqlResult<Access> {
    if !account.is_active {
        return Ok(Access::LoginRequired(account.last_error.clone().unwrap_or_else(|| REFUSED.to_owned())));
    }
    let site = sites.get(installation, &account.provider)?;
    if !is_due(account) {
        return pass(account, &site).map(Access::Ready);
    }
    let may_try = account.renewed_for.is_none() && account.not_before.is_none();
    if is_usable(account) && !(account.is_renewable && may_try) {
        return pass(account, &site).map(Access::Ready);
    }
    if may_try && let Some(renewal) = begin(installation, account, &site, options)? {
        return Ok(Access::Renew(Box::new(renewal)));
    }
    Ok(if !account.is_renewable {
        Access::LoginRequired(EXPIRED.to_owned())
    } else if is_usable(account) {
        Access::Ready(pass(account, &site)?)
    } else {
        Access::Wait(account.not_before.or(account.renewed_for).unwrap_or(Duration::from_secs(1)))
    })
}

/// Whether the tokens are to be renewed before they are used.
pub fn is_due(account: &Account) -> bool {
    let soon = |left: f64| left < EARLY.min((left + account.age).max(0.0) / 5.0);
    account.is_rejected || account.expires_in.is_some_and(|left| left <= 0.0 || soon(left))
}

fn is_usable(account: &Account) -> bool {
    !account.is_rejected && account.expires_in.is_none_or(|left| left > 0.0)
}

fn pass(account: &Account, site: &Site) -> SqlResult<Pass> {
    let sealed = account.access_token.as_ref().ok_or_else(|| internal("the account has no access token"))?;
    Ok(Pass {
        account_id: account.id,
        generation: account.generation,
        is_on_trial: account.is_on_trial,
        api: site.api()?,
        token: Token::new(secrets::open(ACCESS_TOKEN.place(account.id), sealed)?),
    })
}

/// A request for new tokens, ready for any thread once the lease that it is made under is committed.
pub struct Renewal {
    account: Account,
    application: Application,
    endpoint: Address,
    refresh_token: Zeroizing<String>,
    options: Options,
}

/// What came of it; see [`finish`].
pub struct Renewed {
    account: Account,
    result: Result<Tokens, TokenError>,
    duration: Duration,
}

/// Makes this transaction, which will wait for the disk, the one under which an account's tokens are renewed. `None` where
/// somebody else is at it or at the account, or where they can't be renewed: that is noted then.
pub fn begin(
    installation: &Installation,
    account: &Account,
    site: &Site,
    options: &Options,
) -> SqlResult<Option<Renewal>> {
    if !account.is_renewable {
        if tokens::lost(installation, account.id, account.generation, EXPIRED)? {
            tokens::log(installation, account, Some(EXPIRED), Duration::ZERO)?;
        }
        return Ok(None);
    }
    let postpone = |why: String| {
        let why = format!("the tokens could not be renewed: {why}");
        tokens::postponed(installation, account.id, account.generation, &why, pause(account, None)?).map(|_| None)
    };
    let Some(application) = site.application()? else {
        return postpone(format!("no application is registered at {}", account.provider));
    };
    let endpoint = match site.token() {
        Ok(endpoint) => endpoint,
        Err(report) => return postpone(report.message().to_owned()),
    };
    let Some(sealed) = tokens::lease(installation, account, options.timeout + AFTER_REQUEST)? else { return Ok(None) };
    store::commit_durably();
    Ok(Some(Renewal {
        account: account.clone(),
        application,
        endpoint,
        refresh_token: secrets::open(REFRESH_TOKEN.place(account.id), &sealed)?,
        options: options.clone(),
    }))
}

impl Renewal {
    /// Whose tokens are renewed.
    pub fn account_id(&self) -> Uuid {
        self.account.id
    }

    /// Scheme, host and port of the token endpoint.
    pub fn origin(&self) -> String {
        self.endpoint.origin()
    }

    /// Asks the provider. Any thread; takes as long as `http_timeout` at most.
    pub fn run(self) -> Renewed {
        let started = Instant::now();
        let Self { account, application, endpoint, refresh_token, options } = self;
        let asked = catch_unwind(AssertUnwindSafe(|| {
            application.tokens(&Client::with(options)?, &endpoint, &Grant::Refresh { refresh_token })
        }));
        Renewed { account, result: asked.unwrap_or(Err(TokenError::Thread)), duration: started.elapsed() }
    }
}

/// Stores what a renewal came to, in a transaction that will wait for the disk; the tokens may be used once it is
/// committed. False where somebody else has the account's row locked: it must be called again, in another transaction.
pub fn finish(installation: &Installation, renewed: &Renewed) -> SqlResult<bool> {
    let Renewed { account, result, duration } = renewed;
    let (id, generation) = (account.id, account.generation);
    let (stored, error) = match result {
        Ok(new) => (tokens::renewed(installation, id, generation, &seal(installation, id, new)?)?, None),
        Err(error) => {
            let why = format!("the tokens could not be renewed: {error}");
            let noted = if error.wants_login() {
                tokens::lost(installation, id, generation, &why)?
            } else {
                tokens::postponed(installation, id, generation, &why, pause(account, error.retry_after())?)?
            };
            (noted, Some(why))
        }
    };
    if stored {
        store::commit_durably();
        tokens::log(installation, account, error.as_deref(), *duration)?;
        return Ok(true);
    }
    // Of an account that was removed, or that its user has logged in to again meanwhile, nobody wants these.
    Ok(!tokens::is_current(installation, id, generation)?)
}

/// The provider has refused an access token (401): it is renewed before the next request; if the new one is refused, too,
/// before it was good for anything, the user has to log in again.
pub fn rejected(installation: &Installation, account_id: Uuid, generation: i64) -> SqlResult<()> {
    if tokens::rejected(installation, account_id, generation)? == Some(false) {
        tokens::lost(installation, account_id, generation, REFUSED)?;
    }
    Ok(())
}

fn pause(account: &Account, retry_after: Option<Duration>) -> SqlResult<Duration> {
    let failures = (account.failures + 1).min(FAILURES_THAT_COUNT);
    Ok(schedule::after_failure(failures, retry_after, secrets::fraction()?))
}
