//! Items as event resources.
//!
//! Every key that is ours stands in each, null where there is nothing to say: what is sent of a change is the
//! difference of two of them, and what a PATCH does not name stays.

use serde_json::{Map, Value, json};

use super::times::{day, days, instant};
use crate::event::{Body, Details, Event, EventStatus, Sensitivity, Series, ShowAs, Timing};
use crate::ics::write_recurrence;
use crate::zones::Zones;

/// Longest value of an extended property.
const MAX_PROPERTY: usize = 1_024;

/// What Google cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotHeld(pub String);

/// An event, a series without its overrides, or one occurrence of a series.
///
/// # Errors
/// What would become something else at Google is not written.
pub fn write(body: &Body, zones: &dyn Zones) -> Result<Map<String, Value>, NotHeld> {
    match body {
        Body::Single(event) => Ok(resource(event, Value::Null, zones)),
        Body::Series(series) => {
            check(series)?;
            let lines = write_recurrence(series, zones);
            Ok(resource(&series.template, json!(lines), zones))
        }
        Body::Overrides(_) => Err(NotHeld("occurrences of a series that is not there".into())),
    }
}

fn check(series: &Series) -> Result<(), NotHeld> {
    let refuse = |what: &str| Err(NotHeld(what.into()));
    if series.overrides.iter().any(|one| one.this_and_future) {
        return refuse("a change of all later occurrences of a series (RANGE=THISANDFUTURE)");
    }
    if !series.rdate_ends.is_empty() {
        return refuse("further dates of a series that have their own length (RDATE;VALUE=PERIOD)");
    }
    if series.local_start.is_some() {
        return refuse("a series that starts at a time that its clock leaves out");
    }
    Ok(())
}

fn resource(event: &Event, recurrence: Value, zones: &dyn Zones) -> Map<String, Value> {
    let Event { timing, details } = event;
    let (start, end) = times(timing, zones);
    let fields = [
        ("summary", json!(details.title)),
        ("description", json!(details.description)),
        ("location", json!(details.location)),
        ("start", start),
        ("end", end),
        ("recurrence", recurrence),
        ("status", json!(status(details))),
        ("transparency", json!(if details.show_as == ShowAs::Free { "transparent" } else { "opaque" })),
        ("visibility", json!(visibility(details))),
        ("extendedProperties", json!({ "private": { "conversation_id": conversation_id(details) } })),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn conversation_id(details: &Details) -> Option<&str> {
    details.conversation_id.as_deref().filter(|id| id.len() <= MAX_PROPERTY)
}

/// What has no end ends as it starts: Google wants one.
fn times(timing: &Timing, zones: &dyn Zones) -> (Value, Value) {
    if timing.all_day {
        let (first, after) = days(timing, zones);
        return (day(first), day(after));
    }
    let zone = timing.time_zone.as_deref();
    (instant(timing.start, zone, zones), instant(timing.end.unwrap_or(timing.start), zone, zones))
}

fn status(details: &Details) -> &'static str {
    match details.event_status {
        EventStatus::Scheduled | EventStatus::Completed => "confirmed",
        EventStatus::Tentative => "tentative",
        EventStatus::Cancelled => "cancelled",
    }
}

/// Public is what the calendar's own visibility makes of it.
fn visibility(details: &Details) -> &'static str {
    match details.sensitivity {
        Sensitivity::Public => "default",
        Sensitivity::Private => "private",
        Sensitivity::Confidential => "confidential",
    }
}
