//! calendar_connections after a pull: what it came to, and its line in calendar_sync_log.

use std::time::Duration;

use pgrx::spi::SpiHeapTupleData;
use pgrx::{JsonB, pg_sys};
use uuid::Uuid;

use super::connections::Connection;
use super::datum::{uuid, uuid_of};
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// How a pull ended that applied a calendar.
#[derive(Debug)]
pub struct Outcome {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// `None`: the next answer must be read whatever it is.
    pub body_hash: Option<Vec<u8>>,
    pub calendar_name: Option<String>,
    /// Digest of the deletes that were held back, and for how many pulls in a row.
    pub held_back: Option<(String, i32)>,
    /// Why it is not all right although it was applied.
    pub error: Option<String>,
    pub refresh: Option<Duration>,
    pub next_poll: Duration,
}

/// How a pull ended that changed nothing.
#[derive(Debug)]
pub struct Failed<'a> {
    pub error: &'a str,
    /// Only its owner can mend it: 'reauth_required', and no more tries.
    pub wants_login: bool,
    /// Failures in a row that make the connection's status 'error'.
    pub breaks_at: u32,
    pub next_poll: Duration,
    /// A flow that is still running is asked for its answer again.
    pub keeps_run: bool,
}

/// A line of the log about one pull.
#[derive(Debug, Default)]
pub struct PullLog {
    pub error: Option<String>,
    /// The last pull failed, too.
    pub retry: bool,
    pub details: Option<serde_json::Value>,
    /// fetched, created, updated, deleted, unchanged
    pub counts: Option<[i32; 5]>,
    pub duration: Duration,
}

thread_local! {
    static UNCHANGED: Statement = const { Statement::new(
        "update @calendar_connections c
         set last_synced_at = clock_timestamp(),
             next_poll_at = least(nullif(c.next_poll_at, r.due_at), clock_timestamp() + make_interval(secs => r.next_poll)),
             status = case when c.status in ('error', 'reauth_required') then 'active' else c.status end,
             consecutive_failures = 0,
             last_error = null,
             pending_location = null,
             pending_since = null,
             leased_until = null
         from unnest($1, $2, $3, $4) r (connection_id, generation, next_poll, due_at)
         where c.connection_id = r.connection_id
           and c.connection_id = any (array(
               select d.connection_id
               from @calendar_connections d
               where d.connection_id = any ($1)
                 and d.status <> 'removed'
               for update skip locked
           ))
           and (r.generation is null or c.lease_generation = r.generation)
         returning c.connection_id",
        &[
            pg_sys::UUIDARRAYOID, pg_sys::INT8ARRAYOID, pg_sys::FLOAT8ARRAYOID, pg_sys::TIMESTAMPTZARRAYOID,
        ],
    ) };
    static VALIDATORS: Statement = const { Statement::new(
        "update @calendar_connections
         set etag = $3, last_modified = $4
         where connection_id = $1
           and ($2 is null or lease_generation = $2)
           and (etag, last_modified) is distinct from ($3, $4)",
        &[pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static APPLIED: Statement = const { Statement::new(
        "update @calendar_connections
         set etag = $2,
             last_modified = $3,
             body_hash = $4,
             calendar_name = $5,
             held_back = $6,
             held_back_polls = $7,
             last_error = $8,
             status = case
                 when status = 'paused' then status
                 when $8 is not null then 'error'
                 else 'active'
             end,
             refresh_hint = make_interval(secs => $10),
             pending_location = null,
             pending_since = null,
             last_synced_at = clock_timestamp(),
             next_poll_at = least(nullif(next_poll_at, $11), clock_timestamp() + make_interval(secs => $9)),
             consecutive_failures = 0,
             leased_until = null,
             lease_generation = lease_generation + 1
         where connection_id = $1",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
            pg_sys::INT4OID, pg_sys::TEXTOID, pg_sys::FLOAT8OID, pg_sys::FLOAT8OID, pg_sys::TIMESTAMPTZOID,
        ],
    ) };
    static FAILED: Statement = const { Statement::new(
        "with free as (
             select connection_id
             from @calendar_connections
             where connection_id = $1
               and ($2 is null or lease_generation = $2)
               and status <> 'removed'
             for update skip locked
         )
         update @calendar_connections c
         set consecutive_failures = c.consecutive_failures + 1,
             last_error = $3,
             status = case
                 when c.status = 'paused' then c.status
                 when $4 then 'reauth_required'
                 when c.consecutive_failures + 1 >= $5 then 'error'
                 else c.status
             end,
             next_poll_at = least(nullif(c.next_poll_at, $8), clock_timestamp() + make_interval(secs => $6)),
             pending_location = case when $7 then c.pending_location end,
             pending_since = case when $7 then c.pending_since end,
             leased_until = null
         from free
         where c.connection_id = free.connection_id",
        &[
            pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TEXTOID, pg_sys::BOOLOID, pg_sys::INT4OID, pg_sys::FLOAT8OID,
            pg_sys::BOOLOID, pg_sys::TIMESTAMPTZOID,
        ],
    ) };
    static LOG: Statement = const { Statement::new(
        "insert into @calendar_sync_log (connection_id, provider, user_id, action, status, error_message, details,
             fetched, created, updated, deleted, unchanged, duration_ms)
         values ($1, $2, $3, 'pull', $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID,
            pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID,
        ],
    ) };
    static NOTIFY: Statement = const { Statement::new(
        "select pg_notify('calendar_sync', $1::text)",
        &[pg_sys::UUIDOID],
    ) };
}

