//! What is done about channels at their providers, and what came of it; see [`super::channels`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::channels::{Due, Registration, due, of_calendar};
use super::datum::{stamp, uuid};
use super::{Installation, Statement};
use crate::errors::SqlResult;

thread_local! {
    // What is leased is tried again when the lease ends, unless something has come of it by then.
    static LEASE: Statement = const { Statement::new(
        concat!(
            "update @calendar_webhook_subscriptions w
             set renew_at = case when w.stop_at is null then now() + make_interval(secs => $2) else w.renew_at end,
                 stop_at = case when w.stop_at is not null then now() + make_interval(secs => $2) end
             from @calendar_connections c
             where c.connection_id = w.connection_id
               and w.webhook_id = any (array(
                   select d.webhook_id
                   from @calendar_webhook_subscriptions d
                   join @calendar_connections dc on dc.connection_id = d.connection_id
                   where d.stop_at <= now()
                      or (d.renew_at <= now() and d.stop_at is null and dc.status in ('active', 'error'))
                   order by least(d.stop_at, d.renew_at)
                   limit $1
                   for update of d skip locked
               ))
             returning w.webhook_id, w.connection_id, w.provider, ", of_calendar!(), ", w.notification_url,
                 w.subscription_id, w.resource_id, w.resource_path, w.expiration, w.client_state,
                 w.stop_at is not null, w.failures"
        ),
        &[pg_sys::INT8OID, pg_sys::FLOAT8OID],
    ) };
    static REGISTERED: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set subscription_id = $2,
             resource_id = $3,
             resource_path = $4,
             expiration = $5,
             client_state = $6,
             last_message_number = null,
             is_active = true,
             renew_at = case when renew_at = 'infinity' then renew_at else $7 end,
             stop_at = case when renew_at = 'infinity' then clock_timestamp() else stop_at end,
             unannounced = 0,
             failures = 0,
             last_error = null
         where webhook_id = $1
           and renew_at is not null",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID,
            pg_sys::BYTEAOID, pg_sys::TIMESTAMPTZOID,
        ],
    ) };
    static EXTENDED: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set expiration = $2,
             renew_at = case when renew_at = 'infinity' then renew_at else $3 end,
             failures = 0,
             last_error = null
         where webhook_id = $1
           and renew_at is not null",
        &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static ADD_PASSING: Statement = const { Statement::new(
        "insert into @calendar_webhook_subscriptions (webhook_id, connection_id, provider, notification_url,
             subscription_id, resource_id, resource_path, expiration, client_state, is_active, stop_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, clock_timestamp() + make_interval(secs => $10))
         on conflict (subscription_id, provider) do nothing",
        &[
            pg_sys::UUIDOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
            pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID, pg_sys::BYTEAOID, pg_sys::FLOAT8OID,
        ],
    ) };
    static ENDED: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set is_active = false,
             subscription_id = case when renew_at is null then subscription_id end,
             client_state = null,
             client_state_hash = null,
             stop_at = null,
             failures = 0,
             last_error = $2
         where webhook_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    static FAILED: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set failures = failures + 1,
             last_error = $2,
             renew_at = case
                 when stop_at is null and renew_at < 'infinity' then clock_timestamp() + make_interval(secs => $3)
                 else renew_at
             end,
             stop_at = case when stop_at is not null then clock_timestamp() + make_interval(secs => $3) end
         where webhook_id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::FLOAT8OID],
    ) };
    static POSTPONED: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set renew_at = case
                 when stop_at is null and renew_at < 'infinity' then clock_timestamp() + make_interval(secs => $2)
                 else renew_at
             end,
             stop_at = case when stop_at is not null then clock_timestamp() + make_interval(secs => $2) end
         where webhook_id = $1",
        &[pg_sys::UUIDOID, pg_sys::FLOAT8OID],
    ) };
    static RENEW_ALL: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set renew_at = clock_timestamp()
         where renew_at < 'infinity'",
        &[],
    ) };
    static POLLED: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set unannounced = case when unannounced + 1 < $2 then unannounced + 1 else 0 end,
             renew_at = case when unannounced + 1 < $2 then renew_at else clock_timestamp() end
         where webhook_id = any (array(
             select w.webhook_id
             from @calendar_webhook_subscriptions w
             join @calendar_connections c on c.connection_id = w.connection_id
             where w.connection_id = $1
               and w.is_active
               and w.subscription_id is not null
               and w.stop_at is null
               and greatest(w.last_notification_at, w.created_at) < c.last_synced_at
             for update of w skip locked
         ))",
        &[pg_sys::UUIDOID, pg_sys::INT4OID],
    ) };
}

