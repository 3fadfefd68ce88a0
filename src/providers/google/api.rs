//! Where things are, and what failures mean.

use std::time::Duration;

use serde_json::Value;

use crate::http::{Address, Method};
use crate::providers::account::{Ask, FoundCalendar};
use crate::providers::api::{ApiError, Call, Failure, call};

/// Pages of calendars that are followed.
const MAX_PAGES: usize = 100;
/// How long to wait where the answer does not say it, and more than a moment is meant.
const LONG_PAUSE: Duration = Duration::from_secs(3_600);
/// Nobody gets mail because of us.
const QUIETLY: [(&str, &str); 1] = [("sendUpdates", "none")];

/// Below the calendar's events.
pub fn events(ask: &Ask, more: &[&str], query: &[(&str, &str)]) -> Address {
    ask.api.below(&[&["calendars", ask.calendar.as_str(), "events"], more].concat(), query)
}

/// The answer's JSON.
pub fn get(ask: &Ask, address: Address) -> Result<Value, ApiError> {
    send(ask, Call::get(address))
}

/// Writes an event; with an etag only where that is still the version there.
pub fn write(
    ask: &Ask,
    method: Method,
    id: Option<&str>,
    etag: Option<&str>,
    json: Option<&Value>,
) -> Result<Value, ApiError> {
    let mut call = Call::send(method, events(ask, id.as_slice(), &QUIETLY), json);
    if let Some(etag) = etag {
        call = call.with("if-match", etag);
    }
    send(ask, call)
}

/// Sends a request in the name of the account; errors are as Google means them.
pub fn send(ask: &Ask, request: Call) -> Result<Value, ApiError> {
    call(&ask.client, &ask.token, request).map_err(understood)
}

/// Why a request was refused, in Google's words for programs.
pub fn reason(failure: &Failure) -> &str {
    failure.json["error"]["errors"][0]["reason"].as_str().unwrap_or_default()
}

/// Limits have two statuses, and share one of them with refusals.
fn understood(error: ApiError) -> ApiError {
    let ApiError::Failed(failure) = error else { return error };
    let pause = failure.retry_after;
    match (failure.status, reason(&failure)) {
        (403, "rateLimitExceeded" | "userRateLimitExceeded") | (429, _) => ApiError::Throttled(failure.address, pause),
        (403, "quotaExceeded" | "calendarUsageLimitsExceeded" | "dailyLimitExceeded") => {
            ApiError::Throttled(failure.address, pause.or(Some(LONG_PAUSE)))
        }
        (403, "requiredAccessLevel" | "insufficientPermissions" | "accessNotConfigured") => {
            let said = failure.said();
            ApiError::NoAccess(failure.address, if said.is_empty() { said } else { format!(": {said}") })
        }
        _ => ApiError::Failed(failure),
    }
}

/// Of a request that names no event, 404 says that the calendar is gone, or shared no longer.
pub fn no_access(error: ApiError) -> ApiError {
    match error {
        ApiError::Failed(failure) if matches!(failure.status, 403 | 404) => {
            ApiError::NoAccess(failure.address, format!(" (status {})", failure.status))
        }
        error => error,
    }
}

/// The user's address: it is the identifier of the primary calendar.
pub fn login(ask: &Ask) -> Result<Option<String>, ApiError> {
    let primary = get(ask, ask.api.below(&["users", "me", "calendarList", "primary"], &[]))?;
    Ok(primary["id"].as_str().map(str::to_owned))
}

/// The calendars on the user's list.
pub fn calendars(ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError> {
    let mut found = vec![];
    let mut next: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let query: Vec<_> =
            [("maxResults", "250")].into_iter().chain(next.as_deref().map(|it| ("pageToken", it))).collect();
        let page = get(ask, ask.api.below(&["users", "me", "calendarList"], &query))?;
        found.extend(page["items"].as_array().into_iter().flatten().filter_map(calendar));
        next = page["nextPageToken"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    Ok(found)
}

fn calendar(entry: &Value) -> Option<FoundCalendar> {
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    let id = text("id").filter(|_| entry["deleted"] != true)?;
    let is_writable = matches!(entry["accessRole"].as_str(), Some("owner" | "writer" | "writerWithoutPrivateAccess"));
    Some(FoundCalendar {
        name: text("summaryOverride").or_else(|| text("summary")).unwrap_or_else(|| id.clone()),
        writable: is_writable,
        // Of a primary calendar it is the identifier.
        owner_email: text("dataOwner").or_else(|| (entry["primary"] == true).then(|| id.clone())),
        time_zone: text("timeZone"),
        external_calendar_id: id,
    })
}
