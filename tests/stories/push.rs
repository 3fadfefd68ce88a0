//! What changes here is sent to the calendars that it belongs to: by the worker, and by hand.

use std::time::Instant;

use calendar_sync_e2e::{
    ADA, GoogleCall, INSERT_INTERACTIONS, LINKED_CALENDAR, Linked, count, create_crm, eventually, text,
};
use serde_json::json;

const POLLED: &str =
    "select count(*) from calendar_connections where last_synced_at is not null and leased_until is null";

#[test]
fn an_interaction_is_in_the_calendar_as_soon_as_it_is_committed() {
    let mut linked = Linked::start(true, "both");
    create_crm(&mut linked.client);
    eventually("the calendar is pulled", || count(&mut linked.client, POLLED) == 1);
    let committed = Instant::now();
    linked.client.execute(INSERT_INTERACTIONS, &[&1, &1]).expect("insert");
    eventually("it is there", || linked.remote_titles() == ["visit 1"]);
    println!("in the calendar after {} ms", committed.elapsed().as_millis());
    linked.client.batch_execute("update interaction set subject = 'A visit'").expect("update");
    eventually("its change is there", || linked.remote_titles() == ["A visit"]);
    linked.client.batch_execute("delete from interaction").expect("delete");
    eventually("it is gone", || linked.remote().is_empty());
    eventually("all is noted", || linked.operations("completed") == 3);
    assert_eq!(text(&mut linked.client, "select sync_status from calendar_event_links"), "deleted");
    // Another look at the calendar finds nothing of somebody else's.
    linked.client.execute("select calendar_sync_request()", &[]).expect("request");
    eventually("it was polled", || count(&mut linked.client, POLLED) == 1);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events"), 0);
}

#[test]
fn changes_that_are_made_before_they_are_sent_go_as_one() {
    let mut linked = Linked::start(false, "both");
    for title in ["One", "Two", "Three"] {
        linked.upsert_titled("1", title);
    }
    assert_eq!(linked.operations("pending"), 1);
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    assert_eq!(linked.remote_titles(), ["Three"]);
    assert_eq!(linked.google.count(GoogleCall::Insert), 1);
    assert_eq!(linked.google.count(GoogleCall::Patch), 0);
    // The same again is nothing to be sent.
    linked.upsert_titled("1", "Three");
    assert_eq!(linked.sync_now(), ("success".into(), 0, String::new()));
    assert_eq!(linked.google.count(GoogleCall::Patch), 0);
}

#[test]
fn only_the_fields_that_changed_are_sent() {
    let mut linked = Linked::start(false, "both");
    linked.upsert(
        "1",
        &json!({ "title": "One", "location": "Here", "start": "2030-01-15T09:00:00Z", "end": "2030-01-15T10:00:00Z" }),
    );
    linked.sync_now();
    linked.google.forget_requests();
    linked.upsert("1", &json!({ "title": "Two" }));
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    let patches: Vec<_> =
        linked.google.requests().into_iter().filter(|request| request.call == GoogleCall::Patch).collect();
    assert_eq!(patches.len(), 1);
    let body: serde_json::Value = serde_json::from_str(&patches[0].body).expect("JSON");
    let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["summary"], "{body}");
    assert!(patches[0].if_match.is_some());
}

#[test]
fn an_event_that_is_cancelled_here_is_deleted_there_and_comes_back_when_it_is_scheduled_again() {
    let mut linked = Linked::start(false, "both");
    linked.upsert_titled("1", "One");
    linked.sync_now();
    linked.upsert("1", &json!({ "event_status": "cancelled" }));
    assert_eq!(linked.sync_now().1, 1);
    assert_eq!(linked.remote().len(), 0);
    linked.upsert("1", &json!({ "event_status": "scheduled" }));
    assert_eq!(linked.sync_now().1, 1);
    assert_eq!(linked.remote_titles(), ["One"]);
    assert_eq!(linked.sync_now(), ("success".into(), 0, String::new()));
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events"), 1);
}

#[test]
fn a_busy_calendar_gets_times_alone_and_details_when_its_owner_wants_it() {
    let mut linked = Linked::start(false, "both");
    let visibility = |linked: &mut Linked, visibility: &str| {
        let connect = "select calendar_connect($1, $2, 'both', $3)";
        linked.client.execute(connect, &[&linked.account, &LINKED_CALENDAR, &visibility]).expect("connect");
    };
    visibility(&mut linked, "busy");
    let event = json!({
        "title": "Secret", "description": "Secret", "location": "Secret", "categories": ["Secret"],
        "start": "2030-01-15T09:00:00Z", "end": "2030-01-15T10:00:00Z"
    });
    linked.upsert("1", &event);
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["Busy"]);
    let told = |linked: &Linked| serde_json::to_string(&linked.remote()).expect("JSON").contains("Secret");
    assert!(!told(&linked));
    // A change of what is not shown is nothing to be sent; one of its time is.
    linked.google.forget_requests();
    linked.upsert("1", &json!({ "title": "Secret again" }));
    linked.sync_now();
    assert_eq!(linked.google.count(GoogleCall::Patch), 0);
    linked.upsert("1", &json!({ "end": "2030-01-15T11:00:00Z" }));
    linked.sync_now();
    assert_eq!(linked.google.count(GoogleCall::Patch), 1);
    assert!(!told(&linked));
    assert_eq!(text(&mut linked.client, "select title from calendar_events"), "Secret again");
}

#[test]
fn two_calendars_of_one_account_get_the_same_events_each_once() {
    let mut linked = Linked::start(false, "both");
    linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
    linked
        .client
        .execute("select calendar_connect($1, 'second', 'push')", &[&linked.account])
        .expect("connect the second");
    linked.upsert_titled("1", "One");
    let pushed: i64 = count(&mut linked.client, &format!("select sum(pushed) from calendar_sync_now('{ADA}')"));
    assert_eq!(pushed, 2);
    let second = linked.google.calendar("second").events();
    assert_eq!((linked.remote().len(), second.len()), (1, 1));
    assert_ne!(linked.remote()[0]["id"], second[0]["id"]);
    let pushed = count(&mut linked.client, &format!("select sum(pushed) from calendar_sync_now('{ADA}')"));
    assert_eq!(pushed, 0);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events"), 1);
}

#[test]
fn what_belongs_to_a_calendar_no_more_is_deleted_there_although_it_is_still_here() {
    let mut linked = Linked::start(false, "both");
    for (id, title) in [("1", "One"), ("2", "Two"), ("3", "Three")] {
        linked.upsert_titled(id, title);
    }
    linked.sync_now();
    linked
        .client
        .batch_execute(
            "update calendar_connections set filter = '{\"event_type\": [\"visit\"]}';
             update calendar_events set event_type = 'visit' where title = 'One';
             update calendar_events set location = 'Here' where title = 'Two';
             update calendar_events set user_id = 'eve@example.com' where title = 'Three'",
        )
        .expect("a filter, and another owner");
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["One"]);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 3);
    // What had never been sent is not sent now.
    linked.upsert_titled("4", "Four");
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["One"]);
    linked.client.batch_execute("update calendar_connections set filter = '{}'").expect("no filter");
    linked.client.batch_execute("select calendar_resume()").expect("compared");
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["Four", "One", "Two"]);
}
