//! Which days a rule's calendar parts allow, a month at a time, as a bit mask (bit 0 is the 1st).
//!
//! BYMONTHDAY and BYDAY depend only on a month's length and first weekday: 28 masks, made once per rule, answer for
//! every month there is. BYYEARDAY, BYWEEKNO and numbered weekdays of a year depend on the year's first weekday and on
//! which of it and its neighbours is a leap year: 28 kinds of years, made when first met.

use chrono::Weekday;

use super::civil::{Month, days_in_month, days_in_year, weekday_of};
use super::counting::{KINDS, kind_of};
use super::phase::Period;
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
    weekdays: Weekdays,
    /// By length - 28 and first weekday; made when first met.
    by_month: [[Option<u32>; 7]; 4],
    /// By kind of year (`kind_of`); `None` if only `by_month` decides.
    by_year: Option<Box<[Option<YearMasks>; KINDS]>>,
    /// The month that `contains` was last asked about.
    recent: (Month, u32),
}

impl DayFilter {
    pub fn new(parts: DayParts) -> Self {
        let year_decides = !parts.year_days.is_empty()
            || !parts.week_numbers.is_empty()
            || (parts.nth_of_year && parts.weekdays.iter().any(|day| day.nth != 0));
        let mut filter = Self {
            weekdays: Weekdays::new(if year_decides && parts.nth_of_year { &[] } else { &parts.weekdays }),
            parts,
            by_month: [[None; 7]; 4],
            by_year: year_decides.then(|| Box::new([None; KINDS])),
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
        let (parts, weekdays) = (&self.parts, &self.weekdays);
        let mask = *self.by_month[(month.length - 28) as usize][month.weekday as usize].get_or_insert_with(|| {
            month_days_mask(&parts.month_days, month.length) & weekdays_mask(weekdays, month.length, month.weekday)
        });
        match &mut self.by_year {
            Some(years) if mask != 0 => {
                let masks = years[kind_of(month.year)].get_or_insert_with(|| year_masks(&self.parts, month.year));
                mask & masks[(month.number - 1) as usize]
            }
            _ => mask,
        }
    }

    /// Whether a day, counted since 1970, is allowed.
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

    /// How many days are allowed in each period that starts in a year.
    pub fn sizes(&mut self, period: Period, year: i64) -> Vec<u32> {
        let mut month = Month::new(year, 1);
        let mut months = Vec::with_capacity(13);
        for _ in 0..13 {
            months.push((self.mask(&month), month.length));
            month = month.next();
        }
        let (next_january, _) = months[12];
        months.truncate(12);
        let in_month = months.iter().map(|(mask, _)| mask.count_ones());
        let each_day = |(mask, length): &(u32, u32)| {
            let mask = *mask;
            (0..*length).map(move |bit| mask >> bit & 1)
        };
        match period {
            Period::Year => vec![in_month.sum()],
            Period::Month => in_month.collect(),
            Period::Day => {
                let mut days = Vec::with_capacity(366);
                months.iter().for_each(|month| days.extend(each_day(month)));
                days
            }
            Period::Week => {
                let days: Vec<u32> = months.iter().chain([&(next_january, 6)]).flat_map(each_day).collect();
                days.windows(7).map(|week| week.iter().sum()).collect()
            }
        }
    }

    /// Whether no part leaves out a day.
    pub fn is_every_day(&self) -> bool {
        let DayParts { months, month_days, year_days, week_numbers, weekdays, .. } = &self.parts;
        let lists_are_empty = month_days.is_empty() && year_days.is_empty() && week_numbers.is_empty();
        *months == 0 && lists_are_empty && weekdays.is_empty()
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
fn weekdays_mask(weekdays: &Weekdays, length: u32, first: u32) -> u32 {
    (0..length).fold(0, |mask, bit| mask | u32::from(weekdays.allow(bit, length, first)) << bit)
}

/// What BYDAY says of each weekday, from Monday: bit n for the nth, from the start and from the end of a month or year;
/// all bits of `from_start` for every one.
#[derive(Debug)]
struct Weekdays([Numbers; 7]);

#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    from_start: u64,
    from_end: u64,
}

impl Numbers {
    fn add(&mut self, number: i8) {
        let bits = if number < 0 { &mut self.from_end } else { &mut self.from_start };
        *bits |= 1 << number.unsigned_abs();
    }

    const fn has(self, from_start: u32, from_end: u32) -> bool {
        (self.from_start >> from_start | self.from_end >> from_end) & 1 == 1
    }
}

impl Weekdays {
    fn new(days: &[WeekdayNumber]) -> Self {
        let mut weekdays = [Numbers::default(); 7];
        for day in days {
            let numbers = &mut weekdays[day.weekday.num_days_from_monday() as usize];
            if day.nth == 0 { numbers.from_start = u64::MAX } else { numbers.add(day.nth) }
        }
        if days.is_empty() {
            weekdays.fill(Numbers { from_start: u64::MAX, from_end: 0 });
        }
        Self(weekdays)
    }

    /// Whether they have the day at `index` of a month or year of `length` days that starts on weekday `first`.
    const fn allow(&self, index: u32, length: u32, first: u32) -> bool {
        self.0[((first + index) % 7) as usize].has(index / 7 + 1, (length - 1 - index) / 7 + 1)
    }
}

fn first_weekday(year: i64) -> u32 {
    weekday_of(super::civil::day_of(year, 1, 1))
}

fn year_masks(parts: &DayParts, year: i64) -> YearMasks {
    let length = days_in_year(year) as u32;
    let weeks = (!parts.week_numbers.is_empty()).then(|| Weeks::of(year, parts));
    let weekdays = Weekdays::new(if parts.nth_of_year { &parts.weekdays } else { &[] });
    let in_days = year_days(&parts.year_days, length);
    let first = first_weekday(year);
    let mut masks = [0; 12];
    let mut index = 0;
    let mut in_week = true;
    for (number, mask) in (1..).zip(&mut masks) {
        for bit in 0..days_in_month(year, number) {
            if let Some(weeks) = &weeks
                && (index == 0 || (first + index) % 7 == parts.week_start)
            {
                in_week = weeks.allow(index as i32);
            }
            let allowed = in_week && in_days[index as usize] && weekdays.allow(index, length, first);
            *mask |= u32::from(allowed) << bit;
            index += 1;
        }
    }
    masks
}

/// The days of a year that BYYEARDAY has; all if it is absent.
fn year_days(numbers: &[i16], length: u32) -> [bool; 366] {
    let mut days = [numbers.is_empty(); 366];
    for &number in numbers {
        let index = if number > 0 { i32::from(number) - 1 } else { length as i32 + i32::from(number) };
        if let Some(day) = usize::try_from(index).ok().and_then(|index| days.get_mut(index)) {
            *day = true;
        }
    }
    days
}

/// The numbered weeks that a calendar year has days of: week 1 is the first with four days or more in its year.
struct Weeks {
    /// Index in the year (0 is January 1st; may be negative) of the first day of week 1.
    start: i32,
    /// How many weeks the year before, this year, and the year after have.
    lengths: [i32; 3],
    numbers: Numbers,
}

impl Weeks {
    fn of(year: i64, parts: &DayParts) -> Self {
        let week_start = parts.week_start;
        let mut numbers = Numbers::default();
        parts.week_numbers.iter().for_each(|&number| numbers.add(number));
        let lengths = [year - 1, year, year + 1].map(|year| {
            let days = days_in_year(year) as i32;
            (days + first_week(year + 1, week_start) - first_week(year, week_start)) / 7
        });
        Self { start: first_week(year, week_start), lengths, numbers }
    }

    /// Whether the day at `index` of the year lies in one of the weeks; it may be a week of a neighbouring year.
    fn allow(&self, index: i32) -> bool {
        let week = (index - self.start).div_euclid(7) + 1;
        let [before, this, after] = self.lengths;
        let (week, length) = if week < 1 {
            (before, before)
        } else if week > this {
            (1, after)
        } else {
            (week, this)
        };
        self.numbers.has(week as u32, (length + 1 - week) as u32)
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
