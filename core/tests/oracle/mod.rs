//! A slow evaluator of recurrence rules: walks over every day, hour, minute or second and asks of each whether it is
//! in the set, by RFC 5545, 3.3.10's table of what each part does under each FREQ.

use calendar_sync_core::recurrence::{Frequency, Rule};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

/// The occurrences from `start` to `end` (seconds, UTC). UNTIL is not looked at.
pub fn occurrences(rule: &Rule, start: i64, end: i64) -> Vec<i64> {
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
    let (start, end) = (at(start), at(end));
    let mut found = Vec::new();
    let mut period = period_start(rule, start);
    while period <= end {
        let next = next_period(rule.frequency, period);
        let mut set = if rule.frequency <= Frequency::Daily {
            days_set(rule, start, period.date(), next.date())
        } else {
            sub_daily_set(rule, start, period)
        };
        if !rule.by_set_position.is_empty() {
            let length = set.len() as i64;
            let wanted = |index: i64| {
                rule.by_set_position.iter().any(|&p| i64::from(p) == index + 1 || i64::from(p) == index - length)
            };
            let mut index = -1;
            set.retain(|_| {
                index += 1;
                wanted(index)
            });
        }
        found.extend(set.into_iter().filter(|at| *at >= start));
        for _ in 0..rule.interval {
            period = next_period(rule.frequency, period);
            if period > end {
                break;
            }
        }
    }
    found.truncate(rule.count.map_or(usize::MAX, |count| count as usize));
    found.into_iter().filter(|at| *at <= end).map(|at| at.and_utc().timestamp()).collect()
}

fn midnight(date: NaiveDate) -> NaiveDateTime {
    date.and_time(NaiveTime::MIN)
}

fn period_start(rule: &Rule, start: NaiveDateTime) -> NaiveDateTime {
    let date = start.date();
    match rule.frequency {
        Frequency::Yearly => midnight(date.with_ordinal(1).unwrap()),
        Frequency::Monthly => midnight(date.with_day(1).unwrap()),
        Frequency::Weekly => midnight(week_of(date, rule)),
        Frequency::Daily => midnight(date),
        Frequency::Hourly => date.and_hms_opt(start.hour(), 0, 0).unwrap(),
        Frequency::Minutely => date.and_hms_opt(start.hour(), start.minute(), 0).unwrap(),
        Frequency::Secondly => start,
    }
}

fn next_period(frequency: Frequency, period: NaiveDateTime) -> NaiveDateTime {
    let date = period.date();
    match frequency {
        Frequency::Yearly => midnight(NaiveDate::from_ymd_opt(date.year() + 1, 1, 1).unwrap()),
        Frequency::Monthly => midnight(date + chrono::Months::new(1)),
        Frequency::Weekly => period + TimeDelta::days(7),
        Frequency::Daily => period + TimeDelta::days(1),
        Frequency::Hourly => period + TimeDelta::hours(1),
        Frequency::Minutely => period + TimeDelta::minutes(1),
        Frequency::Secondly => period + TimeDelta::seconds(1),
    }
}

/// First day of the week that a date is in.
fn week_of(date: NaiveDate, rule: &Rule) -> NaiveDate {
    date.week(rule.week_start).first_day()
}

fn days_set(rule: &Rule, start: NaiveDateTime, from: NaiveDate, to: NaiveDate) -> Vec<NaiveDateTime> {
    let or = |list: &[u8], own: u32| -> Vec<u32> {
        if list.is_empty() { vec![own] } else { list.iter().map(|v| u32::from(*v)).collect() }
    };
    let mut set = Vec::new();
    for day in from.iter_days().take_while(|day| *day < to).filter(|day| day_matches(rule, start.date(), *day)) {
        for &hour in &or(&rule.by_hour, start.hour()) {
            for &minute in &or(&rule.by_minute, start.minute()) {
                for &second in &or(&rule.by_second, start.second()) {
                    set.push(day.and_hms_opt(hour, minute, second).unwrap());
                }
            }
        }
    }
    set
}

