//! The end of an account.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::site::Site;
use crate::errors::SqlResult;
use crate::http::{self, Address, Bell, Client, Options};
use crate::providers::account::ClientAuthentication;
use crate::providers::oauth::Application;
use crate::secrets;
use crate::store::accounts::{self, Removed};
use crate::store::installation_row::{self, Standing};
use crate::store::sealed::{ACCESS_TOKEN, REFRESH_TOKEN};
use crate::store::{self, Installation, channels, removal};
use crate::sync::fetch::http_options;
use crate::sync::wait::pause;

/// How long providers may take at the commit, all together.
const PATIENCE: Duration = Duration::from_secs(3);
const NAP: Duration = Duration::from_millis(100);

/// A token that is to be ended at its provider.
struct Revocation {
    account_id: Uuid,
    application: Application,
    endpoint: Address,
    token: Zeroizing<String>,
    options: Options,
}

thread_local! {
    /// Of the current transaction.
    static AT_COMMIT: RefCell<Vec<Revocation>> = const { RefCell::new(Vec::new()) };
}

/// Wipes an account's tokens and ends its connections, as the extension's owner. What the user has allowed is ended at the
/// provider when the transaction commits, if it can be; else nothing is said: the tokens are forgotten here.
pub fn remove(installation: &Installation, account_id: Uuid) -> SqlResult<()> {
    let Some(removed) = accounts::remove(installation, account_id)? else { return Ok(()) };
    // Those of a copy are the original's.
    if installation_row::standing(installation)? == Standing::Here
        && let Ok(Some(revocation)) = revocation(installation, account_id, &removed)
    {
        at_commit(revocation);
    }
    for connection in &removed.connections {
        channels::forget_all(installation, *connection)?;
        removal::remove(installation, store::uuid(*connection), true)?;
    }
    Ok(())
}

fn revocation(installation: &Installation, account_id: Uuid, removed: &Removed) -> SqlResult<Option<Revocation>> {
    let site = Site::of(installation, &removed.provider)?;
    let Some(endpoint) = site.revoke()? else { return Ok(None) };
    // An access token may be over by now; Notion, where it never is, takes no other.
    let wants_access = site.endpoints.client_authentication == ClientAuthentication::BasicWithJson;
    let refresh_token = removed.refresh_token.as_ref().filter(|_| !wants_access);
    let token = match (refresh_token, &removed.access_token) {
        (Some(sealed), _) => secrets::open(REFRESH_TOKEN.place(account_id), sealed)?,
        (None, Some(sealed)) => secrets::open(ACCESS_TOKEN.place(account_id), sealed)?,
        (None, None) => return Ok(None),
    };
    let nobody =
        || Application { client_id: String::new(), client_secret: None, authentication: ClientAuthentication::Form };
    let application = site.application()?.unwrap_or_else(nobody);
    Ok(Some(Revocation { account_id, application, endpoint, token, options: http_options() }))
}

fn at_commit(revocation: Revocation) {
    let is_first = AT_COMMIT.with_borrow_mut(|list| {
        list.push(revocation);
        list.len() == 1
    });
    if is_first {
        register_xact_callback(PgXactCallbackEvent::PreCommit, || revoke_all(AT_COMMIT.take()));
        for end in [PgXactCallbackEvent::Abort, PgXactCallbackEvent::PrePrepare] {
            register_xact_callback(end, || drop(AT_COMMIT.take()));
        }
    }
}

/// Asks for all of it at once and waits a moment; never in the way of the commit.
fn revoke_all(revocations: Vec<Revocation>) {
    let Ok(bell) = Bell::new() else { return };
    let threads: Vec<_> = revocations
        .into_iter()
        .filter(|it| is_removed(it.account_id))
        .filter_map(|it| {
            let ring = bell.clone();
            let revoke = move || {
                if let Ok(client) = Client::with(it.options) {
                    let _ = it.application.revoke(&client, &it.endpoint, &it.token);
                }
                ring.ring();
            };
            http::spawn("calendar_sync", revoke).ok()
        })
        .collect();
    let started = Instant::now();
    while threads.iter().any(|thread| !thread.is_finished()) && started.elapsed() < PATIENCE && !is_interrupted() {
        pause(&bell, NAP);
    }
}

/// It may have been undone with a savepoint.
fn is_removed(account_id: Uuid) -> bool {
    // SAFETY: the transaction is still whole before its commit; the snapshot is popped again, or goes with an error.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
    let removed = crate::store::as_owner(|installation| accounts::is_removed(installation, account_id));
    // SAFETY: see above.
    unsafe { pg_sys::PopActiveSnapshot() };
    removed.unwrap_or(false)
}

/// A cancel, or the end of the process, is waiting to be attended to.
fn is_interrupted() -> bool {
    // SAFETY: a flag that signal handlers set.
    unsafe { (&raw const pg_sys::InterruptPending).read_volatile() != 0 }
}
