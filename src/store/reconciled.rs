//! What a pull of an account's calendar writes beside new items: events by their ids, links that moved on, operations that
//! have become needless or needed.

use calendar_sync_core::content::{self, Hash};
use calendar_sync_core::event::{Details, Timing};
use calendar_sync_core::merge::Base;
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use serde_json::Value;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::kind::{Kind, columns};
use super::links::{ItemId, Link};
use super::outside::execute_on;
use super::{Installation, Statement, details};
use crate::errors::{SqlResult, internal};

/// An event as it is to be from now on.
pub struct Row<'a> {
    pub event_id: Uuid,
    pub timing: &'a Timing,
    pub details: &'a Details,
    pub hash: Hash,
}

columns! {
    row: Row<'a>;
    "event_id" => uuid(row.event_id),
    "event_date" => stamp(row.timing.start),
    "event_end" => row.timing.end.map(stamp),
    "all_day" => row.timing.all_day,
    "time_zone" => row.timing.time_zone.as_deref(),
    "floating" => row.timing.floating,
    "content_hash" => row.hash.as_slice(),
}

const KIND: Kind = Kind {
    table: "calendar_events",
    id: "event_id",
    columns: COLUMNS,
    keys: &["event_id"],
    rows: "true",
    known: "",
    conflict: "",
};

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

/// An operation that waits, or is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub item: ItemId,
    pub is_delete: bool,
}

thread_local! {
    static WRITE: Statement = const { Statement::of_kind(write_text, &KIND) };
    static WRITE_OF_INTERACTION: Statement = const { Statement::of_kind(write_of_interaction_text, &KIND) };
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
    static WAITING: Statement = const { Statement::new(
        "select event_id, series_id, operation = 'delete'
         from @calendar_sync_queue
         where connection_id = $1
           and status in ('pending', 'processing')
           and (event_id = any ($2) or series_id = any ($3))",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static NEED: Statement = const { Statement::new(
        "insert into @calendar_sync_queue as q (operation, event_id, connection_id, priority, max_retries)
         select r.operation, r.event_id, $1, 10, $5
         from unnest($2, $3, $4) r (operation, event_id, series_id)
         where r.event_id is not null
         on conflict (event_id, connection_id) where event_id is not null and status = 'pending'
         do update set operation = excluded.operation, payload = null
         where q.operation <> excluded.operation",
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::INT4OID],
    ) };
    static NEED_SERIES: Statement = const { Statement::new(
        "insert into @calendar_sync_queue as q (operation, series_id, connection_id, priority, max_retries)
         select r.operation, r.series_id, $1, 10, $5
         from unnest($2, $3, $4) r (operation, event_id, series_id)
         where r.series_id is not null
         on conflict (series_id, connection_id) where series_id is not null and status = 'pending'
         do update set operation = excluded.operation, payload = null
         where q.operation <> excluded.operation",
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::INT4OID],
    ) };
    static DROP: Statement = const { Statement::new(
        "delete from @calendar_sync_queue
         where connection_id = $1
           and status = 'pending'
           and (event_id = any ($2) or series_id = any ($3))",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static ANEW: Statement = const { Statement::new(
        "update @calendar_event_links l
         set external_id = null,
             etag = null,
             base = null,
             local_version = null,
             remote_version = null,
             sync_status = 'pending',
             deleted_at = null,
             revision = l.revision + 1,
             conflict_data = r.conflict_data::jsonb,
             conflict_at = $3
         from unnest($1, $2) r (link_id, conflict_data)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static REMEMBER: Statement = const { Statement::new(
        "update @calendar_connections
         set cursor = $2,
             time_zone = coalesce(time_zone, $3)
         where connection_id = $1
           and (cursor, time_zone) is distinct from ($2, coalesce(time_zone, $3))",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static WAS_INTERACTION: Statement = const { Statement::new(
        "select exists (
             select
             from @calendar_sync_log
             where event_id = $1
               and action = 'delete'
               and interaction_id is not null
         )",
        &[pg_sys::UUIDOID],
    ) };
}

/// The columns of an interaction's event that are not the CRM's.
const NOT_OF_CRM: [&str; 8] =
    ["show_as", "sensitivity", "organizer", "attendees", "importance", "categories", "conversation_id", "last_updated"];

fn write_text(kind: &Kind) -> String {
    update_text(kind, ", sync_status = 'synced'", |column| column != kind.id)
}

fn write_of_interaction_text(kind: &Kind) -> String {
    update_text(kind, "", |column| NOT_OF_CRM.contains(&column))
}

