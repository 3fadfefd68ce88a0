//! Recurrence rules as SQL functions (`sql/072_recurrence.sql` declares them).
//!
//! The sets are returned value per call and computed as they are asked for. PostgreSQL's timestamptz is microseconds,
//! its date days, since 2000-01-01; the expander works in seconds and days since 1970. A DTSTART's fraction of a second
//! is every occurrence's. The executor looks for a cancel request before each value, and a single search ends within
//! a bound of its own.

use calendar_sync_core::recurrence::{Dates, Occurrences, RecurrenceError, Rule, Window};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::errors::{SqlResult, invalid_argument, recurrence_error};
use crate::zones::{PgZone, PgZones};

/// 2000-01-01 in days and seconds since 1970-01-01.
const EPOCH_DAY: i64 = 10_957;
const EPOCH_SECOND: i64 = EPOCH_DAY * 86_400;
const MICROSECONDS: i64 = 1_000_000;

/// See `calendar_rrule_occurrences` in SQL. No rule or no start: no rows.
#[pg_extern(sql = "")]
#[expect(clippy::too_many_arguments, reason = "the SQL function's")]
fn calendar_rrule_occurrences_each(
    rule: Option<&str>,
    dtstart: Option<i64>,
    time_zone: Option<&str>,
    range_start: Option<i64>,
    range_end: Option<i64>,
    exdates: Option<pgrx::Array<i64>>,
    rdates: Option<pgrx::Array<i64>>,
    max_count: Option<i32>,
) -> SqlResult<SetOfIterator<'static, i64>> {
    let (Some(rule), Some(dtstart)) = (rule, dtstart) else { return Ok(SetOfIterator::empty()) };
    let range = Range { from: range_start.unwrap_or(i64::MIN), to: range_end.unwrap_or(i64::MAX) };
    let instants = Instants::new(rule, dtstart, time_zone, range)?;
    let dates =
        |array: Option<pgrx::Array<i64>>| values(array.iter().flat_map(|array| array.iter()), i64::MIN, i64::MAX);
    let set = Set::new(instants, dates(exdates), dates(rdates), range);
    Ok(SetOfIterator::new(set.take(limit(max_count))))
}

/// See `calendar_rrule_dates` in SQL. No rule or no start: no rows.
#[pg_extern(sql = "")]
fn calendar_rrule_dates_each(
    rule: Option<&str>,
    dtstart: Option<i32>,
    range_start: Option<i32>,
    range_end: Option<i32>,
    exdates: Option<pgrx::Array<i32>>,
    rdates: Option<pgrx::Array<i32>>,
    max_count: Option<i32>,
) -> SqlResult<SetOfIterator<'static, i32>> {
    let (Some(rule), Some(dtstart)) = (rule, dtstart) else { return Ok(SetOfIterator::empty()) };
    if is_infinite(dtstart, i32::MIN, i32::MAX) {
        return Err(infinite_start());
    }
    // An infinite end is as good as the farthest day.
    let range = Range { from: range_start.unwrap_or(i32::MIN).into(), to: range_end.unwrap_or(i32::MAX).into() };
    let window = Window { from: range.from + EPOCH_DAY, to: range.to + EPOCH_DAY };
    let rule = parse(rule)?;
    let days = Dates::new(&rule, i64::from(dtstart) + EPOCH_DAY, window).map_err(recurrence_error)?;
    let days = days.map(|day| day.map(|day| day - EPOCH_DAY));
    let dates =
        |array: Option<pgrx::Array<i32>>| values(array.iter().flat_map(|array| array.iter()), i32::MIN, i32::MAX);
    let set = Set::new(days, dates(exdates), dates(rdates), range);
    Ok(SetOfIterator::new(set.map(|day| day as i32).take(limit(max_count))))
}

/// See `calendar_rrule_next` in SQL. NULL for a rule, start or time that is NULL, and when nothing follows.
#[pg_extern(sql = "")]
fn calendar_rrule_next(
    rule: Option<&str>,
    dtstart: Option<i64>,
    time_zone: Option<&str>,
    after: Option<i64>,
) -> SqlResult<Option<i64>> {
    let (Some(rule), Some(dtstart), Some(after)) = (rule, dtstart, after) else { return Ok(None) };
    let range = Range { from: after.saturating_add(1), to: i64::MAX };
    let next = Instants::new(rule, dtstart, time_zone, range)?.next().transpose().map_err(recurrence_error)?;
    Ok(next.filter(|_| after != i64::MAX))
}

#[pg_extern(sql = "")]
fn calendar_rrule_is_valid(rule: &str) -> bool {
    Rule::parse(rule).is_ok()
}

#[pg_extern(sql = "")]
fn calendar_rrule_text(rule: &str) -> SqlResult<String> {
    Ok(parse(rule)?.to_english())
}

