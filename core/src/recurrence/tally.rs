//! How many units (hours, minutes, seconds) a limited sub-daily rule meets in a stretch of time, without going through
//! them.
//!
//! INTERVAL meets the units of a day in one of several phases, which follow each other as the days do. What each phase
//! gives is found once, and the days are summed up by theirs.

use super::civil::DAY;
use super::clock::Allowed;
use super::counting::{greatest_common_divisor, sum, sum_of_phases};
use super::days::DayFilter;
use super::phase::Period;

#[derive(Debug)]
pub(super) struct Tally {
    allowed: Allowed,
    /// Seconds in a unit.
    unit: i64,
    /// Units in a day.
    per_day: i64,
    /// Number, since 1970, of the unit that DTSTART is in.
    first: i64,
    interval: i64,
}

/// Allowed units of a day, ends exclusive.
type Stretches = [(i64, i64)];

impl Tally {
    pub const fn new(allowed: Allowed, unit: i64, first: i64, interval: i64) -> Self {
        Self { allowed, unit, per_day: DAY / unit, first, interval }
    }

    /// The units from `from` up to but without `to` that INTERVAL meets, on allowed days, at allowed times.
    pub fn units(&self, days: &mut DayFilter, from: i64, to: i64) -> u64 {
        let stretches = &self.allowed.stretches(self.unit);
        let (first_day, time) = (from.div_euclid(self.per_day), from.rem_euclid(self.per_day));
        let (last_day, end) = (to.div_euclid(self.per_day), to.rem_euclid(self.per_day));
        let mut part = |day: i64, from: i64, to: i64| {
            if days.contains(day) { self.in_day(stretches, day, from, to) } else { 0 }
        };
        if first_day >= last_day {
            return if from < to { part(first_day, time, end) } else { 0 };
        }
        let parts = part(first_day, time, self.per_day) + part(last_day, 0, end);
        parts + self.in_days(stretches, days, first_day + 1, last_day)
    }

    /// The first unit that INTERVAL meets, counted from a day's midnight; it may be on a later day.
    const fn first_of(&self, day: i64) -> i64 {
        (self.first - day * self.per_day).rem_euclid(self.interval)
    }

    fn in_day(&self, stretches: &Stretches, day: i64, from: i64, to: i64) -> u64 {
        let first = self.first_of(day);
        let inside =
            stretches.partition_point(|stretch| stretch.1 <= from)..stretches.partition_point(|stretch| stretch.0 < to);
        // Times of day: small enough for the quick division.
        let interval = self.interval as u32;
        let before = |time: i64| if time > first { (time - first - 1) as u32 / interval + 1 } else { 0 };
        let met = |&(start, end): &(i64, i64)| u64::from(before(end.min(to)) - before(start.max(from)));
        stretches[inside].iter().map(met).sum()
    }

    /// Whole days.
    fn in_days(&self, stretches: &Stretches, days: &mut DayFilter, from: i64, to: i64) -> u64 {
        if from >= to {
            return 0;
        }
        let number_of_phases = self.interval / greatest_common_divisor(self.per_day, self.interval);
        if number_of_phases == 1 {
            let allowed = sum(Period::Day, from, to, 1, |year| days.sizes(Period::Day, year));
            return allowed * self.in_day(stretches, from, 0, self.per_day);
        }
        if (to - from) * self.per_day / self.interval < number_of_phases {
            return self.one_by_one(stretches, days, from, to);
        }
        let phases = self.phases(stretches, from, number_of_phases);
        if !days.is_every_day() {
            return sum_of_phases(from, to, &phases, |year| days.sizes(Period::Day, year));
        }
        let add = |phases: &[u32]| phases.iter().map(|&units| u64::from(units)).sum::<u64>();
        let rounds = (to - from) / number_of_phases;
        let rest = (to - from) % number_of_phases;
        rounds as u64 * add(&phases) + add(&phases[..rest as usize])
    }

    /// How many units a day has in each phase, from the day `from` on.
    fn phases(&self, stretches: &Stretches, from: i64, number: i64) -> Vec<u32> {
        // By the day's first unit; as differences, since a stretch meets neighbours alike.
        let length = self.interval.min(self.per_day);
        let mut by_first = vec![0; length as usize + 1];
        let mut add = |start: i64, end: i64| {
            by_first[start as usize] += 1;
            by_first[end as usize] -= 1;
        };
        for &(start, end) in stretches {
            let (rounds, rest) = ((end - start) / length, (end - start) % length);
            (0..rounds).for_each(|_| add(0, length));
            let start = start % length;
            add(start, length.min(start + rest));
            add(0, (start + rest - length).max(0));
        }
        let mut units = 0;
        for change in &mut by_first {
            units += *change;
            *change = units;
        }
        by_first.pop();
        let mut first = self.first_of(from);
        let a_day = self.per_day % self.interval;
        let phase = |_| {
            let units = by_first.get(first as usize).map_or(0, |&units| units as u32);
            first = if first < a_day { first + self.interval - a_day } else { first - a_day };
            units
        };
        (0..number).map(phase).collect()
    }

    /// For so long an INTERVAL that there are fewer units than phases.
    fn one_by_one(&self, stretches: &Stretches, days: &mut DayFilter, from: i64, to: i64) -> u64 {
        let mut unit = from * self.per_day + self.first_of(from);
        let mut met = 0;
        while unit < to * self.per_day {
            let (day, time) = (unit.div_euclid(self.per_day), unit.rem_euclid(self.per_day));
            let stretch = stretches.partition_point(|stretch| stretch.1 <= time);
            let is_allowed = stretches.get(stretch).is_some_and(|stretch| stretch.0 <= time);
            met += u64::from(is_allowed && days.contains(day));
            unit += self.interval;
        }
        met
    }
}
