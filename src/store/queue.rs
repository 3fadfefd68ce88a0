//! calendar_sync_queue as it is filled, at the pace of those who change something: nothing is looked at where nothing is
//! sent anywhere, and what is new is queued without a question about what was.
//!
//! What is to become of an item, and where: see [`super::operations`]. Who sends works the same way: an operation is a hint
//! that its item and its link are to be looked at, and whether the item still belongs there ([`super::belonging`]). A 'create' whose
//! link has an external_id by then is an update, and the other way round; a 'delete' goes by its link, and by its payload
//! where that is gone.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::IntoDatum;
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{uuid, within_scratch};
use super::links::ItemId;
use super::operations::{self, Terms};
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

static WAKE: OnceLock<fn()> = OnceLock::new();

/// What is called in a transaction that has queued something.
pub fn when_queued(wake: fn()) {
    WAKE.get_or_init(|| wake);
}

thread_local! {
    static CREATIONS: Table = const {
        Table::new("calendar_sync_queue", &["queue_id", "operation", "event_id", "connection_id", "priority", "max_retries"])
    };
    static SENDERS: Statement = const { Statement::new(
        "select connection_id
         from @calendar_connections
         where account_id is not null
           and direction <> 'pull'
           and status <> 'removed'
         order by connection_id",
        &[],
    ) };
    // Those that somebody is at wait for another time.
    static NOT_COMPARED: Statement = const { Statement::new(
        "select connection_id
         from @calendar_connections
         where account_id is not null
           and direction <> 'pull'
           and status <> 'removed'
           and (compared_at is null or compared_at < now() - make_interval(secs => $1))
         order by compared_at nulls first, connection_id
         limit 1
         for update skip locked",
        &[pg_sys::FLOAT8OID],
    ) };
    static COMPARED: Statement = const { Statement::new(
        "update @calendar_connections set compared_at = clock_timestamp() where connection_id = $1",
        &[pg_sys::UUIDOID],
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
    // Their links say that something is still to be sent: by its time alone a change may be older than what was sent last.
    static DROP_PENDING: Statement = const { Statement::new(
        "with dropped as (
             delete from @calendar_sync_queue
             where connection_id = $1 and status = 'pending'
             returning event_id, series_id
         )
         update @calendar_event_links l
         set sync_status = 'pending'
         from dropped d
         where l.connection_id = $1
           and l.sync_status = 'synced'
           and (l.event_id = d.event_id or l.series_id = d.series_id)",
        &[pg_sys::UUIDOID],
    ) };
    static NOT_QUEUED: Statement = const { Statement::new(
        "insert into @calendar_sync_log (event_id, action, status, error_message, details)
         values ($1, 'queue', 'failed', $2, jsonb_build_object('sqlstate', $3, 'items', $4))",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::INT8OID],
    ) };
}

/// Queues events that were made just now, under new ids: nothing is linked or queued of them yet.
pub fn made(installation: &Installation, events: &[Uuid]) -> SqlResult<()> {
    if events.is_empty() || !senders::are_there(installation)? {
        return Ok(());
    }
    let terms = terms(events.len());
    let pairs = operations::creations(installation, events, terms.since)?;
    within_scratch(|| {
        CREATIONS.with(|queue| {
            queue.write(installation, |queue| {
                for (event, connection) in &pairs {
                    queue.insert(&[
                        raw::uuid(new_id()),
                        Some(raw::kept_text("create")),
                        raw::uuid(*event),
                        raw::uuid(*connection),
                        terms.priority.into_datum(),
                        terms.max_retries.into_datum(),
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
    wake_if(operations::after_change(installation, items, from, &terms(items.len()))?);
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
    let terms = Terms { priority: BACKFILL, ..terms(1) };
    wake_if(operations::to_be_as_here(installation, connection, again, &terms)?);
    compared(installation, connection)
}

/// That connection counts as compared ([`reconcile`]), until the next time is due.
pub fn compared(installation: &Installation, connection: Uuid) -> SqlResult<()> {
    COMPARED.with(|statement| statement.execute(installation, &[uuid(connection).into()]))?;
    Ok(())
}

/// Of the connections that changes are sent to the one that has gone without [`reconcile`] for longest, if for longer than
/// that. Its row is locked.
pub fn not_compared_for(installation: &Installation, age: Duration) -> SqlResult<Option<Uuid>> {
    let arguments = [age.as_secs_f64().into()];
    Ok(NOT_COMPARED.with(|statement| statement.first(installation, &arguments, Columns::uuid))?.flatten())
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
    KNOWN_OF_CONNECTION.with(|statement| statement.rows(installation, &[uuid(connection).into()], ItemId::read))
}

/// Nothing more is sent to that connection; what is on its way is.
pub fn drop_pending(installation: &Installation, connection: Uuid) -> SqlResult<()> {
    DROP_PENDING.with(|statement| statement.execute(installation, &[uuid(connection).into()]))?;
    Ok(())
}

/// Of so many changes at once.
fn terms(changes: usize) -> Terms {
    Terms {
        since: window(),
        priority: if changes > FEW { IN_BULK } else { ONE_BY_ONE },
        max_retries: settings::MAX_RETRIES.get(),
    }
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
