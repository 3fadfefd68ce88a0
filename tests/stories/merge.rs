//! What changes at Google and what changes here, against the fake: at rest both sides are the same.

use calendar_sync_e2e::{
    ADA, GoogleCall, GoogleFault, INSERT_INTERACTIONS, LINKED_CALENDAR, Linked, count, create_crm, text,
};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};

const CONFLICTS: &str = "select count(*) from calendar_sync_log where action = 'conflict'";
const WAITING: &str = "select count(*) from calendar_sync_queue where status in ('pending', 'processing')";

/// Within what is expanded of series.
fn start() -> DateTime<Utc> {
    let day = Utc::now().timestamp() / 86_400 + 30;
    DateTime::from_timestamp(day * 86_400 + 9 * 3_600, 0).expect("a time")
}

fn linked() -> Linked {
    let mut linked = Linked::start(false, "both");
    linked.client.batch_execute("set calendar_sync.manual_sync_limit = 100000").expect("set");
    linked
}

/// As `here` and `there` say it, at the usual time.
fn line(title: &str, location: &str) -> String {
    format!("{title} | {location} | {}", start().format("%m-%d %H:%M"))
}

/// An event of an application's, at the usual time.
fn upsert(linked: &mut Linked, external_id: &str, title: &str) {
    let [start, end] = [start(), start() + TimeDelta::hours(1)].map(|time| time.to_rfc3339());
    linked.upsert(external_id, &json!({ "title": title, "start": start, "end": end }));
}

fn timed(title: &str, start: DateTime<Utc>) -> Value {
    json!({
        "summary": title,
        "start": { "dateTime": start.to_rfc3339(), "timeZone": "Europe/Berlin" },
        "end": { "dateTime": (start + TimeDelta::hours(1)).to_rfc3339(), "timeZone": "Europe/Berlin" },
    })
}

/// Syncs until nothing is left to do.
fn settle(linked: &mut Linked) {
    for _ in 0..6 {
        let (status, _, error) = linked.sync_now();
        assert_eq!((status.as_str(), error.as_str()), ("success", ""));
        if count(&mut linked.client, WAITING) == 0 {
            return;
        }
    }
    let left = text(
        &mut linked.client,
        "select json_agg(q)::text from calendar_sync_queue q where status in ('pending', 'processing')",
    );
    panic!("it does not come to rest: {left}");
}

/// What both sides say, in one form: title, place, start.
fn here(client: &mut Client) -> Vec<String> {
    let rows = client
        .query(
            "select concat_ws(' | ', title, coalesce(location, ''), to_char(event_date at time zone 'UTC', 'MM-DD HH24:MI'))
             from calendar_events
             where sync_status <> 'deleted' and event_status <> 'cancelled'
             order by 1",
            &[],
        )
        .expect("events");
    rows.iter().map(|row| row.get(0)).collect()
}

fn there(linked: &Linked) -> Vec<String> {
    let said = |event: &Value| {
        let start: DateTime<Utc> = event["start"]["dateTime"].as_str().expect("a start").parse().expect("a time");
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        format!("{} | {} | {}", word("summary"), word("location"), start.format("%m-%d %H:%M"))
    };
    let mut events: Vec<String> = linked.remote().iter().map(said).collect();
    events.sort();
    events
}

fn update(linked: &mut Linked, title: &str, change: &str) {
    let statement = format!("update calendar_events set {change} where title = '{title}'");
    assert!(linked.client.execute(&statement, &[]).expect("update") > 0, "{title}");
}

#[test]
fn what_each_side_changed_is_on_both_sides_afterwards() {
    let mut linked = linked();
    let theirs = linked.google.calendar(LINKED_CALENDAR).insert(timed("theirs", start()));
    upsert(&mut linked, "1", "ours");
    settle(&mut linked);
    let ours =
        "select l.external_id from calendar_event_links l join calendar_events using (event_id) where title = 'ours'";
    let ours = text(&mut linked.client, ours);
    update(&mut linked, "theirs", "location = 'Room 5'");
    update(&mut linked, "ours", "location = 'Room 6'");
    linked.google.calendar(LINKED_CALENDAR).edit(&theirs, json!({ "summary": "theirs, renamed" }));
    linked.google.calendar(LINKED_CALENDAR).edit(&ours, json!({ "summary": "ours, renamed" }));
    settle(&mut linked);
    assert_eq!(here(&mut linked.client), there(&linked));
    assert_eq!(there(&linked), [line("ours, renamed", "Room 6"), line("theirs, renamed", "Room 5")]);
    assert_eq!(count(&mut linked.client, CONFLICTS), 0);
}

