//! What is in a feed no more, or can't be read any more: aged out, deleted, held back, renamed, broken.

use calendar_sync_e2e::{
    Cluster, FakeWeb, Fault, Pulled, calendar_of, count, eventually, pull, pull_with, subscribe, text, vevent,
    vevent_series,
};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;

fn start() -> (Cluster, Client, FakeWeb) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "10000")]);
    let client = cluster.create_database("crm");
    (cluster, client, FakeWeb::start())
}

/// So many meetings to come.
fn meetings(count: i64) -> impl Iterator<Item = String> {
    (0..count).map(|number| vevent(&format!("m{number}"), number + 1, &format!("Meeting {number}")))
}

/// Status, error and counts of a pull that is all right.
fn success(counts: [i32; 4]) -> Pulled {
    Pulled { status: "success".into(), error: String::new(), counts }
}

const EVENTS: &str =
    "select string_agg(title || ' ' || sync_status, ', ' order by event_date, title) from calendar_events";
const HELD: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";

#[test]
fn what_a_feed_leaves_behind_is_history_and_only_what_is_not_over_is_deleted() {
    let (_cluster, mut client, web) = start();
    // Yesterday, just now, tomorrow; a series with two past instances and two to come.
    let yesterday = vevent("a", -24, "Yesterday");
    let under_way = vevent("b", 0, "Under way");
    let tomorrow = vevent("c", 24, "Tomorrow");
    let series = vevent_series("s", -47, "FREQ=DAILY;COUNT=4", "Daily");
    web.serve("/team.ics", calendar_of([yesterday.clone(), under_way.clone(), tomorrow.clone(), series]));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    assert_eq!(pull(&mut client, "team"), success([4, 0, 0, 0]));
    let past = "select string_agg(event_id || ' ' || ctid || xmin, ', ' order by event_date)
                from calendar_events where event_end < now()";
    let before = text(&mut client, past);

    // A window that moves on: what has ended is as it was.
    web.serve("/team.ics", calendar_of([tomorrow.clone()]));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 2, 1]));
    assert_eq!(text(&mut client, past), before);
    assert_eq!(
        text(&mut client, EVENTS),
        "Daily synced, Yesterday synced, Daily synced, Under way deleted, Daily deleted, Tomorrow synced, Daily deleted"
    );
    // The far end moves in as well, and out again: the same events.
    web.serve("/team.ics", calendar_of([]));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 1, 0]));
    let ids = "select string_agg(event_id::text, ' ' order by event_id) from calendar_events where series_id is null";
    let known = text(&mut client, ids);
    web.serve("/team.ics", calendar_of([under_way, tomorrow, yesterday]));
    assert_eq!(pull(&mut client, "team"), success([0, 2, 0, 1]));
    assert_eq!(text(&mut client, ids), known);
}

#[test]
fn deletes_that_are_held_back_keep_nothing_else_from_coming_in_and_what_comes_back_releases_them() {
    let (_cluster, mut client, web) = start();
    web.serve("/team.ics", calendar_of(meetings(30)));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    assert_eq!(pull(&mut client, "team"), success([30, 0, 0, 0]));
    let state = "select concat_ws(' ', status, held_back_polls, consecutive_failures) from calendar_connections";
    let fewer = |left: i64, title: &str| {
        let changed = vevent("m0", 1, title);
        web.serve("/team.ics", calendar_of(meetings(left).skip(1).chain([changed, vevent("new", 5, "New")])));
    };
    fewer(5, "Moved to room 2");
    let held = pull(&mut client, "team");
    assert_eq!((held.status.as_str(), held.counts), ("error", [1, 1, 0, 4]));
    assert!(held.error.contains("25 of 30"), "{}", held.error);
    assert_eq!(text(&mut client, state), "error 1 0");
    assert_eq!(count(&mut client, "select count(*) from calendar_events where title in ('Moved to room 2', 'New')"), 2);
    // Other deletes are not the same said again.
    fewer(6, "Moved to room 2");
    pull(&mut client, "team");
    assert_eq!(text(&mut client, state), "error 1 0");
    pull(&mut client, "team");
    assert_eq!(text(&mut client, state), "error 2 0");
    assert_eq!(count(&mut client, HELD), 31);
    // All is back: nothing is held back any more, and the count starts anew.
    web.serve("/team.ics", calendar_of(meetings(30).chain([vevent("new", 5, "New")])));
    assert_eq!(pull(&mut client, "team"), success([0, 1, 0, 30]));
    assert_eq!(text(&mut client, state), "active 0 0");
    assert_eq!(text(&mut client, "select last_error from calendar_connections"), "");
    fewer(6, "Meeting 0");
    for expected in ["error 1 0", "error 2 0", "active 0 0"] {
        pull(&mut client, "team");
        assert_eq!(text(&mut client, state), expected);
    }
    assert_eq!(count(&mut client, HELD), 7);
}

