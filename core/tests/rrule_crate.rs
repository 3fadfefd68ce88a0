//! A cross-check with the `rrule` crate, an expander that shares nothing with ours, where it is known to be right.

mod common;

mod strategies;

use calendar_sync_core::recurrence::{Frequency, Occurrences, Rule, Window};
use calendar_sync_core::zones;
use chrono::DateTime;
use proptest::prelude::*;
use rrule::RRuleSet;
use strategies::{rule, start};

/// Occurrences that are compared.
const MOST: u16 = 40;
/// 2200-01-01: as far as they are compared. The crate ends a search after a number of rounds.
const LAST: i64 = 7_258_118_400;

/// Where the crate, version 0.14, departs from RFC 5545, 3.3.10, or refuses what that allows.
fn known_fault(rule: &Rule) -> Option<&'static str> {
    use Frequency::{Monthly, Weekly, Yearly};
    let numbers: Vec<i8> = rule.by_day.iter().map(|day| day.nth).filter(|nth| *nth != 0).collect();
    let positions = &rule.by_set_position;
    let says_day = !rule.by_day.is_empty() || !rule.by_month_day.is_empty() || !rule.by_year_day.is_empty();
    if !numbers.is_empty() && numbers.len() < rule.by_day.len() {
        return Some(
            "a list of BYDAY is all that any of its values gives; the crate gives nothing if only some are numbered",
        );
    }
    match rule.frequency {
        Monthly if numbers.iter().any(|nth| !(-4..=5).contains(nth)) => Some("the crate refuses BYDAY=-5FR in a month"),
        Yearly if numbers.contains(&-53) => Some("the crate refuses BYDAY=-53FR in a year"),
        Monthly if positions.iter().any(|at| at.abs() > 31) => Some(
            "BYSETPOS goes up to 366, since BYHOUR and the like make large sets; the crate refuses more than 31 in a month",
        ),
        Yearly if !rule.by_week_number.is_empty() && !says_day => Some(
            "\"information not contained in the rule\", here the weekday, is DTSTART's; the crate takes the whole week",
        ),
        Yearly
            if rule.by_week_number.iter().any(|week| ![2..=51, -51..=-2].iter().any(|inner| inner.contains(week))) =>
        {
            Some("January 1st may be in week 52 or 53; with another WKST than Monday the crate has it in none")
        }
        Weekly if !positions.is_empty() => {
            Some("BYSETPOS chooses from a whole week; the crate from what is left of the first one at DTSTART")
        }
        frequency if frequency > Frequency::Daily => {
            let times = rule.by_hour.len() + rule.by_minute.len();
            let seconds = if frequency == Frequency::Secondly { rule.by_second.len() } else { 0 };
            (times + seconds + positions.len() > 0)
                .then_some("times and BYSETPOS limit what is shorter than a day; the crate leaves out some of it")
        }
        _ => None,
    }
}

/// What the crate gives; `None` if it refuses the rule.
fn theirs(rule: &Rule, start: i64) -> Option<Vec<i64>> {
    let start = DateTime::from_timestamp(start, 0)?.format("%Y%m%dT%H%M%SZ");
    let set: RRuleSet = format!("DTSTART:{start}\nRRULE:{rule}").parse().ok()?;
    Some(set.all(MOST).dates.iter().map(|date| date.timestamp()).filter(|date| *date <= LAST).collect())
}

fn ours(rule: &Rule, start: i64) -> Vec<i64> {
    let found = Occurrences::new(rule, start, zones::Utc, Window { from: start, to: LAST }).unwrap();
    found.take(MOST.into()).map_while(Result::ok).collect()
}

proptest! {
    #![proptest_config(common::cases(300))]

    #[test]
    fn agrees_with_the_rrule_crate(rule in rule(), start in start()) {
        prop_assume!(known_fault(&rule).is_none());
        let ours = ours(&rule, start);
        // The crate may search for what is not there for minutes.
        prop_assume!(ours.len() > 3);
        prop_assert_eq!(theirs(&rule, start), Some(ours), "{} from {}", rule, start);
    }
}

/// An exclusion that is not needed any more is to go.
#[test]
fn what_is_not_compared_is_wrong_in_the_crate() {
    // 2001-09-09, a Sunday.
    let start = 1_000_000_000;
    for rule in [
        "FREQ=YEARLY;BYDAY=FR,-1WE;COUNT=9",
        "FREQ=MONTHLY;BYDAY=-5FR;COUNT=9",
        "FREQ=YEARLY;BYDAY=-53FR;COUNT=9",
        "FREQ=MONTHLY;BYHOUR=1,2;BYMONTHDAY=1;BYSETPOS=1,32;COUNT=9",
        "FREQ=YEARLY;BYWEEKNO=20;COUNT=9",
        "FREQ=YEARLY;BYWEEKNO=52;BYDAY=TH;WKST=FR;COUNT=99",
        "FREQ=WEEKLY;BYDAY=MO,TU,SU;BYSETPOS=1;COUNT=9",
        "FREQ=MINUTELY;BYDAY=MO;BYHOUR=1;COUNT=9",
        "FREQ=MINUTELY;INTERVAL=13;BYMONTH=1;BYMINUTE=0;COUNT=99",
        "FREQ=SECONDLY;INTERVAL=37;BYDAY=MO;BYSECOND=0;COUNT=999",
    ] {
        let rule = Rule::parse(rule).unwrap();
        assert!(known_fault(&rule).is_some(), "{rule}");
        assert_ne!(theirs(&rule, start), Some(ours(&rule, start)), "{rule}");
    }
}
