//! What merging two sides' changes means for a meeting.

#[path = "common/meetings.rs"]
mod meetings;

use calendar_sync_core::event::{Attendee, Series, ShowAs, TeamsMeeting, Timing};
use calendar_sync_core::merge::{Base, Rules, Treatment, assumed, rebase, three_way};
use meetings::*;
use serde_json::json;

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
