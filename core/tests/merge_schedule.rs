//! When a series takes place after both sides have said something of that: its times, its zone and its rule fit together.

mod common;
#[path = "common/meetings.rs"]
mod meetings;

use calendar_sync_core::event::{Body, Series};
use calendar_sync_core::merge::{Base, Merged, Rules, Side, rebase, three_way};
use calendar_sync_core::recurrence::gives_its_start;
use calendar_sync_core::zones::ChronoZones;
use chrono::{Datelike, TimeDelta};
use meetings::*;
use proptest::prelude::*;
use proptest::sample::select;

const DAY: i64 = 24;

fn starts_by_its_rule(series: &Series) -> bool {
    gives_its_start(series, &ChronoZones::default()).unwrap()
}

const THEY_WIN: Rules = Rules { fits: &starts_by_its_rule, ..Rules::MERGE };
const WE_WIN: Rules = Rules { winner: Side::Local, ..THEY_WIN };

/// So many hours later than on that Sunday in Berlin.
fn starting(hours: i64, rule: &str) -> Body {
    let mut series = Series { rrules: vec![rule.to_owned()], ..weekly("weekly") };
    let timing = &mut series.template.timing;
    timing.start += TimeDelta::hours(hours);
    timing.end = timing.end.map(|end| end + TimeDelta::hours(hours));
    Body::Series(Box::new(series))
}

/// The hours and the rule; and what was in conflict.
fn outcome(merged: &Merged) -> (i64, &str, Vec<&str>) {
    let series = series_of(&merged.body);
    ((series.template.timing.start - at(0)).num_hours(), series.rrules[0].as_str(), names(merged))
}

#[test]
fn where_both_sides_have_moved_a_series_its_rule_goes_with_its_day() {
    // There each rule names its day.
    let base = Base::new(starting(0, "FREQ=WEEKLY"), starting(0, "FREQ=WEEKLY;BYDAY=SU"));
    let local = starting(DAY, "FREQ=WEEKLY");
    let remote = starting(3 * DAY, "FREQ=WEEKLY;BYDAY=WE");
    let ours = three_way(&base, &local, &remote, &WE_WIN);
    assert_eq!(outcome(&ours), (DAY, "FREQ=WEEKLY", vec!["time", "recurrence"]));
    assert!(ours.keeps_local && !ours.takes_remote);
    let theirs = three_way(&base, &local, &remote, &THEY_WIN);
    assert_eq!(outcome(&theirs), (3 * DAY, "FREQ=WEEKLY;BYDAY=WE", vec!["time"]));
    assert!(theirs.takes_remote && !theirs.keeps_local);
}

#[test]
fn a_rule_that_does_not_go_with_the_day_that_the_other_side_has_chosen_is_a_conflict() {
    let base = both_had(&starting(0, "FREQ=WEEKLY;BYDAY=SU"));
    let moved = starting(DAY, "FREQ=WEEKLY;BYDAY=MO");
    let ruled = starting(0, "FREQ=WEEKLY;BYDAY=SU,WE");
    let merged = three_way(&base, &moved, &ruled, &WE_WIN);
    assert_eq!(outcome(&merged), (DAY, "FREQ=WEEKLY;BYDAY=MO", vec!["recurrence"]));
    let merged = three_way(&base, &moved, &ruled, &THEY_WIN);
    assert_eq!(outcome(&merged), (0, "FREQ=WEEKLY;BYDAY=SU,WE", vec!["time", "recurrence"]));
    let lost = &merged.conflicts[0];
    assert_eq!((&lost.local["start"], &lost.remote["start"]), (&"2030-03-18T18:00:00Z".into(), &lost.base["start"]));
}

#[test]
fn a_rule_that_goes_with_the_time_that_the_other_side_has_chosen_is_merged_with_it() {
    let base = both_had(&starting(0, "FREQ=WEEKLY;BYDAY=SU"));
    let later = starting(2, "FREQ=WEEKLY;BYDAY=SU");
    for rule in ["FREQ=WEEKLY;BYDAY=SU;COUNT=4", "FREQ=WEEKLY;BYDAY=SU;UNTIL=20300501T000000Z", "FREQ=DAILY"] {
        for rules in [THEY_WIN, WE_WIN] {
            for (local, remote) in [(&later, &starting(0, rule)), (&starting(0, rule), &later)] {
                let merged = three_way(&base, local, remote, &rules);
                assert_eq!(outcome(&merged), (2, rule, vec![]));
                assert!(merged.keeps_local && merged.takes_remote);
            }
        }
    }
}

#[test]
fn a_series_that_was_moved_beyond_the_end_that_the_other_side_has_set_is_a_conflict() {
    let base = both_had(&starting(0, "FREQ=DAILY"));
    let local = starting(30 * DAY, "FREQ=DAILY");
    let remote = starting(0, "FREQ=DAILY;UNTIL=20300401T000000Z");
    let merged = three_way(&base, &local, &remote, &WE_WIN);
    assert_eq!(outcome(&merged), (30 * DAY, "FREQ=DAILY", vec!["time", "recurrence"]));
}

#[test]
fn a_series_that_never_started_by_its_rule_is_changed_by_one_side_alone_as_ever() {
    let base = both_had(&starting(0, "FREQ=WEEKLY;BYDAY=TU"));
    let local = changed(&base.local, |event| event.details.title = "ours".into());
    let merged = three_way(&base, &local, &starting(1, "FREQ=WEEKLY;BYDAY=WE"), &WE_WIN);
    assert_eq!(outcome(&merged), (1, "FREQ=WEEKLY;BYDAY=WE", vec![]));
    assert_eq!(event_of(&merged.body).details.title, "ours");
}

