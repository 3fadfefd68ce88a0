//! What an answer's status means, whichever provider gave it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::PullError;
use crate::http::{Address, Response};

/// Passes a 200.
pub fn check_status(address: &Address, response: &Response) -> Result<(), PullError> {
    let address = address.clone();
    match response.status {
        200 => Ok(()),
        401 => Err(PullError::Unauthorized(address)),
        403 => Err(PullError::Forbidden(address)),
        404 => Err(PullError::NotFound(address)),
        410 => Err(PullError::Gone(address)),
        429 => Err(PullError::TooManyRequests(address, retry_after(response, Utc::now()))),
        status @ 500.. => Err(PullError::Server(address, status, retry_after(response, Utc::now()))),
        status => Err(PullError::Status(address, status)),
    }
}

/// Retry-After (RFC 9110, 10.2.3): seconds, or a date.
pub fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    let value = response.header("retry-after")?;
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => (DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).to_std().ok(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::providers) fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (ureq::http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Response { status, headers, body: body.into() }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let pause = |value| retry_after(&response(429, &[("retry-after", value)], ""), now);
        assert_eq!(pause("120"), Some(Duration::from_secs(120)));
        assert_eq!(pause("Thu, 01 Jan 2026 00:10:00 GMT"), Some(Duration::from_secs(600)));
        assert_eq!(pause("Wed, 31 Dec 2025 00:00:00 GMT"), None);
        assert_eq!(pause("soon"), None);
    }
}
