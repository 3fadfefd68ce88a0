//! A channel's life (calendar_webhook_subscriptions): asked for, registered at the provider, renewed, suspended, ended.
//!
//! | | `is_active` | `renew_at` | `stop_at` |
//! |---|---|---|---|
//! | to be registered (Notion: its token is waited for) | false | the next try (Notion: NULL) | NULL |
//! | works | true | when it is renewed | NULL |
//! | is to be ended at the provider; works until then | true | NULL, or infinity | the next try |
//! | suspended with its connection | false | infinity | NULL |
//! | ended | false | NULL | NULL |

use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use serde_json::Value;
use uuid::Uuid;

use super::datum::uuid;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// A connection that is to have a channel.
#[derive(Debug, Clone)]
pub struct Subject {
    pub connection_id: Uuid,
    pub provider: String,
    pub direction: String,
    pub status: String,
    pub calendar: Calendar,
}

/// Where a channel's calendar is.
#[derive(Debug, Clone)]
pub struct Calendar {
    pub account_id: Option<Uuid>,
    /// The provider's identifier of it.
    pub external_id: String,
    pub mailbox: Option<String>,
    /// The connection's options.
    pub options: Value,
}

/// A channel as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub subscription_id: String,
    pub resource_id: Option<String>,
    pub resource_path: Option<String>,
    pub expires: Option<DateTime<Utc>>,
}

/// A channel that something is to be done about at the provider.
#[derive(Debug, Clone)]
pub struct Due {
    pub webhook_id: Uuid,
    pub connection_id: Uuid,
    pub provider: String,
    pub calendar: Calendar,
    pub notification_url: String,
    /// `None` where it is to be registered.
    pub registration: Option<Registration>,
    /// Sealed.
    pub client_state: Option<Vec<u8>>,
    /// It is to be ended; else registered or renewed.
    pub is_to_end: bool,
    /// Tries that failed in a row.
    pub failures: u32,
}

impl Due {
    /// A new one, that is to be registered.
    pub fn new(subject: &Subject, notification_url: &str) -> Self {
        Self {
            webhook_id: super::new_id(),
            connection_id: subject.connection_id,
            provider: subject.provider.clone(),
            calendar: subject.calendar.clone(),
            notification_url: notification_url.to_owned(),
            registration: None,
            client_state: None,
            is_to_end: false,
            failures: 0,
        }
    }
}

/// A connection's `c` calendar, as [`calendar`] reads it.
macro_rules! of_calendar {
    () => {
        "c.account_id, c.external_calendar_id, c.delegate_email, c.options::text"
    };
}
pub(super) use of_calendar;

