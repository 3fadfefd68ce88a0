//! OAuth 2.0 at a provider: codes and refresh tokens against access tokens (RFC 6749), and their end (RFC 7009).
//!
//! What a token endpoint says of a failure is never passed on but for the codes that are known here: it may repeat what it
//! was sent.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::account::ClientAuthentication;
use super::status::retry_after;
use crate::http::{Address, Client, HttpError, Manner, Payload, Request, Response};

/// Longest name of a login that is taken, in characters.
const MAX_LOGIN: usize = 320;
/// How long a provider may take to end a token: nobody waits for it.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Only a new login helps (RFC 6749, 5.2; Microsoft's own).
const NEEDS_LOGIN: [&str; 4] = ["invalid_grant", "interaction_required", "consent_required", "login_required"];
const OTHER_CODES: [&str; 12] = [
    "invalid_request",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
    "invalid_resource",
    "access_denied",
    "redirect_uri_mismatch",
    "temporarily_unavailable",
    "server_error",
    "rate_limited",
];

/// The application as the provider knows it.
#[derive(Clone)]
pub struct Application {
    pub client_id: String,
    /// `None` for a public client.
    pub client_secret: Option<Zeroizing<String>>,
    pub authentication: ClientAuthentication,
}

/// What tokens are asked for.
pub enum Grant {
    /// What the provider gave the user (RFC 6749, 4.1.3), with the proof that it was asked for here (RFC 7636, 4.5).
    Code { code: Zeroizing<String>, redirect_uri: String, code_verifier: Zeroizing<String> },
    /// RFC 6749, 6.
    Refresh { refresh_token: Zeroizing<String> },
}

/// What a token endpoint gave.
pub struct Tokens {
    pub access_token: Zeroizing<String>,
    /// `None`: the one there is stays.
    pub refresh_token: Option<Zeroizing<String>>,
    /// `None`: it does not say, or the token does not expire.
    pub expires_in: Option<Duration>,
    /// `None`: those that were asked for.
    pub scopes: Option<Vec<String>>,
    /// Whose they are, if it says so.
    pub login: Option<String>,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{0}")]
    Refused(Box<Refused>),
    #[error("{0}: the answer holds no access token")]
    NoToken(Address),
    #[error("{0}: a token in the answer holds a space, a control character or one that is not ASCII")]
    BadToken(Address),
    #[error("the network thread failed; see the server's log")]
    Thread,
}

/// What a token endpoint said instead of giving tokens.
#[derive(Debug)]
pub struct Refused {
    address: Address,
    status: u16,
    /// One of those that are known here.
    code: Option<&'static str>,
    /// Microsoft's numbers.
    numbers: Vec<u64>,
    retry_after: Option<Duration>,
}

impl Application {
    /// Exchanges a code or a refresh token.
    pub fn tokens(&self, client: &Client, endpoint: &Address, grant: &Grant) -> Result<Tokens, TokenError> {
        let response = self.post(client, endpoint, &grant.fields(self.authentication), None)?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if response.status >= 400 || !answer["error"].is_null() {
            return Err(TokenError::Refused(Box::new(Refused::of(endpoint.clone(), &response, &answer))));
        }
        let tokens = Tokens::read(&answer).ok_or_else(|| TokenError::NoToken(endpoint.clone()))?;
        if tokens.are_tokens() { Ok(tokens) } else { Err(TokenError::BadToken(endpoint.clone())) }
    }

    /// Ends a token, and with it what the user has allowed.
    pub fn revoke(&self, client: &Client, endpoint: &Address, token: &str) -> Result<(), HttpError> {
        let deadline = Some(Instant::now() + REVOKE_TIMEOUT);
        self.post(client, endpoint, &[("token", token)], deadline).map(drop)
    }

