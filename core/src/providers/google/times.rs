//! When an event takes place: Google's pairs of time and zone in, [`Timing`] out, and back.
//!
//! The offset of a `dateTime` says which instant is meant and nothing of the zone: answers are written with the offset
//! of the calendar's zone, whatever the event's is.

use std::collections::HashMap;
use std::rc::Rc;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Timelike, Utc};
use serde_json::{Value, json};

use crate::event::Timing;
use crate::ics::{Place, UnknownZone, named};
use crate::zones::Zones;

/// Names of zones in one answer that are looked for.
const MAX_NAMES: usize = 1_000;

/// The zones that an answer names.
pub struct Clocks<'z> {
    zones: &'z dyn Zones,
    /// The calendar's own.
    default: Rc<Place<'z>>,
    found: HashMap<String, Option<Rc<Place<'z>>>>,
}

impl<'z> Clocks<'z> {
    /// `default_zone`: the calendar's, for times that name none or one that nobody knows.
    pub fn new(zones: &'z dyn Zones, default_zone: &str) -> Result<Self, UnknownZone> {
        let default = named(zones, default_zone).ok_or_else(|| UnknownZone(default_zone.into()))?;
        Ok(Self { zones, default, found: HashMap::new() })
    }

    pub fn zones(&self) -> &'z dyn Zones {
        self.zones
    }

    /// The zone of that name, else the calendar's.
    fn place(&mut self, name: Option<&str>) -> Rc<Place<'z>> {
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return self.default.clone() };
        if !self.found.contains_key(name) {
            if self.found.len() >= MAX_NAMES {
                return self.default.clone();
            }
            self.found.insert(name.to_owned(), named(self.zones, name));
        }
        self.found[name].clone().unwrap_or_else(|| self.default.clone())
    }

    /// `start` and `end` of an event. `unspecified`: an end stands there for nothing.
    pub fn timing(&mut self, start: &Value, end: &Value, unspecified: bool) -> Result<Timing, String> {
        if let Some(first) = date(start)? {
            let next = first.checked_add_days(Days::new(1)).ok_or("its date is out of range")?;
            let after = if unspecified { None } else { date(end)? }.unwrap_or(next);
            if after < first {
                return Err("it ends before it starts".into());
            }
            let (start, end) = (midnight(first), Some(midnight(after.max(next))));
            return Ok(Timing { start, end, all_day: true, time_zone: None, floating: false });
        }
        let place = self.place(start["timeZone"].as_str());
        let from = self.instant(start)?.ok_or("it has no start")?;
        let to = if unspecified { None } else { self.instant(end)? };
        if to.is_some_and(|to| to < from) {
            return Err("it ends before it starts".into());
        }
        let to = to.filter(|to| *to > from);
        Ok(Timing { start: from, end: to, all_day: false, time_zone: place.name.clone(), floating: false })
    }

    /// `originalStartTime`: the day of an occurrence of an all-day series is 00:00 UTC.
    pub fn original(&mut self, time: &Value) -> Result<Option<DateTime<Utc>>, String> {
        match date(time)? {
            Some(date) => Ok(Some(midnight(date))),
            None => self.instant(time),
        }
    }

    fn instant(&mut self, time: &Value) -> Result<Option<DateTime<Utc>>, String> {
        let Some(text) = time["dateTime"].as_str() else { return Ok(None) };
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(instant.with_timezone(&Utc).with_nanosecond(0));
        }
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
        let local = local.map_err(|_| "its time can't be read")?.with_nanosecond(0);
        Ok(local.map(|local| self.place(time["timeZone"].as_str()).instant(local)))
    }
}

fn date(time: &Value) -> Result<Option<NaiveDate>, String> {
    let date = time["date"].as_str().map(str::parse::<NaiveDate>);
    date.transpose().map_err(|_| "its date can't be read".into())
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// A time as Google takes it. Each names all three keys: in a change, what is not named stays.
pub fn instant(instant: DateTime<Utc>, time_zone: Option<&str>, zones: &dyn Zones) -> Value {
    let place = time_zone.and_then(|name| named(zones, name));
    let (local, name) = match &place {
        // A zone without a name of its own is UTC.
        Some(place) => (place.local(instant), place.name.as_deref()),
        None => (instant.naive_utc(), None),
    };
    let offset = (local.and_utc() - instant).num_seconds();
    let offset = chrono::FixedOffset::east_opt(i32::try_from(offset).unwrap_or(0));
    let written = match offset.filter(|offset| offset.local_minus_utc() % 60 == 0) {
        Some(offset) => instant.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Secs, true),
        // Local mean time, of long ago: RFC 3339 has no seconds in offsets.
        None => instant.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    json!({ "date": null, "dateTime": written, "timeZone": name.unwrap_or("UTC") })
}

/// A day as Google takes it.
pub fn day(date: NaiveDate) -> Value {
    json!({ "date": date.to_string(), "dateTime": null, "timeZone": null })
}

/// The days of an all-day event: as 00:00 UTC, or in the zone that it names. The end is exclusive.
pub fn days(timing: &Timing, zones: &dyn Zones) -> (NaiveDate, NaiveDate) {
    let place = timing.time_zone.as_deref().and_then(|name| named(zones, name));
    let date = |instant: DateTime<Utc>| place.as_ref().map_or(instant.date_naive(), |it| it.local(instant).date());
    let first = date(timing.start);
    let next = first.checked_add_days(Days::new(1)).unwrap_or(first);
    (first, timing.end.map_or(next, date).max(next))
}
