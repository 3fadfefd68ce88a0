//! Google's token endpoint: a refresh token for each login, and usually none for a refresh.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::oauth::{LIFETIME, Logins, Platform, Refused};

/// The application that the fake knows.
pub const GOOGLE_CLIENT: (&str, &str) = ("fake-client.apps.googleusercontent.com", "GOCSPX-fake-client-secret-5d1c");

pub(super) const PLATFORM: Platform = Platform {
    client: GOOGLE_CLIENT,
    prefixes: ["4/0fake-code-", "ya29.fake-access-", "1//fake-refresh-"],
    usual_scope: "https://www.googleapis.com/auth/calendar.events",
    is_lasting: |asked| {
        let is = |key: &str, value: &str| asked.get(key).is_some_and(|it| it == value);
        is("access_type", "offline") && is("prompt", "consent")
    },
};

/// An error of the token endpoint (RFC 6749, 5.2).
pub(super) type TokenError = (u16, &'static str, &'static str);

/// POST /revoke.
pub(super) fn revoke(logins: &mut Logins, form: &HashMap<String, String>) -> Result<(), TokenError> {
    let token = form.get("token").map(String::as_str).unwrap_or_default();
    let owner = logins.owner(token).ok_or((400, "invalid_token", "Token expired or revoked"))?;
    logins.withdraw(&owner);
    Ok(())
}

/// POST /token. `basic`: id and secret from the Authorization header, if there is one.
pub(super) fn token(
    logins: &mut Logins,
    form: &HashMap<String, String>,
    basic: Option<(String, String)>,
    clock: &mut Clock,
) -> Result<Value, TokenError> {
    let get = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
    let (id, secret) = basic.unwrap_or_else(|| (get("client_id").into(), get("client_secret").into()));
    let grant = logins.redeem(form, (&id, &secret)).map_err(|refused| match refused {
        Refused::Client => (401, "invalid_client", "The OAuth client was not found."),
        Refused::Code => (400, "invalid_grant", "Malformed auth code."),
        Refused::Redirect => (400, "redirect_uri_mismatch", "Bad Request"),
        Refused::Verifier => (400, "invalid_grant", "Invalid code verifier."),
        Refused::RefreshToken => (400, "invalid_grant", "Token has been expired or revoked."),
        Refused::GrantType => (400, "unsupported_grant_type", "Invalid grant_type"),
    })?;
    let access = logins.new_access(&grant, clock);
    let mut answer =
        json!({ "access_token": access, "expires_in": LIFETIME, "scope": grant.scope, "token_type": "Bearer" });
    if logins.spends || get("grant_type") == "authorization_code" {
        answer["refresh_token"] = json!(logins.new_refresh(&grant, clock));
    }
    Ok(answer)
}
