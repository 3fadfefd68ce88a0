//! When an event takes place.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde_json::Value;

use crate::event::Timing;
use crate::providers::outlook::{Clock, Clocks, Written};

/// When an event takes place, and by which clock. `recurs_in`: the zone that its recurrence names.
pub fn timing<'z>(
    event: &Value,
    recurs_in: Option<&str>,
    clocks: &mut Clocks<'z>,
) -> Result<(Timing, Clock<'z>), String> {
    if event["isAllDay"].as_bool() == Some(true) {
        return days(event).map(|timing| (timing, Clock::default()));
    }
    let start = time(&event["start"], "start", clocks)?.ok_or("it has no start")?;
    let end = time(&event["end"], "end", clocks)?;
    if end.is_some_and(|end| end < start) {
        return Err("it ends before it starts".into());
    }
    let clock = clock(event, recurs_in, clocks);
    let end = end.filter(|end| *end > start);
    Ok((Timing { start, end, all_day: false, time_zone: clock.name(), floating: false }, clock))
}

/// The zone that an event is meant in, whichever its times are given in. Zones that are nobody's but Exchange's
/// (`tzone://Microsoft/Custom`) are taken as the calendar's own.
fn clock<'z>(event: &Value, recurs_in: Option<&str>, clocks: &mut Clocks<'z>) -> Clock<'z> {
    let said = ["originalStartTimeZone", "originalEndTimeZone"].map(|name| event[name].as_str());
    let names = [recurs_in].into_iter().chain(said).flatten().filter(|name| !name.is_empty());
    let mut is_said = false;
    for name in names {
        if let Some(clock) = clocks.named(name) {
            return clock;
        }
        is_said = true;
    }
    let given = event["start"]["timeZone"].as_str().filter(|_| !is_said).and_then(|name| clocks.named(name));
    given.unwrap_or_else(|| clocks.default().clone())
}

/// A pair of local time and zone; `None` for what is none, or says "never".
fn time(value: &Value, which: &str, clocks: &mut Clocks) -> Result<Option<DateTime<Utc>>, String> {
    let Some(text) = value["dateTime"].as_str() else { return Ok(None) };
    let written = Written::parse(text).ok_or_else(|| format!("its {which} is no time"))?;
    if written.is_never() {
        return Ok(None);
    }
    let clock = match value["timeZone"].as_str().filter(|name| !name.is_empty()) {
        None => Clock::default(),
        Some(name) => clocks.named(name).unwrap_or_else(|| clocks.default().clone()),
    };
    Ok(Some(written.instant.unwrap_or_else(|| clock.instant(written.local))))
}

/// The days of an all-day event: as they are written, whatever zone stands beside. The end is exclusive.
fn days(event: &Value) -> Result<Timing, String> {
    let day = |which: &str| event[which]["dateTime"].as_str().and_then(Written::parse).filter(|day| !day.is_never());
    let first = day("start").ok_or("it has no start")?.local.date();
    let next = first.checked_add_days(Days::new(1)).ok_or("its date is out of range")?;
    let after = day("end").map_or(next, |end| end.local.date());
    if after < first {
        return Err("it ends before it starts".into());
    }
    let (start, end) = (midnight(first), Some(midnight(after.max(next))));
    Ok(Timing { start, end, all_day: true, time_zone: None, floating: false })
}

/// Of a date, as all-day events are kept: at midnight UTC.
pub fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// An instant, which Graph writes in UTC.
pub fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let written = Written::parse(value.as_str()?).filter(|time| !time.is_never())?;
    Some(written.instant.unwrap_or_else(|| written.local.and_utc()))
}