    fn post(
        &self,
        client: &Client,
        endpoint: &Address,
        fields: &[(&str, &str)],
        deadline: Option<Instant>,
    ) -> Result<Response, HttpError> {
        let mut headers = vec![("accept", "application/json".to_owned())];
        let secret = self.client_secret.as_ref().map_or("", |secret| secret.as_str());
        let body = Zeroizing::new(match self.authentication {
            ClientAuthentication::Form => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields);
                for (name, value) in [("client_id", self.client_id.as_str()), ("client_secret", secret)] {
                    if !value.is_empty() {
                        form.append_pair(name, value);
                    }
                }
                form.finish()
            }
            ClientAuthentication::BasicWithJson => {
                let login = Zeroizing::new(format!("{}:{secret}", self.client_id));
                headers.push(("authorization", format!("Basic {}", STANDARD.encode(login.as_bytes()))));
                let object: Map<String, Value> =
                    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
                Value::from(object).to_string()
            }
        });
        let payload = match self.authentication {
            ClientAuthentication::Form => Payload::Form(&body),
            ClientAuthentication::BasicWithJson => Payload::Json(&body),
        };
        let manner = Manner { body: Some(payload), deadline, wants_reason: true, ..Manner::default() };
        client.exchange(&Request { address: endpoint.clone(), headers }, &manner)
    }
}

impl Grant {
    fn fields(&self, authentication: ClientAuthentication) -> Vec<(&'static str, &str)> {
        match self {
            Self::Refresh { refresh_token } => {
                vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())]
            }
            Self::Code { code, redirect_uri, code_verifier } => {
                let mut fields =
                    vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", redirect_uri)];
                if authentication.has_pkce() {
                    fields.push(("code_verifier", code_verifier.as_str()));
                }
                fields
            }
        }
    }
}

impl Tokens {
    fn read(answer: &Value) -> Option<Self> {
        let secret =
            |key: &str| answer[key].as_str().filter(|it| !it.is_empty()).map(|it| Zeroizing::new(it.to_owned()));
        // Some give a number as a text.
        let seconds = answer["expires_in"].as_u64().or_else(|| answer["expires_in"].as_str()?.parse().ok());
        let scopes = answer["scope"].as_str().map(|scope| scope.split_whitespace().map(str::to_owned).collect());
        Some(Self {
            access_token: secret("access_token")?,
            refresh_token: secret("refresh_token"),
            expires_in: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            scopes,
            login: login_of(answer),
        })
    }

    fn are_tokens(&self) -> bool {
        is_token(&self.access_token) && self.refresh_token.as_ref().is_none_or(|token| is_token(token))
    }
}

/// Whether this can be a token: it travels in a header (RFC 6750, 2.1), so nothing but visible ASCII.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whose tokens these are. The id_token needs no check of its signature: it came from where tokens come from (OpenID
/// Connect Core, 3.1.3.7).
fn login_of(answer: &Value) -> Option<String> {
    let claims = || {
        let payload = answer["id_token"].as_str()?.split('.').nth(1)?;
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    };
    if let Some(claims) = claims()
        && let Some(name) = ["email", "preferred_username", "upn"].iter().find_map(|claim| claims[claim].as_str())
    {
        return cleaned(name);
    }
    // Notion: one person has a login in each workspace.
    let owner = &answer["owner"]["user"];
    let person = owner["person"]["email"].as_str().or(owner["name"].as_str());
    match (person, answer["workspace_name"].as_str()) {
        (Some(person), Some(workspace)) => cleaned(&format!("{person} ({workspace})")),
        (only, other) => cleaned(only.or(other)?),
    }
}

/// A login's name as it is kept; `None` for one that says nothing.
pub fn cleaned(name: &str) -> Option<String> {
    let name: String = name.trim().chars().filter(|letter| !letter.is_control()).take(MAX_LOGIN).collect();
    Some(name).filter(|name| !name.is_empty())
}

impl Refused {
    fn of(address: Address, response: &Response, answer: &Value) -> Self {
        let error = &answer["error"];
        let said = error.as_str().or(error["code"].as_str()).or(answer["code"].as_str()).unwrap_or_default();
        let code = NEEDS_LOGIN.iter().chain(&OTHER_CODES).find(|code| **code == said).copied();
        let numbers =
            answer["error_codes"].as_array().into_iter().flatten().filter_map(Value::as_u64).take(3).collect();
        Self { address, status: response.status, code, numbers, retry_after: retry_after(response, Utc::now()) }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: no tokens were given (status {})", self.address, self.status)?;
        self.code.map_or(Ok(()), |code| write!(f, ": {code}"))?;
        self.numbers.iter().try_for_each(|number| write!(f, ", AADSTS{number}"))
    }
}

