//! YEARLY, MONTHLY and WEEKLY rules with BYSETPOS. A period's set is never written out: its members are counted by the
//! days' masks and the number of times a day, and the chosen ones are computed by their index.

use super::civil::{DAY, Month, date_of};
use super::days::DayFilter;
use super::times::{Times, index_of};

#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Year,
    Month,
    /// Weeks that start on the same weekday as this day.
    Week {
        start: i64,
    },
}

#[derive(Debug)]
pub(super) struct Positions {
    days: DayFilter,
    times: Times,
    positions: Vec<i16>,
    unit: Unit,
    /// Number of the period (year, month index, or week since `Unit::Week::start`) that DTSTART is in.
    first: i64,
    interval: i64,
    /// Number of the period that is in `chosen`.
    period: i64,
    /// The period's occurrences, ascending.
    chosen: Vec<i64>,
    /// Into `chosen`: what comes next.
    index: usize,
    /// Days of a period: first day of up to 31, and which of them.
    stretches: Vec<(i64, u32)>,
}

impl Positions {
    pub fn new(days: DayFilter, times: Times, positions: &[i16], unit: Unit, interval: i64, from: i64) -> Self {
        let first = number_of(unit, from);
        let mut engine = Self {
            days,
            times,
            positions: positions.to_vec(),
            unit,
            first,
            interval,
            period: first,
            chosen: Vec::new(),
            index: 0,
            stretches: Vec::new(),
        };
        engine.choose();
        engine.drop_before(from);
        engine
    }

    /// The next occurrence; `None` once no period up to `limit` has one.
    pub fn next(&mut self, limit: i64) -> Option<i64> {
        while self.index == self.chosen.len() {
            if self.start_of(self.period + self.interval) > limit {
                return None;
            }
            self.period += self.interval;
            self.choose();
        }
        self.index += 1;
        Some(self.chosen[self.index - 1])
    }

    /// Moves on to the first occurrence at or after `bound`, without counting.
    pub fn seek(&mut self, bound: i64) {
        let number = number_of(self.unit, bound);
        let period = number + (self.first - number).rem_euclid(self.interval);
        if period > self.period {
            self.period = period;
            self.choose();
        }
        self.drop_before(bound);
    }

    /// Moves on to the first occurrence at or after `bound`; returns how many were passed over.
    pub fn count_to(&mut self, bound: i64) -> u64 {
        let mut passed = 0;
        while self.start_of(self.period + self.interval) <= bound {
            passed += (self.chosen.len() - self.index) as u64;
            self.period += self.interval;
            self.choose();
        }
        let index = self.index;
        self.drop_before(bound);
        passed + (self.index - index) as u64
    }

    fn drop_before(&mut self, bound: i64) {
        self.index = self.index.max(self.chosen.partition_point(|&chosen| chosen < bound));
    }

    /// Local second at which a period starts.
    fn start_of(&self, period: i64) -> i64 {
        DAY * match self.unit {
            Unit::Year => Month::new(period, 1).start,
            Unit::Month => Month::from_index(period).start,
            Unit::Week { start } => start + 7 * period,
        }
    }

    fn choose(&mut self) {
        self.gather();
        self.chosen.clear();
        self.index = 0;
        let times = self.times.len() as u64;
        let days: u64 = self.stretches.iter().map(|(_, mask)| u64::from(mask.count_ones())).sum();
        for &position in &self.positions {
            if let Some(index) = index_of(position, days * times) {
                let day = nth_day(&self.stretches, index / times);
                self.chosen.push(day * DAY + self.times.at((index % times) as usize));
            }
        }
        // Positions from both ends may meet in the middle.
        self.chosen.sort_unstable();
        self.chosen.dedup();
    }

    fn gather(&mut self) {
        self.stretches.clear();
        match self.unit {
            Unit::Year => {
                let mut month = Month::new(self.period, 1);
                for _ in 0..12 {
                    self.stretches.push((month.start, self.days.mask(&month)));
                    month = month.next();
                }
            }
            Unit::Month => {
                let month = Month::from_index(self.period);
                self.stretches.push((month.start, self.days.mask(&month)));
            }
            Unit::Week { start } => {
                let first = start + 7 * self.period;
                let mask = (0..7).fold(0, |mask, day| mask | u32::from(self.days.contains(first + day)) << day);
                self.stretches.push((first, mask));
            }
        }
    }
}

fn number_of(unit: Unit, second: i64) -> i64 {
    let day = second.div_euclid(DAY);
    match unit {
        Unit::Year => date_of(day).0,
        Unit::Month => Month::containing(day).index(),
        Unit::Week { start } => (day - start).div_euclid(7),
    }
}

/// The day at `index` among the days of all stretches; `index` must be less than their number.
fn nth_day(stretches: &[(i64, u32)], mut index: u64) -> i64 {
    for &(start, mut mask) in stretches {
        let days = u64::from(mask.count_ones());
        if index < days {
            for _ in 0..index {
                mask &= mask - 1;
            }
            return start + i64::from(mask.trailing_zeros());
        }
        index -= days;
    }
    0
}