/// Nothing new: only when it was synced and the next poll move. Returns those that this was written for: not those whose
/// lease was taken over, nor those that somebody else has locked.
pub fn unchanged(installation: &Installation, pulls: &[(&Connection, Duration)]) -> SqlResult<Vec<Uuid>> {
    let ids: Vec<_> = pulls.iter().map(|(connection, _)| uuid(connection.id)).collect();
    let generations: Vec<_> = pulls.iter().map(|(connection, _)| connection.generation).collect();
    let next: Vec<_> = pulls.iter().map(|(_, next_poll)| next_poll.as_secs_f64()).collect();
    let due: Vec<_> = pulls.iter().map(|(connection, _)| connection.due_at).collect();
    UNCHANGED.with(|statement| {
        statement.run(installation, &[ids.into(), generations.into(), next.into(), due.into()], |rows| {
            let id = |row: SpiHeapTupleData| row.get::<pgrx::Uuid>(1);
            rows.filter_map(|row| id(row).transpose()).map(|id| id.map(uuid_of)).collect()
        })
    })
}

/// Keeps the validators of an answer whose calendar was the same.
pub fn keep_validators(
    installation: &Installation,
    id: Uuid,
    generation: Option<i64>,
    etag: Option<&str>,
    last_modified: Option<&str>,
) -> SqlResult<()> {
    VALIDATORS.with(|statement| {
        statement.execute(installation, &[uuid(id).into(), generation.into(), etag.into(), last_modified.into()])
    })?;
    Ok(())
}

/// A calendar was applied; call only with the row locked. Ends every other lease.
pub fn applied(installation: &Installation, connection: &Connection, outcome: &Outcome) -> SqlResult<()> {
    let (held_back, polls) = outcome.held_back.as_ref().map_or((None, 0), |(digest, polls)| (Some(digest), *polls));
    APPLIED.with(|statement| {
        statement.execute(
            installation,
            &[
                uuid(connection.id).into(),
                outcome.etag.as_deref().into(),
                outcome.last_modified.as_deref().into(),
                outcome.body_hash.as_deref().into(),
                outcome.calendar_name.as_deref().into(),
                held_back.map(String::as_str).into(),
                polls.into(),
                outcome.error.as_deref().into(),
                outcome.next_poll.as_secs_f64().into(),
                outcome.refresh.map(|refresh| refresh.as_secs_f64()).into(),
                connection.due_at.into(),
            ],
        )
    })?;
    Ok(())
}

/// A pull failed: nothing but the connection's own state changes. False where its lease was taken over or somebody else
/// has the row locked.
pub fn failed(installation: &Installation, connection: &Connection, failed: &Failed) -> SqlResult<bool> {
    let arguments = [
        uuid(connection.id).into(),
        connection.generation.into(),
        failed.error.into(),
        failed.wants_login.into(),
        i32::try_from(failed.breaks_at).unwrap_or(i32::MAX).into(),
        failed.next_poll.as_secs_f64().into(),
        failed.keeps_run.into(),
        connection.due_at.into(),
    ];
    FAILED.with(|statement| statement.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// Writes the pull's row of calendar_sync_log.
pub fn log_pull(installation: &Installation, connection: &Connection, log: PullLog) -> SqlResult<()> {
    let status = match (&log.error, log.retry) {
        (None, _) => "success",
        (Some(_), true) => "retry",
        (Some(_), false) => "failed",
    };
    let count = |index: usize| log.counts.map(|counts| counts[index]).into();
    LOG.with(|statement| {
        statement.execute(
            installation,
            &[
                uuid(connection.id).into(),
                connection.provider.as_str().into(),
                connection.user_id.as_str().into(),
                status.into(),
                log.error.as_deref().into(),
                log.details.map(JsonB).into(),
                count(0),
                count(1),
                count(2),
                count(3),
                count(4),
                i32::try_from(log.duration.as_millis()).unwrap_or(i32::MAX).into(),
            ],
        )
    })?;
    Ok(())
}

/// Tells listeners on channel calendar_sync that this connection's events changed.
pub fn notify(installation: &Installation, id: Uuid) -> SqlResult<()> {
    NOTIFY.with(|statement| statement.execute(installation, &[uuid(id).into()]))?;
    Ok(())
}
