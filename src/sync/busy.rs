//! When people are busy, when they are free together, and what is booked twice.

use calendar_sync_core::zones::{Resolver, Zone, Zones};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use pgrx::{PgSqlErrorCode, check_for_interrupts};
use serde_json::Value;
use uuid::Uuid;

use super::agenda::{Range, agenda};
use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::Installation;

/// Double bookings of one answer.
const MOST_OVERLAPS: usize = 100_000;

/// When the user is busy, clipped to the range: apart from each other, in order. Cancelled and deleted events, those
/// that are shown as free, and those without a length do not count.
pub fn busy(
    installation: &Installation,
    zones: &dyn Zones,
    user_id: &str,
    range: Range,
    zone: &str,
) -> SqlResult<Vec<Range>> {
    let entries = agenda(installation, zones, user_id, range, zone)?;
    let taken =
        entries.iter().filter(|entry| entry.busy).filter_map(|entry| clip(entry.starts_at, entry.ends_at?, range));
    Ok(union(taken.collect()))
}

fn clip(from: DateTime<Utc>, to: DateTime<Utc>, range: Range) -> Option<Range> {
    let clipped = Range { from: from.max(range.from), to: to.min(range.to) };
    (clipped.from < clipped.to).then_some(clipped)
}

/// Joins what overlaps or touches.
fn union(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_by_key(|range| range.from);
    let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
            _ => joined.push(range),
        }
    }
    joined
}

/// The longest ranges of at least `duration` within `open` (apart, in order) that none of `taken` touches.
pub fn free(open: &[Range], taken: Vec<Range>, duration: TimeDelta) -> Vec<Range> {
    let taken = union(taken);
    let mut free = Vec::new();
    let mut next = 0;
    for range in open {
        let mut from = range.from;
        while next < taken.len() && taken[next].to <= range.from {
            next += 1;
        }
        let mut inside = next;
        while inside < taken.len() && taken[inside].from < range.to {
            free.push(Range { from, to: taken[inside].from });
            from = taken[inside].to;
            inside += 1;
        }
        free.push(Range { from, to: range.to });
    }
    free.retain(|range| range.to - range.from >= duration && range.from < range.to);
    free
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Mon),
    ("TU", Weekday::Tue),
    ("WE", Weekday::Wed),
    ("TH", Weekday::Thu),
    ("FR", Weekday::Fri),
    ("SA", Weekday::Sat),
    ("SU", Weekday::Sun),
];

const HOURS: &str = "Write {\"MO\": [[\"09:00\", \"12:30\"], [\"13:30\", \"17:00\"]], ...}; \"24:00\" is the end of a day. Hours \
     over midnight are two spans: {\"MO\": [[\"22:00\", \"24:00\"]], \"TU\": [[\"00:00\", \"06:00\"]]}.";

/// Working hours of each weekday, from Monday on: pairs of seconds of the day.
pub struct WorkingHours([Vec<(i64, i64)>; 7]);

impl WorkingHours {
    /// # Errors
    /// 22023 names what can't be read.
    pub fn parse(value: &Value) -> SqlResult<Self> {
        let wrong = |problem: String| Err(invalid_argument(format!("working_hours {problem}")).set_hint(HOURS));
        let Value::Object(days) = value else { return wrong("is not a JSON object".to_owned()) };
        let mut hours: [Vec<(i64, i64)>; 7] = Default::default();
        for (name, spans) in days {
            let Some((_, weekday)) = WEEKDAYS.iter().find(|(word, _)| word == name) else {
                return wrong(format!("has no weekday \"{name}\""));
            };
            let Value::Array(spans) = spans else { return wrong(format!("has no list of spans for {name}")) };
            match spans.iter().map(span).collect() {
                Ok(spans) => hours[weekday.num_days_from_monday() as usize] = spans,
                Err(problem) => return wrong(format!("has for {name} {problem}")),
            }
        }
        Ok(Self(hours))
    }

