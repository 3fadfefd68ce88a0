//! calendar_connections on the way to a pull: what is due, who has it. How a pull ended: see [`super::pulls`].

use std::time::Duration;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::spi::SpiHeapTupleData;
use pgrx::{JsonB, pg_sys};
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Installation, Statement, private_lock};
use crate::errors::SqlResult;

/// What a pull needs to know of a connection.
#[derive(Debug, Clone)]
pub struct Connection {
    pub id: Uuid,
    pub user_id: String,
    pub name: String,
    pub provider: String,
    /// Sealed; `None` once it was unsubscribed from.
    pub url: Option<Vec<u8>>,
    pub time_zone: Option<String>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub body_hash: Option<Vec<u8>>,
    /// Of its lease; `None` in a session, which has none.
    pub generation: Option<i64>,
    pub failures: u32,
    /// Digest of the deletes that the last pull held back.
    pub held_back: Option<String>,
    pub held_back_polls: i32,
    /// `None`: the setting's.
    pub poll_interval: Option<Duration>,
    /// When it was due. Where another time stands there once it is pulled, somebody has called for it meanwhile.
    pub due_at: Option<TimestampWithTimeZone>,
    /// How long its feed asks to be left alone; bounded.
    pub refresh: Option<Duration>,
    pub paused: bool,
    /// The provider's own settings, an object; `None` for none.
    pub options: Option<serde_json::Value>,
    /// A flow that was still running.
    pub pending: Option<Pending>,
}

/// Where the answer of a flow will be that was still running at the last poll.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Sealed.
    pub location: Vec<u8>,
    /// Since it was started.
    pub age: Duration,
}

/// A statement that gives what [`connection`] reads of `c`, with the lease's generation as it says.
macro_rules! pulled {
    ($before:literal, $generation:literal, $after:literal) => {
        concat!(
            $before,
            "c.connection_id, c.user_id, c.name, c.provider, c.url, c.time_zone, c.etag, c.last_modified,
             c.body_hash, ",
            $generation,
            ", c.consecutive_failures, c.held_back, c.held_back_polls,
             extract(epoch from c.poll_interval)::float8, extract(epoch from c.refresh_hint)::float8,
             c.status = 'paused', nullif(c.options, '{}'), c.pending_location,
             extract(epoch from clock_timestamp() - c.pending_since)::float8, c.next_poll_at",
            $after
        )
    };
}

