//! What a session has sent is there also where its transaction comes to nothing: the word of what was lost by that stays, what
//! was changed in vain is undone, and what could not be undone waits for the commit.

use calendar_sync_e2e::{ADA, INSERT_INTERACTIONS, LINKED_CALENDAR, Linked, count, create_crm, text};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

const WITHOUT_WORKER: (&str, &str) = ("calendar_sync.worker", "off");
const WITHOUT_LIMIT: (&str, &str) = ("calendar_sync.manual_sync_limit", "1000");
const WITHOUT_SLOTS: [(&str, &str); 3] =
    [WITHOUT_WORKER, ("shared_preload_libraries", ""), ("max_worker_processes", "0")];

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

/// Titles here and there, once nothing is left to do.
pub fn at_rest(linked: &mut Linked) -> (String, Vec<String>) {
    for _ in 0..3 {
        assert_eq!(linked.sync_now().0, "success");
    }
    assert_eq!(linked.operations("pending"), 0);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_unconfirmed_pushes"), 0);
    let here = "select coalesce(string_agg(title, ', ' order by title), '') from calendar_events
                where sync_status <> 'deleted'";
    (text(&mut linked.client, here), linked.remote_titles())
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
    let mut linked = disagreeing(&WITHOUT_SLOTS, 120);
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

#[test]
fn what_a_transaction_has_made_itself_waits_for_its_commit_where_it_could_not_be_undone() {
    let mut linked = Linked::start_with(&WITHOUT_SLOTS, "both");
    linked.upsert_titled("1", "One");
    for end in ["rollback", "commit"] {
        linked.client.batch_execute("begin").expect("begin");
        linked.upsert_titled("2", "Two");
        linked.sync_now();
        assert_eq!(linked.remote_titles(), ["One"]);
        linked.client.batch_execute(end).expect(end);
    }
    assert_eq!(at_rest(&mut linked), ("One, Two".into(), vec!["One".into(), "Two".into()]));
}

#[test]
fn nothing_is_sent_to_a_calendar_that_the_transaction_has_connected_itself_before_it_is_committed() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER], "both");
    linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
    linked.upsert_titled("1", "One");
    linked.sync_now();
    for (end, sent) in [("rollback", 0), ("commit", 1)] {
        linked.client.batch_execute("begin").expect("begin");
        let connect = "select calendar_connect($1, 'second', 'push')";
        linked.client.execute(connect, &[&linked.account]).expect("connect");
        linked.client.execute("select calendar_sync_now($1)", &[&ADA]).expect("sync");
        assert_eq!(linked.google.calendar("second").events().len(), 0);
        linked.client.batch_execute(end).expect(end);
        linked.client.execute("select calendar_sync_now($1)", &[&ADA]).expect("sync");
        assert_eq!(linked.google.calendar("second").events().len(), sent);
    }
}

#[test]
fn what_one_calendar_has_brought_and_another_was_sent_in_vain_is_there_once() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER], "both");
    linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
    let first = text(&mut linked.client, "select name from calendar_connections");
    let options = json!({ "mirror_from": [first] });
    let connect = "select calendar_connect($1, 'second', 'both', options => $2)";
    linked.client.execute(connect, &[&linked.account, &options]).expect("connect");
    let sync = |linked: &mut Linked| {
        linked.client.execute("select calendar_sync_now($1)", &[&ADA]).expect("sync");
    };
    sync(&mut linked);
    linked.google.calendar(LINKED_CALENDAR).insert(event());
    linked.client.batch_execute("begin").expect("begin");
    for _ in 0..2 {
        sync(&mut linked);
    }
    assert_eq!(linked.google.calendar("second").events().len(), 1);
    linked.client.batch_execute("rollback").expect("rollback");
    for _ in 0..4 {
        sync(&mut linked);
    }
    assert_eq!(linked.google.calendar("second").events().len(), 1);
    assert_eq!(linked.remote().len(), 1);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 1);
}

