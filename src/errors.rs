//! Errors as PostgreSQL shows them: one place that gives every error its SQLSTATE.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode, function_name};

/// What functions of the SQL surface return; pgrx raises the error with its SQLSTATE, DETAIL and HINT.
pub type SqlResult<T> = Result<T, ErrorReport>;

/// An error of that SQLSTATE; add `.set_detail(..)` and `.set_hint(..)`.
#[track_caller]
pub fn error(sqlstate: PgSqlErrorCode, message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(sqlstate, message.into(), function_name!())
}

/// 22023: an argument whose value can't be taken.
#[track_caller]
pub fn invalid_argument(message: impl Into<String>) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

/// XX000: something that should not happen.
#[track_caller]
pub fn internal(message: impl std::fmt::Display) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message.to_string())
}

/// An error of SPI itself; what PostgreSQL raises inside a statement keeps its own SQLSTATE and never comes this way.
#[track_caller]
pub fn spi(source: pgrx::spi::Error) -> ErrorReport {
    internal(format!("calendar_sync: a statement of its own failed: {source}"))
}
