//! Microsoft's identity platform: every use of a refresh token gives a new one, while the old ones stay good.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::oauth::{LIFETIME, Logins, Platform, Refused};

/// The application that the fake knows.
pub const GRAPH_CLIENT: (&str, &str) = ("24d3b144-21ae-4080-943f-7067b395b913", "fake~client.secret-5d1c");

pub(super) const PLATFORM: Platform = Platform {
    client: GRAPH_CLIENT,
    prefixes: ["0.fake-code-", "EwBfake-access-", "0.fake-refresh-"],
    usual_scope: "Calendars.ReadWrite",
    is_lasting: |asked| {
        asked.get("scope").is_some_and(|scopes| scopes.split(' ').any(|scope| scope == "offline_access"))
    },
};

/// POST …/token: an answer, or a status with an error of RFC 6749, 5.2.
pub(super) fn token(
    logins: &mut Logins,
    form: &HashMap<String, String>,
    clock: &mut Clock,
) -> Result<Value, (u16, Value)> {
    let get = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
    let grant = logins.redeem(form, (get("client_id"), get("client_secret"))).map_err(|refused| match refused {
        Refused::Client => error(401, "invalid_client", 7_000_215, "Invalid client secret provided."),
        Refused::Code => error(400, "invalid_grant", 70_008, "The provided authorization code is expired."),
        Refused::Redirect | Refused::Verifier => {
            error(400, "invalid_grant", 70_008, "The code, its verifier and its address do not belong together.")
        }
        Refused::RefreshToken => {
            let over = "The provided grant has expired due to it being revoked, a fresh auth token is needed.";
            error(400, "invalid_grant", 50_173, over)
        }
        Refused::GrantType => {
            error(400, "unsupported_grant_type", 70_003, "The app requested an unsupported grant type.")
        }
    })?;
    Ok(json!({
        "token_type": "Bearer", "scope": "Calendars.ReadWrite", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
        "access_token": logins.new_access(&grant, clock), "refresh_token": logins.new_refresh(&grant, clock),
    }))
}

fn error(status: u16, error: &str, code: u32, description: &str) -> (u16, Value) {
    let description = format!("AADSTS{code}: {description}");
    (status, json!({ "error": error, "error_description": description, "error_codes": [code] }))
}
