//! calendar_webhook_subscriptions as notifications come in: whose channel it is, what proves it, when it was heard of.
//! A channel's life: see [`super::channels`].

use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::uuid;
use super::rows::Columns;
use super::transaction::can_write_in_passing;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// A channel that notifications are taken from, or, of Notion, that a verification token is waited for.
#[derive(Debug, Clone)]
pub struct Channel {
    pub webhook_id: Uuid,
    pub connection_id: Uuid,
    pub user_id: String,
    pub subscription_id: String,
    /// Sealed; `None` where there is none yet.
    pub client_state: Option<Vec<u8>>,
    pub notification_url: String,
    pub last_message_number: Option<i64>,
    /// The provider's identifier of the calendar; empty for none.
    pub calendar: String,
}

/// What a notification says of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    pub webhook_id: Uuid,
    pub number: Option<i64>,
}

/// A statement that gives what [`channel`] reads of `w` and its connection `c`.
macro_rules! channels {
    ($of:literal) => {
        concat!(
            "select w.webhook_id, w.connection_id, c.user_id, w.subscription_id, w.client_state, w.notification_url,
                 w.last_message_number, c.external_calendar_id
             from @calendar_webhook_subscriptions w
             join @calendar_connections c on c.connection_id = w.connection_id
             where c.status <> 'removed'
               and ",
            $of
        )
    };
}

thread_local! {
    static NAMED: Statement = const { Statement::new(
        channels!("w.provider = $1 and w.subscription_id = any ($2) and w.is_active"),
        &[pg_sys::TEXTOID, pg_sys::TEXTARRAYOID],
    ) };
    // One for each secret that there is.
    static OF_SECRETS: Statement = const { Statement::new(
        channels!(
            "w.webhook_id in (
                 select distinct on (s.client_state_hash) s.webhook_id
                 from @calendar_webhook_subscriptions s
                 where s.provider = 'notion' and s.is_active and s.client_state_hash is not null
                 order by s.client_state_hash, s.webhook_id
             )"
        ),
        &[],
    ) };
    static WITH_SECRET_OF: Statement = const { Statement::new(
        channels!(
            "w.provider = 'notion' and w.is_active and w.client_state_hash = (
                 select client_state_hash from @calendar_webhook_subscriptions where webhook_id = $1
             )"
        ),
        &[pg_sys::UUIDOID],
    ) };
    // Whoever else takes a token for one of them at this moment has it then.
    static AWAITING: Statement = const { Statement::new(
        channels!(
            "w.provider = 'notion' and w.client_state is null and not w.is_active and w.stop_at is null
               and w.created_at > clock_timestamp() - interval '10 minutes'
             for update of w skip locked"
        ),
        &[],
    ) };
    static VERIFIED_AT: Statement = const { Statement::new(
        channels!(
            "w.provider = 'notion' and w.is_active and w.notification_url = $1
             order by w.webhook_id desc
             limit 1"
        ),
        &[pg_sys::TEXTOID],
    ) };
    static VERIFY: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions
         set client_state = $2, client_state_hash = $3, is_active = true, failures = 0, last_error = null
         where webhook_id = $1",
        &[pg_sys::UUIDOID, pg_sys::BYTEAOID, pg_sys::BYTEAOID],
    ) };
    // Whoever asked for a channel later under the same address has the token, too, but did not wait for it.
    static TOKEN: Statement = const { Statement::new(
        "select w.client_state
         from @calendar_webhook_subscriptions w
         where w.webhook_id = $1
           and w.provider = 'notion'
           and w.is_active
           and w.last_notification_at is null
           and not exists (
               select
               from @calendar_webhook_subscriptions o
               where o.client_state_hash = w.client_state_hash
                 and o.is_active
                 and o.webhook_id < w.webhook_id
           )",
        &[pg_sys::UUIDOID],
    ) };
    static NOTE: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions w
         set last_notification_at = clock_timestamp(),
             last_message_number = greatest(w.last_message_number, n.number),
             unannounced = 0
         from (
             select s.webhook_id, max(t.number) as number
             from (
                 select webhook_id
                 from @calendar_webhook_subscriptions
                 where webhook_id = any ($1)
                 for update skip locked
             ) s
             join unnest($1, $2) t (webhook_id, number) using (webhook_id)
             group by s.webhook_id
         ) n
         where w.webhook_id = n.webhook_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::INT8ARRAYOID],
    ) };
    static ENDS: Statement = const { Statement::new(
        "update @calendar_webhook_subscriptions w
         set renew_at = clock_timestamp(),
             expiration = case when $2 then clock_timestamp() else w.expiration end
         from (
             select webhook_id
             from @calendar_webhook_subscriptions
             where webhook_id = any ($1)
               and stop_at is null
             for update skip locked
         ) s
         where w.webhook_id = s.webhook_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::BOOLOID],
    ) };
    static REFUSED: Statement = const { Statement::new(
        "insert into @calendar_sync_log (connection_id, provider, user_id, action, status, error_message, details)
         select $1, $2, $3, 'webhook', 'failed', $4, case when $5 is not null then jsonb_build_object('channel', $5) end
         where (
             select count(*)
             from (
                 select
                 from @calendar_sync_log
                 where action = 'webhook'
                   and status = 'failed'
                   and created_at > now() - interval '1 minute'
                 limit $6
             ) lately
         ) < $6",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::INT8OID,
        ],
    ) };
}

