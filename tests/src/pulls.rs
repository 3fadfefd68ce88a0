//! Calendars whose events are near the present, and pulls of them by hand.

use std::sync::LazyLock;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use postgres::Client;

/// The user whose calendars these are.
pub const ADA: &str = "ada@example.com";

/// A calendar of one event, in 2030.
pub const ONE_EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20300101T090000Z\r\n\
    DTEND:20300101T100000Z\r\nSUMMARY:One\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// One present for a whole run, so that the same event is written the same every time.
static NOW: LazyLock<DateTime<Utc>> =
    LazyLock::new(|| DateTime::<Utc>::from(SystemTime::now()).with_nanosecond(0).expect("a whole second"));

/// A VEVENT of one hour that starts so many hours from now.
pub fn vevent(uid: &str, hours: i64, title: &str) -> String {
    let start = (*NOW + TimeDelta::hours(hours)).format("%Y%m%dT%H%M%SZ");
    format!(
        "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20250101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT1H\r\nSUMMARY:{title}\r\n\
         END:VEVENT\r\n"
    )
}

/// The same, recurring.
pub fn vevent_series(uid: &str, hours: i64, rule: &str, title: &str) -> String {
    vevent(uid, hours, title).replace("SUMMARY:", &format!("RRULE:{rule}\r\nSUMMARY:"))
}

/// A file of these VEVENTs.
pub fn calendar_of(vevents: impl IntoIterator<Item = String>) -> String {
    let vevents: String = vevents.into_iter().collect();
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stories//EN\r\n{vevents}END:VCALENDAR\r\n")
}

/// A row of calendar_sync_now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub status: String,
    /// Empty for none.
    pub error: String,
    /// created, updated, deleted, unchanged
    pub counts: [i32; 4],
}

/// Subscribes [`ADA`].
pub fn subscribe(client: &mut Client, url: &str, name: &str) {
    client.execute("select calendar_subscribe($1, $2, name => $3)", &[&ADA, &url, &name]).expect("subscribe");
}

/// Pulls a connection of hers.
pub fn pull(client: &mut Client, name: &str) -> Pulled {
    pull_with(client, name, false)
}

/// Pulls it, or with `force => true`.
pub fn pull_with(client: &mut Client, name: &str, force: bool) -> Pulled {
    let row = client
        .query_one(
            "select status, coalesce(error, ''), created, updated, deleted, unchanged
             from calendar_sync_now($1, force => $2, name => $3)",
            &[&ADA, &force, &name],
        )
        .expect("a row for the connection");
    Pulled { status: row.get(0), error: row.get(1), counts: [row.get(2), row.get(3), row.get(4), row.get(5)] }
}

/// The one text that a query gives; empty for NULL.
pub fn text(client: &mut Client, query: &str) -> String {
    client
        .query_one(query, &[])
        .unwrap_or_else(|error| panic!("{query}: {error:?}"))
        .get::<_, Option<String>>(0)
        .unwrap_or_default()
}
