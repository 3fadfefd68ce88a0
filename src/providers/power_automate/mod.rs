//! A Power Automate flow that is started by a request to its trigger's URL and responds with events.
//!
//! Whoever has the URL can run the flow: it is a secret, and so is the Location where the answer of a long run will be.

mod error;
mod talk;

use std::time::Duration;

use calendar_sync_core::providers::Document;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::{Answer, Fetched, Pending, Provider, PullError, PullRequest, Validators};
use crate::http::Client;
pub use error::FlowError;
use talk::{Run, Talk};

/// A flow that lists the events of an Outlook calendar.
pub struct PowerAutomate;

/// How a trigger wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

impl Method {
    /// What was learned of it; POST is what a new trigger takes.
    fn of(options: Option<&Value>) -> Self {
        let method = options.and_then(|options| options.get("method")).and_then(Value::as_str);
        if method.is_some_and(|method| method.eq_ignore_ascii_case("get")) { Self::Get } else { Self::Post }
    }

    const fn other(self) -> Self {
        match self {
            Self::Get => Self::Post,
            Self::Post => Self::Get,
        }
    }

    fn option(self) -> Value {
        json!({ "method": if self == Self::Get { "GET" } else { "POST" } })
    }
}

impl Provider for PowerAutomate {
    fn pull(&self, client: &Client, request: &PullRequest) -> Result<Answer, PullError> {
        let talk = Talk { client, address: &request.address, deadline: client.deadline() };
        let known = Method::of(request.options.as_ref());
        let (response, method) = match &request.pending {
            Some(location) => (talk.get(location)?, known),
            None => talk.start(known, request)?,
        };
        let learned = (method != known).then(|| method.option());
        let response = match talk.finish(response, request.pending.clone())? {
            Run::Done(response) => response,
            Run::Pending { location, pause } => {
                return Ok(Answer::Pending(Box::new(Pending {
                    location,
                    pause,
                    is_same: request.pending.is_some(),
                    learned,
                })));
            }
        };
        let (events, body_hash) = talk.events(response, request.max_events)?;
        if request.body_hash.as_ref() == Some(&body_hash) && learned.is_none() {
            return Ok(Answer::Unchanged(Validators::default()));
        }
        let asked = Asked::new(method, request);
        Ok(Answer::Calendar(Box::new(Fetched {
            validators: Validators::default(),
            body_hash,
            refresh: None,
            document: Document::PowerAutomate(events),
            until: asked.until,
            learned: merged(learned, asked.learned),
        })))
    }

    /// Each run counts against the owner's plan.
    fn poll_interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(6 * 3600))
    }
}

/// The end of the window, against that of earlier pulls: a flow that is told less than before says nothing of the rest.
struct Asked {
    until: Option<DateTime<Utc>>,
    /// The furthest end so far, a date.
    learned: Option<Value>,
}

impl Asked {
    fn new(method: Method, request: &PullRequest) -> Self {
        const OPTION: &str = "asked_until";
        let end = request.window.1;
        let known = request.options.as_ref().and_then(|options| options.get(OPTION)).and_then(Value::as_str);
        let known: Option<NaiveDate> = known.and_then(|date| date.parse().ok());
        let is_further = known.is_none_or(|known| end.date_naive() > known);
        Self {
            until: known.filter(|known| method == Method::Post && end.date_naive() < *known).map(|_| end),
            learned: (method == Method::Post && is_further).then(|| json!({ OPTION: end.date_naive() })),
        }
    }
}

/// Both objects' members.
fn merged(one: Option<Value>, other: Option<Value>) -> Option<Value> {
    match (one, other) {
        (Some(Value::Object(mut one)), Some(Value::Object(other))) => {
            one.extend(other);
            Some(Value::Object(one))
        }
        (one, other) => one.or(other),
    }
}
