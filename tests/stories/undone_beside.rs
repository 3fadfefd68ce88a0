//! Others, and the worker, beside a session whose transaction comes to nothing after it has sent something.

use calendar_sync_e2e::{ADA, LINKED_CALENDAR, Linked, count, eventually, text};
use serde_json::json;

use crate::undone::at_rest;

const WITHOUT_WORKER: (&str, &str) = ("calendar_sync.worker", "off");
/// Calendars that the worker is at, or is about to be.
const BUSY: &str = "select count(*) from calendar_connections where leased_until is not null or next_poll_at <= now()";

/// What another session is told when it wants to sync.
fn another_is_told(linked: &Linked) -> String {
    let mut other = linked.cluster.connect("crm");
    other.batch_execute("set statement_timeout = '30 s'").expect("set");
    text(&mut other, &format!("select status from calendar_sync_now('{ADA}')"))
}

#[test]
fn the_worker_undoes_it_at_once() {
    for direction in ["both", "push"] {
        let mut linked = Linked::start(true, direction);
        linked.upsert_titled("1", "One");
        eventually("it is there", || linked.remote_titles() == ["One"]);
        eventually("nobody is at it", || count(&mut linked.client, BUSY) == 0);
        linked.client.batch_execute("begin").expect("begin");
        linked.upsert_titled("1", "Another");
        linked.upsert_titled("2", "Two");
        assert_eq!(linked.sync_now(), ("success".into(), 2, String::new()), "{direction}");
        assert_eq!(linked.remote_titles(), ["Another", "Two"], "{direction}");
        linked.client.batch_execute("rollback").expect("rollback");
        eventually("it is undone", || linked.remote_titles() == ["One"]);
    }
}

#[test]
fn what_is_prepared_is_left_alone_until_it_is_decided() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER, ("max_prepared_transactions", "4")], "both");
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert_titled("1", "One");
    linked.sync_now();
    linked.client.batch_execute("prepare transaction 'one'").expect("prepare");
    assert_eq!(another_is_told(&linked), "busy");
    assert_eq!(linked.remote_titles(), ["One"]);
    linked.client.batch_execute("rollback prepared 'one'").expect("rollback");
    assert_eq!(at_rest(&mut linked), (String::new(), vec![]));
}

#[test]
fn what_is_rolled_back_to_a_savepoint_is_left_alone_until_the_transaction_is_over() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER], "both");
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert_titled("1", "One");
    linked.client.batch_execute("savepoint before").expect("savepoint");
    linked.sync_now();
    linked.client.batch_execute("rollback to before").expect("rollback");
    assert_eq!(another_is_told(&linked), "busy");
    assert_eq!(linked.remote_titles(), ["One"]);
    linked.client.batch_execute("commit").expect("commit");
    assert_eq!(at_rest(&mut linked), ("One".into(), vec!["One".into()]));
}

#[test]
fn the_worker_does_not_wait_for_a_session_that_has_begun_to_change_the_same_again() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER], "both");
    linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert_titled("1", "One");
    linked.sync_now();
    linked.client.batch_execute("rollback").expect("rollback");
    linked.upsert_titled("1", "One");
    linked.sync_now();
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert_titled("1", "Another");
    linked.sync_now();
    linked.client.batch_execute("rollback; begin").expect("rollback");
    linked.upsert_titled("1", "The third");
    linked.cluster.set("calendar_sync.worker", "on");
    let mut other = linked.cluster.connect("crm");
    other.execute("select calendar_connect($1, 'second', 'push')", &[&linked.account]).expect("connect");
    eventually("another calendar is sent what is known", || linked.google.calendar("second").events().len() == 1);
    assert_eq!(linked.remote_titles(), ["Another"]);
    linked.client.batch_execute("commit").expect("commit");
    eventually("it is sent", || linked.remote_titles() == ["The third"]);
    eventually("nothing is left", || count(&mut other, "select count(*) from calendar_unconfirmed_pushes") == 0);
}

#[test]
fn a_call_that_is_a_transaction_of_its_own_notes_nothing() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER], "both");
    linked.upsert_titled("1", "One");
    linked.upsert_titled("2", "Two");
    assert_eq!(linked.sync_now().1, 2);
    linked.upsert_titled("1", "Another");
    linked.client.execute("select calendar_delete_event($1, 'crm', '2')", &[&ADA]).expect("delete");
    assert_eq!(linked.sync_now().1, 2);
    assert_eq!(linked.remote_titles(), ["Another"]);
    assert_eq!(count(&mut linked.client, "select pg_relation_size('calendar_unconfirmed_pushes')"), 0);
}

#[test]
fn a_session_is_not_kept_from_its_calendar_by_a_worker_that_has_pulled_what_it_changes() {
    let mut linked = Linked::start(true, "both");
    linked.upsert_titled("1", "One");
    eventually("it is there", || linked.remote_titles() == ["One"]);
    eventually("nobody is at it", || count(&mut linked.client, BUSY) == 0);
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert_titled("1", "Another");
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": "theirs" }));
    let mut other = linked.cluster.connect("crm");
    other.batch_execute("select calendar_sync_request()").expect("all are due");
    eventually("the worker has been at it", || count(&mut other, BUSY) == 0);
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    linked.client.batch_execute("commit").expect("commit");
    let there = linked.remote();
    assert_eq!((&there[0]["summary"], &there[0]["location"]), (&json!("Another"), &json!("theirs")));
    let here = "select title || ', ' || location from calendar_events";
    assert_eq!(text(&mut linked.client, here), "Another, theirs");
}