thread_local! {
    static SUBJECT: Statement = const { Statement::new(
        concat!(
            "select c.connection_id, c.provider, c.direction, c.status, ", of_calendar!(), "
             from @calendar_connections c
             where c.connection_id = $1
               and c.status <> 'removed'"
        ),
        &[pg_sys::UUIDOID],
    ) };
    static OWNER: Statement = const { Statement::new(
        "select c.user_id
         from @calendar_webhook_subscriptions w
         join @calendar_connections c on c.connection_id = w.connection_id
         where w.webhook_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    static ONE: Statement = const { Statement::new(
        concat!(
            "select w.webhook_id, w.connection_id, w.provider, ", of_calendar!(), ", w.notification_url,
                 w.subscription_id, w.resource_id, w.resource_path, w.expiration, w.client_state, true, w.failures
             from @calendar_webhook_subscriptions w
             join @calendar_connections c on c.connection_id = w.connection_id
             where w.webhook_id = $1
             for update of w"
        ),
        &[pg_sys::UUIDOID],
    ) };
    static REGISTRATIONS: Statement = const { Statement::new(
        "select subscription_id, resource_id, resource_path, expiration
         from @calendar_webhook_subscriptions
         where connection_id = $1
           and is_active
           and subscription_id is not null",
        &[pg_sys::UUIDOID],
    ) };
    static ADD: Statement = const { Statement::new(
        "insert into @calendar_webhook_subscriptions
             (webhook_id, connection_id, provider, notification_url, is_active, renew_at)
         values ($1, $2, $3, $4, false, case when $3 <> 'notion' then clock_timestamp() end)",
        &[pg_sys::UUIDOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static FORGET_WAITING: Statement = const { Statement::new(
        "delete from @calendar_webhook_subscriptions o
         using @calendar_webhook_subscriptions w
         where w.webhook_id = $1
           and o.connection_id = w.connection_id
           and o.webhook_id <> w.webhook_id
           and o.client_state is null
           and not o.is_active
           and o.subscription_id is null",
        &[pg_sys::UUIDOID],
    ) };
    static REPLACE_OTHERS: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions o
         set is_active = o.subscription_id is not null,
             stop_at = case when o.subscription_id is not null then clock_timestamp() end,
             renew_at = null,
             client_state = case when o.subscription_id is not null then o.client_state end,
             client_state_hash = null
         from @calendar_webhook_subscriptions w
         where w.webhook_id = $1
           and o.connection_id = w.connection_id
           and o.webhook_id <> w.webhook_id
           and (o.is_active or o.renew_at is not null)",
        &[pg_sys::UUIDOID],
    ) };
    static STOP_ALL: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set is_active = is_active and subscription_id is not null,
             stop_at = case when is_active and subscription_id is not null then clock_timestamp() end,
             renew_at = case
                 when $2 and provider <> 'notion' and (stop_at is null or renew_at is not null) then 'infinity'::timestamptz
             end,
             client_state = case when is_active and subscription_id is not null then client_state end,
             client_state_hash = null
         where connection_id = $1
           and (is_active or renew_at is not null)
           and (provider <> 'notion' or not $2)",
        &[pg_sys::UUIDOID, pg_sys::BOOLOID],
    ) };
    static FORGET_ALL: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set is_active = false,
             client_state = null,
             client_state_hash = null,
             renew_at = null,
             stop_at = null
         where connection_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    static STOP: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set is_active = false,
             renew_at = null,
             stop_at = clock_timestamp(),
             last_error = $2
         where webhook_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    static GO_ON: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set renew_at = clock_timestamp(), stop_at = null, failures = 0
         where connection_id = $1
           and renew_at = 'infinity'",
        &[pg_sys::UUIDOID],
    ) };
    static GIVEN_UP: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set is_active = false,
             client_state = null,
             client_state_hash = null,
             renew_at = null,
             stop_at = null,
             last_error = $2
         where webhook_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
}

fn calendar(columns: &mut Columns) -> SpiResult<Calendar> {
    Ok(Calendar {
        account_id: columns.uuid()?,
        external_id: columns.word()?,
        mailbox: columns.text()?,
        options: columns.json()?,
    })
}

pub(super) fn due(columns: &mut Columns) -> SpiResult<Due> {
    Ok(Due {
        webhook_id: columns.uuid()?.unwrap_or_default(),
        connection_id: columns.uuid()?.unwrap_or_default(),
        provider: columns.word()?,
        calendar: calendar(columns)?,
        notification_url: columns.word()?,
        registration: registration(columns)?,
        client_state: columns.bytes()?,
        is_to_end: columns.flag()?,
        failures: columns.int()?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
    })
}

fn registration(columns: &mut Columns) -> SpiResult<Option<Registration>> {
    let (subscription_id, resource_id, resource_path) = (columns.text()?, columns.text()?, columns.text()?);
    let expires = columns.instant()?;
    Ok(subscription_id.map(|subscription_id| Registration { subscription_id, resource_id, resource_path, expires }))
}

