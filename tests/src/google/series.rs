//! Series: what their lines mean, and their instances. Expanded by the `rrule` crate, which shares no code with the
//! extension.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rrule::{RRule, RRuleSet, Unvalidated};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::when::{When, basic};

/// Instances that are given of one series at most.
const MOST: u16 = 5_000;

/// When a series takes place, if its lines can be read.
pub(super) fn recurrence(lines: &[&str], start: When) -> Result<RRuleSet, Refusal> {
    let invalid = || Refusal::invalid("Invalid recurrence rule.");
    let zone = match start {
        When::Date(_) => Tz::UTC,
        When::At(_, zone) => zone,
    };
    let clock = rrule::Tz::Tz(zone);
    let first = start.instant().with_timezone(&clock);
    // The first instance is one whatever the rule says.
    let mut set = RRuleSet::new(first).rdate(first);
    for line in lines {
        let (head, value) = line.split_once(':').ok_or_else(invalid)?;
        let mut parts = head.split(';');
        let name = parts.next().unwrap_or_default().to_ascii_uppercase();
        let tzid = parts.find_map(|part| part.strip_prefix("TZID=")).map(Tz::from_str);
        let zone = tzid.transpose().map_err(|_| invalid())?.unwrap_or(zone);
        let dates = || -> Result<Vec<DateTime<rrule::Tz>>, Refusal> {
            let dates = value.split(',').map(|text| basic(text, zone).map(|at| at.with_timezone(&clock)));
            dates.collect::<Option<_>>().ok_or_else(invalid)
        };
        match name.as_str() {
            "RRULE" => set = set.rrule(rule(value, start)?.validate(first).map_err(|_| invalid())?),
            "RDATE" => set = dates()?.into_iter().fold(set, RRuleSet::rdate),
            "EXDATE" => set = dates()?.into_iter().fold(set, RRuleSet::exdate),
            _ => return Err(invalid()),
        }
    }
    Ok(set)
}

/// UNTIL may be a date for Google, whatever DTSTART is; the crate wants an instant.
fn rule(value: &str, start: When) -> Result<RRule<Unvalidated>, Refusal> {
    let part = |part: &str| match part.split_once('=') {
        Some((name, day)) if name.eq_ignore_ascii_case("UNTIL") && day.len() == 8 => {
            format!("UNTIL={day}T{}Z", if start.is_date() { "000000" } else { "235959" })
        }
        _ => part.to_owned(),
    };
    let parts: Vec<String> = value.split(';').map(part).collect();
    RRule::from_str(&parts.join(";")).map_err(|_| Refusal::invalid("Invalid recurrence rule."))
}

/// A resource's `recurrence`.
pub(super) fn lines(resource: &Map<String, Value>) -> Vec<&str> {
    resource.get("recurrence").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The original starts of a series within a window, both ends included.
pub(super) fn starts(master: &Map<String, Value>, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<When> {
    let Ok(Some(start)) = When::read(master, "start", zone) else { return vec![] };
    let Ok(set) = recurrence(&lines(master), start) else { return vec![] };
    let clock = rrule::Tz::UTC;
    let second = TimeDelta::seconds(1);
    let set = set.after((from - second).with_timezone(&clock)).before((to + second).with_timezone(&clock));
    let dates = set.all(MOST).dates.into_iter().map(|date| date.with_timezone(&Utc));
    let mut dates: Vec<_> = dates.filter(|date| from <= *date && *date <= to).collect();
    dates.dedup();
    dates.into_iter().map(|date| start.at(date)).collect()
}

/// The instance of a series that has this original start, as long as it does not stand for itself.
pub(super) fn instance(master: &Map<String, Value>, original: When, zone: Tz) -> Option<Map<String, Value>> {
    let text = |key: &str| master.get(key).and_then(Value::as_str);
    let start = When::read(master, "start", zone).ok()??;
    let end = When::read(master, "end", zone).ok()??;
    let length = end.instant() - start.instant();
    let mut instance = master.clone();
    instance.remove("recurrence");
    instance.insert("id".into(), json!(format!("{}_{}", text("id")?, original.suffix())));
    instance.insert("recurringEventId".into(), json!(text("id")?));
    instance.insert("originalStartTime".into(), original.write(zone));
    instance.insert("start".into(), original.write(zone));
    instance.insert("end".into(), end.at(original.instant() + length).write(zone));
    Some(instance)
}
