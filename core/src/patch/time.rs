//! When an event takes place, as a patch says it.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::{Map, Value};

use super::{Patched, value, wrong};
use crate::event::Timing;
use crate::zones::{Resolver, Zones};

const FORMS: &str = "Write an instant (2026-04-06T09:00:00+02:00), a local time (2026-04-06T09:00:00) with \
                     \"time_zone\", or a date (2026-04-06) for an all-day event.";
/// For an event that has none yet.
const NEEDED: &str = "Give \"start\" (or the column's name, \"event_date\"), and \"end\" (\"event_end\") if it has a length: \
                      an instant (2026-04-06T09:00:00+02:00), a local time (2026-04-06T09:00:00) with \"time_zone\", \
                      or a date (2026-04-06) for an all-day event.";

/// A time as it was written.
enum Written {
    Date(NaiveDate),
    Local(NaiveDateTime),
    Instant(DateTime<Utc>),
}

fn written(key: &str, text: &str) -> Patched<Written> {
    let text = text.trim();
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(Written::Date(date));
    }
    // PostgreSQL's own output has a blank for the T and may leave the minutes of the offset away.
    let iso = text.replacen(' ', "T", 1);
    for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y%m%dT%H%M%S%#z"] {
        if let Ok(instant) = DateTime::parse_from_str(&iso, format) {
            return Ok(Written::Instant(instant.with_timezone(&Utc)));
        }
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%S"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(&iso, format) {
            return Ok(Written::Local(local));
        }
    }
    wrong(key, format!("is not a time: \"{}\"", text.chars().take(40).collect::<String>()), FORMS)
}

/// An instant, with its offset.
pub fn instant(key: &str, text: &str) -> Patched<DateTime<Utc>> {
    match written(key, text)? {
        Written::Instant(instant) => Ok(instant),
        _ => wrong(key, "has no offset from UTC", "Write an instant: 2026-04-06T09:00:00+02:00."),
    }
}

/// `start` and `end` are also known by their columns' names.
fn either(patch: &Map<String, Value>, key: &'static str, column: &'static str) -> Patched<Option<Option<Written>>> {
    let key = match (patch.contains_key(key), patch.contains_key(column)) {
        (true, true) => {
            return wrong(key, format!("is given together with \"{column}\""), "They mean the same: give one of them.");
        }
        (false, true) => column,
        _ => key,
    };
    let Some(text) = value::text(patch, key)? else { return Ok(None) };
    Ok(Some(text.map(|text| written(key, &text)).transpose()?))
}

/// The timing that a patch asks for; what it does not say stays.
pub fn timing(before: Option<&Timing>, patch: &Map<String, Value>, zones: &dyn Zones) -> Patched<Timing> {
    let start = match either(patch, "start", "event_date")? {
        Some(None) => return wrong("start", "is null", "Every event has a start."),
        given => given.flatten(),
    };
    let end = either(patch, "end", "event_end")?;
    let all_day = value::flag(patch, "all_day")?.flatten();
    let time_zone = match value::text(patch, "time_zone")? {
        None => before.and_then(|timing| timing.time_zone.clone()),
        Some(Some(name)) if zones.zone(&name).is_none() => {
            return wrong("time_zone", format!("names no time zone: \"{name}\""), "See pg_timezone_names.");
        }
        Some(time_zone) => time_zone,
    };
    let clock = Clock { time_zone: time_zone.as_deref(), zones };
    match (start, before) {
        (None, None) => wrong("start", "is missing", NEEDED),
        (Some(Written::Date(date)), _) => {
            if all_day == Some(false) {
                return wrong("all_day", "is false, but \"start\" is a date", FORMS);
            }
            all_day_timing(date, end, before.filter(|timing| timing.all_day))
        }
        (Some(start), before) => {
            let start = clock.instant("start", start)?;
            timed(start, end, before.filter(|timing| !timing.all_day), all_day, &clock)
        }
        (None, Some(before)) if before.all_day => {
            if all_day == Some(false) {
                return wrong("all_day", "is false, but \"start\" is a date", FORMS);
            }
            all_day_timing(before.start.date_naive(), end, Some(before))
        }
        (None, Some(before)) => timed(before.start, end, Some(before), all_day, &clock),
    }
}

/// Where local times are.
struct Clock<'a> {
    time_zone: Option<&'a str>,
    zones: &'a dyn Zones,
}

impl Clock<'_> {
    fn instant(&self, key: &str, written: Written) -> Patched<DateTime<Utc>> {
        let local = match written {
            Written::Instant(instant) => return Ok(instant),
            Written::Date(_) => return wrong(key, "is a date, but the event starts at a time", FORMS),
            Written::Local(local) => local,
        };
        let Some(zone) = self.time_zone.and_then(|name| self.zones.zone(name)) else {
            return wrong(key, "has neither an offset from UTC nor a \"time_zone\"", FORMS);
        };
        let seconds = Resolver::new(zone).resolve(local.and_utc().timestamp()).instant;
        let instant = DateTime::from_timestamp(seconds, local.and_utc().timestamp_subsec_nanos());
        instant.map_or_else(|| wrong(key, "is out of range", FORMS), Ok)
    }
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

fn all_day_timing(start: NaiveDate, end: Option<Option<Written>>, before: Option<&Timing>) -> Patched<Timing> {
    let next_day = || midnight(start.checked_add_days(Days::new(1)).unwrap_or(start));
    let end = match end {
        Some(Some(Written::Date(end))) => midnight(end),
        Some(Some(_)) => return wrong("end", "is a time, but the event starts on a date", FORMS),
        Some(None) => next_day(),
        None => before.and_then(|timing| timing.end).unwrap_or_else(next_day),
    };
    let start = midnight(start);
    if end <= start {
        return wrong("end", "is not after \"start\"", "The end of an all-day event is the day after its last.");
    }
    Ok(Timing { start, end: Some(end), all_day: true, time_zone: None, floating: false })
}

fn timed(
    start: DateTime<Utc>,
    end: Option<Option<Written>>,
    before: Option<&Timing>,
    all_day: Option<bool>,
    clock: &Clock,
) -> Patched<Timing> {
    if all_day == Some(true) {
        return wrong("all_day", "is true, but \"start\" is a time", FORMS);
    }
    let end = match end {
        Some(end) => end.map(|end| clock.instant("end", end)).transpose()?,
        None => before.and_then(|timing| timing.end),
    };
    if end.is_some_and(|end| end < start) {
        return wrong("end", "is before \"start\"", "Give both where an event is moved; \"end\": null clears it.");
    }
    Ok(Timing { start, end, all_day: false, time_zone: clock.time_zone.map(str::to_owned), floating: false })
}

/// `start`, if there is one, as it was written, if the clock of its zone never shows that time.
pub fn never_shown(
    timing: &Timing,
    patch: &Map<String, Value>,
    zones: &dyn Zones,
) -> Patched<Option<Option<NaiveDateTime>>> {
    let Some(start) = either(patch, "start", "event_date")? else { return Ok(None) };
    let Some(Written::Local(local)) = start else { return Ok(Some(None)) };
    let zone = timing.time_zone.as_deref().and_then(|name| zones.zone(name));
    let shown = zone.map(|zone| Resolver::new(zone).to_local(timing.start.timestamp()));
    Ok(Some(shown.is_some_and(|shown| shown != local.and_utc().timestamp()).then_some(local)))
}
