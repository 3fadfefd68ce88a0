//! Large calendars on both sides of a connection: a sync touches what has changed and nothing else, and one that finds
//! nothing costs one request (Notion: two). A thousand events here; `make large` takes ten thousand (LARGE_EVENTS).

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::{ADA, Cluster, FakeGoogle, count};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::json;

use crate::there::{Field, Google, Notion, Outlook, Shown, There, connect, description};

/// Numbers of events that are made here; those there are below.
const HERE: usize = 1_000_000;

fn events() -> usize {
    std::env::var("LARGE_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(1_000)
}

fn start(number: usize) -> String {
    let from = DateTime::from_timestamp(Utc::now().timestamp() / 3600 * 3600, 0).expect("a whole hour");
    (from + TimeDelta::hours(24 + number as i64 % 7_000)).to_rfc3339()
}

fn shown(number: usize) -> Shown {
    BTreeMap::from([
        (Field::Title, format!("Meeting {number}")),
        (Field::Location, format!("Room {}", number % 10)),
        (Field::Start, start(number)),
    ])
}

/// What calendar_sync_now says of the one connection: created, updated, deleted, pushed.
fn sync(client: &mut Client) -> [i32; 4] {
    let row = client
        .query_one(
            "select status, coalesce(error, ''), created, updated, deleted, pushed from calendar_sync_now($1)",
            &[&ADA],
        )
        .expect("a report");
    assert_eq!((row.get(0), row.get(1)), ("success", ""));
    [2, 3, 4, 5].map(|column| row.get(column))
}

/// Until nothing is waiting to be sent.
fn sync_all(client: &mut Client) -> [i32; 4] {
    let mut sum = [0; 4];
    for round in 0.. {
        assert!(round < 1_000, "something is always left to be sent");
        sync(client).into_iter().zip(&mut sum).for_each(|(done, sum)| *sum += done);
        if count(client, "select count(*) from calendar_sync_queue where status <> 'completed'") == 0 {
            break;
        }
    }
    sum
}

fn only_what_changed_is_touched(there: &dyn There) {
    let events = events();
    let changed = events / 100;
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "10000")]);
    let mut client = cluster.create_database("crm");
    for number in 0..events {
        there.add(number, &shown(number));
        // Of more than 10,000 rows that were made in one minute Notion's query never gives the rest.
        if number % 1_000 == 999 {
            there.rest();
        }
    }
    let here: Vec<_> = (HERE..HERE + events)
        .map(|number| {
            let shown = shown(number);
            json!({
                "external_id": number.to_string(), "description": description(number),
                "title": shown[&Field::Title], "location": shown[&Field::Location],
                "start": shown[&Field::Start],
            })
        })
        .collect();
    connect(&mut client, there, ADA, &json!({}));
    let mut sum = [0; 4];
    for some in here.chunks(1_000) {
        client.execute("select calendar_upsert_events($1, 'crm', $2)", &[&ADA, &json!(some)]).expect("events");
        sync_all(&mut client).into_iter().zip(&mut sum).for_each(|(done, sum)| *sum += done);
        // Nor of more that were sent there in one minute: at Notion's own pace these take an hour.
        there.rest();
    }
    let all = i32::try_from(events).expect("not so many");
    assert_eq!(sum, [all, 0, 0, all], "at first all go over, each way");
    is_idle(&mut client, there);

    let seen = there.events();
    assert_eq!(seen.len(), 2 * events);
    for one in seen.iter().filter(|one| one.number < changed) {
        there.edit(&one.id, Field::Title, "Changed there");
    }
    client
        .execute(
            "update calendar_events set title = 'Changed here'
             where external_source = 'crm' and external_id::int < $1",
            &[&i32::try_from(HERE + changed).expect("not so many")],
        )
        .expect("changes");
    let before = versions(&mut client);
    let some = i32::try_from(changed).expect("not so many");
    assert_eq!(sync_all(&mut client), [0, some, 0, some], "what changed goes over, each way");
    let requests = there.count_requests();
    assert!(requests <= 4 * changed + 20, "{requests} requests for {changed} changes on each side");
    println!("{}: {requests} requests for {changed} of {events} changed on each side", there.provider());
    let written = versions(&mut client) - before;
    assert_eq!(written, i64::from(some), "rows of calendar_events that were written again");
    is_idle(&mut client, there);
}

/// Once what went over has come back as nothing new, a sync finds nothing, and asks no more than for that.
fn is_idle(client: &mut Client, there: &dyn There) {
    assert_eq!(sync_all(client), [0; 4], "what we wrote there comes back as nothing new");
    there.rest();
    sync(client);
    there.count_requests();
    assert_eq!(sync(client), [0; 4], "nothing has changed");
    assert_eq!(there.count_requests(), there.least_requests(), "what an idle sync asks");
}

/// Updates of calendar_events so far.
fn versions(client: &mut Client) -> i64 {
    client.execute("select pg_stat_force_next_flush()", &[]).expect("statistics up to date");
    count(client, "select n_tup_upd from pg_stat_user_tables where relname = 'calendar_events'")
}

#[test]
fn a_large_google_calendar_costs_what_has_changed() {
    let google = Google::of(&Rc::new(FakeGoogle::start()), "person@example.com");
    only_what_changed_is_touched(&google);
}

#[test]
fn a_large_notion_database_costs_what_has_changed() {
    only_what_changed_is_touched(&Notion::new());
}

#[test]
fn a_large_outlook_calendar_costs_what_has_changed() {
    only_what_changed_is_touched(&Outlook::of("person@contoso.example"));
}
