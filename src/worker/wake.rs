//! Waking the worker when a transaction commits. A hint: without it work is found at the next round.

use std::cell::Cell;

use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};

use super::shared;

thread_local! {
    /// The transaction that has asked already, by its start time.
    static ASKED: Cell<i64> = const { Cell::new(0) };
}

/// Wakes this database's worker once the current transaction has committed; where there is none, has the launcher look
/// for the extension here.
pub fn wake_at_commit() {
    // SAFETY: reads the start time of the current transaction.
    let transaction = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    if !shared::is_preloaded() || ASKED.replace(transaction) == transaction {
        return;
    }
    register_xact_callback(PgXactCallbackEvent::Commit, || {
        if shared::is_running() {
            shared::wake_worker();
        } else {
            // SAFETY: reads a variable of this process.
            shared::wake_launcher(Some(unsafe { pg_sys::MyDatabaseId }));
        }
    });
}