#[test]
fn a_series_and_what_is_different_about_its_occurrences_are_undone() {
    let mut linked = Linked::start_with(&[WITHOUT_WORKER, WITHOUT_LIMIT], "both");
    let series = |title: &str, recurrence: &[&str]| {
        json!({ "title": title, "start": event()["start"]["dateTime"], "end": event()["end"]["dateTime"],
                "event_type": "visit", "time_zone": "Europe/Berlin", "recurrence": recurrence })
    };
    let rule = ["RRULE:FREQ=DAILY;COUNT=4"];
    for _ in 0..2 {
        linked.client.batch_execute("begin").expect("begin");
        linked.upsert("1", &series("Daily", &rule));
        linked.sync_now();
        linked.client.batch_execute("rollback").expect("rollback");
    }
    linked.upsert("1", &series("Daily", &rule));
    let daily = "Daily, Daily, Daily, Daily";
    assert_eq!(at_rest(&mut linked), (daily.into(), vec!["Daily".into()]));
    linked.client.batch_execute("begin").expect("begin");
    linked.upsert("1", &json!({ "title": "Otherwise" }));
    let second = "update calendar_events set title = 'Second' where event_id = (
                      select event_id from calendar_events order by event_date offset 1 limit 1)";
    linked.client.batch_execute(second).expect("an occurrence");
    linked.sync_now();
    assert!(linked.remote_titles().contains(&"Otherwise".to_owned()), "{:?}", linked.remote_titles());
    linked.client.batch_execute("rollback").expect("rollback");
    let (here, there) = at_rest(&mut linked);
    assert_eq!(here, daily);
    assert!(there.iter().all(|title| title == "Daily"), "{there:?}");
    // Deleted.
    linked.client.batch_execute("begin").expect("begin");
    linked.client.execute("select calendar_delete_event($1, 'crm', '1')", &[&ADA]).expect("delete");
    linked.sync_now();
    assert_eq!(linked.remote().len(), 0);
    linked.client.batch_execute("rollback").expect("rollback");
    assert_eq!(at_rest(&mut linked).0, daily);
    assert!(linked.remote_titles().contains(&"Daily".to_owned()));
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_series where sync_status <> 'deleted'"), 1);
}

#[test]
fn what_came_from_there_is_committed_before_it_is_hidden_or_deleted_there() {
    let filter = json!({ "filter": { "external_source": ["other"] } });
    for (visibility, options, there) in [("busy", json!({}), vec!["Busy"]), ("details", filter, vec![])] {
        let mut linked = Linked::start_with(&[WITHOUT_WORKER, WITHOUT_LIMIT], "both");
        linked.upsert_titled("1", "One");
        linked.sync_now();
        let id = text(&mut linked.client, "select external_id from calendar_event_links");
        linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "theirs" }));
        let connect = "select calendar_connect($1, $2, 'both', $3, options => $4)";
        linked
            .client
            .execute(connect, &[&linked.account, &LINKED_CALENDAR, &visibility, &options])
            .expect("connected otherwise");
        begin(&mut linked);
        linked.sync_now();
        end(&mut linked, "rollback");
        assert_eq!(linked.remote_titles(), ["theirs"]);
        let there = there.into_iter().map(str::to_owned).collect();
        assert_eq!(at_rest(&mut linked), ("theirs".into(), there));
    }
}

#[test]
fn what_one_calendar_has_lost_to_another_is_known_also_where_that_was_rolled_back() {
    for policy in ["local", "remote", "last_write"] {
        let mut linked = Linked::start_with(&[WITHOUT_WORKER, WITHOUT_LIMIT], "both");
        linked.google.add_calendar(LINKED_CALENDAR, "second", "Second", "Europe/Berlin");
        linked.client.execute("select calendar_connect($1, 'second', 'both')", &[&linked.account]).expect("connect");
        let decided = format!("update calendar_connections set conflict_policy = '{policy}'");
        linked.client.batch_execute(&decided).expect("a policy");
        linked.upsert_titled("1", "One");
        let sync = |linked: &mut Linked| {
            linked.client.execute("select calendar_sync_now($1)", &[&ADA]).expect("sync");
        };
        let title = |linked: &Linked, calendar: &str| linked.google.calendar(calendar).events()[0]["summary"].clone();
        sync(&mut linked);
        for calendar in [LINKED_CALENDAR, "second"] {
            let calendar_there = linked.google.calendar(calendar);
            let id = calendar_there.events()[0]["id"].as_str().expect("an id").to_owned();
            calendar_there.edit(&id, json!({ "summary": calendar }));
        }
        begin(&mut linked);
        for _ in 0..2 {
            sync(&mut linked);
        }
        end(&mut linked, "rollback");
        for _ in 0..4 {
            sync(&mut linked);
        }
        let won = title(&linked, LINKED_CALENDAR);
        assert_eq!(title(&linked, "second"), won, "{policy}");
        let lost = if won == LINKED_CALENDAR { "second" } else { LINKED_CALENDAR };
        let told = format!(
            "select count(*) from calendar_sync_log where action = 'conflict' and details::text ~ '\"{lost}\"'"
        );
        assert!(count(&mut linked.client, &told) > 0, "{policy}: {lost} was lost to {won}");
    }
}
