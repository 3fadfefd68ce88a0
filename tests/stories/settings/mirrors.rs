//! Calendars of one user that have the same events.

use calendar_sync_e2e::{ADA, LINKED_CALENDAR, Linked, count, text};
use serde_json::json;

use super::{connect, id_there, linked, sync, theirs};

#[test]
fn an_event_that_was_edited_in_two_calendars_while_it_was_deleted_here_comes_back_once() {
    let mut linked = linked("both");
    linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
    linked.client.execute("select calendar_connect($1, 'second')", &[&linked.account]).expect("the second");
    let insert = "insert into calendar_events (user_id, title, event_date, event_end)
                  values ($1, 'One', '2030-01-15T09:00:00Z', '2030-01-15T10:00:00Z')";
    linked.client.execute(insert, &[&ADA]).expect("insert");
    sync(&mut linked);
    let id = id_there(&linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "Edited in one" }));
    let second = linked.google.calendar("second").events()[0]["id"].as_str().expect("an id").to_owned();
    linked.google.calendar("second").edit(&second, json!({ "location": "Edited in the other" }));
    linked.client.execute("delete from calendar_events", &[]).expect("delete");
    sync(&mut linked);
    let here = "select string_agg(title || ', ' || location, '; ') from calendar_events where sync_status <> 'deleted'";
    assert_eq!(text(&mut linked.client, here), "Edited in one, Edited in the other");
}

/// A second calendar; each mirrors the other.
fn mirrored(linked: &mut Linked) {
    linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
    let first = text(&mut linked.client, "select name from calendar_connections");
    let options = json!({ "mirror_from": [first] });
    let connect_second = "select calendar_connect($1, 'second', options => $2)";
    linked.client.execute(connect_second, &[&linked.account, &options]).expect("the second");
    connect(linked, "both", "details", &json!({ "mirror_from": ["Second"] }));
}

#[test]
fn what_is_deleted_where_it_came_from_and_edited_in_the_calendar_that_mirrors_that_comes_back_in_both() {
    let mut linked = linked("both");
    mirrored(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).insert(theirs("Theirs"));
    sync(&mut linked);
    let copy = linked.google.calendar("second").events()[0]["id"].as_str().expect("an id").to_owned();
    linked.google.calendar("second").edit(&copy, json!({ "summary": "Edited in the copy" }));
    linked.google.calendar(LINKED_CALENDAR).delete(&id_there(&linked));
    sync(&mut linked);
    assert_eq!(
        text(&mut linked.client, "select title || ' ' || sync_status from calendar_events"),
        "Edited in the copy synced"
    );
    assert_eq!(linked.google.calendar("second").events()[0]["summary"], "Edited in the copy");
    assert_eq!(linked.remote_titles(), ["Edited in the copy"]);
}

#[test]
fn what_is_edited_where_it_came_from_and_deleted_here_comes_back_once_also_where_calendars_mirror_each_other() {
    let mut linked = linked("both");
    mirrored(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).insert(theirs("Theirs"));
    sync(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id_there(&linked), json!({ "summary": "Edited there" }));
    linked.client.execute("delete from calendar_events", &[]).expect("delete");
    sync(&mut linked);
    assert_eq!(text(&mut linked.client, "select string_agg(title, ' ') from calendar_events"), "Edited there");
    assert_eq!(linked.remote_titles(), ["Edited there"]);
    let copies = linked.google.calendar("second").events();
    assert_eq!(copies.iter().map(|copy| &copy["summary"]).collect::<Vec<_>>(), ["Edited there"]);
}

#[test]
fn what_a_rolled_back_sync_made_and_a_pull_took_for_theirs_stays_in_no_calendar_that_mirrors_that_one() {
    let mut linked = linked("both");
    mirrored(&mut linked);
    let first =
        text(&mut linked.client, "select name from calendar_connections where external_calendar_id <> 'second'");
    let options = json!({ "mirror_from": [first], "filter": { "external_source": ["google"] } });
    let connect_second = "select calendar_connect($1, 'second', options => $2)";
    linked.client.execute(connect_second, &[&linked.account, &options]).expect("the second");
    linked.upsert_titled("1", "Ours");
    let mut transaction = linked.client.transaction().expect("a transaction");
    transaction.query("select * from calendar_sync_now($1)", &[&ADA]).expect("a report");
    transaction.rollback().expect("rolled back");
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Ours"]);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 1);
    assert!(linked.google.calendar("second").events().is_empty());
}
