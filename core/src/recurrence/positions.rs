//! YEARLY, MONTHLY and WEEKLY rules with BYSETPOS. A period's set is never written out: its members are counted by the
//! days' masks and the number of times a day, and the chosen ones are computed by their index.

use super::civil::{DAY, Month};
use super::counting;
use super::days::DayFilter;
use super::phase::{Period, Phase};
use super::times::{Times, index_of};

/// Empty periods in a row after which it is worth while to count whether any is not.
const PATIENCE: u32 = 500;

#[derive(Debug)]
pub(super) struct Positions {
    days: DayFilter,
    times: Times,
    positions: Vec<i16>,
    phase: Phase,
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
    pub fn new(days: DayFilter, times: Times, positions: &[i16], phase: Phase, from: i64) -> Self {
        let mut engine = Self {
            days,
            times,
            positions: positions.to_vec(),
            phase,
            period: phase.first,
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
        let mut empty = 0;
        while self.index == self.chosen.len() {
            if empty == PATIENCE {
                let last = self.phase.number_of(limit.div_euclid(DAY)) + 1;
                if self.number_between(self.period, last) == 0 {
                    return None;
                }
            }
            empty += 1;
            let period = self.period + self.phase.step;
            if self.phase.start_of(period) * DAY > limit {
                return None;
            }
            self.period = period;
            self.choose();
        }
        self.index += 1;
        Some(self.chosen[self.index - 1])
    }

    /// Moves on to the first occurrence at or after `bound`, without counting.
    pub fn seek(&mut self, bound: i64) {
        let period = self.phase.first_from(self.phase.number_of(bound.div_euclid(DAY)));
        if period > self.period {
            self.period = period;
            self.choose();
        }
        self.drop_before(bound);
    }

    /// Moves on to the first occurrence at or after `bound`; returns how many were passed over.
    pub fn count_to(&mut self, bound: i64) -> u64 {
        let phase = self.phase;
        let from = self.period + phase.step;
        let to = phase.last_to(phase.number_of(bound.div_euclid(DAY)));
        let mut passed = 0;
        if from <= to {
            passed = (self.chosen.len() - self.index) as u64 + self.number_between(from, to);
            self.period = to;
            self.choose();
        }
        let index = self.index;
        self.drop_before(bound);
        passed + (self.index - index) as u64
    }

    /// Occurrences in the periods from one number up to but without another.
    fn number_between(&mut self, from: i64, to: i64) -> u64 {
        let Self { days, times, positions, phase, .. } = self;
        let chosen = |days: u32| number_chosen(positions, u64::from(days) * times.len() as u64);
        counting::sum(phase.period, from, to, phase.step, |year| {
            days.sizes(phase.period, year).into_iter().map(chosen).collect()
        })
    }

    fn drop_before(&mut self, bound: i64) {
        self.index = self.index.max(self.chosen.partition_point(|&chosen| chosen < bound));
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
        match self.phase.period {
            Period::Year => {
                let mut month = Month::new(self.period, 1);
                for _ in 0..12 {
                    self.stretches.push((month.start, self.days.mask(&month)));
                    month = month.next();
                }
            }
            Period::Month => {
                let month = Month::from_index(self.period);
                self.stretches.push((month.start, self.days.mask(&month)));
            }
            Period::Week | Period::Day => {
                let first = self.period;
                let mask = (0..7).fold(0, |mask, day| mask | u32::from(self.days.contains(first + day)) << day);
                self.stretches.push((first, mask));
            }
        }
    }
}

/// How many members of a set of that length the positions choose.
fn number_chosen(positions: &[i16], length: u64) -> u32 {
    let from_start = positions.iter().filter(|&&position| position > 0 && index_of(position, length).is_some());
    let from_end = positions.iter().filter(|&&position| position < 0);
    // One that is chosen from the start, too, counts once.
    let new = from_end.filter(|&&position| {
        index_of(position, length)
            .is_some_and(|index| i16::try_from(index + 1).map_or(true, |twin| !positions.contains(&twin)))
    });
    (from_start.count() + new.count()) as u32
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
