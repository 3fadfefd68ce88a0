//! A piece of work whose errors do not reach the caller's statement.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel, ErrorReportable};
use pgrx::{PgSqlErrorCode, PgTryBuilder};

use super::{Identity, Installation};
use crate::errors::{SqlResult, error};

/// An error that was caught and whose work was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Five characters.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

/// Runs `work` in a subtransaction: an error undoes what it wrote and is returned.
///
/// Errors that belong to the whole transaction (SQLSTATE classes 40, 53, 57, 58 and XX: serialization, resources,
/// cancel, system, internal) are not caught.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // SAFETY: the calls of PL/pgSQL's exception block (pl_exec.c, exec_stmt_block), in its order: the subtransaction is
    // released or rolled back on every way out, then memory context and resource owner are what they were.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let result = PgTryBuilder::new(AssertUnwindSafe(|| {
            let result = work();
            pg_sys::ReleaseCurrentSubTransaction();
            Ok(result)
        }))
        .catch_others(|caught| Err(caught))
        .catch_rust_panic(|caught| Err(caught))
        .execute();
        pg_sys::MemoryContextSwitchTo(context);
        if result.is_err() {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
        }
        pg_sys::CurrentResourceOwner = owner;
        result.map_err(Failure::of)
    }
}

/// As [`guarded`], for work that waits for nobody's lock longer than a moment: then it fails ([`Failure::is_locked`]).
pub fn without_waiting<T>(installation: &Installation, work: impl FnOnce() -> SqlResult<T>) -> Result<T, Failure> {
    guarded(|| {
        let _identity = Identity::assume(installation.owner, 0).in_haste();
        work().unwrap_or_report()
    })
}

impl Failure {
    /// One without detail and hint.
    pub fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        Self { sqlstate: sqlstate.to_owned(), message: message.into(), detail: None, hint: None }
    }

    /// Somebody else's lock was in the way.
    pub fn is_locked(&self) -> bool {
        self.sqlstate == "55P03"
    }

    /// The same as an error to be raised.
    pub fn into_error(self) -> ErrorReport {
        let code = self
            .sqlstate
            .bytes()
            .enumerate()
            .fold(0, |code, (place, byte)| code | ((i32::from(byte) - i32::from(b'0')) & 0x3F) << (6 * place));
        let mut report = error(PgSqlErrorCode::from(code), self.message);
        if let Some(detail) = self.detail {
            report = report.set_detail(detail);
        }
        match self.hint {
            Some(hint) => report.set_hint(hint),
            None => report,
        }
    }

    /// What was caught, if it may be kept from the caller; else it goes on its way.
    fn of(caught: CaughtError) -> Self {
        match &caught {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
                let failure = Self::from_report(report);
                if ["40", "53", "57", "58", "XX"].contains(&&failure.sqlstate[..2]) {
                    caught.rethrow()
                }
                failure
            }
            CaughtError::RustPanic { .. } => caught.rethrow(),
        }
    }

    fn from_report(report: &ErrorReportWithLevel) -> Self {
        Self {
            sqlstate: sqlstate_text(report.sql_error_code() as i32),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
        }
    }
}

/// The five characters that PostgreSQL packs into an int, six bits each (elog.h, MAKE_SQLSTATE).
fn sqlstate_text(code: i32) -> String {
    (0..5).map(|place| char::from((((code >> (6 * place)) & 0x3F) as u8) + b'0')).collect()
}
