//! A series of its master, with what is different about single occurrences.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::Value;

use super::slots::Slots;
use super::value::{etag, list, word};
use super::{details, times};
use crate::event::{Event, Override, Series, Timing};
use crate::providers::graph_recurrence::Recurrence;
use crate::providers::outlook::{Clock, Clocks};
use crate::recurrence::{Rule, Until};

/// Occurrences of one series that are looked at.
const MAX_OCCURRENCES: usize = 10_000;

/// An occurrence that has an identifier of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub recurrence_id: DateTime<Utc>,
    pub external_id: String,
    pub etag: Option<String>,
}

/// The series of a master, and its exceptions' identifiers.
pub fn read(id: &str, master: &Value, clocks: &mut Clocks) -> Result<(Series, Vec<Occurrence>), String> {
    let recurrence = Recurrence::of_value(&master["recurrence"]).ok_or(NO_PATTERN)?;
    let (timing, clock) = times::timing(master, recurrence.time_zone(), clocks)?;
    let rule = rule(&recurrence, &timing, &clock)?;
    let slots = Slots { rule: &rule, start: timing.start, all_day: timing.all_day, clock: &clock };
    let (mut overrides, mut occurrences) = (Vec::new(), Vec::new());
    for value in list(&master["exceptionOccurrences"]).iter().take(MAX_OCCURRENCES) {
        if let Some((exception, occurrence)) = exception(id, value, &slots, clocks)? {
            overrides.push(exception);
            occurrences.extend(occurrence);
        }
    }
    overrides.sort_by_key(|one| one.recurrence_id);
    overrides.dedup_by_key(|one| one.recurrence_id);
    let mut exdates = cancelled(master, &slots).unwrap_or_else(|| missing(master, &slots));
    exdates.retain(|slot| !overrides.iter().any(|one| one.recurrence_id == *slot));
    exdates.sort_unstable();
    exdates.dedup();
    let template = Event { timing, details: details::read(master, Some(id.to_owned())) };
    let series = Series {
        template,
        local_start: None,
        duration: None,
        rrules: vec![rule.to_string()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates,
        overrides,
    };
    Ok((series, occurrences))
}

const NO_PATTERN: &str = "its recurrence has no pattern that is known";

/// The rule with its end. Graph's last day is one of the series' zone, and belongs to it.
fn rule(recurrence: &Recurrence, timing: &Timing, clock: &Clock) -> Result<Rule, String> {
    let mut rule = recurrence.rule().ok_or(NO_PATTERN)?;
    rule.count = recurrence.count();
    rule.until = recurrence.last_day().map(|day| {
        if timing.all_day {
            return Until::Date(day.signed_duration_since(NaiveDate::default()).num_days());
        }
        let last_second = day.and_time(NaiveTime::MIN) + TimeDelta::seconds(86_399);
        Until::Utc(clock.instant(last_second).timestamp())
    });
    Ok(rule)
}

/// `None` for one that does not say which occurrence it was.
fn exception(
    series: &str,
    value: &Value,
    slots: &Slots,
    clocks: &mut Clocks,
) -> Result<Option<(Override, Option<Occurrence>)>, String> {
    let Some(recurrence_id) = slot_of(value, slots) else { return Ok(None) };
    let (timing, _) = times::timing(value, slots.clock.name().as_deref(), clocks)
        .map_err(|why| format!("its occurrence of {}: {why}", recurrence_id.format("%Y-%m-%d")))?;
    let details = details::read(value, Some(series.to_owned()));
    let event = Event { timing, details };
    let occurrence = word(&value["id"]).map(|external_id| Occurrence { recurrence_id, external_id, etag: etag(value) });
    Ok(Some((Override { recurrence_id, this_and_future: false, duration: None, event }, occurrence)))
}

/// The place by the rule that an occurrence has, or had before it was moved; one that the rule does not give is taken as
/// it is said.
fn slot_of(value: &Value, slots: &Slots) -> Option<DateTime<Utc>> {
    if let Some(slot) = value["occurrenceId"].as_str().and_then(date_in).and_then(|date| slots.on(date)) {
        return Some(slot);
    }
    let original = times::instant(&value["originalStart"])?;
    let said = if slots.all_day { times::midnight(original.date_naive()) } else { original };
    Some(slots.at(original).unwrap_or(said))
}

/// Of `OID.{id of the series}.{date}`, which Graph names occurrences by.
fn date_in(occurrence_id: &str) -> Option<NaiveDate> {
    occurrence_id.rsplit('.').next()?.parse().ok()
}

/// The deleted occurrences as the master lists them, if it does.
fn cancelled(master: &Value, slots: &Slots) -> Option<Vec<DateTime<Utc>>> {
    let listed = master["cancelledOccurrences"].as_array()?.iter().take(MAX_OCCURRENCES);
    Some(listed.filter_map(|id| id.as_str().and_then(date_in).and_then(|date| slots.on(date))).collect())
}

/// The deleted occurrences of a span of time: those that the rule gives, and `instances` has not. Where that has some
/// that the rule does not give the rule is understood otherwise here than there, and nothing follows.
fn missing(master: &Value, slots: &Slots) -> Vec<DateTime<Utc>> {
    let bound = |name: &str| times::instant(&master["instances"][name]);
    let (Some(from), Some(to)) = (bound("from"), bound("to")) else { return vec![] };
    let mut there = Vec::new();
    for instance in list(&master["instances"]["value"]).iter().take(MAX_OCCURRENCES) {
        let is_plain = instance["type"].as_str() == Some("occurrence");
        let start = times::instant(&instance["start"]["dateTime"]).filter(|_| is_plain);
        let original = times::instant(&instance["originalStart"]).or(start);
        match original.and_then(|at| slots.at(at)) {
            Some(slot) => there.push(slot),
            None if is_plain => return vec![],
            None => {}
        }
    }
    slots.within(from, to).into_iter().filter(|slot| !there.contains(slot)).collect()
}
