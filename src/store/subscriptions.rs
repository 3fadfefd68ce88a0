//! calendar_connections as their owners see them: made, re-pointed, paused.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Installation, Statement, channels};
use crate::errors::SqlResult;

/// A calendar by its URL.
pub struct Subscription<'a> {
    pub user_id: &'a str,
    pub provider: &'a str,
    /// Scheme, host and port.
    pub origin: &'a str,
    pub url_hash: &'a [u8],
    pub poll_interval: Option<Interval>,
}

/// A connection that is there already; its row is locked.
pub struct Known {
    pub id: Uuid,
    /// It belongs to an account, and so is no plain URL.
    pub of_account: bool,
}

/// A row of calendar_sync_status.
pub struct Status {
    pub id: pgrx::Uuid,
    pub name: String,
    pub provider: String,
    pub status: String,
    pub last_synced_at: Option<TimestampWithTimeZone>,
    pub next_poll_at: Option<TimestampWithTimeZone>,
    pub events: i64,
    pub errors: i64,
    pub last_error: Option<String>,
}

thread_local! {
    static BY_NAME: Statement = const { Statement::new(
        "select connection_id, account_id is not null
         from @calendar_connections
         where user_id = $1
           and name = $2
         for update",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static BY_URL: Statement = const { Statement::new(
        "select connection_id, account_id is not null
         from @calendar_connections
         where user_id = $1
           and url_hash = $2
           and provider = $3
         order by status = 'removed', connection_id
         limit 1
         for update",
        &[pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::TEXTOID],
    ) };
    static HAS_AT_LEAST: Statement = const { Statement::new(
        "select exists (select from @calendar_connections where user_id = $1 and status <> 'removed' offset $2 - 1)",
        &[pg_sys::TEXTOID, pg_sys::INT8OID],
    ) };
    static ADD: Statement = const { Statement::new(
        "insert into @calendar_connections
             (connection_id, user_id, name, provider, url, url_host, url_hash, poll_interval, next_poll_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())
         on conflict (user_id, name) do nothing",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::TEXTOID,
            pg_sys::BYTEAOID, pg_sys::INTERVALOID,
        ],
    ) };
    static REPOINT: Statement = const { Statement::new(
        "update @calendar_connections
         set provider = $2,
             url = $3,
             url_host = $4,
             url_hash = $5,
             poll_interval = coalesce($6, poll_interval),
             etag = case when url_hash = $5 and url is not null then etag end,
             last_modified = case when url_hash = $5 and url is not null then last_modified end,
             body_hash = case when url_hash = $5 and url is not null then body_hash end,
             refresh_hint = case when url_hash = $5 and url is not null then refresh_hint end,
             cursor = null,
             pending_location = null,
             pending_since = null,
             held_back = null,
             held_back_polls = 0,
             status = 'active',
             consecutive_failures = 0,
             last_error = null,
             next_poll_at = clock_timestamp(),
             leased_until = null,
             lease_generation = lease_generation + 1,
             updated_at = clock_timestamp()
         where connection_id = $1",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::INTERVALOID,
        ],
    ) };
    // What is stored belongs to the connection, whatever provider it came by.
    static HAND_OVER_EVENTS: Statement = const { Statement::new(
        "update @calendar_events e
         set external_source = $2, synced_from = $2
         from @calendar_connections c
         where c.connection_id = $1
           and c.provider <> $2
           and e.user_id = c.user_id
           and e.external_source = c.provider
           and e.connection_id = $1
           and e.external_id is not null",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    static HAND_OVER_SERIES: Statement = const { Statement::new(
        "update @calendar_series s
         set external_source = $2, synced_from = $2
         from @calendar_connections c
         where c.connection_id = $1
           and c.provider <> $2
           and s.user_id = c.user_id
           and s.external_source = c.provider
           and s.connection_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    static OWNER: Statement = const { Statement::new(
        "select user_id from @calendar_connections where connection_id = $1 and status <> 'removed'",
        &[pg_sys::UUIDOID],
    ) };
    static PAUSE: Statement = const { Statement::new(
        "update @calendar_connections
         set status = 'paused',
             leased_until = null,
             lease_generation = lease_generation + 1,
             updated_at = clock_timestamp()
         where connection_id = $1
           and status <> 'removed'",
        &[pg_sys::UUIDOID],
    ) };
    static CONTINUE: Statement = const { Statement::new(
        "update @calendar_connections c
         set status = case
                 when exists (
                     select
                     from @calendar_accounts a
                     where a.account_id = c.account_id
                       and a.status <> 'active'
                 ) then 'reauth_required'
                 else 'active'
             end,
             consecutive_failures = 0,
             next_poll_at = clock_timestamp(),
             updated_at = clock_timestamp()
         where c.connection_id = $1
           and c.status = 'paused'",
        &[pg_sys::UUIDOID],
    ) };
    static REQUEST: Statement = const { Statement::new(
        "update @calendar_connections
         set next_poll_at = now.moment,
             announced_for = now.moment
         from (select clock_timestamp() as moment) now
         where ($1 is null or user_id = $1)
           and status in ('active', 'error')",
        &[pg_sys::TEXTOID],
    ) };
    static STATUS: Statement = const { Statement::new(
        "select c.connection_id, c.name, c.provider,
             case
                 when c.status in ('active', 'error') and a.status = 'reauth_required' then a.status
                 when c.status = 'active' and c.pending_location is not null then 'pending'
                 else c.status
             end,
             c.last_synced_at, c.next_poll_at, held.events, held.errors, coalesce(c.last_error, a.last_error)
         from @calendar_connections c
         left join @calendar_accounts a on a.account_id = c.account_id
         cross join lateral (
             select count(*) filter (where e.sync_status <> 'deleted') as events,
                 count(*) filter (where e.sync_status = 'error') as errors
             from @calendar_events e
             where e.connection_id = c.connection_id
         ) held
         where c.user_id = $1
           and c.status <> 'removed'
         order by c.name",
        &[pg_sys::TEXTOID],
    ) };
}

/// The user's connection of that name, whatever its status.
pub fn by_name(installation: &Installation, user_id: &str, name: &str) -> SqlResult<Option<Known>> {
    BY_NAME.with(|statement| statement.run(installation, &[user_id.into(), name.into()], known))
}

/// The user's connection with that URL; one that is in use goes before one that was unsubscribed from.
pub fn by_url(installation: &Installation, wanted: &Subscription) -> SqlResult<Option<Known>> {
    let arguments = [wanted.user_id.into(), wanted.url_hash.into(), wanted.provider.into()];
    BY_URL.with(|statement| statement.run(installation, &arguments, known))
}

fn known(mut rows: pgrx::spi::SpiTupleTable) -> Result<Option<Known>, pgrx::spi::Error> {
    let Some(row) = rows.next() else { return Ok(None) };
    let id: Option<pgrx::Uuid> = row.get(1)?;
    let of_account = row.get(2)?.unwrap_or_default();
    Ok(id.map(|id| Known { id: uuid_of(id), of_account }))
}

/// Whether the user has at least so many connections.
pub fn has_at_least(installation: &Installation, user_id: &str, count: i64) -> SqlResult<bool> {
    HAS_AT_LEAST.with(|statement| {
        statement.run(installation, &[user_id.into(), count.into()], |rows| {
            rows.first().get_one::<bool>().map(|has| has == Some(true))
        })
    })
}

/// Makes a connection, due at once; false where the user has one of that name. `url` is sealed.
pub fn add(
    installation: &Installation,
    id: Uuid,
    name: &str,
    url: &[u8],
    subscription: &Subscription,
) -> SqlResult<bool> {
    let arguments = [
        uuid(id).into(),
        subscription.user_id.into(),
        name.into(),
        subscription.provider.into(),
        url.into(),
        subscription.origin.into(),
        subscription.url_hash.into(),
        subscription.poll_interval.into(),
    ];
    ADD.with(|statement| statement.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// Gives a connection this URL, active and due at once; another URL than before drops what was known of the old one.
/// Its events stay, to be compared with what the new one gives.
pub fn repoint(installation: &Installation, id: Uuid, url: &[u8], subscription: &Subscription) -> SqlResult<()> {
    for hand_over in [&HAND_OVER_EVENTS, &HAND_OVER_SERIES] {
        hand_over
            .with(|statement| statement.execute(installation, &[uuid(id).into(), subscription.provider.into()]))?;
    }
    let arguments = [
        uuid(id).into(),
        subscription.provider.into(),
        url.into(),
        subscription.origin.into(),
        subscription.url_hash.into(),
        subscription.poll_interval.into(),
    ];
    REPOINT.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}

/// Whose connection this is; `None` where there is none, or it was unsubscribed from.
pub fn owner(installation: &Installation, id: pgrx::Uuid) -> SqlResult<Option<String>> {
    OWNER.with(|statement| {
        statement.run(installation, &[id.into()], |mut rows| match rows.next() {
            Some(row) => row.get(1),
            None => Ok(None),
        })
    })
}

/// Nothing is asked or sent until [`resume`].
pub fn pause(installation: &Installation, id: pgrx::Uuid) -> SqlResult<()> {
    PAUSE.with(|statement| statement.execute(installation, &[id.into()]))?;
    channels::stop_all(installation, uuid_of(id), true)
}

/// Ends a pause; due at once.
pub fn resume(installation: &Installation, id: pgrx::Uuid) -> SqlResult<()> {
    CONTINUE.with(|statement| statement.execute(installation, &[id.into()]))?;
    channels::go_on(installation, uuid_of(id))
}

/// Makes a user's connections due, or everybody's; returns how many.
pub fn request(installation: &Installation, user_id: Option<&str>) -> SqlResult<u64> {
    REQUEST.with(|statement| statement.execute(installation, &[user_id.into()]))
}

/// Connections as calendar_sync_status has them.
pub fn status(installation: &Installation, user_id: &str) -> SqlResult<Vec<Status>> {
    STATUS.with(|statement| {
        statement.run(installation, &[user_id.into()], |rows| {
            let mut list = Vec::with_capacity(rows.len());
            for row in rows {
                let Some(id) = row.get(1)? else { continue };
                list.push(Status {
                    id,
                    name: row.get(2)?.unwrap_or_default(),
                    provider: row.get(3)?.unwrap_or_default(),
                    status: row.get(4)?.unwrap_or_default(),
                    last_synced_at: row.get(5)?,
                    next_poll_at: row.get(6)?,
                    events: row.get(7)?.unwrap_or_default(),
                    errors: row.get(8)?.unwrap_or_default(),
                    last_error: row.get(9)?,
                });
            }
            Ok(list)
        })
    })
}