/// An override of series "s": its occurrence of the one hour is at the other.
fn moved(from: i64, to: i64, title: &str) -> String {
    let original = vevent("s", from, title);
    let id = original.lines().find_map(|line| line.strip_prefix("DTSTART:")).expect("DTSTART");
    vevent("s", to, title).replace("SUMMARY:", &format!("RECURRENCE-ID:{id}\r\nSUMMARY:"))
}

#[test]
fn an_occurrence_stays_where_it_was_last_put_also_in_the_past_and_one_under_way_comes_back_with_its_series() {
    let (_cluster, mut client, web) = start();
    let series = || vevent_series("s", -24, "FREQ=DAILY;COUNT=4", "Daily");
    web.serve("/team.ics", calendar_of([series()]));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    let brought_forward = moved(48, -3, "Brought forward");
    web.serve("/team.ics", calendar_of([series(), brought_forward.clone()]));
    assert_eq!(pull(&mut client, "team"), success([0, 1, 0, 0]));
    let all = "Daily synced, Brought forward synced, Daily synced, Daily synced";
    assert_eq!(text(&mut client, EVENTS), all);
    // That it is somewhere else can't be read any more: it is not back at its old place.
    web.serve("/team.ics", calendar_of([series(), brought_forward.replace("DTSTART:", "DTSTART:soon")]));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 0, 1]));
    assert_eq!(text(&mut client, EVENTS), all);
    web.serve("/team.ics", calendar_of([]));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 1, 0]));
    assert_eq!(text(&mut client, EVENTS), "Daily synced, Brought forward synced, Daily deleted, Daily deleted");
    web.serve("/team.ics", calendar_of([series(), brought_forward]));
    assert_eq!(pull(&mut client, "team"), success([0, 1, 0, 0]));
    assert_eq!(text(&mut client, EVENTS), all);
}

#[test]
fn deletes_that_are_confirmed_are_those_that_were_held_back_and_no_others() {
    let (_cluster, mut client, web) = start();
    web.serve("/team.ics", calendar_of(meetings(20)));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    let kept = "select event_id::text from calendar_events where title = 'Meeting 0' and sync_status = 'synced'";
    let known = text(&mut client, kept);
    // One is left, under another identifier, by which it is found as long as more than half of the items are new.
    let left = || vevent("renamed", 1, "Meeting 0");
    web.serve("/team.ics", calendar_of([left()]));
    for _ in 0..2 {
        assert_eq!(pull(&mut client, "team").status, "error");
    }
    web.serve("/team.ics", calendar_of([left(), vevent("new1", 5, "New"), vevent("new2", 6, "Also new")]));
    assert_eq!(pull(&mut client, "team"), success([2, 0, 19, 1]));
    assert_eq!(text(&mut client, kept), known);
}

#[test]
fn a_name_that_is_given_another_calendar_loses_nothing_before_that_is_confirmed() {
    let (_cluster, mut client, web) = start();
    web.serve("/team.ics", calendar_of(meetings(20)));
    web.serve("/other.ics", calendar_of((0..20).map(|n| vevent(&format!("o{n}"), 100 + n, &format!("Other {n}")))));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    subscribe(&mut client, &web.url("/other.ics"), "team");
    assert_eq!(count(&mut client, "select count(*) from calendar_connections"), 1);
    let held = pull(&mut client, "team");
    assert_eq!((held.status.as_str(), held.counts), ("error", [20, 0, 0, 0]));
    assert_eq!(count(&mut client, HELD), 40);
    assert_eq!(pull_with(&mut client, "team", true), success([0, 0, 20, 20]));
    assert_eq!(
        count(
            &mut client,
            "select count(*) from calendar_events where sync_status <> 'deleted' and title like 'Other%'"
        ),
        20
    );
}

