//! Calendars at Google, through SQL alone.

use calendar_sync_e2e::{
    ADA, Cluster, FakeGoogle, GoogleCall, GoogleFault, GoogleListing, GoogleRole, Linked, count, text,
};
use chrono::{DateTime, Utc};
use postgres::Client;
use serde_json::{Value, json};

/// Without the worker: each story syncs by hand.
fn connected() -> (Cluster, Client, FakeGoogle) {
    let Linked { cluster, client, google, .. } = Linked::start(false, "both");
    (cluster, client, google)
}

/// Status, counts (fetched, created, updated, deleted, unchanged, pushed, conflicts) and error of one calendar_sync_now.
fn sync(client: &mut Client) -> (String, [i32; 7], String) {
    let query = "select status, fetched, created, updated, deleted, unchanged, pushed, conflicts, coalesce(error, '')
                 from calendar_sync_now($1)";
    let row = client.query_one(query, &[&ADA]).expect("a row for the connection");
    (row.get(0), [1, 2, 3, 4, 5, 6, 7].map(|column| row.get::<_, Option<i32>>(column).unwrap_or_default()), row.get(8))
}

/// A successful one.
fn synced(client: &mut Client) -> [i32; 7] {
    let (status, counts, error) = sync(client);
    assert_eq!((status.as_str(), error.as_str()), ("success", ""), "{counts:?}");
    counts
}

/// Hours of a day of next month, in Berlin.
fn timed(client: &mut Client, title: &str, day: u32) -> Value {
    let time = |client: &mut Client, hour: u32| {
        let query = format!(
            "select to_char(date_trunc('month', now()) + interval '1 month {} days {hour} hours',
                                            'YYYY-MM-DD\"T\"HH24:MI:SS')",
            day - 1
        );
        json!({ "dateTime": text(client, &query), "timeZone": "Europe/Berlin" })
    };
    json!({ "summary": title, "start": time(client, 9), "end": time(client, 10) })
}

fn with(mut event: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event
}

fn upsert(client: &mut Client, key: &str, event: &Value) {
    let upsert = "select action from calendar_upsert_event($1, 'planner', $2, $3)";
    client.query_one(upsert, &[&ADA, &key, event]).expect("calendar_upsert_event");
}

const SHOWN: &str =
    "select coalesce(string_agg(concat_ws(' ', title, start_time, event_status), ', ' order by event_date), '')
                     from calendar_events where sync_status <> 'deleted'";

#[test]
fn what_is_in_a_calendar_at_google_is_here_and_what_changes_there_changes_here() {
    let (_cluster, mut client, google) = connected();
    let calendar = google.calendar(ADA);
    google.set_listing(GoogleListing { page_size: Some(2), empty_pages: true, ..GoogleListing::default() });
    let events: Vec<Value> = (1..=5).map(|day| timed(&mut client, &format!("Day {day}"), day)).collect();
    let ids: Vec<String> = events.into_iter().map(|event| calendar.insert(event)).collect();
    assert_eq!(synced(&mut client)[..5], [5, 5, 0, 0, 0]);

    google.set_listing(GoogleListing::default());
    google.forget_requests();
    assert_eq!(synced(&mut client), [0; 7]);
    assert_eq!(google.calls(), 1, "nothing to do is one request: {:?}", google.requests());

    calendar.edit(&ids[0], json!({ "summary": "First" }));
    calendar.delete(&ids[1]);
    assert_eq!(synced(&mut client)[..4], [2, 0, 1, 1]);
    let shown =
        "First 09:00:00 scheduled, Day 3 09:00:00 scheduled, Day 4 09:00:00 scheduled, Day 5 09:00:00 scheduled";
    assert_eq!(text(&mut client, SHOWN), shown);
    let kinds =
        "select string_agg(distinct concat_ws(' ', external_source, synced_from, time_zone), ',') from calendar_events";
    assert_eq!(text(&mut client, kinds), "google google Europe/Berlin");
}

/// Hardest point 3: exceptions by their original start, both kinds of them, kept while the series changes.
#[test]
fn a_series_keeps_its_exceptions_whatever_an_answer_leaves_out() {
    let (_cluster, mut client, google) = connected();
    let calendar = google.calendar(ADA);
    let weekly = timed(&mut client, "Weekly", 1);
    let series = calendar.insert(with(weekly, json!({ "recurrence": ["RRULE:FREQ=DAILY;COUNT=4"] })));
    synced(&mut client);
    let starts = "select to_json(array_agg(recurrence_id order by recurrence_id)) from calendar_events";
    let starts: Value = client.query_one(starts, &[]).expect("the instances").get(0);
    let starts: Vec<DateTime<Utc>> = serde_json::from_value(starts).expect("times");
    assert_eq!(starts.len(), 4);

    calendar.edit_instance(&series, starts[1], json!({ "summary": "Moved" }));
    calendar.cancel_instance(&series, starts[2]);
    synced(&mut client);
    let expected =
        "Weekly 09:00:00 scheduled, Moved 09:00:00 scheduled, Weekly 09:00:00 cancelled, Weekly 09:00:00 scheduled";
    assert_eq!(text(&mut client, SHOWN), expected);

    // An increment tells the series without its exceptions; a list of everything tells both.
    calendar.edit(&series, json!({ "location": "Room 5" }));
    synced(&mut client);
    assert_eq!(text(&mut client, SHOWN), expected);
    google.expire_sync_tokens();
    synced(&mut client);
    assert_eq!(text(&mut client, SHOWN), expected);
    assert_eq!(count(&mut client, "select count(*) from calendar_series"), 1);

    calendar.delete(&series);
    synced(&mut client);
    assert_eq!(text(&mut client, SHOWN), "");
}

