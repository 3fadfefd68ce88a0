//! What every process of the worker does the same: signals, reload, transactions.

use std::ffi::{CStr, c_int};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::pg_sys::panic::{CaughtError, ErrorReportable};
use pgrx::{PgTryBuilder, pg_sys};

use crate::errors::SqlResult;
use crate::http::Bell;
pub use crate::store::commit_durably;
use crate::sync::wait::pause;

unsafe extern "C-unwind" {
    // The server's own signal handlers. Declared here, since pgrx' are wrapped in what may not run in a handler.
    fn die(signal: c_int);
    fn SignalHandlerForConfigReload(signal: c_int);
}

/// Whether this process was asked to end.
static TOLD_TO_END: AtomicBool = AtomicBool::new(false);

extern "C-unwind" fn end(signal: c_int) {
    TOLD_TO_END.store(true, Ordering::Relaxed);
    // SAFETY: PostgreSQL's handler, called as a handler.
    unsafe { die(signal) };
}

/// Whether SIGTERM has come.
pub fn was_told_to_end() -> bool {
    TOLD_TO_END.load(Ordering::Relaxed)
}

/// SIGTERM ends the process at its next look at interrupts, SIGHUP asks for a reload; then signals are let in.
pub fn set_signal_handlers() {
    // SAFETY: at the start of a background worker, with handlers made for this.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            pg_sys::pqsignal(libc::SIGTERM, Some(end));
            pg_sys::pqsignal(libc::SIGHUP, Some(SignalHandlerForConfigReload));
        }
        #[cfg(feature = "pg18")]
        {
            pg_sys::pqsignal_be(libc::SIGTERM, Some(end));
            pg_sys::pqsignal_be(libc::SIGHUP, Some(SignalHandlerForConfigReload));
        }
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Names in SQL resolve in pg_catalog alone, whatever ALTER DATABASE or ALTER ROLE set; before the first SQL.
pub fn set_search_path() {
    set(c"search_path", c"pg_catalog, pg_temp");
}

/// Transactions are as they must be here, whatever ALTER DATABASE or ALTER ROLE set; after these were read.
///
/// They commit without waiting for the disk: what is lost with a crash is fetched again, with the validators that were
/// lost with it. But see [`commit_durably`]. Their statements are short, however long the planner expects them to take: to
/// compile one takes longer than to run it.
pub fn set_transactions() {
    set(c"synchronous_commit", c"off");
    set(c"default_transaction_read_only", c"off");
    set(c"default_transaction_isolation", c"read committed");
    set(c"jit", c"off");
}

/// Nobody's lock is waited for longer than a moment: it may be held by the session that waits for this process.
pub fn set_lock_timeout() {
    set(c"lock_timeout", c"2s");
}

/// Waits for the latch, the bell or the time. SIGTERM ends the process from here; a cancel means nothing to a process
/// that has no statement under way, just as to a session that waits for one.
pub fn nap(bell: &Bell, timeout: Duration) {
    pause(bell, timeout);
    // SAFETY: the flag that the signal's handler sets.
    unsafe { (&raw mut pg_sys::QueryCancelPending).write_volatile(0) };
    pg_sys::check_for_interrupts!();
}

/// Sets a user's setting for this process, over the configuration file and the settings of databases and roles.
fn set(name: &CStr, value: &CStr) {
    // SAFETY: plain values, copied; a setting that any user may set.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Reads the configuration file if a SIGHUP came since, or (`always`) because one may have come before this process
/// listened. Returns whether it did.
pub fn reload_if_asked(always: bool) -> bool {
    // SAFETY: a flag that the handler sets, and the call that every PostgreSQL process makes then.
    unsafe {
        let asked = (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0;
        if asked || always {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
        asked || always
    }
}

/// Runs `work` in a transaction of its own; an error undoes it and is returned as its message.
pub fn transaction<T>(work: impl FnOnce() -> SqlResult<T>) -> Result<T, String> {
    // SAFETY: outside of any transaction; every way out ends the one begun here. What is allocated on the way belongs
    // to the transaction and goes with it.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let result = PgTryBuilder::new(AssertUnwindSafe(|| {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let result = work().unwrap_or_report();
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            Ok(result)
        }))
        .catch_others(|caught| Err(message(&caught)))
        .catch_rust_panic(|caught| Err(message(&caught)))
        .execute();
        if result.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        pg_sys::pgstat_report_stat(false);
        result
    }
}

fn message(caught: &CaughtError) -> String {
    match caught {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report.message().to_owned(),
        CaughtError::RustPanic { ereport, .. } => ereport.message().to_owned(),
    }
}
