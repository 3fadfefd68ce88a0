//! What the server says of its workers, and calendars for them to pull.

use std::fmt::Write;

use postgres::Client;

use crate::{FakeWeb, eventually};

/// A calendar of so many events, each at a time of its own in 2030.
pub fn numbered_calendar(events: usize) -> String {
    let mut ics = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stories//EN\r\n");
    for number in 0..events {
        let (month, day, hour, minute) = (1 + number % 12, 1 + number / 12 % 28, number / 336 % 24, number / 8064 % 60);
        write!(
            ics,
            "BEGIN:VEVENT\r\nUID:{number}@stories\r\nDTSTAMP:20250101T000000Z\r\n\
             DTSTART:2030{month:02}{day:02}T{hour:02}{minute:02}00Z\r\nDURATION:PT30M\r\nSUMMARY:Event {number}\r\n\
             END:VEVENT\r\n"
        )
        .expect("text");
    }
    ics.push_str("END:VCALENDAR\r\n");
    ics
}

/// Subscribes to a page of the web server, under its path as user and name. The extension is found by the search_path.
pub fn subscribe_to(client: &mut Client, web: &FakeWeb, path: &str) {
    client
        .execute("select calendar_subscribe($1, $2, name => $1)", &[&path, &web.url(path)])
        .unwrap_or_else(|error| panic!("subscribe to {path}: {error:?}"));
}

/// The process of that database's worker.
pub fn worker_of(client: &mut Client, database: &str) -> Option<i32> {
    client
        .query_opt(
            "select pid from pg_stat_activity where backend_type = 'calendar_sync worker' and datname = $1",
            &[&database],
        )
        .expect("at most one worker in each database")
        .map(|row| row.get(0))
}

/// What that database's worker says in pg_stat_activity; empty where there is none.
pub fn activity_of(client: &mut Client, database: &str) -> String {
    client
        .query_opt(
            "select query from pg_stat_activity where backend_type = 'calendar_sync worker' and datname = $1",
            &[&database],
        )
        .expect("at most one worker in each database")
        .map(|row| row.get(0))
        .unwrap_or_default()
}

/// The state in calendar_worker_status of the client's own database.
pub fn worker_state(client: &mut Client) -> String {
    client
        .query_one("select state from calendar_worker_status where database = current_database()", &[])
        .expect("a row for this database")
        .get(0)
}

/// Waits until the worker has gone round twice in this state: the first round may have begun before.
pub fn rounds(client: &mut Client, state: &str) {
    let last = "select coalesce(max(extract(epoch from last_loop) * 1000000), 0)::bigint from calendar_worker_status
                where database = current_database() and state = $1";
    let mut at = |after: i64| {
        let mut seen = after;
        eventually(state, || {
            seen = client.query_one(last, &[&state]).expect("the worker's status").get(0);
            seen > after
        });
        seen
    };
    let first = at(0);
    at(first);
}
