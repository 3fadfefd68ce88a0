//! Waking processes when a transaction commits. A hint: without it work is found at the next round.

use std::cell::Cell;

use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};

use super::shared;

thread_local! {
    /// The current transaction has asked already.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Wakes this database's worker once the current transaction has committed; where there is none, has the launcher look
/// for the extension here.
pub fn wake_at_commit() {
    if !shared::is_preloaded() || ASKED.replace(true) {
        return;
    }
    register_xact_callback(PgXactCallbackEvent::Commit, || {
        ASKED.set(false);
        shared::call_worker();
    });
    register_xact_callback(PgXactCallbackEvent::Abort, || ASKED.set(false));
    // COMMIT PREPARED and ROLLBACK PREPARED, maybe in another session, wake (see `hook`).
    register_xact_callback(PgXactCallbackEvent::Prepare, || ASKED.set(false));
}

/// Wakes this database's worker once the current transaction is over, also where it is rolled back.
pub fn wake_when_over() {
    if shared::is_preloaded() {
        when_over(shared::call_worker);
    }
}

/// Has the launcher look at the databases once the current transaction has committed.
pub fn look_at_commit() {
    register_xact_callback(PgXactCallbackEvent::Commit, shared::wake_launcher);
}

/// Has a database's worker start anew once the current transaction has committed.
pub fn restart_at_commit(database: pg_sys::Oid) {
    register_xact_callback(PgXactCallbackEvent::Commit, move || shared::restart(database));
}

/// Runs `work` when the current transaction is over, however it ends. It must not fail.
pub fn when_over(work: impl Fn() + Copy + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static) {
    for end in [PgXactCallbackEvent::Commit, PgXactCallbackEvent::Abort, PgXactCallbackEvent::Prepare] {
        register_xact_callback(end, work);
    }
}
