//! calendar_cleanup.

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::arguments::{self, given};
use super::caller::administrators_only;
use crate::errors::{SqlResult, invalid_argument};
use crate::store;
use crate::sync::cleanup;

/// See the comment on the function in sql/075_upkeep_functions.sql.
#[pg_extern]
fn calendar_cleanup(
    log_days: default!(Option<i32>, 90),
    queue_days: default!(Option<i32>, 30),
) -> Result<TableIterator<'static, (name!(what, String), name!(removed, i64))>, ErrorReport> {
    let (log_days, queue_days) = (given("log_days", log_days)?, given("queue_days", queue_days)?);
    administrators_only("clean up what the calendar keeps")?;
    let (log, queue) = (days_ago("log_days", log_days)?, days_ago("queue_days", queue_days)?);
    let before = cleanup::before(log, queue, arguments::now());
    let removed = store::as_owner(|installation| cleanup::all(installation, &before))?;
    let rows = removed.into_iter().map(|(what, rows)| (what.to_owned(), i64::try_from(rows).unwrap_or(i64::MAX)));
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

/// So many days before now; before everything that can be stored, where that is too long ago.
fn days_ago(name: &str, days: i32) -> SqlResult<DateTime<Utc>> {
    if days < 0 {
        return Err(invalid_argument(format!("{name} must not be negative"))
            .set_hint("It is how many days are kept; 0 keeps nothing that may go."));
    }
    Ok(arguments::now().checked_sub_signed(TimeDelta::days(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC))
}
