//! An item as Graph takes it. Attendees are never written: that would send them mail.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::{Map, Value, json};

use crate::event::{Body, Details, Event, Series, Timing};
use crate::providers::graph_recurrence::Recurrence;
use crate::providers::outlook::{self, Clock};
use crate::recurrence::{Rule, Until};
use crate::zones::Zones;

/// Why Graph cannot hold an item; completes "the provider cannot hold ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotHold(String);

fn refuse<T>(what: impl Into<String>) -> Result<T, CannotHold> {
    Err(CannotHold(what.into()))
}

/// The members of an event. Of a series those of its master: single occurrences are changed each by itself.
///
/// # Errors
/// Nothing is sent in a form that is nearly it.
pub fn write(body: &Body, zones: &dyn Zones) -> Result<Map<String, Value>, CannotHold> {
    match body {
        Body::Single(event) => members(event, zones, false),
        Body::Series(series) => {
            let mut members = members(&series.template, zones, true)?;
            members.insert("recurrence".into(), recurrence(series, zones)?);
            Ok(members)
        }
        Body::Overrides(_) => refuse("occurrences without their series"),
    }
}

fn members(event: &Event, zones: &dyn Zones, recurs: bool) -> Result<Map<String, Value>, CannotHold> {
    let mut members = details(&event.details);
    let (start, end) = times(&event.timing, zones, recurs)?;
    members.insert("isAllDay".into(), event.timing.all_day.into());
    members.insert("start".into(), start);
    members.insert("end".into(), end);
    Ok(members)
}

fn details(details: &Details) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("subject", json!(details.title));
    let content = details.description.as_deref().unwrap_or_default();
    put("body", json!({ "contentType": "text", "content": content }));
    put("location", json!({ "displayName": details.location.as_deref().unwrap_or_default() }));
    put("showAs", json!(outlook::show_as_word(details.show_as)));
    put("sensitivity", json!(outlook::sensitivity_word(details.sensitivity)));
    put("importance", json!(outlook::importance_word(details.importance)));
    put("categories", json!(details.categories));
    // Once it is one it can't be made none.
    if details.teams.is_some() {
        put("isOnlineMeeting", json!(true));
        put("onlineMeetingProvider", json!("teamsForBusiness"));
    }
    members
}

/// Start and end. An event without a length ends where it starts.
fn times(timing: &Timing, zones: &dyn Zones, recurs: bool) -> Result<(Value, Value), CannotHold> {
    let pair =
        |local: NaiveDateTime, zone: &str| json!({ "dateTime": local.format(FORMAT).to_string(), "timeZone": zone });
    let clock = clock(timing, zones)?;
    if timing.all_day {
        // An event of ours keeps the instant at which its day began, wherever that was.
        let day = |at: DateTime<Utc>| clock.local(at).date().and_time(NaiveTime::MIN);
        let start = day(timing.start);
        let next = start.checked_add_days(Days::new(1)).unwrap_or(start);
        let end = timing.end.map_or(next, day).max(next);
        return Ok((pair(start, "UTC"), pair(end, "UTC")));
    }
    let end = timing.end.unwrap_or(timing.start);
    match windows_name(timing, zones) {
        Some(name) => Ok((pair(clock.local(timing.start), name), pair(clock.local(end), name))),
        None if recurs => refuse(format!(
            "a series in the zone {}: Windows has none of the same rules",
            timing.time_zone.as_deref().unwrap_or_default()
        )),
        // The instants are the same.
        None => Ok((pair(timing.start.naive_utc(), "UTC"), pair(end.naive_utc(), "UTC"))),
    }
}

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

fn windows_name(timing: &Timing, zones: &dyn Zones) -> Option<&'static str> {
    match &timing.time_zone {
        None => Some("UTC"),
        Some(name) => outlook::windows_name(zones, name, timing.start.timestamp()),
    }
}

fn recurrence(series: &Series, zones: &dyn Zones) -> Result<Value, CannotHold> {
    let [rule] = series.rrules.as_slice() else { return refuse("a series of several rules, or of none") };
    if !(series.rdates.is_empty() && series.rdate_ends.is_empty()) {
        return refuse("a series with RDATE");
    }
    if !series.exrules.is_empty() {
        return refuse("a series with EXRULE");
    }
    if series.overrides.iter().any(|one| one.this_and_future) {
        return refuse("a series with RANGE=THISANDFUTURE");
    }
    if series.local_start.is_some() {
        return refuse("a series that starts at a time which the clock leaves out");
    }
    let rule = Rule::parse(rule).or_else(|why| refuse(format!("its rule: {why}")))?;
    let timing = &series.template.timing;
    let clock = clock(timing, zones)?;
    let start = clock.local(timing.start);
    let last = match rule.until {
        None => None,
        Some(until) => match last_day(until, start, timing.all_day, &clock) {
            Some(last) => Some(last),
            None => return refuse("a series that ends before it starts"),
        },
    };
    let zone = if timing.all_day { None } else { windows_name(timing, zones) };
    let recurrence =
        Recurrence::of_rule(&rule, start.date(), last, zone).or_else(|why| refuse(format!("the series: {why}")))?;
    serde_json::to_value(recurrence).or_else(|why| refuse(why.to_string()))
}

/// The last day on which an occurrence can be: RFC 5545 ends a series at a time of that day.
fn last_day(until: Until, start: NaiveDateTime, all_day: bool, clock: &Clock) -> Option<NaiveDate> {
    let at = |seconds| DateTime::from_timestamp(seconds, 0);
    let last = match until {
        Until::Date(day) => at(day.checked_mul(86_400)?)?.naive_utc(),
        Until::Local(seconds) => at(seconds)?.naive_utc(),
        Until::Utc(seconds) if all_day => at(seconds)?.naive_utc(),
        Until::Utc(seconds) => clock.local(at(seconds)?),
    };
    if all_day || last.time() >= start.time() { Some(last.date()) } else { last.date().pred_opt() }
}

fn clock<'z>(timing: &Timing, zones: &'z dyn Zones) -> Result<Clock<'z>, CannotHold> {
    let Some(name) = &timing.time_zone else { return Ok(Clock::default()) };
    Clock::named(zones, name).map_or_else(|| refuse(format!("the zone {name}")), Ok)
}