#[test]
fn a_series_that_both_sides_have_moved_is_in_the_zone_of_whose_time_it_has() {
    let base = both_had(&starting(0, "FREQ=WEEKLY"));
    let elsewhere =
        changed(&starting(5, "FREQ=WEEKLY"), |event| event.timing.time_zone = Some("America/New_York".into()));
    let later = starting(1, "FREQ=WEEKLY");
    let merged = three_way(&base, &elsewhere, &later, &THEY_WIN);
    assert_eq!(outcome(&merged), (1, "FREQ=WEEKLY", vec!["time", "time_zone"]));
    assert_eq!(event_of(&merged.body).timing.time_zone.as_deref(), Some("Europe/Berlin"));
    let merged = three_way(&base, &elsewhere, &later, &WE_WIN);
    assert_eq!(outcome(&merged), (5, "FREQ=WEEKLY", vec!["time"]));
}

#[test]
fn what_the_winner_has_not_touched_of_it_stays_as_it_was_here() {
    // There is no zone there, and the rule is in other words.
    let zoneless = |body: Body| changed(&body, |event| event.timing.time_zone = None);
    let base = Base::new(starting(0, "FREQ=WEEKLY;WKST=MO"), zoneless(starting(0, "FREQ=WEEKLY")));
    let local = starting(DAY, "FREQ=WEEKLY;WKST=MO;BYDAY=MO");
    let remote = zoneless(starting(2, "FREQ=WEEKLY"));
    let merged = three_way(&base, &local, &remote, &THEY_WIN);
    assert_eq!(outcome(&merged), (2, "FREQ=WEEKLY;WKST=MO", vec!["time", "recurrence"]));
    assert_eq!(event_of(&merged.body).timing.time_zone.as_deref(), Some("Europe/Berlin"));
    let agreed = rebase(&base, &remote, &THEY_WIN);
    assert_eq!(agreed.local, merged.body, "nothing is left to be sent");
}

prop_compose! {
    /// Series that start by their rules.
    fn fitting()(
        days in 0i64..4, hours in 0i64..3, rule in 0usize..5, more in select(vec!["", ";COUNT=5", ";INTERVAL=2"]),
        zone in select(vec!["Europe/Berlin", "America/New_York"]),
    ) -> Body {
        let body = starting(days * DAY + hours, "");
        let day = event_of(&body).timing.start.date_naive();
        let weekday = day.weekday().to_string()[..2].to_uppercase();
        let rule = match rule {
            0 => "FREQ=DAILY".to_owned(),
            1 => "FREQ=WEEKLY".to_owned(),
            2 => format!("FREQ=WEEKLY;BYDAY={weekday}"),
            3 => format!("FREQ=WEEKLY;BYDAY=SA,{weekday}"),
            _ => format!("FREQ=MONTHLY;BYMONTHDAY={}", day.day()),
        };
        let Body::Series(mut series) = body else { unreachable!() };
        series.rrules = vec![format!("{rule}{more}")];
        series.template.timing.time_zone = Some(zone.to_owned());
        Body::Series(series)
    }
}

proptest! {
    #![proptest_config(common::cases(1000))]

    #[test]
    fn of_series_that_start_by_their_rules_none_comes_that_does_not(
        base in fitting(), local in fitting(), remote in fitting(),
    ) {
        for rules in [THEY_WIN, WE_WIN] {
            let merged = three_way(&both_had(&base), &local, &remote, &rules);
            prop_assert!(starts_by_its_rule(series_of(&merged.body)), "{:?}", outcome(&merged));
        }
    }

    #[test]
    fn what_one_side_has_given_a_series_and_is_lost_is_in_conflict(
        base in fitting(), local in fitting(), remote in fitting(),
    ) {
        for rules in [THEY_WIN, WE_WIN] {
            let merged = three_way(&both_had(&base), &local, &remote, &rules);
            let names = names(&merged);
            let of = |body: &Body| {
                let series = series_of(body).clone();
                (series.template.timing.start, series.template.timing.time_zone, series.rrules)
            };
            let (was, now) = (of(&base), of(&merged.body));
            for side in [of(&local), of(&remote)] {
                let is_lost = [
                    ("time", side.0 != was.0 && side.0 != now.0),
                    ("time_zone", side.1 != was.1 && side.1 != now.1),
                    ("recurrence", side.2 != was.2 && side.2 != now.2),
                ];
                for (name, is_lost) in is_lost {
                    prop_assert!(!is_lost || names.contains(&name), "{name}: {names:?}");
                }
            }
        }
    }

    #[test]
    fn seen_once_more_it_changes_nothing(base in fitting(), local in fitting(), remote in fitting()) {
        for rules in [THEY_WIN, WE_WIN] {
            let had = both_had(&base);
            let merged = three_way(&had, &local, &remote, &rules);
            let agreed = rebase(&had, &remote, &rules);
            let again = three_way(&agreed, &merged.body, &remote, &rules);
            prop_assert_eq!(&again.body, &merged.body);
            prop_assert!(again.conflicts.is_empty() && !again.takes_remote);
            prop_assert!(merged.keeps_local || agreed.local == merged.body);
        }
    }

    #[test]
    fn sides_can_be_swapped_together_with_the_winner(base in fitting(), one in fitting(), other in fitting()) {
        let had = both_had(&base);
        let merged = three_way(&had, &one, &other, &THEY_WIN);
        let swapped = three_way(&had, &other, &one, &WE_WIN);
        prop_assert_eq!(names(&merged), names(&swapped));
        prop_assert_eq!(merged.body, swapped.body);
    }
}
