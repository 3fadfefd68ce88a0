//! New events. Their identifier follows from the change's key: a try whose answer was lost is found again.

use calendar_sync_core::providers::google::event_id;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::instances::Guard;
use super::{api, push};
use crate::http::Method;
use crate::providers::account::{Ask, InstanceChange, Pushed};
use crate::providers::api::{ApiError, Failure};

/// Between `created` and `updated` of an event that nobody has touched: the former has whole seconds.
const AT_ONCE: TimeDelta = TimeDelta::seconds(2);

/// Makes an event, or finds the one that an earlier try has made. `is_retry`: see
/// [`crate::providers::account::Change::Create`].
pub fn create(
    ask: &Ask,
    key: &Uuid,
    is_retry: bool,
    payload: &Map<String, Value>,
    instances: &[InstanceChange],
) -> Result<Pushed, ApiError> {
    let id = event_id(key.as_u128());
    let mut event = Value::Object(payload.clone());
    strip(&mut event);
    event["id"] = id.as_str().into();
    match api::write(ask, Method::POST, None, None, Some(&event)) {
        Ok(created) => push::finish(ask, &id, created, instances, Guard::Nothing),
        Err(ApiError::Failed(failure)) if is_taken(&failure) => again(ask, &id, is_retry, payload, instances),
        Err(error) if error.status() == Some(404) => Err(api::no_access(error)),
        Err(error) => Err(error),
    }
}

fn is_taken(failure: &Failure) -> bool {
    failure.status == 409 && api::reason(failure) == "duplicate"
}

/// An earlier try has made it: as it is wanted, or as it was wanted then. What somebody else has made of it since, or that it
/// was deleted, is for a pull to find. Where nobody was to hear of it, what was deleted gets up again.
fn again(
    ask: &Ask,
    id: &str,
    is_retry: bool,
    payload: &Map<String, Value>,
    instances: &[InstanceChange],
) -> Result<Pushed, ApiError> {
    let there = api::get(ask, api::events(ask, &[id], &[]))?;
    let is_deleted = there["status"] == "cancelled";
    if !is_deleted && is_as_wanted(&there, payload) {
        return push::finish(ask, id, there, instances, Guard::Nothing);
    }
    if is_retry {
        return Ok(Pushed::Found { external_id: id.to_owned() });
    }
    if !is_deleted && was_touched(&there) {
        return Ok(Pushed::Stale);
    }
    let whole = Value::Object(payload.clone());
    let written = api::write(ask, Method::PATCH, Some(id), there["etag"].as_str(), Some(&whole))?;
    push::finish(ask, id, written, instances, Guard::Nothing)
}

fn was_touched(there: &Value) -> bool {
    let time = |key: &str| there[key].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    time("created").zip(time("updated")).is_none_or(|(created, updated)| updated - created > AT_ONCE)
}

/// Takes out what says nothing: a new event has nothing to clear.
pub fn strip(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(strip);
        members.retain(|_, value| !value.is_null() && !value.as_object().is_some_and(Map::is_empty));
    }
}

/// Whether what is there is what was sent, whichever way it is written.
fn is_as_wanted(there: &Value, payload: &Map<String, Value>) -> bool {
    payload.iter().all(|(key, wanted)| is_same(key, &there[key.as_str()], wanted))
}

fn is_same(key: &str, there: &Value, wanted: &Value) -> bool {
    let says_nothing = |value: &Value| {
        value.is_null() || *value == "" || *value == "opaque" || *value == "default" || *value == "confirmed"
    };
    let instant = |value: &Value| value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    match wanted {
        Value::Object(members) => members.iter().all(|(key, wanted)| is_same(key, &there[key.as_str()], wanted)),
        // Google answers with the calendar's offset.
        _ if key == "dateTime" => instant(there) == instant(wanted),
        _ => there == wanted || (says_nothing(there) && says_nothing(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_written_otherwise_is_as_wanted() {
        let start = json!({ "date": null, "dateTime": "2030-01-07T09:00:00+01:00", "timeZone": "Europe/Berlin" });
        let payload = json!({ "summary": "A", "description": null, "start": start, "status": "confirmed",
                              "visibility": "default", "extendedProperties": { "private": { "conversation_id": null } } });
        let Value::Object(payload) = payload else { panic!("an object") };
        let there = json!({ "summary": "A", "status": "confirmed",
                            "start": { "dateTime": "2030-01-07T03:00:00-05:00", "timeZone": "Europe/Berlin" } });
        assert!(is_as_wanted(&there, &payload));
        let other = |key: &str, value: Value| {
            let mut there = there.clone();
            there[key] = value;
            is_as_wanted(&there, &payload)
        };
        assert!(!other("summary", json!("B")));
        assert!(!other("description", json!("Agenda")));
        assert!(!other("start", json!({ "date": "2030-01-07" })));
        assert!(!other("visibility", json!("private")));
    }

    #[test]
    fn a_new_event_clears_nothing() {
        let mut event = json!({ "summary": "", "description": null, "x": { "private": { "y": null } }, "z": [null] });
        strip(&mut event);
        assert_eq!(event, json!({ "summary": "", "z": [null] }));
    }
}
