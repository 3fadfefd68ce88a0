//! HOURLY, MINUTELY and SECONDLY rules that are limited by calendar parts or times of day: the search jumps over whole
//! months, days, hours and minutes that cannot match.

use super::civil::DAY;
use super::clock::{Allowed, Clock};
use super::days::DayFilter;
use super::error::RecurrenceError;
use super::rule::{Frequency, Rule};
use super::tally::Tally;

/// Jumps (some 10 ns each) after which a search is given up: well under 100 ms.
const MAX_STEPS: u32 = 1_000_000;

/// Jumps after which it is worth while to count whether there is anything to be found.
const PATIENCE: u32 = 2000;

#[derive(Debug)]
pub(super) struct SubDaily {
    days: DayFilter,
    /// Bits of the hours that are allowed, where `clock` does not know them.
    hours: u64,
    clock: Clock,
    tally: Tally,
    /// Seconds in an hour, a minute or a second.
    unit: i64,
    /// Local number (since 1970) of the hour, minute or second that DTSTART is in.
    first: i64,
    interval: i64,
    /// Seconds within the unit at which occurrences are, ascending.
    within: Vec<u32>,
    /// Number of the present unit.
    present: i64,
    /// Into `within`: what comes next.
    index: usize,
}

/// Seconds in the period of a frequency shorter than DAILY.
pub(super) const fn unit_of(frequency: Frequency) -> i64 {
    match frequency {
        Frequency::Hourly => 3600,
        Frequency::Minutely => 60,
        _ => 1,
    }
}

impl SubDaily {
    /// `None` if no time of day can ever match.
    pub fn new(rule: &Rule, days: DayFilter, within: Vec<u32>, start: i64) -> Option<Self> {
        let unit = unit_of(rule.frequency);
        let first = start.div_euclid(unit);
        let interval = i64::from(rule.interval);
        let allowed = Allowed::new(rule);
        if within.is_empty() || !allowed.is_ever_met(unit, first, interval) {
            return None;
        }
        let mut engine = Self {
            days,
            hours: if unit == 1 { allowed.hours } else { u64::MAX },
            clock: Clock::new(allowed, unit, interval),
            tally: Tally::new(allowed, unit, first, interval),
            unit,
            first,
            interval,
            // The first unit is a candidate, not yet a match: it is looked at when the first occurrence is asked for.
            index: within.len(),
            within,
            present: first - 1,
        };
        engine.seek(start);
        Some(engine)
    }

    /// The next occurrence; `None` once there is none up to `limit`.
    pub fn next(&mut self, limit: i64) -> Result<Option<i64>, RecurrenceError> {
        if self.index == self.within.len() {
            match self.matching_from(self.present + 1, limit)? {
                Some(unit) => self.present = unit,
                None => return Ok(None),
            }
            self.index = 0;
        }
        self.index += 1;
        Ok(Some(self.present * self.unit + i64::from(self.within[self.index - 1])))
    }

    /// Moves on to the first occurrence at or after `bound`, without counting or searching.
    pub fn seek(&mut self, bound: i64) {
        let unit = bound.div_euclid(self.unit);
        if unit < self.present {
            return;
        }
        if unit > self.present {
            self.present = unit - 1;
            self.index = self.within.len();
            if !self.is_match(unit) {
                return;
            }
            self.present = unit;
            self.index = 0;
        }
        let rest = bound - unit * self.unit;
        self.index = self.index.max(self.within.partition_point(|&within| i64::from(within) < rest));
    }

    /// Moves on to the first occurrence at or after `bound`; returns how many were passed over.
    pub fn count_to(&mut self, bound: i64) -> u64 {
        let unit = bound.div_euclid(self.unit);
        let (present, index) = (self.present, self.index);
        self.seek(bound);
        if unit <= present {
            return (self.index - index) as u64;
        }
        let within = self.within.len() as u64;
        let units = self.tally.units(&mut self.days, present + 1, unit);
        let of_last = if self.present == unit { self.index } else { 0 };
        within - index as u64 + units * within + of_last as u64
    }

    /// The first matching unit from `unit` on that starts by `limit`.
    ///
    /// # Errors
    /// [`RecurrenceError::LimitExceeded`] if none was found in good time.
    fn matching_from(&mut self, mut unit: i64, limit: i64) -> Result<Option<i64>, RecurrenceError> {
        let last = limit.div_euclid(self.unit);
        for step in 0..MAX_STEPS {
            if step == PATIENCE && self.tally.units(&mut self.days, unit, last + 1) == 0 {
                return Ok(None);
            }
            unit += (self.first - unit).rem_euclid(self.interval);
            if unit > last {
                return Ok(None);
            }
            match self.first_chance(unit, limit) {
                Some(chance) if chance == unit => return Ok(Some(unit)),
                Some(chance) => unit = chance,
                None => return Ok(None),
            }
        }
        Err(RecurrenceError::LimitExceeded)
    }

    fn is_match(&mut self, unit: i64) -> bool {
        (unit - self.first) % self.interval == 0 && self.first_chance(unit, unit * self.unit) == Some(unit)
    }

    /// The first unit from `unit` on, one that INTERVAL meets, that may be a match; it is one if it is `unit` itself.
    /// `None` if there is none up to `limit`.
    fn first_chance(&mut self, unit: i64, limit: i64) -> Option<i64> {
        let second = unit * self.unit;
        let day = second.div_euclid(DAY);
        if !self.days.contains(day) {
            let next = self.days.next_from(day + 1, limit.div_euclid(DAY))?;
            return Some(next * DAY / self.unit);
        }
        let hour = (second - day * DAY) / 3600;
        if self.hours >> hour & 1 == 0 {
            let later = self.hours >> (hour + 1);
            let next = if later == 0 { 24 } else { hour + 1 + i64::from(later.trailing_zeros()) };
            return Some((day * DAY + next.min(24) * 3600) / self.unit);
        }
        self.clock.first_from(unit, self.interval)
    }
}
