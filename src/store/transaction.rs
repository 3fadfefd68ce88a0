//! What the transaction that we were called in lets us do.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::errors::{SqlResult, error};

/// That the calendar can be changed.
///
/// # Errors
/// 25006 (read_only_sql_transaction) on a standby and in a read-only transaction.
pub fn check_can_write() -> SqlResult<()> {
    let refused = |what: &str, hint: &str| {
        let message = format!("calendar_sync cannot change anything {what}");
        Err(error(PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION, message).set_hint(hint))
    };
    // SAFETY: reads the transaction's state.
    match unsafe { (pg_sys::RecoveryInProgress(), pg_sys::XactReadOnly) } {
        (true, _) => refused("on a standby", "Call this function on the primary server."),
        (false, true) => refused(
            "in a read-only transaction",
            "Call this function in a transaction that may write; see also default_transaction_read_only.",
        ),
        (false, false) => Ok(()),
    }
}

/// Whether it may write: not on a standby, not in a read-only transaction, not while a parallel query runs.
pub fn can_write() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { !(pg_sys::RecoveryInProgress() || pg_sys::XactReadOnly || pg_sys::IsInParallelMode()) }
}

/// Whether a row that others write as well can be written without an error for the caller: under a snapshot for the
/// whole transaction their writes would be one (40001).
pub fn can_write_in_passing() -> bool {
    // SAFETY: reads the transaction's state.
    can_write() && unsafe { pg_sys::XactIsoLevel } <= pg_sys::XACT_READ_COMMITTED as i32
}

/// Whether somebody else than the statement that runs now may undo what it does: it is one of a transaction of several, or
/// of a function that has written before. To be asked before the first statement of the store, which counts as that.
pub fn may_be_undone() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::IsTransactionBlock() || pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId }
}

/// Has the current transaction wait for the disk when it commits, whatever synchronous_commit says.
pub fn commit_durably() {
    // SAFETY: sets a flag of the transaction.
    unsafe { pg_sys::ForceSyncCommit() };
}
