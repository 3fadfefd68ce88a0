//! A calendar is told no more than busy times, or all again.

use calendar_sync_e2e::{ADA, GoogleCall, GoogleFault, LINKED_CALENDAR, Linked, count, text};
use serde_json::json;

use super::{connect, id_there, linked, sync, theirs};

/// As [`sync`], where a try has failed: nobody waits for the next one.
fn sync_soon(linked: &mut Linked) {
    linked.client.execute("update calendar_sync_queue set scheduled_for = now()", &[]).expect("now");
    sync(linked);
}

#[test]
fn what_came_from_a_calendar_keeps_its_details_there_however_little_that_calendar_is_told() {
    let mut linked = linked("both");
    linked.google.calendar(LINKED_CALENDAR).insert(theirs("Theirs"));
    sync(&mut linked);
    connect(&mut linked, "both", "busy", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Theirs"]);
    linked.client.execute("update calendar_events set title = 'Changed here'", &[]).expect("update");
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Changed here"]);
    assert_eq!(linked.remote()[0]["location"], "Hall 3");
}

#[test]
fn a_block_of_busy_time_gets_its_details_back_whatever_was_written_on_it() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "Dentist");
    sync(&mut linked);
    connect(&mut linked, "both", "busy", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Busy"]);
    let id = id_there(&linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "Lunch?", "location": "Canteen" }));
    sync(&mut linked);
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Dentist"]);
    assert!(linked.remote()[0]["location"].is_null());
    assert_eq!(text(&mut linked.client, "select title from calendar_events"), "Dentist");
}

#[test]
fn a_title_given_there_before_only_busy_times_were_shown_is_taken_and_hidden() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "Dentist");
    sync(&mut linked);
    let id = id_there(&linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "Dentist, Dr. Lee" }));
    connect(&mut linked, "both", "busy", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Busy"]);
    assert_eq!(text(&mut linked.client, "select title from calendar_events"), "Dentist, Dr. Lee");
}

#[test]
fn what_an_edit_there_brings_back_here_is_shown_there_as_little_as_is_said_by_now() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "One");
    sync(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id_there(&linked), json!({ "location": "Hall 4" }));
    let delete = "update calendar_events set sync_status = 'deleted', event_status = 'cancelled'";
    linked.client.execute(delete, &[]).expect("deleted");
    connect(&mut linked, "both", "busy", &json!({}));
    sync(&mut linked);
    let here = "select title || ', ' || location || ', ' || sync_status from calendar_events";
    assert_eq!(text(&mut linked.client, here), "One, Hall 4, synced");
    assert_eq!(linked.remote_titles(), ["Busy"]);
    assert!(linked.remote()[0]["location"].is_null());
}

/// "Dentist" at "Main St 3", of which Google shows a block of busy time by now; nobody has heard that it does.
fn hidden_without_answer() -> Linked {
    let mut linked = linked("both");
    linked.upsert("1", &json!({
        "title": "Dentist", "location": "Main St 3", "start": "2030-01-15T09:00:00+01:00", "end": "2030-01-15T10:00:00+01:00"
    }));
    sync(&mut linked);
    connect(&mut linked, "both", "busy", &json!({}));
    linked.google.fail(GoogleCall::Patch, 1, GoogleFault::LoseReply);
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["Busy"]);
    linked
}

#[test]
fn a_block_of_busy_time_of_which_nobody_heard_that_it_arrived_is_no_edit_of_the_event() {
    let mut linked = hidden_without_answer();
    sync_soon(&mut linked);
    let here = "select title || ', ' || location from calendar_events";
    assert_eq!(text(&mut linked.client, here), "Dentist, Main St 3");
    assert_eq!(linked.remote_titles(), ["Busy"]);
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Dentist"]);
    assert_eq!(text(&mut linked.client, here), "Dentist, Main St 3");
}

#[test]
fn what_is_scribbled_on_a_block_of_which_nobody_heard_that_it_arrived_takes_nothing_from_the_event() {
    let mut linked = hidden_without_answer();
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "Not before ten" }));
    sync_soon(&mut linked);
    let here = "select title || ', ' || location from calendar_events";
    assert_eq!(text(&mut linked.client, here), "Dentist, Main St 3");
    assert_eq!(linked.remote_titles(), ["Not before ten"]);
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Dentist"]);
}

#[test]
fn what_was_made_there_without_anybody_hearing_of_it_and_deleted_here_goes_from_there() {
    let mut linked = linked("both");
    connect(&mut linked, "both", "busy", &json!({}));
    linked.upsert_titled("1", "One");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["Busy"]);
    linked.client.execute("select calendar_delete_event($1, 'crm', '1')", &[&ADA]).expect("delete");
    sync_soon(&mut linked);
    assert!(linked.remote().is_empty());
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 0);
}
