//! What an application hands in as JSON, laid over what is there (RFC 7396, JSON Merge Patch): an absent key keeps,
//! null clears.

mod time;
mod value;

use chrono::NaiveDateTime;
use serde_json::{Map, Value};

use crate::event::{
    Body, Details, Event, EventStatus, EventType, Importance, Item, Sensitivity, Series, ShowAs, TeamsMeeting,
};
use crate::ics;
use crate::recurrence::Rule;
use crate::zones::Zones;

/// What is wrong with a patch, and with which of its keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", subject(key))]
pub struct PatchError {
    /// [`WHOLE`] for the patch itself.
    pub key: String,
    /// Goes on after the key: "is not a string".
    pub problem: String,
    /// What to do: whole sentences.
    pub hint: String,
}

/// Stands in for a key where there are none.
pub const WHOLE: &str = "";

fn subject(key: &str) -> String {
    if key == WHOLE { "the event".to_owned() } else { format!("event key \"{key}\"") }
}

type Patched<T> = Result<T, PatchError>;

fn wrong<T>(key: &str, problem: impl Into<String>, hint: impl Into<String>) -> Patched<T> {
    Err(PatchError { key: key.to_owned(), problem: problem.into(), hint: hint.into() })
}

const KEYS: &str = "title, description, location, event_type, event_status, show_as, sensitivity, metadata, start, \
                    end, all_day, time_zone, participants, organizer, attendees, ical_uid, sequence, recurrence, \
                    importance, categories, conversation_id, teams_enabled, teams_meeting_url, \
                    teams_conference_id, teams_dial_in_url, last_updated";

/// Columns that are not the application's to set.
const KEPT_BY_US: [&str; 23] = [
    "event_id",
    "user_id",
    "start_time",
    "end_time",
    "related_table",
    "related_id",
    "connection_id",
    "external_source",
    "external_id",
    "series_id",
    "series_master_id",
    "recurrence_id",
    "is_override",
    "synced_from",
    "sync_status",
    "last_synced_at",
    "content_hash",
    "changed_at",
    "created_by",
    "updated_by",
    "created_at",
    "updated_at",
    "floating",
];

/// Lays `patch` over `current`, or makes a new item of it.
///
/// Keys are the columns' names, `start` and `end` (ISO 8601 with an offset, or without one with `time_zone`; a bare
/// date means all-day, its end is exclusive) and `recurrence` (a list of RRULE, RDATE, EXDATE and EXRULE lines as in a
/// calendar file; times without a zone are in the event's).
///
/// # Errors
/// [`PatchError`] names the first key that is not known or has a wrong value.
pub fn apply(current: Option<&Body>, external_id: &str, patch: &Value, zones: &dyn Zones) -> Patched<Item> {
    let Value::Object(patch) = patch else {
        return wrong(WHOLE, "is not a JSON object", format!("Its keys are {KEYS}."));
    };
    check_keys(patch)?;
    let (before, series) = match current {
        None | Some(Body::Overrides(_)) => (None, None),
        Some(Body::Single(event)) => (Some(&**event), None),
        Some(Body::Series(series)) => (Some(&series.template), Some(&**series)),
    };
    let mut details = before.map(|event| event.details.clone()).unwrap_or_default();
    patch_details(&mut details, patch)?;
    if before.is_none() && !patch.contains_key("title") {
        return wrong("title", "is missing", "A new event needs a title and a start.");
    }
    let timing = time::timing(before.map(|event| &event.timing), patch, zones)?;
    let kept = series.filter(|series| series.template.timing.time_zone == timing.time_zone);
    let local_start = match time::never_shown(&timing, patch, zones)? {
        Some(given) => given,
        None => kept.and_then(|series| series.local_start),
    };
    let event = Event { timing, details };
    let mut body = match (patch.get("recurrence"), series) {
        (None, None) | (Some(Value::Null), _) => Body::Single(Box::new(event)),
        (None, Some(series)) => Body::Series(Box::new(with_template(event, local_start, series.clone()))),
        (Some(lines), series) => {
            let overrides = series.map(|series| series.overrides.clone()).unwrap_or_default();
            recurring(event, local_start, &recurrence_lines(lines)?, overrides, zones)?
        }
    };
    if let Some(current) = current
        && !patch.contains_key("sequence")
        && is_another_meeting(current, &body)
        && let Some(details) = details_of(&mut body)
    {
        details.sequence = details.sequence.saturating_add(1);
    }
    Ok(Item { external_id: external_id.to_owned(), body })
}

/// Whether its time, its recurrence or its being cancelled has changed: what SEQUENCE counts (RFC 5546, 2.1.4).
fn is_another_meeting(before: &Body, after: &Body) -> bool {
    let is_cancelled = |event: &Event| event.details.event_status == EventStatus::Cancelled;
    let differs = |before: &Event, after: &Event| {
        let when = |event: &Event| (event.timing.start, event.timing.end, event.timing.all_day);
        when(before) != when(after) || is_cancelled(before) != is_cancelled(after)
    };
    match (before, after) {
        (Body::Single(before), Body::Single(after)) => differs(before, after),
        (Body::Series(before), Body::Series(after)) => {
            differs(&before.template, &after.template)
                || (&before.rrules, &before.exrules, &before.rdates, &before.rdate_ends, &before.exdates)
                    != (&after.rrules, &after.exrules, &after.rdates, &after.rdate_ends, &after.exdates)
        }
        _ => true,
    }
}

fn details_of(body: &mut Body) -> Option<&mut Details> {
    match body {
        Body::Single(event) => Some(&mut event.details),
        Body::Series(series) => Some(&mut series.template.details),
        Body::Overrides(_) => None,
    }
}

