//! calendar_sync_queue as it is filled: what changed here, and where it is to go.
//!
//! An operation is worked out from how things stand after a change, never from the change itself: for every connection
//! that sends, an item that belongs there and one that is there already (its link) are compared. So it does not matter how
//! often, in what order or by whom a change is noted, and an operation that waits becomes what the newest state asks for.
//!
//! Who sends works the same way: an operation is a hint that its item and its link are to be looked at, and whether the item
//! still belongs there ([`belonging`]). A 'create' whose link has an external_id by then is an update, and the other way
//! round; a 'delete' goes by its link, and by its payload where that is gone.
//!
//! Rows of links are never written here: whoever sends must not wait for the end of somebody's transaction.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::thread::LocalKey;

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::IntoDatum;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::links::ItemId;
use super::rows::Columns;
use super::{Failure, Installation, Statement, Table, new_id, raw, senders};
use crate::errors::SqlResult;
use crate::settings;

/// Priority of a change that somebody made, of many made at once, and of what is sent since its calendar is new: none keeps
/// those before it waiting.
const ONE_BY_ONE: i32 = 10;
const IN_BULK: i32 = 5;
const BACKFILL: i32 = 0;
/// More changes than this at once are bulk.
const FEW: usize = 100;
/// How often an operation may be taken by whoever sends while it is to be withdrawn.
const TRIES: usize = 3;

static WAKE: OnceLock<fn()> = OnceLock::new();

/// What is called in a transaction that has queued something.
pub fn when_queued(wake: fn()) {
    WAKE.get_or_init(|| wake);
}

/// The items `i.id` that belong to the calendar of a connection that changes are sent to: as `t` and `c`.
///
/// What came from a connection belongs there whatever its filter says, and elsewhere only where that is asked for. Each item
/// is looked up in the index, whatever the planner knows of the table.
#[rustfmt::skip]
macro_rules! belonging {
    (id: $id:literal, table: $table:literal, single: $single:literal, lives: $lives:literal, item: $item:literal) => {
        concat!(
            "from (
                 select t.*
                 from ", $item, "
                 cross join lateral (select * from @", $table, " where ", $id, " = i.id offset 0) t
                 offset 0
             ) t
             join @calendar_connections c on (c.user_id collate \"C\") = t.user_id
             where t.sync_status <> 'deleted'
               and ", $lives, "
               and ", $single, "
               and c.account_id is not null
               and c.direction <> 'pull'
               and c.status <> 'removed'
               and (
                   t.connection_id is null
                   or t.connection_id = c.connection_id
                   or exists (
                       select
                       from @calendar_connections origin
                       where origin.connection_id = t.connection_id
                         and c.options -> 'mirror_from' ? origin.name
                   )
               )
               and (
                   c.filter = '{}'
                   or t.connection_id = c.connection_id
                   or (c.filter -> 'event_type' is null or c.filter -> 'event_type' ? t.event_type)
                      and (c.filter -> 'external_source' is null
                          or c.filter -> 'external_source' ? coalesce(t.external_source, t.synced_from))
                      and (c.filter -> 'categories' is null or to_jsonb(t.categories) @> (c.filter -> 'categories'))
                      and (c.filter -> 'metadata' is null or t.metadata @> (c.filter -> 'metadata'))
               )"
        )
    };
}