/// Hardest point 10.
#[test]
fn an_edit_that_comes_between_looking_and_writing_is_not_lost() {
    let mut linked = linked();
    let id = linked.google.calendar(LINKED_CALENDAR).insert(timed("one", start()));
    settle(&mut linked);
    update(&mut linked, "one", "location = 'Room 5'");
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "description": "by hand" }));
    // Sent without looking first: the version that is known is not the one that is there.
    linked.client.execute("select * from calendar_queue_process()", &[]).expect("process");
    settle(&mut linked);
    let event = linked.google.calendar(LINKED_CALENDAR).event(&id).expect("the event");
    assert_eq!((event["location"].as_str(), event["description"].as_str()), (Some("Room 5"), Some("by hand")));
    let row = text(&mut linked.client, "select concat_ws(' ', location, description) from calendar_events");
    assert_eq!(row, "Room 5 by hand");
}

#[test]
fn a_conflict_is_settled_by_policy_and_both_sides_are_the_same() {
    let mut linked = linked();
    let id = linked.google.calendar(LINKED_CALENDAR).insert(timed("one", start()));
    settle(&mut linked);
    for (policy, wins) in [("local", "ours"), ("remote", "theirs"), ("last_write", "theirs")] {
        linked.client.execute("update calendar_connections set conflict_policy = $1", &[&policy]).expect("policy");
        linked.client.execute("update calendar_events set title = 'ours ' || $1", &[&policy]).expect("edit");
        linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": format!("theirs {policy}") }));
        settle(&mut linked);
        assert_eq!(linked.remote_titles(), [format!("{wins} {policy}")], "{policy}");
        assert_eq!(here(&mut linked.client), there(&linked), "{policy}");
    }
    assert_eq!(count(&mut linked.client, CONFLICTS), 3);
    linked.client.execute("update calendar_connections set conflict_policy = 'manual'", &[]).expect("policy");
    linked.client.execute("update calendar_events set title = 'ours'", &[]).expect("edit");
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "theirs" }));
    settle(&mut linked);
    assert_eq!(
        (linked.remote_titles()[0].as_str(), here(&mut linked.client)[0].split(' ').next()),
        ("theirs", Some("ours"))
    );
    let resolve = "select calendar_conflict_resolve(event_id, connection_id, 'local') from calendar_sync_conflicts";
    linked.client.execute(resolve, &[]).expect("resolve");
    settle(&mut linked);
    assert_eq!(linked.remote_titles(), ["ours"]);
}

/// Hardest point 12: what has changed is told by versions and by what was agreed on, whatever the clocks say; where both
/// sides changed the same, the later stamp wins, and what lost is kept.
#[test]
fn a_providers_clock_that_is_wrong_takes_no_edit_for_another_and_loses_none() {
    for skew in [-5, 5] {
        let mut linked = linked();
        linked.google.advance(TimeDelta::hours(skew));
        for (key, title) in [("1", "ours"), ("2", "theirs"), ("3", "both"), ("4", "clash")] {
            upsert(&mut linked, key, title);
        }
        settle(&mut linked);
        let calendar = linked.google.calendar(LINKED_CALENDAR);
        let id = |title: &str| {
            let events = calendar.events();
            let event = events.iter().find(|event| event["summary"] == title).expect(title);
            event["id"].as_str().expect("an id").to_owned()
        };
        let [theirs, both, clash] = ["theirs", "both", "clash"].map(id);
        calendar.edit(&theirs, json!({ "location": "Room 1" }));
        calendar.edit(&both, json!({ "location": "Room 2" }));
        calendar.edit(&clash, json!({ "location": "Room 3" }));
        update(&mut linked, "ours", "location = 'Room 4'");
        update(&mut linked, "both", "title = 'both, renamed'");
        update(&mut linked, "clash", "location = 'Room 5'");
        settle(&mut linked);
        let wins = if skew > 0 { "Room 3" } else { "Room 5" };
        let wanted = [("both, renamed", "Room 2"), ("clash", wins), ("ours", "Room 4"), ("theirs", "Room 1")];
        assert_eq!(here(&mut linked.client), wanted.map(|(title, place)| line(title, place)), "{skew}");
        assert_eq!(there(&linked), here(&mut linked.client), "{skew}");
        assert_eq!(count(&mut linked.client, CONFLICTS), 1);
        let lost = "select (local_version::text || remote_version::text) from calendar_sync_conflicts";
        let lost = text(&mut linked.client, lost);
        assert!(lost.contains("Room 3") && lost.contains("Room 5"), "{lost}");
    }
}