/// The series with another first instance, whose length is that of the others if it has changed.
fn with_template(template: Event, local_start: Option<NaiveDateTime>, series: Series) -> Series {
    let (before, after) = (&series.template.timing, &template.timing);
    let same = (before.start, before.end, &before.time_zone) == (after.start, after.end, &after.time_zone);
    Series { local_start, duration: series.duration.filter(|_| same), template, ..series }
}

fn check_keys(patch: &Map<String, Value>) -> Patched<()> {
    for key in patch.keys() {
        if KEPT_BY_US.contains(&key.as_str()) {
            return wrong(key, "can't be set", format!("calendar_sync sets it by itself. The keys are {KEYS}."));
        }
        let known = KEYS.split(", ").any(|known| known == key) || key == "event_date" || key == "event_end";
        if !known {
            return wrong(key, "is not known", format!("The keys are {KEYS}."));
        }
    }
    Ok(())
}

fn patch_details(details: &mut Details, patch: &Map<String, Value>) -> Patched<()> {
    if let Some(title) = value::text(patch, "title")? {
        match title {
            Some(title) => details.title = title,
            None => return wrong("title", "is null", "Every event has a title; it may be empty."),
        }
    }
    value::set(&mut details.description, value::text(patch, "description")?);
    value::set(&mut details.location, value::text(patch, "location")?);
    value::set(&mut details.organizer, value::text(patch, "organizer")?);
    value::set(&mut details.ical_uid, value::text(patch, "ical_uid")?);
    value::set(&mut details.conversation_id, value::text(patch, "conversation_id")?);
    if let Some(event_type) = value::text(patch, "event_type")? {
        details.event_type = event_type.map(EventType).unwrap_or_default();
    }
    value::word(&mut details.event_status, patch, "event_status", EventStatus::ALL, EventStatus::word)?;
    value::word(&mut details.show_as, patch, "show_as", ShowAs::ALL, ShowAs::word)?;
    value::word(&mut details.sensitivity, patch, "sensitivity", Sensitivity::ALL, Sensitivity::word)?;
    value::word(&mut details.importance, patch, "importance", Importance::ALL, Importance::word)?;
    if let Some(categories) = value::texts(patch, "categories")? {
        details.categories = categories;
    }
    if let Some(participants) = value::texts(patch, "participants")? {
        details.participants = participants;
    }
    if let Some(attendees) = value::attendees(patch, "attendees")? {
        details.attendees = attendees;
    }
    if let Some(sequence) = value::integer(patch, "sequence")? {
        details.sequence = sequence.unwrap_or_default();
    }
    if let Some(metadata) = patch.get("metadata") {
        value::merge(&mut details.metadata, metadata)?;
    }
    if let Some(last_updated) = value::text(patch, "last_updated")? {
        details.last_updated = last_updated.map(|text| time::instant("last_updated", &text)).transpose()?;
    }
    patch_teams(details, patch)
}

/// A meeting with an address to join is a Teams meeting; `teams_enabled: false` takes all of it away.
fn patch_teams(details: &mut Details, patch: &Map<String, Value>) -> Patched<()> {
    let enabled = value::flag(patch, "teams_enabled")?;
    let mut teams = details.teams.clone().unwrap_or_default();
    value::set(&mut teams.url, value::text(patch, "teams_meeting_url")?);
    value::set(&mut teams.conference_id, value::text(patch, "teams_conference_id")?);
    value::set(&mut teams.dial_in_url, value::text(patch, "teams_dial_in_url")?);
    let says_something = teams != TeamsMeeting::default();
    let is_one = match enabled {
        Some(enabled) => enabled.unwrap_or_default(),
        None => details.teams.is_some() || says_something,
    };
    details.teams = is_one.then_some(teams);
    Ok(())
}

fn recurrence_lines(lines: &Value) -> Patched<Vec<&str>> {
    const HINT: &str = "It is a list of lines such as \"RRULE:FREQ=WEEKLY;BYDAY=MO\", \"EXDATE:20260406T090000\".";
    let Value::Array(lines) = lines else { return wrong("recurrence", "is not a list", HINT) };
    let mut texts = Vec::with_capacity(lines.len());
    for line in lines {
        let Some(line) = line.as_str() else { return wrong("recurrence", "has an element that is not a string", HINT) };
        let name = line.split([':', ';']).next().unwrap_or_default();
        if !["RRULE", "RDATE", "EXDATE", "EXRULE"].contains(&name.to_ascii_uppercase().as_str()) {
            return wrong("recurrence", format!("has a line that begins with \"{name}\""), HINT);
        }
        if line.contains(['\r', '\n']) {
            return wrong("recurrence", "has a line break within a line", HINT);
        }
        if let Some(Err(error)) = line
            .split_once(':')
            .filter(|_| name.to_ascii_uppercase().ends_with("RULE"))
            .map(|(_, rule)| Rule::parse(rule))
        {
            return wrong("recurrence", format!("has an invalid rule: {}: {}", error.part, error.problem), error.hint);
        }
        texts.push(line);
    }
    Ok(texts)
}

/// A series by recurrence lines, which are read as the lines of a calendar file are.
fn recurring(
    template: Event,
    local_start: Option<NaiveDateTime>,
    lines: &[&str],
    overrides: Vec<crate::event::Override>,
    zones: &dyn Zones,
) -> Patched<Body> {
    if lines.is_empty() {
        return Ok(Body::Single(Box::new(template)));
    }
    let hint =
        "Times look like 20260406T090000, with TZID or Z if they are not in the event's zone, dates like 20260406.";
    let unread = |problem: String| PatchError { key: "recurrence".into(), problem, hint: hint.into() };
    let series = ics::read_recurrence(template, local_start, lines, zones).map_err(unread)?;
    Ok(Body::Series(Box::new(Series { overrides, ..series })))
}

#[cfg(test)]
mod tests;