/// What is to become of items of one kind at the connections that they concern.
///
/// `$1` a connection, `$2` start of the window, `$3` priority, `$4` max_retries. `item`: the items. `lives`: it takes place.
/// `which`: the connections that are meant, as a condition on connection_id. What came from a connection is never new there.
macro_rules! operations {
    (
        id: $id:literal, table: $table:literal, end: $end:literal, single: $single:literal,
        lives: $lives:literal, which: $which:literal, item: $item:literal, noted: $noted:expr, joins: $joins:literal
    ) => {
        concat!(
            "with item (id) as materialized (", $item, "),
             wanted as materialized (
                 select t.", $id, " as id, c.connection_id, t.changed_at,
                     ", $end, " > $2 and t.connection_id is distinct from c.connection_id as may_be_new
                 ", belonging!(id: $id, table: $table, single: $single, lives: $lives, item: "item i"), "
                   and c.connection_id ", $which, "
             ),
             linked as materialized (
                 select l.id, l.connection_id, l.external_id, l.etag, l.external_id is not null as is_there, l.last_sync_at,
                     l.sync_status in ('error', 'conflict') as is_troubled
                 from (
                     select i.id, l.*
                     from item i
                     cross join lateral (
                         select connection_id, external_id, etag, last_sync_at, sync_status
                         from @calendar_event_links
                         where ", $id, " = i.id and sync_status <> 'deleted'
                         offset 0
                     ) l
                     offset 0
                 ) l
                 join @calendar_connections c on c.connection_id = l.connection_id
                 where c.account_id is not null
                   and c.direction <> 'pull'
                   and c.status <> 'removed'
                   and c.connection_id ", $which, "
                 union all
                 select i.id, q.connection_id, null, null, true, null, false
                 from @calendar_sync_queue q
                 join item i on i.id = q.", $id, "
                 where q.status = 'processing'
                   and q.connection_id ", $which, "
                   and not exists (
                       select
                       from @calendar_event_links l
                       where l.", $id, " = q.", $id, "
                         and l.connection_id = q.connection_id
                         and l.sync_status <> 'deleted'
                   )
             ),
             pair as materialized (
                 select coalesce(w.id, l.id) as id, coalesce(w.connection_id, l.connection_id) as connection_id,
                     case when w.id is null then 'delete' when l.is_there then 'update' else 'create' end as operation,
                     case
                         when w.id is null then jsonb_build_object('external_id', l.external_id, 'etag', l.etag)
                     end as payload,
                     w.changed_at > l.last_sync_at as is_newer, coalesce(l.is_troubled, false) as is_troubled
                 from wanted w
                 full join linked l on l.id = w.id and l.connection_id = w.connection_id
                 where l.id is not null or w.may_be_new
             ),
             obsolete as materialized (
                 select q.queue_id
                 from item i
                 cross join lateral (
                     select * from @calendar_sync_queue where ", $id, " = i.id and status = 'pending' offset 0
                 ) q
                 where q.connection_id ", $which, "
                   and (i.id, q.connection_id) not in (select id, connection_id from pair)
             ),
             withdrawn as (
                 delete from @calendar_sync_queue
                 where queue_id = any (array(select queue_id from obsolete)) and status = 'pending'
                 returning 1
             ),
             queued as (
                 insert into @calendar_sync_queue as q (operation, ", $id, ", connection_id, payload, priority, max_retries)
                 select operation, id, connection_id, payload, $3, $4
                 from pair
                 where ", $noted, "
                 order by id, connection_id
                 on conflict (", $id, ", connection_id) where ", $id, " is not null and status = 'pending'
                 do update ", $joins, "
                 returning 1
             )
             select (select count(*) from queued) > 0,
                 (select count(*) from obsolete) > (select count(*) from withdrawn)"
        )
    };
}

/// After a change of `$5`: at all connections but the one that it came from.
macro_rules! changed {
    (id: $id:literal, table: $table:literal, end: $end:literal, single: $single:literal) => {
        operations!(
            id: $id, table: $table, end: $end, single: $single,
            lives: "t.event_status <> 'cancelled'",
            which: "is distinct from $1",
            item: "select distinct id from unnest($5) u (id)",
            noted: "true",
            // Another change is another reason to try.
            // What may have been created there, and under which identifier, is known by what was about to be sent alone.
            joins: "set operation = excluded.operation,
                        payload = case
                            when excluded.operation = 'delete' and excluded.payload ->> 'external_id' is null
                                then coalesce(q.payload, excluded.payload)
                            else excluded.payload
                        end,
                        priority = greatest(q.priority, excluded.priority),
                        retry_count = 0,
                        max_retries = excluded.max_retries,
                        last_error = null,
                        scheduled_for = excluded.scheduled_for"
        )
    };
}

/// At one connection; `$5`: also what could not be sent before.
macro_rules! reconciled {
    (id: $id:literal, table: $table:literal, end: $end:literal, single: $single:literal, item: $item:literal) => {
        operations!(
            id: $id, table: $table, end: $end, single: $single,
            // What was cancelled where it came from is there, as cancelled.
            lives: "(t.event_status <> 'cancelled' or t.connection_id = c.connection_id)",
            which: "= $1",
            item: $item,
            // What is on its way says by itself what came of it.
            noted: concat!(
                "(operation <> 'update' or is_newer)
                 and (not is_troubled or $5)
                 and id not in (
                     select ", $id, "
                     from @calendar_sync_queue
                     where connection_id = $1 and status = 'processing' and ", $id, " is not null
                 )"
            ),
            joins: "set operation = excluded.operation, payload = excluded.payload
                    where q.operation <> excluded.operation"
        )
    };
}

