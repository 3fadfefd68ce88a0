//! Rules that (almost) never match end with an error of their own, and nothing else is mistaken for one.

use calendar_sync_core::recurrence::{Occurrences, RecurrenceError, Rule, Until, Window};
use calendar_sync_core::zones::Utc;

/// 2000-01-01T05:00:00Z.
const START: i64 = 946_702_800;
const YEAR_9000: i64 = 221_845_392_000;

fn expand(rule: &str, window: Window) -> Vec<Result<i64, RecurrenceError>> {
    match Occurrences::new(&Rule::parse(rule).unwrap(), START, Utc, window) {
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
    assert_eq!(Occurrences::new(&until, START, Utc, Window::ALL).unwrap().count(), 0);
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
fn counting_through_billions_of_occurrences_is_given_up() {
    let rule = "FREQ=SECONDLY;INTERVAL=7;BYDAY=MO,TU;COUNT=4294967295";
    assert_eq!(expand(rule, Window { from: YEAR_9000, to: i64::MAX }), [Err(RecurrenceError::LimitExceeded)]);
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
        let whole: Vec<i64> = Occurrences::new(&rule, START, Utc, Window::ALL).unwrap().map(Result::unwrap).collect();
        assert_eq!(whole.len(), rule.count.unwrap() as usize);
        for index in (0..whole.len()).step_by(97) {
            for from in [whole[index], whole[index] + 1] {
                let window = Window { from, to: i64::MAX };
                let rest = Occurrences::new(&rule, START, Utc, window).unwrap().count();
                assert_eq!(rest, whole.len() - index - usize::from(from != whole[index]), "{rule}");
            }
        }
    }
}
