//! A short-lived background worker, for what must be committed whatever becomes of the session's transaction. Needs a free
//! slot of max_worker_processes, and no shared_preload_libraries.

use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::{IntoDatum, pg_sys};

use super::wait::wait;
use crate::http::Bell;

/// Longest nap.
const NAP: Duration = Duration::from_millis(100);

/// What such a worker does.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    RenewTokens,
    KeepNotes,
    EndLogin,
}

impl Work {
    /// Its name in pg_stat_activity, and the function of this library that it begins with.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::RenewTokens => ("calendar_sync tokens", "calendar_sync_tokens_main"),
            Self::KeepNotes => ("calendar_sync notes", "calendar_sync_notes_main"),
            Self::EndLogin => ("calendar_sync login", "calendar_sync_login_main"),
        }
    }
}

/// Has it done, and waits until the worker has ended; false where none could be started. `order`: up to 127 bytes for it. A
/// cancel ends the wait alone, with its error.
pub fn run(work: Work, order: &str, bell: &Bell) -> bool {
    let Some(worker) = start(work, order) else { return false };
    let has_ended =
        || matches!(worker.pid(), Err(BackgroundWorkerStatus::Stopped | BackgroundWorkerStatus::PostmasterDied));
    while !has_ended() {
        wait(bell, NAP);
    }
    true
}

fn start(work: Work, order: &str) -> Option<DynamicBackgroundWorker> {
    // SAFETY: reads two variables of this process.
    let (me, database) = unsafe { (pg_sys::MyProcPid, pg_sys::MyDatabaseId) };
    let (name, function) = work.names();
    BackgroundWorkerBuilder::new(name)
        .set_type(name)
        .set_library("calendar_sync")
        .set_function(function)
        .set_argument(database.into_datum())
        .set_extra(order)
        .enable_spi_access()
        .set_restart_time(None)
        .set_notify_pid(me)
        .load_dynamic()
        .ok()
}
