//! The periods that FREQ and INTERVAL leave: every nth year, month, week or day from that of DTSTART on.

use super::civil::{Month, date_of, day_of};

/// What INTERVAL counts. Each period has a number: the year, the month since the year 0, or its first day since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    Year,
    Month,
    /// Seven days, from any day on.
    Week,
    Day,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    pub period: Period,
    /// Number of the period that DTSTART is in.
    pub first: i64,
    /// How far the numbers of two periods that follow each other are apart.
    pub step: i64,
}

impl Phase {
    /// `first`: the period that DTSTART is in; `interval`: of the rule.
    pub const fn new(period: Period, first: i64, interval: i64) -> Self {
        let step = if matches!(period, Period::Week) { 7 * interval } else { interval };
        Self { period, first, step }
    }

    /// Whether INTERVAL leaves out none.
    pub const fn has_all(&self) -> bool {
        self.step == if matches!(self.period, Period::Week) { 7 } else { 1 }
    }

    /// Number of the first period of the phase from that number on.
    pub const fn first_from(&self, number: i64) -> i64 {
        number + (self.first - number).rem_euclid(self.step)
    }

    /// Number of the last period of the phase up to and with that number.
    pub const fn last_to(&self, number: i64) -> i64 {
        self.first_from(number + 1 - self.step)
    }

    /// Number of the period, of the phase or not, that a day lies in.
    pub const fn number_of(&self, day: i64) -> i64 {
        match self.period {
            Period::Year => date_of(day).0,
            Period::Month => {
                let (year, month, _) = date_of(day);
                year * 12 + month as i64 - 1
            }
            Period::Week => day - (day - self.first).rem_euclid(7),
            Period::Day => day,
        }
    }

    /// First day of a period.
    pub fn start_of(&self, number: i64) -> i64 {
        match self.period {
            Period::Year => day_of(number, 1, 1),
            Period::Month => Month::from_index(number).start,
            Period::Week | Period::Day => number,
        }
    }
}
