//! What no round of Outlook's speaks of: what is made there from here and deleted there before anybody has asked what is
//! new, and what lies beyond the span that is asked for.

use calendar_sync_e2e::{ADA, FakeGraph, GraphCall, GraphFault, count, text};
use chrono::Days;
use postgres::Client;
use serde_json::{Value, json};

use crate::microsoft::{connected, monday, planned, synced, time, upsert};

const HERE: &str = "select coalesce(string_agg(distinct title, ', ' order by title), '')
                    from calendar_events where sync_status <> 'deleted'";
const UNSEEN: &str = "select count(*) from calendar_event_links where is_unseen";

/// Ids of what is there under that subject.
fn named(graph: &FakeGraph, calendar: &str, subject: &str) -> Vec<String> {
    let events = graph.calendar(calendar).events().into_iter().filter(|event| event["subject"] == subject);
    events.map(|event| event["id"].as_str().expect("its id").to_owned()).collect()
}

fn delete(graph: &FakeGraph, calendar: &str, subject: &str) {
    named(graph, calendar, subject).iter().for_each(|id| graph.calendar(calendar).delete(id));
}

/// Sends what waits, and asks for nothing.
fn push(client: &mut Client) {
    client.query("select from calendar_queue_process()", &[]).expect("calendar_queue_process");
}

/// An application's series of six Mondays.
fn weekly(client: &mut Client, key: &str, title: &str) {
    let mut series = planned(title, monday());
    series["recurrence"] = json!(["RRULE:FREQ=WEEKLY;COUNT=6"]);
    upsert(client, key, &series);
}

#[test]
fn what_we_made_in_outlook_and_somebody_deletes_there_before_the_next_round_is_gone_here() {
    let (_cluster, mut client, graph, id) = connected("both");
    synced(&mut client);
    for (key, title) in [("a", "Kept"), ("b", "Deleted"), ("c", "Changed and deleted"), ("d", "Moved")] {
        upsert(&mut client, key, &planned(title, monday()));
    }
    weekly(&mut client, "e", "Series kept");
    weekly(&mut client, "f", "Series deleted");
    push(&mut client);
    // An update of what no round has shown changes nothing about that; nor does an occurrence that is sent by itself.
    upsert(&mut client, "c", &json!({ "location": "Room 5" }));
    let third = format!("recurrence_id::date = '{}'", monday() + Days::new(14));
    let edit = format!("update calendar_events set location = 'Room 6' where title like 'Series%' and {third}");
    assert_eq!(client.execute(&edit, &[]).expect("an edit"), 2);
    push(&mut client);
    assert_eq!(graph.calendar(&id).events().len(), 6);

    for subject in ["Deleted", "Changed and deleted", "Series deleted"] {
        delete(&graph, &id, subject);
    }
    let other = graph.add_calendar(ADA, "Other");
    named(&graph, &id, "Moved").iter().for_each(|event| graph.calendar(&id).move_to(event, &other));
    assert_eq!(synced(&mut client)[3], 4);
    assert_eq!(text(&mut client, HERE), "Kept, Series kept");

    graph.forget_requests();
    assert_eq!(synced(&mut client), [0; 7]);
    assert_eq!(graph.calls(), 1, "nothing is asked for twice: {:?}", graph.requests());
    assert_eq!(graph.calendar(&id).events().len(), 2, "nothing came back");
}

#[test]
fn what_the_next_round_shows_is_not_asked_for_by_itself() {
    let (_cluster, mut client, graph, id) = connected("both");
    synced(&mut client);
    (0..5).for_each(|key| upsert(&mut client, &key.to_string(), &planned("Shown", monday() + Days::new(key))));
    assert_eq!(synced(&mut client)[5], 5);
    assert_eq!(count(&mut client, UNSEEN), 5);
    graph.forget_requests();
    synced(&mut client);
    assert_eq!((graph.calls(), count(&mut client, UNSEEN)), (1, 0));
    // Of an update Graph will speak: the event was in a round before.
    upsert(&mut client, "1", &planned("Shown, and changed", monday()));
    push(&mut client);
    assert_eq!(count(&mut client, UNSEEN), 0);
    delete(&graph, &id, "Shown, and changed");
    assert_eq!(synced(&mut client)[3], 1);
}

/// Outside the span that rounds are of, nothing is ever shown: that is asked for once.
#[test]
fn what_no_round_will_ever_show_is_asked_for_once() {
    let (_cluster, mut client, graph, id) = connected("both");
    synced(&mut client);
    let far = monday() + Days::new(1_500);
    for (key, title) in [("a", "Far"), ("b", "Far, deleted"), ("c", "Far, and brought back")] {
        upsert(&mut client, key, &planned(title, far));
    }
    synced(&mut client);
    delete(&graph, &id, "Far, deleted");
    let [event] = &named(&graph, &id, "Far, and brought back")[..] else { panic!("one event") };
    graph
        .calendar(&id)
        .edit(event, json!({ "subject": "Near", "start": time(monday(), 9), "end": time(monday(), 10) }));
    synced(&mut client);
    assert_eq!(text(&mut client, HERE), "Far, Near");
    graph.forget_requests();
    synced(&mut client);
    assert_eq!(graph.calls(), 1, "{:?}", graph.requests());
}

