//! calendar_sync_queue as it is emptied. How it is filled: see [`super::queue`].

use std::time::Duration;

use calendar_sync_core::content;
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::connections::Connection;
use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::outside::{execute_on, find};
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// An operation that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    pub queue_id: Uuid,
    pub operation: Operation,
    pub item: ItemId,
    /// See [`Intent`]; of a delete what is needed when the item is here no more.
    pub payload: Option<Value>,
    pub retries: i32,
    pub max_retries: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    fn named(word: &str) -> Self {
        match word {
            "create" => Self::Create,
            "delete" => Self::Delete,
            _ => Self::Update,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What is about to be sent of an item that is not there yet: noted before it is, for the case that nobody is there to hear
/// what came of it and the item is gone here by then.
pub struct Intent {
    pub queue_id: Uuid,
    pub item: ItemId,
    pub payload: Map<String, Value>,
}

/// A try that failed.
pub struct Missed {
    pub queue_id: Uuid,
    pub error: Option<String>,
    /// It counts as one of the tries that it has.
    pub counts: bool,
    pub again_in: Duration,
    /// What it is from now on; `None`: as before.
    pub operation: Option<Operation>,
}

/// An operation that will not be tried again by itself.
pub struct Dead {
    pub queue_id: Uuid,
    pub item: ItemId,
    pub error: String,
}

/// A line of the log about what was sent to one connection.
#[derive(Debug, Default)]
pub struct PushLog {
    /// What it is about, where it is about one item.
    pub item: Option<ItemId>,
    /// 'success', 'retry' or 'failed'.
    pub status: &'static str,
    pub error: Option<String>,
    /// created, updated, deleted, unchanged
    pub counts: Option<[i32; 4]>,
    pub details: Option<Value>,
    pub duration: Duration,
}

thread_local! {
    // Of an item's operations one at a time: what was under way first, then what was changed since.
    static TAKE: Statement = const { Statement::new(
        "with chosen as (
             select p.queue_id, p.status = 'processing' was_under_way, p.priority, p.scheduled_for
             from @calendar_sync_queue p
             where p.connection_id = $1
               and p.status = 'processing'
             union all
             select *
             from (
                 select q.queue_id, false, q.priority, q.scheduled_for
                 from @calendar_sync_queue q
                 where q.connection_id = $1
                   and q.status = 'pending'
                   and q.scheduled_for <= clock_timestamp()
                   and not exists (
                       select
                       from @calendar_sync_queue p
                       where p.connection_id = $1
                         and p.status = 'processing'
                         and (p.event_id = q.event_id or p.series_id = q.series_id)
                   )
                 order by q.priority desc, q.scheduled_for
                 limit $2
                 for update skip locked
             ) due
         ),
         taken as (
             update @calendar_sync_queue q
             set status = 'processing'
             where q.queue_id = any (array(select queue_id from chosen))
             returning q.queue_id, q.operation, q.event_id, q.series_id, q.payload::text, q.retry_count, q.max_retries,
                 q.queue_id = any (array(select queue_id from chosen where was_under_way)) as was_under_way,
                 q.priority, q.scheduled_for
         )
         select *
         from taken
         order by was_under_way desc, priority desc, scheduled_for, queue_id",
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    static SERIES_OF: Statement = const { Statement::new(
        "select event_id, series_id from @calendar_events where event_id = any ($1) and series_id is not null",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static INTEND: Statement = const { Statement::new(
        "update @calendar_sync_queue q
         set payload = r.payload::jsonb
         from unnest($1, $2) r (queue_id, payload)
         where q.queue_id = r.queue_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static LINK: Statement = const { Statement::new(
        "insert into @calendar_event_links (connection_id, event_id, series_id)
         select $1, r.event_id, r.series_id
         from unnest($2, $3) r (event_id, series_id)
         on conflict do nothing",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static COMPLETE: Statement = const { Statement::new(
        "update @calendar_sync_queue
         set status = 'completed', processed_at = clock_timestamp(), last_error = null
         where queue_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    // Where the item was changed again meanwhile, that change goes in its place; where it was deleted, with the intent.
    static PUT_BACK: Statement = const { Statement::new(
        "with missed as (
             delete from @calendar_sync_queue q
             using unnest($1, $2, $3, $4, $5) r (queue_id, error, counts, again_in, operation)
             where q.queue_id = r.queue_id
             returning q.*, r.error, r.counts, r.again_in, coalesce(r.operation, q.operation) next_operation
         ),
         deletes as (
             update @calendar_sync_queue p
             set payload = m.payload
             from missed m
             where p.connection_id = m.connection_id
               and (p.event_id = m.event_id or p.series_id = m.series_id)
               and p.status = 'pending'
               and p.operation = 'delete'
               and p.payload ->> 'external_id' is null
               and m.payload is not null
         )
         insert into @calendar_sync_queue (queue_id, operation, event_id, series_id, connection_id, payload, status, priority,
             retry_count, max_retries, last_error, scheduled_for, created_at)
         select queue_id, next_operation, event_id, series_id, connection_id, payload, 'pending', priority,
             retry_count + counts::int, max_retries, coalesce(error, last_error),
             clock_timestamp() + make_interval(secs => again_in), created_at
         from missed
         on conflict do nothing",
        &[
            pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BOOLARRAYOID, pg_sys::FLOAT8ARRAYOID, pg_sys::TEXTARRAYOID,
        ],
    ) };
    static BURY: Statement = const { Statement::new(
        "update @calendar_sync_queue q
         set status = 'failed', processed_at = clock_timestamp(), last_error = r.error
         from unnest($1, $2) r (queue_id, error)
         where q.queue_id = r.queue_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static MARK_LINKS: Statement = const { Statement::new(
        "update @calendar_event_links l
         set sync_status = case when $5 and l.sync_status <> 'conflict' then 'error' else l.sync_status end,
             last_sync_error = r.error,
             retry_count = l.retry_count + 1
         from unnest($2, $3, $4) r (event_id, series_id, error)
         where l.connection_id = $1
           and (l.event_id = r.event_id or l.series_id = r.series_id)",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BOOLOID],
    ) };
    static ANEW: Statement = const { Statement::new(
        "update @calendar_event_links
         set external_id = null,
             etag = null,
             base = null,
             local_version = null,
             remote_version = null,
             sync_status = 'pending',
             deleted_at = null,
             is_unseen = false,
             revision = revision + 1
         where link_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static STATUS: Statement = const { Statement::new(
        "select c.user_id, q.status
         from @calendar_sync_queue q
             join @calendar_connections c using (connection_id)
         where q.queue_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    // Where the item was changed again meanwhile, that change is tried instead.
    static RETRY: Statement = const { Statement::new(
        "with again as (
             delete from @calendar_sync_queue
             where queue_id = $1
               and status in ('failed', 'pending')
             returning *
         )
         insert into @calendar_sync_queue
             (queue_id, operation, event_id, series_id, connection_id, payload, priority, max_retries, created_at)
         select queue_id, operation, event_id, series_id, connection_id, payload, priority, max_retries, created_at
         from again
         on conflict do nothing",
        &[pg_sys::UUIDOID],
    ) };
    static FOUND: Statement = const { Statement::new(
        "update @calendar_event_links l
         set external_id = r.external_id, etag = r.etag
         from unnest($1, $2, $3) r (link_id, external_id, etag)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static SENT: Statement = const { Statement::new(
        "update @calendar_connections
         set leased_until = null,
             lease_generation = lease_generation + 1,
             consecutive_failures = 0,
             last_error = null,
             status = case when status = 'error' and held_back is null then 'active' else status end,
             last_synced_at = case when direction = 'push' then clock_timestamp() else last_synced_at end,
             next_poll_at = case
                 when $2 then clock_timestamp()
                 when direction = 'push' then null
                 else next_poll_at
             end
         where connection_id = $1",
        &[pg_sys::UUIDOID, pg_sys::BOOLOID],
    ) };
    static LOG: Statement = const { Statement::new(
        "insert into @calendar_sync_log (connection_id, provider, user_id, event_id, action, status, error_message, details,
             created, updated, deleted, unchanged, duration_ms)
         values ($1, $2, $3, $4, 'push', $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
            pg_sys::JSONBOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID,
        ],
    ) };
}

/// Takes due operations of a connection that the caller has to itself, in the order in which they are to be sent.
pub fn take(installation: &Installation, connection: Uuid, limit: usize) -> SqlResult<Vec<Taken>> {
    let arguments = [uuid(connection).into(), (limit as i64).into()];
    within_scratch(|| TAKE.with(|statement| statement.rows(installation, &arguments, read)))
}

fn read(columns: &mut Columns) -> SpiResult<Taken> {
    Ok(Taken {
        queue_id: columns.uuid()?.unwrap_or_default(),
        operation: Operation::named(&columns.word()?),
        item: ItemId::of(columns.uuid()?, columns.uuid()?),
        payload: columns.json()?,
        retries: columns.int()?.unwrap_or_default(),
        max_retries: columns.int()?.unwrap_or_default(),
    })
}

/// Those of these events that are occurrences of a series, with that.
pub fn series_of(installation: &Installation, events: &[Uuid]) -> SqlResult<Vec<(Uuid, Uuid)>> {
    let read = |columns: &mut Columns| Ok((columns.uuid()?.unwrap_or_default(), columns.uuid()?.unwrap_or_default()));
    find(installation, &SERIES_OF, events, read)
}

/// Makes links of items that have none yet.
pub fn link(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<()> {
    if items.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(items, |item| item.event().map(uuid)),
            column(items, |item| item.series().map(uuid)),
        ];
        LINK.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Notes what is about to be created; makes the items' links, which say how often that was done before.
pub fn intend(installation: &Installation, connection: Uuid, intents: &[Intent]) -> SqlResult<()> {
    if intents.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let payloads = intents.iter().map(|one| Value::Object(one.payload.clone()).to_string());
        let arguments = [column(intents, |one| uuid(one.queue_id)), payloads.collect::<Vec<_>>().into()];
        INTEND.with(|statement| statement.execute(installation, &arguments))
    })?;
    link(installation, connection, &intents.iter().map(|one| one.item).collect::<Vec<_>>())
}

/// These are done.
pub fn complete(installation: &Installation, queue_ids: &[Uuid]) -> SqlResult<u64> {
    COMPLETE.with(|statement| execute_on(installation, statement, queue_ids, Vec::new))
}

/// These are tried again, unless their items have been changed again since.
pub fn put_back(installation: &Installation, missed: &[Missed]) -> SqlResult<()> {
    if missed.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            column(missed, |one| uuid(one.queue_id)),
            column(missed, |one| one.error.as_deref()),
            column(missed, |one| one.counts),
            column(missed, |one| one.again_in.as_secs_f64()),
            column(missed, |one| one.operation.map(Operation::word)),
        ];
        PUT_BACK.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Dead letters: these are not tried again, and their links say why.
pub fn bury(installation: &Installation, connection: Uuid, dead: &[Dead]) -> SqlResult<()> {
    if dead.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [column(dead, |one| uuid(one.queue_id)), column(dead, |one| one.error.as_str())];
        BURY.with(|statement| statement.execute(installation, &arguments))
    })?;
    let errors: Vec<_> = dead.iter().map(|one| (one.item, one.error.as_str())).collect();
    mark(installation, connection, &errors, true)
}

/// Links say what is wrong. `for_good`: their status does, too.
pub fn mark(installation: &Installation, connection: Uuid, errors: &[(ItemId, &str)], for_good: bool) -> SqlResult<()> {
    if errors.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(errors, |(item, _)| item.event().map(uuid)),
            column(errors, |(item, _)| item.series().map(uuid)),
            column(errors, |(_, error)| *error),
            for_good.into(),
        ];
        MARK_LINKS.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// What these links stood for is there no more, and is to be created once more, as something new.
pub fn anew(installation: &Installation, links: &[Uuid]) -> SqlResult<u64> {
    ANEW.with(|statement| execute_on(installation, statement, links, Vec::new))
}

/// Whose an operation is, and its status.
pub fn status(installation: &Installation, queue_id: Uuid) -> SqlResult<Option<(String, String)>> {
    let read = |columns: &mut Columns| Ok((columns.word()?, columns.word()?));
    STATUS.with(|statement| statement.first(installation, &[uuid(queue_id).into()], read))
}

/// Tries an operation again at once that has failed for good, or waits.
pub fn retry(installation: &Installation, queue_id: Uuid) -> SqlResult<()> {
    RETRY.with(|statement| statement.execute(installation, &[uuid(queue_id).into()]))?;
    Ok(())
}

/// What is there by now of items whose links these are: (link, identifier, version).
pub fn found(installation: &Installation, links: &[(Uuid, String, Option<String>)]) -> SqlResult<()> {
    if links.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            column(links, |(link, ..)| uuid(*link)),
            column(links, |(_, external_id, _)| content::key(external_id).into_owned()),
            column(links, |(.., etag)| etag.as_deref()),
        ];
        FOUND.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Ends the lease after the provider has taken something; call only with the row locked.
pub fn sent(installation: &Installation, connection: Uuid, poll: bool) -> SqlResult<()> {
    SENT.with(|statement| statement.execute(installation, &[uuid(connection).into(), poll.into()]))?;
    Ok(())
}

/// Writes a row of calendar_sync_log.
pub fn log(installation: &Installation, connection: &Connection, log: PushLog) -> SqlResult<()> {
    let count = |index: usize| log.counts.map(|counts| counts[index]).into();
    let arguments = [
        uuid(connection.id).into(),
        connection.provider.as_str().into(),
        connection.user_id.as_str().into(),
        log.item.and_then(ItemId::event).map(uuid).into(),
        log.status.into(),
        log.error.as_deref().into(),
        log.details.map(pgrx::JsonB).into(),
        count(0),
        count(1),
        count(2),
        count(3),
        i32::try_from(log.duration.as_millis()).unwrap_or(i32::MAX).into(),
    ];
    LOG.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}