/// Hardest point 6: 410 in its three forms; what has not been sent yet survives.
#[test]
fn a_lost_sync_token_loses_no_change_of_either_side() {
    let (_cluster, mut client, google) = connected();
    let calendar = google.calendar(ADA);
    let events: Vec<Value> = (1..=3).map(|day| timed(&mut client, &format!("Day {day}"), day)).collect();
    let ids: Vec<String> = events.into_iter().map(|event| calendar.insert(event)).collect();
    synced(&mut client);

    client.execute("update calendar_events set title = 'Ours' where title = 'Day 1'", &[]).expect("an edit");
    calendar.edit(&ids[1], json!({ "summary": "Theirs" }));
    calendar.delete(&ids[2]);
    calendar.purge();
    google.expire_sync_tokens();
    google.fail(GoogleCall::List, 1, GoogleFault::Refuse(410, "fullSyncRequired"));
    synced(&mut client);
    assert_eq!(text(&mut client, SHOWN), "Ours 09:00:00 scheduled, Theirs 09:00:00 scheduled");
    let there: Vec<Value> = calendar.events().iter().map(|event| event["summary"].clone()).collect();
    assert_eq!(there, ["Ours", "Theirs"]);
}

/// Hardest points 2 and 6: a list of everything begins with what is not over yet, and the changes after it with its end.
#[test]
fn what_was_over_before_a_list_of_everything_and_changed_unseen_is_found_once_it_is_changed_here() {
    let (_cluster, mut client, google) = connected();
    let calendar = google.calendar(ADA);
    synced(&mut client);
    let past = |summary: &str| {
        let [start, end] = ["2020-03-02T09:00:00Z", "2020-03-02T10:00:00Z"].map(|at| json!({ "dateTime": at }));
        calendar.insert(json!({ "summary": summary, "start": start, "end": end }))
    };
    let [merged, deleted_here, deleted_there] = ["Merged", "Deleted here", "Deleted there"].map(past);
    assert_eq!(synced(&mut client)[..2], [3, 3]);
    for id in [&merged, &deleted_here] {
        calendar.edit(id, json!({ "location": "Room 5" }));
    }
    calendar.delete(&deleted_there);
    google.expire_sync_tokens();
    synced(&mut client);
    let change = "update calendar_events set description = 'As we said' where title in ('Merged', 'Deleted there')";
    client.execute(change, &[]).expect("a change");
    client.execute("delete from calendar_events where title = 'Deleted here'", &[]).expect("a delete");
    for _ in 0..3 {
        synced(&mut client);
    }
    let here = "select string_agg(concat_ws(' | ', title, location, description), ', ' order by title)
                from calendar_events where sync_status <> 'deleted'";
    let both = "Deleted here | Room 5, Deleted there | As we said, Merged | Room 5 | As we said";
    assert_eq!(text(&mut client, here), both);
    let mut there: Vec<String> = calendar.events().iter().map(shown).collect();
    there.sort();
    assert_eq!(there.join(", "), both);
    let left = "select (select count(*) from calendar_sync_queue where status <> 'completed')
                     + (select count(*) from calendar_event_links where is_unseen)";
    assert_eq!(count(&mut client, left), 0);
    google.forget_requests();
    synced(&mut client);
    assert_eq!(google.calls(), 1, "{:?}", google.requests());
}

fn shown(event: &Value) -> String {
    let all = ["summary", "location", "description"].map(|key| event[key].as_str().unwrap_or_default());
    all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" | ")
}

/// Hardest point 9: the answer to an insert is lost, and there is one event all the same.
#[test]
fn an_event_of_ours_is_made_once_whatever_becomes_of_the_answer() {
    let (_cluster, mut client, google) = connected();
    upsert(&mut client, "a", &json!({ "title": "Shift", "start": "2030-03-30T22:00:00+01:00" }));
    google.fail(GoogleCall::Insert, 1, GoogleFault::LoseReply);
    sync(&mut client);
    client.execute("update calendar_sync_queue set scheduled_for = now()", &[]).expect("at once");
    client.execute("update calendar_connections set next_poll_at = now()", &[]).expect("at once");
    synced(&mut client);
    assert_eq!(google.calendar(ADA).events().len(), 1);
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 1);
    // What we wrote comes back with the next changes, and is no change.
    google.forget_requests();
    synced(&mut client);
    synced(&mut client);
    assert_eq!((google.calls(), count(&mut client, "select count(*) from calendar_events")), (2, 1));
    assert_eq!(google.mails(), 0);
}

