//! Properties of the expander, against an oracle that shares nothing with it: it looks at every day (or hour, minute,
//! second) and asks RFC 5545, 3.3.10's table whether it belongs to the set.

mod oracle;

use calendar_sync_core::recurrence::{Dates, Frequency, Occurrences, Rule, Until, WeekdayNumber, Window};
use calendar_sync_core::zones::{ChronoZones, Resolver, Utc};
use chrono::Weekday;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

const DAY: i64 = 86_400;

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
fn rule() -> impl Strategy<Value = Rule> {
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

fn start() -> impl Strategy<Value = i64> {
    // 1901 to 2090, often on a full minute.
    prop_oneof![(-2_177_452_800_i64..3_786_912_000).prop_map(|s| s - s.rem_euclid(60)), 0_i64..2_000_000_000]
}

/// Seconds that the oracle can look at in good time.
fn horizon(frequency: Frequency, interval: u32) -> i64 {
    let interval = i64::from(interval.min(20));
    match frequency {
        Frequency::Yearly => 6 * 366 * DAY * interval.min(3),
        Frequency::Monthly => 900 * DAY * interval.min(3),
        Frequency::Weekly | Frequency::Daily => 800 * DAY,
        Frequency::Hourly => 120 * DAY,
        Frequency::Minutely => 9 * DAY,
        Frequency::Secondly => DAY / 4,
    }
}

fn expand(rule: &Rule, start: i64, window: Window) -> Vec<i64> {
    Occurrences::new(rule, start, Utc, window).unwrap().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn gives_what_the_table_of_the_rfc_gives(rule in rule(), start in start()) {
        let end = start + horizon(rule.frequency, rule.interval);
        let expected = oracle::occurrences(&rule, start, end);
        let found = expand(&rule, start, Window { from: i64::MIN, to: end });
        prop_assert_eq!(found, expected, "{} from {}", rule, start);
    }

    #[test]
    fn a_window_is_a_part_of_the_whole(rule in rule(), start in start(), from in 0.0..1.0, length in 0.0..0.3) {
        let horizon = horizon(rule.frequency, rule.interval);
        let whole = expand(&rule, start, Window { from: i64::MIN, to: start + horizon });
        let from = start + (horizon as f64 * from) as i64;
        let to = (from + (horizon as f64 * length) as i64).min(start + horizon);
        let expected: Vec<i64> = whole.into_iter().filter(|at| (from..=to).contains(at)).collect();
        prop_assert_eq!(expand(&rule, start, Window { from, to }), expected, "{} from {}", rule, start);
    }

    #[test]
    fn what_lies_before_a_window_is_counted_as_if_walked_through(
        rule in rule(),
        interval in prop_oneof![3 => Just(None), 1 => (1_u32..100_000).prop_map(Some)],
        start in start(),
        share in 0.0..1.0,
    ) {
        let rule = Rule { count: None, interval: interval.unwrap_or(rule.interval), ..rule };
        let all = Occurrences::new(&rule, start, Utc, Window::ALL).unwrap();
        let walked: Vec<i64> = all.take(4000).map_while(Result::ok).collect();
        let rest = (walked.len() as f64 * share) as usize;
        prop_assume!(rest > 0);
        let rule = Rule { count: Some(walked.len() as u32), ..rule };
        let expected = &walked[walked.len() - rest..];
        let window = Window { from: expected[0], to: i64::MAX };
        prop_assert_eq!(expand(&rule, start, window), expected, "{} from {}", rule, start);
        let window = Window { from: expected[0] + 1, to: i64::MAX };
        prop_assert_eq!(expand(&rule, start, window), &expected[1..], "{} from {}", rule, start);
    }

    #[test]
    fn until_ends_where_the_same_window_would(rule in rule(), start in start(), share in 0.0..1.0) {
        let until = start + (horizon(rule.frequency, rule.interval) as f64 * share) as i64;
        let rule = Rule { count: None, ..rule };
        let limited = Rule { until: Some(Until::Utc(until)), ..rule.clone() };
        let expected = expand(&rule, start, Window { from: i64::MIN, to: until });
        prop_assert_eq!(&expand(&limited, start, Window::ALL), &expected);
        let limited = Rule { until: Some(Until::Local(until)), ..rule };
        prop_assert_eq!(&expand(&limited, start, Window::ALL), &expected);
    }

    #[test]
    fn dates_are_the_days_of_midnights(
        rule in rule().prop_filter("a date has no hours", |rule| rule.frequency <= Frequency::Daily),
        start in start(),
    ) {
        let untimed = Rule { by_hour: vec![], by_minute: vec![], by_second: vec![], ..rule.clone() };
        let start = start.div_euclid(DAY);
        let to = start + horizon(rule.frequency, rule.interval) / DAY;
        let expected: Vec<i64> = expand(&untimed, start * DAY, Window { from: i64::MIN, to: to * DAY })
            .into_iter().map(|second| second / DAY).collect();
        let dates = Dates::new(&rule, start, Window { from: i64::MIN, to }).unwrap();
        let dates: Vec<i64> = dates.map(Result::unwrap).collect();
        prop_assert_eq!(dates, expected);
    }

    #[test]
    fn instants_are_the_local_times_resolved_sorted_and_once(
        rule in rule(),
        start in start(),
        zone in prop::sample::select(vec![
            "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
        ]),
        from in 0.0..1.0,
    ) {
        thread_local!(static ZONES: ChronoZones = ChronoZones::default());
        let zone = ZONES.with(|zones| zones.get(zone)).unwrap();
        let mut resolver = Resolver::new(zone.clone());
        let local = resolver.to_local(start);
        prop_assume!(resolver.resolve(local).instant == start);
        let horizon = horizon(rule.frequency, rule.interval);
        // Two days more of local time hold everything that a gap could shift into the window.
        let rule = Rule { count: None, ..rule };
        let locals = expand(&rule, local, Window { from: i64::MIN, to: local + horizon + 2 * DAY });
        let from = start + (horizon as f64 * from) as i64;
        let mut expected: Vec<i64> = locals.into_iter().map(|local| resolver.resolve(local).instant)
            .filter(|at| (from..=start + horizon).contains(at)).collect();
        expected.sort_unstable();
        expected.dedup();
        let window = Window { from, to: start + horizon };
        let found: Vec<i64> =
            Occurrences::new(&rule, start, zone, window).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(found, expected, "{} from {}", rule, start);
    }

    #[test]
    fn what_is_written_is_read_again(rule in rule()) {
        prop_assert_eq!(Rule::parse(&rule.to_string()).unwrap(), rule.clone());
        prop_assert_eq!(Rule::parse(&format!(" rrule:{};", rule).to_lowercase()).unwrap(), rule);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "(RRULE:)?(FREQ=[A-Z]{0,8};?)?([A-Z-]{0,10}=[-+0-9A-Z,;éT]{0,20};?){0,6}") {
        let _ = Rule::parse(&text);
    }

    #[test]
    fn any_rule_anywhere_ends(
        rule in rule(),
        interval in prop_oneof![1_u32..100, any::<u32>().prop_map(|n| n.max(1)), Just(u32::MAX)],
        count in weighted(0.5, prop_oneof![1_u32..100, Just(u32::MAX)]),
        start in prop_oneof![-210_866_803_200_i64..=253_402_300_799, Just(253_402_300_799), any::<i64>()],
        from in prop_oneof![Just(i64::MIN), any::<i64>(), -300_000_000_000_i64..300_000_000_000],
        to in prop_oneof![Just(i64::MAX), any::<i64>(), -300_000_000_000_i64..300_000_000_000],
    ) {
        let rule = Rule { interval, count, ..rule };
        let Ok(occurrences) = Occurrences::new(&rule, start, Utc, Window { from, to }) else { return Ok(()) };
        let mut last = None;
        for at in occurrences.take(50) {
            let Ok(at) = at else { break };
            prop_assert!(last.is_none_or(|last| last < at) && at >= start && (from..=to).contains(&at));
            last = Some(at);
        }
    }
}
