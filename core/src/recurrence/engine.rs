//! From a rule and its DTSTART to the engine that expands it, in local seconds since 1970.
//!
//! RFC 5545, 3.3.10 gives for every part and FREQ whether it expands a period's set or limits it. Both come to the
//! same: a day is in the set if every calendar part allows it, once DTSTART has filled in what no part says.

use super::civil::{DAY, Month, date_of, weekday_of};
use super::cyclic::{Cyclic, weekdays_or};
use super::days::{DayFilter, DayParts};
use super::error::RecurrenceError;
use super::months::Months;
use super::phase::{Period, Phase};
use super::positions::Positions;
use super::rule::{Frequency, Rule, WeekdayNumber};
use super::sub_daily::{SubDaily, unit_of};
use super::times::{Times, index_of, within_hour};

#[derive(Debug)]
pub(super) enum Engine {
    Cyclic(Cyclic),
    Months(Box<Months>),
    Positions(Box<Positions>),
    SubDaily(Box<SubDaily>),
    /// It is plain from the rule that it never matches.
    Never,
}

/// Where a series starts, taken apart.
#[derive(Debug, Clone, Copy)]
struct Start {
    second: i64,
    day: i64,
    weekday: u32,
    month: u8,
    month_day: i8,
    hour: u8,
    minute: u8,
    second_of_minute: u8,
}

impl Start {
    fn new(second: i64) -> Self {
        let day = second.div_euclid(DAY);
        let time = second.rem_euclid(DAY);
        let (_, month, month_day) = date_of(day);
        Self {
            second,
            day,
            weekday: weekday_of(day),
            month: month as u8,
            month_day: month_day as i8,
            hour: (time / 3600) as u8,
            minute: (time / 60 % 60) as u8,
            second_of_minute: (time % 60) as u8,
        }
    }
}

impl Engine {
    /// The engine for a rule whose DTSTART is the local second `start`; it begins with the first occurrence from there.
    pub fn new(rule: &Rule, start: i64) -> Self {
        let start = Start::new(start);
        if rule.frequency > Frequency::Daily { sub_daily(rule, start) } else { daily_or_longer(rule, start) }
    }

    /// The next occurrence; `None` once there is none up to `limit`. It may give one that is past `limit`.
    #[inline]
    pub fn next(&mut self, limit: i64) -> Result<Option<i64>, RecurrenceError> {
        match self {
            Self::Cyclic(engine) => Ok(Some(engine.next())),
            Self::Months(engine) => Ok(engine.next(limit)),
            Self::Positions(engine) => Ok(engine.next(limit)),
            Self::SubDaily(engine) => engine.next(limit),
            Self::Never => Ok(None),
        }
    }

    /// Moves on to the first occurrence at or after `bound`, by arithmetic.
    pub fn seek(&mut self, bound: i64) {
        match self {
            Self::Cyclic(engine) => {
                engine.seek(bound);
            }
            Self::Months(engine) => engine.seek(bound),
            Self::Positions(engine) => engine.seek(bound),
            Self::SubDaily(engine) => engine.seek(bound),
            Self::Never => {}
        }
    }

    /// Moves on to the first occurrence at or after `bound`; returns how many were passed over.
    pub fn count_to(&mut self, bound: i64) -> u64 {
        match self {
            Self::Cyclic(engine) => engine.seek(bound),
            Self::Months(engine) => engine.count_to(bound),
            Self::Positions(engine) => engine.count_to(bound),
            Self::SubDaily(engine) => engine.count_to(bound),
            Self::Never => 0,
        }
    }
}

fn daily_or_longer(rule: &Rule, start: Start) -> Engine {
    let mut times = Times::product(
        &or(&rule.by_hour, start.hour),
        &or(&rule.by_minute, start.minute),
        &or(&rule.by_second, start.second_of_minute),
    );
    let mut positions = rule.by_set_position.as_slice();
    if rule.frequency == Frequency::Daily && !positions.is_empty() {
        // A day's set is its times.
        times = times.at_positions(positions);
        positions = &[];
    }
    if times.len() == 0 {
        return Engine::Never;
    }
    if let Some(mut cyclic) = cyclic_days(rule, start, &times, positions) {
        cyclic.seek(start.second);
        return Engine::Cyclic(cyclic);
    }
    let days = DayFilter::new(day_parts(rule, start));
    let phase = phase(rule, start);
    if positions.is_empty() {
        return Months::new(days, times, phase, start.second).map_or(Engine::Never, |m| Engine::Months(Box::new(m)));
    }
    Engine::Positions(Box::new(Positions::new(days, times, positions, phase, start.second)))
}

