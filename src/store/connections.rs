//! calendar_connections as they are pulled and pushed to. Who is at one: see [`super::leases`]; how a pull ended: see
//! [`super::pulls`].

use std::time::Duration;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::spi::SpiHeapTupleData;
use pgrx::{JsonB, pg_sys};
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Installation, Statement, private_lock};
use crate::errors::SqlResult;

/// What a pull or a push needs to know of a connection.
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
    /// It is due because somebody has called for it, and not just because it is time; or the last pull failed, which may
    /// have been called for.
    pub is_called_for: bool,
    /// How long its feed asks to be left alone; bounded.
    pub refresh: Option<Duration>,
    pub paused: bool,
    /// The provider's own settings, an object; `None` for none.
    pub options: Option<serde_json::Value>,
    /// A flow that was still running.
    pub pending: Option<Pending>,
    /// The calendar of an account; `None` for a plain URL.
    pub calendar: Option<Calendar>,
}

/// A calendar that is reached through an account.
#[derive(Debug, Clone)]
pub struct Calendar {
    pub account_id: Uuid,
    /// The provider's identifier of it.
    pub external_id: String,
    /// Whose it is, where it is somebody else's.
    pub mailbox: Option<String>,
    pub direction: Direction,
    /// Only when its events take place is sent out.
    pub busy_only: bool,
    /// last_write, local, remote or manual.
    pub conflict_policy: String,
    /// What the provider gave to ask what changed since.
    pub cursor: Option<String>,
}

/// Which ways changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Pull,
    Push,
    Both,
}

impl Direction {
    fn named(word: &str) -> Self {
        match word {
            "push" => Self::Push,
            "both" => Self::Both,
            _ => Self::Pull,
        }
    }

    /// Whether what changes there is taken.
    pub const fn pulls(self) -> bool {
        matches!(self, Self::Pull | Self::Both)
    }

    /// Whether what changes here is sent.
    pub const fn pushes(self) -> bool {
        matches!(self, Self::Push | Self::Both)
    }
}

impl Connection {
    /// Whether what changes there is taken.
    pub fn pulls(&self) -> bool {
        self.calendar.as_ref().is_none_or(|calendar| calendar.direction.pulls())
    }

    /// Whether what changes here is sent there.
    pub fn pushes(&self) -> bool {
        self.calendar.as_ref().is_some_and(|calendar| calendar.direction.pushes())
    }
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
    ($before:expr, $generation:literal, $after:literal) => {
        concat!(
            $before,
            "c.connection_id, c.user_id, c.name, c.provider, c.url, c.time_zone, c.etag, c.last_modified,
             c.body_hash, ",
            $generation,
            ", c.consecutive_failures, c.held_back, c.held_back_polls,
             extract(epoch from c.poll_interval)::float8, extract(epoch from c.refresh_hint)::float8,
             c.status = 'paused', nullif(c.options, '{}'), c.pending_location,
             extract(epoch from clock_timestamp() - c.pending_since)::float8, c.next_poll_at, c.account_id,
             c.external_calendar_id, c.delegate_email, c.direction, c.visibility = 'busy', c.conflict_policy, c.cursor,
             coalesce(c.announced_for >= c.next_poll_at, false) or c.consecutive_failures > 0",
            $after
        )
    };
}

pub(super) use pulled;

thread_local! {
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
         order by c.name"
        ),
        &[pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static TAKE: Statement = const { Statement::new(
        pulled!(
            "select ",
            "null::bigint",
            "
         from @calendar_connections c
         where c.connection_id = $1
           and c.status <> 'removed'
         for update of c"
        ),
        &[pg_sys::UUIDOID],
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
           and url is not distinct from $2
           and status <> 'removed'
           and (status <> 'paused' or $3)
         for update",
        &[pg_sys::UUIDOID, pg_sys::BYTEAOID, pg_sys::BOOLOID],
    ) };
}

/// A user's connections that can be pulled now: all but paused ones, or the one of that name even if it is paused.
pub fn of_user(installation: &Installation, user_id: &str, name: Option<&str>) -> SqlResult<Vec<Connection>> {
    OF_USER.with(|statement| {
        statement.run(installation, &[user_id.into(), name.into()], |rows| rows.map(|row| connection(&row)).collect())
    })
}

/// A connection as it is now, which nobody pulls or pushes to until this transaction ends; waits for who does.
pub fn take(installation: &Installation, id: Uuid) -> SqlResult<Option<Connection>> {
    TAKE.with(|statement| {
        statement.run(installation, &[uuid(id).into()], |mut rows| rows.next().map(|row| connection(&row)).transpose())
    })
}

/// A connection as it is now; `None` where it can't be pulled any more as it could when it was read.
pub fn current(installation: &Installation, connection: &Connection) -> SqlResult<Option<Connection>> {
    let found = of_user(installation, &connection.user_id, Some(&connection.name))?;
    Ok(found.into_iter().find(|found| found.id == connection.id && (connection.paused || !found.paused)))
}

/// What [`pulled`] gives.
pub(super) fn connection(row: &SpiHeapTupleData) -> Result<Connection, pgrx::spi::Error> {
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
        is_called_for: row.get(28)?.unwrap_or_default(),
        pending: row.get(18)?.zip(seconds(19)?).map(|(location, age)| Pending { location, age }),
        calendar: calendar(row)?,
    })
}

fn calendar(row: &SpiHeapTupleData) -> Result<Option<Calendar>, pgrx::spi::Error> {
    let Some(account_id) = row.get::<pgrx::Uuid>(21)? else { return Ok(None) };
    Ok(Some(Calendar {
        account_id: uuid_of(account_id),
        external_id: row.get(22)?.unwrap_or_default(),
        mailbox: row.get(23)?,
        direction: Direction::named(&row.get::<String>(24)?.unwrap_or_default()),
        busy_only: row.get(25)?.unwrap_or_default(),
        conflict_policy: row.get(26)?.unwrap_or_default(),
        cursor: row.get(27)?,
    }))
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

/// Takes back one [`try_alone`] that was granted.
pub fn give_way(installation: &Installation, id: Uuid) -> SqlResult<()> {
    private_lock::give_back(installation, "calendar_connections", id)
}
