//! Rules that choose days by the calendar, without BYSETPOS: a bit mask of days a month, and months in a row.

use super::civil::{DAY, Month};
use super::counting;
use super::days::DayFilter;
use super::phase::{Period, Phase};
use super::times::Times;

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
        let phase = self.phase;
        let from = phase.first_from(phase.number_of(self.month.end() - 1) + 1);
        let to = phase.last_to(phase.number_of(bound.div_euclid(DAY)));
        if from >= to {
            return self.walk_to(bound);
        }
        let before = self.walk_to(phase.start_of(from) * DAY);
        let days = counting::sum(phase.period, from, to, phase.step, |year| self.days.sizes(phase.period, year));
        self.seek(phase.start_of(to) * DAY);
        before + days * self.times.len() as u64 + self.walk_to(bound)
    }

    /// The same month by month.
    fn walk_to(&mut self, bound: i64) -> u64 {
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
            let month = self.next_month();
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

    /// The next month that may have days of a period.
    fn next_month(&self) -> Month {
        let next = self.month.next();
        match self.phase {
            phase if phase.has_all() => next,
            Phase { period: Period::Year, step, .. } if next.number == 1 => Month::new(self.month.year + step, 1),
            Phase { period: Period::Year, .. } => next,
            Phase { period: Period::Month, step, .. } => Month::from_index(self.month.index() + step),
            // A week may have begun in the month before.
            phase => {
                let start = phase.first_from(if phase.period == Period::Week { next.start - 6 } else { next.start });
                if start < next.end() { next } else { Month::containing(start) }
            }
        }
    }

    /// Goes to `month`, or to the first month of the next period if that month is in none.
    fn load(&mut self, month: Month) {
        self.time = self.times.len();
        let phase = self.phase;
        self.month = match phase.period {
            Period::Year | Period::Month => {
                let number = phase.number_of(month.start);
                let next = phase.first_from(number);
                if next == number { month } else { Month::containing(phase.start_of(next)) }
            }
            Period::Week | Period::Day => month,
        };
        self.mask = self.days.mask(&self.month) & self.days_in_phase();
    }

    /// The days of the month that INTERVAL leaves to DAILY and WEEKLY.
    fn days_in_phase(&self) -> u32 {
        let (phase, start, length) = (self.phase, self.month.start, i64::from(self.month.length));
        match phase.period {
            Period::Day if !phase.has_all() => {
                let mut day = phase.first_from(start) - start;
                let mut mask = 0;
                while day < length {
                    mask |= 1 << day;
                    day += phase.step;
                }
                mask
            }
            Period::Week if !phase.has_all() => {
                // The week that the month starts in may have begun before it.
                let mut week = phase.first_from(start - 6) - start;
                let mut mask: u64 = 0;
                while week < length {
                    mask |= if week < 0 { 0x7f >> -week } else { 0x7f << week };
                    week += phase.step;
                }
                mask as u32
            }
            _ => u32::MAX,
        }
    }
}
