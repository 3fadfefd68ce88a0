//! Event resources: what may stand in one, and how one is given.

use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::series;
use super::when::{When, next_day};

/// What a client may set.
const WRITABLE: [&str; 29] = [
    "id",
    "summary",
    "description",
    "location",
    "colorId",
    "start",
    "end",
    "recurrence",
    "transparency",
    "visibility",
    "iCalUID",
    "sequence",
    "attendees",
    "attendeesOmitted",
    "extendedProperties",
    "conferenceData",
    "anyoneCanAddSelf",
    "guestsCanInviteOthers",
    "guestsCanModify",
    "guestsCanSeeOtherGuests",
    "reminders",
    "source",
    "attachments",
    "eventType",
    "workingLocationProperties",
    "outOfOfficeProperties",
    "focusTimeProperties",
    "birthdayProperties",
    "status",
];
/// What a client may send back as it got it, to no effect.
const OWN: [&str; 14] = [
    "kind",
    "etag",
    "created",
    "updated",
    "creator",
    "organizer",
    "htmlLink",
    "hangoutLink",
    "locked",
    "privateCopy",
    "endTimeUnspecified",
    "recurringEventId",
    "originalStartTime",
    "eventLabelId",
];
/// What only an event's organizer may change.
const SHARED: [&str; 7] = ["summary", "description", "location", "start", "end", "recurrence", "status"];
const WORDS: [(&str, &[&str]); 4] = [
    ("status", &["confirmed", "tentative", "cancelled"]),
    ("transparency", &["opaque", "transparent"]),
    ("visibility", &["default", "public", "private", "confidential"]),
    ("eventType", &["birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation"]),
];
const TEXTS: [&str; 5] = ["summary", "description", "location", "colorId", "iCalUID"];

pub(super) type Resource = Map<String, Value>;

pub(super) fn text<'a>(resource: &'a Resource, key: &str) -> Option<&'a str> {
    resource.get(key).and_then(Value::as_str)
}

pub(super) fn is_cancelled(resource: &Resource) -> bool {
    text(resource, "status") == Some("cancelled")
}

/// The body of a request, without what it may not set.
pub(super) fn parse(body: &str) -> Result<Resource, Refusal> {
    let value = serde_json::from_str(body).map_err(|_| Refusal::new(400, "parseError", "Parse Error"))?;
    let Value::Object(mut resource) = value else {
        return Err(Refusal::new(400, "parseError", "This API does not support parsing form-encoded input."));
    };
    for key in resource.keys() {
        if !WRITABLE.contains(&key.as_str()) && !OWN.contains(&key.as_str()) {
            return Err(Refusal::invalid(format!("Invalid JSON payload received. Unknown name \"{key}\"")));
        }
    }
    resource.retain(|key, _| WRITABLE.contains(&key.as_str()));
    Ok(resource)
}

/// An id that a client chose: base32hex, 5 to 1024.
pub(super) fn is_id(id: &str) -> bool {
    (5..=1024).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'a'..=b'v' | b'0'..=b'9'))
}

/// Lays a patch over a resource: null takes away, objects are merged, lists replaced.
pub(super) fn merge(target: &mut Resource, patch: Resource) {
    for (key, value) in patch {
        match (value, target.get_mut(&key)) {
            (Value::Null, _) => {
                target.remove(&key);
            }
            (Value::Object(inner), Some(Value::Object(current))) => merge(current, inner),
            (Value::Object(inner), _) => {
                let mut fresh = Resource::new();
                merge(&mut fresh, inner);
                target.insert(key, fresh.into());
            }
            (value, _) => {
                target.insert(key, value);
            }
        }
    }
}

/// Checks a resource and brings it into the form that it is kept in; `zone` is its calendar's.
pub(super) fn settle(mut resource: Resource, zone: Tz) -> Result<Resource, Refusal> {
    resource.retain(|_, value| !value.is_null() && value != "");
    for key in TEXTS {
        if resource.get(key).is_some_and(|value| !value.is_string()) {
            return Err(Refusal::invalid(format!("Invalid value for: {key}")));
        }
    }
    for (key, words) in WORDS {
        if resource.get(key).is_some_and(|value| !value.as_str().is_some_and(|word| words.contains(&word))) {
            return Err(Refusal::invalid(format!("Invalid value for: {key}")));
        }
    }
    extended_properties(&resource)?;
    let start = When::read(&resource, "start", zone)?.ok_or_else(|| Refusal::required("Missing start time."))?;
    let end = When::read(&resource, "end", zone)?.ok_or_else(|| Refusal::required("Missing end time."))?;
    if start.is_date() != end.is_date() {
        return Err(Refusal::invalid("Start and end times must either both be date or both be dateTime."));
    }
    let is_empty = if start.is_date() { end.instant() <= start.instant() } else { end.instant() < start.instant() };
    if is_empty {
        return Err(Refusal::new(400, "timeRangeEmpty", "The specified time range is empty."));
    }
    recurring(&mut resource, start)?;
    resource.insert("start".into(), start.write(zone));
    resource.insert("end".into(), end.write(zone));
    resource.entry("status").or_insert_with(|| json!("confirmed"));
    // What says nothing is not given.
    resource.retain(|key, value| {
        !matches!((key.as_str(), value.as_str()), ("transparency", Some("opaque")) | ("visibility", Some("default")))
    });
    Ok(resource)
}

