//! Events of an answer as items, each series with those of its exceptions that came along.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::details::{details, event_status, last_updated, text};
use super::ids::key_of;
use super::times::Clocks;
use crate::cancellation;
use crate::event::{Body, Details, Event, EventStatus, Item, Override};
use crate::ics::{UnknownZone, read_recurrence};
use crate::providers::BadItem;
use crate::zones::Zones;

/// Recurrence lines of one event.
const MAX_LINES: usize = 1_000;

/// An event that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// `external_id` is Google's identifier; of exceptions without their series, that of the series.
    pub item: Item,
    pub etag: Option<String>,
    /// The exceptions that came along, cancelled ones included.
    pub occurrences: Vec<Occurrence>,
    /// The key that its identifier follows from, if it is one of ours: [`super::event_id`].
    pub key: Option<u128>,
}

/// An exception of a series, as Google names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Its original start.
    pub recurrence_id: DateTime<Utc>,
    pub external_id: String,
    pub etag: Option<String>,
}

/// Reads event resources. Of several with an identifier the last counts. What was deleted is not among the items: see
/// [`is_deleted`].
///
/// # Errors
/// If `default_zone`, the calendar's, is not known.
pub fn read(
    values: &[Value],
    zones: &dyn Zones,
    default_zone: &str,
) -> Result<Vec<Result<Found, BadItem>>, UnknownZone> {
    let mut clocks = Clocks::new(zones, default_zone)?;
    let answer = Answer::new(values);
    let mut found = vec![];
    for value in &answer.events {
        let exceptions = value["id"].as_str().and_then(|id| answer.exceptions.get(id));
        found.extend(event(value, exceptions.map_or(&[][..], Vec::as_slice), &mut clocks));
    }
    for series in &answer.series {
        if !answer.masters.contains_key(series) {
            let exceptions = answer.exceptions.get(series).map_or(&[][..], Vec::as_slice);
            found.extend(orphans(series, exceptions, &mut clocks));
        }
    }
    Ok(found)
}

/// Whether a resource says that the event was deleted: it is cancelled, and no occurrence of a series.
pub fn is_deleted(event: &Value) -> bool {
    event_status(event) == EventStatus::Cancelled && event["recurringEventId"].as_str().is_none()
}

/// The events of an answer in their order, each once.
struct Answer<'v> {
    /// Events and series.
    events: Vec<&'v Value>,
    /// Those by their identifiers, deleted ones included.
    masters: HashMap<&'v str, usize>,
    /// Identifiers of series that have exceptions here, in their order.
    series: Vec<&'v str>,
    exceptions: HashMap<&'v str, Vec<&'v Value>>,
}

impl<'v> Answer<'v> {
    fn new(values: &'v [Value]) -> Self {
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (index, value) in values.iter().enumerate() {
            last.extend(value["id"].as_str().map(|id| (id, index)));
        }
        let mut answer = Self { events: vec![], masters: HashMap::new(), series: vec![], exceptions: HashMap::new() };
        for (index, value) in values.iter().enumerate() {
            let id = value["id"].as_str();
            if id.is_some_and(|id| last.get(id) != Some(&index)) {
                continue;
            }
            match (value["recurringEventId"].as_str(), id) {
                (Some(series), Some(_)) => {
                    if !answer.exceptions.contains_key(series) {
                        answer.series.push(series);
                    }
                    answer.exceptions.entry(series).or_default().push(value);
                }
                (_, id) => {
                    answer.masters.extend(id.map(|id| (id, index)));
                    if !is_deleted(value) {
                        answer.events.push(value);
                    }
                }
            }
        }
        answer
    }
}

fn bad(value: &Value, id: Option<&str>, is_override: bool, message: String) -> BadItem {
    let own = value["id"].as_str();
    let message = if is_override { format!("occurrence {}: {message}", own.unwrap_or_default()) } else { message };
    BadItem { external_id: id.or(own).map(str::to_owned), is_override, message }
}

