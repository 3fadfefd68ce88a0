//! A background worker that commits what a session must have noted before it sends something, and ends.

use pgrx::bgworkers::BackgroundWorker;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::extension::{logged, within};
use super::{process, short};
use crate::store::{commit_durably, conflicts, unconfirmed};
use crate::sync::parcel::Parcel;
use crate::sync::push::Notes;

/// Started by a session, which waits: [`crate::sync::push::Batch::outlast`].
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_notes_main(argument: pg_sys::Datum) {
    short::begin(argument, c"calendar_sync notes", "noting what is about to be sent");
    process::set_lock_timeout();
    let Some(parcel) = BackgroundWorker::get_extra().parse().ok().and_then(Parcel::open) else { return };
    let Ok(Notes { conflicts, pushes }) = serde_json::from_slice(parcel.bytes()) else { return };
    let (_, kept) = logged(within(|installation| {
        if !unconfirmed::keep(installation, pushes)? {
            return Ok(false);
        }
        conflicts::keep(installation, conflicts)?;
        commit_durably();
        Ok(true)
    }));
    if kept == Some(true) {
        parcel.give_receipt();
    }
}
