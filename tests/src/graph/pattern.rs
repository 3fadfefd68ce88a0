//! Recurrence as Exchange has it, day by day: an expander that shares nothing with the extension's.

use std::cell::RefCell;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde_json::Value;

use super::refusal::Refusal;

/// Days that a series is looked at, at most.
const LONGEST: u64 = 366 * 60;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Daily,
    Weekly,
    AbsoluteMonthly,
    RelativeMonthly,
    AbsoluteYearly,
    RelativeYearly,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Never,
    After(NaiveDate),
    Times(u64),
}

/// A `patternedRecurrence`.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As it was given, for whoever asks.
    pub given: Value,
    kind: Kind,
    interval: i64,
    days: Vec<Weekday>,
    first_day: Weekday,
    day_of_month: u32,
    month: u32,
    /// 0 for the first to 3 for the fourth; `None` for the last.
    index: Option<usize>,
    pub start: NaiveDate,
    end: End,
    found: RefCell<Option<(NaiveDate, Vec<NaiveDate>)>>,
}

impl Pattern {
    /// # Errors
    /// What Exchange can't hold, or does not take.
    pub fn read(given: &Value) -> Result<Self, Refusal> {
        let (pattern, range) = (&given["pattern"], &given["range"]);
        let bad = |name: &str| Refusal::property(&format!("recurrence.{name}"));
        let kind = match pattern["type"].as_str() {
            Some("daily") => Kind::Daily,
            Some("weekly") => Kind::Weekly,
            Some("absoluteMonthly") => Kind::AbsoluteMonthly,
            Some("relativeMonthly") => Kind::RelativeMonthly,
            Some("absoluteYearly") => Kind::AbsoluteYearly,
            Some("relativeYearly") => Kind::RelativeYearly,
            _ => return Err(bad("pattern.type")),
        };
        let number = |value: &Value| value.as_i64().unwrap_or_default();
        let interval = number(&pattern["interval"]);
        if !(1..=999).contains(&interval) {
            return Err(bad("pattern.interval"));
        }
        let weekday = |name: &str| name.parse::<Weekday>().map_err(|_| bad("pattern.daysOfWeek"));
        let names = pattern["daysOfWeek"].as_array().map_or(&[][..], Vec::as_slice);
        let days =
            names.iter().map(|name| weekday(name.as_str().unwrap_or_default())).collect::<Result<Vec<_>, _>>()?;
        let relative = matches!(kind, Kind::Weekly | Kind::RelativeMonthly | Kind::RelativeYearly);
        if relative && days.is_empty() {
            return Err(bad("pattern.daysOfWeek"));
        }
        let first_day = pattern["firstDayOfWeek"].as_str().map_or(Ok(Weekday::Sun), weekday)?;
        let day_of_month = u32::try_from(number(&pattern["dayOfMonth"])).unwrap_or_default();
        if matches!(kind, Kind::AbsoluteMonthly | Kind::AbsoluteYearly) && !(1..=31).contains(&day_of_month) {
            return Err(bad("pattern.dayOfMonth"));
        }
        let month = u32::try_from(number(&pattern["month"])).unwrap_or_default();
        if matches!(kind, Kind::AbsoluteYearly | Kind::RelativeYearly) && !(1..=12).contains(&month) {
            return Err(bad("pattern.month"));
        }
        let index = match pattern["index"].as_str() {
            None | Some("first") => Some(0),
            Some("second") => Some(1),
            Some("third") => Some(2),
            Some("fourth") => Some(3),
            Some("last") => None,
            Some(_) => return Err(bad("pattern.index")),
        };
        let date = |value: &Value| value.as_str().and_then(|text| text.parse::<NaiveDate>().ok());
        let start = date(&range["startDate"]).ok_or_else(|| bad("range.startDate"))?;
        let end = match range["type"].as_str() {
            Some("noEnd") => End::Never,
            Some("endDate") => {
                let last = date(&range["endDate"]).filter(|last| *last >= start);
                End::After(last.ok_or_else(|| bad("range.endDate"))?)
            }
            Some("numbered") => match u64::try_from(number(&range["numberOfOccurrences"])) {
                Ok(times @ 1..=999) => End::Times(times),
                _ => return Err(bad("range.numberOfOccurrences")),
            },
            _ => return Err(bad("range.type")),
        };
        let found = RefCell::new(None);
        Ok(Self { given: shown(given), kind, interval, days, first_day, day_of_month, month, index, start, end, found })
    }

