//! What a session has sent stays there whatever becomes of its transaction; so does the word of what was lost by it.

use calendar_sync_e2e::{ADA, INSERT_INTERACTIONS, LINKED_CALENDAR, Linked, count, create_crm, text};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

const WITHOUT_WORKER: (&str, &str) = ("calendar_sync.worker", "off");

/// Who won, by which policy, and what was lost there.
const LOST: &str =
    "select coalesce(string_agg(concat_ws(' ', details ->> 'policy', details ->> 'winner', f ->> 'remote'),
                                               ', ' order by log_id), '')
                    from calendar_sync_log, jsonb_array_elements(details -> 'fields') f
                    where action = 'conflict'";

/// In a calendar where this side wins, a number of events whose titles both sides have changed.
fn disagreeing(settings: &[(&str, &str)], events: usize) -> Linked {
    let mut linked = Linked::start_with(settings, "both");
    let ids: Vec<String> = (0..events).map(|_| linked.google.calendar(LINKED_CALENDAR).insert(event())).collect();
    linked.client.batch_execute("set calendar_sync.manual_sync_limit = 100000").expect("set");
    linked.client.batch_execute("update calendar_connections set conflict_policy = 'local'").expect("policy");
    assert_eq!(linked.sync_now().0, "success");
    disagree(&mut linked, &ids, "theirs");
    linked
}

fn event() -> Value {
    let time = |hours| json!({ "dateTime": (Utc::now() + TimeDelta::days(30) + TimeDelta::hours(hours)).to_rfc3339() });
    let [start, end] = [0, 1].map(time);
    json!({ "summary": "one", "start": start, "end": end })
}

fn disagree(linked: &mut Linked, ids: &[String], theirs: &str) {
    for id in ids {
        linked.google.calendar(LINKED_CALENDAR).edit(id, json!({ "summary": theirs }));
    }
    linked.client.execute("update calendar_events set title = 'not ' || $1", &[&theirs]).expect("edit");
}

fn begin(linked: &mut Linked) {
    linked.client.batch_execute("begin isolation level repeatable read").expect("begin");
}

fn end(linked: &mut Linked, how: &str) {
    linked.client.batch_execute(how).expect(how);
}

#[test]
fn what_a_conflict_has_cost_is_known_once_whether_the_transaction_is_committed_or_not() {
    let mut linked = disagreeing(&[WITHOUT_WORKER, ("shared_preload_libraries", "")], 1);
    begin(&mut linked);
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    end(&mut linked, "rollback");
    assert_eq!(linked.remote_titles(), ["not theirs"]);
    assert_eq!(text(&mut linked.client, LOST), "local local theirs");
    for _ in 0..2 {
        assert_eq!(linked.sync_now().0, "success");
    }
    assert_eq!(text(&mut linked.client, LOST), "local local theirs", "now both sides are the same");

    let ids = [text(&mut linked.client, "select external_id from calendar_event_links")];
    disagree(&mut linked, &ids, "theirs again");
    begin(&mut linked);
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    end(&mut linked, "commit");
    assert_eq!(linked.remote_titles(), ["not theirs again"]);
    assert_eq!(text(&mut linked.client, LOST), "local local theirs, local local theirs again");
    let whole = "select count(*) from calendar_sync_log g join calendar_events using (event_id, connection_id)
                 where action = 'conflict' and provider = 'google' and g.user_id = 'ada@example.com' and status = 'success'";
    assert_eq!(count(&mut linked.client, whole), 2);
}

#[test]
fn a_decision_that_is_taken_back_after_it_was_sent_is_still_known() {
    let mut linked = disagreeing(&[WITHOUT_WORKER], 0);
    create_crm(&mut linked.client);
    linked.client.execute(INSERT_INTERACTIONS, &[&1, &1]).expect("insert");
    assert_eq!(linked.sync_now().0, "success");
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "theirs" }));
    begin(&mut linked);
    assert_eq!(linked.sync_now().1, 1);
    end(&mut linked, "rollback");
    assert_eq!(linked.remote_titles(), ["visit 1"]);
    assert_eq!(text(&mut linked.client, LOST), "interaction local theirs");
}

#[test]
fn what_settles_a_conflict_waits_for_the_commit_where_that_can_not_be_noted_before() {
    let settings = [WITHOUT_WORKER, ("shared_preload_libraries", ""), ("max_worker_processes", "0")];
    let mut linked = disagreeing(&settings, 120);
    let title = "not theirs";
    linked.upsert_titled("1", "new");
    begin(&mut linked);
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()), "the rest is sent");
    assert_eq!(linked.operations("pending"), 120);
    let refused =
        "select count(*) from calendar_queue_process(50) where status = 'pending' and error like '%committed first%'";
    assert_eq!(count(&mut linked.client, refused), 50);
    end(&mut linked, "commit");
    assert_eq!(linked.remote_titles().iter().filter(|title| *title == "theirs").count(), 120);
    assert_eq!(linked.sync_now(), ("success".into(), 120, String::new()));
    assert_eq!(linked.remote_titles().iter().filter(|it| *it == title).count(), 120);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_sync_log where action = 'conflict'"), 120);
    assert_eq!(linked.operations("pending"), 0);
}

#[test]
fn nobody_waits_for_ever_where_the_transaction_itself_is_in_the_way() {
    let mut linked = disagreeing(&[WITHOUT_WORKER], 1);
    begin(&mut linked);
    end(&mut linked, "lock table calendar_sync_log in share mode; set local statement_timeout = '300 ms'");
    let sync = format!("select * from calendar_sync_now('{ADA}')");
    let error = linked.client.batch_execute(&sync).expect_err("it takes longer");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
    end(&mut linked, "rollback");
    assert_eq!(linked.remote_titles(), ["theirs"]);
    begin(&mut linked);
    end(&mut linked, "lock table calendar_sync_log in share mode");
    assert_eq!(linked.sync_now(), ("success".into(), 0, String::new()));
    end(&mut linked, "commit");
    assert_eq!(linked.remote_titles(), ["theirs"]);
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    assert_eq!(linked.remote_titles(), ["not theirs"]);
}
