//! A rule as a pattern, where there is a pattern that gives the very same dates. Nothing is ever sent that is nearly it.

use chrono::{Datelike, NaiveDate, Weekday};

use super::{Pattern, Range, Recurrence};
use crate::recurrence::{Dates, Frequency, Rule, Window};

/// Why Graph cannot hold a rule; completes "its rule ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its rule {0}")]
pub struct Refusal(&'static str);

/// The days on which a rule recurs, without its interval and its end.
enum Days {
    Daily,
    /// Every week on these.
    Weekly(Vec<Weekday>),
    /// That day of the month, or its last one.
    OnDay(u32),
    /// The first, ... of these weekdays.
    OnNth(&'static str, Vec<Weekday>),
}

impl Recurrence {
    /// The pattern of a rule whose first occurrence is on `start`, by the clock of `time_zone` (as Graph names it);
    /// `last` is the last day on which one can be, where the rule has an UNTIL.
    ///
    /// # Errors
    /// What the rule has that no pattern says.
    pub fn of_rule(
        rule: &Rule,
        start: NaiveDate,
        last: Option<NaiveDate>,
        time_zone: Option<&str>,
    ) -> Result<Self, Refusal> {
        if rule.frequency > Frequency::Daily {
            return Err(Refusal("recurs more often than daily"));
        }
        if !(rule.by_hour.is_empty() && rule.by_minute.is_empty() && rule.by_second.is_empty()) {
            return Err(Refusal("has BYHOUR, BYMINUTE or BYSECOND"));
        }
        if !(rule.by_year_day.is_empty() && rule.by_week_number.is_empty()) {
            return Err(Refusal("has BYYEARDAY or BYWEEKNO"));
        }
        let pattern = pattern(rule, start)?;
        let (kind, end_date, number_of_occurrences) = match (rule.count, last) {
            (Some(count), _) => ("numbered", None, count),
            (None, Some(last)) if last < start => return Err(Refusal("ends before it starts")),
            (None, Some(last)) => ("endDate", Some(last), 0),
            (None, None) => ("noEnd", None, 0),
        };
        let range = Range {
            r#type: kind.to_owned(),
            start_date: Some(start),
            end_date,
            number_of_occurrences,
            recurrence_time_zone: time_zone.map(str::to_owned),
        };
        let recurrence = Self { pattern, range };
        if recurrence.first_from(start) == Some(start) {
            Ok(recurrence)
        } else {
            Err(Refusal("does not recur on the day on which the series starts"))
        }
    }

    /// The first day from `start` on that the pattern gives.
    fn first_from(&self, start: NaiveDate) -> Option<NaiveDate> {
        let day = start.signed_duration_since(NaiveDate::default()).num_days();
        let first = Dates::new(&self.rule()?, day, Window { from: day, to: day }).ok()?.next()?.ok()?;
        (first == day).then_some(start)
    }
}

fn pattern(rule: &Rule, start: NaiveDate) -> Result<Pattern, Refusal> {
    let yearly = month(rule, start)?;
    let days = if rule.frequency == Frequency::Daily && yearly.is_none() && no_days(rule) {
        Days::Daily
    } else if let Some(weekdays) = every_week(rule, start) {
        Days::Weekly(weekdays)
    } else if matches!(rule.frequency, Frequency::Monthly | Frequency::Yearly) {
        if rule.frequency == Frequency::Yearly && yearly.is_none() {
            return Err(Refusal("recurs yearly in no one month"));
        }
        days_of_month(rule, start, yearly)?
    } else {
        return Err(Refusal("is daily or weekly with further conditions"));
    };
    Ok(Pattern { interval: rule.interval, month: yearly.unwrap_or_default(), ..days.pattern(rule, yearly.is_some()) })
}

impl Days {
    fn pattern(self, rule: &Rule, yearly: bool) -> Pattern {
        let named = |kind: &str| Pattern { r#type: kind.to_owned(), ..Pattern::default() };
        let words = |days: Vec<Weekday>| days.into_iter().map(|day| weekday_word(day).to_owned()).collect();
        match self {
            Self::Daily => named("daily"),
            Self::Weekly(days) => Pattern {
                days_of_week: words(days),
                first_day_of_week: Some(weekday_word(rule.week_start).to_owned()),
                ..named("weekly")
            },
            Self::OnDay(day) => {
                Pattern { day_of_month: day, ..named(if yearly { "absoluteYearly" } else { "absoluteMonthly" }) }
            }
            Self::OnNth(index, days) => Pattern {
                days_of_week: words(days),
                index: Some(index.to_owned()),
                ..named(if yearly { "relativeYearly" } else { "relativeMonthly" })
            },
        }
    }
}

/// The one month of a rule that recurs yearly, said by itself, or by where it starts.
fn month(rule: &Rule, start: NaiveDate) -> Result<Option<u32>, Refusal> {
    let every_month = rule.frequency == Frequency::Monthly && rule.interval == 1;
    match rule.by_month.as_slice() {
        [] if rule.frequency == Frequency::Yearly && no_days(rule) => Ok(Some(start.month())),
        [] => Ok(None),
        [month] if rule.frequency == Frequency::Yearly || every_month => Ok(Some((*month).into())),
        [_] => Err(Refusal("has BYMONTH, and is not yearly")),
        _ => Err(Refusal("recurs in several months")),
    }
}

fn no_days(rule: &Rule) -> bool {
    rule.by_day.is_empty() && rule.by_month_day.is_empty() && rule.by_set_position.is_empty()
}

/// The weekdays of a rule that recurs on each of them, whatever its FREQ is called.
fn every_week(rule: &Rule, start: NaiveDate) -> Option<Vec<Weekday>> {
    let is_weekly = rule.frequency == Frequency::Weekly || (rule.interval == 1 && !rule.by_day.is_empty());
    let plain = rule.by_month.is_empty() && rule.by_month_day.is_empty() && rule.by_set_position.is_empty();
    if !is_weekly || !plain || rule.by_day.iter().any(|day| day.nth != 0) {
        return None;
    }
    Some(if rule.by_day.is_empty() { vec![start.weekday()] } else { weekdays(rule) })
}

/// What a monthly rule, or a yearly one in its month, picks of that.
fn days_of_month(rule: &Rule, start: NaiveDate, month: Option<u32>) -> Result<Days, Refusal> {
    if no_days(rule) {
        return on_day(start.day(), month);
    }
    match (rule.by_month_day.as_slice(), rule.by_day.as_slice(), rule.by_set_position.as_slice()) {
        ([-1], [], [] | [1 | -1]) => Ok(Days::OnDay(longest(month))),
        ([day], [], [] | [1 | -1]) if *day > 0 => on_day(day.unsigned_abs().into(), month),
        // The last one that there is of the 28th to that day: what Exchange means by that day.
        ([28, .., last], [], [-1]) if rule.by_month_day.len() == usize::from((last - 27).unsigned_abs()) => {
            Ok(Days::OnDay(last.unsigned_abs().into()))
        }
        (_, [], _) => Err(Refusal("recurs on several days of the month, or counts them from its end")),
        ([], [day], []) => Ok(Days::OnNth(index(day.nth.into())?, vec![day.weekday])),
        ([], days, [position]) if days.iter().all(|day| day.nth == 0) => {
            Ok(Days::OnNth(index(*position)?, weekdays(rule)))
        }
        ([], ..) => Err(Refusal("recurs on several numbered weekdays")),
        _ => Err(Refusal("has both BYMONTHDAY and BYDAY")),
    }
}

/// RFC 5545 leaves out a month that has no such day; Exchange takes its last day.
fn on_day(day: u32, month: Option<u32>) -> Result<Days, Refusal> {
    let shortest = match month {
        None | Some(2) => 28,
        Some(4 | 6 | 9 | 11) => 30,
        Some(_) => 31,
    };
    if day <= shortest {
        return Ok(Days::OnDay(day));
    }
    Err(Refusal("leaves out months that are too short for it, where Outlook would take their last day"))
}

const fn longest(month: Option<u32>) -> u32 {
    match month {
        Some(2) => 29,
        Some(4 | 6 | 9 | 11) => 30,
        _ => 31,
    }
}

fn index(nth: i16) -> Result<&'static str, Refusal> {
    match nth {
        1 => Ok("first"),
        2 => Ok("second"),
        3 => Ok("third"),
        4 => Ok("fourth"),
        -1 => Ok("last"),
        _ => Err(Refusal("counts weekdays otherwise than first to fourth and last")),
    }
}

fn weekdays(rule: &Rule) -> Vec<Weekday> {
    rule.by_day.iter().map(|day| day.weekday).collect()
}

const fn weekday_word(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "monday",
        Weekday::Tue => "tuesday",
        Weekday::Wed => "wednesday",
        Weekday::Thu => "thursday",
        Weekday::Fri => "friday",
        Weekday::Sat => "saturday",
        Weekday::Sun => "sunday",
    }
}
