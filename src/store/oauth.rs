//! calendar_oauth_clients and calendar_oauth_states: the application's registrations, and logins under way.

use pgrx::{JsonB, pg_sys};
use serde_json::Value;
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// The application as it is registered at a provider.
#[derive(Debug)]
pub struct Registered {
    /// What its secret is sealed for.
    pub id: Uuid,
    pub client_id: String,
    /// Sealed; `None` for a public client.
    pub client_secret: Option<Vec<u8>>,
    pub addresses: Addresses,
    pub redirect_uris: Vec<String>,
    /// `None`: the provider's usual ones.
    pub scopes: Option<Vec<String>>,
    pub options: Value,
}

/// Where the provider is asked; `None` for its usual address.
#[derive(Debug, Default)]
pub struct Addresses {
    pub api: Option<String>,
    pub authorize: Option<String>,
    pub token: Option<String>,
    pub revoke: Option<String>,
}

/// A login under way.
pub struct Pending {
    pub id: Uuid,
    pub provider: String,
    pub redirect_uri: String,
    /// PKCE verifier, sealed.
    pub code_verifier: Vec<u8>,
}

thread_local! {
    static READ: Statement = const { Statement::new(
        "select oauth_client_id, client_id, client_secret, api_url, authorize_url, token_url, revoke_url, redirect_uris,
             scopes, options
         from @calendar_oauth_clients
         where provider = $1",
        &[pg_sys::TEXTOID],
    ) };
    static REGISTER: Statement = const { Statement::new(
        "insert into @calendar_oauth_clients (provider, oauth_client_id, client_id, client_secret, api_url, authorize_url,
             token_url, revoke_url, redirect_uris, scopes, options)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (provider) do update
         set oauth_client_id = excluded.oauth_client_id,
             client_id = excluded.client_id,
             client_secret = excluded.client_secret,
             api_url = excluded.api_url,
             authorize_url = excluded.authorize_url,
             token_url = excluded.token_url,
             revoke_url = excluded.revoke_url,
             redirect_uris = excluded.redirect_uris,
             scopes = excluded.scopes,
             options = excluded.options,
             updated_at = clock_timestamp()",
        &[
            pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
            pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::JSONBOID,
        ],
    ) };
    // What failed for want of this is tried again at once.
    static TRY_AGAIN: Statement = const { Statement::new(
        "update @calendar_accounts
         set refresh_not_before = null
         where provider = $1
           and refresh_not_before is not null",
        &[pg_sys::TEXTOID],
    ) };
    // Of a user who begins again and again only the newest logins are kept.
    static FORGET: Statement = const { Statement::new(
        "delete from @calendar_oauth_states
         where state_hash = any (array(
             select s.state_hash
             from @calendar_oauth_states s
             where s.expires_at < clock_timestamp()
                or (s.user_id = $1 and s.state_id < (
                       select o.state_id
                       from @calendar_oauth_states o
                       where o.user_id = $1
                       order by o.state_id desc
                       offset $2
                       limit 1
                   ))
             for update skip locked
         ))",
        &[pg_sys::TEXTOID, pg_sys::INT8OID],
    ) };
    static BEGIN: Statement = const { Statement::new(
        "insert into @calendar_oauth_states
             (state_hash, state_id, provider, user_id, redirect_uri, code_verifier, expires_at)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7))",
        &[
            pg_sys::BYTEAOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::BYTEAOID,
            pg_sys::FLOAT8OID,
        ],
    ) };
    static FIND: Statement = const { Statement::new(
        "select state_id, provider, redirect_uri, code_verifier
         from @calendar_oauth_states
         where state_hash = $1
           and user_id = $2
           and expires_at > clock_timestamp()",
        &[pg_sys::BYTEAOID, pg_sys::TEXTOID],
    ) };
    static TAKE: Statement = const { Statement::new(
        "delete from @calendar_oauth_states where state_hash = $1",
        &[pg_sys::BYTEAOID],
    ) };
}

/// The registration at that provider.
pub fn registered(installation: &Installation, provider: &str) -> SqlResult<Option<Registered>> {
    READ.with(|statement| {
        statement.run(installation, &[provider.into()], |mut rows| {
            let Some(row) = rows.next() else { return Ok(None) };
            let id: Option<pgrx::Uuid> = row.get(1)?;
            Ok(Some(Registered {
                id: id.map(uuid_of).unwrap_or_default(),
                client_id: row.get(2)?.unwrap_or_default(),
                client_secret: row.get(3)?,
                addresses: Addresses {
                    api: row.get(4)?,
                    authorize: row.get(5)?,
                    token: row.get(6)?,
                    revoke: row.get(7)?,
                },
                redirect_uris: row.get(8)?.unwrap_or_default(),
                scopes: row.get(9)?,
                options: row.get::<JsonB>(10)?.map(|options| options.0).unwrap_or_default(),
            }))
        })
    })
}

/// Registers the application, in place of what was registered before.
pub fn register(installation: &Installation, provider: &str, client: Registered) -> SqlResult<()> {
    let Registered { id, client_id, client_secret, addresses, redirect_uris, scopes, options } = client;
    let arguments = [
        provider.into(),
        uuid(id).into(),
        client_id.into(),
        client_secret.into(),
        addresses.api.into(),
        addresses.authorize.into(),
        addresses.token.into(),
        addresses.revoke.into(),
        redirect_uris.into(),
        scopes.into(),
        JsonB(options).into(),
    ];
    REGISTER.with(|statement| statement.execute(installation, &arguments))?;
    TRY_AGAIN.with(|statement| statement.execute(installation, &[provider.into()]))?;
    Ok(())
}

/// Notes a login that begins; of the user's others so many are kept. `lasts` in seconds.
pub fn begin(
    installation: &Installation,
    state_hash: &[u8],
    user_id: &str,
    login: &Pending,
    lasts: f64,
    kept: i64,
) -> SqlResult<()> {
    let arguments = [
        state_hash.into(),
        uuid(login.id).into(),
        login.provider.as_str().into(),
        user_id.into(),
        login.redirect_uri.as_str().into(),
        login.code_verifier.as_slice().into(),
        lasts.into(),
    ];
    BEGIN.with(|statement| statement.execute(installation, &arguments))?;
    FORGET.with(|statement| statement.execute(installation, &[user_id.into(), kept.into()]))?;
    Ok(())
}

/// The user's login of that state.
pub fn find(installation: &Installation, state_hash: &[u8], user_id: &str) -> SqlResult<Option<Pending>> {
    FIND.with(|statement| {
        statement.run(installation, &[state_hash.into(), user_id.into()], |mut rows| {
            let Some(row) = rows.next() else { return Ok(None) };
            let id: Option<pgrx::Uuid> = row.get(1)?;
            Ok(Some(Pending {
                id: id.map(uuid_of).unwrap_or_default(),
                provider: row.get(2)?.unwrap_or_default(),
                redirect_uri: row.get(3)?.unwrap_or_default(),
                code_verifier: row.get(4)?.unwrap_or_default(),
            }))
        })
    })
}

/// Takes a login: nobody can take it again. False where somebody has; whoever is at it is waited for.
pub fn take(installation: &Installation, state_hash: &[u8]) -> SqlResult<bool> {
    TAKE.with(|statement| statement.execute(installation, &[state_hash.into()])).map(|rows| rows > 0)
}
