//! HOURLY, MINUTELY and SECONDLY rules that are limited by calendar parts or times of day: the search jumps over whole
//! months, days, hours and minutes that cannot match.

use super::civil::DAY;
use super::days::DayFilter;
use super::error::RecurrenceError;
use super::rule::{Frequency, Rule};

/// Jumps and occurrences (some 10 ns each) after which a search, or the counting of occurrences in front of a window, is
/// given up: well under 100 ms.
const MAX_STEPS: u32 = 1_000_000;

#[derive(Debug)]
pub(super) struct SubDaily {
    days: DayFilter,
    /// Bits of the hours that are allowed, where `clock` does not know them.
    hours: u64,
    clock: Clock,
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
        let allowed = Allowed {
            hours: bits(&rule.by_hour),
            minutes: if unit <= 60 { bits(&rule.by_minute) } else { u64::MAX },
            seconds: if unit == 1 { bits(&rule.by_second) } else { u64::MAX },
        };
        if within.is_empty() || !allowed.is_ever_met(unit, first, interval) {
            return None;
        }
        let mut engine = Self {
            days,
            hours: if unit == 1 { allowed.hours } else { u64::MAX },
            clock: Clock::new(allowed, unit, interval),
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
            match self.matching_from(self.present + 1, limit, &mut { MAX_STEPS })? {
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
        let mut steps = MAX_STEPS;
        if DAY % (self.unit * self.interval) == 0 {
            // Every day has the same times: what is left of the first day, then whole days.
            let midnight = ((self.present + 1) * self.unit).div_euclid(DAY) + 1;
            let until = bound.div_euclid(DAY);
            if midnight < until {
                passed += self.count_each(midnight * DAY, &mut steps)?;
                let days = self.days.count(midnight, until);
                if let Some(day) = self.days.next_from(midnight, until)
                    && day < until
                {
                    self.seek(day * DAY);
                    passed += days * self.count_each((day + 1) * DAY, &mut steps)?;
                }
                self.seek(until * DAY);
            }
        }
        Ok(passed + self.count_each(bound, &mut steps)?)
    }

    fn count_each(&mut self, bound: i64, steps: &mut u32) -> Result<u64, RecurrenceError> {
        let mut passed = 0;
        loop {
            if self.index == self.within.len() {
                match self.matching_from(self.present + 1, bound, steps)? {
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
        }
    }

    /// The first matching unit from `unit` on that starts by `limit`.
    fn matching_from(&mut self, mut unit: i64, limit: i64, steps: &mut u32) -> Result<Option<i64>, RecurrenceError> {
        let last = limit.div_euclid(self.unit);
        while *steps > 0 {
            *steps -= 1;
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

/// Times of the day that BYHOUR, BYMINUTE and BYSECOND allow, as bits.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    hours: u64,
    minutes: u64,
    seconds: u64,
}

impl Allowed {
    /// Whether INTERVAL ever meets an allowed time of day. Seen from midnight it meets the times that are congruent to
    /// DTSTART's modulo the greatest common divisor of its length and the day's.
    fn is_ever_met(self, unit: i64, first: i64, interval: i64) -> bool {
        let divisor = greatest_common_divisor(interval, DAY / unit);
        let rest = first.rem_euclid(divisor);
        let allowed = |bits: u64, count: i64| (0..count).filter(move |bit| bits >> bit & 1 == 1);
        let meets = |number: i64| number % divisor == rest;
        allowed(self.hours, 24).any(|hour| match unit {
            3600 => meets(hour),
            60 => allowed(self.minutes, 60).any(|minute| meets(hour * 60 + minute)),
            _ => allowed(self.minutes, 60).any(|minute| self.a_second_meets((hour * 60 + minute) * 60, divisor, rest)),
        })
    }

    /// Whether a second of the minute that starts at that second of the day is congruent to `rest`.
    fn a_second_meets(self, minute: i64, divisor: i64, rest: i64) -> bool {
        let mut second = (rest - minute).rem_euclid(divisor);
        while second < 60 {
            if self.seconds >> second & 1 == 1 {
                return true;
            }
            second += divisor;
        }
        false
    }

    /// Whether the `number`th unit of the day, or of the hour for seconds, is allowed.
    fn has(self, number: usize, unit: i64) -> bool {
        match unit {
            3600 => self.hours >> number & 1 == 1,
            60 => self.hours >> (number / 60) & self.minutes >> (number % 60) & 1 == 1,
            _ => self.minutes >> (number / 60) & self.seconds >> (number % 60) & 1 == 1,
        }
    }
}

/// How many steps of INTERVAL lead from any hour of the day, minute of the day or second of the hour to the next that
/// is allowed: without it, INTERVAL and a short list would be tried against each other time and again.
#[derive(Debug)]
struct Clock {
    /// By number of the unit modulo the length; empty if everything is allowed.
    steps: Vec<u32>,
}

/// No number of steps leads to an allowed time.
const NEVER: u32 = u32::MAX;

impl Clock {
    fn new(allowed: Allowed, unit: i64, interval: i64) -> Self {
        let every = |bits: u64, count: u32| bits.trailing_ones() >= count;
        let hours = unit == 1 || every(allowed.hours, 24);
        if hours && every(allowed.minutes, 60) && every(allowed.seconds, 60) {
            return Self { steps: Vec::new() };
        }
        let length = match unit {
            3600 => 24,
            60 => 1440,
            _ => 3600,
        };
        let step = (interval % length as i64) as usize;
        let mut steps = vec![NEVER; length];
        // Stepping is going round one of several circles: walk back from every allowed time until the one before.
        for number in (0..length).filter(|number| allowed.has(*number, unit)) {
            let (mut at, mut distance) = (number, 0);
            while distance == 0 || !allowed.has(at, unit) {
                steps[at] = distance;
                distance += 1;
                at = if at >= step { at - step } else { at + length - step };
            }
        }
        Self { steps }
    }

    /// The first allowed unit from `unit` on, going by `interval`.
    #[inline]
    fn first_from(&self, unit: i64, interval: i64) -> Option<i64> {
        if self.steps.is_empty() {
            return Some(unit);
        }
        match self.steps[unit.rem_euclid(self.steps.len() as i64) as usize] {
            NEVER => None,
            steps => Some(unit + i64::from(steps) * interval),
        }
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn bits(values: &[u8]) -> u64 {
    if values.is_empty() { u64::MAX } else { values.iter().fold(0, |bits, value| bits | 1 << value) }
}