thread_local! {
    // What is due is looked up first and on its own, so that the plan never depends on how many the planner expects.
    static LEASE: Statement = const { Statement::new(
        pulled!(
            "update @calendar_connections c
         set leased_until = now() + make_interval(secs => $2),
             lease_generation = c.lease_generation + 1
         where c.connection_id = any (array(
             select d.connection_id
             from @calendar_connections d
             where d.status in ('active', 'error')
               and d.next_poll_at <= now()
               and (d.leased_until is null or d.leased_until < now())
               and d.account_id is null
               and (d.consecutive_failures = 0 or $3)
               and (d.url_host is null or d.url_host <> all ($4))
             order by d.next_poll_at
             limit $1
             for update skip locked
         ))
         returning ",
            "c.lease_generation",
            ""
        ),
        &[pg_sys::INT8OID, pg_sys::FLOAT8OID, pg_sys::BOOLOID, pg_sys::TEXTARRAYOID],
    ) };
    static OF_USER: Statement = const { Statement::new(
        pulled!(
            "select ",
            "null::bigint",
            "
         from @calendar_connections c
         where c.user_id = $1
           and ($2 is null or c.name = $2)
           and c.status <> 'removed'
           and ($2 is not null or c.status <> 'paused')
           and c.account_id is null
         order by c.name"
        ),
        &[pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static RELEASE: Statement = const { Statement::new(
        pulled!(
            "update @calendar_connections c
         set leased_until = null,
             lease_generation = c.lease_generation + 1
         where c.leased_until is not null
         returning ",
            "c.lease_generation",
            ""
        ),
        &[],
    ) };
    static LOCK: Statement = const { Statement::new(
        "select from @calendar_connections
         where connection_id = $1
           and lease_generation = $2
           and status <> 'removed'
         for update skip locked",
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    // A URL is sealed anew whenever it is given.
    static WAIT_AND_LOCK: Statement = const { Statement::new(
        "select from @calendar_connections
         where connection_id = $1
           and url = $2
           and status <> 'removed'
           and (status <> 'paused' or $3)
         for update",
        &[pg_sys::UUIDOID, pg_sys::BYTEAOID, pg_sys::BOOLOID],
    ) };
    static DUE: Statement = const { Statement::new(
        "select count(*)
         from @calendar_connections
         where status in ('active', 'error')
           and next_poll_at <= now()
           and (leased_until is null or leased_until < now())
           and account_id is null",
        &[],
    ) };
    static NEXT: Statement = const { Statement::new(
        "select extract(epoch from next_poll_at - clock_timestamp())::float8
         from @calendar_connections
         where status in ('active', 'error')
           and next_poll_at > now()
           and account_id is null
         order by next_poll_at
         limit 1",
        &[],
    ) };
}

/// Which due connections are to be leased.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub limit: usize,
    /// Each lease has a generation of its own and ends by itself after this.
    pub lease: Duration,
    /// Also those whose last pull failed.
    pub failed_too: bool,
    /// None of these hosts (`url_host`).
    pub but_hosts: &'a [String],
}

/// Leases due connections, those first that have been due for longest.
pub fn lease_due(installation: &Installation, wanted: &Wanted) -> SqlResult<Vec<Connection>> {
    let but_hosts: Vec<&str> = wanted.but_hosts.iter().map(String::as_str).collect();
    let arguments =
        [(wanted.limit as i64).into(), wanted.lease.as_secs_f64().into(), wanted.failed_too.into(), but_hosts.into()];
    LEASE.with(|statement| statement.run(installation, &arguments, |rows| rows.map(|row| connection(&row)).collect()))
}

/// Ends all leases there are; returns what was leased.
pub fn release(installation: &Installation) -> SqlResult<Vec<Connection>> {
    RELEASE.with(|statement| statement.run(installation, &[], |rows| rows.map(|row| connection(&row)).collect()))
}

/// A user's connections that can be pulled now: all but paused ones, or the one of that name even if it is paused.
pub fn of_user(installation: &Installation, user_id: &str, name: Option<&str>) -> SqlResult<Vec<Connection>> {
    OF_USER.with(|statement| {
        statement.run(installation, &[user_id.into(), name.into()], |rows| rows.map(|row| connection(&row)).collect())
    })
}

/// A connection as it is now; `None` where it can't be pulled any more as it could when it was read.
pub fn current(installation: &Installation, connection: &Connection) -> SqlResult<Option<Connection>> {
    let found = of_user(installation, &connection.user_id, Some(&connection.name))?;
    Ok(found.into_iter().find(|found| found.id == connection.id && (connection.paused || !found.paused)))
}

fn connection(row: &SpiHeapTupleData) -> Result<Connection, pgrx::spi::Error> {
    let text = |ordinal| row.get::<String>(ordinal).map(Option::unwrap_or_default);
    let seconds = |ordinal| {
        let seconds: Option<f64> = row.get(ordinal)?;
        Ok::<_, pgrx::spi::Error>(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    };
    let id: Option<pgrx::Uuid> = row.get(1)?;
    Ok(Connection {
        id: id.map(uuid_of).unwrap_or_default(),
        user_id: text(2)?,
        name: text(3)?,
        provider: text(4)?,
        url: row.get(5)?,
        time_zone: row.get(6)?,
        etag: row.get(7)?,
        last_modified: row.get(8)?,
        body_hash: row.get(9)?,
        generation: row.get(10)?,
        failures: row.get::<i32>(11)?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        held_back: row.get(12)?,
        held_back_polls: row.get(13)?.unwrap_or_default(),
        poll_interval: seconds(14)?,
        refresh: seconds(15)?,
        paused: row.get(16)?.unwrap_or_default(),
        options: row.get::<JsonB>(17)?.map(|options| options.0),
        due_at: row.get(20)?,
        pending: row.get(18)?.zip(seconds(19)?).map(|(location, age)| Pending { location, age }),
    })
}

/// Locks the row of a connection that was pulled. For the worker: false where its lease was taken over or somebody else
/// has the row locked, since it never waits. In a session: false where it was unsubscribed from, given another URL or
/// paused meanwhile.
pub fn lock(installation: &Installation, connection: &Connection) -> SqlResult<bool> {
    let id = uuid(connection.id).into();
    let rows = match connection.generation {
        Some(generation) => LOCK.with(|statement| statement.execute(installation, &[id, generation.into()])),
        None => {
            let as_read = [id, connection.url.as_deref().into(), connection.paused.into()];
            WAIT_AND_LOCK.with(|statement| statement.execute(installation, &as_read))
        }
    };
    rows.map(|rows| rows > 0)
}

/// Keeps others from applying the same connection until this transaction ends; false if another one is at it.
pub fn try_alone(installation: &Installation, id: Uuid) -> SqlResult<bool> {
    private_lock::try_take(installation, "calendar_connections", id)
}

/// How many connections are due and not under way.
pub fn count_due(installation: &Installation) -> SqlResult<i64> {
    DUE.with(|statement| statement.run(installation, &[], |rows| rows.first().get_one::<i64>()))
        .map(Option::unwrap_or_default)
}

/// How long it is until another connection becomes due than those that were so when this transaction began.
pub fn until_next(installation: &Installation) -> SqlResult<Option<Duration>> {
    let seconds = NEXT.with(|statement| {
        statement.run(installation, &[], |mut rows| rows.next().map_or(Ok(None), |row| row.get::<f64>(1)))
    })?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}
