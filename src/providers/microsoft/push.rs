//! Changes on their way out.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::cursor::Span;
use super::instances::{self, Outcome};
use super::wanted::is_as_wanted;
use super::{api, body, series};
use crate::http::Method;
use crate::providers::account::{Ask, Change, InstanceChange, Pushed, is_identifier};
use crate::providers::api::ApiError;

/// How often a 412 that names no version of ours is met by asking again: Exchange itself was changing the event.
const MAX_TRIES: usize = 3;

/// [`crate::providers::account::AccountProvider::push`]
pub fn push(ask: &Ask, change: &Change) -> Result<Pushed, ApiError> {
    let pushed = match change {
        Change::Create { key, is_retry, payload, instances, .. } => create(ask, key, *is_retry, payload, instances),
        Change::Update { external_id, etag, payload, instances } => {
            update(ask, external_id, etag.as_deref(), payload, instances)
        }
        Change::Delete { external_id, etag } => delete(ask, external_id, etag.as_deref()),
    };
    match pushed {
        // It is no event that is gone.
        Err(error) if api::is_lost(&error) && !api::is_gone(&error) => Err(error),
        pushed => Pushed::by_answer(pushed),
    }
}

/// The transactionId makes a second try find the event of the first.
fn create(
    ask: &Ask,
    key: &Uuid,
    is_retry: bool,
    payload: &Map<String, Value>,
    instances: &[InstanceChange],
) -> Result<Pushed, ApiError> {
    let mut members = payload.clone();
    members.insert("transactionId".into(), key.to_string().into());
    let address = api::in_calendar(ask, &["events"], &[]);
    let zone = payload.get("start").and_then(|start| start["timeZone"].as_str()).unwrap_or("UTC");
    let created = api::create(ask, address.clone(), zone, &Value::Object(members));
    let created = match created {
        // Nothing is gone but the calendar.
        Err(error) if api::is_gone(&error) => return Err(api::no_access(error)),
        created => created?,
    };
    let Some(id) = created["id"].as_str().filter(|id| is_identifier(id)) else {
        return Err(ApiError::Unexpected(address, "the answer to a new event has no id".into()));
    };
    if !is_as_wanted(&created, payload) {
        if is_retry {
            return Ok(Pushed::Found { external_id: id.to_owned() });
        }
        return update(ask, id, created["@odata.etag"].as_str(), payload, instances);
    }
    finish(ask, id, created.clone(), instances).map(|pushed| if is_online(payload) { unread(pushed) } else { pushed })
}

/// Whether it is made an online meeting.
fn is_online(payload: &Map<String, Value>) -> bool {
    payload.get("isOnlineMeeting") == Some(&Value::Bool(true))
}

/// How to join a new meeting is news that the next pull is to bring: what is said here is taken as known. So it is left
/// out, and the version with it, by which that pull would find the event as it was.
fn unread(pushed: Pushed) -> Pushed {
    let Pushed::Written { external_id, mut values, .. } = pushed else { return pushed };
    for value in values.iter_mut().filter_map(Value::as_object_mut) {
        for name in ["onlineMeeting", "onlineMeetingUrl", "@odata.etag", "changeKey"] {
            value.remove(name);
        }
    }
    Pushed::Written { external_id, etag: None, values }
}

fn update(
    ask: &Ask,
    id: &str,
    etag: Option<&str>,
    payload: &Map<String, Value>,
    instances: &[InstanceChange],
) -> Result<Pushed, ApiError> {
    let payload = without_offline(payload);
    let there = if payload.is_empty() {
        match series::plain(ask, id)? {
            None => return Ok(Pushed::Gone),
            // Only occurrences change, and each is checked by itself: but then the series may have changed, too.
            Some(there) if etag.is_some_and(|etag| there["@odata.etag"].as_str().is_some_and(|it| it != etag)) => {
                return Ok(Pushed::Stale);
            }
            Some(there) => there,
        }
    } else {
        let members = Value::Object(body::keeping(ask, id, &payload)?);
        conditionally(etag, || api::write(ask, Method::PATCH, api::event(ask, id, &[], &[]), etag, Some(&members)))?
    };
    finish(ask, id, there, instances).map(|pushed| if is_online(&payload) { unread(pushed) } else { pushed })
}

/// Once a meeting is online it can't be made one that is not: Graph refuses the whole change.
fn without_offline(payload: &Map<String, Value>) -> Map<String, Value> {
    let is_offline = |name: &str| matches!(name, "isOnlineMeeting" | "onlineMeetingProvider");
    let kept = payload.iter().filter(|(name, value)| !(is_offline(name) && value.is_null()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn delete(ask: &Ask, id: &str, etag: Option<&str>) -> Result<Pushed, ApiError> {
    conditionally(etag, || api::write(ask, Method::DELETE, api::event(ask, id, &[], &[]), etag, None))?;
    Ok(Pushed::Gone)
}

/// A 412 says that the version is not ours; where none was given it says "not now".
fn conditionally(etag: Option<&str>, mut write: impl FnMut() -> Result<Value, ApiError>) -> Result<Value, ApiError> {
    let mut tries = 1;
    loop {
        match write() {
            Err(error) if error.status() == Some(412) && etag.is_none() && tries < MAX_TRIES => tries += 1,
            result => return result,
        }
    }
}

/// Changes the occurrences, and tells what is there now.
fn finish(ask: &Ask, id: &str, there: Value, changes: &[InstanceChange]) -> Result<Pushed, ApiError> {
    let mut is_stale = false;
    for change in changes {
        match instances::push(ask, id, change)? {
            Outcome::Done => {}
            Outcome::Stale => is_stale = true,
            Outcome::Refused(why) => return Ok(Pushed::Refused(why)),
        }
    }
    if is_stale {
        return Ok(Pushed::Stale);
    }
    let there = if there["recurrence"].is_object() || !changes.is_empty() {
        // Exceptions stand in it; where they are not given by themselves, those around the changes are looked for.
        let span = Span::around(changes.iter().map(|change| change.recurrence_id));
        match series::whole(ask, id, &span)? {
            Some(there) => there,
            None => return Ok(Pushed::Gone),
        }
    } else {
        there
    };
    let etag = there["@odata.etag"].as_str().map(str::to_owned);
    Ok(Pushed::Written { external_id: id.to_owned(), etag, values: vec![there] })
}
