//! The background worker: one launcher for the server, one worker in each database that has the extension.
//!
//! All of it needs `shared_preload_libraries`. Without, nothing here runs and everything works by SQL call.

mod activity;
mod command;
mod counters;
mod database;
mod databases;
mod extension;
mod hook;
mod launcher;
mod login;
mod manual;
mod notes;
mod process;
mod results;
mod shared;
mod short;
mod starts;
mod states;
mod tokens;
mod trouble;
mod upkeep;
mod wake;

use pgrx::pg_sys;

pub use manual::allow_manual_sync;
pub use shared::counters;
pub use states::states;
pub use wake::{wake_at_commit, wake_when_over};

/// Called once, when the library is loaded.
pub fn register() {
    crate::store::queue::when_queued(wake_at_commit);
    crate::store::unconfirmed::when_noted(wake_when_over);
    // SAFETY: a flag of the process, read on its only thread.
    if unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        shared::register();
        manual::register();
        launcher::register();
        hook::register();
    }
}

/// Whether a worker is there for this database.
pub fn is_running() -> bool {
    shared::is_running()
}
