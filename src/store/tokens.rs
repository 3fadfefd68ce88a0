//! Tokens of accounts: read for a request, and renewed by one at a time.

use std::time::Duration;

use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::accounts::Sealed;
use super::datum::{stamp, uuid};
use super::holder::{self, is_there, started_at};
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// What a request in an account's name needs to know of it.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: Uuid,
    pub user_id: String,
    pub provider: String,
    /// Sealed.
    pub access_token: Option<Vec<u8>>,
    pub is_renewable: bool,
    /// Seconds until it expires, negative afterwards; `None`: not known, or never.
    pub expires_in: Option<f64>,
    /// Seconds since they were given.
    pub age: f64,
    pub is_active: bool,
    pub last_error: Option<String>,
    pub generation: i64,
    /// The provider has refused these tokens.
    pub is_rejected: bool,
    /// They came in the place of some that it has refused, and it is not known that they are better.
    pub is_on_trial: bool,
    /// Somebody renews them, for so long at most.
    pub renewed_for: Option<Duration>,
    /// They are not to be renewed before that: it failed.
    pub not_before: Option<Duration>,
    /// Failures to renew them in a row.
    pub failures: u32,
}

/// Of the account $1, as long as its tokens are of generation $2 and nobody else is at it. What is given is asked as well.
macro_rules! of_generation {
    ($($and:expr),*) => {
        concat!(
            "where account_id = any (array(
             select account_id
             from @calendar_accounts
             where account_id = $1
               and token_generation = $2
               ", $($and,)* "
             for update skip locked
         ))"
        )
    };
}

