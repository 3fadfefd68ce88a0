//! What merging two sides' changes means for a series and its occurrences.

#[path = "common/meetings.rs"]
mod meetings;

use calendar_sync_core::event::{EventStatus, Series, ShowAs};
use calendar_sync_core::merge::{Base, Occurrence, Rules, three_way, with_overrides};
use meetings::*;

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
fn an_occurrence_that_took_place_on_neither_side_and_does_there_again_is_as_it_is_there() {
    let cancelled = series(Series {
        overrides: vec![own(2, |event| {
            event.details.title = "before".into();
            event.details.event_status = EventStatus::Cancelled;
        })],
        ..weekly("weekly")
    });
    let excluded = series(Series { exdates: vec![own(2, |_| ()).recurrence_id], ..weekly("weekly") });
    let again =
        series(Series { overrides: vec![own(2, |event| event.details.title = "again".into())], ..weekly("weekly") });
    let base = Base::new(cancelled.clone(), excluded);
    let merged = three_way(&base, &cancelled, &again, &Rules::MERGE);
    assert_eq!((merged.body, merged.takes_remote), (again, true));
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
