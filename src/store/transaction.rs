//! What the transaction that we were called in lets us do.

use pgrx::pg_sys;

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