#[test]
fn a_feed_with_new_identifiers_at_every_fetch_holds_the_same_meetings() {
    let (_cluster, mut client, web) = start();
    let renamed = |fetch: u32| {
        let meetings: String = meetings(20).chain([vevent_series("s", 2, "FREQ=WEEKLY;COUNT=5", "Weekly")]).collect();
        calendar_of([meetings.replace("UID:", &format!("UID:{fetch}-"))])
    };
    web.serve("/team.ics", renamed(1));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    assert_eq!(pull(&mut client, "team"), success([21, 0, 0, 0]));
    let versions = "select string_agg(event_id || ctid::text || xmin, ' ' order by event_id) from calendar_events";
    let before = text(&mut client, versions);
    for fetch in 2..5 {
        web.serve("/team.ics", renamed(fetch));
        assert_eq!(pull(&mut client, "team"), success([0, 0, 0, 21]));
    }
    assert_eq!(text(&mut client, versions), before);
    // What is new or gone among them is seen all the same.
    let changed = renamed(5).replace("Meeting 7", "Lunch").replace("END:VCALENDAR\r\n", &vevent("5-n", 3, "New"));
    web.serve("/team.ics", changed + "END:VCALENDAR\r\n");
    assert_eq!(pull(&mut client, "team"), success([2, 0, 1, 20]));
}

#[test]
fn what_can_not_be_read_keeps_its_last_good_data_and_is_named_and_one_notification_says_that_something_changed() {
    let (_cluster, mut client, web) = start();
    client.batch_execute("set calendar_sync.notify = on; listen calendar_sync").expect("listen");
    let series = vevent_series("s", -20, "FREQ=DAILY;COUNT=3", "Daily");
    let good = [vevent("a", 1, "One"), vevent("b", 2, "Two"), series];
    web.serve("/team.ics", calendar_of(good.clone()));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    let bad = good.clone().map(
        |event| {
            if event.contains("UID:b") { event } else { event.replace("DTSTART:", "DTSTART:not ") }
        },
    );
    web.serve("/team.ics", calendar_of(bad.clone()));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 0, 1]));
    let synced = "Daily synced, One synced, Two synced, Daily synced, Daily synced";
    assert_eq!(text(&mut client, EVENTS), "Daily synced, One error, Two synced, Daily error, Daily error");
    assert_eq!(text(&mut client, "select errors::text from calendar_sync_status('ada@example.com')"), "3");
    let named = "select details->>'bad_events' || ' ' || (details->'first'->0->>'external_id') || ' '
                     || (details->'first'->1->>'external_id')
                 from calendar_sync_log order by log_id desc limit 1";
    assert_eq!(text(&mut client, named), "2 a s");
    // Bad as it was, it is not written again.
    let versions = "select string_agg(ctid::text || xmin, ' ' order by event_id) from calendar_events";
    let before = text(&mut client, versions);
    assert_eq!(pull_with(&mut client, "team", true), success([0, 0, 0, 1]));
    assert_eq!(text(&mut client, versions), before);
    // Good again, it is all right from its first instance on, which was to come when it broke.
    client
        .batch_execute("update calendar_events set sync_status = 'error' where event_date < now()")
        .expect("as it would be a day later");
    web.serve("/team.ics", calendar_of(good));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 0, 3]));
    assert_eq!(text(&mut client, EVENTS), synced);

    let connection = text(&mut client, "select connection_id::text from calendar_connections");
    let heard: Vec<String> =
        client.notifications().iter().map(|heard| Ok(heard.payload().to_owned())).collect().expect("notifications");
    assert_eq!(heard, [connection], "the first pull alone has changed something");
}

#[test]
fn what_the_database_refuses_of_a_feed_is_one_bad_event() {
    let (_cluster, mut client, web) = start();
    client
        .batch_execute("alter table calendar_events add constraint no_lunch check (title <> 'Lunch')")
        .expect("a constraint");
    let lunch = |hours| vevent_series("lunch", hours, "FREQ=DAILY;COUNT=3", "Lunch");
    web.serve("/team.ics", calendar_of(meetings(20).chain([lunch(1)])));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    assert_eq!(pull(&mut client, "team"), success([20, 0, 0, 0]));
    let named = "select details->'first'->0->>'external_id' || ': ' || (details->'first'->0->>'error')
                 from calendar_sync_log order by log_id desc limit 1";
    assert_eq!(
        text(&mut client, named),
        "lunch: the database refuses it: new row for relation \"calendar_events\" violates check constraint \"no_lunch\""
    );
    // Known, and refused later, it keeps its last good data; allowed, it is taken.
    client.batch_execute("alter table calendar_events drop constraint no_lunch").expect("drop");
    assert_eq!(pull_with(&mut client, "team", true), success([1, 0, 0, 20]));
    client
        .batch_execute("alter table calendar_events add constraint no_lunch check (title <> 'Lunch') not valid")
        .expect("a constraint");
    web.serve("/team.ics", calendar_of(meetings(20).chain([lunch(2)])));
    assert_eq!(pull(&mut client, "team"), success([0, 0, 0, 20]));
    assert_eq!(
        count(&mut client, "select count(*) from calendar_events where title = 'Lunch' and sync_status <> 'deleted'"),
        3
    );
    // What is against everything ends the pull; nothing of it is written.
    client
        .batch_execute(
            "alter table calendar_events drop constraint no_lunch;
             create function no() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;
             create trigger no before insert or update on calendar_events for each row execute function no()",
        )
        .expect("a trigger");
    let versions = "select string_agg(ctid::text || xmin, ' ' order by event_id) from calendar_events";
    let before = text(&mut client, versions);
    web.serve("/team.ics", calendar_of((0..200).map(|n| vevent(&format!("n{n}"), n + 1, "New"))));
    let failed = pull(&mut client, "team");
    assert_eq!((failed.status.as_str(), failed.error.as_str()), ("error", "not today"));
    assert_eq!(text(&mut client, versions), before);
    assert_eq!(text(&mut client, "select last_error from calendar_connections"), "not today");
}

