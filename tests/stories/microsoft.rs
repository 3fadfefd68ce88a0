//! Calendars of Microsoft 365, through SQL alone.

use calendar_sync_e2e::{ADA, Cluster, FakeGraph, GraphCall, GraphFault, GraphPages, count, text};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc, Weekday};
use postgres::Client;
use serde_json::{Value, json};

/// Without the worker: each story syncs by hand.
pub fn connected(direction: &str) -> (Cluster, Client, FakeGraph, String) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let mut client = cluster.create_database("crm");
    let graph = FakeGraph::start();
    let calendar = graph.add_mailbox(ADA);
    graph.connect(&mut client, ADA, &calendar, direction);
    (cluster, client, graph, calendar)
}

/// Counts (fetched, created, updated, deleted, unchanged, pushed, conflicts) of one calendar_sync_now that goes well.
pub fn synced(client: &mut Client) -> [i32; 7] {
    let query = "select status, fetched, created, updated, deleted, unchanged, pushed, conflicts, coalesce(error, '')
                 from calendar_sync_now($1)";
    let row = client.query_one(query, &[&ADA]).expect("a row for the connection");
    let counts = [1, 2, 3, 4, 5, 6, 7].map(|column| row.get::<_, Option<i32>>(column).unwrap_or_default());
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(8)), ("success", ""), "{counts:?}");
    counts
}

/// The first Monday that is at least three weeks ahead.
pub fn monday() -> NaiveDate {
    let day = Utc::now().date_naive() + Days::new(21);
    day + Days::new(u64::from((7 - day.weekday().days_since(Weekday::Mon)) % 7))
}

/// In Berlin.
pub fn time(day: NaiveDate, hour: u32) -> Value {
    json!({ "dateTime": format!("{day}T{hour:02}:00:00"), "timeZone": "W. Europe Standard Time" })
}

fn meeting(subject: &str, day: NaiveDate) -> Value {
    json!({ "subject": subject, "start": time(day, 9), "end": time(day, 10) })
}

/// Six Mondays at nine.
fn weekly(subject: &str) -> Value {
    let pattern = json!({ "type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday" });
    let range = json!({ "type": "numbered", "startDate": monday(), "numberOfOccurrences": 6,
                        "recurrenceTimeZone": "W. Europe Standard Time" });
    let mut event = meeting(subject, monday());
    event["recurrence"] = json!({ "pattern": pattern, "range": range });
    event
}

