//! How a series recurs, of which the connector says no more than a word.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::fields::{Field, Fields};
use super::times::{Clock, end_of_last_day, written};
use crate::event::Timing;
use crate::recurrence::{Frequency, Occurrences, Rule, Until, Window};

/// The word of a series; `None` for an event that does not recur.
///
/// # Errors
/// A text that says what is not understood.
pub fn frequency(fields: &Fields) -> Result<Option<Frequency>, String> {
    let Some(value) = fields.raw(Field::Recurrence) else { return Ok(None) };
    let word = fields.word(Field::Recurrence).map(|word| word.to_ascii_lowercase());
    match word.as_deref() {
        Some("none") => Ok(None),
        None if value.starts_with('"') => Ok(None),
        Some("daily") => Ok(Some(Frequency::Daily)),
        Some("weekly") => Ok(Some(Frequency::Weekly)),
        Some("monthly") => Ok(Some(Frequency::Monthly)),
        Some("yearly") => Ok(Some(Frequency::Yearly)),
        _ => Err("its recurrence is none of none, daily, weekly, monthly and yearly".into()),
    }
}

/// The rule that a word means for a series that starts so.
pub fn rule(frequency: Frequency, timing: &Timing, clock: &Clock, fields: &Fields) -> Rule {
    let mut rule = Rule::every(frequency);
    let start = clock.local(timing.start).date();
    match frequency {
        Frequency::Monthly => on_day(&mut rule, start.day()),
        Frequency::Yearly if (start.month(), start.day()) == (2, 29) => {
            rule.by_month = vec![2];
            rule.by_month_day = vec![-1];
        }
        _ => {}
    }
    let count = [Field::NumberOfOccurences, Field::NumberOfOccurrences];
    let count = count.iter().find_map(|field| fields.word(*field)?.parse().ok()).filter(|count: &u32| *count > 0);
    rule.count = count;
    if count.is_none() {
        rule.until = written(fields, Field::RecurrenceEnd).map(|end| {
            let last = end_of_last_day(end, clock);
            if timing.all_day { Until::Date(days(last.date())) } else { Until::Utc(clock.instant(last).timestamp()) }
        });
    }
    rule
}

/// Exchange takes a month's last day where it has no such day, which RFC 5545 would leave out.
fn on_day(rule: &mut Rule, day: u32) {
    rule.by_month_day = match day {
        31 => vec![-1],
        30 => vec![28, 29, 30],
        29 => vec![28, 29],
        day => vec![day as i8],
    };
    if matches!(day, 29 | 30) {
        rule.by_set_position = vec![-1];
    }
}

/// Days since 1970.
fn days(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// What the answer holds of the occurrences of a series.
pub struct Occurrence {
    pub start: DateTime<Utc>,
    /// The start that it had by its rule, where that is said.
    pub original_start: Option<DateTime<Utc>>,
    /// Its title, time of day and length are those of the series.
    pub is_plain: bool,
}

/// A rule with where it starts, and the occurrences that stand for themselves.
pub struct Remainder {
    pub start: DateTime<Utc>,
    pub rule: Rule,
    pub exdates: Vec<DateTime<Utc>>,
}

/// Occurrences of a rule that are looked at to find where the answer's own end.
const MAX_SEARCH: usize = 100_000;

/// What is left of a rule beside the occurrences that the answer holds; `None` if nothing is, or they do not fall where
/// it says.
pub fn beside(start: DateTime<Utc>, rule: Rule, clock: &Clock, held: &[Occurrence]) -> Option<Remainder> {
    let search = |window| Occurrences::new(&rule, start.timestamp(), clock, window).ok();
    let is_given = |at: i64| search(Window { from: at, to: at })?.next()?.ok();
    let plain = || held.iter().filter(|one| one.is_plain).map(|one| one.start.timestamp());
    if !plain().all(|at| is_given(at).is_some()) {
        return None;
    }
    let mut rest = Remainder { start, rule: rule.clone(), exdates: vec![] };
    if let Some(last) = plain().max() {
        let next = search(Window { from: last + 1, to: i64::MAX })?.next()?.ok()?;
        if let Some(count) = rule.count {
            let taken = search(Window { from: i64::MIN, to: last })?.take(MAX_SEARCH).count();
            rest.rule.count = Some(count.checked_sub(u32::try_from(taken).ok()?).filter(|left| *left > 0)?);
        }
        rest.start = DateTime::from_timestamp(next, 0)?;
    }
    for one in held.iter().filter(|one| !one.is_plain) {
        let by_rule = one.original_start.or_else(|| nearest(&rest, one.start, clock));
        rest.exdates.extend(by_rule.filter(|at| *at >= rest.start));
    }
    rest.exdates.sort_unstable();
    rest.exdates.dedup();
    Some(rest)
}

/// The occurrence closest to a time that none may be at: where one was before it was moved.
fn nearest(rest: &Remainder, to: DateTime<Utc>, clock: &Clock) -> Option<DateTime<Utc>> {
    let at = to.timestamp();
    // As far as two occurrences of the rarest rule can be apart.
    let reach = match rest.rule.frequency {
        Frequency::Daily => 86_400,
        Frequency::Weekly => 7 * 86_400,
        Frequency::Monthly => 31 * 86_400,
        _ => 366 * 86_400,
    };
    let window = Window { from: at - reach, to: at + reach };
    let found = Occurrences::new(&rest.rule, rest.start.timestamp(), clock, window).ok()?;
    let closest = found.map_while(Result::ok).min_by_key(|found| found.abs_diff(at))?;
    DateTime::from_timestamp(closest, 0)
}
