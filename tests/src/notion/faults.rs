//! What goes wrong on demand.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::Refusal;

/// What becomes of a request instead of a proper answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotionFault {
    /// Refused with this status, Notion's code for it, and Retry-After in seconds.
    Refuse(u16, Option<u64>),
    /// It is done, and the connection is closed before the answer.
    LoseReply,
    /// Nothing is done, and the connection is closed.
    LoseRequest,
    /// A page of HTML with status 502, as from a proxy.
    Gateway,
    /// It is answered properly after this time.
    Delay(Duration),
    /// Somebody gives the page that it is about this place (its property 'Where'), a moment before.
    MovedBefore(String),
    /// Rows of a list are given twice.
    Duplicate,
    /// Rows of a list come in the opposite order.
    Reverse,
    /// A list has no rows, but a cursor to go on with.
    EmptyPage,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Method and the beginning of the path, the fault, how often.
    planned: Vec<(String, String, NotionFault, usize)>,
    /// Requests that are taken in each minute.
    quota: Option<usize>,
    window: Option<(DateTime<Utc>, usize)>,
}

impl Faults {
    pub fn plan(&mut self, what: &str, fault: NotionFault, times: usize) {
        let (method, path) = what.split_once(' ').unwrap_or(("", what));
        self.planned.push((method.to_owned(), path.to_owned(), fault, times));
    }

    pub fn clear(&mut self) {
        self.planned.clear();
        self.quota = None;
    }

    pub fn limit(&mut self, per_minute: Option<usize>) {
        self.quota = per_minute;
        self.window = None;
    }

    /// The first that was planned for such a request.
    pub fn take(&mut self, method: &str, path: &str) -> Option<NotionFault> {
        let meant = |planned: &(String, String, NotionFault, usize)| {
            (planned.0.is_empty() || planned.0 == method) && path_matches(&planned.1, path)
        };
        let at = self.planned.iter().position(meant)?;
        let planned = &mut self.planned[at];
        planned.3 -= 1;
        let fault = planned.2.clone();
        if planned.3 == 0 {
            self.planned.remove(at);
        }
        Some(fault)
    }

    /// Counts a request against the quota of its minute.
    pub fn count(&mut self, now: DateTime<Utc>) -> Result<(), Refusal> {
        let Some(quota) = self.quota else { return Ok(()) };
        let window = self.window.get_or_insert((now, 0));
        if (now - window.0).num_seconds() >= 60 {
            *window = (now, 0);
        }
        window.1 += 1;
        if window.1 <= quota {
            return Ok(());
        }
        let left = 60 - (now - window.0).num_seconds();
        Err(refusal(429, Some(left.unsigned_abs())))
    }
}

/// `*` stands for one part of a path.
fn path_matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    pattern.split('/').all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
        && (parts.next().is_none() || pattern.ends_with('*'))
}

pub(super) fn refusal(status: u16, retry_after: Option<u64>) -> Refusal {
    let (code, message) = match status {
        400 => ("validation_error", "The request body does not match the schema for the expected parameters."),
        401 => ("unauthorized", "API token is invalid."),
        403 => ("restricted_resource", "Insufficient permissions for this endpoint."),
        404 => {
            ("object_not_found", "Could not find it. Make sure the relevant pages are shared with your integration.")
        }
        409 => ("conflict_error", "Conflict occurred while saving. Please try again."),
        429 => ("rate_limited", "You have been rate limited. Please try again in a few minutes."),
        503 => ("service_unavailable", "Notion is unavailable, please try again later."),
        504 => ("gateway_timeout", "Notion timed out."),
        529 => ("service_overload", "Notion is overloaded, please try again later."),
        _ => ("internal_server_error", "Unexpected error occurred."),
    };
    Refusal { retry_after, ..Refusal::new(status, code, message) }
}
