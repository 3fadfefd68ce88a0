//! One call of a provider's API: JSON over HTTP in an account's name.

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use zeroize::Zeroizing;

use super::status::retry_after;
use crate::http::{Address, Client, HttpError, Manner, Method, Payload, Request, Response};

/// Longest address that is asked, and longest value of a header beside the token, in bytes.
const LONGEST_ADDRESS: usize = 16 * 1024;
const LONGEST_VALUE: usize = 4 * 1024;
/// Characters of what an API says of a failure that are passed on.
const MAX_SAID: usize = 300;

/// An access token. Never shown.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    pub fn new(token: Zeroizing<String>) -> Self {
        Self(token)
    }

    /// Value of the Authorization header (RFC 6750, 2.1).
    fn bearer(&self) -> String {
        format!("Bearer {}", self.0.as_str())
    }

    /// An API may repeat what it was sent, with whatever escapes JSON allows (RFC 8259, 7); what it says of a failure is
    /// shown.
    fn kept_out_of(&self, said: Value) -> Value {
        match self.0.as_str() {
            "" => said,
            token => with_texts(said, &|text| text.replace(token, "...")),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub method: Method,
    pub address: Address,
    /// Beside Authorization and Accept.
    pub headers: Vec<(&'static str, String)>,
    pub json: Option<&'a Value>,
}

impl<'a> Call<'a> {
    /// A request that changes nothing.
    pub fn get(address: Address) -> Self {
        Self { method: Method::GET, address, headers: Vec::new(), json: None }
    }

    /// A request with a body, or none.
    pub fn send(method: Method, address: Address, json: Option<&'a Value>) -> Self {
        Self { method, address, headers: Vec::new(), json }
    }

    /// The same with another header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Calls an API, and gives the JSON that it answers with; null where it answers with nothing. Any status below 400 is an
/// answer, everything else what [`Failure`] makes of it.
pub fn call(client: &Client, token: &Token, call: Call) -> Result<Value, ApiError> {
    let Call { method, address, mut headers, json } = call;
    if let Some(why) = unsendable(&address, &headers) {
        return Err(ApiError::Unexpected(address, why.to_owned()));
    }
    headers.push(("authorization", token.bearer()));
    headers.push(("accept", "application/json".to_owned()));
    let body = json.map(Value::to_string);
    let manner =
        Manner { method: Some(method), body: body.as_deref().map(Payload::Json), deadline: None, wants_reason: true };
    let response = client.exchange(&Request { address: address.clone(), headers }, &manner)?;
    if response.status >= 400 {
        return Err(ApiError::Failed(Box::new(Failure::of(address, &response, token))));
    }
    match response.body.as_slice() {
        [] => Ok(Value::Null),
        body => read(body).map_err(|_| ApiError::NoJson(address)),
    }
}

/// An answer. PostgreSQL's texts can't hold NUL; U+FFFD takes its place, in names and values alike.
fn read(body: &[u8]) -> serde_json::Result<Value> {
    let value = serde_json::from_slice(body)?;
    let has_nul = String::from_utf8_lossy(body).contains("\\u0000");
    Ok(if has_nul { with_texts(value, &|text| text.replace('\0', "\u{fffd}")) } else { value })
}

/// The same with every text in it changed, names included.
fn with_texts(value: Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(values) => values.into_iter().map(|value| with_texts(value, change)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (change(&name), with_texts(value, change))).collect()
        }
        other => other,
    }
}

/// Why this can't be asked: identifiers and versions are whatever a provider gave. What is to blame is one item then, and
/// not the connection.
fn unsendable(address: &Address, headers: &[(&str, String)]) -> Option<&'static str> {
    let is_carried =
        |value: &String| value.len() <= LONGEST_VALUE && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if address.secret().len() > LONGEST_ADDRESS {
        return Some("an identifier is too long to be asked for");
    }
    headers.iter().any(|(_, value)| !is_carried(value)).then_some("a version is none that can be sent back")
}

/// A status of 400 or more.
#[derive(Debug)]
pub struct Failure {
    pub address: Address,
    pub status: u16,
    /// What the API says, as JSON; null where it says nothing that is JSON.
    pub json: Value,
    pub retry_after: Option<Duration>,
}

impl Failure {
    fn of(address: Address, response: &Response, token: &Token) -> Self {
        let json = token.kept_out_of(serde_json::from_slice(&response.body).unwrap_or_default());
        Self { address, status: response.status, json, retry_after: retry_after(response, Utc::now()) }
    }

    /// The API's own words, cut, and without what looks like a secret: for people, never to go by.
    pub fn said(&self) -> String {
        let error = &self.json["error"];
        let of_error = ["message", "code"].iter().find_map(|key| error[key].as_str());
        let text = of_error.or(self.json["message"].as_str()).or(self.json["error_description"].as_str());
        let words = text.unwrap_or_default().split_whitespace();
        let shown: Vec<&str> = words.map(|word| if word.len() > 40 { "..." } else { word }).collect();
        shown.join(" ").chars().filter(|character| !character.is_control()).take(MAX_SAID).collect()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: status {}", self.address, self.status)?;
        let said = self.said();
        if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
    }
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Http(#[from] HttpError),
    /// As the API said it; a provider makes one of those below of it where it knows better.
    #[error("{0}")]
    Failed(Box<Failure>),
    #[error("{0}: the answer is no JSON")]
    NoJson(Address),
    #[error("{0}: {1}")]
    Unexpected(Address, String),
    /// The account has been asked too often; `None` where it does not say how long to wait.
    #[error("{0}: the account has been asked too often")]
    Throttled(Address, Option<Duration>),
    /// The account can't see this calendar any more: gone, or no longer shared.
    #[error("{0}: the account cannot see this calendar{1}")]
    NoAccess(Address, String),
}

impl ApiError {
    /// How long the provider wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(failure) => failure.retry_after,
            Self::Throttled(_, pause) => *pause,
            _ => None,
        }
    }

    /// The access token is not taken: it has expired, or was revoked.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.status == 401)
    }

    /// What is to blame is the network, or the account as a whole, and no single item: another item would meet the same.
    pub fn is_of_account(&self) -> bool {
        match self {
            Self::Http(_) | Self::Throttled(..) | Self::NoAccess(..) => true,
            Self::Failed(failure) => {
                matches!(failure.status, 401 | 429) || (failure.status == 503 && failure.retry_after.is_some())
            }
            Self::NoJson(_) | Self::Unexpected(..) => false,
        }
    }

    /// The status, of an answer that was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Failed(failure) => Some(failure.status),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_holds_nothing_that_no_text_can_hold() {
        let read = read(br#"{"a\u0000": ["\u0000b", {"c": "\\u0000"}], "d": 1}"#).unwrap();
        assert_eq!(read, json!({ "a\u{fffd}": ["\u{fffd}b", { "c": "\\u0000" }], "d": 1 }));
        assert!(super::read(b"\"\xff\"").is_err() && super::read(b"[1").is_err());
    }

    #[test]
    fn what_can_not_be_sent_is_one_items_trouble() {
        let address = |length| Address::parse("https://api.example.com/").unwrap().below(&[&"x".repeat(length)], &[]);
        let with = |value: &str| [("if-match", value.to_owned())];
        assert_eq!(unsendable(&address(1_000), &with("W/\"1\"")), None);
        for (length, value) in [(20_000, "1"), (9, "a\nb"), (9, "\u{e4}"), (9, &*"v".repeat(5_000))] {
            let error = ApiError::Unexpected(address(1), unsendable(&address(length), &with(value)).unwrap().into());
            assert!(!error.is_of_account(), "{value:.9}");
        }
    }
}