#[test]
fn the_worker_too_takes_what_the_database_does_not_refuse_and_goes_on_with_other_calendars() {
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    let web = FakeWeb::start();
    client
        .batch_execute(
            "alter table calendar_events add constraint no_lunch check (title <> 'Lunch');
             create function no() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;
             create trigger no before insert on calendar_events for each row when (new.title = 'Off') execute function no()",
        )
        .expect("a constraint and a trigger");
    web.serve("/lunch.ics", calendar_of(meetings(20).chain([vevent("lunch", 1, "Lunch")])));
    web.serve("/off.ics", calendar_of((0..200).map(|n| vevent(&format!("o{n}"), n + 1, "Off"))));
    web.serve("/good.ics", calendar_of(meetings(3)));
    for name in ["lunch", "off", "good"] {
        subscribe(&mut client, &web.url(&format!("/{name}.ics")), name);
    }
    let pulled = "select count(*) from calendar_connections where last_synced_at is not null or last_error is not null";
    eventually("all are pulled", || count(&mut client, pulled) == 3);
    let states =
        "select string_agg(concat_ws(' ', name, status, last_error), ', ' order by name) from calendar_connections";
    assert_eq!(text(&mut client, states), "good active, lunch active, off active not today");
    assert_eq!(count(&mut client, HELD), 23);
    let bad = "select details->'first'->0->>'external_id' from calendar_sync_log where details is not null";
    assert_eq!(text(&mut client, bad), "lunch");
}

#[test]
fn answers_that_say_nothing_of_events_delete_none_of_them() {
    let (_cluster, mut client, web) = start();
    web.serve_dated("/team.ics", calendar_of(meetings(5)), "Thu, 01 Jan 2026 00:00:00 GMT");
    subscribe(&mut client, &web.url("/team.ics"), "team");
    assert_eq!(pull(&mut client, "team"), success([5, 0, 0, 0]));
    // Nobody has asked whether anything is new: 304 is no answer to that.
    for fault in [Fault::Html].into_iter().chain([404, 410, 403, 304].map(|status| Fault::Status(status, vec![]))) {
        web.set_fault("/team.ics", fault.clone());
        for _ in 0..4 {
            assert_eq!(pull_with(&mut client, "team", true).status, "error", "{fault:?}");
        }
        assert_eq!(count(&mut client, HELD), 5, "{fault:?}");
    }
    web.set_fault("/team.ics", None);
    assert_eq!(pull(&mut client, "team"), success([0, 0, 0, 0]));
    assert_eq!(web.not_modified("/team.ics"), 1, "Last-Modified is still known");
}

#[test]
fn a_calendar_that_is_emptied_here_is_full_again_once_its_feed_is_read_as_a_whole() {
    let (_cluster, mut client, web) = start();
    web.serve("/team.ics", calendar_of(meetings(3).chain([vevent_series("s", 24, "FREQ=DAILY;COUNT=4", "Daily")])));
    subscribe(&mut client, &web.url("/team.ics"), "team");
    pull(&mut client, "team");
    let held = text(&mut client, EVENTS);
    assert_eq!(count(&mut client, HELD), 7);
    client.batch_execute("truncate calendar_events").expect("truncate");
    let agenda = "select count(*) from calendar_agenda('ada@example.com', now(), now() + interval '10 years')";
    assert_eq!(count(&mut client, agenda), 0, "no series is left half");
    pull_with(&mut client, "team", true);
    assert_eq!(text(&mut client, EVENTS), held);
    assert_eq!(count(&mut client, agenda), 7);
}
