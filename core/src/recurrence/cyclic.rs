//! Rules without calendar parts repeat the same offsets after a fixed number of seconds of local time: DAILY and
//! WEEKLY with weekdays and times, HOURLY with minutes, and so on. One addition gives the next occurrence, one
//! division any other.

use super::civil::{DAY, weekday_of};
use super::days::plain_weekdays;
use super::rule::Frequency;
use super::times::{Times, index_of};

/// Longer lists are left to the engines that make no list.
const MAX_OFFSETS: usize = 4096;

#[derive(Debug)]
pub(super) struct Cyclic {
    /// Ascending, from 0 up to but without `period`.
    offsets: Vec<i64>,
    period: i64,
    /// Local second at which the present cycle starts.
    cycle: i64,
    /// Into `offsets`: what comes next.
    index: usize,
}

impl Cyclic {
    /// `None` without offsets: such a rule never matches.
    pub fn new(offsets: Vec<i64>, period: i64, cycle: i64) -> Option<Self> {
        (!offsets.is_empty()).then_some(Self { offsets, period, cycle, index: 0 })
    }

    /// DAILY, every `interval` days from the day `first` on; `None` if the list of offsets would be too long.
    pub fn daily(first: i64, interval: i64, weekdays: u8, times: &Times) -> Option<Self> {
        // With an interval of n days, weekdays repeat after 7 of them (or after one, if n is a number of weeks).
        let steps = if weekdays == 0x7f { 1 } else { 7 };
        let days = (0..steps).map(|step| step * interval);
        let days: Vec<i64> = days.filter(|day| weekdays >> weekday_of(first + day) & 1 == 1).collect();
        Self::new(offsets(&days, times)?, steps * interval * DAY, first * DAY)
    }

    /// WEEKLY, every `interval` weeks from the week that starts on the day `first` on.
    pub fn weekly(first: i64, interval: i64, weekdays: u8, times: &Times, positions: &[i16]) -> Option<Self> {
        let days: Vec<i64> = (0..7).filter(|day| weekdays >> weekday_of(first + day) & 1 == 1).collect();
        let mut offsets = offsets(&days, times)?;
        if !positions.is_empty() {
            offsets = at_positions(&offsets, positions);
        }
        Self::new(offsets, 7 * interval * DAY, first * DAY)
    }

    /// HOURLY, MINUTELY or SECONDLY from the hour, minute or second that starts at `first` on.
    pub fn sub_daily(first: i64, frequency: Frequency, interval: i64, within: &[u32]) -> Option<Self> {
        let unit = super::sub_daily::unit_of(frequency);
        Self::new(within.iter().map(|&offset| i64::from(offset)).collect(), unit * interval, first)
    }

    /// The next occurrence. There always is one.
    #[inline]
    pub fn next(&mut self) -> i64 {
        let next = self.cycle + self.offsets[self.index];
        self.index += 1;
        if self.index == self.offsets.len() {
            self.index = 0;
            self.cycle += self.period;
        }
        next
    }

    /// Moves on to the first occurrence at or after `bound`; returns how many were passed over.
    pub fn seek(&mut self, bound: i64) -> u64 {
        let ahead = bound - self.cycle;
        if ahead <= self.offsets[self.index] {
            return 0;
        }
        let cycles = ahead.div_euclid(self.period);
        let rest = ahead.rem_euclid(self.period);
        let index = self.offsets.partition_point(|&offset| offset < rest);
        let passed = cycles * self.offsets.len() as i64 + index as i64 - self.index as i64;
        self.cycle += cycles * self.period;
        self.index = index;
        if index == self.offsets.len() {
            self.index = 0;
            self.cycle += self.period;
        }
        passed as u64
    }
}

fn offsets(days: &[i64], times: &Times) -> Option<Vec<i64>> {
    if days.len() * times.len() > MAX_OFFSETS {
        return None;
    }
    Some(days.iter().flat_map(|day| (0..times.len()).map(move |index| day * DAY + times.at(index))).collect())
}

fn at_positions(offsets: &[i64], positions: &[i16]) -> Vec<i64> {
    let chosen = positions.iter().filter_map(|&position| index_of(position, offsets.len() as u64));
    let mut chosen: Vec<i64> = chosen.map(|index| offsets[index as usize]).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// The weekdays of a rule as bits from Monday: BYDAY's, or DTSTART's own.
pub(super) fn weekdays_or(weekdays: &[super::rule::WeekdayNumber], own: u32) -> u8 {
    if weekdays.is_empty() { 1 << own } else { plain_weekdays(weekdays) }
}