impl TokenError {
    /// Trying again is no use: the user has to log in.
    pub fn wants_login(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.code.is_some_and(|code| NEEDS_LOGIN.contains(&code)))
    }

    /// How long the provider wants to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::status::tests::response;

    fn refused(status: u16, body: &Value) -> TokenError {
        let address = Address::parse("https://login.example.com/token").unwrap();
        let response = response(status, &[], &body.to_string());
        TokenError::Refused(Box::new(Refused::of(address, &response, body)))
    }

    #[test]
    fn an_end_of_what_the_user_allowed_is_told_from_what_passes() {
        for code in ["invalid_grant", "interaction_required", "consent_required"] {
            assert!(refused(400, &json!({"error": code})).wants_login(), "{code}");
        }
        for body in [json!({"error": "invalid_client"}), json!({"error": "temporarily_unavailable"}), json!(null)] {
            assert!(!refused(400, &body).wants_login(), "{body}");
        }
    }

    #[test]
    fn nothing_that_an_endpoint_repeats_is_passed_on() {
        let body = json!({"error": "secret-code", "error_description": "bad code secret-code", "error_codes": [70008]});
        assert_eq!(
            refused(400, &body).to_string(),
            "https://login.example.com/…: no tokens were given (status 400), AADSTS70008"
        );
        let body = json!({"error": "invalid_grant", "error_description": "secret-code"});
        assert_eq!(
            refused(400, &body).to_string(),
            "https://login.example.com/…: no tokens were given (status 400): invalid_grant"
        );
    }

    #[test]
    fn whose_tokens_they_are_stands_in_the_id_token_or_beside_it() {
        let id_token = |claims: Value| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let login = |answer: Value| login_of(&answer);
        assert_eq!(
            login(json!({"id_token": id_token(json!({"email": "ada@example.com"}))})).unwrap(),
            "ada@example.com"
        );
        assert_eq!(
            login(json!({"id_token": id_token(json!({"preferred_username": "ada@contoso.com", "upn": "x"}))})).unwrap(),
            "ada@contoso.com"
        );
        let owner = json!({"user": {"name": "Ada", "person": {"email": "ada@example.com"}}});
        assert_eq!(login(json!({"owner": owner, "workspace_name": "Acme"})).unwrap(), "ada@example.com (Acme)");
        assert_eq!(login(json!({"workspace_name": "Acme"})).unwrap(), "Acme");
        for nothing in
            [json!({}), json!({"id_token": "a.b.c"}), json!({"id_token": 7}), json!({"owner": {"type": "workspace"}})]
        {
            assert_eq!(login(nothing.clone()), None, "{nothing}");
        }
    }

    #[test]
    fn an_answer_without_an_access_token_is_none() {
        assert!(Tokens::read(&json!({"access_token": ""})).is_none());
        assert!(Tokens::read(&json!("text")).is_none());
        let tokens = Tokens::read(&json!({"access_token": "a", "expires_in": "3599", "scope": "x y"})).unwrap();
        assert_eq!(tokens.expires_in, Some(Duration::from_secs(3599)));
        assert_eq!(tokens.scopes, Some(vec!["x".to_owned(), "y".to_owned()]));
        assert!(tokens.refresh_token.is_none());
    }

    #[test]
    fn what_a_header_can_not_carry_is_no_token() {
        let are_tokens = |answer: Value| Tokens::read(&answer).unwrap().are_tokens();
        assert!(are_tokens(json!({"access_token": "ya29.a0-_~+/=", "refresh_token": "1//0e!"})));
        for bad in ["a b", "a\r\nX-Other: b", "a\tb", "a\0b", "a\u{7f}", "t\u{f6}ken", " a"] {
            assert!(!are_tokens(json!({"access_token": bad})), "{bad:?}");
            assert!(!are_tokens(json!({"access_token": "a", "refresh_token": bad})), "{bad:?}");
        }
    }
}
