//! What is sent although something goes wrong: nothing is lost, and nothing is twice.

use std::time::Duration;

use calendar_sync_e2e::{
    ADA, GoogleCall, GoogleFault, INSERT_INTERACTIONS, LINKED_CALENDAR, Linked, count, create_crm, eventually, rounds,
    text, worker_of,
};
use serde_json::json;

const FIRST: &str = "select concat_ws(' ', status, retry_count) from calendar_sync_queue order by queue_id limit 1";

fn make_due(linked: &mut Linked) {
    linked
        .client
        .batch_execute("update calendar_sync_queue set scheduled_for = now() where status = 'pending'")
        .expect("due");
}

fn process(linked: &mut Linked) -> Vec<(String, String, String)> {
    let rows = linked.client.query("select operation, status, coalesce(error, '') from calendar_queue_process()", &[]);
    rows.expect("process").iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// Hardest point 9.
#[test]
fn a_create_whose_answer_was_lost_makes_no_second_event() {
    let mut linked = Linked::start(false, "push");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    linked.upsert_titled("1", "One");
    let (status, pushed, error) = linked.sync_now();
    assert_eq!((status.as_str(), pushed), ("error", 0));
    assert!(!error.is_empty());
    assert_eq!(linked.remote().len(), 1);
    assert_eq!(text(&mut linked.client, FIRST), "pending 0", "what is wrong with the network counts as nobody's try");
    linked.client.batch_execute("update calendar_sync_queue set scheduled_for = now()").expect("due");
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    assert_eq!(linked.remote_titles(), ["One"]);
    assert_eq!(text(&mut linked.client, FIRST), "completed 0");
}

/// Hardest point 9.
#[test]
fn what_is_deleted_after_the_answer_to_its_create_was_lost_is_deleted_there() {
    let mut linked = Linked::start(false, "push");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    let event = linked.upsert_titled("1", "One");
    linked.sync_now();
    assert_eq!(linked.remote().len(), 1);
    linked.client.execute("delete from calendar_events where event_id = $1", &[&event]).expect("delete");
    for _ in 0..2 {
        make_due(&mut linked);
        linked.client.batch_execute("update calendar_connections set consecutive_failures = 0").expect("no pause");
        linked.sync_now();
    }
    assert_eq!(linked.remote().len(), 0);
    assert_eq!(linked.operations("pending"), 0);
}

/// Synced until nothing is left to do.
fn come_to_rest(linked: &mut Linked) {
    for _ in 0..3 {
        make_due(linked);
        linked.client.batch_execute("update calendar_connections set consecutive_failures = 0").expect("no pause");
        linked.sync_now();
    }
    assert_eq!(linked.operations("completed"), count(&mut linked.client, "select count(*) from calendar_sync_queue"));
}

/// An interaction whose event was deleted there, and that has changed since: with the next sync it comes back.
fn about_to_come_back() -> Linked {
    let mut linked = Linked::start(false, "both");
    create_crm(&mut linked.client);
    linked.client.execute(INSERT_INTERACTIONS, &[&1, &1]).expect("insert");
    linked.sync_now();
    let id = linked.remote()[0]["id"].as_str().expect("an id").to_owned();
    linked.google.calendar(LINKED_CALENDAR).delete(&id);
    linked.sync_now();
    linked.client.batch_execute("update interaction set subject = 'Again'").expect("update");
    linked
}

/// Hardest point 9.
#[test]
fn what_is_deleted_after_the_answer_to_its_return_was_lost_is_deleted_there() {
    let mut linked = about_to_come_back();
    linked.google.fail(GoogleCall::Patch, 1, GoogleFault::LoseReply);
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["Again"]);
    linked.client.batch_execute("delete from interaction").expect("delete");
    come_to_rest(&mut linked);
    assert_eq!(linked.remote().len(), 0);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events"), 0);
}

/// Hardest point 9.
#[test]
fn what_is_cancelled_after_the_answer_to_its_return_was_lost_is_deleted_there() {
    for direction in ["push", "both"] {
        let mut linked = Linked::start(false, direction);
        linked.upsert_titled("1", "One");
        linked.sync_now();
        linked.upsert("1", &json!({ "event_status": "cancelled" }));
        linked.sync_now();
        linked.google.fail(GoogleCall::Patch, 1, GoogleFault::LoseReply);
        linked.upsert("1", &json!({ "event_status": "scheduled" }));
        linked.sync_now();
        assert_eq!(linked.remote_titles(), ["One"]);
        linked.upsert("1", &json!({ "event_status": "cancelled" }));
        come_to_rest(&mut linked);
        assert_eq!(linked.remote().len(), 0, "{direction}");
    }
}