/// When the clock in Berlin shows that hour.
fn instant(client: &mut Client, day: NaiveDate, hour: u32) -> DateTime<Utc> {
    let query = format!(
        "select to_char(timestamp '{day} {hour}:00' at time zone 'Europe/Berlin' at time zone 'UTC', \
                         'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    );
    text(client, &query).parse().expect("an instant")
}

pub fn upsert(client: &mut Client, key: &str, event: &Value) {
    let upsert = "select action from calendar_upsert_event($1, 'planner', $2, $3)";
    client.query_one(upsert, &[&ADA, &key, event]).expect("calendar_upsert_event");
}

/// An application's event from nine to ten in Berlin.
pub fn planned(title: &str, day: NaiveDate) -> Value {
    json!({ "title": title, "start": format!("{day}T09:00:00"), "end": format!("{day}T10:00:00"),
            "time_zone": "Europe/Berlin" })
}

const SHOWN: &str =
    "select coalesce(string_agg(concat_ws(' ', title, start_time, event_status), ', ' order by event_date), '')
                     from calendar_events where sync_status <> 'deleted'";

#[test]
fn what_is_in_outlook_is_here_and_what_changes_there_changes_here() {
    let (_cluster, mut client, graph, id) = connected("both");
    let calendar = graph.calendar(&id);
    graph.set_pages(GraphPages { size: Some(2), empty: true, replays: true, backwards: true });
    let days: Vec<NaiveDate> = (0..5).map(|day| monday() + Days::new(day)).collect();
    let ids: Vec<String> = days.iter().map(|day| calendar.insert(meeting("Day", *day))).collect();
    assert_eq!(synced(&mut client)[..5], [5, 5, 0, 0, 0]);

    graph.forget_requests();
    assert_eq!(synced(&mut client), [0; 7]);
    assert_eq!(graph.calls(), 1, "nothing to do is one request: {:?}", graph.requests());

    calendar.edit(&ids[0], json!({ "subject": "First", "importance": "high", "categories": ["Red", "Travel"] }));
    calendar.delete(&ids[1]);
    calendar.cancel(&ids[2]);
    synced(&mut client);
    let shown = "First 09:00:00 scheduled, Day 09:00:00 cancelled, Day 09:00:00 scheduled, Day 09:00:00 scheduled";
    assert_eq!(text(&mut client, SHOWN), shown);
    let outlook =
        "select concat_ws(' ', importance, categories, time_zone) from calendar_outlook_events where title = 'First'";
    assert_eq!(text(&mut client, outlook), "HIGH Red,Travel Europe/Berlin");
    assert!(graph.requests().iter().all(|request| request.wants_immutable_ids()));
}

/// Hardest point 4.
#[test]
fn an_occurrence_that_somebody_deletes_in_outlook_is_gone_here_though_graph_does_not_say_so() {
    for hidden in [false, true] {
        let (_cluster, mut client, graph, id) = connected("pull");
        let calendar = graph.calendar(&id);
        graph.hide_cancelled_occurrences(hidden);
        let series = calendar.insert(weekly("Stand-up"));
        synced(&mut client);
        let instances = "select count(*) from calendar_events where title = 'Stand-up' and sync_status <> 'deleted'";
        assert_eq!(count(&mut client, instances), 6);
        let second = instant(&mut client, monday() + Days::new(7), 9);
        let third = instant(&mut client, monday() + Days::new(14), 9);
        calendar.delete_occurrence(&series, second);
        let later = monday() + Days::new(15);
        calendar.edit_occurrence(
            &series,
            third,
            json!({ "subject": "Later", "start": time(later, 15), "end": time(later, 16) }),
        );
        synced(&mut client);
        assert_eq!(count(&mut client, instances), 4);
        let moved = "select concat_ws(' ', start_time, is_override) from calendar_events where title = 'Later'";
        assert_eq!(text(&mut client, moved), "15:00:00 t");
        let gone = format!("{instances} and recurrence_id = '{second}'");
        assert_eq!(count(&mut client, &gone), 0);
    }
}

/// Hardest point 2.
#[test]
fn what_leaves_the_span_that_is_asked_for_is_not_deleted() {
    let (_cluster, mut client, graph, id) = connected("pull");
    let calendar = graph.calendar(&id);
    let event = calendar.insert(meeting("Far", monday()));
    synced(&mut client);
    let far = monday() + Days::new(1_500);
    calendar.edit(&event, json!({ "start": time(far, 9), "end": time(far, 10) }));
    synced(&mut client);
    let shown = format!(
        "select count(*) from calendar_events where event_date > '{}' and sync_status = 'synced'",
        monday() + Days::new(1_400)
    );
    assert_eq!(count(&mut client, &shown), 1);
    calendar.delete(&event);
    graph.forget_rounds();
    synced(&mut client);
}

/// Hardest points 1 and 9.
#[test]
fn what_is_made_here_is_in_outlook_once_and_does_not_come_back_as_a_change() {
    let (_cluster, mut client, graph, id) = connected("both");
    synced(&mut client);
    upsert(&mut client, "a", &planned("Budget", monday()));
    graph.fail(GraphCall::Create, 1, GraphFault::LoseReply);
    let _ = client.query("select from calendar_sync_now($1)", &[&ADA]).expect("calendar_sync_now");
    client.execute("update calendar_sync_queue set scheduled_for = now()", &[]).expect("no wait");
    client.execute("update calendar_connections set next_poll_at = now()", &[]).expect("no wait");
    synced(&mut client);
    let events = graph.calendar(&id).events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["subject"], "Budget");
    assert_eq!(events[0]["originalStartTimeZone"], "W. Europe Standard Time");

    upsert(&mut client, "a", &planned("Budget 2", monday()));
    assert_eq!(synced(&mut client)[5], 1);
    assert_eq!(graph.calendar(&id).events()[0]["subject"], "Budget 2");
    graph.forget_requests();
    let counts = synced(&mut client);
    assert_eq!((counts[1], counts[2], counts[5]), (0, 0, 0), "{:?}", graph.requests());
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 1);
    assert_eq!(graph.mails(), 0);

    client.execute("select calendar_delete_event($1, 'planner', 'a')", &[&ADA]).expect("calendar_delete_event");
    synced(&mut client);
    assert!(graph.calendar(&id).events().is_empty());
}

