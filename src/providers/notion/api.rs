//! Where things are, and what every request says.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Address, Method};
use crate::providers::account::Ask;
use crate::providers::api::{ApiError, Call, Failure, call};

/// The oldest version that knows data sources; later ones take what is asked here, too.
const VERSION: &str = "2025-09-03";
/// How long one pull waits at most, all in all, where Notion wants to be left alone for a while: a long list would
/// begin anew, and never end.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// An address of the API, whether its base names the version of the path or not.
pub fn address(ask: &Ask, segments: &[&str]) -> Address {
    let path = ask.api.below(&[], &[]);
    match path.secret().trim_end_matches('/').ends_with("/v1") {
        true => ask.api.below(segments, &[]),
        false => ask.api.below(&[&["v1"], segments].concat(), &[]),
    }
}

pub fn get(ask: &Ask, segments: &[&str]) -> Result<Value, ApiError> {
    send(ask, Call::get(address(ask, segments)))
}

pub fn post(ask: &Ask, segments: &[&str], json: &Value) -> Result<Value, ApiError> {
    send(ask, Call::send(Method::POST, address(ask, segments), Some(json)))
}

pub fn patch(ask: &Ask, segments: &[&str], json: &Value) -> Result<Value, ApiError> {
    send(ask, Call::send(Method::PATCH, address(ask, segments), Some(json)))
}

/// A request that only asks, and waits where that is wanted, up to `left`.
pub fn post_patiently(ask: &Ask, segments: &[&str], json: &Value, left: &mut Duration) -> Result<Value, ApiError> {
    loop {
        match post(ask, segments, json) {
            Err(ApiError::Throttled(address, pause)) => {
                let wait = pause.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(100));
                let Some(rest) = left.checked_sub(wait) else { return Err(ApiError::Throttled(address, pause)) };
                *left = rest;
                let until = Instant::now() + wait;
                while let Some(rest) = until.checked_duration_since(Instant::now()) {
                    thread::sleep(rest);
                }
            }
            answer => return answer,
        }
    }
}

fn send(ask: &Ask, request: Call) -> Result<Value, ApiError> {
    let answered = call(&ask.client, &ask.token, request.with("notion-version", VERSION));
    answered.map_err(|error| match error {
        // 529: all of Notion is asked too much.
        ApiError::Failed(failure) if matches!(failure.status, 429 | 529) => {
            ApiError::Throttled(failure.address, failure.retry_after)
        }
        other => other,
    })
}

/// What is not there, or not shared: Notion does not tell these apart.
pub fn is_hidden(error: &ApiError) -> bool {
    error.status() == Some(404)
}

/// Of a request for the data source itself.
pub fn no_access(error: ApiError) -> ApiError {
    match error {
        ApiError::Failed(failure) if matches!(failure.status, 403 | 404) => {
            let said = said(&failure);
            ApiError::NoAccess(failure.address, said)
        }
        other => other,
    }
}

fn said(failure: &Failure) -> String {
    match failure.said() {
        said if said.is_empty() => said,
        said => format!(": {said}"),
    }
}
