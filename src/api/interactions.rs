//! Interactions: which tables are followed, and catching up.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::arguments::{given, uuid};
use super::json::Json;
use crate::errors::{SqlResult, invalid_argument};
use crate::interaction;
use crate::store::ReadOnly;

/// Starts syncing a table: checks its columns, adds `calendar_synced_at` and the triggers. Idempotent; only for the
/// table's owner or a superuser. The mapping's keys are all optional (docs/interactions.md).
///
/// Declared in `sql/061_interactions_api.sql`: pgrx' own regclass argument would lock the table too weakly first.
#[pg_extern(sql = "")]
fn calendar_attach(interaction: Option<pg_sys::Oid>, mapping: Option<Json>) -> SqlResult<()> {
    interaction::attach(given("interaction", interaction)?, &given("mapping", mapping)?.read("mapping")?)
}

/// Removes the triggers; events and history stay.
#[pg_extern(sql = "")]
fn calendar_detach(interaction: Option<pg_sys::Oid>) -> SqlResult<()> {
    interaction::detach(given("interaction", interaction)?)
}

/// Syncs interactions that no trigger saw, and removes events whose interaction is gone; how many events were written.
/// `since` NULL: from the window's start on; '-infinity': all.
#[pg_extern(sql = "")]
fn calendar_backfill(interaction: Option<pg_sys::Oid>, since: Option<TimestampWithTimeZone>) -> SqlResult<i64> {
    interaction::backfill(interaction, since.map(pg_sys::TimestampTz::from))
}

/// Tries failures that are due now.
#[pg_extern]
fn calendar_retry_failures(
    max_rows: default!(Option<i32>, 100),
) -> Result<
    TableIterator<
        'static,
        (
            name!(failure_id, pgrx::Uuid),
            name!(interaction_id, pgrx::Uuid),
            name!(action, String),
            name!(resolved, bool),
            name!(error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let max_rows = given("max_rows", max_rows)?;
    if max_rows < 1 {
        return Err(invalid_argument("max_rows must be at least 1").set_hint("The default is 100."));
    }
    let rows = interaction::retry_due(max_rows)?;
    Ok(TableIterator::new(
        rows.into_iter()
            .map(move |row| (uuid(row.failure_id), uuid(row.interaction_id), row.action, row.resolved, row.error)),
    ))
}

/// What a backfill would do; behind the view calendar_unsynced_interactions.
#[pg_extern]
fn calendar_unsynced() -> Result<
    TableIterator<
        'static,
        (
            name!(related_table, String),
            name!(interaction_id, pgrx::Uuid),
            name!(event_id, Option<pgrx::Uuid>),
            name!(action, String),
        ),
    >,
    ErrorReport,
> {
    let _read_only = ReadOnly::begin();
    let mut rows = Vec::new();
    interaction::each_unsynced(|found| {
        rows.push((found.related_table, uuid(found.interaction_id), found.event_id.map(uuid), found.action.to_owned()));
    })?;
    Ok(TableIterator::new(rows))
}
