//! Errors as PostgreSQL shows them: one place that gives every error its SQLSTATE.

use calendar_sync_core::recurrence::RecurrenceError;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode, function_name};

/// What functions of the SQL surface return; pgrx raises the error with its SQLSTATE, DETAIL and HINT.
pub type SqlResult<T> = Result<T, ErrorReport>;

/// An error of that SQLSTATE; add `.set_detail(..)` and `.set_hint(..)`.
#[track_caller]
pub fn error(sqlstate: PgSqlErrorCode, message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(sqlstate, message.into(), function_name!())
}

/// HINT where a zone is not known.
pub const KNOWN_ZONES: &str = "Give a name of pg_timezone_names, such as Europe/Berlin.";

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

/// An error of recurrence: 22023 for a bad rule (DETAIL names the part) or zone, 54000 for a search that was given up.
#[track_caller]
pub fn recurrence_error(source: RecurrenceError) -> ErrorReport {
    let message = source.to_string();
    match source {
        RecurrenceError::Rule(rule) => invalid_argument("invalid recurrence rule")
            .set_detail(format!("{}: {}.", rule.part, rule.problem))
            .set_hint(rule.hint),
        RecurrenceError::UnknownZone(_) => invalid_argument(message).set_hint(KNOWN_ZONES),
        RecurrenceError::LimitExceeded => error(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message)
            .set_hint("Check that the parts of the rule can be met together, or give the range an end."),
        RecurrenceError::StartOutOfRange => error(PgSqlErrorCode::ERRCODE_DATETIME_FIELD_OVERFLOW, message)
            .set_hint("Start the series between 4714 BC and 9999."),
    }
}
