//! What was deleted there, as far as anybody knows, and is wanted there again before anybody has heard: our own delete takes
//! nothing from this side.

use calendar_sync_e2e::{GoogleCall, GoogleFault, LINKED_CALENDAR, Linked, count, text};
use serde_json::json;

use crate::undone_there::{CONFLICTS, worlds};

/// An event "one" that both sides have.
fn linked() -> Linked {
    let mut linked =
        Linked::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")], "both");
    linked.upsert_titled("1", "one");
    assert_eq!(linked.sync_now().0, "success");
    linked
}

fn run(linked: &mut Linked, sql: &str) {
    linked.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Until nothing is left to do: titles here and there.
fn at_rest(linked: &mut Linked) -> (String, String) {
    for _ in 0..3 {
        run(linked, "update calendar_sync_queue set scheduled_for = now() where status = 'pending'");
        assert_eq!(linked.sync_now().0, "success");
    }
    assert_eq!(linked.operations("pending"), 0);
    let here = "select coalesce(string_agg(title, ', '), '') from calendar_events
                where sync_status <> 'deleted' and event_status = 'scheduled'";
    (text(&mut linked.client, here), linked.remote_titles().join(", "))
}

/// Ways in which an event goes, and comes back as it was.
const WAYS: [(&str, &str); 3] = [
    (
        "select calendar_delete_event('ada@example.com', 'crm', '1')",
        "select calendar_upsert_event('ada@example.com', 'crm', '1', '{}')",
    ),
    ("update calendar_events set event_status = 'cancelled'", "update calendar_events set event_status = 'scheduled'"),
    ("update calendar_events set user_id = 'bob'", "update calendar_events set user_id = 'ada@example.com'"),
];

#[test]
fn what_comes_back_before_anybody_heard_that_it_went_is_on_both_sides() {
    for (goes, comes) in WAYS {
        for fault in [GoogleFault::LoseReply, GoogleFault::Drop, GoogleFault::Refuse(500, "backendError")] {
            let mut linked = linked();
            run(&mut linked, goes);
            linked.google.fail(GoogleCall::Delete, 1, fault.clone());
            linked.sync_now();
            linked.google.stop_failing();
            run(&mut linked, comes);
            assert_eq!(at_rest(&mut linked), ("one".into(), "one".into()), "{goes}, {fault:?}");
            assert_eq!(count(&mut linked.client, CONFLICTS), 0, "{goes}, {fault:?}");
        }
    }
}

#[test]
fn what_came_back_and_was_edited_there_because_its_delete_never_arrived_is_merged() {
    let mut linked = linked();
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    for process_first in [false, true] {
        run(&mut linked, WAYS[0].0);
        linked.google.fail(GoogleCall::Delete, 1, GoogleFault::Refuse(500, "backendError"));
        linked.sync_now();
        linked.google.stop_failing();
        run(&mut linked, WAYS[0].1);
        linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": format!("theirs {process_first}") }));
        if process_first {
            run(&mut linked, "select * from calendar_queue_process()");
        }
        assert_eq!(at_rest(&mut linked), ("one".into(), "one".into()));
        let place = format!("theirs {process_first}");
        assert_eq!(text(&mut linked.client, "select location from calendar_events"), place);
        assert_eq!(linked.remote()[0]["location"], json!(place));
    }
    assert_eq!(count(&mut linked.client, CONFLICTS), 0);
}

#[test]
fn what_comes_back_after_its_delete_was_sent_in_a_transaction_that_came_to_nothing_is_on_both_sides() {
    for mut world in worlds() {
        world.upsert(1, "one");
        world.come_to_rest();
        for (number, title) in [(1, "one"), (1, "another")] {
            world.delete(number);
            world.in_vain(|_| {});
            assert_eq!(world.shown().len(), 0);
            world.upsert(number, title);
            world.come_to_rest();
            let deal = title.len();
            assert_eq!((world.shown(), world.here()), (vec![format!("{title}, ")], format!("{title}, visit, {deal}")));
        }
        world.delete(1);
        world.in_vain(|_| {});
        world.come_to_rest();
        assert_eq!((world.shown().len(), world.here()), (0, String::new()));
        assert_eq!(count(&mut world.client, CONFLICTS), 0);
    }
}

#[test]
fn what_was_deleted_and_changed_in_one_transaction_that_came_to_nothing_is_as_before() {
    for (fault, edits) in [(GoogleFault::LoseReply, false), (GoogleFault::Drop, false), (GoogleFault::Drop, true)] {
        let mut linked = linked();
        let id = text(&mut linked.client, "select external_id from calendar_event_links");
        run(&mut linked, &format!("begin; {}", WAYS[0].0));
        linked.google.fail(GoogleCall::Delete, 1, fault);
        run(&mut linked, "select * from calendar_queue_process()");
        linked.upsert_titled("1", "another");
        run(&mut linked, "select * from calendar_queue_process(); rollback");
        linked.google.stop_failing();
        if edits {
            linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": "theirs" }));
        }
        assert_eq!(at_rest(&mut linked), ("one".into(), "one".into()));
        let place = text(&mut linked.client, "select coalesce(location, '') from calendar_events");
        assert_eq!(place, if edits { "theirs" } else { "" });
        assert_eq!(count(&mut linked.client, CONFLICTS), 0);
    }
}

#[test]
fn what_we_have_changed_there_without_hearing_of_it_keeps_nothing_that_is_deleted_here() {
    let mut linked = linked();
    linked.upsert_titled("1", "another");
    linked.google.fail(GoogleCall::Patch, 1, GoogleFault::LoseReply);
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["another"]);
    run(&mut linked, WAYS[0].0);
    assert_eq!(at_rest(&mut linked), (String::new(), String::new()));
    for mut world in worlds() {
        world.upsert(1, "one");
        world.come_to_rest();
        world.upsert(1, "another");
        world.in_vain(|_| {});
        world.delete(1);
        world.come_to_rest();
        assert_eq!((world.shown().len(), world.here()), (0, String::new()));
        assert_eq!(count(&mut world.client, CONFLICTS), 0);
    }
}
