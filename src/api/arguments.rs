//! Arguments of the SQL surface, checked.

use chrono::{DateTime, Utc};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::errors::{SqlResult, error, invalid_argument};
pub use crate::store::{uuid, uuid_of};
use crate::sync::agenda::Range;
use crate::{settings, store};

/// Longest user_id and external_source: both are parts of keys.
const LONGEST_IDENTIFIER: usize = 512;

/// Refuses an empty or over-long name of a user or source.
pub fn identifier(name: &str, value: &str) -> SqlResult<()> {
    if !value.is_empty() && value.len() <= LONGEST_IDENTIFIER {
        return Ok(());
    }
    let problem = if value.is_empty() { "is empty" } else { "is too long" };
    Err(invalid_argument(format!("{name} {problem}"))
        .set_detail(format!("It is {} bytes long; 1 to {LONGEST_IDENTIFIER} are allowed.", value.len())))
}

/// An argument that must not be NULL. (A function that is STRICT would do nothing, and say nothing of it.)
///
/// # Errors
/// 22004 (null_value_not_allowed) names it.
pub fn given<T>(name: &str, value: Option<T>) -> SqlResult<T> {
    value.ok_or_else(|| {
        error(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{name} must not be NULL"))
            .set_hint(format!("Give a value for {name}."))
    })
}

/// Whether everything is shown, or times alone.
pub fn shows_details(visibility: &str) -> SqlResult<bool> {
    match visibility {
        "details" => Ok(true),
        "busy" => Ok(false),
        other => Err(invalid_argument(format!("visibility can't be \"{other}\""))
            .set_hint("It is details, or busy (times alone).")),
    }
}

/// Refuses an empty key of an application's event; a long one is kept by its digest.
pub fn external_id(value: Option<&str>) -> SqlResult<&str> {
    match given("external_id", value)? {
        "" => Err(invalid_argument("external_id is empty").set_hint("Pass the application's own key of the event.")),
        external_id => Ok(external_id),
    }
}

/// A range that has a length.
pub fn range(from: Option<TimestampWithTimeZone>, to: Option<TimestampWithTimeZone>) -> SqlResult<Range> {
    let from = store::instant(given("range_start", from)?);
    let to = store::instant(given("range_end", to)?);
    if from < to {
        return Ok(Range { from, to });
    }
    Err(invalid_argument("range_end is not after range_start")
        .set_hint("The range goes up to, but without, range_end."))
}

/// The present: when the transaction began, as `now()` has it.
pub fn now() -> DateTime<Utc> {
    // SAFETY: a plain read of the transaction's state.
    let micros = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    TimestampWithTimeZone::try_from(micros).map(store::instant).unwrap_or_default()
}

/// The setting calendar_sync.time_zone.
pub fn time_zone() -> String {
    let name = settings::TIME_ZONE.get();
    name.and_then(|name| name.into_string().ok()).filter(|name| !name.is_empty()).unwrap_or_else(|| "UTC".to_owned())
}