fn channel(columns: &mut Columns) -> SpiResult<Channel> {
    Ok(Channel {
        webhook_id: columns.uuid()?.unwrap_or_default(),
        connection_id: columns.uuid()?.unwrap_or_default(),
        user_id: columns.word()?,
        subscription_id: columns.word()?,
        client_state: columns.bytes()?,
        notification_url: columns.word()?,
        last_message_number: columns.long()?,
        calendar: columns.word()?,
    })
}

/// The active channels that a provider has these names for.
pub fn named(installation: &Installation, provider: &str, names: Vec<&str>) -> SqlResult<Vec<Channel>> {
    NAMED.with(|named| named.rows(installation, &[provider.into(), names.into()], channel))
}

/// For each secret of Notion's channels one of those that share it.
pub fn of_secrets(installation: &Installation) -> SqlResult<Vec<Channel>> {
    OF_SECRETS.with(|of_secrets| of_secrets.rows(installation, &[], channel))
}

/// All that share that channel's secret.
pub fn with_secret_of(installation: &Installation, webhook_id: Uuid) -> SqlResult<Vec<Channel>> {
    WITH_SECRET_OF.with(|with_secret| with_secret.rows(installation, &[uuid(webhook_id).into()], channel))
}

/// Notion's channels that may still get their verification token; locked.
pub fn awaiting_verification(installation: &Installation) -> SqlResult<Vec<Channel>> {
    AWAITING.with(|awaiting| awaiting.rows(installation, &[], channel))
}

/// The newest of Notion's channels that are verified under that address.
pub fn verified_at(installation: &Installation, notification_url: &str) -> SqlResult<Option<Channel>> {
    VERIFIED_AT.with(|verified| verified.first(installation, &[notification_url.into()], channel))
}

/// Takes a verification token (sealed, and its keyed hash): from now on signed notifications count.
pub fn verify(installation: &Installation, webhook_id: Uuid, sealed: &[u8], hash: &[u8]) -> SqlResult<()> {
    VERIFY.with(|verify| verify.execute(installation, &[uuid(webhook_id).into(), sealed.into(), hash.into()]))?;
    Ok(())
}

/// The sealed verification token of a channel of Notion that no notification has come through yet.
pub fn fresh_token(installation: &Installation, webhook_id: Uuid) -> SqlResult<Option<Vec<u8>>> {
    let found = TOKEN.with(|token| token.first(installation, &[uuid(webhook_id).into()], Columns::bytes))?;
    Ok(found.flatten())
}

/// Notes that these were heard of, where that waits for nobody.
pub fn note(installation: &Installation, heard: &[Noted]) -> SqlResult<()> {
    if heard.is_empty() || !can_write_in_passing() {
        return Ok(());
    }
    let ids: Vec<_> = heard.iter().map(|noted| uuid(noted.webhook_id)).collect();
    let numbers: Vec<_> = heard.iter().map(|noted| noted.number).collect();
    NOTE.with(|note| note.execute(installation, &[ids.into(), numbers.into()]))?;
    Ok(())
}

/// The provider says that these channels end soon, or have ended: they are renewed, or registered again, at once.
pub fn ends(installation: &Installation, channels: &[Uuid], have_ended: bool) -> SqlResult<()> {
    if channels.is_empty() || !can_write_in_passing() {
        return Ok(());
    }
    let ids: Vec<_> = channels.iter().map(|id| uuid(*id)).collect();
    ENDS.with(|ends| ends.execute(installation, &[ids.into(), have_ended.into()]))?;
    Ok(())
}

/// Logs a call that was refused, unless `most` of them have been within the last minute.
pub fn log_refusal(
    installation: &Installation,
    provider: &str,
    why: &str,
    named: Option<&str>,
    channel: Option<&Channel>,
    most: i64,
) -> SqlResult<()> {
    let arguments = [
        channel.map(|channel| uuid(channel.connection_id)).into(),
        provider.into(),
        channel.map(|channel| channel.user_id.as_str()).into(),
        why.into(),
        named.into(),
        most.into(),
    ];
    REFUSED.with(|refused| refused.execute(installation, &arguments))?;
    Ok(())
}
