//! A background worker that renews one account's tokens for a session, in transactions of its own, and ends.

use std::time::{Duration, Instant};

use pgrx::bgworkers::BackgroundWorker;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::extension::{logged, within_here};
use super::{process, short};
use crate::errors::SqlResult;
use crate::http::Bell;
use crate::store::{Installation, tokens as store};
use crate::sync::accounts::site::Site;
use crate::sync::aside::aside_with;
use crate::sync::fetch::http_options;
use crate::sync::tokens::session::Order;
use crate::sync::tokens::{self, Renewal, Renewed};

/// How long others are waited for who have the account's row locked; what the provider gave is lost after that.
const PATIENCE: Duration = Duration::from_secs(60);
const NAP: Duration = Duration::from_millis(100);

/// Started by [`crate::sync::tokens::session`].
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_tokens_main(argument: pg_sys::Datum) {
    short::begin(argument, c"calendar_sync tokens", "renewing an account's tokens");
    let Some(order) = Order::parse(BackgroundWorker::get_extra()) else { return };
    let (_, renewal) = logged(within_here(|installation| begin(installation, &order)));
    let Some(renewal) = renewal.flatten() else { return };
    match aside_with(move || renewal.run(), |bell| process::nap(bell, NAP)) {
        Ok(renewed) => finish(&renewed),
        Err(report) => pgrx::warning!("calendar_sync: {}", report.message()),
    }
}

fn begin(installation: &Installation, order: &Order) -> SqlResult<Option<Renewal>> {
    if order.refused {
        tokens::rejected(installation, order.account_id, order.generation)?;
    }
    let account = store::read(installation, &[order.account_id])?.pop();
    match account.filter(|account| account.is_active && account.generation == order.generation) {
        Some(account) => {
            let site = Site::of(installation, &account.provider)?;
            tokens::begin(installation, &account, &site, &http_options())
        }
        None => Ok(None),
    }
}

/// Until it is stored: a refresh token that was used is good for nothing any more.
fn finish(renewed: &Renewed) {
    let Ok(bell) = Bell::new() else { return };
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let (_, done) = logged(within_here(|installation| tokens::finish(installation, renewed)));
        if done == Some(true) {
            return;
        }
        process::nap(&bell, NAP);
    }
}
