//! calendar_accounts as their owners see them: added, removed. Their tokens' life: see [`super::tokens`].

use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{stamp, uuid, uuid_of};
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// Tokens to be stored, sealed.
pub struct Sealed {
    pub access_token: Vec<u8>,
    /// `None`: the one there is stays.
    pub refresh_token: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
    /// `None`: those there are stay.
    pub scopes: Option<Vec<String>>,
}

/// What is left of a removed account, for a while: its tokens, sealed, and where they can be ended.
pub struct Removed {
    pub provider: String,
    pub access_token: Option<Vec<u8>>,
    pub refresh_token: Option<Vec<u8>>,
    pub connections: Vec<Uuid>,
}

thread_local! {
    // One that is in use goes before one that was removed. Who logs in twice at once gets the same account twice.
    static FIND: Statement = const { Statement::new(
        "select account_id
         from @calendar_accounts
         where user_id = $1
           and provider = $2
           and lower(account_email) is not distinct from lower($3)
         order by status = 'disabled', account_id desc
         limit 1
         for update",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static ADD: Statement = const { Statement::new(
        "insert into @calendar_accounts (account_id, user_id, provider, account_email, access_token, refresh_token,
             token_expires_at, scopes)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict do nothing",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::BYTEAOID,
            pg_sys::TIMESTAMPTZOID, pg_sys::TEXTARRAYOID,
        ],
    ) };
    static REPLACE: Statement = const { Statement::new(
        "update @calendar_accounts
         set account_email = $2,
             access_token = $3,
             refresh_token = coalesce($4, refresh_token),
             token_expires_at = $5,
             scopes = coalesce($6, scopes),
             status = 'active',
             last_error = null,
             token_generation = token_generation + 1,
             refresh_until = null,
             refresh_not_before = null,
             refresh_failures = 0,
             rejected_generation = null,
             updated_at = clock_timestamp()
         where account_id = $1",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::BYTEAOID, pg_sys::TIMESTAMPTZOID,
            pg_sys::TEXTARRAYOID,
        ],
    ) };
    static GO_ON: Statement = const { Statement::new(
        "update @calendar_connections
         set status = 'active',
             consecutive_failures = 0,
             last_error = null,
             next_poll_at = clock_timestamp(),
             updated_at = clock_timestamp()
         where account_id = $1
           and status = 'reauth_required'",
        &[pg_sys::UUIDOID],
    ) };
    static OWNER: Statement = const { Statement::new(
        "select user_id from @calendar_accounts where account_id = $1 and status <> 'disabled'",
        &[pg_sys::UUIDOID],
    ) };
    static TOKENS: Statement = const { Statement::new(
        "select provider, access_token, refresh_token,
             array(select connection_id from @calendar_connections c where c.account_id = a.account_id)
         from @calendar_accounts a
         where account_id = $1
           and status <> 'disabled'
         for update of a",
        &[pg_sys::UUIDOID],
    ) };
    static WIPE: Statement = const { Statement::new(
        "update @calendar_accounts
         set status = 'disabled',
             access_token = null,
             refresh_token = null,
             token_expires_at = null,
             last_error = null,
             token_generation = token_generation + 1,
             refresh_until = null,
             refresh_not_before = null,
             refresh_failures = 0,
             updated_at = clock_timestamp()
         where account_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    static IS_DISABLED: Statement = const { Statement::new(
        "select exists (select from @calendar_accounts where account_id = $1 and status = 'disabled')",
        &[pg_sys::UUIDOID],
    ) };
}

/// The user's account of that login, whatever its status; its row is locked.
pub fn find(
    installation: &Installation,
    user_id: &str,
    provider: &str,
    email: Option<&str>,
) -> SqlResult<Option<Uuid>> {
    let arguments = [user_id.into(), provider.into(), email.into()];
    FIND.with(|statement| {
        statement.run(installation, &arguments, |mut rows| match rows.next() {
            Some(row) => row.get::<pgrx::Uuid>(1).map(|id| id.map(uuid_of)),
            None => Ok(None),
        })
    })
}

/// Adds an account; false where the user has one of that login.
pub fn add(
    installation: &Installation,
    id: Uuid,
    user_id: &str,
    provider: &str,
    email: Option<&str>,
    tokens: &Sealed,
) -> SqlResult<bool> {
    let arguments = [
        uuid(id).into(),
        user_id.into(),
        provider.into(),
        email.into(),
        tokens.access_token.as_slice().into(),
        tokens.refresh_token.as_deref().into(),
        tokens.expires_at.map(stamp).into(),
        tokens.scopes.clone().into(),
    ];
    ADD.with(|statement| statement.execute(installation, &arguments)).map(|rows| rows > 0)
}

/// Gives an account new tokens; its connections that waited for them go on at once.
pub fn replace(installation: &Installation, id: Uuid, email: Option<&str>, tokens: &Sealed) -> SqlResult<()> {
    let arguments = [
        uuid(id).into(),
        email.into(),
        tokens.access_token.as_slice().into(),
        tokens.refresh_token.as_deref().into(),
        tokens.expires_at.map(stamp).into(),
        tokens.scopes.clone().into(),
    ];
    REPLACE.with(|statement| statement.execute(installation, &arguments))?;
    GO_ON.with(|statement| statement.execute(installation, &[uuid(id).into()]))?;
    Ok(())
}

/// Whose account this is; `None` where there is none, or it was removed.
pub fn owner(installation: &Installation, id: Uuid) -> SqlResult<Option<String>> {
    OWNER.with(|statement| {
        statement.run(installation, &[uuid(id).into()], |mut rows| match rows.next() {
            Some(row) => row.get(1),
            None => Ok(None),
        })
    })
}

/// Wipes an account's tokens, and gives them out for the last time; `None` where there is no such account.
pub fn remove(installation: &Installation, id: Uuid) -> SqlResult<Option<Removed>> {
    let removed = TOKENS.with(|statement| {
        statement.run(installation, &[uuid(id).into()], |mut rows| {
            let Some(row) = rows.next() else { return Ok(None) };
            let connections: Vec<pgrx::Uuid> = row.get(4)?.unwrap_or_default();
            Ok(Some(Removed {
                provider: row.get(1)?.unwrap_or_default(),
                access_token: row.get(2)?,
                refresh_token: row.get(3)?,
                connections: connections.into_iter().map(uuid_of).collect(),
            }))
        })
    })?;
    WIPE.with(|statement| statement.execute(installation, &[uuid(id).into()]))?;
    Ok(removed)
}

/// Whether it was removed.
pub fn is_removed(installation: &Installation, id: Uuid) -> SqlResult<bool> {
    IS_DISABLED.with(|statement| {
        statement
            .run(installation, &[uuid(id).into()], |rows| rows.first().get_one::<bool>().map(|it| it == Some(true)))
    })
}
