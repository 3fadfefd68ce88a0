//! calendar_sync_queue as it is emptied. How it is filled: see [`super::queue`].

use std::time::Duration;

use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::links::{Base, ItemId};
use super::outside::{execute_on, find};
use super::rows::Columns;
use super::uncommitted::is_own;
use super::{Installation, Statement, delivery, unheard};
use crate::errors::{SqlResult, internal};

/// An operation whose turn it is.
#[derive(Debug, Clone)]
pub struct Taken {
    pub queue_id: Uuid,
    pub operation: Operation,
    pub item: ItemId,
    /// See [`Intent`]; of a delete what is needed when the item is here no more.
    pub payload: Option<Value>,
    pub retries: i32,
    pub max_retries: i32,
    /// The current transaction has queued it, or changed it since.
    pub is_own: bool,
}

/// What is to be done elsewhere.
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

    /// As calendar_sync_queue.operation has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// An operation that is about to be sent.
pub struct Begun<'a> {
    pub queue_id: Uuid,
    pub intent: Option<Intent<'a>>,
}

/// What is about to be sent of an item that is not there yet: noted before it is, for the case that nobody is there to hear
/// what came of it. In the operation as it is sent, since the item may be gone here by then; in the link as what is there, so
/// that what somebody has made of it since is seen.
pub struct Intent<'a> {
    pub item: ItemId,
    pub payload: &'a Map<String, Value>,
    pub base: Base,
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

thread_local! {
    // Of an item's operations one at a time: what was under way first, then what was changed since.
    static NEXT: Statement = const { Statement::new(
        concat!(
            "select queue_id, operation, event_id, series_id, payload::text, retry_count, max_retries, ", is_own!("written"), "
         from (
             select p.*, p.xmin as written, true as was_under_way
             from @calendar_sync_queue p
             where p.connection_id = $1
               and p.status = 'processing'
             union all
             select *
             from (
                 select q.*, q.xmin, false
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
         ) next
         order by was_under_way desc, priority desc, scheduled_for, queue_id"
        ),
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    static SERIES_OF: Statement = const { Statement::new(
        "select event_id, series_id from @calendar_events where event_id = any ($1) and series_id is not null",
        &[pg_sys::UUIDARRAYOID],
    ) };
    // A row is written once, whatever is to be noted.
    static BEGIN: Statement = const { Statement::new(
        "update @calendar_sync_queue q
         set status = 'processing',
             payload = coalesce(r.payload::jsonb, q.payload)
         from unnest($1, $2) r (queue_id, payload)
         where q.queue_id = r.queue_id
           and (q.status <> 'processing' or r.payload is not null)",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static COMPLETE: Statement = const { Statement::new(
        "update @calendar_sync_queue
         set status = 'completed', payload = null, processed_at = clock_timestamp(), last_error = null
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
}

/// The next operations of a connection that the caller has to itself, in the order in which they are to be sent; locked
/// until the end of the transaction, in which they are begun, or come to their end.
pub fn next(installation: &Installation, connection: Uuid, limit: usize) -> SqlResult<Vec<Taken>> {
    let arguments = [uuid(connection).into(), (limit as i64).into()];
    within_scratch(|| NEXT.with(|statement| statement.rows(installation, &arguments, read)))
}

fn read(columns: &mut Columns) -> SpiResult<Taken> {
    Ok(Taken {
        queue_id: columns.uuid()?.unwrap_or_default(),
        operation: Operation::named(&columns.word()?),
        item: ItemId::read(columns)?,
        payload: columns.json()?,
        retries: columns.int()?.unwrap_or_default(),
        max_retries: columns.int()?.unwrap_or_default(),
        is_own: columns.flag()?,
    })
}

/// Those of these events that are occurrences of a series, with that.
pub fn series_of(installation: &Installation, events: &[Uuid]) -> SqlResult<Vec<(Uuid, Uuid)>> {
    let read = |columns: &mut Columns| Ok((columns.uuid()?.unwrap_or_default(), columns.uuid()?.unwrap_or_default()));
    find(installation, &SERIES_OF, events, read)
}

/// Notes what is about to be sent; makes links of what is about to be created, which say how often that was done before.
pub fn begin(installation: &Installation, connection: Uuid, begun: &[Begun]) -> SqlResult<()> {
    if begun.is_empty() {
        return Ok(());
    }
    let intents = || begun.iter().filter_map(|one| one.intent.as_ref());
    let payload = |intent: &Intent| serde_json::to_string(intent.payload).map_err(internal);
    let payloads = begun.iter().map(|one| one.intent.as_ref().map(payload).transpose());
    let payloads = payloads.collect::<SqlResult<Vec<Option<String>>>>()?;
    within_scratch(|| {
        let arguments = [column(begun, |one| uuid(one.queue_id)), payloads.into()];
        BEGIN.with(|statement| statement.execute(installation, &arguments))
    })?;
    let made: Vec<(ItemId, &Base)> = intents().map(|intent| (intent.item, &intent.base)).collect();
    unheard::note(installation, connection, &made)
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
    delivery::mark(installation, connection, &errors, true)
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
