//! Microsoft's identity platform: codes with PKCE, and refresh tokens of which every use gives a new one, while the old
//! ones stay good.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::Clock;

/// The application that the fake knows.
pub const GRAPH_CLIENT: (&str, &str) = ("24d3b144-21ae-4080-943f-7067b395b913", "fake~client.secret-5d1c");
/// How long an access token lasts, in seconds.
const LIFETIME: i64 = 3_599;

struct Code {
    email: String,
    redirect_uri: String,
    challenge: Option<String>,
}

#[derive(Default)]
pub(super) struct OAuth {
    codes: HashMap<String, Code>,
    refresh: HashMap<String, String>,
    access: HashMap<String, (String, DateTime<Utc>)>,
    /// An old refresh token is of no use any more when a new one was given.
    pub strict: bool,
    /// Every token there ever was.
    pub issued: Vec<String>,
}

impl OAuth {
    pub fn who(&self, token: &str, now: DateTime<Utc>) -> Option<&str> {
        self.access.get(token).filter(|(_, expires)| *expires > now).map(|(email, _)| email.as_str())
    }

    /// Somebody agrees to what the page at this address asks: where they are sent back to.
    pub fn consent(&mut self, address: &str, email: &str, clock: &mut Clock) -> Result<String, String> {
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let get = |key: &str| asked.get(key).map(String::as_str).ok_or_else(|| format!("no {key}"));
        if get("client_id")? != GRAPH_CLIENT.0 || get("response_type")? != "code" {
            return Err("another client, or another flow".into());
        }
        if !get("scope")?.split(' ').any(|scope| scope == "offline_access") {
            return Err("there would be no refresh token".into());
        }
        let challenge = asked.get("code_challenge").cloned();
        if challenge.is_some() && get("code_challenge_method")? != "S256" {
            return Err("a plain challenge".into());
        }
        let mut back = Url::parse(get("redirect_uri")?).map_err(|error| error.to_string())?;
        let code = clock.new_word("0.fake-code-");
        let redirect_uri = get("redirect_uri")?.to_owned();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", get("state")?);
        self.issued.push(code.clone());
        self.codes.insert(code, Code { email: email.into(), redirect_uri, challenge });
        Ok(back.into())
    }

    /// An access and a refresh token for somebody.
    pub fn grant(&mut self, email: &str, clock: &mut Clock) -> (String, String) {
        let (access, refresh) = (clock.new_word("EwBfake-access-"), clock.new_word("0.fake-refresh-"));
        self.grant_as(email, &access, &refresh, clock);
        (access, refresh)
    }

    /// These tokens are somebody's from now on.
    pub fn grant_as(&mut self, email: &str, access: &str, refresh: &str, clock: &Clock) {
        let now = clock.now();
        // What is over is not needed; a hundred thousand steps would pile it up.
        self.access.retain(|_, (_, expires)| *expires > now);
        self.access.insert(access.to_owned(), (email.to_owned(), now + TimeDelta::seconds(LIFETIME)));
        self.refresh.insert(refresh.to_owned(), email.to_owned());
        self.issued.extend([access.to_owned(), refresh.to_owned()]);
    }

    pub fn expire_access(&mut self) {
        self.access.clear();
    }

    pub fn withdraw(&mut self, email: &str) {
        self.refresh.retain(|_, of| of != email);
        self.access.retain(|_, (of, _)| of != email);
    }

    /// POST …/token: an answer, or a status with an error of RFC 6749, 5.2.
    pub fn token(&mut self, form: &HashMap<String, String>, clock: &mut Clock) -> Result<Value, (u16, Value)> {
        let get = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        if (get("client_id"), get("client_secret")) != GRAPH_CLIENT {
            return Err(error(401, "invalid_client", 7_000_215, "Invalid client secret provided."));
        }
        let email = match get("grant_type") {
            "authorization_code" => {
                let bad = |why| error(400, "invalid_grant", 70_008, why);
                let code =
                    self.codes.remove(get("code")).ok_or_else(|| bad("The provided authorization code is expired."))?;
                let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
                if code.redirect_uri != get("redirect_uri") || code.challenge.is_some_and(|it| it != hash) {
                    return Err(bad("The code, its verifier and its address do not belong together."));
                }
                code.email
            }
            "refresh_token" => {
                let email = self.refresh.get(get("refresh_token")).cloned();
                let over = "The provided grant has expired due to it being revoked, a fresh auth token is needed.";
                let email = email.ok_or_else(|| error(400, "invalid_grant", 50_173, over))?;
                if self.strict {
                    self.refresh.remove(get("refresh_token"));
                }
                email
            }
            _ => {
                return Err(error(
                    400,
                    "unsupported_grant_type",
                    70_003,
                    "The app requested an unsupported grant type.",
                ));
            }
        };
        let (access, refresh) = self.grant(&email, clock);
        Ok(json!({
            "token_type": "Bearer", "scope": "Calendars.ReadWrite", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
            "access_token": access, "refresh_token": refresh,
        }))
    }
}

fn error(status: u16, error: &str, code: u32, description: &str) -> (u16, Value) {
    let description = format!("AADSTS{code}: {description}");
    (status, json!({ "error": error, "error_description": description, "error_codes": [code] }))
}
