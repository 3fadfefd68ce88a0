//! Links that move on by a pull: with a version from there, into an error, or back to something new.

use calendar_sync_core::content::{self, Hash};
use calendar_sync_core::merge::Base;
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use serde_json::Value;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::links::{ItemId, Link, base_json};
use super::outside::execute_on;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// A link after a version from there was taken into account.
pub struct Moved {
    pub link_id: Uuid,
    pub item: ItemId,
    pub external_id: String,
    pub etag: Option<String>,
    /// 'synced', 'pending' or 'conflict'.
    pub status: &'static str,
    pub local_version: Option<Hash>,
    pub remote_version: String,
    /// `None`: as it was.
    pub base: Option<Base>,
    /// `None`: as it was.
    pub conflict_data: Option<Value>,
}

/// An occurrence of a series that has an identifier of its own there.
pub struct Named {
    pub series_id: Uuid,
    pub recurrence_id: DateTime<Utc>,
    pub external_id: String,
    pub etag: Option<String>,
}

thread_local! {
    static MOVE: Statement = const { Statement::new(
        "update @calendar_event_links l
         set event_id = r.event_id,
             series_id = r.series_id,
             external_id = r.external_id,
             etag = r.etag,
             sync_status = r.sync_status,
             local_version = r.local_version,
             remote_version = r.remote_version,
             base = coalesce(r.base::jsonb, l.base),
             conflict_data = coalesce(r.conflict_data::jsonb, l.conflict_data),
             conflict_at = case when r.conflict_data is null then l.conflict_at else $1 end,
             last_sync_at = case when r.sync_status = 'synced' then $1 else l.last_sync_at end,
             last_sync_error = null,
             retry_count = 0,
             deleted_at = null
         from unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) r (link_id, event_id, series_id, external_id, etag, sync_status,
             local_version, remote_version, base, conflict_data)
         where l.link_id = r.link_id",
        &[
            pg_sys::TIMESTAMPTZOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID,
            pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BYTEAARRAYOID,
            pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID,
        ],
    ) };
    static REPLACE_LINKS: Statement = const { Statement::new(
        "update @calendar_event_links l
         set event_id = r.new_event, series_id = r.new_series
         from unnest($1, $2, $3, $4) r (old_event, old_series, new_event, new_series)
         where l.event_id = r.old_event or l.series_id = r.old_series",
        &[pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    // What waits of the new one already is the later word.
    static REPLACE_OPERATIONS: Statement = const { Statement::new(
        "with replaced as materialized (
             select q.queue_id, r.new_event, r.new_series, exists (
                 select
                 from @calendar_sync_queue n
                 where n.connection_id = q.connection_id
                   and n.status = 'pending'
                   and (n.event_id = r.new_event or n.series_id = r.new_series)
             ) as waits
             from unnest($1, $2, $3, $4) r (old_event, old_series, new_event, new_series)
             join @calendar_sync_queue q on q.event_id = r.old_event or q.series_id = r.old_series
             where q.status = 'pending'
         ),
         needless as (
             delete from @calendar_sync_queue
             where queue_id in (select queue_id from replaced where waits)
         )
         update @calendar_sync_queue q
         set event_id = r.new_event, series_id = r.new_series
         from replaced r
         where q.queue_id = r.queue_id
           and not r.waits",
        &[pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static TOUCH: Statement = const { Statement::new(
        "update @calendar_event_links l
         set etag = r.etag
         from unnest($1, $2) r (link_id, etag)
         where l.link_id = r.link_id
           and l.etag is distinct from r.etag",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static ERROR: Statement = const { Statement::new(
        "update @calendar_event_links l
         set sync_status = case when l.sync_status = 'conflict' then l.sync_status else 'error' end,
             last_sync_error = r.error
         from unnest($1, $2) r (link_id, error)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static KEEP: Statement = const { Statement::new(
        "update @calendar_event_links l
         set conflict_data = r.conflict_data::jsonb,
             conflict_at = $3
         from unnest($1, $2) r (link_id, conflict_data)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    // Links of single occurrences, by which they are found when they are to be changed there.
    static NAME_OCCURRENCES: Statement = const { Statement::new(
        "insert into @calendar_event_links as l (connection_id, event_id, external_id, etag, sync_status, last_sync_at)
         select distinct on (e.event_id) $1, e.event_id, r.external_id, r.etag, 'synced', $2
         from unnest($3, $4, $5, $6) r (series_id, recurrence_id, external_id, etag)
         cross join lateral (
             select event_id
             from @calendar_events
             where series_id = r.series_id and recurrence_id = r.recurrence_id
             offset 0
         ) e
         where not exists (
             select
             from @calendar_event_links o
             where o.connection_id = $1
               and o.external_id = r.external_id
               and o.event_id is distinct from e.event_id
         )
         on conflict (event_id, connection_id) where event_id is not null
         do update set external_id = excluded.external_id, etag = excluded.etag
         where (l.external_id, l.etag) is distinct from (excluded.external_id, excluded.etag)",
        &[
            pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZARRAYOID,
            pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID,
        ],
    ) };
}

/// Moves links on.
pub fn move_on(installation: &Installation, moved: &[Moved], now: DateTime<Utc>) -> SqlResult<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let bases = moved.iter().map(|one| one.base.as_ref().map(base_json).transpose()).collect::<SqlResult<Vec<_>>>()?;
    within_scratch(|| {
        let given = [
            stamp(now).into(),
            column(moved, |one| uuid(one.link_id)),
            column(moved, |one| one.item.event().map(uuid)),
            column(moved, |one| one.item.series().map(uuid)),
            column(moved, |one| content::key(&one.external_id).into_owned()),
            column(moved, |one| one.etag.as_deref()),
            column(moved, |one| one.status),
            column(moved, |one| one.local_version.as_ref().map(Hash::as_slice)),
            column(moved, |one| one.remote_version.as_str()),
            bases.into(),
            column(moved, |one| one.conflict_data.as_ref().map(Value::to_string)),
        ];
        MOVE.with(|statement| statement.execute(installation, &given))
    })?;
    Ok(())
}

/// Items that have others in their place, (old, new): what is known of the old at any calendar is of the new.
pub fn replace(installation: &Installation, items: &[(ItemId, ItemId)]) -> SqlResult<()> {
    if items.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let given = || {
            [
                column(items, |(old, _)| old.event().map(uuid)),
                column(items, |(old, _)| old.series().map(uuid)),
                column(items, |(_, new)| new.event().map(uuid)),
                column(items, |(_, new)| new.series().map(uuid)),
            ]
        };
        REPLACE_LINKS.with(|statement| statement.execute(installation, &given()))?;
        REPLACE_OPERATIONS.with(|statement| statement.execute(installation, &given()))
    })?;
    Ok(())
}

/// Versions that say nothing new.
pub fn touch(installation: &Installation, etags: &[(Uuid, Option<String>)]) -> SqlResult<()> {
    TOUCH.with(|statement| {
        let ids: Vec<Uuid> = etags.iter().map(|(link, _)| *link).collect();
        execute_on(installation, statement, &ids, || vec![column(etags, |(_, etag)| etag.as_deref())])
    })?;
    Ok(())
}

/// What came from there could not be read, or not be stored.
pub fn mark_in_error(installation: &Installation, errors: &[(Uuid, &str)]) -> SqlResult<()> {
    ERROR.with(|statement| {
        let ids: Vec<Uuid> = errors.iter().map(|(link, _)| *link).collect();
        execute_on(installation, statement, &ids, || vec![column(errors, |(_, error)| *error)])
    })?;
    Ok(())
}

/// Keeps what conflicts were about.
pub fn keep_conflicts(installation: &Installation, links: &[(Link, Value)], now: DateTime<Utc>) -> SqlResult<()> {
    KEEP.with(|statement| {
        let ids: Vec<Uuid> = links.iter().map(|(link, _)| link.link_id).collect();
        execute_on(installation, statement, &ids, || {
            vec![column(links, |(_, data)| data.to_string()), stamp(now).into()]
        })
    })?;
    Ok(())
}

/// Gives the stored instances of series links of their own.
pub fn name_occurrences(
    installation: &Installation,
    connection: Uuid,
    named: &[Named],
    now: DateTime<Utc>,
) -> SqlResult<()> {
    if named.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let given = [
            uuid(connection).into(),
            stamp(now).into(),
            column(named, |one| uuid(one.series_id)),
            column(named, |one| stamp(one.recurrence_id)),
            column(named, |one| content::key(&one.external_id).into_owned()),
            column(named, |one| one.etag.as_deref()),
        ];
        NAME_OCCURRENCES.with(|statement| statement.execute(installation, &given))
    })?;
    Ok(())
}