/// An event, or a series with these exceptions; before it, those of them that are bad.
fn event(value: &Value, exceptions: &[&Value], clocks: &mut Clocks) -> Vec<Result<Found, BadItem>> {
    let Some(id) = value["id"].as_str().filter(|id| !id.is_empty()) else {
        return vec![Err(bad(value, None, false, "an event has no id".into()))];
    };
    let lines: Vec<&str> = value["recurrence"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let unspecified = value["endTimeUnspecified"] == true;
    let timing = match clocks.timing(&value["start"], &value["end"], unspecified) {
        Ok(timing) => timing,
        Err(message) => return vec![Err(bad(value, None, false, message))],
    };
    let is_series = !lines.is_empty();
    let template = Event { timing, details: details(value, is_series.then_some(id)) };
    let item = |body| Found {
        item: Item { external_id: id.to_owned(), body },
        etag: text(&value["etag"]),
        occurrences: vec![],
        key: key_of(id),
    };
    if !is_series {
        return vec![Ok(item(Body::Single(Box::new(template))))];
    }
    let read = check(&lines).and_then(|()| read_recurrence(template, None, &lines, clocks.zones()));
    let mut series = match read {
        Ok(series) => series,
        Err(message) => return vec![Err(bad(value, None, false, format!("its recurrence {message}")))],
    };
    let (mut found, mut occurrences) = (vec![], vec![]);
    for exception in exceptions {
        match occurrence(exception, id, clocks) {
            Ok((mut one, named)) => {
                if cancellation::is_bare(&one.event) {
                    cancellation::complete(&mut one, &series);
                }
                series.overrides.push(one);
                occurrences.push(named);
            }
            Err(message) => found.push(Err(bad(exception, Some(id), true, message))),
        }
    }
    found.push(Ok(Found { occurrences, ..item(Body::Series(Box::new(series))) }));
    found
}

/// Exceptions whose series is not in the answer.
fn orphans(series: &str, exceptions: &[&Value], clocks: &mut Clocks) -> Vec<Result<Found, BadItem>> {
    let (mut found, mut overrides, mut occurrences) = (vec![], vec![], vec![]);
    for exception in exceptions {
        match occurrence(exception, series, clocks) {
            Ok((one, named)) => {
                overrides.push(one);
                occurrences.push(named);
            }
            Err(message) => found.push(Err(bad(exception, Some(series), true, message))),
        }
    }
    if !overrides.is_empty() {
        let item = Item { external_id: series.to_owned(), body: Body::Overrides(overrides) };
        found.push(Ok(Found { item, etag: None, occurrences, key: key_of(series) }));
    }
    found
}

/// One exception. Of a cancelled one nothing is certain but which occurrence it was.
fn occurrence(value: &Value, series: &str, clocks: &mut Clocks) -> Result<(Override, Occurrence), String> {
    let original = &value["originalStartTime"];
    let recurrence_id = clocks.original(original)?.ok_or("it has no originalStartTime")?;
    let event = if event_status(value) == EventStatus::Cancelled {
        let timing = clocks.timing(original, &Value::Null, true)?;
        let details = Details {
            event_status: EventStatus::Cancelled,
            last_updated: last_updated(value),
            series_master_id: Some(series.to_owned()),
            ..Details::default()
        };
        Event { timing, details }
    } else {
        let unspecified = value["endTimeUnspecified"] == true;
        let timing = clocks.timing(&value["start"], &value["end"], unspecified)?;
        Event { timing, details: details(value, Some(series)) }
    };
    let named = Occurrence {
        recurrence_id,
        external_id: value["id"].as_str().unwrap_or_default().to_owned(),
        etag: text(&value["etag"]),
    };
    Ok((Override { recurrence_id, this_and_future: false, duration: None, event }, named))
}

/// Lines that may be put into a calendar file.
fn check(lines: &[&str]) -> Result<(), String> {
    if lines.len() > MAX_LINES {
        return Err(format!("has more than {MAX_LINES} lines"));
    }
    let is_known = |line: &&str| {
        let name = line.split([':', ';']).next().unwrap_or_default().to_ascii_uppercase();
        ["RRULE", "RDATE", "EXDATE", "EXRULE"].contains(&name.as_str()) && !line.contains(['\r', '\n'])
    };
    match lines.iter().find(|line| !is_known(line)) {
        Some(line) => Err(format!("can't be read: {}", line.chars().take(40).collect::<String>().escape_debug())),
        None => Ok(()),
    }
}