fn recurring(resource: &mut Resource, start: When) -> Result<(), Refusal> {
    let Some(value) = resource.get("recurrence") else { return Ok(()) };
    let all = value.as_array().ok_or_else(|| Refusal::invalid("Invalid recurrence rule."))?;
    if all.is_empty() {
        resource.remove("recurrence");
        return Ok(());
    }
    if all.iter().any(|line| !line.is_string()) {
        return Err(Refusal::invalid("Invalid recurrence rule."));
    }
    if !start.is_date() && resource["start"].get("timeZone").is_none() {
        return Err(Refusal::required("Missing time zone definition for start time."));
    }
    series::recurrence(&series::lines(resource), start).map(|_| ())
}

fn extended_properties(resource: &Resource) -> Result<(), Refusal> {
    let Some(value) = resource.get("extendedProperties") else { return Ok(()) };
    let is_map = |value: &Value| value.as_object().is_some_and(|map| map.values().all(Value::is_string));
    let is_good = value.as_object().is_some_and(|both| {
        both.iter().all(|(kind, properties)| ["private", "shared"].contains(&kind.as_str()) && is_map(properties))
    });
    if is_good { Ok(()) } else { Err(Refusal::invalid("Invalid value for: extendedProperties")) }
}

/// Whether a change touches what is the organizer's.
pub(super) fn touches_shared(before: &Resource, after: &Resource) -> bool {
    SHARED.iter().any(|key| before.get(*key) != after.get(*key))
}

/// What stays as it is whatever a PUT says.
pub(super) fn keep_own(before: &Resource, after: &mut Resource) {
    for key in OWN.iter().chain(&["id", "iCalUID", "eventType"]) {
        if let Some(value) = before.get(*key) {
            after.insert((*key).into(), value.clone());
        }
    }
}

/// How an answer shows a resource.
#[derive(Clone, Copy)]
pub(super) struct View {
    /// Times are written with this zone's offsets.
    pub zone: Tz,
    /// Of private events no more than the times.
    pub hides_private: bool,
    pub max_attendees: Option<usize>,
}

impl View {
    pub fn show(self, resource: &Resource, zone: Tz) -> Value {
        let mut shown = resource.clone();
        for key in ["start", "end", "originalStartTime"] {
            if let Ok(Some(when)) = When::read(resource, key, zone) {
                shown.insert(key.into(), when.write(self.zone));
            }
        }
        if self.hides_private && matches!(text(resource, "visibility"), Some("private" | "confidential")) {
            let kept =
                ["kind", "etag", "id", "status", "start", "end", "visibility", "recurrence", "updated", "created"];
            let of_series = ["recurringEventId", "originalStartTime", "iCalUID", "eventType"];
            shown.retain(|key, _| kept.contains(&key.as_str()) || of_series.contains(&key.as_str()));
        }
        if let (Some(most), Some(Value::Array(attendees))) = (self.max_attendees, shown.get_mut("attendees"))
            && attendees.len() > most
        {
            attendees.truncate(most);
            shown.insert("attendeesOmitted".into(), json!(true));
        }
        Value::Object(shown)
    }
}

/// All that is certain of what was deleted (`of_series`: an occurrence of a series that is still there).
pub(super) fn tombstone(resource: &Resource, of_series: bool, view: View, zone: Tz) -> Value {
    let mut shown = resource.clone();
    let series = ["recurringEventId", "originalStartTime"];
    shown.retain(|key, _| {
        ["kind", "etag", "id", "status"].contains(&key.as_str()) || (of_series && series.contains(&key.as_str()))
    });
    view.show(&shown, zone)
}

/// An end for what a test gives none.
pub(super) fn with_end(mut resource: Resource) -> Resource {
    if !resource.contains_key("end")
        && let Some(start) = resource.get("start").cloned()
    {
        let date = start.get("date").and_then(Value::as_str).and_then(|date| date.parse().ok());
        let end = match date {
            Some(date) => json!({ "date": next_day(date).to_string() }),
            None => start,
        };
        resource.insert("end".into(), end);
    }
    resource
}