/// Hardest point 9.
#[test]
fn what_comes_back_is_there_whole_whatever_becomes_of_the_answer() {
    // In a complete listing what has not come back is not.
    for (fault, by_then, force) in [(GoogleFault::LoseReply, 1, false), (GoogleFault::Drop, 0, true)] {
        let mut linked = about_to_come_back();
        linked.google.fail(GoogleCall::Patch, 1, fault.clone());
        linked.sync_now();
        assert_eq!(linked.remote().len(), by_then);
        linked.client.execute("select calendar_sync_now($1, $2)", &[&ADA, &force]).expect("sync");
        come_to_rest(&mut linked);
        assert_eq!(linked.remote_titles(), ["Again"], "{fault:?}");
        assert_eq!(text(&mut linked.client, "select string_agg(title, ', ') from calendar_events"), "Again");
        let conflicts = "select count(*) from calendar_sync_log where action = 'conflict'";
        assert_eq!(count(&mut linked.client, conflicts), 0, "{fault:?}");
    }
}

/// Hardest point 9.
#[test]
fn what_is_deleted_after_its_return_was_rolled_back_is_deleted_there() {
    let mut linked = about_to_come_back();
    linked.client.batch_execute("begin").expect("begin");
    assert_eq!(linked.sync_now().1, 1);
    linked.client.batch_execute("rollback; delete from interaction").expect("rollback");
    assert_eq!(linked.remote_titles(), ["Again"]);
    come_to_rest(&mut linked);
    assert_eq!(linked.remote().len(), 0);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events"), 0);
}

/// Hardest point 9.
#[test]
fn what_was_sent_in_a_transaction_that_was_rolled_back_is_found_again() {
    let mut linked = Linked::start(false, "both");
    for (number, title) in [("1", "One"), ("2", "Two"), ("3", "Three")] {
        linked.upsert_titled(number, title);
    }
    linked.sync_now();
    linked.upsert_titled("1", "One, changed");
    linked.client.execute("select calendar_delete_event($1, 'crm', '2')", &[&ADA]).expect("delete");
    linked.upsert_titled("4", "Four");
    linked.client.batch_execute("begin").expect("begin");
    assert_eq!(linked.sync_now().1, 3);
    linked.client.batch_execute("rollback").expect("rollback");
    let wanted = ["Four", "One, changed", "Three"];
    assert_eq!(linked.remote_titles(), wanted);
    assert_eq!(linked.operations("pending"), 3);
    for _ in 0..3 {
        let (status, _, error) = linked.sync_now();
        assert_eq!((status.as_str(), error.as_str()), ("success", ""));
    }
    assert_eq!(linked.remote_titles(), wanted);
    assert_eq!(linked.operations("pending"), 0);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 3);
}

/// Hardest point 13.
#[test]
fn an_operation_is_tried_later_and_later_until_it_is_a_dead_letter_that_can_be_revived() {
    let mut linked = Linked::start(false, "push");
    linked.google.fail(GoogleCall::Insert, 4, GoogleFault::Refuse(500, "backendError"));
    linked.upsert_titled("1", "One");
    for tries in 1..=3 {
        let handled = process(&mut linked);
        assert_eq!((handled[0].0.as_str(), handled[0].1.as_str()), ("create", "pending"), "{handled:?}");
        assert_eq!(text(&mut linked.client, FIRST), format!("pending {tries}"));
        let minutes = "select round(extract(epoch from scheduled_for - now()) / 60)::bigint from calendar_sync_queue";
        assert_eq!(count(&mut linked.client, minutes), 1 << (tries - 1));
        assert!(process(&mut linked).is_empty(), "it is not due");
        make_due(&mut linked);
    }
    assert_eq!(process(&mut linked)[0].1, "failed");
    assert_eq!(text(&mut linked.client, FIRST), "failed 3");
    let link = "select concat_ws(' ', sync_status, last_sync_error is not null) from calendar_event_links";
    assert_eq!(text(&mut linked.client, link), "error t");
    assert_eq!(
        text(&mut linked.client, "select status from calendar_connections"),
        "active",
        "the calendar is not to blame"
    );
    linked.client.batch_execute("select calendar_queue_retry(queue_id) from calendar_sync_queue").expect("retry");
    assert_eq!(process(&mut linked)[0].1, "completed");
    assert_eq!(linked.remote_titles(), ["One"]);
    assert_eq!(text(&mut linked.client, link), "synced f");
    let again = linked.client.batch_execute("select calendar_queue_retry(queue_id) from calendar_sync_queue");
    assert!(again.expect_err("it is done").to_string().contains("db error"));
}