#[test]
fn an_edit_beats_a_delete_on_both_sides_and_nothing_is_there_twice() {
    let mut linked = linked();
    let edited_here = linked.google.calendar(LINKED_CALENDAR).insert(timed("edited here", start()));
    let edited_there = linked.google.calendar(LINKED_CALENDAR).insert(timed("edited there", start()));
    let deleted = linked.google.calendar(LINKED_CALENDAR).insert(timed("deleted", start()));
    settle(&mut linked);
    update(&mut linked, "edited here", "location = 'Room 5'");
    linked.google.calendar(LINKED_CALENDAR).delete(&edited_here);
    linked
        .client
        .execute("delete from calendar_events where title in ('edited there', 'deleted')", &[])
        .expect("delete");
    linked.google.calendar(LINKED_CALENDAR).edit(&edited_there, json!({ "location": "Room 6" }));
    linked.google.calendar(LINKED_CALENDAR).delete(&deleted);
    settle(&mut linked);
    settle(&mut linked);
    assert_eq!(there(&linked), [line("edited here", "Room 5"), line("edited there", "Room 6")]);
    assert_eq!(here(&mut linked.client), there(&linked));
}

#[test]
fn occurrences_changed_on_either_side_are_changed_on_both() {
    let mut linked = linked();
    let mut series = timed("daily", start());
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let id = linked.google.calendar(LINKED_CALENDAR).insert(series);
    settle(&mut linked);
    let day = |days: i64| start() + TimeDelta::days(days);
    linked.google.calendar(LINKED_CALENDAR).edit_instance(&id, day(1), json!({ "summary": "moved there" }));
    linked.google.calendar(LINKED_CALENDAR).cancel_instance(&id, day(2));
    linked
        .client
        .execute(
            "update calendar_events set title = 'renamed here' where recurrence_id = $1::text::timestamptz",
            &[&day(3).to_rfc3339()],
        )
        .expect("update");
    settle(&mut linked);
    let titles = |linked: &mut Linked| -> String {
        text(
            &mut linked.client,
            "select string_agg(title, ', ' order by recurrence_id) from calendar_events
             where sync_status <> 'deleted' and event_status <> 'cancelled'",
        )
    };
    assert_eq!(titles(&mut linked), "daily, moved there, renamed here, daily");
    assert_eq!(linked.remote_titles(), ["daily", "moved there", "renamed here"]);
    // The whole is renamed there; what is one of its own stays.
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": "Room 5" }));
    settle(&mut linked);
    assert_eq!(titles(&mut linked), "daily, moved there, renamed here, daily");
    assert_eq!(count(&mut linked.client, WAITING), 0);
}

#[test]
fn what_is_the_crms_is_put_back_there_and_an_idle_sync_is_one_request() {
    let mut linked = linked();
    create_crm(&mut linked.client);
    linked.client.execute(INSERT_INTERACTIONS, &[&1, &1]).expect("insert");
    settle(&mut linked);
    let id = text(&mut linked.client, "select external_id from calendar_event_links");
    linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": "theirs", "colorId": "5" }));
    settle(&mut linked);
    settle(&mut linked);
    assert_eq!(linked.remote_titles(), ["visit 1"]);
    let told = text(&mut linked.client, "select policy || ' ' || fields::text from calendar_sync_conflicts");
    assert_eq!(told, "interaction {title}");
    linked.google.forget_requests();
    settle(&mut linked);
    assert_eq!((linked.google.calls(), linked.google.count(GoogleCall::List)), (1, 1));
}