    /// The days on which it recurs, from its start up to and with `to`.
    pub fn days_until(&self, to: NaiveDate) -> Vec<NaiveDate> {
        if let Some((until, days)) = &*self.found.borrow()
            && *until >= to
        {
            return days.iter().copied().take_while(|day| *day <= to).collect();
        }
        let mut days = Vec::new();
        let mut day = self.start;
        for _ in 0..LONGEST {
            let is_over = match self.end {
                End::Never => false,
                End::After(last) => day > last,
                End::Times(times) => days.len() as u64 >= times,
            };
            if day > to || is_over {
                break;
            }
            if self.is_on(day) {
                days.push(day);
            }
            let Some(next) = day.checked_add_days(Days::new(1)) else { break };
            day = next;
        }
        *self.found.borrow_mut() = Some((to, days.clone()));
        days
    }

    pub fn is_day(&self, day: NaiveDate) -> bool {
        self.days_until(day).last() == Some(&day)
    }

    fn is_on(&self, day: NaiveDate) -> bool {
        let months =
            i64::from(day.year() - self.start.year()) * 12 + i64::from(day.month()) - i64::from(self.start.month());
        match self.kind {
            Kind::Daily => (day - self.start).num_days() % self.interval == 0,
            Kind::Weekly => {
                let weeks = (self.week(day) - self.week(self.start)).num_days() / 7;
                weeks % self.interval == 0 && self.days.contains(&day.weekday())
            }
            Kind::AbsoluteMonthly => months % self.interval == 0 && self.is_day_of_month(day),
            Kind::RelativeMonthly => months % self.interval == 0 && self.is_nth(day),
            Kind::AbsoluteYearly => self.is_in_year(day) && self.is_day_of_month(day),
            Kind::RelativeYearly => self.is_in_year(day) && self.is_nth(day),
        }
    }

    fn is_in_year(&self, day: NaiveDate) -> bool {
        day.month() == self.month && i64::from(day.year() - self.start.year()) % self.interval == 0
    }

    /// The last day of a month that is too short.
    fn is_day_of_month(&self, day: NaiveDate) -> bool {
        day.day() == self.day_of_month.min(days_in_month(day))
    }

    /// Of the days of its month that are one of the weekdays, the one that is counted.
    fn is_nth(&self, day: NaiveDate) -> bool {
        let all: Vec<u32> = (1..=days_in_month(day))
            .filter(|it| day.with_day(*it).is_some_and(|it| self.days.contains(&it.weekday())))
            .collect();
        let counted = self.index.map_or_else(|| all.last(), |index| all.get(index));
        counted == Some(&day.day())
    }

    fn week(&self, day: NaiveDate) -> NaiveDate {
        day.week(self.first_day).first_day()
    }
}

fn days_in_month(day: NaiveDate) -> u32 {
    u32::from(day.num_days_in_month())
}

/// With everything that Graph gives, said or not.
fn shown(given: &Value) -> Value {
    let or = |value: &Value, usual: Value| if value.is_null() { usual } else { value.clone() };
    let (pattern, range) = (&given["pattern"], &given["range"]);
    serde_json::json!({
        "pattern": {
            "type": pattern["type"],
            "interval": pattern["interval"],
            "month": or(&pattern["month"], 0.into()),
            "dayOfMonth": or(&pattern["dayOfMonth"], 0.into()),
            "daysOfWeek": or(&pattern["daysOfWeek"], Value::Array(vec![])),
            "firstDayOfWeek": or(&pattern["firstDayOfWeek"], "sunday".into()),
            "index": or(&pattern["index"], "first".into()),
        },
        "range": {
            "type": range["type"],
            "startDate": range["startDate"],
            "endDate": or(&range["endDate"], "0001-01-01".into()),
            "recurrenceTimeZone": or(&range["recurrenceTimeZone"], "UTC".into()),
            "numberOfOccurrences": or(&range["numberOfOccurrences"], 0.into()),
        },
    })
}
