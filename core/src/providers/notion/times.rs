//! Dates of a page: days whose last is the end, or times to the minute.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::event::Timing;
use crate::zones::{Resolver, Zones};

/// One end of a date.
enum Written {
    Day(NaiveDate),
    Time(DateTime<Utc>),
}

impl Written {
    /// A time has an offset; one that has none is in UTC.
    fn parse(text: &str) -> Option<Self> {
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Some(Self::Day(day));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(Self::Time(time.to_utc()));
        }
        text.parse::<NaiveDateTime>().ok().map(|local| Self::Time(local.and_utc()))
    }

    fn day(&self) -> NaiveDate {
        match self {
            Self::Day(day) => *day,
            Self::Time(time) => time.date_naive(),
        }
    }
}

/// When an entry with that `date` takes place.
pub fn timing(date: &Value) -> Result<Timing, String> {
    let read = |key: &str| match date[key].as_str() {
        None => Ok(None),
        Some(text) => Written::parse(text).map(Some).ok_or_else(|| format!("its {key} is no time")),
    };
    let start = read("start")?.ok_or("it has no start")?;
    let end = read("end")?;
    let all_day = matches!(start, Written::Day(_));
    let midnight_after = |day: NaiveDate| {
        let next = day.checked_add_days(Days::new(1)).ok_or("its date is out of range");
        next.map(|next| next.and_time(NaiveTime::MIN).and_utc())
    };
    let (start, end) = match start {
        Written::Day(day) => {
            let last = end.as_ref().map_or(day, Written::day);
            if last < day {
                return Err("it ends before it starts".into());
            }
            (day.and_time(NaiveTime::MIN).and_utc(), Some(midnight_after(last)?))
        }
        Written::Time(start) => {
            let end = match end {
                Some(Written::Day(day)) => Some(midnight_after(day)?),
                Some(Written::Time(end)) => Some(end),
                None => None,
            };
            if end.is_some_and(|end| end < start) {
                return Err("it ends before it starts".into());
            }
            (start, end.filter(|end| *end > start))
        }
    };
    Ok(Timing { start, end, all_day, time_zone: None, floating: false })
}

/// The date of an event. With `time_zone` its times have no offset, without it they are in UTC.
pub fn date(timing: &Timing, zones: &dyn Zones) -> Value {
    let zone = timing.time_zone.as_deref().and_then(|name| Some((name, Resolver::new(zones.zone(name)?))));
    if timing.all_day {
        let local = |instant: DateTime<Utc>| match &zone {
            Some((_, zone)) => naive(zone.to_local(instant.timestamp())),
            None => instant.naive_utc(),
        };
        let first = local(timing.start).date();
        let last = timing.end.map(|end| local(end - TimeDelta::seconds(1)).date()).filter(|last| *last > first);
        return json!({ "start": first.to_string(), "end": last.map(|last| last.to_string()) });
    }
    let end = timing.end.filter(|end| *end > timing.start);
    if let Some((name, mut zone)) = zone.filter(|(name, _)| is_known_everywhere(name)) {
        let mut local = |instant: DateTime<Utc>| {
            let local = zone.to_local(instant.timestamp());
            // The second of two times that clocks show alike can't be told by its zone.
            let text = naive(local).format("%Y-%m-%dT%H:%M:%S").to_string();
            (zone.resolve(local).instant == instant.timestamp()).then_some(text)
        };
        let (start, end) = (local(timing.start), end.map(&mut local));
        if let (Some(start), None | Some(Some(_))) = (start, &end) {
            return json!({ "start": start, "end": end.flatten(), "time_zone": name });
        }
    }
    let utc = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({ "start": utc(timing.start), "end": end.map(utc) })
}

/// Whether a page's date is the one that was sent, to the minute: Notion shows a time that was given in a zone with the
/// offset of that zone.
pub fn is_same_date(there: &Value, sent: &Value) -> bool {
    let has_zone = sent["time_zone"].is_string();
    ["start", "end"].iter().all(|key| match (there[key].as_str(), sent[key].as_str()) {
        (Some(there), Some(sent)) if has_zone => there.get(..16).is_some_and(|there| sent.get(..16) == Some(there)),
        (Some(there), Some(sent)) => match (Written::parse(there), Written::parse(sent)) {
            (Some(Written::Day(there)), Some(Written::Day(sent))) => there == sent,
            (Some(Written::Time(there)), Some(Written::Time(sent))) => {
                there.timestamp().div_euclid(60) == sent.timestamp().div_euclid(60)
            }
            _ => false,
        },
        (there, sent) => there == sent,
    })
}

/// PostgreSQL knows names that others do not ('EST5EDT', 'posixrules').
fn is_known_everywhere(name: &str) -> bool {
    name.contains('/') && !name.starts_with("Etc/")
}

fn naive(local: i64) -> NaiveDateTime {
    DateTime::from_timestamp(local, 0).unwrap_or_default().naive_utc()
}
