//! Rules that (almost) never match end with an error of their own, and nothing else is mistaken for one.

use calendar_sync_core::recurrence::{Occurrences, RecurrenceError, Rule, Until, Window};
use calendar_sync_core::zones;
use chrono::{DateTime, Datelike, Timelike, Utc, Weekday};

/// 2000-01-01T05:00:00Z.
const START: i64 = 946_702_800;
const YEAR_9000: i64 = 221_845_392_000;

fn expand(rule: &str, window: Window) -> Vec<Result<i64, RecurrenceError>> {
    match Occurrences::new(&Rule::parse(rule).unwrap(), START, zones::Utc, window) {
        Ok(occurrences) => occurrences.take(3).collect(),
        Err(error) => vec![Err(error)],
    }
}

const NEVER: [&str; 10] = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYHOUR=5;BYSETPOS=2",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=6",
    "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
    "FREQ=MINUTELY;INTERVAL=1441;BYHOUR=5;BYMINUTE=7;BYMONTHDAY=31;BYMONTH=2,4",
    "FREQ=WEEKLY;BYMONTH=2;BYDAY=MO;BYSETPOS=3;BYHOUR=1,2",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=DAILY;BYSECOND=60",
    "FREQ=YEARLY;BYDAY=53MO;BYMONTH=2",
];

#[test]
fn a_rule_that_never_matches_is_given_up() {
    for rule in NEVER {
        assert_eq!(expand(rule, Window::ALL), [Err(RecurrenceError::LimitExceeded)], "{rule}");
        let late = Window { from: START + 1_000_000_000, to: i64::MAX };
        assert_eq!(expand(rule, late), [Err(RecurrenceError::LimitExceeded)], "{rule}");
    }
}

#[test]
fn a_window_without_occurrences_is_just_empty() {
    for rule in NEVER {
        assert_eq!(expand(rule, Window { from: START, to: START + 100_000_000 }), [], "{rule}");
    }
    let until = Rule { until: Some(Until::Utc(START - 1)), ..Rule::parse("FREQ=DAILY").unwrap() };
    assert_eq!(Occurrences::new(&until, START, zones::Utc, Window::ALL).unwrap().count(), 0);
    assert_eq!(expand("FREQ=DAILY;COUNT=3", Window { from: START + 1_000_000, to: i64::MAX }), []);
    assert_eq!(expand("FREQ=DAILY", Window { from: START + 10, to: START - 10 }), []);
}

#[test]
fn a_series_ends_with_the_year_9999() {
    let last = expand("FREQ=YEARLY;INTERVAL=1000", Window { from: YEAR_9000, to: i64::MAX });
    assert_eq!(last.len(), 1);
    assert_eq!(expand("FREQ=YEARLY;INTERVAL=4294967295", Window { from: START + 1, to: i64::MAX }), []);
}

#[test]
fn what_lies_thousands_of_years_before_a_window_is_counted() {
    const YEAR_4000: i64 = 64_060_588_800;
    type IsMet = fn(DateTime<Utc>) -> bool;
    let cases: [(&str, i64, IsMet); 5] = [
        ("FREQ=SECONDLY;INTERVAL=86399;BYMONTH=2", 86_399, |at| at.month() == 2),
        ("FREQ=SECONDLY;INTERVAL=40000;BYHOUR=3,4;BYDAY=MO", 40_000, |at| {
            (3..5).contains(&at.hour()) && at.weekday() == Weekday::Mon
        }),
        ("FREQ=MINUTELY;INTERVAL=1441;BYHOUR=9", 60 * 1441, |at| at.hour() == 9),
        ("FREQ=HOURLY;INTERVAL=25;BYMONTHDAY=29", 3600 * 25, |at| at.day() == 29),
        ("FREQ=HOURLY;INTERVAL=24;BYMONTHDAY=29", 3600 * 24, |at| at.day() == 29),
    ];
    for (rule, step, is_met) in cases {
        let steps = (START..YEAR_4000).step_by(step as usize);
        let before = steps.filter(|&at| is_met(DateTime::from_timestamp(at, 0).unwrap())).count();
        for count in before..before + 3 {
            let rule = Rule { count: Some(count as u32), ..Rule::parse(rule).unwrap() };
            let window = Window { from: YEAR_4000, to: i64::MAX };
            let rest = Occurrences::new(&rule, START, zones::Utc, window).unwrap().count();
            assert_eq!(rest, count - before, "{rule}");
        }
    }
}

#[test]
fn counts_are_exact_wherever_a_window_starts() {
    for rule in [
        "FREQ=DAILY;COUNT=4000",
        "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=1,2;COUNT=4000",
        "FREQ=MONTHLY;BYDAY=-1FR,MO;BYHOUR=6,9;COUNT=4000",
        "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1,-1;COUNT=2000",
        "FREQ=YEARLY;BYWEEKNO=1,53;BYMINUTE=1,2;COUNT=300",
        "FREQ=HOURLY;BYHOUR=5,9,22;BYDAY=MO,FR;COUNT=4000",
        "FREQ=HOURLY;INTERVAL=6;BYMONTH=1,5;BYMINUTE=3,9;COUNT=4000",
        "FREQ=MINUTELY;INTERVAL=7;BYHOUR=9;COUNT=4000",
        "FREQ=DAILY;INTERVAL=3;BYMONTH=1,2;COUNT=400",
        "FREQ=WEEKLY;INTERVAL=3;BYMONTH=1,2;BYDAY=SU,MO;COUNT=300",
    ] {
        let rule = Rule::parse(rule).unwrap();
        let whole: Vec<i64> =
            Occurrences::new(&rule, START, zones::Utc, Window::ALL).unwrap().map(Result::unwrap).collect();
        assert_eq!(whole.len(), rule.count.unwrap() as usize);
        for index in (0..whole.len()).step_by(97) {
            for from in [whole[index], whole[index] + 1] {
                let window = Window { from, to: i64::MAX };
                let rest = Occurrences::new(&rule, START, zones::Utc, window).unwrap().count();
                assert_eq!(rest, whole.len() - index - usize::from(from != whole[index]), "{rule}");
            }
        }
    }
}
