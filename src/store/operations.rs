//! What is to become of an item at the connections that changes are sent to, worked out in sets.
//!
//! An operation is worked out from how things stand after a change, never from the change itself: for every connection
//! that sends, an item that belongs there and one that is there already (its link) are compared. So it does not matter how
//! often, in what order or by whom a change is noted, and an operation that waits becomes what the newest state asks for.
//!
//! Rows of links are never written here: whoever sends must not wait for the end of somebody's transaction.

use chrono::{DateTime, Utc};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::belonging::belonging;
use super::comparison::operations;
use super::datum::{column, stamp, uuid, within_scratch};
use super::links::ItemId;
use super::planned_once::PlannedOnce;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// How often an operation may be taken by whoever sends while it is to be withdrawn.
const TRIES: usize = 3;
/// Changes that one plan is good for, see [`PlannedOnce`].
const FEW: usize = 100;

/// How operations are queued.
pub(super) struct Terms {
    /// What was over before then is not sent any more.
    pub since: DateTime<Utc>,
    pub priority: i32,
    pub max_retries: i32,
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
                 and not (operation = 'create' and exists (
                     select
                     from @calendar_event_links g
                     where g.", $id, " = pair.id
                       and g.connection_id = pair.connection_id
                       and g.let_go
                       and g.deleted_at >= pair.changed_at
                 ))
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

macro_rules! events_changed {
    () => {
        changed!(
            id: "event_id", table: "calendar_events", end: "coalesce(t.event_end, t.event_date)",
            single: "t.series_id is null"
        )
    };
}

macro_rules! series_changed {
    () => {
        changed!(id: "series_id", table: "calendar_series", end: "t.ends_at", single: "true")
    };
}

const CHANGED: &[pg_sys::Oid] =
    &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::UUIDARRAYOID];
const RECONCILED: &[pg_sys::Oid] =
    &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::BOOLOID];

thread_local! {
    // Nothing is linked or queued of what is new.
    static EVENTS_MADE: PlannedOnce = const { PlannedOnce::new(
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
    static FEW_EVENTS_CHANGED: PlannedOnce = const { PlannedOnce::new(events_changed!(), CHANGED) };
    static FEW_SERIES_CHANGED: PlannedOnce = const { PlannedOnce::new(series_changed!(), CHANGED) };
    // Many are joined in another way than few.
    static EVENTS_CHANGED: Statement = const { Statement::new(events_changed!(), CHANGED) };
    static SERIES_CHANGED: Statement = const { Statement::new(series_changed!(), CHANGED) };
    // The owner's events of the window, in two scans as the agenda has them, and what is linked or queued; also what was
    // deleted here while nothing was sent. An occurrence of a series that has a link of its own has never been agreed on by
    // itself.
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
                   select k.event_id
                   from @calendar_event_links k
                   left join @calendar_events e on e.event_id = k.event_id
                   where k.connection_id = $1
                     and e.series_id is null
                     and (e.event_id is not null or k.event_id is not null and k.base is not null)
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
                   select k.series_id
                   from @calendar_event_links k
                   where k.connection_id = $1
                     and k.series_id is not null
                   union
                   select series_id
                   from @calendar_sync_queue
                   where connection_id = $1
                     and status = 'pending'
                     and series_id is not null"
        ),
        RECONCILED,
    ) };
}

/// Of events that were made just now those that are to be created, each with the connection where.
pub(super) fn creations(
    installation: &Installation,
    events: &[Uuid],
    since: DateTime<Utc>,
) -> SqlResult<Vec<(Uuid, Uuid)>> {
    within_scratch(|| {
        let arguments = [column(events, |id| uuid(*id)), stamp(since).into()];
        let ids =
            |columns: &mut Columns| Ok((columns.uuid()?.unwrap_or_default(), columns.uuid()?.unwrap_or_default()));
        EVENTS_MADE.with(|statement| statement.rows(installation, &arguments, ids))
    })
}

/// Queues what these items have become, at all connections but the one that their change came `from`. Whether that is
/// anything.
pub(super) fn after_change(
    installation: &Installation,
    items: &[ItemId],
    from: Option<Uuid>,
    terms: &Terms,
) -> SqlResult<bool> {
    let mut queued = false;
    let [events, series] = ItemId::split(items);
    for (ids, few, many) in
        [(events, &FEW_EVENTS_CHANGED, &EVENTS_CHANGED), (series, &FEW_SERIES_CHANGED, &SERIES_CHANGED)]
    {
        if !ids.is_empty() {
            queued |= queue(|| {
                let arguments = terms.arguments(from, column(&ids, |id| uuid(*id)));
                if ids.len() <= FEW {
                    few.with(|statement| statement.first(installation, &arguments, outcome))
                } else {
                    many.with(|statement| statement.first(installation, &arguments, outcome))
                }
            })?;
        }
    }
    Ok(queued)
}

/// Queues what makes one connection's calendar hold what it is to hold. `again`: also what could not be sent before.
/// Whether that is anything.
pub(super) fn to_be_as_here(
    installation: &Installation,
    connection: Uuid,
    again: bool,
    terms: &Terms,
) -> SqlResult<bool> {
    let mut queued = false;
    for statement in [&EVENTS_RECONCILED, &SERIES_RECONCILED] {
        queued |= queue(|| {
            let arguments = terms.arguments(Some(connection), again.into());
            statement.with(|statement| statement.first(installation, &arguments, outcome))
        })?;
    }
    Ok(queued)
}

impl Terms {
    fn arguments<'a>(&self, connection: Option<Uuid>, last: DatumWithOid<'a>) -> [DatumWithOid<'a>; 5] {
        let Self { since, priority, max_retries } = *self;
        [connection.map(uuid).into(), stamp(since).into(), priority.into(), max_retries.into(), last]
    }
}

/// Whether anything was queued; whether something that was to be withdrawn could not be.
fn outcome(columns: &mut Columns) -> SpiResult<(bool, bool)> {
    Ok((columns.flag()?, columns.flag()?))
}

fn queue(mut attempt: impl FnMut() -> SqlResult<Option<(bool, bool)>>) -> SqlResult<bool> {
    let mut any = false;
    for _ in 0..TRIES {
        let (queued, missed) = within_scratch(&mut attempt)?.unwrap_or_default();
        any |= queued;
        // Who sends has taken it meanwhile: now it is to be followed by another.
        if !missed {
            break;
        }
    }
    Ok(any)
}