thread_local! {
    static READ: Statement = const { Statement::new(
        concat!(
            "select account_id, user_id, provider, access_token, refresh_token is not null,
             extract(epoch from token_expires_at - clock_timestamp())::float8, status = 'active', last_error,
             token_generation, coalesce(rejected_generation = token_generation, false),
             coalesce(rejected_generation = token_generation - 1, false),
             case
                 when refresh_until > clock_timestamp() and ", is_there!("refreshed_by", "refreshed_by_start"), "
                 then extract(epoch from refresh_until - clock_timestamp())::float8
             end,
             extract(epoch from refresh_not_before - clock_timestamp())::float8, refresh_failures,
             extract(epoch from clock_timestamp() - updated_at)::float8
         from @calendar_accounts
         where account_id = any ($1)
           and status <> 'disabled'"
        ),
        &[pg_sys::UUIDARRAYOID],
    ) };
    static LOCK: Statement = const { Statement::new(
        "select from @calendar_accounts where account_id = $1 for update skip locked",
        &[pg_sys::UUIDOID],
    ) };
    static LEASE: Statement = const { Statement::new(
        concat!(
            "update @calendar_accounts
         set refresh_until = clock_timestamp() + make_interval(secs => $3),
             refreshed_by = pg_backend_pid(),
             refreshed_by_start = ", started_at!(), "
         ", of_generation!(
                "and status = 'active'
               and refresh_token is not null
               and (
                   refresh_until is null
                   or refresh_until < clock_timestamp()
                   or not ", is_there!("refreshed_by", "refreshed_by_start"), "
               )"
            ), "
         returning refresh_token"
        ),
        &[pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::FLOAT8OID],
    ) };
    static RENEWED: Statement = const { Statement::new(
        concat!(
            "update @calendar_accounts
         set access_token = $3,
             refresh_token = coalesce($4, refresh_token),
             token_expires_at = $5,
             scopes = coalesce($6, scopes),
             last_error = null,
             token_generation = token_generation + 1,
             refresh_until = null,
             refresh_not_before = null,
             refresh_failures = 0,
             updated_at = clock_timestamp()
         ", of_generation!()
        ),
        &[
            pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::BYTEAOID, pg_sys::BYTEAOID, pg_sys::TIMESTAMPTZOID,
            pg_sys::TEXTARRAYOID,
        ],
    ) };
    static IS_CURRENT: Statement = const { Statement::new(
        "select exists (select from @calendar_accounts where account_id = $1 and token_generation = $2)",
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    static POSTPONED: Statement = const { Statement::new(
        concat!(
            "update @calendar_accounts
         set last_error = $3,
             refresh_failures = refresh_failures + 1,
             refresh_not_before = clock_timestamp() + make_interval(secs => $4),
             refresh_until = null
         ", of_generation!()
        ),
        &[pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TEXTOID, pg_sys::FLOAT8OID],
    ) };
    static LOST: Statement = const { Statement::new(
        concat!(
            "update @calendar_accounts
         set status = 'reauth_required',
             last_error = $3,
             refresh_until = null,
             refresh_not_before = null
         ", of_generation!("and status = 'active'")
        ),
        &[pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TEXTOID],
    ) };
    // Those that another transaction is at are told by their next pull.
    static STOP: Statement = const { Statement::new(
        "update @calendar_connections
         set status = 'reauth_required',
             last_error = $2,
             leased_until = null,
             lease_generation = lease_generation + 1
         where connection_id = any (array(
             select connection_id
             from @calendar_connections
             where account_id = $1
               and status in ('active', 'error')
             for update skip locked
         ))",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID],
    ) };
    // New tokens that are refused, too, before anything was done with them do not help.
    static REJECTED: Statement = const { Statement::new(
        "update @calendar_accounts a
         set rejected_generation = $2,
             token_expires_at = least(a.token_expires_at, clock_timestamp())
         from (
             select account_id, rejected_generation, updated_at, refresh_token is not null as renewable
             from @calendar_accounts
             where account_id = $1
               and token_generation = $2
               and status = 'active'
             for update skip locked
         ) before
         where a.account_id = before.account_id
         returning before.renewable
             and (
                 before.rejected_generation is distinct from $2 - 1
                 or before.updated_at < clock_timestamp() - interval '1 minute'
                 or exists (
                     select
                     from @calendar_connections c
                     where c.account_id = $1
                       and (
                           c.last_synced_at > before.updated_at
                           or exists (
                               select
                               from @calendar_event_links l
                               where l.connection_id = c.connection_id
                                 and l.last_sync_at > before.updated_at
                           )
                       )
                 )
             )",
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    static WORKED: Statement = const { Statement::new(
        concat!(
            "update @calendar_accounts
         set rejected_generation = null
         ", of_generation!()
        ),
        &[pg_sys::UUIDOID, pg_sys::INT8OID],
    ) };
    static LOG: Statement = const { Statement::new(
        "insert into @calendar_sync_log (provider, user_id, action, status, error_message, duration_ms)
         values ($1, $2, 'refresh', $3, $4, $5)",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::INT4OID],
    ) };
}

/// These accounts, but for removed ones.
pub fn read(installation: &Installation, ids: &[Uuid]) -> SqlResult<Vec<Account>> {
    let ids: Vec<pgrx::Uuid> = ids.iter().map(|id| uuid(*id)).collect();
    READ.with(|statement| statement.rows(installation, &[ids.into()], account))
}

/// An account as it is now, whatever the transaction's snapshot shows; `None` for a removed one.
pub fn read_now(installation: &Installation, id: Uuid) -> SqlResult<Option<Account>> {
    holder::look_again();
    let ids = vec![uuid(id)];
    Ok(READ.with(|statement| statement.rows_now(installation, &[ids.into()], account))?.pop())
}

fn account(row: &mut Columns) -> SpiResult<Account> {
    Ok(Account {
        id: row.uuid()?.unwrap_or_default(),
        user_id: row.word()?,
        provider: row.word()?,
        access_token: row.bytes()?,
        is_renewable: row.flag()?,
        expires_in: row.number()?,
        is_active: row.flag()?,
        last_error: row.text()?,
        generation: row.long()?.unwrap_or_default(),
        is_rejected: row.flag()?,
        is_on_trial: row.flag()?,
        renewed_for: left(row)?,
        not_before: left(row)?,
        failures: row.int()?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        age: row.number()?.unwrap_or_default(),
    })
}

/// Seconds that are not over yet.
fn left(row: &mut Columns) -> SpiResult<Option<Duration>> {
    Ok(row.number()?.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// Makes the caller the one who renews these tokens, for that long; returns the refresh token, sealed. `None` where
/// somebody else is at it, or at the account.
pub fn lease(installation: &Installation, account: &Account, lease: Duration) -> SqlResult<Option<Vec<u8>>> {
    // Who leased it a moment ago may be younger than what this transaction knows of processes, and would be taken for dead:
    // they are looked at only where nobody can lease it any more.
    LOCK.with(|statement| statement.execute(installation, &[uuid(account.id).into()]))?;
    holder::look_again();
    let arguments = [uuid(account.id).into(), account.generation.into(), lease.as_secs_f64().into()];
    LEASE.with(|statement| {
        statement.run(installation, &arguments, |mut rows| match rows.next() {
            Some(row) => row.get(1),
            None => Ok(None),
        })
    })
}

/// Stores new tokens in place of those of that generation; false where they are not the account's any more, or somebody
/// else has its row locked ([`is_current`] tells which).
pub fn renewed(installation: &Installation, id: Uuid, generation: i64, tokens: &Sealed) -> SqlResult<bool> {
    let arguments = [
        uuid(id).into(),
        generation.into(),
        tokens.access_token.as_slice().into(),
        tokens.refresh_token.as_deref().into(),
        tokens.expires_at.map(stamp).into(),
        tokens.scopes.clone().into(),
    ];
    RENEWED.with(|statement| statement.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// Whether the account's tokens are still of that generation.
pub fn is_current(installation: &Installation, id: Uuid, generation: i64) -> SqlResult<bool> {
    IS_CURRENT.with(|statement| {
        let arguments = [uuid(id).into(), generation.into()];
        statement.run(installation, &arguments, |rows| rows.first().get_one::<bool>().map(|it| it == Some(true)))
    })
}

/// They could not be renewed this time. False as with [`renewed`].
pub fn postponed(
    installation: &Installation,
    id: Uuid,
    generation: i64,
    why: &str,
    pause: Duration,
) -> SqlResult<bool> {
    let arguments = [uuid(id).into(), generation.into(), why.into(), pause.as_secs_f64().into()];
    POSTPONED.with(|statement| statement.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// Only its user can mend it: the account and its connections wait for a new login. False as with [`renewed`].
pub fn lost(installation: &Installation, id: Uuid, generation: i64, why: &str) -> SqlResult<bool> {
    let arguments = [uuid(id).into(), generation.into(), why.into()];
    let lost = LOST.with(|statement| statement.execute(installation, &arguments))? > 0;
    if lost {
        STOP.with(|statement| statement.execute(installation, &[uuid(id).into(), why.into()]))?;
    }
    Ok(lost)
}

/// The provider has refused these tokens (401). Whether new ones may help; `None` where they are not the account's any
/// more.
pub fn rejected(installation: &Installation, id: Uuid, generation: i64) -> SqlResult<Option<bool>> {
    REJECTED.with(|statement| {
        statement.run(installation, &[uuid(id).into(), generation.into()], |mut rows| match rows.next() {
            Some(row) => row.get(1),
            None => Ok(None),
        })
    })
}

/// Something was done with these tokens, which are on trial. Nothing happens where somebody else is at the account.
pub fn worked(installation: &Installation, id: Uuid, generation: i64) -> SqlResult<()> {
    WORKED.with(|statement| statement.execute(installation, &[uuid(id).into(), generation.into()]))?;
    Ok(())
}

/// A row of the log about renewing an account's tokens.
pub fn log(installation: &Installation, account: &Account, error: Option<&str>, duration: Duration) -> SqlResult<()> {
    let status = match error {
        None => "success",
        Some(_) if account.failures > 0 => "retry",
        Some(_) => "failed",
    };
    let arguments = [
        account.provider.as_str().into(),
        account.user_id.as_str().into(),
        status.into(),
        error.into(),
        i32::try_from(duration.as_millis()).unwrap_or(i32::MAX).into(),
    ];
    LOG.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}