/// Hardest point 10.
#[test]
fn what_has_changed_there_meanwhile_is_pulled_before_it_is_written() {
    let mut linked = Linked::start(true, "both");
    linked.upsert_titled("1", "One");
    eventually("it is there", || linked.remote_titles() == ["One"]);
    eventually("it is noted", || linked.operations("completed") == 1);
    let id = linked.remote()[0]["id"].as_str().expect("an id").to_owned();
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": "There" }));
    linked.upsert_titled("1", "One, changed");
    eventually("both changes are there", || {
        let event = &linked.remote()[0];
        event["summary"] == "One, changed" && event["location"] == "There"
    });
    eventually("and here", || {
        text(&mut linked.client, "select concat_ws(', ', title, location) from calendar_events")
            == "One, changed, There"
    });
    assert_eq!(linked.remote().len(), 1);
}

#[test]
fn a_calendar_that_is_never_pulled_is_written_over() {
    let mut linked = Linked::start(false, "push");
    linked.upsert_titled("1", "One");
    linked.sync_now();
    let id = linked.remote()[0]["id"].as_str().expect("an id").to_owned();
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "Theirs" }));
    linked.upsert_titled("1", "Ours");
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    assert_eq!(linked.remote_titles(), ["Ours"]);
    linked.google.calendar(LINKED_CALENDAR).delete(&id);
    linked.upsert_titled("1", "An edit beats a delete");
    linked.sync_now();
    linked.sync_now();
    assert_eq!(linked.remote_titles(), ["An edit beats a delete"]);
}

#[test]
fn a_crash_in_the_middle_of_a_push_loses_nothing_and_makes_nothing_twice() {
    let mut linked = Linked::start(true, "push");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::Delay(Duration::from_secs(3)));
    linked.google.fail(GoogleCall::Insert, 20, GoogleFault::Delay(Duration::from_millis(50)));
    for number in 0..30 {
        linked.upsert_titled(&number.to_string(), &format!("Event {number:02}"));
    }
    eventually("the worker is sending", || linked.google.count(GoogleCall::Insert) > 0);
    let worker = worker_of(&mut linked.client, "crm").expect("a worker");
    linked.cluster.kill(worker);
    linked.client = linked.cluster.connect("crm");
    let titles: Vec<String> = (0..30).map(|number| format!("Event {number:02}")).collect();
    eventually("all are there", || linked.remote_titles() == titles);
    eventually("all are noted", || linked.operations("pending") + linked.operations("processing") == 0);
    assert_eq!(linked.operations("failed"), 0);
    assert_eq!(linked.remote_titles(), titles);
    assert_eq!(count(&mut linked.client, "select count(*) from calendar_event_links where sync_status = 'synced'"), 30);
}

/// Hardest point 15.
#[test]
fn a_change_that_is_made_while_another_is_on_its_way_follows_it() {
    let mut linked = Linked::start(true, "push");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::Delay(Duration::from_secs(1)));
    linked.upsert_titled("1", "One");
    eventually("it is on its way", || linked.operations("processing") == 1);
    linked.upsert_titled("1", "Two");
    assert_eq!((linked.operations("processing"), linked.operations("pending")), (1, 1));
    eventually("the change is there, too", || linked.remote_titles() == ["Two"]);
    eventually("both are noted", || linked.operations("completed") == 2);
    let calls: Vec<GoogleCall> =
        linked.google.requests().iter().map(|request| request.call).filter(|call| call.writes()).collect();
    assert_eq!(calls, [GoogleCall::Insert, GoogleCall::Patch]);
}

/// Hardest point 15.
#[test]
fn what_is_deleted_while_its_create_is_on_its_way_is_deleted_there() {
    let mut linked = Linked::start(true, "push");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::Delay(Duration::from_secs(1)));
    let event = linked.upsert_titled("1", "One");
    eventually("it is on its way", || linked.operations("processing") == 1);
    linked.client.execute("delete from calendar_events where event_id = $1", &[&event]).expect("delete");
    eventually("both are noted", || linked.operations("completed") == 2);
    assert_eq!(linked.remote().len(), 0);
}

#[test]
fn a_call_by_hand_can_be_cancelled_while_it_sends() {
    let mut linked = Linked::start(false, "push");
    // Whoever did not heed the cancel would wait for an hour.
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::Delay(Duration::from_secs(3600)));
    linked.client.batch_execute("set calendar_sync.http_timeout = '1h'").expect("set");
    linked.upsert_titled("1", "One");
    let (google, cancel) = (&linked.google, linked.client.cancel_token());
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            eventually("it is being sent", || google.count(GoogleCall::Insert) == 1);
            cancel.cancel_query(postgres::NoTls).expect("cancel");
        });
        linked.client.query("select * from calendar_queue_process()", &[])
    });
    let error = result.expect_err("cancelled");
    assert_eq!(error.code(), Some(&postgres::error::SqlState::QUERY_CANCELED), "{error:?}");
    assert_eq!(linked.operations("pending"), 1);
}

