//! A background worker that uses up the state of one login for a session, and ends.

use pgrx::bgworkers::BackgroundWorker;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::extension::{logged, within};
use super::{process, short};
use crate::store::oauth;
use crate::sync::parcel::Parcel;

/// Started by a session, which waits: [`crate::sync::accounts::login::finish`].
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_login_main(argument: pg_sys::Datum) {
    short::begin(argument, c"calendar_sync login", "using up the state of a login");
    process::set_lock_timeout();
    let Some(parcel) = BackgroundWorker::get_extra().parse().ok().and_then(Parcel::open) else { return };
    let (_, taken) = logged(within(|installation| oauth::take(installation, parcel.bytes())));
    if taken == Some(true) {
        parcel.give_receipt();
    }
}