/// Channels that something is to be done about now; nobody else gets them for so long.
pub fn lease_due(installation: &Installation, limit: i64, lease: Duration) -> SqlResult<Vec<Due>> {
    LEASE.with(|statement| statement.rows(installation, &[limit.into(), lease.as_secs_f64().into()], due))
}

/// All channels are renewed now: what this database knows of them may be long past.
pub fn renew_all(installation: &Installation) -> SqlResult<()> {
    RENEW_ALL.with(|statement| statement.execute(installation, &[]))?;
    Ok(())
}

/// It is registered under that secret (sealed), and renewed at `renew_at`. False where nobody wants it any more.
pub fn registered(
    installation: &Installation,
    webhook_id: Uuid,
    registration: &Registration,
    client_state: &[u8],
    renew_at: Option<DateTime<Utc>>,
) -> SqlResult<bool> {
    let arguments = [
        uuid(webhook_id).into(),
        registration.subscription_id.as_str().into(),
        registration.resource_id.as_deref().into(),
        registration.resource_path.as_deref().into(),
        registration.expires.map(stamp).into(),
        client_state.into(),
        renew_at.map(stamp).into(),
    ];
    REGISTERED.with(|registered| registered.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// It lasts longer.
pub fn extended(
    installation: &Installation,
    webhook_id: Uuid,
    expires: Option<DateTime<Utc>>,
    renew_at: Option<DateTime<Utc>>,
) -> SqlResult<()> {
    let arguments = [uuid(webhook_id).into(), expires.map(stamp).into(), renew_at.map(stamp).into()];
    EXTENDED.with(|extended| extended.execute(installation, &arguments))?;
    Ok(())
}

/// A registration that is not to last gets a row of its own under that id: it is taken from for so long, and then ended.
/// `client_state` is sealed for it.
pub fn add_passing(
    installation: &Installation,
    id: Uuid,
    channel: &Due,
    old: &Registration,
    client_state: &[u8],
    overlap: Duration,
) -> SqlResult<()> {
    let arguments = [
        uuid(id).into(),
        uuid(channel.connection_id).into(),
        channel.provider.as_str().into(),
        channel.notification_url.as_str().into(),
        old.subscription_id.as_str().into(),
        old.resource_id.as_deref().into(),
        old.resource_path.as_deref().into(),
        old.expires.map(stamp).into(),
        client_state.into(),
        overlap.as_secs_f64().into(),
    ];
    ADD_PASSING.with(|add| add.execute(installation, &arguments))?;
    Ok(())
}

/// It has ended at the provider, or there was nothing to end: nothing is taken from it, and its secret is gone.
pub fn ended(installation: &Installation, webhook_id: Uuid, error: Option<&str>) -> SqlResult<()> {
    ENDED.with(|ended| ended.execute(installation, &[uuid(webhook_id).into(), error.into()]))?;
    Ok(())
}

/// A try failed; the next one is after `pause`.
pub fn failed(installation: &Installation, webhook_id: Uuid, error: &str, pause: Duration) -> SqlResult<()> {
    let arguments = [uuid(webhook_id).into(), error.into(), pause.as_secs_f64().into()];
    FAILED.with(|failed| failed.execute(installation, &arguments))?;
    Ok(())
}

/// It can't be tried now.
pub fn postponed(installation: &Installation, webhook_id: Uuid, pause: Duration) -> SqlResult<()> {
    POSTPONED
        .with(|postponed| postponed.execute(installation, &[uuid(webhook_id).into(), pause.as_secs_f64().into()]))?;
    Ok(())
}

/// A pull has found changes, and is not noted yet: where no notification has come since the one before, and that for
/// `most` pulls in a row, the channel is lost, and is registered again.
pub fn found_unannounced(installation: &Installation, connection_id: Uuid, most: i32) -> SqlResult<()> {
    POLLED.with(|polled| polled.execute(installation, &[uuid(connection_id).into(), most.into()]))?;
    Ok(())
}
