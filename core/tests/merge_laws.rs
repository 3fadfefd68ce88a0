//! Merging what two sides have changed: laws that hold for any two.

mod common;
#[path = "common/meetings.rs"]
mod meetings;

use calendar_sync_core::event::{Attendee, Body, Details, Event, Override, Series, ShowAs, Timing};
use calendar_sync_core::merge::{Base, Merged, Rules, rebase, three_way};
use meetings::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

prop_compose! {
    fn events()(
        title in "[ab]", location in option::of("[xy]"), hour in 0i64..3, length in option::of(1i64..3),
        all_day in prop::bool::weighted(0.2), zone in option::of(Just("Europe/Berlin".to_owned())),
        categories in vec("[pq]", 0..3), key in option::of(0..2), free in any::<bool>(),
        guests in vec(("[mn]", option::of("accepted|declined")), 0..3),
    ) -> Event {
        let mut categories = categories;
        categories.dedup();
        categories.sort();
        categories.dedup();
        let mut attendees: Vec<Attendee> = guests
            .into_iter()
            .map(|(address, response)| Attendee { address, name: None, response })
            .collect();
        attendees.sort_by(|a, b| a.address.cmp(&b.address));
        attendees.dedup_by(|a, b| a.address == b.address);
        let timing = if all_day {
            Timing { start: at(-8), end: Some(at(16)), all_day, time_zone: None, floating: false }
        } else {
            Timing { start: at(hour), end: length.map(|length| at(hour + length)), all_day, time_zone: zone, floating: false }
        };
        let show_as = if free { ShowAs::Free } else { ShowAs::Busy };
        let metadata = key.map(|key| json!({"key": key}));
        Event { timing, details: Details { title, location, categories, attendees, show_as, metadata, ..Details::default() } }
    }
}

prop_compose! {
    fn all_series()(
        template in events(), rule in 0usize..2, exdate in option::of(1i64..3),
        overrides in vec((1i64..3, events()), 0..3),
    ) -> Series {
        let mut all: Vec<Override> = Vec::new();
        for (week, event) in overrides {
            let recurrence_id = at(week * 168);
            let taken = all.iter().any(|one| one.recurrence_id == recurrence_id);
            if !taken && exdate != Some(week) {
                all.push(Override { recurrence_id, this_and_future: false, duration: None, event });
            }
        }
        let rrules = vec![["FREQ=WEEKLY", "FREQ=DAILY"][rule].to_owned()];
        Series { template, rrules, exdates: exdate.map(|week| at(week * 168)).into_iter().collect(), overrides: all, ..weekly("") }
    }
}

fn bodies() -> impl Strategy<Value = Body> {
    prop_oneof![2 => events().prop_map(single), 1 => all_series().prop_map(series)]
}

/// Without overrides: whether such an occurrence follows a change of its series is told by who made it one of its own.
fn plain_bodies() -> impl Strategy<Value = Body> {
    bodies().prop_map(|mut body| {
        if let Body::Series(series) = &mut body {
            series.overrides.clear();
        }
        body
    })
}

/// Lists whose order says nothing, in one order.
fn normal(mut body: Body) -> Body {
    let sort = |event: &mut Event| {
        event.details.categories.sort();
        event.details.attendees.sort_by(|a, b| a.address.cmp(&b.address));
    };
    match &mut body {
        Body::Single(event) => sort(event),
        Body::Series(series) => {
            sort(&mut series.template);
            series.exdates.sort();
            series.overrides.sort_by_key(|one| one.recurrence_id);
            series.overrides.iter_mut().for_each(|one| sort(&mut one.event));
        }
        Body::Overrides(_) => {}
    }
    body
}

proptest! {
    #![proptest_config(common::cases(1000))]

    #[test]
    fn where_one_side_stayed_the_other_ones_version_comes_out(base in bodies(), new in bodies()) {
        let had = both_had(&base);
        let merged = three_way(&had, &base, &new, &LOCAL_WINS);
        prop_assert_eq!(normal(merged.body), normal(new.clone()));
        prop_assert!(merged.conflicts.is_empty() && !merged.keeps_local);
        let merged = three_way(&had, &new, &base, &Rules::MERGE);
        prop_assert_eq!(merged.body, new);
        prop_assert!(merged.conflicts.is_empty() && !merged.takes_remote);
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict(base in bodies(), new in bodies()) {
        let merged = three_way(&both_had(&base), &new, &new, &Rules::MERGE);
        prop_assert_eq!(merged.body, new);
        prop_assert!(merged.conflicts.is_empty() && !merged.takes_remote && !merged.keeps_local);
    }

    #[test]
    fn sides_can_be_swapped_together_with_the_winner(
        base in plain_bodies(), one in plain_bodies(), other in plain_bodies(),
    ) {
        let had = both_had(&base);
        let merged = three_way(&had, &one, &other, &Rules::MERGE);
        let swapped = three_way(&had, &other, &one, &LOCAL_WINS);
        let sorted = |merged: &Merged| {
            let mut names: Vec<String> = names(merged).into_iter().map(str::to_owned).collect();
            names.sort();
            names
        };
        prop_assert_eq!(sorted(&merged), sorted(&swapped));
        prop_assert_eq!(normal(merged.body), normal(swapped.body));
    }

    /// After the merge has been sent, and has come back, both sides are equal and stay so.
    #[test]
    fn what_was_merged_and_sent_is_settled(base in bodies(), one in bodies(), other in bodies()) {
        let had = both_had(&base);
        let merged = three_way(&had, &one, &other, &Rules::MERGE);
        let agreed = rebase(&had, &other, &Rules::MERGE);
        if !merged.keeps_local {
            prop_assert_eq!(normal(agreed.local), normal(merged.body.clone()));
        }
        let sent = both_had(&merged.body);
        let again = three_way(&sent, &merged.body, &merged.body, &Rules::MERGE);
        prop_assert_eq!(again.body, merged.body);
    }

    /// Meanwhile their version is seen again: nothing is taken twice, and what is to be sent still is.
    #[test]
    fn a_version_that_is_seen_again_changes_nothing(base in bodies(), one in bodies(), other in bodies()) {
        for rules in [Rules::MERGE, LOCAL_WINS] {
            let had = both_had(&base);
            let merged = three_way(&had, &one, &other, &rules);
            let again = three_way(&rebase(&had, &other, &rules), &merged.body, &other, &rules);
            prop_assert_eq!(&again.body, &merged.body);
            prop_assert!(again.conflicts.is_empty() && !again.takes_remote);
            prop_assert!(again.keeps_local || !merged.keeps_local);
        }
    }

    #[test]
    fn a_base_survives_being_stored(base in bodies(), other in bodies()) {
        let base = Base::new(base, other);
        let stored = serde_json::to_value(&base).unwrap();
        prop_assert_eq!(serde_json::from_value::<Base>(stored).unwrap(), base);
    }
}
