//! Date, date-time and duration values as calendar files have them (RFC 5545, 3.3.4 to 3.3.6), and the wrong forms of
//! them that are common.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::event::Duration;

/// A date or time before its zone is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    Date(NaiveDate),
    /// Local time: floating, or in the zone that the property names.
    Local(NaiveDateTime),
    Utc(DateTime<Utc>),
}

impl Value {
    /// As it is written, in whatever zone that is.
    pub fn year(self) -> i32 {
        match self {
            Self::Date(date) => date.year(),
            Self::Local(local) => local.year(),
            Self::Utc(instant) => instant.year(),
        }
    }
}

/// The length of a duration where every day has 24 hours.
pub fn nominal(duration: Duration) -> TimeDelta {
    TimeDelta::days(duration.days) + TimeDelta::seconds(duration.seconds)
}

/// `20240131`, `20240131T0930`, `20240131T093000`, the last two with `Z` or an offset, all also in the long form with
/// `-` and `:`. Years 1 to 9999. A leap second is the second before it, 24:00 the next day's 0:00.
pub fn time(value: &[u8]) -> Option<Value> {
    let value = value.trim_ascii();
    let mut rest = value;
    let date = date(&mut rest)?;
    match rest {
        [] => return Some(Value::Date(date)),
        [b'T' | b't' | b' ', ..] => rest = &rest[1..],
        _ => return None,
    }
    let local = time_of_day(date, &mut rest)?;
    match rest {
        [] => Some(Value::Local(local)),
        [b'Z' | b'z'] => Some(Value::Utc(local.and_utc())),
        _ => Some(Value::Utc(local.and_local_timezone(offset(rest)?).single()?.to_utc())),
    }
}

fn date(rest: &mut &[u8]) -> Option<NaiveDate> {
    let year = digits(rest, 4)?;
    let long = skip(rest, b'-');
    let month = digits(rest, 2)?;
    if long && !skip(rest, b'-') {
        return None;
    }
    let day = digits(rest, 2)?;
    if year == 0 {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

fn time_of_day(date: NaiveDate, rest: &mut &[u8]) -> Option<NaiveDateTime> {
    let hour = digits(rest, 2)?;
    let long = skip(rest, b':');
    let minute = digits(rest, 2)?;
    let seconds_follow = if long { skip(rest, b':') } else { rest.first().is_some_and(u8::is_ascii_digit) };
    let second = if seconds_follow { digits(rest, 2)? } else { 0 };
    if let [b'.', fraction @ ..] = rest {
        *rest = &fraction[fraction.iter().take_while(|byte| byte.is_ascii_digit()).count()..];
    }
    if (hour, minute, second) == (24, 0, 0) {
        return Some(date.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN));
    }
    date.and_hms_opt(hour, minute, second.min(if second == 60 { 59 } else { 99 }))
}

/// `+0100`, `-05:30`, `+01`: seconds of UTC offset, as FixedOffset.
fn offset(mut rest: &[u8]) -> Option<FixedOffset> {
    FixedOffset::east_opt(offset_seconds(&mut rest)?).filter(|_| rest.is_empty())
}

fn offset_seconds(rest: &mut &[u8]) -> Option<i32> {
    let sign = match rest.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let mut seconds = 0;
    for (part, unit) in [3600, 60, 1].into_iter().enumerate() {
        if part > 0 {
            skip(rest, b':');
            if rest.is_empty() {
                break;
            }
        }
        seconds += i32::try_from(digits(rest, 2)?).ok()? * unit;
    }
    Some(sign * seconds)
}

/// A UTC-OFFSET value (RFC 5545, 3.3.14): seconds east of Greenwich, less than a day.
pub fn utc_offset(value: &[u8]) -> Option<i32> {
    offset(value.trim_ascii()).map(|offset| offset.local_minus_utc())
}

/// Longest duration that is read, in days: from the first to the last date that can be written.
const MAX_DAYS: i64 = 3_652_059;

/// `P1W`, `-P1DT2H`, `PT15M`. A bare `P` is zero.
pub fn duration(value: &[u8]) -> Option<Duration> {
    let mut rest = value.trim_ascii();
    let negative = skip(&mut rest, b'-');
    if !negative {
        skip(&mut rest, b'+');
    }
    let mut duration = Duration::default();
    if !skip(&mut rest, b'P') && !skip(&mut rest, b'p') {
        return None;
    }
    let mut in_time = false;
    while !rest.is_empty() {
        if !in_time && (skip(&mut rest, b'T') || skip(&mut rest, b't')) {
            in_time = true;
            continue;
        }
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // As many as MAX_DAYS has in seconds.
        if count == 0 || count > 12 {
            return None;
        }
        let number = number(&mut rest, count)?;
        match (in_time, rest.first()?.to_ascii_uppercase()) {
            (false, b'W') => duration.days += number * 7,
            (false, b'D') => duration.days += number,
            (true, b'H') => duration.seconds += number * 3600,
            (true, b'M') => duration.seconds += number * 60,
            (true, b'S') => duration.seconds += number,
            _ => return None,
        }
        // At once: parts may be repeated until their sum is too large for any type.
        if duration.days > MAX_DAYS || duration.seconds > MAX_DAYS * 86_400 {
            return None;
        }
        rest = &rest[1..];
    }
    let sign = if negative { -1 } else { 1 };
    Some(Duration { days: sign * duration.days, seconds: sign * duration.seconds })
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        duration(text.as_bytes()).ok_or(NotADuration)
    }
}

