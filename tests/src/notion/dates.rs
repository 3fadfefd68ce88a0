//! Date values: days, or times to the minute that forget the name of their zone.

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, Offset, SecondsFormat, TimeZone, Timelike};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::error::{Outcome, Refusal};

/// One end of a date value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Day(NaiveDate),
    /// Whole minutes.
    Time(DateTime<FixedOffset>),
}

/// The value of a date property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateValue {
    pub start: When,
    /// The last day, or the end.
    pub end: Option<When>,
}

impl DateValue {
    /// `{start, end, time_zone}`. With a time zone both are times without an offset; without one a time that has no
    /// offset is in UTC.
    pub fn parse(value: &Value) -> Outcome<Self> {
        let zone = match &value["time_zone"] {
            Value::Null => None,
            Value::String(name) => Some(
                name.parse::<Tz>()
                    .map_err(|_| Refusal::invalid(format!("\"{name}\" is not a valid time zone in date.time_zone.")))?,
            ),
            _ => return Err(Refusal::invalid("date.time_zone should be a string or `null`.")),
        };
        let text = |key: &str| match &value[key] {
            Value::Null => Ok(None),
            Value::String(text) => When::parse(text, zone).map(Some),
            _ => Err(Refusal::invalid(format!("date.{key} should be a string."))),
        };
        let start = text("start")?.ok_or_else(|| Refusal::invalid("date.start should be defined."))?;
        let end = text("end")?;
        if let Some(end) = end {
            let in_order = match (start, end) {
                (When::Day(start), When::Day(end)) => start <= end,
                (When::Time(start), When::Time(end)) => start <= end,
                _ => return Err(Refusal::invalid("date.start and date.end should both include a time, or neither.")),
            };
            if !in_order {
                return Err(Refusal::invalid("date.end should be after date.start."));
            }
        }
        Ok(Self { start, end })
    }

    /// The zone's name is lost: a time has its offset alone.
    pub fn render(&self) -> Value {
        json!({ "start": self.start.render(), "end": self.end.map(When::render), "time_zone": null })
    }
}

impl When {
    fn parse(text: &str, zone: Option<Tz>) -> Outcome<Self> {
        let invalid =
            || Refusal::invalid(format!("date should be a valid ISO 8601 date string, instead was `{text}`."));
        if let Ok(day) = text.parse::<NaiveDate>() {
            return match zone {
                None => Ok(Self::Day(day)),
                Some(_) => Err(Refusal::invalid("A date with time_zone must include a time.")),
            };
        }
        let offset = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z")
            .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%#z"));
        if let Ok(time) = offset {
            return match zone {
                None => Ok(Self::Time(to_minute(time))),
                Some(_) => Err(Refusal::invalid("A date with time_zone must not have a UTC offset.")),
            };
        }
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M"))
            .map_err(|_| invalid())?;
        let Some(zone) = zone else { return Ok(Self::Time(to_minute(local.and_utc().fixed_offset()))) };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => {
                Ok(Self::Time(to_minute(time.with_timezone(&time.offset().fix()))))
            }
            LocalResult::None => Err(invalid()),
        }
    }

    fn render(self) -> Value {
        match self {
            Self::Day(day) => json!(day.to_string()),
            Self::Time(time) => json!(time.to_rfc3339_opts(SecondsFormat::Millis, false)),
        }
    }

    /// For filters and sorts.
    pub fn instant(self) -> i64 {
        match self {
            Self::Day(day) => day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(),
            Self::Time(time) => time.timestamp(),
        }
    }
}

fn to_minute(time: DateTime<FixedOffset>) -> DateTime<FixedOffset> {
    time.with_second(0).and_then(|time| time.with_nanosecond(0)).unwrap_or(time)
}