/// Hardest point 6.
#[test]
fn local_changes_survive_a_lost_sync_token() {
    let mut linked = linked();
    for number in 0..5 {
        linked.google.calendar(LINKED_CALENDAR).insert(timed(&format!("event {number}"), start()));
    }
    settle(&mut linked);
    update(&mut linked, "event 1", "location = 'Room 5'");
    upsert(&mut linked, "1", "ours");
    linked.client.execute("delete from calendar_events where title = 'event 2'", &[]).expect("delete");
    linked.google.expire_sync_tokens();
    settle(&mut linked);
    assert_eq!(here(&mut linked.client), there(&linked));
    assert_eq!(linked.remote_titles(), ["event 0", "event 1", "event 3", "event 4", "ours"]);
}

/// Numbers below what is asked for, the same ones for the same seed.
fn dice(mut state: u32) -> impl FnMut(u32) -> u32 {
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    }
}

/// Even where everything is listed anew there is nothing more to do.
fn assert_at_rest(linked: &mut Linked, step: u32) {
    let done = "select concat_ws(' ', status, created, updated, deleted, pushed, conflicts)
                from calendar_sync_now($1, force => true)";
    let done: String = linked.client.query_one(done, &[&ADA]).expect("a row").get(0);
    assert_eq!(done, "success 0 0 0 0 0", "step {step}");
}

/// Edits of both sides at random, with a fixed seed; now and then they are synced.
#[test]
fn whatever_both_sides_do_they_are_the_same_at_rest() {
    let mut linked = linked();
    let mut random = dice(20_300_115);
    for step in 0..150 {
        let ids: Vec<String> =
            linked.remote().iter().map(|event| event["id"].as_str().expect("an id").into()).collect();
        let there_id = (!ids.is_empty()).then(|| ids[random(ids.len().max(1) as u32) as usize].clone());
        let own: Vec<String> = linked
            .client
            .query("select event_id::text from calendar_events where sync_status <> 'deleted' order by 1", &[])
            .expect("events")
            .iter()
            .map(|row| row.get(0))
            .collect();
        let own_id = (!own.is_empty()).then(|| own[random(own.len().max(1) as u32) as usize].clone());
        let (room, hour) = (random(90), i64::from(random(90)));
        let change = |linked: &mut Linked, id: &str, change: String| {
            let statement = format!("update calendar_events set {change} where event_id = '{id}'");
            linked.client.execute(&statement, &[]).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        };
        match (random(12), there_id, own_id) {
            (0, ..) => {
                linked.google.calendar(LINKED_CALENDAR).insert(timed(&format!("theirs {step}"), start()));
            }
            (1, ..) => {
                upsert(&mut linked, &step.to_string(), &format!("ours {step}"));
            }
            (2, Some(id), _) => {
                linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "location": format!("r{room}") }))
            }
            (3, Some(id), _) => {
                linked.google.calendar(LINKED_CALENDAR).edit(&id, json!({ "summary": format!("t{step}") }))
            }
            (4, Some(id), _) => {
                let moved = timed("", start() + TimeDelta::hours(hour));
                let time = json!({ "start": moved["start"], "end": moved["end"] });
                linked.google.calendar(LINKED_CALENDAR).edit(&id, time);
            }
            (5, Some(id), _) if ids.len() > 3 => linked.google.calendar(LINKED_CALENDAR).delete(&id),
            (6, _, Some(id)) => change(&mut linked, &id, format!("location = 'l{room}'")),
            (7, _, Some(id)) => change(&mut linked, &id, format!("title = 'o{step}'")),
            (8, _, Some(id)) => {
                let moved = (start() + TimeDelta::hours(hour)).to_rfc3339();
                change(
                    &mut linked,
                    &id,
                    format!("event_date = '{moved}', event_end = '{moved}'::timestamptz + interval '1 hour'"),
                );
            }
            (9, _, Some(id)) if own.len() > 3 => {
                linked.client.execute("delete from calendar_events where event_id::text = $1", &[&id]).expect("delete");
            }
            (10, ..) => {
                linked.sync_now();
            }
            (11, ..) => match random(4) {
                0 => linked.google.expire_sync_tokens(),
                // It is done there, and nobody here hears of it.
                call => {
                    let call = [GoogleCall::Insert, GoogleCall::Patch, GoogleCall::Delete][call as usize - 1];
                    linked.google.fail(call, 1, GoogleFault::LoseReply);
                    linked.sync_now();
                    linked.google.stop_failing();
                }
            },
            _ => {}
        }
        if step % 15 == 14 {
            settle(&mut linked);
            settle(&mut linked);
            assert_eq!(here(&mut linked.client), there(&linked), "step {step}");
            assert_at_rest(&mut linked, step);
        }
    }
    let links = "select count(*) from calendar_event_links where sync_status not in ('synced', 'deleted')";
    assert_eq!(count(&mut linked.client, links), 0);
    let user = count(&mut linked.client, &format!("select count(*) from calendar_events where user_id <> '{ADA}'"));
    assert_eq!(user, 0);
}

