//! Occurrences that are taken out of their series: by a DELETE of their rows, or with the rule that gave them.

use calendar_sync_core::content::Hash;
use calendar_sync_core::event::{Override, Series};
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, instant_array, stamp, uuid, within_scratch};
use super::rows::Columns;
use super::series::json;
use super::{Installation, Statement, outside};
use crate::errors::SqlResult;

/// A series without some of its occurrences.
pub struct Excluded {
    pub series_id: Uuid,
    pub series: Series,
    pub hash: Hash,
}

thread_local! {
    static OURS: Statement = const { Statement::new(
        "select s.series_id
         from @calendar_series s
         left join @calendar_connections c on c.connection_id = s.connection_id
         where s.series_id = any ($1)
           and s.sync_status <> 'deleted'
           and (
               s.connection_id is null
               or c.account_id is not null and c.direction <> 'pull' and c.status <> 'removed'
           )",
        &[pg_sys::UUIDARRAYOID],
    ) };
    // It does not come from a file alone any more.
    static EXCLUDE: Statement = const { Statement::new(
        "update @calendar_series s
         set exdates = r.exdates::timestamptz[],
             overrides = r.overrides::jsonb,
             content_hash = r.content_hash,
             source_hash = null,
             changed_at = $2,
             updated_at = $2
         from unnest($1, $3, $4, $5) r (series_id, exdates, overrides, content_hash)
         where s.series_id = r.series_id",
        &[
            pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID, pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID,
            pg_sys::BYTEAARRAYOID,
        ],
    ) };
    static STAND_FOR: Statement = const { Statement::new(
        "insert into @calendar_events (
             user_id, title, event_type, event_status, event_date, event_end, all_day, time_zone, floating,
             connection_id, external_source, external_id, series_id, series_master_id, recurrence_id, synced_from,
             sync_status, changed_at)
         select s.user_id, s.title, s.event_type, 'cancelled', o.recurrence_id, o.recurrence_id + s.duration, s.all_day,
             s.time_zone, s.floating, s.connection_id, s.external_source, s.external_id, s.series_id,
             s.series_master_id, o.recurrence_id, s.synced_from, 'deleted', $3
         from unnest($1, $2) o (series_id, recurrence_id)
         join @calendar_series s on s.series_id = o.series_id
         on conflict (user_id, external_source, connection_id, external_id, recurrence_id)
             where external_id is not null
         do update set sync_status = 'deleted', event_status = 'cancelled', changed_at = excluded.changed_at",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static DROPPED: Statement = const { Statement::new(
        "insert into @calendar_sync_log (event_id, user_id, action, status, details)
         select r.id, $1, 'update', 'success', jsonb_build_object('dropped_occurrences', r.dropped::jsonb)
         from unnest($2, $3) r (id, dropped)",
        &[pg_sys::TEXTOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
}

/// Those of these series whose occurrences are decided on here: they are of this database, or of a calendar that changes
/// are sent to.
pub fn ours(installation: &Installation, series: &[Uuid]) -> SqlResult<Vec<Uuid>> {
    let found = outside::find(installation, &OURS, series, Columns::uuid)?;
    Ok(found.into_iter().flatten().collect())
}

/// Writes what these series leave out from now on; the caller has them locked.
pub fn exclude(installation: &Installation, rows: &[Excluded], now: DateTime<Utc>) -> SqlResult<()> {
    EXCLUDE.with(|statement| {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.series_id).collect();
        outside::execute_on(installation, statement, &ids, || {
            vec![
                stamp(now).into(),
                column(rows, |row| instant_array(&row.series.exdates)),
                column(rows, |row| json(&row.series.overrides)),
                column(rows, |row| row.hash.as_slice()),
            ]
        })
    })?;
    Ok(())
}

/// Rows that are deleted take the place of those that are gone: they say the same of an occurrence.
pub fn stand_for(
    installation: &Installation,
    occurrences: &[(Uuid, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> SqlResult<()> {
    if occurrences.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            column(occurrences, |(series_id, _)| uuid(*series_id)),
            column(occurrences, |(_, recurrence_id)| stamp(*recurrence_id)),
            stamp(now).into(),
        ];
        STAND_FOR.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Says in the log what changed occurrences were like that went with their rule, by series.
pub fn log_dropped(installation: &Installation, user_id: &str, dropped: &[(Uuid, Vec<Override>)]) -> SqlResult<()> {
    if dropped.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            user_id.into(),
            column(dropped, |(series_id, _)| uuid(*series_id)),
            column(dropped, |(_, overrides)| json(overrides)),
        ];
        DROPPED.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}
