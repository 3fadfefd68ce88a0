//! A recurrence rule (RFC 5545, 3.3.10) as a value, and back to text.

use std::fmt;

use chrono::Weekday;
use serde::{Deserialize, Serialize};

/// The FREQ part: what one period of the rule is. Ordered from the longest to the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Frequency {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
    Secondly,
}

impl Frequency {
    /// The word of the FREQ part.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yearly => "YEARLY",
            Self::Monthly => "MONTHLY",
            Self::Weekly => "WEEKLY",
            Self::Daily => "DAILY",
            Self::Hourly => "HOURLY",
            Self::Minutely => "MINUTELY",
            Self::Secondly => "SECONDLY",
        }
    }
}

/// The UNTIL part. Seconds and days count from 1970-01-01 of the calendar that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// A date, in days.
    Date(i64),
    /// A local time, in seconds.
    Local(i64),
    /// An instant (`...Z`), in seconds UTC.
    Utc(i64),
}

/// One value of BYDAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekdayNumber {
    /// Which one of the month or year, from its end if negative; 0 for every one.
    pub nth: i8,
    pub weekday: Weekday,
}

/// A valid recurrence rule. Lists are sorted and without duplicates; an empty list is an absent part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub frequency: Frequency,
    /// At least 1.
    pub interval: u32,
    /// At least 1.
    pub count: Option<u32>,
    pub until: Option<Until>,
    /// 0 to 60. 60, a leap second, is never met: neither PostgreSQL nor POSIX time has it.
    pub by_second: Vec<u8>,
    pub by_minute: Vec<u8>,
    pub by_hour: Vec<u8>,
    pub by_day: Vec<WeekdayNumber>,
    /// 1 to 31, -31 to -1.
    pub by_month_day: Vec<i8>,
    /// 1 to 366, -366 to -1.
    pub by_year_day: Vec<i16>,
    /// 1 to 53, -53 to -1.
    pub by_week_number: Vec<i8>,
    /// 1 to 12.
    pub by_month: Vec<u8>,
    /// 1 to 366, -366 to -1.
    pub by_set_position: Vec<i16>,
    /// The WKST part; Monday if absent.
    pub week_start: Weekday,
}

impl Rule {
    /// The rule of that frequency with no other part.
    pub const fn every(frequency: Frequency) -> Self {
        Self {
            frequency,
            interval: 1,
            count: None,
            until: None,
            by_second: Vec::new(),
            by_minute: Vec::new(),
            by_hour: Vec::new(),
            by_day: Vec::new(),
            by_month_day: Vec::new(),
            by_year_day: Vec::new(),
            by_week_number: Vec::new(),
            by_month: Vec::new(),
            by_set_position: Vec::new(),
            week_start: Weekday::Mon,
        }
    }
}

/// The two letters of a weekday in BYDAY and WKST.
pub(crate) const fn weekday_word(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "MO",
        Weekday::Tue => "TU",
        Weekday::Wed => "WE",
        Weekday::Thu => "TH",
        Weekday::Fri => "FR",
        Weekday::Sat => "SA",
        Weekday::Sun => "SU",
    }
}

impl fmt::Display for WeekdayNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nth != 0 {
            write!(f, "{}", self.nth)?;
        }
        f.write_str(weekday_word(self.weekday))
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::civil::{DAY, date_of};
        let (seconds, suffix) = match *self {
            Self::Date(day) => (day * DAY, None),
            Self::Local(seconds) => (seconds, Some("")),
            Self::Utc(seconds) => (seconds, Some("Z")),
        };
        let (year, month, day) = date_of(seconds.div_euclid(DAY));
        write!(f, "{year:04}{month:02}{day:02}")?;
        if let Some(suffix) = suffix {
            let time = seconds.rem_euclid(DAY);
            write!(f, "T{:02}{:02}{:02}{suffix}", time / 3600, time / 60 % 60, time % 60)?;
        }
        Ok(())
    }
}

/// Writes the rule as the value of an RRULE property, without the property's name. Parsing it gives the same rule.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, values: &[T]) -> fmt::Result {
            for (index, value) in values.iter().enumerate() {
                if index == 0 {
                    write!(f, ";{name}={value}")?;
                } else {
                    write!(f, ",{value}")?;
                }
            }
            Ok(())
        }

        write!(f, "FREQ={}", self.frequency.word())?;
        if let Some(until) = &self.until {
            write!(f, ";UNTIL={until}")?;
        }
        if let Some(count) = self.count {
            write!(f, ";COUNT={count}")?;
        }
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        list(f, "BYMONTH", &self.by_month)?;
        list(f, "BYWEEKNO", &self.by_week_number)?;
        list(f, "BYYEARDAY", &self.by_year_day)?;
        list(f, "BYMONTHDAY", &self.by_month_day)?;
        list(f, "BYDAY", &self.by_day)?;
        list(f, "BYHOUR", &self.by_hour)?;
        list(f, "BYMINUTE", &self.by_minute)?;
        list(f, "BYSECOND", &self.by_second)?;
        list(f, "BYSETPOS", &self.by_set_position)?;
        if self.week_start != Weekday::Mon {
            write!(f, ";WKST={}", weekday_word(self.week_start))?;
        }
        Ok(())
    }
}