/// A text that is no DURATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a DURATION value (RFC 5545, 3.3.6)")]
pub struct NotADuration;

fn digits(rest: &mut &[u8], count: usize) -> Option<u32> {
    u32::try_from(number(rest, count)?).ok()
}

/// A number of that many digits, at most 18.
fn number(rest: &mut &[u8], count: usize) -> Option<i64> {
    let digits = rest.get(..count)?;
    *rest = &rest[count..];
    digits.iter().try_fold(0, |sum: i64, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn skip(rest: &mut &[u8], byte: u8) -> bool {
    let found = rest.first() == Some(&byte);
    if found {
        *rest = &rest[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Option<String> {
        time(value.as_bytes()).map(|value| match value {
            Value::Date(date) => date.to_string(),
            Value::Local(local) => local.to_string(),
            Value::Utc(instant) => instant.to_string(),
        })
    }

    #[test]
    fn dates_and_times_are_read_in_all_their_forms() {
        for (value, expected) in [
            ("20240131", Some("2024-01-31")),
            (" 2024-01-31 ", Some("2024-01-31")),
            ("20240131T093015", Some("2024-01-31 09:30:15")),
            ("20240131T0930", Some("2024-01-31 09:30:00")),
            ("20240131T093015Z", Some("2024-01-31 09:30:15 UTC")),
            ("20240131t093015z", Some("2024-01-31 09:30:15 UTC")),
            ("20240131T0930Z", Some("2024-01-31 09:30:00 UTC")),
            ("20240131T093015+0100", Some("2024-01-31 08:30:15 UTC")),
            ("2024-01-31T09:30:15.123-05:30", Some("2024-01-31 15:00:15 UTC")),
            ("20161231T235960Z", Some("2016-12-31 23:59:59 UTC")),
            ("20240131T240000", Some("2024-02-01 00:00:00")),
            ("20230229", None),
            ("00000000", None),
            ("20240131T", None),
            ("20240131T250000", None),
            ("20240131T096100", None),
            ("2024013", None),
            ("20240131Z", None),
            ("20240131T093015ZZ", None),
            ("20240131T093015+01000", None),
            ("", None),
        ] {
            assert_eq!(shown(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (value, expected) in [
            ("P2W", Some((14, 0))),
            ("P1DT2H3M4S", Some((1, 7384))),
            ("-PT15M", Some((0, -900))),
            ("+P1D", Some((1, 0))),
            ("PT", Some((0, 0))),
            ("P1DT", Some((1, 0))),
            ("PT1D", None),
            ("P1H", None),
            ("PT315537897600S", Some((0, 315_537_897_600))),
            ("P3652060D", None),
            ("P99999999999D", None),
            ("1D", None),
            ("P1", None),
        ] {
            let duration = duration(value.as_bytes()).map(|duration| (duration.days, duration.seconds));
            assert_eq!(duration, expected, "{value}");
        }
    }

    #[test]
    fn offsets_are_read() {
        for (value, expected) in [
            ("+0100", Some(3600)),
            ("-075258", Some(-28378)),
            ("-05:30", Some(-19800)),
            ("0100", None),
            ("+2500", None),
        ] {
            assert_eq!(utc_offset(value.as_bytes()), expected, "{value}");
        }
    }
}
