//! Rules that choose days by the calendar, without BYSETPOS: a bit mask of days a month, and months in a row.

use super::civil::{DAY, Month};
use super::days::DayFilter;
use super::times::Times;

/// Which months, and which days of them, lie in the periods that INTERVAL leaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// Every `interval`th year, counted from year `first`.
    Years { first: i64, interval: i64 },
    /// Every `interval`th month, counted from the month of index `first`.
    Months { first: i64, interval: i64 },
    /// Every `interval`th day, counted from the day `first`.
    Days { first: i64, interval: i64 },
    /// Every `interval`th week, counted from the week that starts on the day `first`.
    Weeks { first: i64, interval: i64 },
}

#[derive(Debug)]
pub(super) struct Months {
    days: DayFilter,
    times: Times,
    phase: Phase,
    month: Month,
    /// Days of `month` that are still to come.
    mask: u32,
    /// Local midnight of the present day.
    midnight: i64,
    /// Into `times`: what comes next on the present day.
    time: usize,
}

impl Months {
    /// Starts at the first month of the period that `from` (a local second) lies in or before.
    pub fn new(days: DayFilter, times: Times, phase: Phase, from: i64) -> Option<Self> {
        let month = Month::containing(from.div_euclid(DAY));
        let time = times.len();
        if time == 0 {
            return None;
        }
        let mut months = Self { days, times, phase, month, mask: 0, midnight: 0, time };
        months.load(month);
        months.drop_before(from);
        Some(months)
    }

    /// The next occurrence; `None` once no month up to `limit` has one.
    #[inline]
    pub fn next(&mut self, limit: i64) -> Option<i64> {
        loop {
            if self.time < self.times.len() {
                let next = self.midnight + self.times.at(self.time);
                self.time += 1;
                return Some(next);
            }
            if self.mask == 0 && !self.advance(limit) {
                return None;
            }
            self.midnight = (self.month.start + i64::from(self.mask.trailing_zeros())) * DAY;
            self.mask &= self.mask - 1;
            self.time = 0;
        }
    }

    /// Moves on to the first occurrence at or after `bound`, without counting.
    pub fn seek(&mut self, bound: i64) {
        let month = Month::containing(bound.div_euclid(DAY));
        if month.start > self.month.start {
            self.load(month);
        }
        self.drop_before(bound);
    }

    /// Moves on to the first occurrence at or after `bound`; returns how many were passed over.
    pub fn count_to(&mut self, bound: i64) -> u64 {
        let mut passed = 0;
        while self.month.end() * DAY <= bound {
            passed += self.left_in_month();
            (self.time, self.mask) = (self.times.len(), 0);
            if !self.advance(bound) {
                return passed;
            }
        }
        let left = self.left_in_month();
        self.drop_before(bound);
        passed + left - self.left_in_month()
    }

    fn left_in_month(&self) -> u64 {
        let times = self.times.len();
        (times - self.time) as u64 + u64::from(self.mask.count_ones()) * times as u64
    }

    /// Leaves out what lies before a local second of the present month.
    fn drop_before(&mut self, bound: i64) {
        let day = bound.div_euclid(DAY);
        if day < self.month.start {
            return;
        }
        if self.time < self.times.len() && self.midnight < day * DAY {
            self.time = self.times.len();
        }
        let bit = day - self.month.start;
        if bit >= 32 {
            self.mask = 0;
            return;
        }
        if self.mask >> bit & 1 == 1 {
            // The bound's own day becomes the present one: some of its times may be left.
            self.midnight = day * DAY;
            self.time = 0;
        }
        self.mask &= !(u32::MAX >> (31 - bit));
        if self.midnight == day * DAY && self.time < self.times.len() {
            self.time = self.time.max(self.times.before(bound - self.midnight));
        }
    }

    /// Goes to the next month that has a day; false if there is none up to `limit`.
    fn advance(&mut self, limit: i64) -> bool {
        loop {
            let month = match self.phase {
                Phase::Years { interval, .. } if self.month.number == 12 && interval > 1 => {
                    Month::new(self.month.year + interval, 1)
                }
                Phase::Months { interval, .. } if interval > 1 => Month::from_index(self.month.index() + interval),
                _ => self.month.next(),
            };
            if month.start * DAY > limit {
                return false;
            }
            self.month = month;
            self.mask = self.days.mask(&month);
            if self.mask != 0 {
                self.mask &= self.days_in_phase();
            }
            if self.mask != 0 {
                return true;
            }
        }
    }

    /// Goes to `month`, or to the first month of the next period if that month is in none.
    fn load(&mut self, month: Month) {
        self.time = self.times.len();
        self.month = match self.phase {
            Phase::Years { first, interval } => match (month.year - first).rem_euclid(interval) {
                0 => month,
                past => Month::new(month.year + interval - past, 1),
            },
            Phase::Months { first, interval } => match (month.index() - first).rem_euclid(interval) {
                0 => month,
                past => Month::from_index(month.index() + interval - past),
            },
            _ => month,
        };
        self.mask = self.days.mask(&self.month) & self.days_in_phase();
    }

    /// The days of the month that INTERVAL leaves to DAILY and WEEKLY.
    fn days_in_phase(&self) -> u32 {
        let length = i64::from(self.month.length);
        match self.phase {
            Phase::Days { first, interval } if interval > 1 => {
                let mut day = (first - self.month.start).rem_euclid(interval);
                let mut mask = 0;
                while day < length {
                    mask |= 1 << day;
                    day += interval;
                }
                mask
            }
            Phase::Weeks { first, interval } if interval > 1 => {
                let weeks = (self.month.start - first).div_euclid(7);
                let mut week = first + 7 * (weeks + (-weeks).rem_euclid(interval)) - self.month.start;
                // The week that the month starts in may have begun before it.
                let mut mask: u64 = 0;
                while week < length {
                    mask |= if week < 0 { 0x7f >> -week } else { 0x7f << week };
                    week += 7 * interval;
                }
                mask as u32
            }
            _ => u32::MAX,
        }
    }
}
