//! Counting over centuries without walking through them. The calendar repeats itself after 400 years, and in it there
//! are no more than 28 kinds of years: what is counted for one of a kind holds for all others.

use super::civil::{date_of, day_of, days_in_year, is_leap, weekday_of};
use super::phase::Period;

/// How many kinds of years there are.
pub(super) const KINDS: usize = 28;

/// Years after which the calendar repeats itself: 146,097 days, which are 20,871 weeks.
const ROUND: i64 = 400;
pub(super) const DAYS_OF_ROUND: i64 = 146_097;

/// The years that look alike to every calendar part of a rule: same first weekday, and leap years at the same place
/// among a year and its neighbours. 0 to 27.
pub(super) const fn kind_of(year: i64) -> usize {
    KIND_BY_YEAR[year.rem_euclid(ROUND) as usize] as usize
}

const KIND_BY_YEAR: [u8; ROUND as usize] = {
    let mut kinds = [0; ROUND as usize];
    let mut year = 0;
    while year < ROUND {
        let leap = if is_leap(year) {
            1
        } else if is_leap(year - 1) {
            2
        } else if is_leap(year + 1) {
            3
        } else {
            0
        };
        kinds[year as usize] = leap * 7 + weekday_of(day_of(year, 1, 1)) as u8;
        year += 1;
    }
    kinds
};

impl Period {
    /// The calendar repeats itself after as many numbers.
    const fn round(self) -> i64 {
        match self {
            Self::Year => ROUND,
            Self::Month => 12 * ROUND,
            Self::Week | Self::Day => DAYS_OF_ROUND,
        }
    }

    /// The year in which a period starts, and which one of that year it is, from 0.
    const fn place_of(self, number: i64) -> (i64, i64) {
        match self {
            Self::Year => (number, 0),
            Self::Month => (number.div_euclid(12), number.rem_euclid(12)),
            Self::Week | Self::Day => {
                let (year, ..) = date_of(number);
                (year, number - day_of(year, 1, 1))
            }
        }
    }
}

/// The sum of the weights of the periods numbered `from`, `from + step` and so on before `to`.
///
/// `weights` are those of all periods that start in a year; they must be the same for years of one kind.
pub(super) fn sum(period: Period, from: i64, to: i64, step: i64, mut weights: impl FnMut(i64) -> Vec<u32>) -> u64 {
    let mut kinds: [Option<Kind>; KINDS] = [const { None }; KINDS];
    in_rounds(from, to, least_common_multiple(period.round(), step), |from, to| {
        let ((mut year, mut index), (last_year, last_index)) = (period.place_of(from), period.place_of(to));
        let mut total = 0;
        while year < last_year {
            let kind = kinds[kind_of(year)].get_or_insert_with(|| Kind::new(weights(year), step));
            let (weight, next) = kind.rest(index, step);
            total += weight;
            index = next;
            year += 1;
        }
        let last = kinds[kind_of(year)].get_or_insert_with(|| Kind::new(weights(year), step));
        total + last.between(index, last_index, step)
    })
}

/// The periods of the years of one kind.
struct Kind {
    weights: Vec<u32>,
    /// By the first period that is met: the sum of the weights of those met, and where the next year is entered.
    known: Vec<Option<(u64, i64)>>,
}

impl Kind {
    fn new(weights: Vec<u32>, step: i64) -> Self {
        let entries = usize::try_from(step).map_or(weights.len(), |step| step.min(weights.len()));
        Self { weights, known: vec![None; entries] }
    }

    fn rest(&mut self, index: i64, step: i64) -> (u64, i64) {
        let length = self.weights.len() as i64;
        if index >= length {
            return (0, index - length);
        }
        if let Some(&Some(known)) = self.known.get(index as usize) {
            return known;
        }
        let met = (length - index - 1) / step + 1;
        let rest = (self.between(index, length, step), index + met * step - length);
        if let Some(known) = self.known.get_mut(index as usize) {
            *known = Some(rest);
        }
        rest
    }

