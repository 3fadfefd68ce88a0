//! Google's OAuth 2.0: consent, codes with PKCE (RFC 7636), access and refresh tokens.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::Clock;

/// The application that the fake knows.
pub const GOOGLE_CLIENT: (&str, &str) = ("fake-client.apps.googleusercontent.com", "GOCSPX-fake-client-secret-5d1c");
/// How long an access token lasts, in seconds.
const LIFETIME: i64 = 3_599;

#[derive(Clone)]
struct Grant {
    email: String,
    scope: String,
}

struct Code {
    grant: Grant,
    redirect_uri: String,
    challenge: Option<String>,
}

#[derive(Default)]
pub(super) struct OAuth {
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Grant>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    /// Every refresh gives a new refresh token, and the old one is of no use any more.
    pub rotates: bool,
    /// Every token there ever was.
    pub issued: Vec<String>,
}

/// An error of the token endpoint (RFC 6749, 5.2).
pub(super) type TokenError = (u16, &'static str, &'static str);

impl OAuth {
    /// Who an access token speaks for, as long as it is good.
    pub fn who(&self, token: &str, now: DateTime<Utc>) -> Option<&str> {
        self.access.get(token).filter(|(_, expires)| *expires > now).map(|(grant, _)| grant.email.as_str())
    }

    /// Somebody agrees to what the page at this address asks: where they are sent back to.
    pub fn consent(&mut self, address: &str, email: &str, clock: &mut Clock) -> Result<String, String> {
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let get = |key: &str| asked.get(key).map(String::as_str).ok_or_else(|| format!("no {key}"));
        if get("client_id")? != GOOGLE_CLIENT.0 || get("response_type")? != "code" {
            return Err("another client, or another flow".into());
        }
        if get("access_type")? != "offline" || get("prompt")? != "consent" {
            return Err("there would be no refresh token".into());
        }
        let challenge = asked.get("code_challenge").cloned();
        if challenge.is_some() && get("code_challenge_method")? != "S256" {
            return Err("a plain challenge".into());
        }
        let mut back = Url::parse(get("redirect_uri")?).map_err(|error| error.to_string())?;
        let code = clock.new_word("4/0fake-code-");
        let grant = Grant { email: email.into(), scope: get("scope")?.into() };
        let redirect_uri = get("redirect_uri")?.to_owned();
        back.query_pairs_mut().append_pair("state", get("state")?).append_pair("code", &code);
        self.issued.push(code.clone());
        self.codes.insert(code, Code { grant, redirect_uri, challenge });
        Ok(back.into())
    }

    /// An access and a refresh token for somebody.
    pub fn grant(&mut self, email: &str, clock: &mut Clock) -> (String, String) {
        let (access, refresh) = (clock.new_word("ya29.fake-access-"), clock.new_word("1//fake-refresh-"));
        self.grant_as(email, &access, &refresh, clock);
        (access, refresh)
    }

    /// These tokens are somebody's from now on.
    pub fn grant_as(&mut self, email: &str, access: &str, refresh: &str, clock: &Clock) {
        let scope = "https://www.googleapis.com/auth/calendar.events";
        let grant = Grant { email: email.into(), scope: scope.into() };
        self.keep_access(&grant, access, clock);
        self.keep_refresh(grant, refresh);
    }

    fn keep_access(&mut self, grant: &Grant, token: &str, clock: &Clock) {
        let now = clock.now();
        // What is over is not needed; a hundred thousand steps would pile it up.
        self.access.retain(|_, (_, expires)| *expires > now);
        self.access.insert(token.to_owned(), (grant.clone(), now + TimeDelta::seconds(LIFETIME)));
        self.issued.push(token.to_owned());
    }

    fn keep_refresh(&mut self, grant: Grant, token: &str) {
        self.refresh.insert(token.to_owned(), grant);
        self.issued.push(token.to_owned());
    }

    /// All access tokens are over.
    pub fn expire_access(&mut self) {
        self.access.clear();
    }

    /// Somebody takes the consent back.
    pub fn withdraw(&mut self, email: &str) {
        self.refresh.retain(|_, grant| grant.email != email);
        self.access.retain(|_, (grant, _)| grant.email != email);
    }

    /// POST /revoke.
    pub fn revoke(&mut self, form: &HashMap<String, String>) -> Result<(), TokenError> {
        let token = form.get("token").map(String::as_str).unwrap_or_default();
        let of_access = self.access.get(token).map(|(grant, _)| grant.email.clone());
        let email = of_access.or_else(|| self.refresh.get(token).map(|grant| grant.email.clone()));
        match email {
            Some(email) => self.withdraw(&email),
            None => return Err((400, "invalid_token", "Token expired or revoked")),
        }
        Ok(())
    }

    /// POST /token. `basic`: id and secret from the Authorization header, if there is one.
    pub fn token(
        &mut self,
        form: &HashMap<String, String>,
        basic: Option<(String, String)>,
        clock: &mut Clock,
    ) -> Result<Value, TokenError> {
        let get = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        let (id, secret) = basic.unwrap_or_else(|| (get("client_id").into(), get("client_secret").into()));
        if (id.as_str(), secret.as_str()) != GOOGLE_CLIENT {
            return Err((401, "invalid_client", "The OAuth client was not found."));
        }
        match get("grant_type") {
            "authorization_code" => {
                let code = self.codes.remove(get("code")).ok_or((400, "invalid_grant", "Malformed auth code."))?;
                if code.redirect_uri != get("redirect_uri") {
                    return Err((400, "redirect_uri_mismatch", "Bad Request"));
                }
                let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
                if code.challenge.is_some_and(|challenge| challenge != hash) {
                    return Err((400, "invalid_grant", "Invalid code verifier."));
                }
                let mut answer = self.answer(&code.grant, clock);
                let refresh = clock.new_word("1//fake-refresh-");
                self.keep_refresh(code.grant, &refresh);
                answer["refresh_token"] = json!(refresh);
                Ok(answer)
            }
            "refresh_token" => {
                let token = get("refresh_token");
                let over = (400, "invalid_grant", "Token has been expired or revoked.");
                let grant = self.refresh.get(token).cloned().ok_or(over)?;
                let mut answer = self.answer(&grant, clock);
                if self.rotates {
                    self.refresh.remove(token);
                    let refresh = clock.new_word("1//fake-refresh-");
                    self.keep_refresh(grant, &refresh);
                    answer["refresh_token"] = json!(refresh);
                }
                Ok(answer)
            }
            _ => Err((400, "unsupported_grant_type", "Invalid grant_type")),
        }
    }

    fn answer(&mut self, grant: &Grant, clock: &mut Clock) -> Value {
        let access = clock.new_word("ya29.fake-access-");
        self.keep_access(grant, &access, clock);
        json!({ "access_token": access, "expires_in": LIFETIME, "scope": grant.scope, "token_type": "Bearer" })
    }
}
