//! A background worker that puts conflicts on record which a session has settled, and ends.

use pgrx::bgworkers::BackgroundWorker;
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::Value;

use super::extension::{logged, within};
use super::{process, short};
use crate::store::{commit_durably, conflicts};
use crate::sync::parcel::Parcel;

/// Started by a session, which waits: [`crate::sync::push::Batch::outlast`].
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_conflicts_main(argument: pg_sys::Datum) {
    short::begin(argument, c"calendar_sync conflicts", "noting what conflicts have taken");
    process::set_lock_timeout();
    let Some(parcel) = BackgroundWorker::get_extra().parse().ok().and_then(Parcel::open) else { return };
    let Ok(copies) = serde_json::from_slice::<Vec<Value>>(parcel.bytes()) else { return };
    let (_, kept) = logged(within(|installation| {
        conflicts::keep(installation, copies)?;
        commit_durably();
        Ok(())
    }));
    if kept.is_some() {
        parcel.give_receipt();
    }
}
