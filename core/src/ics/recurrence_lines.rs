//! RRULE, RDATE, EXDATE and EXRULE lines by themselves, as applications and APIs give and take them.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::until::conform;
use crate::event::{Body, Event, Item, Series, Timing};
use crate::recurrence::Rule;
use crate::zones::{Resolver, Zones};

/// The series that lines make of its first instance; they are read as the lines of a calendar file are, times without a
/// zone in the event's. `local_start` is the start's local time where that is one that its clock never shows.
///
/// # Errors
/// What is wrong with them: "can't be read: ...".
pub fn read_recurrence(
    template: Event,
    local_start: Option<NaiveDateTime>,
    lines: &[&str],
    zones: &dyn Zones,
) -> Result<Series, String> {
    let file = format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nDTSTART{}\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        dtstart(&template.timing, local_start, zones),
        lines.join("\r\n"),
    );
    let calendar = super::read(file.as_bytes(), 1).map_err(|error| format!("can't be read: {error}"))?;
    for item in super::resolve(calendar, zones, "UTC").map_err(|error| format!("can't be read: {error}"))? {
        match item {
            Ok(Item { body: Body::Series(series), .. }) => return Ok(Series { template, ..*series }),
            Ok(_) => {}
            Err(bad) => return Err(format!("can't be read: {}", bad.reason)),
        }
    }
    Err("gives no occurrences".to_owned())
}

/// The lines of a series: its rules, then its dates, those as instants in UTC unless it is of days.
///
/// Neither its DTSTART nor its overrides are in them, nor the ends of dates that have their own.
pub fn write_recurrence(series: &Series, zones: &dyn Zones) -> Vec<String> {
    let timing = &series.template.timing;
    let mut lines = vec![];
    for (name, rules) in [("RRULE", &series.rrules), ("EXRULE", &series.exrules)] {
        lines.extend(rules.iter().map(|rule| format!("{name}:{}", conforming(rule, timing, zones))));
    }
    for (name, dates) in [("RDATE", &series.rdates), ("EXDATE", &series.exdates)] {
        let form = if timing.all_day { ";VALUE=DATE:%Y%m%d" } else { ":%Y%m%dT%H%M%SZ" };
        lines.extend(dates.iter().map(|date| format!("{name}{}", date.format(form))));
    }
    lines
}

/// The rule with an UNTIL that fits its DTSTART; what is no rule as it is.
fn conforming(text: &str, timing: &Timing, zones: &dyn Zones) -> String {
    let Ok(mut rule) = Rule::parse(text) else { return text.to_owned() };
    conform(&mut rule, timing.all_day, |local| {
        let zone = timing.time_zone.as_deref().and_then(|name| zones.zone(name));
        let seconds = local.and_utc().timestamp();
        let instant = zone.map_or(seconds, |zone| Resolver::new(zone).resolve(seconds).instant);
        DateTime::<Utc>::from_timestamp(instant, 0).unwrap_or_default()
    });
    rule.to_string()
}

/// What stands behind DTSTART: that local time, if there is one, else the start as its zone's clock shows it.
fn dtstart(timing: &Timing, local_start: Option<NaiveDateTime>, zones: &dyn Zones) -> String {
    if timing.all_day {
        return timing.start.format(";VALUE=DATE:%Y%m%d").to_string();
    }
    let zone = timing.time_zone.as_deref().and_then(|name| Some((name, zones.zone(name)?)));
    let local = zone.and_then(|(name, zone)| {
        let local = Resolver::new(zone).to_local(timing.start.timestamp());
        Some((name, local_start.or(DateTime::from_timestamp(local, 0).map(|local| local.naive_utc()))?))
    });
    match local {
        Some((name, local)) => format!(";TZID={name}:{}", local.format("%Y%m%dT%H%M%S")),
        None => timing.start.format(":%Y%m%dT%H%M%SZ").to_string(),
    }
}