/// Hardest point 5: days are days, and nine o'clock stays nine o'clock.
#[test]
fn days_zones_and_series_are_the_same_on_both_sides() {
    let (_cluster, mut client, google) = connected();
    let calendar = google.calendar(ADA);
    upsert(&mut client, "day", &json!({ "title": "Fair", "start": "2030-03-30", "end": "2030-04-01" }));
    let standup = json!({
        "title": "Stand-up", "start": "2030-03-25T09:00:00", "end": "2030-03-25T09:15:00", "time_zone": "America/New_York",
        "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20300401T090000"]
    });
    upsert(&mut client, "standup", &standup);
    assert_eq!(synced(&mut client)[5], 2);
    let there = calendar.events();
    let of = |title: &str| there.iter().find(|event| event["summary"] == title).expect("the event");
    assert_eq!(
        (&of("Fair")["start"]["date"], &of("Fair")["end"]["date"]),
        (&json!("2030-03-30"), &json!("2030-04-01"))
    );
    let standup = of("Stand-up");
    assert_eq!(standup["start"]["timeZone"], "America/New_York");
    assert_eq!(standup["recurrence"], json!(["RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20300401T130000Z"]));
    // Somebody moves the whole day there.
    let id = of("Fair")["id"].as_str().expect("an id").to_owned();
    calendar.edit(&id, json!({ "start": { "date": "2030-03-31" }, "end": { "date": "2030-04-02" } }));
    synced(&mut client);
    let days = "select concat_ws(' ', event_date at time zone 'UTC', event_end at time zone 'UTC', all_day)
                from calendar_events where title = 'Fair'";
    assert_eq!(text(&mut client, days), "2030-03-31 00:00:00 2030-04-02 00:00:00 t");
}

/// Hardest point 10: an edit of a version that has changed meanwhile meets 412, and both edits are kept.
#[test]
fn two_edits_of_one_event_both_survive() {
    let (_cluster, mut client, google) = connected();
    let calendar = google.calendar(ADA);
    let event = timed(&mut client, "Planning", 1);
    let id = calendar.insert(event);
    synced(&mut client);
    client.execute("update calendar_events set title = 'Planning 2030'", &[]).expect("an edit");
    calendar.edit(&id, json!({ "location": "Room 5" }));
    synced(&mut client);
    synced(&mut client);
    let here = "select concat_ws(' ', title, location) from calendar_events";
    assert_eq!(text(&mut client, here), "Planning 2030 Room 5");
    let there = calendar.event(&id).expect("the event");
    assert_eq!((&there["summary"], &there["location"]), (&json!("Planning 2030"), &json!("Room 5")));
}

/// Hardest point 14: what Google has no place for stays here.
#[test]
fn what_google_cannot_hold_survives_a_change_that_comes_from_there() {
    let (_cluster, mut client, google) = connected();
    let event = json!({
        "title": "Review", "start": "2030-03-25T09:00:00+01:00", "importance": "HIGH", "categories": ["Red"],
        "metadata": { "project": "p" }, "show_as": "oof", "event_type": "task", "participants": ["Bob"]
    });
    upsert(&mut client, "a", &event);
    synced(&mut client);
    let id = google.calendar(ADA).events()[0]["id"].as_str().expect("an id").to_owned();
    google.calendar(ADA).edit(&id, json!({ "summary": "Review 2" }));
    synced(&mut client);
    let kept = "select concat_ws(' ', title, importance, categories, metadata ->> 'project', show_as, event_type, participants,
                                 event_end is null)
                from calendar_events";
    assert_eq!(text(&mut client, kept), "Review 2 HIGH {Red} p oof task {Bob} t");
}

#[test]
fn who_may_only_read_any_more_loses_nothing() {
    let (_cluster, mut client, google) = connected();
    google.add_person("bob@example.com", "Asia/Tokyo");
    let event = timed(&mut client, "Planning", 1);
    google.calendar(ADA).insert(event);
    synced(&mut client);
    google.share(ADA, ADA, Some(GoogleRole::Reader));
    upsert(&mut client, "a", &json!({ "title": "Shift", "start": "2030-03-30T22:00:00+01:00" }));
    let (_, _, error) = sync(&mut client);
    assert!(error.contains("writer access"), "{error}");
    google.share(ADA, ADA, None);
    let (status, _, error) = sync(&mut client);
    assert!(status != "success" && error.contains("cannot see this calendar"), "{status} {error}");
    assert_eq!(count(&mut client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 2);
    google.share(ADA, ADA, Some(GoogleRole::Owner));
    client.execute("update calendar_sync_queue set scheduled_for = now()", &[]).expect("at once");
    synced(&mut client);
    assert_eq!(google.calendar(ADA).events().len(), 2);
}