/// The periods of a rule that is DAILY or longer.
fn phase(rule: &Rule, start: Start) -> Phase {
    let interval = i64::from(rule.interval);
    match rule.frequency {
        Frequency::Yearly => Phase::new(Period::Year, date_of(start.day).0, interval),
        Frequency::Monthly => Phase::new(Period::Month, Month::containing(start.day).index(), interval),
        Frequency::Weekly => Phase::new(Period::Week, week_start(rule, start), interval),
        _ => Phase::new(Period::Day, start.day, interval),
    }
}

/// DAILY and WEEKLY without a part that looks at the month.
fn cyclic_days(rule: &Rule, start: Start, times: &Times, positions: &[i16]) -> Option<Cyclic> {
    if !rule.by_month.is_empty() || !rule.by_month_day.is_empty() {
        return None;
    }
    let interval = i64::from(rule.interval);
    match rule.frequency {
        Frequency::Daily => {
            let weekdays = super::days::plain_weekdays(&rule.by_day);
            Cyclic::daily(start.day, interval, weekdays, times)
        }
        Frequency::Weekly => {
            let weekdays = weekdays_or(&rule.by_day, start.weekday);
            Cyclic::weekly(week_start(rule, start), interval, weekdays, times, positions)
        }
        _ => None,
    }
}

fn sub_daily(rule: &Rule, start: Start) -> Engine {
    let mut within = match rule.frequency {
        Frequency::Hourly => {
            within_hour(&or(&rule.by_minute, start.minute), &or(&rule.by_second, start.second_of_minute))
        }
        Frequency::Minutely => within_hour(&[0], &or(&rule.by_second, start.second_of_minute)),
        _ => vec![0],
    };
    if !rule.by_set_position.is_empty() {
        let chosen = rule.by_set_position.iter().filter_map(|&position| index_of(position, within.len() as u64));
        within = chosen.map(|index| within[index as usize]).collect();
        within.sort_unstable();
        within.dedup();
    }
    let limits_days = !(rule.by_month.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_day.is_empty());
    let limits_times = !rule.by_hour.is_empty()
        || (rule.frequency > Frequency::Hourly && !rule.by_minute.is_empty())
        || (rule.frequency > Frequency::Minutely && !rule.by_second.is_empty());
    if !limits_days && !limits_times {
        let first = start.second - start.second.rem_euclid(unit_of(rule.frequency));
        let cyclic = Cyclic::sub_daily(first, rule.frequency, i64::from(rule.interval), &within);
        return cyclic.map_or(Engine::Never, |mut cyclic| {
            cyclic.seek(start.second);
            Engine::Cyclic(cyclic)
        });
    }
    let days = DayFilter::new(day_parts(rule, start));
    SubDaily::new(rule, days, within, start.second).map_or(Engine::Never, |engine| Engine::SubDaily(Box::new(engine)))
}

/// The parts that choose days, completed from DTSTART: "Information, not contained in the rule, necessary to determine
/// the various recurrence instance start time and dates are derived from the Start Time (DTSTART)".
///
/// BYMONTHDAY without BYMONTH means every month, BYWEEKNO without a day part DTSTART's weekday.
fn day_parts(rule: &Rule, start: Start) -> DayParts {
    let mut parts = DayParts {
        months: rule.by_month.iter().fold(0, |bits, month| bits | 1 << month),
        month_days: rule.by_month_day.clone(),
        year_days: rule.by_year_day.clone(),
        week_numbers: rule.by_week_number.clone(),
        weekdays: rule.by_day.clone(),
        nth_of_year: rule.frequency == Frequency::Yearly && rule.by_month.is_empty(),
        week_start: rule.week_start.num_days_from_monday(),
    };
    let says_day = !parts.month_days.is_empty() || !parts.year_days.is_empty() || !parts.weekdays.is_empty();
    if says_day {
        return parts;
    }
    let own_weekday = || {
        let weekday = chrono::Weekday::try_from(start.weekday as u8).unwrap_or(chrono::Weekday::Mon);
        vec![WeekdayNumber { nth: 0, weekday }]
    };
    match rule.frequency {
        Frequency::Yearly if !parts.week_numbers.is_empty() => parts.weekdays = own_weekday(),
        Frequency::Yearly => {
            parts.month_days = vec![start.month_day];
            if parts.months == 0 {
                parts.months = 1 << start.month;
            }
        }
        Frequency::Monthly => parts.month_days = vec![start.month_day],
        Frequency::Weekly => parts.weekdays = own_weekday(),
        _ => {}
    }
    parts
}

fn or(values: &[u8], own: u8) -> Vec<u8> {
    if values.is_empty() { vec![own] } else { values.to_vec() }
}

/// First day of the week (as WKST has it) that DTSTART is in.
fn week_start(rule: &Rule, start: Start) -> i64 {
    start.day - i64::from((start.weekday + 7 - rule.week_start.num_days_from_monday()) % 7)
}