/// A pull that does not count has asked for nothing.
#[test]
fn what_was_asked_for_in_a_transaction_that_rolls_back_is_asked_for_again() {
    let (_cluster, mut client, graph, id) = connected("both");
    synced(&mut client);
    for (key, title) in [("a", "Deleted"), ("b", "Deleted, too")] {
        upsert(&mut client, key, &planned(title, monday()));
    }
    synced(&mut client);
    delete(&graph, &id, "Deleted");
    let mut transaction = client.transaction().expect("a transaction");
    transaction.query("select from calendar_sync_now($1)", &[&ADA]).expect("calendar_sync_now");
    transaction.rollback().expect("rolled back");
    assert_eq!(text(&mut client, HERE), "Deleted, Deleted, too");
    // Nor has one that fails at its first question, or is refused an answer to one alone.
    delete(&graph, &id, "Deleted, too");
    graph.fail(GraphCall::Get, 1, GraphFault::RefuseFor(429, "ApplicationThrottled", 0));
    client.query("select from calendar_sync_now($1)", &[&ADA]).expect("calendar_sync_now");
    assert_eq!(text(&mut client, HERE), "Deleted, Deleted, too");
    graph.fail(GraphCall::Get, 1, GraphFault::Refuse(500, "InternalServerError"));
    graph.fail(GraphCall::Get, 1, GraphFault::Gone);
    client.execute("update calendar_connections set next_poll_at = now()", &[]).expect("no wait");
    synced(&mut client);
    assert_eq!(count(&mut client, UNSEEN), 2);
    synced(&mut client);
    assert_eq!((text(&mut client, HERE), count(&mut client, UNSEEN)), (String::new(), 0));
}

/// More than one pull asks for one by one, and too many to be believed at once.
#[test]
fn a_whole_batch_that_somebody_throws_away_is_gone_here_once_that_is_certain() {
    let (_cluster, mut client, graph, id) = connected("both");
    synced(&mut client);
    (0..60).for_each(|key| upsert(&mut client, &key.to_string(), &planned("Batch", monday() + Days::new(key))));
    synced(&mut client);
    assert_eq!(count(&mut client, UNSEEN), 60);
    delete(&graph, &id, "Batch");
    graph.forget_requests();
    let held_back = client.query_one("select status, error from calendar_sync_now($1)", &[&ADA]).expect("a report");
    assert!(held_back.get::<_, Option<&str>>(1).is_some_and(|error| error.contains("50 of 60")), "{held_back:?}");
    assert_eq!((graph.count(GraphCall::Get), count(&mut client, UNSEEN)), (50, 60));
    client.query("select from calendar_sync_now($1, true)", &[&ADA]).expect("calendar_sync_now");
    assert_eq!((text(&mut client, HERE), count(&mut client, UNSEEN)), (String::new(), 0));
}

#[test]
fn where_nothing_is_pulled_nothing_waits_to_be_seen() {
    let (_cluster, mut client, graph, id) = connected("push");
    upsert(&mut client, "a", &planned("Sent", monday()));
    synced(&mut client);
    assert_eq!(named(&graph, &id, "Sent").len(), 1);
    assert_eq!(count(&mut client, UNSEEN), 0);
}

#[test]
fn what_we_have_deleted_ourselves_is_not_asked_for() {
    let (_cluster, mut client, graph, id) = connected("both");
    for key in ["a", "b"] {
        upsert(&mut client, key, &planned("Budget", monday()));
    }
    synced(&mut client);
    synced(&mut client);
    client.execute("select calendar_delete_event($1, 'planner', 'a')", &[&ADA]).expect("delete");
    synced(&mut client);
    assert_eq!(graph.calendar(&id).events().len(), 1);
    graph.forget_requests();
    synced(&mut client);
    assert_eq!(graph.calls(), 1, "{:?}", graph.requests());
    // Somebody else's deletes are looked into.
    delete(&graph, &id, "Budget");
    assert_eq!(synced(&mut client)[3], 1);
    assert_eq!(text(&mut client, HERE), "");
}

/// Hardest points 2 and 10: a round speaks of the year to come alone.
#[test]
fn what_somebody_changes_or_deletes_in_outlook_beyond_the_span_is_found_once_it_is_changed_here() {
    let (_cluster, mut client, graph, id) = connected("both");
    let later = monday() + Days::new(3 * 365);
    for (key, title) in [("a", "Merged"), ("b", "Deleted here"), ("c", "Deleted there")] {
        upsert(&mut client, key, &planned(title, later));
    }
    synced(&mut client);
    synced(&mut client);
    for subject in ["Merged", "Deleted here"] {
        let event = &named(&graph, &id, subject)[0];
        graph.calendar(&id).edit(event, json!({ "location": { "displayName": "Room 5" } }));
    }
    delete(&graph, &id, "Deleted there");
    upsert(&mut client, "a", &json!({ "description": "As we said" }));
    client.execute("select calendar_delete_event($1, 'planner', 'b')", &[&ADA]).expect("delete");
    upsert(&mut client, "c", &json!({ "description": "As we said" }));
    for _ in 0..3 {
        synced(&mut client);
    }
    let here =
        "select string_agg(concat_ws(' | ', title, location, description), ', ' order by title) from calendar_events
                where sync_status <> 'deleted'";
    let merged = "Merged | Room 5 | As we said";
    let back = "Deleted here | Room 5";
    assert_eq!(text(&mut client, here), format!("{back}, Deleted there | As we said, {merged}"));
    let mut there: Vec<String> = graph.calendar(&id).events().iter().map(shown).collect();
    there.sort();
    assert_eq!(there, [back, "Deleted there |  | As we said", merged]);
    assert_eq!(count(&mut client, "select count(*) from calendar_sync_queue where status <> 'completed'"), 0);
    assert_eq!(count(&mut client, UNSEEN), 0);
}

fn shown(event: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
    let all = [&event["subject"], &event["location"]["displayName"], &event["body"]["content"]].map(word);
    all.join(" | ").trim_end_matches(" | ").to_owned()
}
