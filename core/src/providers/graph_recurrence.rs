//! Microsoft Graph's patterned recurrence as a rule, and a rule as that.
//!
//! Exchange takes the last day of a month that has no such day, which RFC 5545 would leave out; its weeks begin on Sunday
//! unless it says otherwise; of several days that an index counts the first that comes is meant.

mod write;

use chrono::{NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use crate::recurrence::{Frequency, Rule, WeekdayNumber};

/// Graph's `recurrence`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Recurrence {
    pattern: Pattern,
    #[serde(default)]
    range: Range,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Pattern {
    r#type: String,
    interval: u32,
    #[serde(skip_serializing_if = "is_zero")]
    month: u32,
    #[serde(skip_serializing_if = "is_zero")]
    day_of_month: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days_of_week: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_day_of_week: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Range {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<NaiveDate>,
    #[serde(skip_serializing_if = "is_zero")]
    number_of_occurrences: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    recurrence_time_zone: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Recurrence {
    /// From JSON; `None` for what is none.
    pub fn read(value: &str) -> Option<Self> {
        serde_json::from_str(value).ok()
    }

    /// As [`Recurrence::read`].
    pub fn of_value(value: &serde_json::Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }

    /// The rule, without its end; `None` where the pattern says too little.
    pub fn rule(&self) -> Option<Rule> {
        let pattern = &self.pattern;
        let days = || pattern.days_of_week.iter().map(|day| weekday(day)).collect::<Option<Vec<_>>>();
        let mut rule = match pattern.r#type.as_str() {
            "daily" => Rule::every(Frequency::Daily),
            "weekly" => {
                let week_start = pattern.first_day_of_week.as_deref().map_or(Some(Weekday::Sun), weekday)?;
                let by_day = sorted(days()?.into_iter().map(|weekday| WeekdayNumber { nth: 0, weekday }).collect());
                Rule { by_day, week_start, ..Rule::every(Frequency::Weekly) }
            }
            "absoluteMonthly" => on_day(Rule::every(Frequency::Monthly), pattern.day_of_month)?,
            "relativeMonthly" => on_nth(Rule::every(Frequency::Monthly), pattern.index.as_deref(), &days()?)?,
            "absoluteYearly" => on_day(pattern.yearly()?, pattern.day_of_month)?,
            "relativeYearly" => on_nth(pattern.yearly()?, pattern.index.as_deref(), &days()?)?,
            _ => return None,
        };
        rule.interval = pattern.interval.max(1);
        Some(rule)
    }

    /// The zone by whose clock it recurs, as far as it says so.
    pub fn time_zone(&self) -> Option<&str> {
        self.range.recurrence_time_zone.as_deref().filter(|name| !name.is_empty())
    }

    /// How often it takes place, if that ends it.
    pub fn count(&self) -> Option<u32> {
        Some(self.range.number_of_occurrences).filter(|count| self.range.r#type == "numbered" && *count > 0)
    }

    /// The last day, inclusive, if that ends it.
    pub fn last_day(&self) -> Option<NaiveDate> {
        self.range.end_date.filter(|_| self.range.r#type == "endDate")
    }
}

impl Pattern {
    fn yearly(&self) -> Option<Rule> {
        let by_month = u8::try_from(self.month).ok().filter(|month| (1..=12).contains(month))?;
        Some(Rule { by_month: vec![by_month], ..Rule::every(Frequency::Yearly) })
    }
}

/// A day of the month, or the last one where there is no such day.
pub fn on_day(mut rule: Rule, day: u32) -> Option<Rule> {
    let longest = match rule.by_month.as_slice() {
        [2] => 29,
        [4 | 6 | 9 | 11] => 30,
        _ => 31,
    };
    rule.by_month_day = match day {
        1..=28 => vec![day as i8],
        _ if (longest..=31).contains(&day) => vec![-1],
        29..=30 if rule.by_month.is_empty() => (28..=day as i8).collect(),
        29..=30 => vec![day as i8],
        _ => return None,
    };
    if rule.by_month_day.len() > 1 {
        rule.by_set_position = vec![-1];
    }
    Some(rule)
}

/// The first, second, ... or last of some weekdays.
fn on_nth(mut rule: Rule, index: Option<&str>, days: &[Weekday]) -> Option<Rule> {
    let nth: i8 = match index.unwrap_or("first") {
        "first" => 1,
        "second" => 2,
        "third" => 3,
        "fourth" => 4,
        "last" => -1,
        _ => return None,
    };
    let one = days.len() == 1;
    if days.is_empty() {
        return None;
    }
    let day = |weekday: &Weekday| WeekdayNumber { nth: if one { nth } else { 0 }, weekday: *weekday };
    rule.by_day = sorted(days.iter().map(day).collect());
    if !one {
        rule.by_set_position = vec![nth.into()];
    }
    Some(rule)
}

fn weekday(name: &str) -> Option<Weekday> {
    // chrono takes names in any case.
    name.parse().ok()
}

fn sorted(mut days: Vec<WeekdayNumber>) -> Vec<WeekdayNumber> {
    days.sort_by_key(|day| (day.nth, day.weekday.num_days_from_monday()));
    days.dedup();
    days
}
