//! Times of events: a date, or an instant with the zone that it is meant in.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// Others are refused.
pub(super) const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Date(NaiveDate),
    At(DateTime<Utc>, Tz),
}

impl When {
    /// `start`, `end` or `originalStartTime` of a resource; `zone` is the calendar's.
    pub fn read(resource: &Map<String, Value>, name: &str, zone: Tz) -> Result<Option<Self>, Refusal> {
        let Some(value) = resource.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let Value::Object(time) = value else {
            return Err(Refusal::invalid(format!("Invalid value for: {name} is not an object")));
        };
        if let Some(key) = time.keys().find(|key| !["date", "dateTime", "timeZone"].contains(&key.as_str())) {
            return Err(Refusal::invalid(format!("Invalid value for: {key} is not a key of {name}")));
        }
        let text = |key: &str| match time.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Refusal::invalid(format!("Invalid value for: {name}.{key}"))),
        };
        let named = match text("timeZone")? {
            Some(name) => {
                Some(name.parse::<Tz>().map_err(|_| Refusal::invalid("Invalid time zone definition for start time."))?)
            }
            None => None,
        };
        match (text("date")?, text("dateTime")?) {
            (Some(_), Some(_)) => Err(Refusal::invalid("Invalid start time: both date and dateTime are given.")),
            (Some(date), None) => {
                let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().filter(|date| YEARS.contains(&date.year()));
                let date = date.ok_or_else(|| Refusal::invalid(format!("Invalid value for: {name}.date")))?;
                Ok(Some(Self::Date(date)))
            }
            (None, Some(time)) => Ok(Some(Self::At(instant(name, time, named)?, named.unwrap_or(zone)))),
            (None, None) => Err(Refusal::required(format!("Missing {name} time."))),
        }
    }

    /// As an answer gives it: with the offset that `shown` has then, whatever the event's zone is.
    pub fn write(self, shown: Tz) -> Value {
        match self {
            Self::Date(date) => json!({ "date": date.to_string() }),
            Self::At(instant, zone) => json!({
                "dateTime": instant.with_timezone(&shown).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                "timeZone": zone.name(),
            }),
        }
    }

    /// Midnight UTC of a date.
    pub fn instant(self) -> DateTime<Utc> {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN).and_utc(),
            Self::At(instant, _) => instant,
        }
    }

    /// The same kind of time at another instant.
    pub fn at(self, instant: DateTime<Utc>) -> Self {
        match self {
            Self::Date(_) => Self::Date(instant.date_naive()),
            Self::At(_, zone) => Self::At(instant, zone),
        }
    }

    pub fn is_date(self) -> bool {
        matches!(self, Self::Date(_))
    }

    /// What stands behind the series' id in that of an instance.
    pub fn suffix(self) -> String {
        match self {
            Self::Date(date) => date.format("%Y%m%d").to_string(),
            Self::At(instant, _) => instant.format("%Y%m%dT%H%M%SZ").to_string(),
        }
    }
}

fn instant(name: &str, text: &str, zone: Option<Tz>) -> Result<DateTime<Utc>, Refusal> {
    let invalid = || Refusal::invalid(format!("Invalid value for: {name}.dateTime"));
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        // Milliseconds are dropped.
        let whole = DateTime::from_timestamp(instant.timestamp(), 0);
        return whole.filter(|whole| YEARS.contains(&whole.year())).ok_or_else(invalid);
    }
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map_err(|_| invalid())?;
    if !YEARS.contains(&local.year()) {
        return Err(invalid());
    }
    let zone = zone.ok_or_else(|| Refusal::required("Missing time zone definition for start time."))?;
    Ok(in_zone(local, zone))
}

/// The first of two; what the clock leaves out is as much later.
fn in_zone(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let found = zone.from_local_datetime(&local).earliest();
    let later = || {
        let before = zone.from_local_datetime(&(local - TimeDelta::hours(3))).earliest();
        before.map(|before| before + TimeDelta::hours(3))
    };
    found.or_else(later).map_or(local.and_utc(), |instant| instant.with_timezone(&Utc))
}

/// `YYYYMMDD`, `YYYYMMDDTHHMMSS` in that zone, or `YYYYMMDDTHHMMSSZ`; a date is its midnight UTC.
pub(super) fn basic(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y%m%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let local = NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y%m%dT%H%M%S").ok()?;
    let local = Some(local).filter(|local| YEARS.contains(&local.year()))?;
    Some(if text.ends_with('Z') { local.and_utc() } else { in_zone(local, zone) })
}

/// The exclusive end of what starts so, if nothing else is said.
pub(super) fn next_day(date: NaiveDate) -> NaiveDate {
    date.checked_add_days(Days::new(1)).unwrap_or(date)
}
