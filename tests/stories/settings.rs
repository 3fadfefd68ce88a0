//! A calendar is connected in another way than before: what becomes of what is there and here.

use calendar_sync_e2e::{ADA, GoogleCall, GoogleFault, LINKED_CALENDAR, Linked, count, text};
use serde_json::{Value, json};

fn linked(direction: &str) -> Linked {
    Linked::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")], direction)
}

fn connect(linked: &mut Linked, direction: &str, visibility: &str, options: &Value) {
    let connect = "select calendar_connect($1, $2, $3, $4, options => $5)";
    linked
        .client
        .execute(connect, &[&linked.account, &LINKED_CALENDAR, &direction, &visibility, options])
        .expect("connect");
}

fn theirs(title: &str) -> Value {
    json!({
        "summary": title, "location": "Hall 3",
        "start": { "dateTime": "2030-01-16T09:00:00Z" }, "end": { "dateTime": "2030-01-16T10:00:00Z" }
    })
}

fn id_there(linked: &Linked) -> String {
    linked.remote()[0]["id"].as_str().expect("an id").to_owned()
}

fn sync(linked: &mut Linked) {
    for _ in 0..3 {
        linked.client.query("select * from calendar_sync_now($1)", &[&ADA]).expect("a report");
    }
    assert_eq!(linked.operations("pending"), 0);
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
fn what_a_filter_leaves_out_goes_from_there_and_stays_here_also_if_it_was_edited_there_or_nobody_hears_that_it_went() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "One");
    sync(&mut linked);
    let id = id_there(&linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "One, edited there" }));
    connect(&mut linked, "both", "details", &json!({ "filter": { "external_source": ["other"] } }));
    linked.google.fail(GoogleCall::Delete, 1, GoogleFault::LoseReply);
    for _ in 0..3 {
        linked.client.execute("update calendar_sync_queue set scheduled_for = now()", &[]).expect("now");
        linked.sync_now();
    }
    assert!(linked.remote().is_empty());
    let here = "select title from calendar_events where sync_status <> 'deleted'";
    assert_eq!(text(&mut linked.client, here), "One, edited there");
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["One, edited there"]);
}

#[test]
fn what_is_deleted_here_while_a_calendar_is_only_pulled_is_deleted_there_once_it_is_sent_to() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "One");
    linked.google.calendar(LINKED_CALENDAR).insert(theirs("Theirs"));
    sync(&mut linked);
    connect(&mut linked, "pull", "details", &json!({}));
    linked.client.execute("delete from calendar_events", &[]).expect("delete");
    sync(&mut linked);
    assert_eq!(linked.remote().len(), 2);
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert!(linked.remote().is_empty());
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events"), 0);
}

#[test]
fn an_edit_here_that_a_delete_there_takes_where_nothing_is_sent_stands_in_the_log() {
    let mut linked = linked("pull");
    linked.google.calendar(LINKED_CALENDAR).insert(theirs("Theirs"));
    sync(&mut linked);
    linked.client.execute("update calendar_events set title = 'Changed here'", &[]).expect("update");
    linked.google.calendar(LINKED_CALENDAR).delete(&id_there(&linked));
    sync(&mut linked);
    let lost =
        "select details #>> '{fields,0,local,Single,details,title}' from calendar_sync_log where action = 'conflict'";
    assert_eq!(text(&mut linked.client, lost), "Changed here");
    assert_eq!(text(&mut linked.client, "select sync_status from calendar_events"), "deleted");
}

#[test]
fn an_interactions_event_that_was_deleted_there_is_not_made_again_because_its_calendar_is_connected_otherwise() {
    let mut linked = linked("both");
    let visit = format!(
        "{}
         insert into visit (subject, interaction_date, duration_minutes, created_by)
         values ('Visit', '2030-01-15T09:00:00Z', 30, 'a0000000-0000-4000-8000-000000000001');
         update calendar_connections set user_id = 'a0000000-0000-4000-8000-000000000001';
         update calendar_accounts set user_id = 'a0000000-0000-4000-8000-000000000001'",
        crate::model::here::CRM
    );
    linked.client.batch_execute(&visit).expect("a visit");
    let user = "a0000000-0000-4000-8000-000000000001";
    let sync = |linked: &mut Linked| {
        for _ in 0..2 {
            linked.client.query("select * from calendar_sync_now($1)", &[&user]).expect("a report");
        }
    };
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).delete(&id_there(&linked));
    sync(&mut linked);
    let kept =
        "select coalesce(string_agg(concat_ws(' ', related_table, provider, action, status, error_message), ', '), '')
                from calendar_sync_log join visit using (interaction_id)
                where connection_id is not null and action = 'delete'";
    let says = "it was deleted there and stays here; it is sent there again when it changes";
    assert_eq!(text(&mut linked.client, kept), format!("visit google delete skipped {says}"));
    connect(&mut linked, "both", "details", &json!({ "conflict_policy": "local" }));
    sync(&mut linked);
    assert!(linked.remote().is_empty());
    linked.client.execute("update visit set subject = 'Visit, again'", &[]).expect("update");
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Visit, again"]);
}

