//! Days and months of the proleptic Gregorian calendar as plain integers, which is what makes seeking cheap.

/// Seconds in a day of local time (which has neither leap seconds nor clock changes).
pub(super) const DAY: i64 = 86_400;

/// Last local second that is expanded: 9999-12-31T23:59:59, the last date that iCalendar can write.
pub(super) const LAST_SECOND: i64 = 253_402_300_799;

/// First local second that a DTSTART may have: 4713-11-24 BC in the proleptic Gregorian calendar, where PostgreSQL's
/// timestamps begin.
pub(super) const FIRST_SECOND: i64 = -210_866_803_200;

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(super) const fn day_of(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month as i64 + 9) % 12) + 2) / 5 + day as i64 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a day since 1970-01-01.
pub(super) const fn date_of(day: i64) -> (i64, u32, u32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 }) as u32;
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32)
}

/// 0 for Monday to 6 for Sunday.
pub(super) const fn weekday_of(day: i64) -> u32 {
    (day + 3).rem_euclid(7) as u32
}

pub(super) const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(super) const fn days_in_year(year: i64) -> i64 {
    365 + is_leap(year) as i64
}

/// A month with all that its days are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Month {
    pub year: i64,
    /// 1 to 12.
    pub number: u32,
    /// Its first day, since 1970-01-01.
    pub start: i64,
    /// 28 to 31.
    pub length: u32,
    /// Weekday of its first day, 0 for Monday.
    pub weekday: u32,
}

impl Month {
    /// `number`: 1 to 12.
    pub fn new(year: i64, number: u32) -> Self {
        let start = day_of(year, number, 1);
        Self { year, number, start, length: days_in_month(year, number), weekday: weekday_of(start) }
    }

    /// The month that a day lies in.
    pub fn containing(day: i64) -> Self {
        let (year, month, _) = date_of(day);
        Self::new(year, month)
    }

    /// Months since January of the year 0.
    pub const fn index(&self) -> i64 {
        self.year * 12 + self.number as i64 - 1
    }

    /// By the number of months since January of the year 0.
    pub fn from_index(index: i64) -> Self {
        Self::new(index.div_euclid(12), index.rem_euclid(12) as u32 + 1)
    }

    /// The month after this one, without a division (the expander's most frequent step).
    pub fn next(&self) -> Self {
        let (year, number) = if self.number == 12 { (self.year + 1, 1) } else { (self.year, self.number + 1) };
        Self {
            year,
            number,
            start: self.start + i64::from(self.length),
            length: days_in_month(year, number),
            weekday: (self.weekday + self.length) % 7,
        }
    }

    /// First day after this month.
    pub const fn end(&self) -> i64 {
        self.start + self.length as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Datelike;

    #[test]
    fn agrees_with_chrono_over_ten_thousand_years() {
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let mut date = chrono::NaiveDate::from_ymd_opt(-401, 1, 1).unwrap();
        while date.year() < 10_000 {
            let day = (date - epoch).num_days();
            assert_eq!(day_of(i64::from(date.year()), date.month(), date.day()), day);
            assert_eq!(date_of(day), (i64::from(date.year()), date.month(), date.day()));
            assert_eq!(weekday_of(day), date.weekday().num_days_from_monday());
            date += chrono::TimeDelta::days(13);
        }
    }

    #[test]
    fn the_next_month_is_the_month_with_the_next_index() {
        let mut month = Month::new(1895, 1);
        for _ in 0..5000 {
            assert_eq!(month.next(), Month::from_index(month.index() + 1));
            month = month.next();
        }
        assert_eq!(Month::containing(month.end() - 1), month);
    }
}
