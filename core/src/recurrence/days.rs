//! Which days a rule's calendar parts allow, a month at a time, as a bit mask (bit 0 is the 1st).
//!
//! BYMONTHDAY and BYDAY depend only on a month's length and first weekday: 28 masks, made once per rule, answer for
//! every month there is. BYYEARDAY, BYWEEKNO and numbered weekdays of a year depend on the year's first weekday and on
//! which of it and its neighbours is a leap year: 28 kinds of years, made when first met.

use chrono::Weekday;

use super::civil::{Month, days_in_month, is_leap, weekday_of};
use super::rule::WeekdayNumber;

/// The parts of a rule that choose days, with what DTSTART adds to them already filled in.
#[derive(Debug, Default)]
pub(super) struct DayParts {
    /// Bits 1 to 12; 0 for all.
    pub months: u16,
    pub month_days: Vec<i8>,
    pub year_days: Vec<i16>,
    pub week_numbers: Vec<i8>,
    pub weekdays: Vec<WeekdayNumber>,
    /// Numbered weekdays count within the year, not within the month.
    pub nth_of_year: bool,
    /// First day of the week, 0 for Monday.
    pub week_start: u32,
}

type YearMasks = [u32; 12];

#[derive(Debug)]
pub(super) struct DayFilter {
    parts: DayParts,
    /// By length - 28 and first weekday.
    by_month: [[u32; 7]; 4],
    /// By kind of year (`kind_of`); `None` if only `by_month` decides.
    by_year: Option<Box<[Option<YearMasks>; 28]>>,
    /// The month that `contains` was last asked about.
    recent: (Month, u32),
}

impl DayFilter {
    pub fn new(parts: DayParts) -> Self {
        let year_decides = !parts.year_days.is_empty()
            || !parts.week_numbers.is_empty()
            || (parts.nth_of_year && parts.weekdays.iter().any(|day| day.nth != 0));
        let mut by_month = [[0; 7]; 4];
        for (length, masks) in (28..).zip(&mut by_month) {
            for (weekday, mask) in (0..).zip(masks) {
                *mask = month_days_mask(&parts.month_days, length);
                if !(year_decides && parts.nth_of_year) {
                    *mask &= weekdays_mask(&parts.weekdays, length, weekday);
                }
            }
        }
        let mut filter = Self {
            parts,
            by_month,
            by_year: year_decides.then(|| Box::new([None; 28])),
            recent: (Month::containing(0), 0),
        };
        filter.recent.1 = filter.mask(&filter.recent.0.clone());
        filter
    }

    /// The days of a month that the rule's parts allow.
    pub fn mask(&mut self, month: &Month) -> u32 {
        if self.parts.months != 0 && self.parts.months >> month.number & 1 == 0 {
            return 0;
        }
        let mask = self.by_month[(month.length - 28) as usize][month.weekday as usize];
        match &mut self.by_year {
            Some(years) if mask != 0 => {
                let masks = years[kind_of(month)].get_or_insert_with(|| year_masks(&self.parts, month.year));
                mask & masks[(month.number - 1) as usize]
            }
            _ => mask,
        }
    }

    pub fn contains(&mut self, day: i64) -> bool {
        let bit = day - self.look_at(day);
        self.recent.1 >> bit & 1 == 1
    }

    /// The first day from `day` on that is allowed; `None` if there is none up to `last`. Looks at each month once.
    pub fn next_from(&mut self, day: i64, last: i64) -> Option<i64> {
        let bit = day - self.look_at(day);
        let rest = self.recent.1 >> bit;
        if rest != 0 {
            return Some(day + i64::from(rest.trailing_zeros()));
        }
        let mut month = self.recent.0;
        loop {
            month = month.next();
            if month.start > last {
                return None;
            }
            let mask = self.mask(&month);
            if mask != 0 {
                self.recent = (month, mask);
                return Some(month.start + i64::from(mask.trailing_zeros()));
            }
        }
    }

    /// How many allowed days there are from `from` up to but without `to`.
    pub fn count(&mut self, from: i64, to: i64) -> u64 {
        let mut month = Month::containing(from);
        let mut total = 0;
        while month.start < to {
            let mut mask = self.mask(&month);
            if month.start < from {
                mask &= u32::MAX << (from - month.start);
            }
            if month.end() > to {
                mask &= (1 << (to - month.start)) - 1;
            }
            total += u64::from(mask.count_ones());
            month = month.next();
        }
        total
    }

    /// Makes `recent` the month of `day` and returns its first day.
    fn look_at(&mut self, day: i64) -> i64 {
        if day < self.recent.0.start || day >= self.recent.0.end() {
            let month = if day == self.recent.0.end() { self.recent.0.next() } else { Month::containing(day) };
            self.recent = (month, self.mask(&month));
        }
        self.recent.0.start
    }
}

