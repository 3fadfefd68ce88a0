//! What is said to a flow's server for one pull: the flow is run, waited for, and read page by page.

use std::time::{Duration, Instant};

use calendar_sync_core::providers::power_automate::{Answer as Events, ReadError};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Method;
use super::error::{FlowError, Refusal};
use crate::http::{Address, Client, HttpError, Manner, Payload, Request, Response};
use crate::providers::status::{check_status, retry_after};
use crate::providers::{PullError, PullRequest};

/// Pages of one answer that are asked for.
const MAX_PAGES: usize = 100;
/// Pause before a run is asked for again that does not say when; then twice as long each time, up to `LATER`. None is
/// shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The same, after a request that took too long.
const LATER: Duration = Duration::from_secs(15);

/// How far a run is.
pub enum Run {
    Done(Response),
    Pending { location: Address, pause: Duration },
}

/// All that is said to one server for one pull.
pub struct Talk<'a> {
    pub client: &'a Client,
    pub address: &'a Address,
    /// When all of it must be done.
    pub deadline: Instant,
}

impl Talk<'_> {
    /// Runs the flow; says what method it takes, `known` unless that is refused.
    pub fn start(&self, known: Method, request: &PullRequest) -> Result<(Response, Method), PullError> {
        let response = self.run(known, request)?;
        if !refuses_method(&response) {
            return Ok((response, known));
        }
        let again = self.run(known.other(), request)?;
        if refuses_method(&again) {
            // The first says more of what is wrong.
            return Ok((response, known));
        }
        Ok((again, known.other()))
    }

    fn run(&self, method: Method, request: &PullRequest) -> Result<Response, PullError> {
        let window = (method == Method::Post).then(|| window(request.window));
        self.exchange(self.address, window.as_deref())
    }

    pub fn get(&self, address: &Address) -> Result<Response, PullError> {
        self.exchange(address, None)
    }

    fn exchange(&self, address: &Address, json: Option<&str>) -> Result<Response, PullError> {
        let headers = vec![("accept", "application/json".to_owned())];
        let body = json.map(Payload::Json);
        let manner = Manner { body, deadline: Some(self.deadline), wants_reason: true, ..Manner::default() };
        Ok(self.client.exchange(&Request { address: address.clone(), headers }, &manner)?)
    }

    /// Waits for a run that goes on, as long as there is time.
    pub fn finish(&self, mut response: Response, mut location: Option<Address>) -> Result<Run, PullError> {
        let mut usual = FIRST_PAUSE;
        while response.status == 202 {
            let next = match (response.header("location"), location) {
                (Some(next), _) => self.here(next).ok_or_else(|| self.trouble(FlowError::Elsewhere))?,
                (None, Some(same)) => same,
                (None, None) => return Err(self.trouble(FlowError::NoResponseAction)),
            };
            let pause = retry_after(&response, Utc::now()).unwrap_or(usual).max(FIRST_PAUSE);
            usual = (usual * 2).min(LATER);
            if pause >= self.deadline.saturating_duration_since(Instant::now()) {
                return Ok(Run::Pending { location: next, pause });
            }
            std::thread::sleep(pause);
            response = match self.get(&next) {
                Err(PullError::Http(HttpError::Timeout(..))) => {
                    return Ok(Run::Pending { location: next, pause: LATER });
                }
                answer => answer?,
            };
            location = Some(next);
        }
        Ok(Run::Done(response))
    }

    /// Reads a finished answer with its further pages.
    pub fn events(&self, response: Response, max_events: usize) -> Result<(Events, Vec<u8>), PullError> {
        let mut hash = Sha256::new();
        let mut bytes = response.body.len() as u64;
        let mut events = self.page(response, max_events, &mut hash)?;
        for _ in 1..MAX_PAGES {
            let Some(next) = events.next_link().and_then(|link| self.here(link)) else { break };
            let response = self.get(&next)?;
            // Together they are held in memory as one page is.
            bytes += response.body.len() as u64;
            if bytes > self.client.max_bytes() {
                return Err(HttpError::TooLarge(self.address.clone(), self.client.max_bytes()).into());
            }
            let page = self.page(response, max_events, &mut hash)?;
            events.join(page, max_events).map_err(|error| self.trouble(error.into()))?;
        }
        Ok((events, hash.finalize().to_vec()))
    }

    fn page(&self, response: Response, max_events: usize, hash: &mut Sha256) -> Result<Events, PullError> {
        self.check(&response)?;
        if response.body.trim_ascii_start().starts_with(b"<") {
            return Err(PullError::WebPage(self.address.clone()));
        }
        hash.update((response.body.len() as u64).to_le_bytes());
        hash.update(&response.body);
        Events::read(&response.body, max_events).map_err(|error| {
            self.trouble(FlowError::Unreadable(match error {
                ReadError::Failed(_) => ReadError::Failed(code(&response, self.address)),
                error => error,
            }))
        })
    }

    fn check(&self, response: &Response) -> Result<(), PullError> {
        if response.status == 200 {
            return Ok(());
        }
        let refusal = Refusal { status: response.status, code: code(response, self.address) };
        let wants_login = |code: &String| code.contains("OAuth") || code.contains("Authorization");
        Err(self.trouble(match response.status {
            401 => FlowError::WantsLogin(refusal),
            403 if refusal.code.as_ref().is_some_and(wants_login) => FlowError::WantsLogin(refusal),
            404 | 410 => FlowError::NotFound(refusal),
            400 | 405 | 409 => FlowError::Refused(refusal),
            502 | 504 => FlowError::NoResponse(refusal),
            _ => return check_status(self.address, response),
        }))
    }

    /// Where a link leads, if that is the host that was asked.
    fn here(&self, link: &str) -> Option<Address> {
        self.address.redirect(link).ok().filter(|next| next.origin() == self.address.origin())
    }

    fn trouble(&self, error: FlowError) -> PullError {
        PullError::Flow(self.address.clone(), error)
    }
}

/// What a flow is told: the span of time whose events are wanted.
fn window((from, to): (DateTime<Utc>, DateTime<Utc>)) -> String {
    let text = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({ "startDateTime": text(from), "endDateTime": text(to), "timeZone": "UTC" }).to_string()
}

/// Whether a trigger is there, but not for this method.
fn refuses_method(response: &Response) -> bool {
    let names_method = || String::from_utf8_lossy(&response.body).to_ascii_lowercase().contains("method");
    matches!(response.status, 405 | 501) || (matches!(response.status, 400 | 404) && names_method())
}

/// The code of an error, if it is a plain word and nothing of the address.
fn code(response: &Response, address: &Address) -> Option<String> {
    match Events::read(&response.body, 0) {
        Err(ReadError::Failed(code)) => code.filter(|code| !address.is_told_by(code)),
        _ => None,
    }
}
