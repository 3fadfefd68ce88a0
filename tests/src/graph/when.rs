//! Times of events: the clock of a zone that is named as Windows does, or as IANA does.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use windows_timezones::WindowsTimezone;

use super::refusal::Refusal;

/// A zone, and the name that it was given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    pub name: String,
    pub tz: Tz,
}

impl Zone {
    pub fn named(name: &str) -> Option<Self> {
        let windows = name.parse::<WindowsTimezone>().ok().map(|zone| zone.tzdb_id());
        let tz = windows.unwrap_or(name).parse().ok()?;
        Some(Self { name: name.to_owned(), tz })
    }

    pub fn utc() -> Self {
        Self { name: "UTC".into(), tz: Tz::UTC }
    }

    /// The first of two; what the clock leaves out is as much later.
    pub fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let found = self.tz.from_local_datetime(&local).earliest();
        let later = || {
            let before = self.tz.from_local_datetime(&(local - TimeDelta::hours(3))).earliest();
            before.map(|before| before + TimeDelta::hours(3))
        };
        found.or_else(later).map_or(local.and_utc(), |instant| instant.with_timezone(&Utc))
    }

    pub fn local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.tz).naive_local()
    }
}

/// A `dateTimeTimeZone`.
pub(super) fn read(value: &Value, name: &str) -> Result<(NaiveDateTime, Zone), Refusal> {
    let zone = value["timeZone"].as_str().map_or_else(|| Some(Zone::utc()), Zone::named);
    let zone = zone.ok_or_else(|| {
        Refusal::new(400, "TimeZoneNotSupportedException", "A valid TimeZone value must be specified.")
    })?;
    let text = value["dateTime"].as_str().ok_or_else(|| Refusal::property(name))?;
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok((zone.local(instant.to_utc()), zone));
    }
    let local = text.parse().map_err(|_| Refusal::property(name))?;
    Ok((local, zone))
}

pub(super) fn write(local: NaiveDateTime, zone: &str) -> Value {
    json!({ "dateTime": local.format("%Y-%m-%dT%H:%M:%S.0000000").to_string(), "timeZone": zone })
}

/// With seven digits, as .NET writes it.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S.%3f0000Z").to_string()
}

/// Of a query: an instant, UTC where it says nothing.
pub(super) fn bound(text: &str) -> Option<DateTime<Utc>> {
    let local = || text.parse::<NaiveDateTime>().ok().map(|local| local.and_utc());
    let day = || text.parse::<chrono::NaiveDate>().ok().map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(local).or_else(day)
}