fn sub_daily_set(rule: &Rule, start: NaiveDateTime, period: NaiveDateTime) -> Vec<NaiveDateTime> {
    let has = |list: &[u8], value: u32| list.is_empty() || list.contains(&(value as u8));
    let frequency = rule.frequency;
    if !day_matches(rule, start.date(), period.date()) || !has(&rule.by_hour, period.hour()) {
        return Vec::new();
    }
    if frequency > Frequency::Hourly && !has(&rule.by_minute, period.minute()) {
        return Vec::new();
    }
    if frequency == Frequency::Secondly {
        return if has(&rule.by_second, period.second()) { vec![period] } else { Vec::new() };
    }
    let end = next_period(frequency, period);
    let mut at = period;
    let mut set = Vec::new();
    while at < end {
        let minute = frequency > Frequency::Hourly
            || if rule.by_minute.is_empty() {
                at.minute() == start.minute()
            } else {
                has(&rule.by_minute, at.minute())
            };
        let second =
            if rule.by_second.is_empty() { at.second() == start.second() } else { has(&rule.by_second, at.second()) };
        if minute && second {
            set.push(at);
        }
        at += TimeDelta::seconds(1);
    }
    set
}

fn day_matches(rule: &Rule, start: NaiveDate, day: NaiveDate) -> bool {
    let yearly = rule.frequency == Frequency::Yearly;
    let no_days = rule.by_month_day.is_empty() && rule.by_year_day.is_empty() && rule.by_day.is_empty();
    if !rule.by_month.is_empty() && !rule.by_month.contains(&(day.month() as u8)) {
        return false;
    }
    if !rule.by_week_number.is_empty() && !in_weeks(rule, day) {
        return false;
    }
    if !rule.by_year_day.is_empty() {
        let length = if day.leap_year() { 366 } else { 365 };
        let ordinal = day.ordinal() as i32;
        if !rule.by_year_day.iter().any(|&d| i32::from(d) == ordinal || i32::from(d) == ordinal - length - 1) {
            return false;
        }
    }
    if !rule.by_month_day.is_empty() {
        let length = i32::from(day.num_days_in_month());
        let number = day.day() as i32;
        if !rule.by_month_day.iter().any(|&d| i32::from(d) == number || i32::from(d) == number - length - 1) {
            return false;
        }
    }
    if !rule.by_day.is_empty() {
        return rule.by_day.iter().any(|by| {
            by.weekday == day.weekday()
                && (by.nth == 0 || nth_among(day, yearly && rule.by_month.is_empty()).contains(&i32::from(by.nth)))
        });
    }
    if !no_days {
        return true;
    }
    match rule.frequency {
        Frequency::Yearly if !rule.by_week_number.is_empty() => day.weekday() == start.weekday(),
        Frequency::Yearly if rule.by_month.is_empty() => (day.month(), day.day()) == (start.month(), start.day()),
        Frequency::Yearly | Frequency::Monthly => day.day() == start.day(),
        Frequency::Weekly => day.weekday() == start.weekday(),
        _ => true,
    }
}

/// Which one of its weekday a day is in its month or year, from the start and from the end.
fn nth_among(day: NaiveDate, of_year: bool) -> [i32; 2] {
    let same = |other: &NaiveDate| other.year() == day.year() && (of_year || other.month() == day.month());
    let before = std::iter::successors(Some(day), |d| d.checked_sub_days(Days::new(7))).take_while(same).count();
    let after = std::iter::successors(Some(day), |d| d.checked_add_days(Days::new(7))).take_while(same).count();
    [before as i32, -(after as i32)]
}

/// "Week number one of the calendar year is the first week that contains at least four (4) days in that calendar year."
fn in_weeks(rule: &Rule, day: NaiveDate) -> bool {
    let week = week_of(day, rule);
    // The year of a week is the one that its fourth day is in.
    let year = (week + Days::new(3)).year();
    let fourth = |week: NaiveDate| (week + Days::new(3)).year();
    let before = std::iter::successors(Some(week), |w| w.checked_sub_days(Days::new(7)));
    let after = std::iter::successors(Some(week), |w| w.checked_add_days(Days::new(7)));
    let number = before.take_while(|w| fourth(*w) == year).count() as i32;
    let from_end = -(after.take_while(|w| fourth(*w) == year).count() as i32);
    rule.by_week_number.iter().any(|&n| i32::from(n) == number || i32::from(n) == from_end)
}
