//! Merging what two sides have changed: laws that hold for any two, and what the rules mean for a meeting.

mod common;

use calendar_sync_core::event::{
    Attendee, Body, Details, Event, EventStatus, Override, Series, ShowAs, TeamsMeeting, Timing,
};
use calendar_sync_core::merge::{
    Base, Merged, Occurrence, Rules, Side, Treatment, assumed, rebase, three_way, with_overrides,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_800, 0).unwrap() + TimeDelta::hours(hours)
}

fn event(title: &str) -> Event {
    Event {
        timing: Timing {
            start: at(0),
            end: Some(at(1)),
            all_day: false,
            time_zone: Some("Europe/Berlin".into()),
            floating: false,
        },
        details: Details { title: title.into(), ..Details::default() },
    }
}

fn single(event: Event) -> Body {
    Body::Single(Box::new(event))
}

fn changed(body: &Body, change: impl FnOnce(&mut Event)) -> Body {
    let mut body = body.clone();
    match &mut body {
        Body::Single(event) => change(event),
        Body::Series(series) => change(&mut series.template),
        Body::Overrides(_) => {}
    }
    body
}

fn weekly(title: &str) -> Series {
    Series {
        template: event(title),
        local_start: None,
        duration: None,
        rrules: vec!["FREQ=WEEKLY;COUNT=9".into()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides: vec![],
    }
}

fn own(week: i64, change: impl FnOnce(&mut Event)) -> Override {
    let mut event = event("weekly");
    event.timing.start = at(week * 168);
    event.timing.end = Some(at(week * 168 + 1));
    change(&mut event);
    Override { recurrence_id: at(week * 168), this_and_future: false, duration: None, event }
}

fn series(series: Series) -> Body {
    Body::Series(Box::new(series))
}

fn both_had(body: &Body) -> Base {
    Base::new(body.clone(), body.clone())
}

fn names(merged: &Merged) -> Vec<&str> {
    merged.conflicts.iter().map(|field| field.name.as_str()).collect()
}

fn event_of(body: &Body) -> &Event {
    match body {
        Body::Single(event) => event,
        Body::Series(series) => &series.template,
        Body::Overrides(_) => panic!("overrides"),
    }
}

fn series_of(body: &Body) -> &Series {
    let Body::Series(series) = body else { panic!("{body:?} is no series") };
    series
}

const LOCAL_WINS: Rules = Rules { winner: Side::Local, ..Rules::MERGE };

#[test]
fn what_only_one_side_touched_is_merged() {
    let base = single(event("a"));
    let local = changed(&base, |event| event.details.title = "b".into());
    let remote = changed(&base, |event| event.timing.start = at(-1));
    let merged = three_way(&both_had(&base), &local, &remote, &Rules::MERGE);
    assert_eq!((names(&merged), merged.takes_remote, merged.keeps_local), (vec![], true, true));
    assert_eq!(event_of(&merged.body).details.title, "b");
    assert_eq!(event_of(&merged.body).timing.start, at(-1));
}

#[test]
fn a_field_that_both_touched_goes_to_the_winner_and_is_named() {
    let base = single(event("a"));
    let local = changed(&base, |event| event.details.title = "b".into());
    let remote = changed(&base, |event| event.details.title = "c".into());
    let merged = three_way(&both_had(&base), &local, &remote, &Rules::MERGE);
    assert_eq!((names(&merged), event_of(&merged.body).details.title.as_str()), (vec!["title"], "c"));
    assert_eq!(merged.conflicts[0].base, json!("a"));
    assert!(!merged.keeps_local);
    let merged = three_way(&both_had(&base), &local, &remote, &LOCAL_WINS);
    assert_eq!((names(&merged), event_of(&merged.body).details.title.as_str()), (vec!["title"], "b"));
    assert!(merged.keeps_local && !merged.takes_remote);
}

/// Hardest point 14.
#[test]
fn what_the_other_side_cannot_hold_survives_its_changes() {
    let here = series(Series {
        template: changed_event(|event| {
            event.details.show_as = ShowAs::OutOfOffice;
            event.details.teams = Some(TeamsMeeting::default());
        }),
        ..weekly("weekly")
    });
    // Notion: neither a rule, nor a zone's name, nor more than a title.
    let there = single(changed_event(|event| event.timing.time_zone = None));
    let base = Base::new(here.clone(), there.clone());
    let now = changed(&there, |event| {
        event.details.title = "moved".into();
        (event.timing.start, event.timing.end) = (at(2), Some(at(3)));
    });
    let merged = three_way(&base, &here, &now, &Rules::MERGE);
    let expected = changed(&here, |event| {
        event.details.title = "moved".into();
        (event.timing.start, event.timing.end) = (at(2), Some(at(3)));
    });
    assert_eq!(merged.body, expected);
    assert!(!merged.keeps_local);
    assert_eq!(rebase(&base, &now, &Rules::MERGE), Base::new(expected, now));
}

fn changed_event(change: impl FnOnce(&mut Event)) -> Event {
    let mut event = event("weekly");
    change(&mut event);
    event
}

#[test]
fn an_end_that_the_other_side_made_up_does_not_come_back_with_a_move() {
    let here = single(changed_event(|event| event.timing.end = None));
    let there = single(event("weekly"));
    let base = Base::new(here.clone(), there.clone());
    let moved = changed(&there, |event| (event.timing.start, event.timing.end) = (at(5), Some(at(6))));
    let merged = three_way(&base, &here, &moved, &Rules::MERGE);
    assert_eq!((event_of(&merged.body).timing.start, event_of(&merged.body).timing.end), (at(5), None));
    let longer = changed(&there, |event| event.timing.end = Some(at(2)));
    let merged = three_way(&base, &here, &longer, &Rules::MERGE);
    assert_eq!(event_of(&merged.body).timing.end, Some(at(2)));
}

#[test]
fn a_meeting_that_becomes_a_day_there_is_a_date_here() {
    let base = single(event("a"));
    let day = changed(&base, |event| {
        event.timing = Timing { start: at(-12), end: Some(at(12)), all_day: true, time_zone: None, floating: false };
    });
    let merged = three_way(&both_had(&base), &base, &day, &Rules::MERGE);
    assert_eq!(merged.body, day);
}

#[test]
fn answers_of_guests_and_a_guest_invited_here_are_both_kept() {
    let guest = |address: &str, response: Option<&str>| Attendee {
        address: address.into(),
        name: None,
        response: response.map(str::to_owned),
    };
    let base = single(changed_event(|event| event.details.attendees = vec![guest("a@x", None), guest("b@x", None)]));
    let local = changed(&base, |event| event.details.attendees.push(guest("c@x", None)));
    let remote = changed(&base, |event| event.details.attendees = vec![guest("A@x", Some("accepted"))]);
    let merged = three_way(&both_had(&base), &local, &remote, &Rules::MERGE);
    assert_eq!(names(&merged), Vec::<&str>::new());
    assert_eq!(event_of(&merged.body).details.attendees, vec![guest("A@x", Some("accepted")), guest("c@x", None)]);
}

#[test]
fn categories_and_keys_of_metadata_are_merged_one_by_one() {
    let base = single(changed_event(|event| {
        event.details.categories = vec!["a".into(), "b".into()];
        event.details.metadata = Some(json!({"project": 1, "room": 2}));
    }));
    let local = changed(&base, |event| {
        event.details.categories = vec!["b".into(), "c".into()];
        event.details.metadata = Some(json!({"project": 9, "room": 2}));
    });
    let remote = changed(&base, |event| {
        event.details.categories = vec!["a".into(), "d".into()];
        event.details.metadata = Some(json!({"project": 1}));
    });
    let merged = three_way(&both_had(&base), &local, &remote, &Rules::MERGE);
    assert_eq!(names(&merged), Vec::<&str>::new());
    let details = &event_of(&merged.body).details;
    assert_eq!(details.categories, ["c", "d"]);
    assert_eq!(details.metadata, Some(json!({"project": 9})));
}

/// Hardest point 3.
#[test]
fn occurrences_are_merged_by_their_original_start() {
    let base = series(weekly("weekly"));
    let local = series(Series {
        exdates: vec![at(168)],
        overrides: vec![own(2, |event| event.details.title = "ours".into())],
        ..weekly("weekly")
    });
    let remote = series(Series {
        overrides: vec![
            own(2, |event| event.details.location = Some("there".into())),
            own(3, |event| event.details.event_status = EventStatus::Cancelled),
        ],
        ..weekly("weekly")
    });
    let merged = three_way(&both_had(&base), &local, &remote, &Rules::MERGE);
    assert_eq!(names(&merged), Vec::<&str>::new());
    let merged = series_of(&merged.body);
    assert_eq!(merged.exdates, [at(168)]);
    assert_eq!(merged.overrides.len(), 2);
    let details = &merged.overrides[0].event.details;
    assert_eq!((details.title.as_str(), details.location.as_deref()), ("ours", Some("there")));
    assert_eq!(merged.overrides[1].event.details.event_status, EventStatus::Cancelled);
}

#[test]
fn an_edited_occurrence_beats_its_deletion_on_either_side() {
    let base = series(weekly("weekly"));
    let edited =
        series(Series { overrides: vec![own(2, |event| event.details.title = "edited".into())], ..weekly("weekly") });
    let deleted = series(Series { exdates: vec![at(336)], ..weekly("weekly") });
    let cancelled = series(Series {
        overrides: vec![own(2, |event| event.details.event_status = EventStatus::Cancelled)],
        ..weekly("weekly")
    });
    for gone in [&deleted, &cancelled] {
        for rules in [Rules::MERGE, LOCAL_WINS] {
            for (local, remote) in [(&edited, gone), (gone, &edited)] {
                let merged = three_way(&both_had(&base), local, remote, &rules);
                assert_eq!(names(&merged), ["2030-03-31T18:00:00Z occurrence"]);
                assert_eq!(series_of(&merged.body).overrides, series_of(&edited).overrides);
                assert_eq!(merged.keeps_local, *local == edited);
            }
        }
    }
}

#[test]
fn what_is_said_of_a_cancelled_occurrence_is_no_change() {
    let cancelled = |title: &str| {
        let own = own(2, |event| {
            event.details.title = title.into();
            event.details.event_status = EventStatus::Cancelled;
        });
        series(Series { overrides: vec![own], ..weekly("weekly") })
    };
    let merged = three_way(&both_had(&cancelled("a")), &cancelled("a"), &cancelled("b"), &Rules::MERGE);
    assert_eq!((merged.body, merged.takes_remote), (cancelled("a"), false));
}

#[test]
fn an_occurrence_that_stands_for_itself_there_alone_keeps_what_it_says_when_its_series_changes_there() {
    let renamed = own(1, |event| event.details.location = Some("as ever".into()));
    let there = |title: &str| series(Series { overrides: vec![renamed.clone()], ..weekly(title) });
    let here = series(weekly("weekly"));
    let merged = three_way(&Base::new(here.clone(), there("weekly")), &here, &there("new"), &Rules::MERGE);
    assert_eq!((merged.body, merged.takes_remote), (there("new"), true));
}

#[test]
fn what_is_known_of_an_occurrence_that_follows_its_series_again_is_forgotten() {
    let known =
        |week: i64| Occurrence { recurrence_id: own(week, |_| ()).recurrence_id, external_id: "x".into(), etag: None };
    let there =
        series(Series { overrides: vec![own(1, |_| ())], exdates: vec![known(2).recurrence_id], ..weekly("weekly") });
    let mut base = both_had(&there).with_occurrences(vec![known(1), known(2), known(3)]);
    base.forget_ruled();
    assert_eq!(base.occurrences, [known(1), known(2)]);
}

#[test]
fn an_override_of_the_other_side_keeps_what_that_side_cannot_hold() {
    let here = series(Series {
        template: changed_event(|event| event.details.show_as = ShowAs::OutOfOffice),
        ..weekly("weekly")
    });
    let there = series(weekly("weekly"));
    let now = with_overrides(series_of(&there), &[own(1, |event| event.details.title = "once".into())]);
    let merged = three_way(&Base::new(here.clone(), there), &here, &series(now), &Rules::MERGE);
    let details = &series_of(&merged.body).overrides[0].event.details;
    assert_eq!((details.title.as_str(), details.show_as), ("once", ShowAs::OutOfOffice));
}

#[test]
fn a_single_event_that_is_made_recurring_there_is_a_series_here() {
    let base = single(event("a"));
    let remote = series(weekly("a"));
    let local = changed(&base, |event| event.details.location = Some("Room 5".into()));
    let merged = three_way(&both_had(&base), &local, &remote, &Rules::MERGE);
    assert_eq!(series_of(&merged.body).rrules, ["FREQ=WEEKLY;COUNT=9"]);
    assert_eq!(event_of(&merged.body).details.location.as_deref(), Some("Room 5"));
    let merged = three_way(&both_had(&remote), &remote, &base, &Rules::MERGE);
    assert_eq!(merged.body, base);
}

#[test]
fn fields_that_are_ours_stay_and_are_sent_back() {
    let base = single(event("a"));
    let remote = changed(&base, |event| {
        event.details.title = "theirs".into();
        event.details.categories = vec!["red".into()];
    });
    let ours = |field: &str| if field == "title" { Treatment::Ours } else { Treatment::Merge };
    let rules = Rules { treatment: &ours, ..Rules::MERGE };
    let merged = three_way(&both_had(&base), &base, &remote, &rules);
    assert_eq!(event_of(&merged.body).details.title, "a");
    assert_eq!(event_of(&merged.body).details.categories, ["red"]);
    assert_eq!((merged.conflicts.len(), merged.overruled.len(), merged.keeps_local), (0, 1, true));
    // What is agreed on has their title: that ours differs from it is what is sent.
    assert_eq!(event_of(&rebase(&both_had(&base), &remote, &rules).local).details.title, "theirs");
}

#[test]
fn fields_that_are_not_shared_are_neither_taken_nor_sent_back() {
    let base = Base::new(single(event("Dentist")), single(event("Busy")));
    let remote = single(event("X"));
    let hidden = |field: &str| if field == "title" { Treatment::Ignore } else { Treatment::Merge };
    let rules = Rules { treatment: &hidden, ..Rules::MERGE };
    let merged = three_way(&base, &base.local, &remote, &rules);
    assert_eq!((merged.body, merged.takes_remote, merged.keeps_local), (base.local.clone(), false, false));
    assert_eq!(rebase(&base, &remote, &rules).local, base.local);
}

#[test]
fn without_a_base_nothing_is_guessed_to_be_deleted() {
    let here = series(Series {
        template: changed_event(|event| event.details.description = Some("long".into())),
        ..weekly("weekly")
    });
    let there = single(changed_event(|event| {
        event.details.title = "other".into();
        event.timing.time_zone = None;
    }));
    let merged = three_way(&assumed(&here, &there), &here, &there, &Rules::MERGE);
    assert_eq!(merged.body, changed(&here, |event| event.details.title = "other".into()));
}

#[test]
fn a_new_version_with_the_same_content_is_no_change() {
    let base = single(event("a"));
    let touched = changed(&base, |event| {
        event.details.sequence = 5;
        event.details.last_updated = Some(at(9));
    });
    let merged = three_way(&both_had(&base), &base, &touched, &Rules::MERGE);
    assert_eq!((merged.body, merged.takes_remote, merged.keeps_local), (base, false, false));
}

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
