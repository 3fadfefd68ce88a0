//! Rules that the parser must take, made part by part.

use calendar_sync_core::recurrence::{Frequency, Rule, Until, WeekdayNumber};
use chrono::Weekday;
use libfuzzer_sys::arbitrary::{Result, Unstructured};

use crate::times::{DAY, instant};

/// A valid rule; often with few parts, sometimes with every value that a part can have.
pub fn rule(u: &mut Unstructured<'_>) -> Result<Rule> {
    use Frequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    let frequency = *u.choose(&[Yearly, Yearly, Monthly, Monthly, Weekly, Daily, Hourly, Minutely, Secondly])?;
    let mut rule = Rule::every(frequency);
    rule.interval = match u.int_in_range(0..=7)? {
        0..=3 => 1,
        4 | 5 => u.int_in_range(2..=9)?,
        6 => u.int_in_range(1..=100_000)?,
        _ => u.arbitrary::<u32>()?.max(1),
    };
    match u.int_in_range(0..=9)? {
        0 => rule.count = Some(u.int_in_range(1..=50)?),
        1 => rule.count = Some(u.arbitrary::<u32>()?.max(1)),
        2 => rule.until = Some(until(u)?),
        _ => {}
    }
    rule.by_second = list(u, 9, |u| u.int_in_range(0..=60_u8))?;
    rule.by_minute = list(u, 8, |u| u.int_in_range(0..=59_u8))?;
    rule.by_hour = list(u, 6, |u| u.int_in_range(0..=23_u8))?;
    rule.by_month = list(u, 5, |u| u.int_in_range(1..=12_u8))?;
    if frequency != Weekly {
        rule.by_month_day = list(u, 5, |u| Ok(signed(u, 31)? as i8))?;
    }
    if !matches!(frequency, Monthly | Weekly | Daily) {
        rule.by_year_day = list(u, 8, |u| signed(u, 366))?;
    }
    if frequency == Yearly {
        rule.by_week_number = list(u, 5, |u| Ok(signed(u, 53)? as i8))?;
    }
    let numbered = matches!(frequency, Monthly | Yearly) && rule.by_week_number.is_empty();
    let days = list(u, 3, |u| {
        let nth = if numbered && u.ratio(1, 2)? { signed(u, 53)? as i8 } else { 0 };
        Ok((nth, u.int_in_range(0..=6_u8)?))
    })?;
    rule.by_day = days.into_iter().map(|(nth, day)| WeekdayNumber { nth, weekday: weekday(day) }).collect();
    rule.by_set_position = list(u, 4, |u| signed(u, 366))?;
    rule.week_start = weekday(u.int_in_range(0..=6)?);
    if Rule::parse(&rule.to_string()).is_err() {
        // It chooses from nothing.
        rule.by_set_position.clear();
    }
    Ok(rule)
}

fn weekday(number: u8) -> Weekday {
    Weekday::try_from(number % 7).unwrap_or(Weekday::Mon)
}

fn until(u: &mut Unstructured<'_>) -> Result<Until> {
    // The years that can be written.
    let second = instant(u)?.clamp(-62_135_596_800, 253_402_300_799);
    Ok(match u.int_in_range(0..=2)? {
        0 => Until::Date(second.div_euclid(DAY)),
        1 => Until::Local(second),
        _ => Until::Utc(second),
    })
}

/// Often near 1 or -1, where months and years end.
fn signed(u: &mut Unstructured<'_>, most: i16) -> Result<i16> {
    let most = if u.ratio(1, 2)? { most.min(5) } else { most };
    let number = u.int_in_range(1..=most)?;
    Ok(if u.arbitrary()? { number } else { -number })
}

/// Nothing, but once in `rarely` times a list: sorted, without duplicates.
fn list<T: Ord>(
    u: &mut Unstructured<'_>,
    rarely: u32,
    value: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    if !u.ratio(1, rarely)? {
        return Ok(Vec::new());
    }
    let count = if u.ratio(1, 16)? { u.int_in_range(1..=400)? } else { u.int_in_range(1..=4)? };
    let mut values = (0..count).map(|_| value(u)).collect::<Result<Vec<T>>>()?;
    values.sort_unstable();
    values.dedup();
    Ok(values)
}