const CHANGED: &[pg_sys::Oid] =
    &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::UUIDARRAYOID];
const RECONCILED: &[pg_sys::Oid] =
    &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::BOOLOID];

/// Of the items `$2` those that belong to the calendar of the connection `$1`, as far as its filter and its owner go.
macro_rules! of_connection {
    (id: $id:literal, table: $table:literal, single: $single:literal) => {
        concat!(
            "select t.",
            $id,
            " ",
            belonging!(id: $id, table: $table, single: $single, lives: "true", item: "unnest($2) i (id)"),
            " and c.connection_id = $1"
        )
    };
}

thread_local! {
    static EVENTS_BELONGING: Statement = const { Statement::new(
        of_connection!(id: "event_id", table: "calendar_events", single: "t.series_id is null"),
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID],
    ) };
    static SERIES_BELONGING: Statement = const { Statement::new(
        of_connection!(id: "series_id", table: "calendar_series", single: "true"),
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID],
    ) };
    // Nothing is linked or queued of what is new.
    static EVENTS_MADE: Statement = const { Statement::new(
        concat!(
            "select t.event_id, c.connection_id ",
            belonging!(
                id: "event_id", table: "calendar_events", single: "t.series_id is null",
                lives: "t.event_status <> 'cancelled'", item: "unnest($1) i (id)"
            ),
            " and coalesce(t.event_end, t.event_date) > $2"
        ),
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static CREATIONS: Table = const {
        Table::new("calendar_sync_queue", &["queue_id", "operation", "event_id", "connection_id", "priority", "max_retries"])
    };
    static EVENTS_CHANGED: Statement = const { Statement::new(
        changed!(
            id: "event_id", table: "calendar_events", end: "coalesce(t.event_end, t.event_date)",
            single: "t.series_id is null"
        ),
        CHANGED,
    ) };
    static SERIES_CHANGED: Statement = const { Statement::new(
        changed!(id: "series_id", table: "calendar_series", end: "t.ends_at", single: "true"),
        CHANGED,
    ) };
    // The owner's events of the window, in two scans as the agenda has them, and what is linked or queued. A link of what is
    // here no more says nothing: what becomes of it was settled when that went.
    static EVENTS_RECONCILED: Statement = const { Statement::new(
        reconciled!(
            id: "event_id", table: "calendar_events", end: "coalesce(t.event_end, t.event_date)",
            single: "t.series_id is null",
            item: "select e.event_id
                   from @calendar_connections o
                   join @calendar_events e on e.user_id = (o.user_id collate \"C\")
                   where o.connection_id = $1
                     and e.event_date > $2 - interval '24 hours'
                     and e.series_id is null
                   union
                   select e.event_id
                   from @calendar_connections o
                   join @calendar_events e on e.user_id = (o.user_id collate \"C\")
                   where o.connection_id = $1
                     and e.event_end > $2
                     and e.event_end - e.event_date > interval '24 hours'
                     and e.series_id is null
                   union
                   select e.event_id
                   from @calendar_event_links k
                   join @calendar_events e on e.event_id = k.event_id
                   where k.connection_id = $1
                     and e.series_id is null
                   union
                   select event_id
                   from @calendar_sync_queue
                   where connection_id = $1
                     and status = 'pending'
                     and event_id is not null"
        ),
        RECONCILED,
    ) };
    static SERIES_RECONCILED: Statement = const { Statement::new(
        reconciled!(
            id: "series_id", table: "calendar_series", end: "t.ends_at", single: "true",
            item: "select s.series_id
                   from @calendar_connections o
                   join @calendar_series s on s.user_id = (o.user_id collate \"C\")
                   where o.connection_id = $1
                     and s.ends_at > $2
                   union
                   select s.series_id
                   from @calendar_event_links k
                   join @calendar_series s on s.series_id = k.series_id
                   where k.connection_id = $1
                   union
                   select series_id
                   from @calendar_sync_queue
                   where connection_id = $1
                     and status = 'pending'
                     and series_id is not null"
        ),
        RECONCILED,
    ) };
    static SENDERS: Statement = const { Statement::new(
        "select connection_id
         from @calendar_connections
         where account_id is not null
           and direction <> 'pull'
           and status <> 'removed'
         order by connection_id",
        &[],
    ) };
    // Instances of series go with these.
    static KNOWN_EVENTS: Statement = const { Statement::new(
        "select k.event_id
         from (
             select event_id from @calendar_event_links where sync_status <> 'deleted'
             union
             select event_id from @calendar_sync_queue where status in ('pending', 'processing')
         ) k
         join @calendar_events e on e.event_id = k.event_id
         where e.series_id is null
           and ($1 is null or e.related_table = $1)",
        &[pg_sys::TEXTOID],
    ) };
    // What other calendars have of what came from one.
    static KNOWN_OF_CONNECTION: Statement = const { Statement::new(
        "select k.event_id, k.series_id
         from (
             select event_id, series_id
             from @calendar_event_links
             where sync_status <> 'deleted' and connection_id <> $1
             union
             select event_id, series_id
             from @calendar_sync_queue
             where status in ('pending', 'processing') and connection_id <> $1
         ) k
         left join @calendar_events e on e.event_id = k.event_id
         left join @calendar_series s on s.series_id = k.series_id
         where coalesce(e.connection_id, s.connection_id) = $1
           and e.series_id is null",
        &[pg_sys::UUIDOID],
    ) };
    static DROP_PENDING: Statement = const { Statement::new(
        "delete from @calendar_sync_queue where connection_id = $1 and status = 'pending'",
        &[pg_sys::UUIDOID],
    ) };
    static NOT_QUEUED: Statement = const { Statement::new(
        "insert into @calendar_sync_log (event_id, action, status, error_message, details)
         values ($1, 'queue', 'failed', $2, jsonb_build_object('sqlstate', $3, 'items', $4))",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::INT8OID],
    ) };
}

/// Queues events that were made just now, under new ids.
pub fn made(installation: &Installation, events: &[Uuid]) -> SqlResult<()> {
    if events.is_empty() || !senders::are_there(installation)? {
        return Ok(());
    }
    let pairs = within_scratch(|| {
        let arguments = [column(events, |id| uuid(*id)), stamp(window()).into()];
        let ids =
            |columns: &mut Columns| Ok((columns.uuid()?.unwrap_or_default(), columns.uuid()?.unwrap_or_default()));
        EVENTS_MADE.with(|statement| statement.rows(installation, &arguments, ids))
    })?;
    within_scratch(|| {
        CREATIONS.with(|queue| {
            queue.write(installation, |queue| {
                for (event, connection) in &pairs {
                    queue.insert(&[
                        raw::uuid(new_id()),
                        Some(raw::kept_text("create")),
                        raw::uuid(*event),
                        raw::uuid(*connection),
                        priority(events.len()).into_datum(),
                        settings::MAX_RETRIES.get().into_datum(),
                    ]);
                }
                Ok(())
            })
        })
    })?;
    wake_if(!pairs.is_empty());
    Ok(())
}

/// Queues what these items have become, made, changed or deleted, for every connection that it concerns.
///
/// `from`: the connection that a change was pulled from; it is not sent back there.
pub fn changed(installation: &Installation, items: &[ItemId], from: Option<Uuid>) -> SqlResult<()> {
    if items.is_empty() || !senders::are_there(installation)? {
        return Ok(());
    }
    for (statement, id) in [(&EVENTS_CHANGED, ItemId::event as fn(ItemId) -> _), (&SERIES_CHANGED, ItemId::series)] {
        let ids: Vec<Uuid> = items.iter().copied().filter_map(id).collect();
        if !ids.is_empty() {
            queue(installation, statement, from, priority(items.len()), || column(&ids, |id| uuid(*id)))?;
        }
    }
    Ok(())
}

/// Queues what makes one connection's calendar hold what it is to hold: all that is upcoming or lately over and passes its
/// filter, and nothing else of what was sent there. To be called whenever that may have changed: the connection is new, or
/// its direction, filter or options are; and now and then, for changes that no trigger has seen.
///
/// `again`: also what the provider has refused before.
pub fn reconcile(installation: &Installation, connection: Uuid, again: bool) -> SqlResult<()> {
    if !senders::are_there(installation)? {
        return Ok(());
    }
    for statement in [&EVENTS_RECONCILED, &SERIES_RECONCILED] {
        queue(installation, statement, Some(connection), BACKFILL, || again.into())?;
    }
    Ok(())
}

/// Those of these items that belong to a connection's calendar; what else is there of them is to be deleted there.
pub fn belonging(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<HashSet<ItemId>> {
    let mut found = HashSet::with_capacity(items.len());
    let mut take = |statement: &'static LocalKey<Statement>, ids: Vec<Uuid>, item: fn(Uuid) -> ItemId| {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = within_scratch(|| {
            let arguments = [uuid(connection).into(), column(&ids, |id| uuid(*id))];
            statement.with(|statement| statement.rows(installation, &arguments, Columns::uuid))
        })?;
        found.extend(rows.into_iter().flatten().map(item));
        Ok(())
    };
    take(&EVENTS_BELONGING, items.iter().copied().filter_map(ItemId::event).collect(), ItemId::Event)?;
    take(&SERIES_BELONGING, items.iter().copied().filter_map(ItemId::series).collect(), ItemId::Series)?;
    Ok(found)
}

/// The connections that changes are sent to.
pub fn senders(installation: &Installation) -> SqlResult<Vec<Uuid>> {
    let ids = SENDERS.with(|statement| statement.rows(installation, &[], Columns::uuid))?;
    Ok(ids.into_iter().flatten().collect())
}

/// The events of an attached table, or all, that anything is known of elsewhere.
pub fn known_events(installation: &Installation, related_table: Option<&str>) -> SqlResult<Vec<ItemId>> {
    let ids = KNOWN_EVENTS.with(|statement| statement.rows(installation, &[related_table.into()], Columns::uuid))?;
    Ok(ids.into_iter().flatten().map(ItemId::Event).collect())
}

/// What came from a connection and is known of at others.
pub fn known_of_connection(installation: &Installation, connection: Uuid) -> SqlResult<Vec<ItemId>> {
    let item = |columns: &mut Columns| Ok(ItemId::of(columns.uuid()?, columns.uuid()?));
    KNOWN_OF_CONNECTION.with(|statement| statement.rows(installation, &[uuid(connection).into()], item))
}

/// Nothing more is sent to that connection; what is on its way is.
pub fn drop_pending(installation: &Installation, connection: Uuid) -> SqlResult<u64> {
    DROP_PENDING.with(|statement| statement.execute(installation, &[uuid(connection).into()]))
}

fn queue<'a>(
    installation: &Installation,
    statement: &'static LocalKey<Statement>,
    connection: Option<Uuid>,
    priority: i32,
    last: impl Fn() -> DatumWithOid<'a>,
) -> SqlResult<()> {
    for _ in 0..TRIES {
        let (queued, missed) = within_scratch(|| {
            let arguments = [
                connection.map(uuid).into(),
                stamp(window()).into(),
                priority.into(),
                settings::MAX_RETRIES.get().into(),
                last(),
            ];
            let found = statement.with(|statement| {
                statement.first(installation, &arguments, |columns| Ok((columns.flag()?, columns.flag()?)))
            })?;
            Ok::<_, pgrx::pg_sys::panic::ErrorReport>(found.unwrap_or_default())
        })?;
        wake_if(queued);
        // Who sends has taken it meanwhile: now it is to be followed by another.
        if !missed {
            break;
        }
    }
    Ok(())
}

/// Of so many changes at once.
const fn priority(changes: usize) -> i32 {
    if changes > FEW { IN_BULK } else { ONE_BY_ONE }
}

/// What was over before then is not sent any more.
fn window() -> DateTime<Utc> {
    // SAFETY: within a transaction.
    let micros = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    let now = pgrx::datum::TimestampWithTimeZone::try_from(micros).map_or(DateTime::<Utc>::MIN_UTC, super::instant);
    now - TimeDelta::seconds(i64::from(settings::SYNC_WINDOW.get()))
}

fn wake_if(queued: bool) {
    if queued && let Some(wake) = WAKE.get() {
        wake();
    }
}

/// Notes in the log that changes of these items could not be queued.
pub fn note_failure(installation: &Installation, items: &[ItemId], failure: &Failure) -> SqlResult<()> {
    let event = items.iter().copied().find_map(ItemId::event);
    let arguments = [
        event.map(uuid).into(),
        failure.message.as_str().into(),
        failure.sqlstate.as_str().into(),
        (items.len() as i64).into(),
    ];
    NOT_QUEUED.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}
