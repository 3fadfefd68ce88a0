//! A calendar is connected in another way than before: what becomes of what is there and here.

mod mirrors;
mod visibility;

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