/// What is shown of the occurrences of a series of five days, each with its day.
fn occurrences_there(linked: &Linked, series: &str) -> Vec<String> {
    let calendar = linked.google.calendar(LINKED_CALENDAR);
    let cancelled = calendar.cancelled_instances(series);
    let own = linked.remote();
    let said = |day: i64, event: &Value| {
        format!(
            "{day} {} | {}",
            event["summary"].as_str().unwrap_or_default(),
            event["location"].as_str().unwrap_or_default()
        )
    };
    let is_of = |event: &Value, day: i64| {
        let original = event["originalStartTime"]["dateTime"].as_str().and_then(|time| time.parse().ok());
        event["recurringEventId"] == series && original == Some(start() + TimeDelta::days(day))
    };
    let master = calendar.event(series).expect("the series");
    (0..5)
        .filter(|day| !cancelled.iter().any(|event| is_of(event, *day)))
        .map(|day| said(day, own.iter().find(|event| is_of(event, day)).unwrap_or(&master)))
        .collect()
}

fn occurrences_here(client: &mut Client) -> Vec<String> {
    let shown = "select extract(day from recurrence_id - $1::text::timestamptz)::int || ' ' || title || ' | ' || coalesce(location, '')
                 from calendar_events
                 where series_id is not null and sync_status <> 'deleted' and event_status <> 'cancelled'
                 order by recurrence_id";
    client.query(shown, &[&start().to_rfc3339()]).expect("occurrences").iter().map(|row| row.get(0)).collect()
}

#[test]
fn whatever_both_sides_do_to_a_series_it_is_the_same_at_rest() {
    let mut linked = linked();
    let mut random = dice(7);
    let mut daily = timed("daily", start());
    daily["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=5"]);
    let series = linked.google.calendar(LINKED_CALENDAR).insert(daily);
    settle(&mut linked);
    for step in 0..150 {
        let original = start() + TimeDelta::days(i64::from(random(5)));
        let taken_place = |linked: &Linked| {
            let day = (original - start()).num_days().to_string();
            occurrences_there(linked, &series).iter().any(|shown| shown.starts_with(&day))
        };
        let instance = |linked: &mut Linked, change: &str| {
            let statement = format!(
                "update calendar_events set {change}
                 where recurrence_id = '{}' and sync_status <> 'deleted' and event_status <> 'cancelled'",
                original.to_rfc3339()
            );
            linked.client.execute(&statement, &[]).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        };
        let calendar = linked.google.calendar(LINKED_CALENDAR);
        match random(10) {
            0 => calendar.edit(&series, json!({ "summary": format!("s{step}") })),
            1 => calendar.edit(&series, json!({ "location": format!("p{step}") })),
            2 | 3 if taken_place(&linked) => {
                drop(calendar.edit_instance(&series, original, json!({ "summary": format!("t{step}") })))
            }
            4 if step % 4 == 0 && taken_place(&linked) => drop(calendar.cancel_instance(&series, original)),
            5 | 6 => instance(&mut linked, &format!("title = 'o{step}'")),
            7 => instance(&mut linked, &format!("location = 'l{step}'")),
            8 => drop(linked.sync_now()),
            _ if random(5) == 0 => linked.google.expire_sync_tokens(),
            _ => {}
        }
        if step % 15 == 14 {
            settle(&mut linked);
            settle(&mut linked);
            assert_eq!(occurrences_here(&mut linked.client), occurrences_there(&linked, &series), "step {step}");
            assert_at_rest(&mut linked, step);
        }
    }
}
