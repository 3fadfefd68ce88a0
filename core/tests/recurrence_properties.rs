//! Properties of the expander, against an oracle that shares nothing with it: it looks at every day (or hour, minute,
//! second) and asks RFC 5545, 3.3.10's table whether it belongs to the set.

mod common;

mod oracle;
mod strategies;

use calendar_sync_core::recurrence::{Dates, Frequency, Occurrences, Rule, Until, Window};
use calendar_sync_core::zones::{ChronoZones, Resolver, Utc};
use proptest::option::weighted;
use proptest::prelude::*;
use strategies::{rule, start};

const DAY: i64 = 86_400;

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
    #![proptest_config(common::cases(300))]

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