    /// Working time within the range, on the clock of `zone`.
    pub fn within<Z: Zone>(&self, range: Range, zone: Z) -> SqlResult<Vec<Range>> {
        let mut clock = Resolver::new(zone);
        if range.to - range.from > TimeDelta::days(3_700) {
            return Err(error(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the range is longer than ten years")
                .set_hint("Ask for a shorter range."));
        }
        // A zone's date may be another than that of UTC.
        let slack = Days::new(2);
        let mut date = range.from.date_naive().checked_sub_days(slack).unwrap_or(NaiveDate::MIN);
        let last = range.to.date_naive().checked_add_days(slack).unwrap_or(NaiveDate::MAX);
        let mut open = Vec::new();
        while date <= last {
            for (from, to) in &self.0[date.weekday().num_days_from_monday() as usize] {
                let mut at = |seconds: i64| instant(&mut clock, date, seconds);
                open.extend(clip(at(*from), at(*to), range));
            }
            let Some(next) = date.checked_add_days(Days::new(1)) else { break };
            date = next;
        }
        Ok(union(open))
    }
}

fn instant<Z: Zone>(clock: &mut Resolver<Z>, date: NaiveDate, seconds: i64) -> DateTime<Utc> {
    let local = date.and_time(NaiveTime::MIN).and_utc().timestamp() + seconds;
    DateTime::from_timestamp(clock.resolve(local).instant, 0).unwrap_or_default()
}

/// `["09:00", "17:00"]` in seconds of the day. An error goes on after the weekday: "a time that ...".
fn span(value: &Value) -> Result<(i64, i64), String> {
    let Some([from, to]) = value.as_array().map(Vec::as_slice) else {
        return Err(format!("a span that is not a pair of times: {value}"));
    };
    let read = |value: &Value| {
        value.as_str().and_then(seconds_of_day).ok_or_else(|| format!("a time that can't be read: {value}"))
    };
    match (read(from)?, read(to)?) {
        (begin, end) if begin < end => Ok((begin, end)),
        _ => Err(format!("a span that does not end after its start: {value}")),
    }
}

/// `09:00`; up to `24:00`.
fn seconds_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| -> Option<i64> {
        let plain = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let valid = hours < 24 && minutes < 60 || (hours, minutes) == (24, 0);
    valid.then_some(hours * 3_600 + minutes * 60)
}

/// Two things at once.
pub struct Overlap {
    /// The one that starts first: its event, of an instance its series.
    pub one: Option<Uuid>,
    pub other: Option<Uuid>,
    pub overlap: Range,
}

/// What of the user's is booked at the same time, within the range.
pub fn overlaps(
    installation: &Installation,
    zones: &dyn Zones,
    user_id: &str,
    range: Range,
    zone: &str,
) -> SqlResult<Vec<Overlap>> {
    let entries = agenda(installation, zones, user_id, range, zone)?;
    // In order of their start, as the agenda is.
    let taken: Vec<(Range, Option<Uuid>)> = entries
        .iter()
        .filter(|entry| entry.busy)
        .filter_map(|entry| Some((clip(entry.starts_at, entry.ends_at?, range)?, entry.series_id.or(entry.event_id))))
        .collect();
    let mut found = Vec::new();
    let mut running: Vec<(Range, Option<Uuid>)> = Vec::new();
    for (own, id) in taken {
        check_for_interrupts!();
        running.retain(|(other, _)| other.to > own.from);
        for (other, other_id) in &running {
            let overlap = Range { from: own.from, to: own.to.min(other.to) };
            found.push(Overlap { one: *other_id, other: id, overlap });
        }
        if found.len() > MOST_OVERLAPS {
            return Err(error(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("more than {MOST_OVERLAPS} double bookings"),
            )
            .set_hint("Ask for a shorter range."));
        }
        running.push((own, id));
    }
    Ok(found)
}
