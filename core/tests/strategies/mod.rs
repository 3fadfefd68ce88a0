//! Random rules and starts for property tests.

#![allow(dead_code, reason = "every test file uses a part of this")]

use calendar_sync_core::recurrence::{Frequency, Rule, WeekdayNumber};
use chrono::Weekday;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

fn weekday() -> impl Strategy<Value = Weekday> {
    (0_u8..7).prop_map(|day| Weekday::try_from(day).unwrap())
}

fn frequency() -> impl Strategy<Value = Frequency> {
    use Frequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    prop::sample::select(vec![Yearly, Yearly, Monthly, Monthly, Weekly, Daily, Hourly, Minutely, Secondly])
}

fn sorted<T: Ord + Clone + std::fmt::Debug + 'static>(
    values: impl Strategy<Value = T> + 'static,
    chance: f64,
    most: usize,
) -> impl Strategy<Value = Vec<T>> {
    weighted(chance, vec(values, 1..=most)).prop_map(|list| {
        let mut list = list.unwrap_or_default();
        list.sort_unstable();
        list.dedup();
        list
    })
}

fn signed(most: i16) -> impl Strategy<Value = i16> {
    prop_oneof![1..=most, -most..=-1, 1..=4.min(most), (-4.max(-most))..=-1]
}

prop_compose! {
    fn any_rule()(
        frequency in frequency(),
        interval in prop_oneof![4 => Just(1_u32), 3 => 2_u32..8, 1 => 8_u32..100],
        count in weighted(0.2, 1_u32..60),
        times in (sorted(0_u8..60, 0.12, 3), sorted(0_u8..60, 0.15, 3), sorted(0_u8..24, 0.2, 4)),
        by_day in sorted((prop_oneof![2 => Just(0_i16), 1 => signed(5), 1 => signed(53)], 0_u8..7), 0.4, 4),
        by_month_day in sorted(signed(31), 0.25, 4),
        by_year_day in sorted(signed(366), 0.12, 5),
        by_week_number in sorted(signed(53), 0.15, 3),
        by_month in sorted(1_u8..=12, 0.25, 4),
        by_set_position in sorted(prop_oneof![signed(4), signed(40)], 0.2, 3),
        week_start in weekday(),
    ) -> Rule {
        let by_day = by_day.into_iter().map(|(nth, day)| WeekdayNumber {
            nth: nth as i8,
            weekday: Weekday::try_from(day).unwrap(),
        }).collect();
        Rule {
            frequency,
            interval,
            count,
            until: None,
            by_second: times.0,
            by_minute: times.1,
            by_hour: times.2,
            by_day,
            by_month_day: by_month_day.into_iter().map(|day| day as i8).collect(),
            by_year_day,
            by_week_number: by_week_number.into_iter().map(|week| week as i8).collect(),
            by_month,
            by_set_position,
            week_start,
        }
    }
}

/// Random rules, with what is not allowed together left out until the parser takes them.
pub fn rule() -> impl Strategy<Value = Rule> {
    any_rule().prop_map(|mut rule| {
        for _ in 0..6 {
            let Err(error) = Rule::parse(&rule.to_string()) else { break };
            match error.part.as_str() {
                "BYWEEKNO" => rule.by_week_number.clear(),
                "BYYEARDAY" => rule.by_year_day.clear(),
                "BYMONTHDAY" => rule.by_month_day.clear(),
                "BYSETPOS" => rule.by_set_position.clear(),
                "BYDAY" => {
                    rule.by_day.iter_mut().for_each(|day| day.nth = 0);
                    rule.by_day.sort_by_key(|day| day.weekday.num_days_from_monday());
                    rule.by_day.dedup();
                }
                part => panic!("{part}: {error}"),
            }
        }
        Rule::parse(&rule.to_string()).unwrap()
    })
}

/// DTSTART, in seconds since 1970.
pub fn start() -> impl Strategy<Value = i64> {
    // 1901 to 2090, often on a full minute.
    prop_oneof![(-2_177_452_800_i64..3_786_912_000).prop_map(|s| s - s.rem_euclid(60)), 0_i64..2_000_000_000]
}