/// Hardest points 10 and 12.
#[test]
fn both_sides_changes_of_one_event_are_merged() {
    let (_cluster, mut client, graph, id) = connected("both");
    upsert(&mut client, "a", &planned("Budget", monday()));
    synced(&mut client);
    let calendar = graph.calendar(&id);
    let event = calendar.events()[0]["id"].as_str().expect("its id").to_owned();
    calendar.edit(&event, json!({ "location": { "displayName": "Room 5" } }));
    upsert(&mut client, "a", &planned("Budget 2", monday()));
    synced(&mut client);
    synced(&mut client);
    let there = calendar.event(&event).expect("the event");
    assert_eq!((&there["subject"], &there["location"]["displayName"]), (&json!("Budget 2"), &json!("Room 5")));
    let here = "select concat_ws(', ', title, location) from calendar_events";
    assert_eq!(text(&mut client, here), "Budget 2, Room 5");
}

/// Hardest point 14.
#[test]
fn a_rule_that_outlook_has_no_pattern_for_stays_here_and_says_why() {
    let (_cluster, mut client, graph, id) = connected("both");
    let series = |rule: &str| {
        let mut event = planned("Inventory", monday());
        event["recurrence"] = json!([format!("RRULE:{rule}")]);
        event
    };
    upsert(&mut client, "held", &series("FREQ=WEEKLY;COUNT=6"));
    upsert(&mut client, "not", &series("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9,15;COUNT=6"));
    let _ = client.query("select from calendar_sync_now($1)", &[&ADA]).expect("calendar_sync_now");
    let events = graph.calendar(&id).events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["recurrence"]["pattern"]["type"], "weekly");
    assert_eq!(events[0]["recurrence"]["range"]["numberOfOccurrences"], 6);
    let why = text(&mut client, "select last_sync_error from calendar_event_links where sync_status = 'error'");
    assert!(why.contains("BYHOUR"), "{why}");
    assert_eq!(count(&mut client, "select count(*) from calendar_series where external_source = 'planner'"), 2);
}

/// Exchange takes all exceptions away when a series gets another pattern.
#[test]
fn a_series_that_goes_on_longer_keeps_what_is_different_about_its_occurrences() {
    let (_cluster, mut client, graph, id) = connected("both");
    let series = |rule: &str| {
        let mut event = planned("Stand-up", monday());
        event["recurrence"] = json!([format!("RRULE:{rule}")]);
        event
    };
    upsert(&mut client, "series", &series("FREQ=WEEKLY;COUNT=6"));
    synced(&mut client);
    let second = instant(&mut client, monday() + Days::new(7), 9);
    let third = instant(&mut client, monday() + Days::new(14), 9);
    let of = |at: DateTime<Utc>| format!("where title = 'Stand-up' and recurrence_id = '{at}'");
    client.batch_execute(&format!("update calendar_events set title = 'Longer' {}", of(second))).expect("an edit");
    let cancel = format!("update calendar_events set event_status = 'cancelled' {}", of(third));
    client.batch_execute(&cancel).expect("a cancellation");
    synced(&mut client);
    let there = |graph: &FakeGraph| {
        let event = graph.calendar(&id).events().remove(0);
        let exceptions = event["exceptionOccurrences"].as_array().expect("the exceptions").clone();
        let titles: Vec<String> =
            exceptions.iter().map(|one| one["subject"].as_str().unwrap_or_default().into()).collect();
        let deleted = event["cancelledOccurrences"].as_array().map_or(0, Vec::len);
        (titles, deleted, event["recurrence"]["range"]["numberOfOccurrences"].as_i64())
    };
    assert_eq!(there(&graph), (vec!["Longer".to_owned()], 1, Some(6)));
    // A rule is changed in its table; that one of its occurrences is changed, too, makes it known.
    let fourth = instant(&mut client, monday() + Days::new(21), 9);
    let edit = format!("update calendar_events set title = 'Last' {}", of(fourth));
    client.batch_execute("update calendar_series set rrule = 'FREQ=WEEKLY;COUNT=8'").expect("an edit");
    client.batch_execute(&edit).expect("an edit");
    synced(&mut client);
    assert_eq!(there(&graph), (vec!["Longer".to_owned(), "Last".to_owned()], 1, Some(8)));
    graph.forget_requests();
    synced(&mut client);
    assert_eq!(graph.count(GraphCall::Update) + graph.count(GraphCall::Delete), 0);
}

