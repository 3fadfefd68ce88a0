//! calendar_connections of accounts, as calendar_connect makes and changes them.

use pgrx::datum::DatumWithOid;
use pgrx::{JsonB, pg_sys};
use serde_json::Value;
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// A connection to be made.
pub struct New<'a> {
    pub id: Uuid,
    pub user_id: &'a str,
    pub name: &'a str,
    pub provider: &'a str,
    pub account_id: Uuid,
    /// The provider's identifier of the calendar.
    pub calendar: &'a str,
}

/// How a calendar is connected.
pub struct Settings<'a> {
    pub direction: &'a str,
    pub visibility: &'a str,
    pub conflict_policy: &'a str,
    pub filter: &'a Value,
    /// An object.
    pub options: &'a Value,
    pub delegate_email: Option<&'a str>,
    /// In seconds.
    pub poll_interval: Option<f64>,
    pub time_zone: Option<&'a str>,
    pub calendar_name: &'a str,
    /// Scheme, host and port of the API.
    pub origin: &'a str,
}

impl Settings<'_> {
    /// As the last parameters of the statements below.
    fn arguments(&self) -> [DatumWithOid<'_>; 10] {
        [
            self.direction.into(),
            self.visibility.into(),
            self.conflict_policy.into(),
            JsonB(self.filter.clone()).into(),
            JsonB(self.options.clone()).into(),
            self.delegate_email.into(),
            self.poll_interval.into(),
            self.time_zone.into(),
            self.calendar_name.into(),
            self.origin.into(),
        ]
    }
}

/// A connection that is there already; its row is locked.
pub struct Known {
    pub id: Uuid,
    pub name: String,
    pub visibility: String,
    pub is_paused: bool,
}

thread_local! {
    static PROVIDER: Statement = const { Statement::new(
        "select provider from @calendar_accounts where account_id = $1 and status <> 'disabled' for share",
        &[pg_sys::UUIDOID],
    ) };
    static BY_CALENDAR: Statement = const { Statement::new(
        "select connection_id, name, visibility, status = 'paused'
         from @calendar_connections
         where account_id = $1
           and external_calendar_id = $2
         for update",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    static ADD: Statement = const { Statement::new(
        "insert into @calendar_connections (connection_id, user_id, name, provider, account_id, external_calendar_id,
             direction, visibility, conflict_policy, filter, options, delegate_email, poll_interval, time_zone,
             calendar_name, url_host, next_poll_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, make_interval(secs => $13), $14, $15, $16,
             clock_timestamp())
         on conflict do nothing",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID,
            pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID, pg_sys::JSONBOID, pg_sys::TEXTOID,
            pg_sys::FLOAT8OID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
        ],
    ) };
    // What a provider has learned stays; what users set is as they say now. Another mailbox is another calendar.
    static CHANGE: Statement = const { Statement::new(
        "update @calendar_connections
         set direction = $2,
             visibility = $3,
             conflict_policy = $4,
             filter = $5,
             options = (options - array['mirror_from', 'properties']) || $6,
             delegate_email = $7,
             poll_interval = make_interval(secs => $8),
             time_zone = $9,
             calendar_name = $10,
             url_host = $11,
             cursor = case
                 when status <> 'removed' and direction <> 'push' and delegate_email is not distinct from $7 then cursor
             end,
             status = case when status = 'paused' then status else 'active' end,
             consecutive_failures = 0,
             last_error = null,
             next_poll_at = clock_timestamp(),
             leased_until = null,
             lease_generation = lease_generation + 1,
             updated_at = clock_timestamp()
         where connection_id = $1",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID, pg_sys::JSONBOID,
            pg_sys::TEXTOID, pg_sys::FLOAT8OID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
        ],
    ) };
    static RENAME: Statement = const { Statement::new(
        "update @calendar_connections set name = $2 where connection_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    static SEND_ANEW: Statement = const { Statement::new(
        "update @calendar_event_links
         set last_sync_at = '-infinity'
         where connection_id = $1
           and external_id is not null
           and sync_status <> 'deleted'",
        &[pg_sys::UUIDOID],
    ) };
}

/// The provider of an account, which stays until the transaction ends; `None` where it was removed.
pub fn provider(installation: &Installation, account_id: Uuid) -> SqlResult<Option<String>> {
    PROVIDER.with(|statement| {
        statement.run(installation, &[uuid(account_id).into()], |mut rows| match rows.next() {
            Some(row) => row.get(1),
            None => Ok(None),
        })
    })
}

/// The account's connection with that calendar, whatever its status.
pub fn by_calendar(installation: &Installation, account_id: Uuid, calendar: &str) -> SqlResult<Option<Known>> {
    BY_CALENDAR.with(|statement| {
        statement.run(installation, &[uuid(account_id).into(), calendar.into()], |mut rows| {
            let Some(row) = rows.next() else { return Ok(None) };
            let id: Option<pgrx::Uuid> = row.get(1)?;
            Ok(Some(Known {
                id: id.map(uuid_of).unwrap_or_default(),
                name: row.get(2)?.unwrap_or_default(),
                visibility: row.get(3)?.unwrap_or_default(),
                is_paused: row.get(4)?.unwrap_or_default(),
            }))
        })
    })
}

/// Makes a connection, due at once; false where the user has one of that name, or one with that calendar.
pub fn add(installation: &Installation, new: &New, settings: &Settings) -> SqlResult<bool> {
    let mut arguments = vec![
        uuid(new.id).into(),
        new.user_id.into(),
        new.name.into(),
        new.provider.into(),
        uuid(new.account_id).into(),
        new.calendar.into(),
    ];
    arguments.extend(settings.arguments());
    ADD.with(|statement| statement.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// Changes how a calendar is connected; one that was unsubscribed from is connected again. Due at once.
pub fn change(installation: &Installation, id: Uuid, settings: &Settings) -> SqlResult<()> {
    let mut arguments = vec![uuid(id).into()];
    arguments.extend(settings.arguments());
    CHANGE.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}

/// Gives a connection another name.
pub fn rename(installation: &Installation, id: Uuid, name: &str) -> SqlResult<()> {
    RENAME.with(|statement| statement.execute(installation, &[uuid(id).into(), name.into()]))?;
    Ok(())
}

/// What was sent there counts as older than what is here: it is compared, and sent as it is to be seen there now.
pub fn send_anew(installation: &Installation, id: Uuid) -> SqlResult<()> {
    SEND_ANEW.with(|statement| statement.execute(installation, &[uuid(id).into()]))?;
    Ok(())
}
