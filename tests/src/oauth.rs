//! OAuth 2.0 as the fakes of Google and Microsoft have it: consent, codes with PKCE (RFC 7636), access and refresh tokens.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::Clock;

/// How long an access token lasts, in seconds.
pub const LIFETIME: i64 = 3_599;

/// What a provider has of its own.
pub struct Platform {
    /// Identifier and secret of the only application that it knows.
    pub client: (&'static str, &'static str),
    /// How codes, access tokens and refresh tokens begin.
    pub prefixes: [&'static str; 3],
    /// Of tokens that nobody has consented to.
    pub usual_scope: &'static str,
    /// Whether what is asked for on its page gives a refresh token.
    pub is_lasting: fn(&HashMap<String, String>) -> bool,
}

/// What somebody has agreed to.
#[derive(Clone)]
pub struct Grant {
    email: String,
    pub scope: String,
}

struct Code {
    grant: Grant,
    redirect_uri: String,
    challenge: Option<String>,
}

/// Why there are no tokens.
pub enum Refused {
    Client,
    Code,
    Redirect,
    Verifier,
    RefreshToken,
    GrantType,
}

pub struct Logins {
    platform: &'static Platform,
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Grant>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    /// A refresh token is good for one use.
    pub spends: bool,
    /// Every token and code there ever was.
    issued: Vec<String>,
}

impl Logins {
    pub fn of(platform: &'static Platform) -> Self {
        Self {
            platform,
            codes: HashMap::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
            spends: false,
            issued: Vec::new(),
        }
    }

    /// Who an access token speaks for, as long as it is good.
    pub fn who(&self, token: &str, now: DateTime<Utc>) -> Option<&str> {
        self.access.get(token).filter(|(_, expires)| *expires > now).map(|(grant, _)| grant.email.as_str())
    }

    /// Somebody agrees to what the page at this address asks: where they are sent back to.
    pub fn consent(&mut self, address: &str, email: &str, clock: &mut Clock) -> Result<String, String> {
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let get = |key: &str| asked.get(key).map(String::as_str).ok_or_else(|| format!("no {key}"));
        if get("client_id")? != self.platform.client.0 || get("response_type")? != "code" {
            return Err("another client, or another flow".into());
        }
        if !(self.platform.is_lasting)(&asked) {
            return Err("there would be no refresh token".into());
        }
        let challenge = asked.get("code_challenge").cloned();
        if challenge.is_some() && get("code_challenge_method")? != "S256" {
            return Err("a plain challenge".into());
        }
        let redirect_uri = get("redirect_uri")?.to_owned();
        let mut back = Url::parse(&redirect_uri).map_err(|error| error.to_string())?;
        let grant = Grant { email: email.into(), scope: get("scope")?.into() };
        let code = clock.new_word(self.platform.prefixes[0]);
        back.query_pairs_mut().append_pair("state", get("state")?).append_pair("code", &code);
        self.issued.push(code.clone());
        self.codes.insert(code, Code { grant, redirect_uri, challenge });
        Ok(back.into())
    }

    /// An access and a refresh token for somebody.
    pub fn grant(&mut self, email: &str, clock: &mut Clock) -> (String, String) {
        let [_, access, refresh] = self.platform.prefixes.map(|prefix| clock.new_word(prefix));
        self.grant_as(email, &access, &refresh, clock);
        (access, refresh)
    }

    /// These tokens are somebody's from now on.
    pub fn grant_as(&mut self, email: &str, access: &str, refresh: &str, clock: &Clock) {
        let grant = Grant { email: email.into(), scope: self.platform.usual_scope.into() };
        self.keep_access(&grant, access, clock);
        self.keep_refresh(&grant, refresh);
    }

    pub fn new_access(&mut self, grant: &Grant, clock: &mut Clock) -> String {
        let token = clock.new_word(self.platform.prefixes[1]);
        self.keep_access(grant, &token, clock);
        token
    }

    pub fn new_refresh(&mut self, grant: &Grant, clock: &mut Clock) -> String {
        let token = clock.new_word(self.platform.prefixes[2]);
        self.keep_refresh(grant, &token);
        token
    }

    fn keep_access(&mut self, grant: &Grant, token: &str, clock: &Clock) {
        let now = clock.now();
        // What is over is not needed; a hundred thousand steps would pile it up.
        self.access.retain(|_, (_, expires)| *expires > now);
        self.access.insert(token.to_owned(), (grant.clone(), now + TimeDelta::seconds(LIFETIME)));
        self.issued.push(token.to_owned());
    }

    fn keep_refresh(&mut self, grant: &Grant, token: &str) {
        self.refresh.insert(token.to_owned(), grant.clone());
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

    /// Whose any token is, access or refresh.
    pub fn owner(&self, token: &str) -> Option<String> {
        let of_access = self.access.get(token).map(|(grant, _)| grant);
        of_access.or_else(|| self.refresh.get(token)).map(|grant| grant.email.clone())
    }

    /// A request for tokens (RFC 6749, 4.1.3 and 6) of a client that says who it is: what it gets them for.
    pub fn redeem(&mut self, form: &HashMap<String, String>, client: (&str, &str)) -> Result<Grant, Refused> {
        let get = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        if client != self.platform.client {
            return Err(Refused::Client);
        }
        match get("grant_type") {
            "authorization_code" => {
                let code = self.codes.remove(get("code")).ok_or(Refused::Code)?;
                let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
                match code.challenge {
                    _ if code.redirect_uri != get("redirect_uri") => Err(Refused::Redirect),
                    Some(challenge) if challenge != hash => Err(Refused::Verifier),
                    _ => Ok(code.grant),
                }
            }
            "refresh_token" => {
                let grant = self.refresh.get(get("refresh_token")).cloned().ok_or(Refused::RefreshToken)?;
                if self.spends {
                    self.refresh.remove(get("refresh_token"));
                }
                Ok(grant)
            }
            _ => Err(Refused::GrantType),
        }
    }

    /// Every token and code that was ever given out, and the client's secret.
    pub fn secrets(&self) -> Vec<String> {
        let secret = std::iter::once(self.platform.client.1.to_owned());
        self.issued.iter().cloned().chain(secret).collect()
    }
}
