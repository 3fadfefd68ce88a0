//! What was sent in a transaction that came to nothing, and may or may not be there.

use calendar_sync_e2e::{GoogleCall, GoogleFault, LINKED_CALENDAR, Linked, count, text};
use serde_json::json;

use crate::there::Field;
use crate::undone::at_rest;
use crate::undone_there::{CONFLICTS, World, worlds};

#[test]
fn what_had_been_taken_away_there_and_came_back_otherwise_in_vain_is_there_as_it_is_here() {
    for mut world in worlds() {
        let connect = |world: &mut World, sources: &str| {
            let options = format!(r#"{{ "filter": {{ "external_source": ["{sources}"] }} }}"#);
            let sql = format!(
                "select calendar_connect(account_id, external_calendar_id, options => '{options}') from calendar_connections"
            );
            world.run(&sql);
        };
        world.upsert(1, "one");
        world.come_to_rest();
        connect(&mut world, "other");
        world.come_to_rest();
        assert_eq!(world.shown().len(), 0);
        connect(&mut world, "crm");
        world.in_vain(|world| world.upsert(1, "another"));
        world.edit(Field::Location, "theirs");
        world.run("select * from calendar_queue_process()");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, theirs".into(), "one, theirs, visit, 3".into()));
        connect(&mut world, "other");
        world.come_to_rest();
        connect(&mut world, "crm");
        world.in_vain(|world| world.upsert(1, "a third"));
        connect(&mut world, "other");
        world.come_to_rest();
        assert_eq!((world.shown().len(), world.here()), (0, "one, theirs, visit, 3".into()));
        assert_eq!(count(&mut world.client, CONFLICTS), 0);
    }
}

/// An event "one", with two changes of its title that are rolled back: the provider answers neither.
fn without_answer() -> Linked {
    let mut linked =
        Linked::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")], "both");
    linked.upsert_titled("1", "one");
    assert_eq!(linked.sync_now().0, "success");
    for _ in 0..2 {
        linked.client.batch_execute("begin").expect("begin");
        linked.upsert_titled("1", "another");
        linked.google.fail(None, 1, GoogleFault::Refuse(500, "backendError"));
        linked.client.batch_execute("select * from calendar_queue_process()").expect("a try");
        linked.client.batch_execute("rollback").expect("rollback");
    }
    linked.google.stop_failing();
    assert_eq!(linked.remote_titles(), ["one"]);
    linked
}

#[test]
fn what_never_arrived_and_is_done_once_more_is_sent() {
    for process_first in [false, true] {
        let mut linked = without_answer();
        linked.upsert_titled("1", "another");
        if process_first {
            linked.client.batch_execute("select * from calendar_queue_process()").expect("sent");
        }
        assert_eq!(at_rest(&mut linked), ("another".into(), vec!["another".into()]));
        assert_eq!(count(&mut linked.client, CONFLICTS), 0);
    }
}

#[test]
fn what_never_arrived_is_no_edit_of_theirs() {
    for title in ["one", "a third"] {
        let mut linked = without_answer();
        let id = text(&mut linked.client, "select external_id from calendar_event_links");
        linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": "theirs" }));
        linked.upsert_titled("1", title);
        assert_eq!(at_rest(&mut linked), (title.into(), vec![title.into()]));
        assert_eq!(text(&mut linked.client, "select location from calendar_events"), "theirs");
        assert_eq!(count(&mut linked.client, CONFLICTS), 0);
    }
}

#[test]
fn what_never_arrived_keeps_nothing_that_is_deleted_there() {
    let mut linked = without_answer();
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.google.calendar(LINKED_CALENDAR).delete(&id);
    assert_eq!(at_rest(&mut linked), (String::new(), vec![]));
    assert_eq!(count(&mut linked.client, CONFLICTS), 0);
}

#[test]
fn what_never_arrived_and_is_done_once_more_outlives_a_delete_there() {
    let mut linked = without_answer();
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.google.calendar(LINKED_CALENDAR).delete(&id);
    linked.upsert_titled("1", "another");
    assert_eq!(at_rest(&mut linked), ("another".into(), vec!["another".into()]));
}

#[test]
fn what_was_undone_in_vain_as_well_is_there_as_it_is_here() {
    let mut linked =
        Linked::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")], "both");
    linked.upsert_titled("1", "one");
    assert_eq!(linked.sync_now().0, "success");
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert_titled("1", "another");
    assert_eq!(linked.sync_now().1, 1);
    linked.client.batch_execute("rollback; begin").expect("rollback");
    linked.google.fail(GoogleCall::Patch, 1, GoogleFault::Refuse(500, "backendError"));
    linked.sync_now();
    linked.client.batch_execute("rollback").expect("rollback");
    linked.google.stop_failing();
    assert_eq!(linked.remote_titles(), ["another"]);
    assert_eq!(at_rest(&mut linked), ("one".into(), vec!["one".into()]));
    assert_eq!(count(&mut linked.client, CONFLICTS), 0);
}

/// An event "one" whose delete is rolled back, `arrived` there or not; that is known, but nothing has come of it yet.
fn deleted_in_vain(arrived: bool) -> (Linked, String) {
    let mut linked =
        Linked::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")], "both");
    linked.upsert_titled("1", "one");
    assert_eq!(linked.sync_now().0, "success");
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.client.batch_execute("begin; delete from calendar_events").expect("delete");
    let fault = if arrived { GoogleFault::LoseReply } else { GoogleFault::Refuse(500, "backendError") };
    linked.google.fail(None, 1, fault);
    linked.client.batch_execute("select * from calendar_queue_process()").expect("a try");
    linked.client.batch_execute("rollback").expect("rollback");
    assert_eq!(linked.remote_titles().len(), usize::from(!arrived));
    linked.google.fail(None, 2, GoogleFault::Refuse(500, "backendError"));
    assert_ne!(linked.sync_now().0, "success");
    linked.google.stop_failing();
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_unconfirmed_pushes"), 0);
    (linked, id)
}

#[test]
fn what_was_deleted_in_vain_is_there_as_it_is_here_whether_that_arrived_or_not() {
    for arrived in [false, true] {
        let (mut linked, _) = deleted_in_vain(arrived);
        assert_eq!(at_rest(&mut linked), ("one".into(), vec!["one".into()]), "{arrived}");

        let (mut linked, _) = deleted_in_vain(arrived);
        linked.client.batch_execute("delete from calendar_events").expect("delete");
        assert_eq!(linked.sync_now().0, "success");
        assert_eq!(linked.remote_titles().len(), 0, "{arrived}");
        assert_eq!(linked.operations("pending"), 0);
    }
    let (mut linked, id) = deleted_in_vain(false);
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": "theirs" }));
    linked.client.batch_execute("delete from calendar_events").expect("delete");
    assert_eq!(at_rest(&mut linked), ("one".into(), vec!["one".into()]), "an edit beats a delete");
}
