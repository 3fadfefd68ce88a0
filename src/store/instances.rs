//! Rows of `calendar_events` that are instances of series: written and deleted in sets.

use calendar_sync_core::event::Details;
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::events::{EVENTS_KIND, Row, both};
use super::kind::Kind;
use super::{Installation, Source, Statement, outside};
use crate::errors::SqlResult;

thread_local! {
    static UPSERT: Statement = const { Statement::of_kind(upsert_text, &EVENTS_KIND) };
    static DELETE: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $2, changed_at = $2, updated_at = $2
         where series_id = any ($1)
           and coalesce(event_end, event_date) > $3
           and sync_status <> 'deleted'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static MARK_IN_ERROR: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'error', updated_at = $2
         where series_id = any ($1)
           and coalesce(event_end, event_date) > $2
           and sync_status = 'synced'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static HEAL: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'synced', updated_at = $2
         where series_id = any ($1)
           and sync_status = 'error'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    // One look-up in the index for each, as by key.
    static DELETE_SINGLE: Statement = const { Statement::new(
        "update @calendar_events
         set sync_status = 'deleted', event_status = 'cancelled', last_synced_at = $3, changed_at = $3, updated_at = $3
         where event_id = any (array(
                 select e.event_id
                 from unnest($1, $2) o (series_id, recurrence_id)
                 cross join lateral (
                     select event_id from @calendar_events
                     where series_id = o.series_id and recurrence_id = o.recurrence_id
                     offset 0
                 ) e
             ))
           and sync_status <> 'deleted'",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    // NOT IN is hashed however many are given; a generic plan of NOT EXISTS would compare each with each.
    static REMOVE: Statement = const { Statement::new(
        "delete from @calendar_events e
         where e.series_id = any ($1)
           and e.event_date > $2
           and (e.series_id, e.recurrence_id) not in (select * from unnest($3, $4))",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID, pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZARRAYOID],
    ) };
}

/// Those that are as they are stored are not written.
fn upsert_text(kind: &Kind) -> String {
    format!(
        "{}, changed_at = $5
        where t.content_hash is distinct from excluded.content_hash
           or t.series_id is distinct from excluded.series_id
           or t.sync_status <> 'synced'",
        outside::upsert_text(kind)
    )
}

/// Inserts or updates instances of series; those that are as they are stored are not written.
pub fn upsert(installation: &Installation, source: &Source, rows: &[Row], now: DateTime<Utc>) -> SqlResult<()> {
    let details: Vec<&Details> = rows.iter().map(|row| row.details).collect();
    within_scratch(|| {
        let arguments = outside::upsert_arguments(source, now, both(rows, &details));
        UPSERT.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Marks those instances of series as deleted that are not over at `after`.
pub fn delete(
    installation: &Installation,
    series: &[Uuid],
    after: DateTime<Utc>,
    now: DateTime<Utc>,
) -> SqlResult<u64> {
    DELETE.with(|statement| {
        outside::execute_on(installation, statement, series, || vec![stamp(now).into(), stamp(after).into()])
    })
}

/// Says of those instances of series that are not over at `now` that they may not be what their origin says.
pub fn mark_in_error(installation: &Installation, series: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    MARK_IN_ERROR.with(|statement| outside::execute_on(installation, statement, series, || vec![stamp(now).into()]))
}

/// Takes that back, also of those that are over by now.
pub fn heal(installation: &Installation, series: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    HEAL.with(|statement| outside::execute_on(installation, statement, series, || vec![stamp(now).into()]))
}

/// Marks single occurrences of series as deleted, by series and original start.
pub fn delete_single(
    installation: &Installation,
    occurrences: &[(Uuid, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> SqlResult<u64> {
    if occurrences.is_empty() {
        return Ok(0);
    }
    within_scratch(|| {
        let arguments = [
            column(occurrences, |(series_id, _)| uuid(*series_id)),
            column(occurrences, |(_, recurrence_id)| stamp(*recurrence_id)),
            stamp(now).into(),
        ];
        DELETE_SINGLE.with(|statement| statement.execute(installation, &arguments))
    })
}

/// Removes the instances of series that start after `after` and are not among `given`.
pub fn remove(
    installation: &Installation,
    series: &[Uuid],
    after: DateTime<Utc>,
    given: &[(Uuid, DateTime<Utc>)],
) -> SqlResult<u64> {
    REMOVE.with(|statement| {
        outside::execute_on(installation, statement, series, || {
            vec![
                stamp(after).into(),
                column(given, |(series_id, _)| uuid(*series_id)),
                column(given, |(_, recurrence_id)| stamp(*recurrence_id)),
            ]
        })
    })
}