fn month_days_mask(days: &[i8], length: u32) -> u32 {
    let all = u32::MAX >> (32 - length);
    if days.is_empty() {
        return all;
    }
    let length = length as i32;
    days.iter().fold(0, |mask, &day| {
        let bit = if day > 0 { i32::from(day) - 1 } else { length + i32::from(day) };
        if (0..length).contains(&bit) { mask | 1 << bit } else { mask }
    })
}

/// Weekdays in a stretch of `length` days (a month) that starts on weekday `first`.
fn weekdays_mask(weekdays: &[WeekdayNumber], length: u32, first: u32) -> u32 {
    if weekdays.is_empty() {
        return u32::MAX >> (32 - length);
    }
    let mut mask = 0;
    for bit in 0..length {
        if weekdays.iter().any(|day| is_weekday(*day, bit, length, first)) {
            mask |= 1 << bit;
        }
    }
    mask
}

/// Whether the day at `index` of a month or year of `length` days that starts on weekday `first` is that (nth) weekday.
fn is_weekday(day: WeekdayNumber, index: u32, length: u32, first: u32) -> bool {
    if (first + index) % 7 != day.weekday.num_days_from_monday() {
        return false;
    }
    match day.nth {
        0 => true,
        nth if nth > 0 => index / 7 + 1 == u32::from(nth.unsigned_abs()),
        nth => (length - 1 - index) / 7 + 1 == u32::from(nth.unsigned_abs()),
    }
}

/// The years that look alike to BYYEARDAY, BYWEEKNO and numbered weekdays: 0 to 27.
fn kind_of(month: &Month) -> usize {
    let year = month.year;
    let leap = if is_leap(year) {
        1
    } else if is_leap(year - 1) {
        2
    } else if is_leap(year + 1) {
        3
    } else {
        0
    };
    leap * 7 + first_weekday(year) as usize
}

fn first_weekday(year: i64) -> u32 {
    weekday_of(super::civil::day_of(year, 1, 1))
}

fn year_masks(parts: &DayParts, year: i64) -> YearMasks {
    let length = 365 + u32::from(is_leap(year));
    let weeks = (!parts.week_numbers.is_empty()).then(|| Weeks::of(year, parts.week_start));
    let first = first_weekday(year);
    let mut masks = [0; 12];
    let mut index = 0;
    for (number, mask) in (1..).zip(&mut masks) {
        for bit in 0..days_in_month(year, number) {
            let forward = index as i16 + 1;
            let allowed = (parts.year_days.is_empty()
                || parts.year_days.binary_search(&forward).is_ok()
                || parts.year_days.binary_search(&(forward - length as i16 - 1)).is_ok())
                && weeks.as_ref().is_none_or(|weeks| weeks.allows(&parts.week_numbers, index as i32))
                && (!parts.nth_of_year
                    || parts.weekdays.is_empty()
                    || parts.weekdays.iter().any(|day| is_weekday(*day, index, length, first)));
            *mask |= u32::from(allowed) << bit;
            index += 1;
        }
    }
    masks
}

/// The numbered weeks that a calendar year has days of: week 1 is the first with four days or more in its year.
struct Weeks {
    /// Index in the year (0 is January 1st; may be negative) of the first day of week 1.
    start: i32,
    /// How many weeks the year before, this year, and the year after have.
    lengths: [i32; 3],
}

impl Weeks {
    fn of(year: i64, week_start: u32) -> Self {
        let lengths = [year - 1, year, year + 1].map(|year| {
            let days = 365 + i32::from(is_leap(year));
            (days + first_week(year + 1, week_start) - first_week(year, week_start)) / 7
        });
        Self { start: first_week(year, week_start), lengths }
    }

    /// Whether the day at `index` of the year lies in one of the weeks; it may be a week of a neighbouring year.
    fn allows(&self, numbers: &[i8], index: i32) -> bool {
        let week = (index - self.start).div_euclid(7) + 1;
        let [before, this, after] = self.lengths;
        let (week, length) = if week < 1 {
            (before, before)
        } else if week > this {
            (1, after)
        } else {
            (week, this)
        };
        numbers.iter().any(|&number| {
            let number = i32::from(number);
            week == if number > 0 { number } else { length + 1 + number }
        })
    }
}

/// Index in the year of the first day of its week 1: -3 to 3.
fn first_week(year: i64, week_start: u32) -> i32 {
    let days_into_week = (first_weekday(year) + 7 - week_start) % 7;
    if days_into_week <= 3 { -(days_into_week as i32) } else { 7 - days_into_week as i32 }
}

/// The bits, from Monday, of weekdays given without a number; all if there are none.
pub(super) fn plain_weekdays(weekdays: &[WeekdayNumber]) -> u8 {
    let bit = |weekday: Weekday| 1 << weekday.num_days_from_monday();
    if weekdays.is_empty() { 0x7f } else { weekdays.iter().fold(0, |bits, day| bits | bit(day.weekday)) }
}
