//! A user's login at a provider: sent there with a state and a challenge, and back with a code (RFC 6749, 4.1; RFC 7636).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::add;
use super::site::{self, Site};
use crate::errors::{SqlResult, error, internal, invalid_argument};
use crate::http::{Bell, Client};
use crate::providers::account::Ask;
use crate::providers::api::Token;
use crate::providers::oauth::{Grant, TokenError, Tokens};
use crate::secrets;
use crate::store::oauth::{self, Pending};
use crate::store::sealed::CODE_VERIFIER;
use crate::store::{self, Installation};
use crate::sync::aside::aside;
use crate::sync::fetch::http_options;
use crate::sync::keys;
use crate::sync::parcel::Parcel;
use crate::sync::short_worker::{self, Work};

/// How long a login may take, in seconds.
const LASTS: f64 = 600.0;
/// Logins that one user may have under way beside the newest.
const MOST: i64 = 20;

/// Notes that the user logs in and returns where to send them; as the extension's owner.
///
/// # Errors
/// 55000 where no application is registered; 22023 for a redirect_uri that is not.
pub fn begin(installation: &Installation, user_id: &str, provider: &str, redirect_uri: &str) -> SqlResult<String> {
    let site = Site::of(installation, provider)?;
    let registered = site.registered()?;
    if !registered.redirect_uris.iter().any(|uri| uri == redirect_uri) {
        return Err(invalid_argument("this redirect_uri is not registered")
            .set_hint("It must be one of the redirect_uris of calendar_oauth_register, letter by letter."));
    }
    let (state, verifier) = (random_text()?, random_text()?);
    let id = store::new_id();
    let login = Pending {
        id,
        provider: provider.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        code_verifier: keys::seal(installation, CODE_VERIFIER.place(id), &verifier)?,
    };
    oauth::begin(installation, &hash(&state), user_id, &login, LASTS, MOST)?;
    let scopes = site.scopes().join(" ");
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut query = vec![
        ("response_type", "code"),
        ("client_id", registered.client_id.as_str()),
        ("redirect_uri", redirect_uri),
        ("state", state.as_str()),
    ];
    if !scopes.is_empty() {
        query.push(("scope", scopes.as_str()));
    }
    if site.endpoints.client_authentication.has_pkce() {
        query.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
    }
    query.extend(site.endpoints.authorize_parameters.iter().copied());
    Ok(site.authorize()?.below(&[], &query).secret().to_owned())
}

/// Exchanges the code and stores the account. Whatever comes of it, the state is used up before: a code may have been taken
/// although the answer says otherwise, or never came, and is good for once (RFC 6749, 4.1.2; RFC 9700, 4.7.1).
///
/// # Errors
/// 42704 for a state that is not one of this user's logins under way, whatever the reason; 28000 where the provider
/// refuses the code; 08000 where it can't be reached.
pub fn finish(user_id: &str, state: &str, code: &str) -> SqlResult<Uuid> {
    let code = site::secret("code", code)?;
    let hash = hash(state);
    let login = store::as_owner(|installation| oauth::find(installation, &hash, user_id))?.ok_or_else(unknown_state)?;
    let is_used_up = use_up(&hash)?;
    let (site, application, grant) = store::as_owner(|installation| {
        // One that this very transaction has begun, or where no background worker could be started.
        if !is_used_up && !oauth::take(installation, &hash)? {
            return Err(unknown_state());
        }
        let site = Site::of(installation, &login.provider)?;
        site.registered()?;
        let application = site.application()?;
        let code_verifier = secrets::open(CODE_VERIFIER.place(login.id), &login.code_verifier)?;
        Ok((site, application, Grant::Code { code, redirect_uri: login.redirect_uri, code_verifier }))
    })?;
    let Some(application) = application else { return Err(unknown_state()) };
    let (endpoint, api, provider, options) = (site.token()?, site.api()?, site.provider, http_options());
    let (tokens, login) = aside(move || {
        let client = Client::with(options)?;
        let tokens = application.tokens(&client, &endpoint, &grant)?;
        let ask = Ask {
            client,
            api,
            token: Token::new(tokens.access_token.clone()),
            calendar: String::new(),
            mailbox: None,
            options: serde_json::Value::Null,
        };
        // The login is good without a name, too.
        let login = tokens.login.clone().or_else(|| provider.login(&ask).ok().flatten());
        Ok::<_, TokenError>((tokens, login))
    })?
    .map_err(refused)?;
    let scopes = tokens.scopes.clone().unwrap_or_else(|| site.scopes());
    store::as_owner(|installation| {
        let tokens = Tokens { scopes: Some(scopes), ..tokens };
        add::store(installation, user_id, &site.name, login.as_deref(), &tokens)
    })
}

/// Has a background worker forget the login, whatever becomes of this transaction; whether it was there to be forgotten.
fn use_up(hash: &[u8]) -> SqlResult<bool> {
    let Some(parcel) = Parcel::pack(hash) else { return Ok(false) };
    let bell = Bell::new().map_err(internal)?;
    Ok(short_worker::run(Work::EndLogin, &parcel.number().to_string(), &bell) && parcel.has_receipt())
}

fn unknown_state() -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "no login of this user with this state is under way")
        .set_detail("A login must be finished by who began it, once, within ten minutes.")
        .set_hint("Begin again: calendar_oauth_begin(user_id, provider, redirect_uri).")
}

fn refused(source: TokenError) -> ErrorReport {
    let (code, hint) = match &source {
        TokenError::Refused(_) => (
            PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
            "Begin again: calendar_oauth_begin(user_id, provider, redirect_uri). If it fails every time, check what \
             calendar_oauth_register was given.",
        ),
        _ => (
            PgSqlErrorCode::ERRCODE_CONNECTION_EXCEPTION,
            "Try again, or begin again: a code is good for some minutes.",
        ),
    };
    error(code, format!("the login could not be finished: {source}")).set_hint(hint)
}

/// 32 random bytes in 43 characters.
fn random_text() -> SqlResult<String> {
    Ok(URL_SAFE_NO_PAD.encode(secrets::random::<32>()?))
}

fn hash(state: &str) -> Vec<u8> {
    Sha256::digest(state.as_bytes()).to_vec()
}