fn update_text(kind: &Kind, also: &str, is_written: impl Fn(&str) -> bool) -> String {
    let columns = || kind.columns.iter().chain(details::COLUMNS);
    let names: Vec<&str> = columns().map(|column| column.name).collect();
    let arrays: Vec<String> = (0..names.len()).map(|place| format!("${}", place + 2)).collect();
    let changes: Vec<String> = columns()
        .filter(|column| is_written(column.name))
        .map(|column| {
            let own = || format!("r.{}", column.name);
            format!("{} = {}", column.name, column.value.map_or_else(own, str::to_owned))
        })
        .collect();
    format!(
        "update @calendar_events t
         set {}{also}, last_synced_at = $1, changed_at = $1, updated_at = $1
         from unnest({}) as r ({})
         where t.event_id = r.event_id",
        changes.join(", "),
        arrays.join(", "),
        names.join(", "),
    )
}

/// Writes events that are there, whatever their origin; what was deleted is there again. `of_interactions`: only what is
/// not the CRM's.
pub fn write(installation: &Installation, rows: &[Row], of_interactions: bool, now: DateTime<Utc>) -> SqlResult<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = if of_interactions { &WRITE_OF_INTERACTION } else { &WRITE };
    let all: Vec<&Details> = rows.iter().map(|row| row.details).collect();
    within_scratch(|| {
        let mut given = vec![stamp(now).into()];
        given.extend(arguments(rows));
        given.extend(details::arguments(&all));
        statement.with(|statement| statement.execute(installation, &given))
    })
}

/// Moves links on.
pub fn move_on(installation: &Installation, moved: &[Moved], now: DateTime<Utc>) -> SqlResult<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let json = |base: &Base| serde_json::to_string(base).map_err(internal);
    let bases = moved.iter().map(|one| one.base.as_ref().map(json).transpose()).collect::<SqlResult<Vec<_>>>()?;
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

/// An occurrence of a series that has an identifier of its own there.
pub struct Named {
    pub series_id: Uuid,
    pub recurrence_id: DateTime<Utc>,
    pub external_id: String,
    pub etag: Option<String>,
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

fn both(items: &[ItemId]) -> [Vec<pgrx::Uuid>; 2] {
    [ItemId::event, ItemId::series].map(|id| items.iter().copied().filter_map(id).map(uuid).collect())
}

/// The operations of these items that are not done yet.
pub fn waiting(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<Vec<Waiting>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let [events, series] = both(items);
        let given = [uuid(connection).into(), events.into(), series.into()];
        WAITING.with(|statement| {
            statement.rows(installation, &given, |columns| {
                Ok(Waiting { item: ItemId::of(columns.uuid()?, columns.uuid()?), is_delete: columns.flag()? })
            })
        })
    })
}

/// These are to be sent: 'create' or 'update'. What waits becomes that.
pub fn need(
    installation: &Installation,
    connection: Uuid,
    operations: &[(&'static str, ItemId)],
    max_retries: i32,
) -> SqlResult<()> {
    if operations.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let given = || {
            [
                uuid(connection).into(),
                column(operations, |(operation, _)| *operation),
                column(operations, |(_, item)| item.event().map(uuid)),
                column(operations, |(_, item)| item.series().map(uuid)),
                max_retries.into(),
            ]
        };
        NEED.with(|statement| statement.execute(installation, &given()))?;
        NEED_SERIES.with(|statement| statement.execute(installation, &given()))
    })?;
    Ok(())
}

/// Nothing of these is to be sent any more.
pub fn drop(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<()> {
    if items.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let [events, series] = both(items);
        let given = [uuid(connection).into(), events.into(), series.into()];
        DROP.with(|statement| statement.execute(installation, &given))
    })?;
    Ok(())
}

/// What these links stood for is there no more, and is to be created once more, as something new; each with what is kept
/// of the conflict.
pub fn anew(installation: &Installation, links: &[(Link, Value)], now: DateTime<Utc>) -> SqlResult<()> {
    ANEW.with(|statement| {
        let ids: Vec<Uuid> = links.iter().map(|(link, _)| link.link_id).collect();
        execute_on(installation, statement, &ids, || {
            vec![column(links, |(_, data)| data.to_string()), stamp(now).into()]
        })
    })?;
    Ok(())
}

/// Keeps what the next pull starts from.
pub fn remember(
    installation: &Installation,
    connection: Uuid,
    cursor: Option<&str>,
    time_zone: Option<&str>,
) -> SqlResult<()> {
    let given = [uuid(connection).into(), cursor.into(), time_zone.into()];
    REMEMBER.with(|statement| statement.execute(installation, &given))?;
    Ok(())
}

/// Whether an event that is here no more was an interaction's.
pub fn was_of_interaction(installation: &Installation, event: Uuid) -> SqlResult<bool> {
    let found = WAS_INTERACTION
        .with(|statement| statement.run(installation, &[uuid(event).into()], |rows| rows.first().get_one::<bool>()))?;
    Ok(found == Some(true))
}