    fn between(&self, index: i64, end: i64, step: i64) -> u64 {
        if index >= end {
            return 0;
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        self.weights[index as usize..end as usize].iter().step_by(step).map(|&weight| u64::from(weight)).sum()
    }
}

/// The sum over the days from `from` up to but without `to` of `phases[day - from]`, which repeat themselves, where
/// `allowed` (1 or 0 for each day of a year, the same for years of one kind) has the day.
pub(super) fn sum_of_phases(from: i64, to: i64, phases: &[u32], mut allowed: impl FnMut(i64) -> Vec<u32>) -> u64 {
    /// Above it, a year is hardly met twice in the same phase.
    const MOST_KNOWN: usize = 512;
    let length = phases.len();
    let mut kinds: [Option<Vec<u32>>; KINDS] = [const { None }; KINDS];
    let mut known = vec![None; if length <= MOST_KNOWN { KINDS * length } else { 0 }];
    // A year's phases are neighbours in it wherever the year begins.
    let phases: Vec<u32> = phases.iter().copied().cycle().take(length + 366).collect();
    in_rounds(from, to, least_common_multiple(DAYS_OF_ROUND, length as i64), |from, to| {
        let mut day = from;
        let mut phase = 0;
        let (mut year, ..) = date_of(from);
        let mut total = 0;
        while day < to {
            let kind = kind_of(year);
            let days = kinds[kind].get_or_insert_with(|| allowed(year));
            let new_year = day_of(year, 1, 1);
            let (first, last) = ((day - new_year) as usize, days.len().min((to - new_year) as usize));
            let add = |days: &[u32]| -> u64 {
                let products = days.iter().zip(&phases[phase..]).map(|(allowed, weight)| allowed * weight);
                u64::from(products.sum::<u32>())
            };
            let whole = last - first == days_in_year(year) as usize;
            total += match known.get_mut(kind * length + phase) {
                Some(known) if whole => *known.get_or_insert_with(|| add(days)),
                _ => add(&days[first..last]),
            };
            day += (last - first) as i64;
            phase = (phase + last - first) % length;
            year += 1;
        }
        total
    })
}

/// `count` from `from` to `to`, where it gives the same for every stretch of `round`.
fn in_rounds(from: i64, to: i64, round: i64, mut count: impl FnMut(i64, i64) -> u64) -> u64 {
    if from >= to {
        return 0;
    }
    let rounds = (to - from) / round;
    let rest = count(from + rounds * round, to);
    if rounds == 0 { rest } else { rest + rounds as u64 * count(from, from + round) }
}

pub(super) const fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// No two that are asked for here (at most 7 * 2^32 and 146,097) overflow.
pub(super) const fn least_common_multiple(a: i64, b: i64) -> i64 {
    a / greatest_common_divisor(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_of_one_kind_begin_alike_and_have_the_same_neighbours() {
        let mut seen = [None; KINDS];
        for year in -4713..9999 {
            let leap = [year - 1, year, year + 1].map(is_leap);
            let looks = (weekday_of(day_of(year, 1, 1)), leap);
            assert_eq!(*seen[kind_of(year)].get_or_insert(looks), looks, "{year}");
        }
    }

    #[test]
    fn a_sum_is_that_of_each_period() {
        let weight = |number: i64, year: i64| (kind_of(year) as u32 + number as u32) % 5;
        for (period, per_year) in [(Period::Year, 1), (Period::Month, 12), (Period::Day, 0)] {
            for (from, length, step) in [(-700_000, 900, 1), (1970, 30, 7), (3, 5000, 3), (0, 300_000, 367), (5, 0, 1)]
            {
                let length_of = |year| if per_year == 0 { days_in_year(year) } else { per_year };
                let weights = |year| (0..length_of(year)).map(|index| weight(index, year)).collect();
                let each = (from..from + length).step_by(step as usize).map(|number| {
                    let (year, index) = period.place_of(number);
                    u64::from(weight(index, year))
                });
                assert_eq!(
                    sum(period, from, from + length, step, weights),
                    each.sum::<u64>(),
                    "{period:?} {from} {step}"
                );
            }
        }
    }

    #[test]
    fn a_sum_of_phases_is_that_of_each_day() {
        let is_allowed = |day: i64, year| u32::from((day + kind_of(year) as i64) % 3 == 0);
        let allowed = |year| (0..days_in_year(year)).map(|day| is_allowed(day, year)).collect();
        for (from, length, phases) in [(-3000, 10_000, 7), (100, 9000, 1441), (0, 20, 600), (719_000, 150_000, 5)] {
            let phases: Vec<u32> = (0..phases).map(|phase| phase * 7 % 11).collect();
            let each = (0..length).map(|ahead: i64| {
                let (year, ..) = date_of(from + ahead);
                let day = from + ahead - day_of(year, 1, 1);
                u64::from(is_allowed(day, year) * phases[ahead as usize % phases.len()])
            });
            assert_eq!(sum_of_phases(from, from + length, &phases, allowed), each.sum::<u64>(), "{from}");
        }
    }
}
