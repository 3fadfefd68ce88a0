//! What calendar_metrics shows that no table holds.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::worker;

/// What this database has had done by its worker since the server started; no row without shared_preload_libraries, and
/// until the launcher has looked.
#[pg_extern]
fn calendar_worker_counters() -> Result<
    TableIterator<
        'static,
        (
            name!(pulls_unchanged, i64),
            name!(pulls_applied, i64),
            name!(pulls_failed, i64),
            name!(events_created, i64),
            name!(events_updated, i64),
            name!(events_deleted, i64),
            name!(network_seconds, f64),
        ),
    >,
    ErrorReport,
> {
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(TableIterator::new(worker::counters().into_iter().map(move |it| {
        (
            number(it.unchanged),
            number(it.applied),
            number(it.failed),
            number(it.created),
            number(it.updated),
            number(it.deleted),
            it.network.as_secs_f64(),
        )
    })))
}