#[test]
fn a_teams_meeting_is_made_and_its_address_is_here() {
    let (_cluster, mut client, graph, id) = connected("both");
    let mut call = planned("Call", monday());
    call["teams_enabled"] = json!(true);
    call["description"] = json!("Agenda");
    upsert(&mut client, "call", &call);
    synced(&mut client);
    synced(&mut client);
    let event = graph.calendar(&id).events().remove(0);
    assert_eq!(event["isOnlineMeeting"], true);
    let url = "select concat_ws(' ', teams_enabled, teams_meeting_url, description) from calendar_events";
    let expected = format!("t {} Agenda", event["onlineMeeting"]["joinUrl"].as_str().expect("the address"));
    assert_eq!(text(&mut client, url), expected);
    call["description"] = json!("Agenda, longer");
    upsert(&mut client, "call", &call);
    synced(&mut client);
    let event = graph.calendar(&id).events().remove(0);
    assert_eq!(event["isOnlineMeeting"], true);
    assert!(event["body"]["content"].as_str().expect("its body").starts_with("Agenda, longer"));
}

#[test]
fn somebody_elses_mailbox_is_reached_by_its_address() {
    let (_cluster, mut client, graph, _) = connected("both");
    let room = graph.add_mailbox("room@example.com");
    graph.share(&room, ADA, Some(true));
    graph.calendar(&room).insert(meeting("In the room", monday()));
    let connect = "select calendar_connect(account_id, 'room@example.com', name => 'Room',
                       options => '{\"delegate_email\": \"room@example.com\"}')::text
                   from calendar_accounts";
    client.query_one(connect, &[]).expect("calendar_connect");
    let sync = "select status || coalesce(error, '') from calendar_sync_now($1, name => 'Room')";
    assert_eq!(client.query_one(sync, &[&ADA]).expect("a row").get::<_, String>(0), "success");
    let here = "select title || ' ' || delegate_email from calendar_outlook_events";
    assert_eq!(text(&mut client, here), "In the room room@example.com");
}

/// Hardest point 6.
#[test]
fn a_lost_round_loses_no_change_that_was_made_here_meanwhile() {
    let (_cluster, mut client, graph, id) = connected("both");
    let calendar = graph.calendar(&id);
    let [kept, gone] = ["Kept", "Gone"].map(|subject| calendar.insert(meeting(subject, monday())));
    synced(&mut client);
    upsert(&mut client, "a", &planned("Ours", monday()));
    client.execute("update calendar_events set title = 'Kept, ours' where title = 'Kept'", &[]).expect("an edit");
    calendar.delete(&gone);
    graph.forget_rounds();
    synced(&mut client);
    synced(&mut client);
    let mut there: Vec<String> =
        calendar.events().iter().map(|event| event["subject"].as_str().unwrap_or_default().to_owned()).collect();
    there.sort_unstable();
    assert_eq!(there, ["Kept, ours", "Ours"]);
    assert_eq!(calendar.event(&kept).expect("the event")["subject"], "Kept, ours");
    let here = "select string_agg(title, ', ' order by title) from calendar_events where sync_status <> 'deleted'";
    assert_eq!(text(&mut client, here), "Kept, ours, Ours");
}

/// Hardest point 5.
#[test]
fn days_are_days_on_both_sides_and_nine_oclock_stays_nine_oclock() {
    let (_cluster, mut client, graph, id) = connected("both");
    let calendar = graph.calendar(&id);
    let day = |day: NaiveDate| json!({ "dateTime": format!("{day}T00:00:00"), "timeZone": "Pacific Standard Time" });
    calendar.insert(
        json!({ "subject": "Away", "isAllDay": true, "start": day(monday()), "end": day(monday() + Days::new(2)) }),
    );
    upsert(&mut client, "free", &json!({ "title": "Free", "start": monday(), "end": monday() + Days::new(1) }));
    // A year of Mondays meets both changes of the clock.
    let mut mondays = weekly("Stand-up");
    mondays["recurrence"]["range"]["numberOfOccurrences"] = json!(45);
    calendar.insert(mondays);
    synced(&mut client);
    synced(&mut client);
    let away = "select event_date at time zone 'UTC' || ' ' || (event_end - event_date) from calendar_events where title = 'Away'";
    assert_eq!(text(&mut client, away), format!("{} 00:00:00 2 days", monday()));
    let free = calendar.events().into_iter().find(|event| event["subject"] == "Free").expect("the day");
    assert_eq!(
        (&free["isAllDay"], &free["start"]["dateTime"]),
        (&json!(true), &json!(format!("{}T00:00:00.0000000", monday())))
    );
    let times = "select string_agg(distinct start_time::text, ' ') from calendar_events where title = 'Stand-up'";
    assert_eq!(text(&mut client, times), "09:00:00");
    let offsets = "select count(distinct event_date::time) from calendar_events where title = 'Stand-up'";
    client.batch_execute("set timezone = 'UTC'").expect("a zone");
    assert_eq!(count(&mut client, offsets), 2);
}
