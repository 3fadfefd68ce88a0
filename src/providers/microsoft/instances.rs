//! Single occurrences of a series: each is changed, or deleted, under its own identifier.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use super::cursor::Span;
use super::{api, body, series};
use crate::http::Method;
use crate::providers::account::{Ask, InstanceChange};
use crate::providers::api::ApiError;

/// What came of it; the series itself is as it was.
pub enum Outcome {
    Done,
    Stale,
    Refused(String),
}

/// Changes one occurrence, or deletes it.
pub fn push(ask: &Ask, series_id: &str, change: &InstanceChange) -> Result<Outcome, ApiError> {
    let found = find(ask, series_id, change)?;
    let Some((id, etag)) = found else {
        // Deleted already; what is deleted can't be brought back.
        let day = change.recurrence_id.format("%Y-%m-%d");
        return Ok(match change.payload {
            None => Outcome::Done,
            Some(_) => Outcome::Refused(format!("the occurrence of {day} was deleted there, and cannot be restored")),
        });
    };
    let address = api::event(ask, &id, &[], &[]);
    let answer = match &change.payload {
        None => api::write(ask, Method::DELETE, address, etag.as_deref(), None),
        Some(payload) => {
            let members = body::keeping(ask, &id, &for_instance(payload)).map(Value::Object);
            members.and_then(|members| api::write(ask, Method::PATCH, address, etag.as_deref(), Some(&members)))
        }
    };
    match answer {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.status() == Some(412) => Ok(Outcome::Stale),
        Err(error) if api::is_gone(&error) => Ok(if change.payload.is_none() { Outcome::Done } else { Outcome::Stale }),
        Err(ApiError::Failed(failure)) if matches!(failure.status, 400 | 403 | 409 | 413 | 422) => {
            Ok(Outcome::Refused(failure.said()))
        }
        Err(error) => Err(error),
    }
}

/// An occurrence does not recur, and is an online meeting where its series is one.
fn for_instance(payload: &Map<String, Value>) -> Map<String, Value> {
    let mut members = payload.clone();
    for name in ["recurrence", "isOnlineMeeting", "onlineMeetingProvider"] {
        members.remove(name);
    }
    members
}

/// Its identifier and version there.
fn find(ask: &Ask, series_id: &str, change: &InstanceChange) -> Result<Option<(String, Option<String>)>, ApiError> {
    if let Some(id) = &change.external_id {
        return Ok(Some((id.clone(), change.etag.clone())));
    }
    let around = Span::around([change.recurrence_id]);
    let near = match series::instances(ask, series_id, &around) {
        Err(error) if api::is_gone(&error) => return Ok(None),
        near => near?,
    };
    if let Some(found) = near.iter().find(|one| is_at(one, change)).and_then(identity) {
        return Ok(Some(found));
    }
    // It may have been moved out of there.
    let master = series::whole(ask, series_id, &around)?;
    let exceptions = master.as_ref().and_then(|master| master["exceptionOccurrences"].as_array());
    Ok(exceptions.into_iter().flatten().find(|one| is_at(one, change)).and_then(identity))
}

fn identity(event: &Value) -> Option<(String, Option<String>)> {
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    Some((text("id")?, text("@odata.etag")))
}

/// By its original start; of an occurrence that was not moved that is its start. Of an all-day series its day counts.
fn is_at(event: &Value, change: &InstanceChange) -> bool {
    let start = || local(&event["start"]["dateTime"]).filter(|_| event["type"].as_str() == Some("occurrence"));
    if change.all_day {
        let day = change.recurrence_id.date_naive();
        let original = instant(&event["originalStart"]);
        return match start() {
            Some(start) => start.date() == day,
            // Midnight in the mailbox's zone.
            None => original.is_some_and(|at| (at - change.recurrence_id).num_hours().abs() <= 14),
        };
    }
    let at = instant(&event["originalStart"]).or_else(|| start().map(|start| start.and_utc()));
    at == Some(change.recurrence_id)
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

fn local(value: &Value) -> Option<NaiveDateTime> {
    value.as_str()?.parse().ok()
}
