//! Whole batches against the tables: what is written, what is deleted, and what is held back.

use calendar_sync_core::event::{Body, Details, Event, Item, Override, Series, Timing};
use calendar_sync_core::ics;
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::prelude::*;
use uuid::Uuid;

use super::{Applied, BadItem, Read, Source, Terms, calendar, document, extend};
use crate::store::as_owner;
use crate::zones::PgZones;

const CONNECTION: Uuid = Uuid::from_u128(1);
const FEED: Source =
    Source { user_id: "ada", external_source: "ics", connection_id: Some(CONNECTION), synced_from: "ics" };

fn now() -> DateTime<Utc> {
    "2031-03-01T12:00:00Z".parse().unwrap()
}

fn event(title: &str, days: i64) -> Event {
    let start = now() + TimeDelta::days(days);
    Event {
        timing: Timing {
            start,
            end: Some(start + TimeDelta::hours(1)),
            all_day: false,
            time_zone: Some("Europe/Berlin".into()),
            floating: false,
        },
        details: Details { title: title.into(), ..Details::default() },
    }
}

fn single(id: &str, days: i64) -> Read {
    Ok(Item { external_id: id.into(), body: Body::Single(Box::new(event(id, days))) })
}

fn series(id: &str, days: i64, rule: &str, overrides: Vec<Override>) -> Read {
    let series = Series {
        template: event(id, days),
        local_start: None,
        duration: None,
        rrules: vec![rule.into()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides,
    };
    Ok(Item { external_id: id.into(), body: Body::Series(Box::new(series)) })
}

fn moved(series_days: i64, days: i64) -> Override {
    let recurrence_id = now() + TimeDelta::days(series_days);
    Override { recurrence_id, this_and_future: false, duration: None, event: event("moved", days) }
}

fn apply_at(items: Vec<Read>, complete: bool, force: bool, now: DateTime<Utc>) -> Applied {
    let terms = Terms { complete, until: None, force, confirms: None, alone: false, outcomes: false, now };
    as_owner(|installation| calendar(installation, &FEED, &PgZones, items, &terms)).unwrap()
}

fn fetch(items: Vec<Read>) -> Applied {
    apply_at(items, true, false, now())
}

fn fetch_file(text: &str) -> Applied {
    let terms =
        Terms { complete: true, until: None, force: false, confirms: None, alone: false, outcomes: false, now: now() };
    let items = ics::resolve(ics::read(text.as_bytes(), 100).unwrap(), &PgZones, "UTC").unwrap();
    as_owner(|installation| document(installation, &FEED, &PgZones, items.into(), &terms)).unwrap()
}

/// created, updated, deleted, unchanged, errors
fn counts(applied: &Applied) -> [i32; 5] {
    [applied.created, applied.updated, applied.deleted, applied.unchanged, applied.errors]
}

fn count(query: &str) -> i64 {
    Spi::get_one(query).unwrap().unwrap()
}

fn text(query: &str) -> String {
    Spi::get_one(query).unwrap().unwrap()
}

/// The version of every row: changes with every write.
fn versions() -> String {
    text(
        "select coalesce(string_agg(v, ' ' order by v), '')
         from (select 'e' || ctid::text || xmin::text from calendar_events
               union all
               select 's' || ctid::text || xmin::text from calendar_series) as r (v)",
    )
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn what_is_unchanged_is_not_written() {
        let items = || vec![single("a", 1), single("b", -5), series("s", 2, "FREQ=WEEKLY;COUNT=4", vec![moved(9, 10)])];
        assert_eq!(counts(&fetch(items())), [3, 0, 0, 0, 0]);
        let before = versions();
        assert_eq!(counts(&fetch(items())), [0, 0, 0, 3, 0]);
        assert_eq!(versions(), before);
        assert_eq!(count("select count(*) from calendar_events where series_id is not null"), 4);
        assert_eq!(count("select count(*) from calendar_events where is_override and title = 'moved'"), 1);
    }

    #[pg_test]
    fn what_is_gone_from_a_complete_fetch_and_not_over_is_deleted_and_comes_back() {
        let all = || {
            vec![
                single("over", -5),
                single("coming", 5),
                single("stays", 6),
                // A week ago, now, and in a week.
                series("s", -7, "FREQ=WEEKLY;COUNT=3", vec![]),
            ]
        };
        fetch(all());
        assert_eq!(counts(&fetch(vec![single("stays", 6)])), [0, 0, 2, 1, 0]);
        assert_eq!(
            text(
                "select string_agg(external_id || ' ' || sync_status || ' ' || event_status, ', '
                                   order by external_id, event_date)
                 from calendar_events"
            ),
            "coming deleted cancelled, over synced scheduled, s synced scheduled, s deleted cancelled, \
             s deleted cancelled, stays synced scheduled"
        );
        assert_eq!(text("select sync_status from calendar_series"), "deleted");
        assert_eq!(counts(&fetch(all())), [0, 2, 0, 2, 0]);
        assert_eq!(count("select count(*) from calendar_events where sync_status <> 'synced'"), 0);
    }

    #[pg_test]
    fn a_part_of_a_calendar_deletes_nothing() {
        fetch(vec![single("a", 1), single("b", 2)]);
        assert_eq!(counts(&apply_at(vec![single("a", 3)], false, false, now())), [0, 1, 0, 0, 0]);
        assert_eq!(count("select count(*) from calendar_events where sync_status = 'synced'"), 2);
    }

    #[pg_test]
    fn suspiciously_many_deletes_are_held_back_until_forced() {
        let all = || (0..20).map(|i| single(&format!("e{i}"), i + 1)).collect::<Vec<_>>();
        fetch(all());
        let held = fetch(vec![single("e0", 1), single("new", 3)]);
        assert_eq!(counts(&held), [1, 0, 0, 1, 0]);
        let held_back = held.held_back.unwrap();
        assert_eq!((held_back.deletes, held_back.upcoming), (19, 20));
        let same = fetch(vec![single("e0", 1), single("new", 3)]).held_back.unwrap();
        assert_eq!(same.digest, held_back.digest);
        let forced = apply_at(vec![single("e0", 1), single("new", 3)], true, true, now());
        assert_eq!(counts(&forced), [0, 0, 19, 2, 0]);
        // Few are always done.
        fetch(all());
        let mut few = all();
        few.truncate(10);
        assert_eq!(fetch(few).deleted, 10);
    }

    #[pg_test]
    fn a_series_counts_as_one_however_many_instances_it_has() {
        fetch(vec![series("s", 1, "FREQ=DAILY", vec![]), single("a", 1)]);
        let applied = fetch(vec![single("a", 1)]);
        assert_eq!((applied.deleted, applied.held_back), (1, None));
    }

    #[pg_test]
    fn new_identifiers_at_every_fetch_are_the_same_meetings() {
        let items = |mark: &str| {
            let renamed =
                |read: Read| read.map(|item| Item { external_id: format!("{}{mark}", item.external_id), ..item });
            let mut items: Vec<Read> = (0..15).map(|i| renamed(single(&format!("e{i}-"), i - 5))).collect();
            for (item, i) in items.iter_mut().flatten().zip(0..) {
                if let Body::Single(event) = &mut item.body {
                    event.details.title = format!("Meeting {i}");
                }
            }
            items
        };
        fetch(items("one"));
        let before = versions();
        assert_eq!(counts(&fetch(items("two"))), [0, 0, 0, 15, 0]);
        assert_eq!(versions(), before);
    }

    #[pg_test]
    fn what_no_longer_parses_keeps_its_last_good_data() {
        fetch(vec![single("a", 1), single("b", 2)]);
        let bad = || Err(BadItem { external_id: Some("a".into()), is_override: false, message: "no date".into() });
        assert_eq!(counts(&fetch(vec![bad(), single("b", 2)])), [0, 0, 0, 1, 1]);
        let a =
            "select title || ' ' || sync_status || ' ' || event_status from calendar_events where external_id = 'a'";
        assert_eq!(text(a), "a error scheduled");
        let before = versions();
        fetch(vec![bad(), single("b", 2)]);
        assert_eq!(versions(), before);
        assert_eq!(counts(&fetch(vec![single("a", 1), single("b", 2)])), [0, 0, 0, 2, 0]);
        assert_eq!(text(a), "a synced scheduled");
    }

    #[pg_test]
    fn one_item_that_cannot_be_stored_does_not_stop_the_others() {
        let beyond = Event {
            timing: Timing { start: "+20000-01-01T00:00:00Z".parse().unwrap(), end: None, ..event("x", 1).timing },
            ..event("x", 1)
        };
        let nowhere =
            Event { timing: Timing { time_zone: Some("Mars/Base".into()), ..event("x", 1).timing }, ..event("x", 1) };
        let nul = Event { details: Details { title: "a\0b".into(), ..Details::default() }, ..event("x", 1) };
        let item = |id: &str, event: Event| Ok(Item { external_id: id.into(), body: Body::Single(Box::new(event)) });
        let applied = fetch(vec![
            item("beyond", beyond),
            item("nowhere", nowhere),
            item("nul", nul),
            series("dense", 1, "FREQ=SECONDLY", vec![]),
            single("good", 1),
        ]);
        assert_eq!(counts(&applied), [2, 0, 0, 0, 3]);
        assert_eq!(text("select title from calendar_events where external_id = 'nul'"), "ab");
        assert_eq!(count("select count(*) from calendar_events where external_id = 'good'"), 1);
    }

    #[pg_test]
    fn what_stands_in_its_file_as_it_did_is_unchanged_and_not_gone() {
        let event = |uid: &str, title: &str| {
            format!(
                "BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\nDTSTART:20310401T090000Z\nSUMMARY:{title}\nEND:VEVENT\n"
            )
        };
        let series = event("s", "weekly").replace("SUMMARY", "RRULE:FREQ=WEEKLY;COUNT=3\nSUMMARY");
        let whole = format!("BEGIN:VCALENDAR\n{}{}{series}END:VCALENDAR\n", event("a", "one"), event("b", "two"));
        assert_eq!(counts(&fetch_file(&whole)), [3, 0, 0, 0, 0]);
        let before = versions();
        assert_eq!(counts(&fetch_file(&whole.replace("DTSTAMP:2026", "DTSTAMP:2027"))), [0, 0, 0, 3, 0]);
        assert_eq!(versions(), before);
        assert_eq!(counts(&fetch_file(&whole.replace("two", "three"))), [0, 1, 0, 2, 0]);
        assert_eq!(counts(&fetch_file(&whole)), [0, 1, 0, 2, 0]);
        let without = whole.replace(&event("a", "one"), "");
        assert_eq!(counts(&fetch_file(&without)), [0, 0, 1, 2, 0]);
        // It comes again as it was.
        assert_eq!(counts(&fetch_file(&whole)), [0, 1, 0, 2, 0]);
        assert_eq!(count("select count(*) from calendar_events where sync_status = 'synced'"), 5);
    }

    #[pg_test]
    fn a_changed_series_rewrites_only_what_starts_after_now() {
        fetch(vec![series("s", -14, "FREQ=WEEKLY;COUNT=6", vec![])]);
        let kept = "select string_agg(event_id::text || ctid::text, ' ' order by event_date)
                    from calendar_events where event_date <= '2031-03-01 12:00Z'";
        let past = text(kept);
        let applied = fetch(vec![series("s", -14, "FREQ=WEEKLY;COUNT=8;BYDAY=SA,SU", vec![])]);
        assert_eq!(counts(&applied), [0, 1, 0, 0, 0]);
        assert_eq!(text(kept), past);
        let expected = count(
            "select count(*) from calendar_rrule_occurrences('FREQ=WEEKLY;COUNT=8;BYDAY=SA,SU',
                '2031-02-15 12:00Z', 'Europe/Berlin') o where o > '2031-03-01 12:00Z'",
        );
        assert_eq!(count("select count(*) from calendar_events where event_date > '2031-03-01 12:00Z'"), expected);
    }

    #[pg_test]
    fn an_override_may_come_before_its_series() {
        let orphan = Ok(Item { external_id: "s".into(), body: Body::Overrides(vec![moved(8, 9)]) });
        let alone = apply_at(vec![orphan], false, false, now());
        assert_eq!(counts(&alone), [1, 0, 0, 0, 0]);
        let event = text("select event_id::text from calendar_events");
        apply_at(vec![series("s", 1, "FREQ=WEEKLY;COUNT=3", vec![])], false, false, now());
        let joined = format!(
            "select title || ' ' || is_override || ' ' || (series_id is not null) from calendar_events where event_id = '{event}'"
        );
        assert_eq!(text(&joined), "moved true true");
        assert_eq!(count("select count(*) from calendar_events"), 3);
        assert_eq!(count("select jsonb_array_length(overrides)::bigint from calendar_series"), 1);
        // And one that comes after it joins it, too.
        let late = Ok(Item { external_id: "s".into(), body: Body::Overrides(vec![moved(15, 16)]) });
        assert_eq!(counts(&apply_at(vec![late], false, false, now())), [0, 1, 0, 0, 0]);
        assert_eq!(count("select count(*) from calendar_events where is_override"), 2);
    }

    #[pg_test]
    fn a_series_that_becomes_a_single_event_and_back_leaves_nothing_twice() {
        fetch(vec![series("x", 1, "FREQ=DAILY;COUNT=3", vec![])]);
        assert_eq!(counts(&fetch(vec![single("x", 1)])), [0, 1, 0, 0, 0]);
        assert_eq!(count("select count(*) from calendar_events where sync_status = 'synced'"), 1);
        assert_eq!(counts(&fetch(vec![series("x", 1, "FREQ=DAILY;COUNT=3", vec![])])), [0, 1, 0, 0, 0]);
        assert_eq!(count("select count(*) from calendar_events where sync_status = 'synced'"), 3);
    }

    #[pg_test]
    fn stored_windows_move_with_time() {
        fetch(vec![series("s", 1, "FREQ=DAILY", vec![]), series("short", 1, "FREQ=DAILY;COUNT=2", vec![])]);
        let last = "select max(event_date)::text from calendar_events";
        let before = text(last);
        let later =
            |days| as_owner(|installation| extend(installation, &PgZones, now() + TimeDelta::days(days))).unwrap();
        assert_eq!(later(0), 0);
        assert_eq!(later(30), 1);
        assert_eq!(later(30), 0);
        // On the series' clock: a clock change lies between.
        let extended = format!(
            "select (max(event_date) at time zone 'Europe/Berlin' - '{before}'::timestamptz at time zone 'Europe/Berlin')::text
             from calendar_events"
        );
        assert_eq!(text(&extended), "31 days");
        assert_eq!(
            count("select count(*) from calendar_events where external_id = 's'"),
            count("select count(distinct event_date) from calendar_events where external_id = 's'")
        );
    }
}