#[test]
fn tokens_that_are_refused_are_renewed_once_and_the_push_goes_on() {
    for worker in [true, false] {
        let mut linked = Linked::start(worker, "push");
        linked.google.expire_access_tokens();
        linked.upsert_titled("1", "One");
        if worker {
            eventually("it is there", || linked.remote_titles() == ["One"]);
        } else {
            assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
            assert_eq!(linked.remote_titles(), ["One"]);
        }
        assert_eq!(linked.google.count(GoogleCall::Token), 1);
        assert_eq!(text(&mut linked.client, "select max(retry_count)::text from calendar_sync_queue"), "0");
    }
}

#[test]
fn nothing_is_sent_to_a_paused_calendar_and_all_of_it_when_it_goes_on() {
    let mut linked = Linked::start(true, "push");
    linked.client.batch_execute("select calendar_pause(connection_id) from calendar_connections").expect("pause");
    linked.upsert_titled("1", "One");
    rounds(&mut linked.client, "running");
    assert_eq!((linked.remote().len(), linked.operations("pending")), (0, 1));
    linked.client.batch_execute("select calendar_continue(connection_id) from calendar_connections").expect("continue");
    eventually("it is there", || linked.remote_titles() == ["One"]);
}

#[test]
fn a_restored_copy_sends_nothing_by_hand_or_by_its_worker_until_it_is_the_real_one() {
    for worker in [true, false] {
        let mut linked = Linked::start(worker, "push");
        linked.client.batch_execute("update calendar_installation set system_identifier = 1").expect("as if restored");
        linked.upsert_titled("1", "One");
        let queue = "insert into calendar_sync_queue (operation, event_id, connection_id)
             select 'create', e.event_id, c.connection_id from calendar_events e, calendar_connections c
             on conflict do nothing";
        linked.client.batch_execute(queue).expect("queue");
        let calls = linked.google.calls();
        let (status, pushed, error) = linked.sync_now();
        assert_eq!((status.as_str(), pushed), ("error", 0));
        assert!(error.contains("restored copy"), "{error}");
        let refused = linked.client.query("select * from calendar_queue_process()", &[]).expect("process");
        assert!(refused.is_empty());
        if worker {
            rounds(&mut linked.client, "stands aside: restored copy");
        }
        assert_eq!((linked.google.calls(), linked.remote().len()), (calls, 0));
        linked.client.batch_execute("select calendar_resume()").expect("resume");
        linked.sync_now();
        eventually("it is there", || linked.remote_titles() == ["One"]);
    }
}

/// Hardest point 14.
#[test]
fn what_a_calendar_cannot_hold_stays_here_and_its_link_says_why() {
    let mut linked = Linked::start(false, "push");
    let series = json!({
        "title": "Series", "start": "2030-01-15T09:00:00Z", "end": "2030-01-15T10:00:00Z",
        "recurrence": ["RRULE:FREQ=DAILY;COUNT=3", "EXRULE:FREQ=DAILY;COUNT=1"]
    });
    linked.upsert("1", &series);
    linked.sync_now();
    let state = "select concat_ws(' ', q.status, q.retry_count, l.sync_status, l.last_sync_error is not null)
        from calendar_sync_queue q join calendar_event_links l using (series_id) order by q.queue_id desc limit 1";
    assert_eq!(text(&mut linked.client, state), "failed 0 error t");
    assert!(linked.remote().is_empty());
    assert_eq!(linked.sync_now(), ("success".into(), 0, String::new()), "it is not tried again by itself");
    linked.upsert("1", &json!({ "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"] }));
    assert_eq!(linked.sync_now(), ("success".into(), 1, String::new()));
    assert_eq!(text(&mut linked.client, state), "completed 0 synced f");
}

#[test]
fn a_series_and_its_occurrences_go_as_one_and_an_occurrence_by_itself() {
    let mut linked = Linked::start(false, "both");
    let series = json!({
        "title": "Stand-up", "start": "2030-01-14T09:00:00", "end": "2030-01-14T09:15:00", "time_zone": "Europe/Berlin",
        "recurrence": ["RRULE:FREQ=DAILY;COUNT=5"]
    });
    linked.upsert("1", &series);
    let synced = linked.sync_now();
    assert_eq!(synced, ("success".into(), 1, String::new()));
    let there = linked.remote();
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(there[0]["recurrence"], json!(["RRULE:FREQ=DAILY;COUNT=5"]));
    assert_eq!(there[0]["start"]["timeZone"], "Europe/Berlin");
    assert_eq!(linked.sync_now(), ("success".into(), 0, String::new()));
    linked.upsert("1", &json!({ "title": "Daily" }));
    assert_eq!(linked.sync_now().1, 1);
    assert_eq!(linked.remote_titles(), ["Daily"]);
    linked.client.execute("select calendar_delete_event($1, 'crm', '1')", &[&ADA]).expect("delete");
    assert_eq!(linked.sync_now().1, 1);
    assert!(linked.remote().is_empty());
}
