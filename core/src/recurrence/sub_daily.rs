//! HOURLY, MINUTELY and SECONDLY rules that are limited by calendar parts or times of day: the search jumps over whole
//! months, days, hours and minutes that cannot match.

use super::civil::DAY;
use super::days::DayFilter;
use super::error::RecurrenceError;
use super::rule::{Frequency, Rule};

/// Jumps without finding anything (some 10 ns each) after which a search is given up: well under 100 ms.
const MAX_JUMPS: u32 = 2_000_000;

/// Occurrences that are counted one by one for COUNT in front of a window before that is given up.
const MAX_COUNTED: u64 = 2_000_000;

#[derive(Debug)]
pub(super) struct SubDaily {
    days: DayFilter,
    /// Bits of the hours, minutes and seconds that are allowed.
    hours: u64,
    minutes: u64,
    seconds: u64,
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
        let mut engine = Self {
            days,
            hours: bits(&rule.by_hour),
            minutes: if unit <= 60 { bits(&rule.by_minute) } else { u64::MAX },
            seconds: if unit == 1 { bits(&rule.by_second) } else { u64::MAX },
            unit,
            first,
            interval: i64::from(rule.interval),
            within,
            present: first,
            index: 0,
        };
        if engine.within.is_empty() || !engine.can_match() {
            return None;
        }
        // The first unit is a candidate, not yet a match: it is looked at when the first occurrence is asked for.
        engine.index = engine.within.len();
        engine.present -= 1;
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
    ///
    /// # Errors
    /// [`RecurrenceError::LimitExceeded`] if too many would have to be counted one by one.
    pub fn count_to(&mut self, bound: i64) -> Result<u64, RecurrenceError> {
        let mut passed = 0;
        if DAY % (self.unit * self.interval) == 0 {
            // Every day has the same times: what is left of the first day, then whole days.
            let midnight = ((self.present + 1) * self.unit).div_euclid(DAY) + 1;
            let until = bound.div_euclid(DAY);
            if midnight < until {
                passed += self.count_each(midnight * DAY)?;
                let days = self.days.count(midnight, until);
                if let Some(day) = self.days.next_from(midnight, until)
                    && day < until
                {
                    self.seek(day * DAY);
                    passed += days * self.count_each((day + 1) * DAY)?;
                }
                self.seek(until * DAY);
            }
        }
        Ok(passed + self.count_each(bound)?)
    }

    fn count_each(&mut self, bound: i64) -> Result<u64, RecurrenceError> {
        let mut passed = 0;
        loop {
            if self.index == self.within.len() {
                match self.matching_from(self.present + 1, bound)? {
                    Some(unit) if unit * self.unit < bound => (self.present, self.index) = (unit, 0),
                    _ => {
                        self.seek(bound);
                        return Ok(passed);
                    }
                }
            }
            let before = self.within.partition_point(|&w| self.present * self.unit + i64::from(w) < bound);
            if before <= self.index {
                return Ok(passed);
            }
            passed += (before - self.index) as u64;
            self.index = before;
            if passed > MAX_COUNTED {
                return Err(RecurrenceError::LimitExceeded);
            }
        }
    }

    /// The first matching unit from `unit` on that starts by `limit`.
    fn matching_from(&mut self, mut unit: i64, limit: i64) -> Result<Option<i64>, RecurrenceError> {
        let last = limit.div_euclid(self.unit);
        for _ in 0..MAX_JUMPS {
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

    /// The first unit from `unit` on that no part excludes, INTERVAL apart; `None` if that is past `limit`.
    fn first_chance(&mut self, unit: i64, limit: i64) -> Option<i64> {
        let second = unit * self.unit;
        let day = second.div_euclid(DAY);
        if !self.days.contains(day) {
            let next = self.days.next_from(day + 1, limit.div_euclid(DAY))?;
            return Some(next * DAY / self.unit);
        }
        let time = second - day * DAY;
        let (hour, minute) = (time / 3600, time / 60 % 60);
        if self.hours >> hour & 1 == 0 {
            let next = next_bit(self.hours, hour).unwrap_or(24);
            return Some((day * DAY + next * 3600) / self.unit);
        }
        if self.minutes >> minute & 1 == 0 {
            let next = next_bit(self.minutes, minute).unwrap_or(60);
            return Some((day * DAY + hour * 3600 + next * 60) / self.unit);
        }
        if self.seconds >> (time % 60) & 1 == 0 {
            let next = next_bit(self.seconds, time % 60).unwrap_or(60);
            return Some(second - time % 60 + next);
        }
        Some(unit)
    }

    /// Whether INTERVAL ever meets an allowed time of day. Seen from midnight it meets the times that are congruent to
    /// DTSTART's modulo the greatest common divisor of its length and the day's.
    fn can_match(&self) -> bool {
        let per_day = DAY / self.unit;
        let divisor = greatest_common_divisor(self.interval, per_day);
        let rest = self.first.rem_euclid(divisor);
        let allowed = |bits: u64, count: i64| (0..count).filter(move |bit| bits >> bit & 1 == 1);
        let meets = |number: i64| number % divisor == rest;
        allowed(self.hours, 24).any(|hour| match self.unit {
            3600 => meets(hour),
            60 => allowed(self.minutes, 60).any(|minute| meets(hour * 60 + minute)),
            _ => allowed(self.minutes, 60).any(|minute| self.a_second_meets((hour * 60 + minute) * 60, divisor, rest)),
        })
    }

    /// Whether a second of the minute that starts at that second of the day is congruent to `rest`.
    fn a_second_meets(&self, minute: i64, divisor: i64, rest: i64) -> bool {
        let mut second = (rest - minute).rem_euclid(divisor);
        while second < 60 {
            if self.seconds >> second & 1 == 1 {
                return true;
            }
            second += divisor;
        }
        false
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn bits(values: &[u8]) -> u64 {
    if values.is_empty() { u64::MAX } else { values.iter().fold(0, |bits, value| bits | 1 << value) }
}

/// The lowest bit after `bit` (which is less than 63).
fn next_bit(bits: u64, bit: i64) -> Option<i64> {
    let rest = bits >> (bit + 1);
    (rest != 0).then(|| bit + 1 + i64::from(rest.trailing_zeros()))
}