fn parse(rule: &str) -> SqlResult<Rule> {
    Rule::parse(rule).map_err(|error| recurrence_error(error.into()))
}

fn infinite_start() -> ErrorReport {
    invalid_argument("dtstart must be finite").set_hint("Give the date or time at which the series starts.")
}

/// The limit that `max_count` sets: NULL for none.
fn limit(max_count: Option<i32>) -> usize {
    max_count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(0))
}

fn is_infinite<T: PartialEq>(value: T, least: T, most: T) -> bool {
    value == least || value == most
}

/// An array's values, ascending; NULLs and infinite ones are nobody's dates.
fn values<T: PartialEq + Copy + Into<i64>>(array: impl IntoIterator<Item = Option<T>>, least: T, most: T) -> Vec<i64> {
    let finite = array.into_iter().flatten().filter(|value| !is_infinite(*value, least, most));
    let mut values: Vec<i64> = finite.map(Into::into).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Both ends inclusive, in the unit of the SQL type.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: i64,
    to: i64,
}

/// A rule's occurrences in microseconds since 2000.
struct Instants {
    occurrences: Occurrences<PgZone>,
    /// Microseconds after the full second.
    fraction: i64,
}

impl Instants {
    fn new(rule: &str, dtstart: i64, time_zone: Option<&str>, range: Range) -> SqlResult<Self> {
        if is_infinite(dtstart, i64::MIN, i64::MAX) {
            return Err(infinite_start());
        }
        let rule = parse(rule)?;
        let name = time_zone.unwrap_or("UTC");
        let zone = PgZones.get(name).ok_or_else(|| recurrence_error(RecurrenceError::UnknownZone(name.to_owned())))?;
        let fraction = dtstart.rem_euclid(MICROSECONDS);
        // The first full second whose occurrence is not before the range, the last whose is not after it.
        let from = match range.from {
            i64::MIN => i64::MIN,
            from => second(from) + i64::from(from.rem_euclid(MICROSECONDS) > fraction),
        };
        let to = match range.to {
            i64::MAX => i64::MAX,
            to => second(to) - i64::from(to.rem_euclid(MICROSECONDS) < fraction),
        };
        let occurrences =
            Occurrences::new(&rule, second(dtstart), zone, Window { from, to }).map_err(recurrence_error)?;
        Ok(Self { occurrences, fraction })
    }
}

/// Seconds since 1970 of microseconds since 2000, rounded down.
fn second(microseconds: i64) -> i64 {
    microseconds.div_euclid(MICROSECONDS) + EPOCH_SECOND
}

impl Iterator for Instants {
    type Item = Result<i64, RecurrenceError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.occurrences.next()?;
        Some(next.map(|second| (second - EPOCH_SECOND) * MICROSECONDS + self.fraction))
    }
}

/// A rule's occurrences with the RDATEs in their place and without the EXDATEs.
struct Set<I> {
    occurrences: I,
    /// The rule's next one, if it was looked at already.
    waiting: Option<i64>,
    rdates: std::iter::Peekable<std::vec::IntoIter<i64>>,
    exdates: std::iter::Peekable<std::vec::IntoIter<i64>>,
}

impl<I: Iterator<Item = Result<i64, RecurrenceError>>> Set<I> {
    fn new(occurrences: I, exdates: Vec<i64>, mut rdates: Vec<i64>, range: Range) -> Self {
        rdates.retain(|date| (range.from..=range.to).contains(date));
        Self {
            occurrences,
            waiting: None,
            rdates: rdates.into_iter().peekable(),
            exdates: exdates.into_iter().peekable(),
        }
    }

    /// The next of both, ascending and once.
    #[inline]
    fn joined(&mut self) -> Option<i64> {
        let occurrence = self.waiting.take().or_else(|| self.occurrence());
        let Some(&rdate) = self.rdates.peek() else { return occurrence };
        match occurrence {
            Some(occurrence) if occurrence < rdate => return Some(occurrence),
            Some(occurrence) if occurrence > rdate => self.waiting = Some(occurrence),
            _ => {}
        }
        self.rdates.next()
    }

    /// # Panics
    /// Raises the error of a search that was given up: an iterator over a set has no other way.
    #[inline]
    fn occurrence(&mut self) -> Option<i64> {
        match self.occurrences.next()? {
            Ok(occurrence) => Some(occurrence),
            Err(error) => {
                recurrence_error(error).report(PgLogLevel::ERROR);
                None
            }
        }
    }
}

impl<I: Iterator<Item = Result<i64, RecurrenceError>>> Iterator for Set<I> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        loop {
            let next = self.joined()?;
            while self.exdates.next_if(|date| *date < next).is_some() {}
            if self.exdates.peek() != Some(&next) {
                return Some(next);
            }
        }
    }
}