/// The connection of that id; `None` where there is none, or it was unsubscribed from.
pub fn subject(installation: &Installation, connection_id: Uuid) -> SqlResult<Option<Subject>> {
    SUBJECT.with(|subject| {
        subject.first(installation, &[uuid(connection_id).into()], |columns| {
            Ok(Subject {
                connection_id: columns.uuid()?.unwrap_or_default(),
                provider: columns.word()?,
                direction: columns.word()?,
                status: columns.word()?,
                calendar: calendar(columns)?,
            })
        })
    })
}

/// Whose channel it is; `None` where there is none.
pub fn owner(installation: &Installation, webhook_id: Uuid) -> SqlResult<Option<String>> {
    OWNER.with(|owner| owner.first(installation, &[uuid(webhook_id).into()], Columns::word))
}

/// A channel, as what is to be ended.
pub fn one(installation: &Installation, webhook_id: Uuid) -> SqlResult<Option<Due>> {
    ONE.with(|one| one.first(installation, &[uuid(webhook_id).into()], due))
}

/// What of the connection's is registered at the provider.
pub fn registrations(installation: &Installation, connection_id: Uuid) -> SqlResult<Vec<Registration>> {
    let rows = REGISTRATIONS.with(|all| all.rows(installation, &[uuid(connection_id).into()], registration))?;
    Ok(rows.into_iter().flatten().collect())
}

/// A channel that is to be: not registered yet, and nothing is taken from it.
pub fn add(
    installation: &Installation,
    webhook_id: Uuid,
    connection_id: Uuid,
    provider: &str,
    notification_url: &str,
) -> SqlResult<()> {
    let arguments = [uuid(webhook_id).into(), uuid(connection_id).into(), provider.into(), notification_url.into()];
    ADD.with(|add| add.execute(installation, &arguments))?;
    Ok(())
}

/// The connection's other channels that nothing has come of yet are none any more.
pub fn forget_waiting(installation: &Installation, webhook_id: Uuid) -> SqlResult<()> {
    FORGET_WAITING.with(|forget| forget.execute(installation, &[uuid(webhook_id).into()]))?;
    Ok(())
}

/// That channel stands in for the connection's others: what is registered at the provider is ended there, and taken
/// from until then.
pub fn replace_others(installation: &Installation, webhook_id: Uuid) -> SqlResult<()> {
    REPLACE_OTHERS.with(|replace| replace.execute(installation, &[uuid(webhook_id).into()]))?;
    Ok(())
}

/// The connection wants no notifications any more, now or for ever: its channels are ended, those at a provider by the
/// worker. Where the connection is only paused, [`go_on`] brings them back. Notion's are of a whole integration and stay
/// over a pause.
pub fn stop_all(installation: &Installation, connection_id: Uuid, for_now: bool) -> SqlResult<()> {
    STOP_ALL.with(|stop| stop.execute(installation, &[uuid(connection_id).into(), for_now.into()]))?;
    Ok(())
}

/// The connection's account is no more: nothing can be ended at the provider, and nothing is taken any more.
pub fn forget_all(installation: &Installation, connection_id: Uuid) -> SqlResult<()> {
    FORGET_ALL.with(|forget| forget.execute(installation, &[uuid(connection_id).into()]))?;
    Ok(())
}

/// Nothing is taken from it any more; the worker ends it at the provider, which failed for now.
pub fn stop(installation: &Installation, webhook_id: Uuid, error: &str) -> SqlResult<()> {
    STOP.with(|stop| stop.execute(installation, &[uuid(webhook_id).into(), error.into()]))?;
    Ok(())
}

/// The connection wants notifications again.
pub fn go_on(installation: &Installation, connection_id: Uuid) -> SqlResult<()> {
    GO_ON.with(|go_on| go_on.execute(installation, &[uuid(connection_id).into()]))?;
    Ok(())
}

/// There is none, and it is not tried again.
pub fn given_up(installation: &Installation, webhook_id: Uuid, why: Option<&str>) -> SqlResult<()> {
    GIVEN_UP.with(|given_up| given_up.execute(installation, &[uuid(webhook_id).into(), why.into()]))?;
    Ok(())
}
