//! How a series recurs: the connector says no more than a word, Graph all of it.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::fields::{Field, Fields};
use super::times::{last_day, written};
use crate::event::Timing;
use crate::providers::graph_recurrence::{Recurrence, on_day};
use crate::providers::outlook::Clock;
use crate::recurrence::{Frequency, Occurrences, Rule, Until, Window};

/// Whether an event says that it recurs, in a way that is understood or not.
pub fn recurs(fields: &Fields) -> bool {
    match fields.raw(Field::Recurrence) {
        Some(value) if value.starts_with('{') => true,
        _ => fields.word(Field::Recurrence).is_some_and(|word| !word.eq_ignore_ascii_case("none")),
    }
}

/// The rule of a series that starts so.
///
/// # Errors
/// A text that says what is not understood.
pub fn rule(fields: &Fields, timing: &Timing, clock: &Clock) -> Result<Rule, String> {
    let until = |last: NaiveDateTime| {
        if timing.all_day { Until::Date(days(last.date())) } else { Until::Utc(clock.instant(last).timestamp()) }
    };
    if let Some(value) = fields.raw(Field::Recurrence).filter(|value| value.starts_with('{')) {
        let recurrence = Recurrence::read(value);
        let rule = recurrence.as_ref().and_then(Recurrence::rule);
        let (recurrence, mut rule) = recurrence.zip(rule).ok_or("its recurrence has no pattern that is known")?;
        rule.count = recurrence.count();
        rule.until = recurrence.last_day().map(|day| until(last_second(day)));
        return Ok(rule);
    }
    let mut rule = of_word(fields, clock.local(timing.start).date())?;
    let count = [Field::NumberOfOccurences, Field::NumberOfOccurrences];
    let count = count.iter().find_map(|field| fields.word(*field)?.parse().ok());
    rule.count = count.filter(|count: &u32| *count > 0);
    if rule.count.is_none() {
        rule.until = written(fields, Field::RecurrenceEnd).map(|end| until(last_second(last_day(end, clock))));
    }
    Ok(rule)
}

/// What the connector's word means for a series that starts on that day.
fn of_word(fields: &Fields, start: NaiveDate) -> Result<Rule, String> {
    let word = fields.word(Field::Recurrence).unwrap_or_default().to_ascii_lowercase();
    let rule = match word.as_str() {
        "daily" => Some(Rule::every(Frequency::Daily)),
        "weekly" => Some(Rule::every(Frequency::Weekly)),
        "monthly" => on_day(Rule::every(Frequency::Monthly), start.day()),
        "yearly" => {
            let by_month = vec![start.month() as u8];
            on_day(Rule { by_month, ..Rule::every(Frequency::Yearly) }, start.day())
        }
        _ => None,
    };
    rule.ok_or_else(|| "its recurrence is none of none, daily, weekly, monthly and yearly".into())
}

fn last_second(day: NaiveDate) -> NaiveDateTime {
    day.and_time(NaiveTime::MIN) + TimeDelta::seconds(86_399)
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
    // As far as two occurrences can be apart.
    let period = match rest.rule.frequency {
        Frequency::Daily => 86_400,
        Frequency::Weekly => 7 * 86_400,
        Frequency::Monthly => 31 * 86_400,
        _ => 366 * 86_400,
    };
    let reach = period * i64::from(rest.rule.interval);
    let window = Window { from: at.saturating_sub(reach), to: at.saturating_add(reach) };
    let found = Occurrences::new(&rest.rule, rest.start.timestamp(), clock, window).ok()?;
    let closest = found.map_while(Result::ok).min_by_key(|found| found.abs_diff(at))?;
    DateTime::from_timestamp(closest, 0)
}
