//! The times of day at which a sub-daily rule's hours, minutes or seconds are occurrences, and how INTERVAL meets them.

use super::civil::DAY;
use super::counting::greatest_common_divisor;
use super::rule::{Frequency, Rule};

/// Times of the day that BYHOUR, BYMINUTE and BYSECOND allow, as bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    pub hours: u64,
    minutes: u64,
    seconds: u64,
}

impl Allowed {
    pub fn new(rule: &Rule) -> Self {
        // What is shorter than the rule's own unit is no limit.
        let (minutes, seconds) = (rule.frequency > Frequency::Hourly, rule.frequency > Frequency::Minutely);
        Self {
            hours: bits(&rule.by_hour, 24),
            minutes: bits(if minutes { &rule.by_minute } else { &[] }, 60),
            seconds: bits(if seconds { &rule.by_second } else { &[] }, 60),
        }
    }

    /// The allowed units of the day (hours, minutes or seconds) as stretches, ascending, ends exclusive.
    pub fn stretches(self, unit: i64) -> Vec<(i64, i64)> {
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        let mut add = |start: i64, end: i64| match stretches.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => stretches.push((start, end)),
        };
        let (minutes, seconds) = (ones(self.minutes), ones(self.seconds));
        for hour in (0..24).filter(|hour| self.hours >> hour & 1 == 1) {
            for &(minute, minutes_end) in &minutes {
                let (start, end) = (hour * 60 + minute, hour * 60 + minutes_end);
                if seconds == [(0, 60)] {
                    add(start * 60 / unit, end * 60 / unit);
                    continue;
                }
                for minute in start..end {
                    seconds.iter().for_each(|&(second, end)| add(minute * 60 + second, minute * 60 + end));
                }
            }
        }
        stretches
    }

    /// Whether INTERVAL ever meets an allowed time of day. Seen from midnight it meets the times that are congruent to
    /// DTSTART's modulo the greatest common divisor of its length and the day's.
    pub fn is_ever_met(self, unit: i64, first: i64, interval: i64) -> bool {
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
pub(super) struct Clock {
    /// By number of the unit modulo the length; empty if everything is allowed.
    steps: Vec<u32>,
}

/// No number of steps leads to an allowed time.
const NEVER: u32 = u32::MAX;

impl Clock {
    pub fn new(allowed: Allowed, unit: i64, interval: i64) -> Self {
        let every = |bits: u64, count: u32| bits.trailing_ones() == count;
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
    pub fn first_from(&self, unit: i64, interval: i64) -> Option<i64> {
        if self.steps.is_empty() {
            return Some(unit);
        }
        match self.steps[unit.rem_euclid(self.steps.len() as i64) as usize] {
            NEVER => None,
            steps => Some(unit + i64::from(steps) * interval),
        }
    }
}

/// The lowest `count` bits that a part's values choose; all if it is absent. A leap second (60) is never met.
fn bits(values: &[u8], count: u32) -> u64 {
    let all = (1 << count) - 1;
    if values.is_empty() { all } else { values.iter().fold(0, |bits, value| bits | 1 << value) & all }
}

/// The stretches of ones in a number's bits, from the lowest, ends exclusive.
fn ones(bits: u64) -> Vec<(i64, i64)> {
    let mut stretches = Vec::new();
    let mut at = 0;
    while bits >> at != 0 {
        at += (bits >> at).trailing_zeros();
        let length = (bits >> at).trailing_ones();
        stretches.push((i64::from(at), i64::from(at + length)));
        at += length;
    }
    stretches
}