#[test]
fn a_calendar_that_was_unsubscribed_from_and_is_connected_again_is_as_it_was_on_both_sides() {
    let mut linked = linked("both");
    let series = json!({
        "summary": "Standup", "recurrence": ["RRULE:FREQ=DAILY;COUNT=5"],
        "start": { "dateTime": "2030-01-16T09:00:00Z", "timeZone": "Europe/Berlin" },
        "end": { "dateTime": "2030-01-16T09:15:00Z", "timeZone": "Europe/Berlin" }
    });
    linked.google.calendar(LINKED_CALENDAR).insert(theirs("Theirs"));
    linked.google.calendar(LINKED_CALENDAR).insert(series);
    linked.upsert_titled("1", "Ours");
    sync(&mut linked);
    let events = "select string_agg(distinct title, ' ' order by title) || ' ' || count(*)
                  from calendar_events where sync_status <> 'deleted'";
    let before = text(&mut linked.client, events);
    linked.client.execute("select calendar_unsubscribe($1)", &[&linked.connection]).expect("unsubscribe");
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["Ours", "Standup", "Theirs"]);
    assert_eq!(text(&mut linked.client, events), before);
}

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

#[test]
fn a_calendar_that_is_only_sent_to_is_written_over_as_a_whole_and_pulled_later_says_the_same() {
    let mut linked = linked("push");
    linked.upsert_titled("1", "One");
    sync(&mut linked);
    let id = id_there(&linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "Theirs", "location": "Theirs" }));
    linked.upsert("1", &json!({ "description": "Ours" }));
    sync(&mut linked);
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["One"]);
    assert!(linked.remote()[0]["location"].is_null());
    assert_eq!(text(&mut linked.client, "select title || coalesce(location, '') from calendar_events"), "One");
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
fn what_a_filter_leaves_out_and_takes_in_again_before_it_went_is_there_also_if_it_was_deleted_there_meanwhile() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "One");
    sync(&mut linked);
    connect(&mut linked, "both", "details", &json!({ "filter": { "external_source": ["other"] } }));
    linked.google.calendar(LINKED_CALENDAR).delete(&id_there(&linked));
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["One"]);
    assert_eq!(text(&mut linked.client, "select title from calendar_events where sync_status <> 'deleted'"), "One");
}

#[test]
fn what_an_edit_there_brings_back_here_stays_there_no_longer_than_the_filter_lets_it() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "One");
    sync(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).edit(&id_there(&linked), json!({ "summary": "Edited there" }));
    let delete = "update calendar_events set sync_status = 'deleted', event_status = 'cancelled'";
    linked.client.execute(delete, &[]).expect("deleted");
    connect(&mut linked, "both", "details", &json!({ "filter": { "external_source": ["other"] } }));
    sync(&mut linked);
    let here = "select title || ' ' || sync_status from calendar_events";
    assert_eq!(text(&mut linked.client, here), "Edited there synced");
    assert!(linked.remote().is_empty());
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

#[test]
fn a_block_of_busy_time_of_which_nobody_heard_that_it_arrived_is_no_edit_of_the_event() {
    let mut linked = linked("both");
    linked.upsert("1", &json!({
        "title": "Dentist", "location": "Main St 3", "start": "2030-01-15T09:00:00+01:00", "end": "2030-01-15T10:00:00+01:00"
    }));
    sync(&mut linked);
    connect(&mut linked, "both", "busy", &json!({}));
    linked.google.fail(GoogleCall::Patch, 1, GoogleFault::LoseReply);
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["Busy"]);
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
    let mut linked = linked("both");
    linked.upsert("1", &json!({
        "title": "Dentist", "location": "Main St 3", "start": "2030-01-15T09:00:00+01:00", "end": "2030-01-15T10:00:00+01:00"
    }));
    sync(&mut linked);
    connect(&mut linked, "both", "busy", &json!({}));
    linked.google.fail(GoogleCall::Patch, 1, GoogleFault::LoseReply);
    linked.sync_now();
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

/// The same where a try has failed: nobody waits for the next one.
fn sync_soon(linked: &mut Linked) {
    linked.client.execute("update calendar_sync_queue set scheduled_for = now()", &[]).expect("now");
    sync(linked);
}

#[test]
fn what_waited_when_a_calendar_came_to_be_only_pulled_is_sent_once_it_is_sent_to_again() {
    let mut linked = linked("both");
    linked.upsert_titled("1", "One");
    sync(&mut linked);
    linked.upsert_titled("1", "One, changed");
    // It was changed while what it was before was under way, which was heard of later.
    linked.client.execute("update calendar_event_links set last_sync_at = now() + interval '1 s'", &[]).expect("later");
    connect(&mut linked, "pull", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["One"]);
    connect(&mut linked, "both", "details", &json!({}));
    sync(&mut linked);
    assert_eq!(linked.remote_titles(), ["One, changed"]);
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
