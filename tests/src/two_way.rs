//! A user's calendar at the fake Google, connected.

use postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{ADA, Cluster, FakeGoogle, GOOGLE_CLIENT};

/// The calendar of [`Linked`] at Google.
pub const LINKED_CALENDAR: &str = "ada@example.com";

/// A database in which [`ADA`] has her Google calendar connected.
pub struct Linked {
    pub google: FakeGoogle,
    pub cluster: Cluster,
    pub client: Client,
    pub account: Uuid,
    pub connection: Uuid,
}

impl Linked {
    /// `worker`: whether one is there.
    pub fn start(worker: bool, direction: &str) -> Self {
        Self::start_with(&[("calendar_sync.worker", if worker { "on" } else { "off" })], direction)
    }

    /// `settings`: of the server.
    pub fn start_with(settings: &[(&str, &str)], direction: &str) -> Self {
        let google = FakeGoogle::start();
        google.add_person(LINKED_CALENDAR, "Europe/Berlin");
        let cluster = Cluster::start_with(settings);
        let mut client = cluster.create_database("crm");
        let account = add_google_account(&mut client, &google, ADA, LINKED_CALENDAR);
        let connection = connect_calendar(&mut client, account, LINKED_CALENDAR, direction, &json!({}));
        Self { google, cluster, client, account, connection }
    }

    /// The events that are in the calendar at Google.
    pub fn remote(&self) -> Vec<Value> {
        self.google.calendar(LINKED_CALENDAR).events()
    }

    /// Their titles, sorted.
    pub fn remote_titles(&self) -> Vec<String> {
        let title = |event: Value| event["summary"].as_str().unwrap_or_default().to_owned();
        let mut titles: Vec<String> = self.remote().into_iter().map(title).collect();
        titles.sort();
        titles
    }

    /// Operations of the queue with that status.
    pub fn operations(&mut self, status: &str) -> i64 {
        let row = self.client.query_one("select count(*) from calendar_sync_queue where status = $1", &[&status]);
        row.expect("count").get(0)
    }

    /// Inserts, changes or revives an event of an application's; its id.
    pub fn upsert(&mut self, external_id: &str, event: &Value) -> Uuid {
        let upserted = self
            .client
            .query_one("select event_id from calendar_upsert_event($1, 'crm', $2, $3)", &[&ADA, &external_id, event]);
        upserted.unwrap_or_else(|error| panic!("upsert {external_id}: {error:?}")).get(0)
    }

    /// The same with this title, on a day of 2030.
    pub fn upsert_titled(&mut self, external_id: &str, title: &str) -> Uuid {
        let event = json!({ "title": title, "start": "2030-01-15T09:00:00+01:00", "end": "2030-01-15T10:00:00+01:00" });
        self.upsert(external_id, &event)
    }

    /// calendar_sync_now by hand: (status, pushed, error).
    pub fn sync_now(&mut self) -> (String, i32, String) {
        let row = self
            .client
            .query_one("select status, pushed, coalesce(error, '') from calendar_sync_now($1)", &[&ADA])
            .expect("a row for the connection");
        (row.get(0), row.get(1), row.get(2))
    }
}

/// An account of that user's at the fake Google.
pub fn add_google_account(client: &mut Client, google: &FakeGoogle, user_id: &str, email: &str) -> Uuid {
    let options = json!({ "api_url": google.api(), "token_url": google.token() });
    client
        .execute(
            "select calendar_oauth_register('google', $1, $2, $3)",
            &[&GOOGLE_CLIENT.0, &GOOGLE_CLIENT.1, &options],
        )
        .expect("register the application");
    let (access, refresh) = google.grant(email);
    client
        .query_one(
            "select calendar_account_add($1, 'google', $2, $3, now() + interval '1 hour', $4)",
            &[&user_id, &access, &refresh, &email],
        )
        .expect("add an account")
        .get(0)
}

/// Connects a calendar; its connection.
pub fn connect_calendar(client: &mut Client, account: Uuid, calendar: &str, direction: &str, options: &Value) -> Uuid {
    client
        .query_one("select calendar_connect($1, $2, $3, options => $4)", &[&account, &calendar, &direction, options])
        .unwrap_or_else(|error| panic!("connect {calendar}: {error:?}"))
        .get(0)
}
