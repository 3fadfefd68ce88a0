//! With a worker: what a notification announces is here at once, and channels are kept alive.

use std::time::{Duration, Instant};

use calendar_sync_e2e::{
    ADA, Cluster, FakeGoogle, FakeGraph, GoogleCall, GoogleDelivery, GoogleFault, Hooks, LINKED_CALENDAR, Linked,
    add_google_account, connect_calendar, count, eventually, post, text,
};
use postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

const EVENTS: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";
const CHANNEL: &str = "select coalesce(max(subscription_id), '') from calendar_webhook_subscriptions
    where is_active and stop_at is null";
/// Polls stay out of it.
const NO_POLLS: &str = "update calendar_connections set poll_interval = '1 day', next_poll_at = now() + '1 day'";

struct Watched {
    linked: Linked,
    hooks: Hooks,
    webhook: Uuid,
}

fn hooks_of(cluster: &Cluster, client: &mut Client, database: &str) -> Hooks {
    client
        .batch_execute("do $$begin if to_regrole('hooks') is null then create role hooks; end if; end$$")
        .and_then(|()| client.batch_execute("select calendar_grant('hooks', 'web')"))
        .expect("a role for the front end");
    Hooks::start(cluster.config(database).options("-c role=hooks").clone())
}

fn register(client: &mut Client, connection: Uuid, url: &str) -> Uuid {
    let registered = client.query_one("select calendar_webhook_register($1, $2)", &[&connection, &url]);
    registered.unwrap_or_else(|error| panic!("register: {error:?}")).get(0)
}

/// Nothing is due, and no notification came lately.
fn settle(client: &mut Client) {
    eventually("what registering made due is pulled", || {
        count(client, "select count(*) from calendar_connections where next_poll_at > now() + interval '1 minute'") > 0
    });
    client.batch_execute(NO_POLLS).expect("no polls");
    client.batch_execute("update calendar_connections set announced_for = null").expect("no burst");
}

/// Ada's calendar at Google, pulled, with a channel.
fn watched(direction: &str) -> Watched {
    let mut linked = Linked::start(true, direction);
    let hooks = hooks_of(&linked.cluster, &mut linked.client, "crm");
    let webhook = register(&mut linked.client, linked.connection, &hooks.url("google"));
    linked.google.notifications();
    settle(&mut linked.client);
    linked.google.forget_requests();
    Watched { linked, hooks, webhook }
}

fn tomorrow() -> chrono::NaiveDate {
    (chrono::Utc::now() + chrono::TimeDelta::days(1)).date_naive()
}

fn event(title: &str) -> Value {
    json!({ "summary": title, "start": { "dateTime": "2030-01-15T09:00:00Z" }, "end": { "dateTime": "2030-01-15T10:00:00Z" } })
}

impl Watched {
    fn insert(&self, title: &str) -> String {
        self.linked.google.calendar(LINKED_CALENDAR).insert(event(title))
    }

    fn events(&mut self) -> i64 {
        count(&mut self.linked.client, EVENTS)
    }

    fn channel(&mut self) -> String {
        text(&mut self.linked.client, CHANNEL)
    }

    fn run(&mut self, sql: &str) {
        self.linked.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn wait_for_channels(&self, open: usize) {
        eventually("so many channels are open", || self.linked.google.channels().len() == open);
    }
}

#[test]
fn a_change_there_is_here_as_soon_as_it_is_announced() {
    let mut watched = watched("pull");
    let id = watched.insert("Lunch");
    let told = Instant::now();
    eventually("the event is here", || watched.events() == 1);
    println!("a change was in calendar_events {:.2} s after its notification was sent", told.elapsed().as_secs_f64());
    watched.run("update calendar_connections set announced_for = null");
    watched.linked.google.calendar(LINKED_CALENDAR).delete(&id);
    eventually("and it is gone again", || watched.events() == 0);
}

/// Hardest point 11.
#[test]
fn a_burst_of_notifications_is_one_pull_at_once_and_one_for_the_rest() {
    let mut watched = watched("pull");
    for number in 0..40 {
        watched.insert(&format!("Event {number}"));
    }
    let notifications = watched.linked.google.notifications();
    assert_eq!(notifications.iter().filter(|told| told.state == "exists" && told.status == 200).count(), 40);
    eventually("all of them are here", || watched.events() == 40);
    let pulls = watched.linked.google.count(GoogleCall::List);
    println!("40 notifications were {pulls} pulls");
    assert!(pulls <= 3, "{pulls} pulls");
}

#[test]
fn what_is_announced_while_the_calendar_is_being_pulled_is_pulled_after_that() {
    let mut watched = watched("pull");
    watched.linked.google.fail(GoogleCall::List, 1, GoogleFault::Delay(Duration::from_secs(2)));
    watched.insert("First");
    eventually("it is being pulled", || watched.linked.google.count(GoogleCall::List) == 1);
    watched.insert("Second");
    eventually("both are here", || watched.events() == 2);
}

/// Hardest points 1 and 11.
#[test]
fn a_notification_of_what_was_sent_from_here_changes_nothing_anywhere() {
    let mut watched = watched("both");
    watched.linked.upsert_titled("visit", "Visit");
    eventually("the event is at Google", || watched.linked.operations("completed") == 1);
    watched.linked.google.notifications();
    let state = "select string_agg(concat(e.xmin, e.ctid, e), ' ') || (select count(*) from calendar_sync_queue where status <> 'completed')
        from calendar_events e";
    let before = text(&mut watched.linked.client, state);
    eventually("the notification is looked into", || watched.linked.google.count(GoogleCall::List) > 0);
    watched.run("update calendar_connections set next_poll_at = now(), announced_for = null");
    eventually("and so is all that came after it", || {
        count(
            &mut watched.linked.client,
            "select count(*) from calendar_connections where next_poll_at > now() and leased_until is null",
        ) == 1
    });
    assert_eq!(text(&mut watched.linked.client, state), before);
    let writes = watched.linked.google.requests().iter().filter(|request| request.call.writes()).count();
    assert_eq!(writes, 1, "the event was written once");
}

/// Hardest point 11.
#[test]
fn a_channel_is_renewed_with_an_overlap_and_registered_anew_once_it_has_expired() {
    let mut watched = watched("pull");
    let first = watched.channel();
    watched.run("update calendar_webhook_subscriptions set renew_at = now()");
    watched.wait_for_channels(2);
    eventually("the new one is what counts", || watched.channel() != first && !watched.channel().is_empty());
    assert_eq!(
        count(&mut watched.linked.client, "select count(*) from calendar_webhook_subscriptions where is_active"),
        2
    );
    watched.insert("Lunch");
    let statuses: Vec<u16> =
        watched.linked.google.notifications().iter().rev().take(2).map(|told| told.status).collect();
    assert_eq!(statuses, [200, 200], "both are taken from");
    watched.run("update calendar_webhook_subscriptions set stop_at = now() where stop_at is not null");
    watched.wait_for_channels(1);
    eventually("the old one is not taken from any more", || {
        count(&mut watched.linked.client, "select count(*) from calendar_webhook_subscriptions where is_active") == 1
    });

    let second = watched.channel();
    watched.linked.google.expire_access_tokens();
    watched.run("update calendar_webhook_subscriptions set expiration = now() - interval '1 day', renew_at = now()");
    eventually("there is another one", || watched.channel() != second && !watched.channel().is_empty());
    let row =
        "select count(*) from calendar_webhook_subscriptions where webhook_id = $1 and is_active and renew_at > now()";
    let client = &mut watched.linked.client;
    assert_eq!(client.query_one(row, &[&watched.webhook]).expect("count").get::<_, i64>(0), 1, "under the same id");
}

/// Hardest point 11.
#[test]
fn a_lost_channel_is_found_by_its_silence_while_polling_goes_on() {
    let mut watched = watched("pull");
    let first = watched.channel();
    // A poll says nothing of the channel while there was a notification, the first one say, since the poll before.
    let silent =
        "select count(*) from calendar_webhook_subscriptions w join calendar_connections c using (connection_id)
                  where greatest(w.last_notification_at, w.created_at) < c.last_synced_at";
    watched.run("update calendar_connections set next_poll_at = now(), announced_for = null");
    eventually("nothing was announced since the last poll", || count(&mut watched.linked.client, silent) == 1);
    watched.linked.google.deliver(GoogleDelivery::Never);
    for number in 1..=3 {
        assert_eq!(watched.channel(), first);
        watched.insert(&format!("Event {number}"));
        watched.run("update calendar_connections set next_poll_at = now(), announced_for = null");
        eventually("the poll finds it", || watched.events() == number);
    }
    watched.linked.google.deliver(GoogleDelivery::Once);
    eventually("there is a new channel", || watched.channel() != first && !watched.channel().is_empty());
    watched.insert("Event 4");
    eventually("which says so", || watched.events() == 4);
}

/// Hardest point 11.
#[test]
fn microsofts_channels_last_longer_and_come_back_when_they_were_removed() {
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    let graph = FakeGraph::start();
    let calendar = graph.add_mailbox("ada@contoso.com");
    let options = json!({ "api_url": graph.api(), "token_url": graph.token() });
    client
        .execute("select calendar_oauth_register('microsoft', 'client', 'secret', $1)", &[&options])
        .expect("register");
    let (access, refresh) = graph.grant("ada@contoso.com");
    let add = "select calendar_account_add($1, 'microsoft', $2, $3, now() + interval '1 hour', 'ada@contoso.com')";
    let account = client.query_one(add, &[&ADA, &access, &refresh]).expect("an account").get(0);
    let connection = connect_calendar(&mut client, account, &calendar, "pull", &json!({}));
    let hooks = hooks_of(&cluster, &mut client, "crm");
    register(&mut client, connection, &hooks.url("microsoft"));
    settle(&mut client);
    let first = graph.subscriptions()[0].clone();
    client
        .batch_execute(
            "update calendar_webhook_subscriptions set expiration = now() + interval '1 hour', renew_at = now()",
        )
        .expect("soon");
    let renewed = "select count(*) from calendar_webhook_subscriptions where renew_at > now() + interval '5 days'";
    eventually("it lasts longer", || count(&mut client, renewed) == 1);
    assert_eq!(graph.subscriptions().iter().map(|it| &it.id).collect::<Vec<_>>(), [&first.id], "the same one");
    assert_eq!(count(&mut client, "select count(*) from calendar_webhook_subscriptions"), 1);

    graph.tell_of_subscription(&first.id, "subscriptionRemoved");
    eventually("there is another one", || graph.subscriptions().iter().any(|it| it.id != first.id));
    eventually("and it is known", || text(&mut client, CHANNEL) == graph.subscriptions()[0].id);
    settle(&mut client);
    graph.calendar(&calendar).insert(json!({
        "subject": "Lunch",
        "start": { "dateTime": format!("{}T09:00:00", tomorrow()), "timeZone": "UTC" },
        "end": { "dateTime": format!("{}T10:00:00", tomorrow()), "timeZone": "UTC" },
    }));
    eventually("what changes is announced by it", || count(&mut client, EVENTS) == 1);
}

#[test]
fn what_fails_to_be_renewed_is_tried_again_and_shown() {
    let mut watched = watched("pull");
    let first = watched.channel();
    watched.linked.google.fail(GoogleCall::Watch, 1, GoogleFault::Refuse(500, "backendError"));
    watched.run("update calendar_webhook_subscriptions set renew_at = now()");
    let failing = "select coalesce(sum(failing), 0)::bigint from calendar_webhook_health";
    eventually("it is shown", || count(&mut watched.linked.client, failing) == 1);
    let error = text(&mut watched.linked.client, "select last_error from calendar_webhook_subscriptions");
    assert!(error.contains("500"), "{error}");
    assert_eq!(watched.channel(), first, "the old one still counts");
    watched.run("update calendar_webhook_subscriptions set renew_at = now()");
    eventually("there is a new channel", || watched.channel() != first);
    assert_eq!(count(&mut watched.linked.client, failing), 0);
}

#[test]
fn channels_go_and_come_with_their_connection() {
    let mut watched = watched("pull");
    let connection = watched.linked.connection;
    let call = |client: &mut Client, function: &str| {
        client
            .execute(&format!("select {function}($1)"), &[&connection])
            .unwrap_or_else(|error| panic!("{function}: {error:?}"));
    };
    call(&mut watched.linked.client, "calendar_pause");
    watched.wait_for_channels(0);
    call(&mut watched.linked.client, "calendar_continue");
    watched.wait_for_channels(1);
    settle(&mut watched.linked.client);
    watched.insert("Lunch");
    eventually("it is announced again", || watched.events() == 1);

    let account = watched.linked.account;
    connect_calendar(&mut watched.linked.client, account, LINKED_CALENDAR, "push", &json!({}));
    watched.wait_for_channels(0);
    connect_calendar(&mut watched.linked.client, account, LINKED_CALENDAR, "pull", &json!({}));
    watched.wait_for_channels(1);
    call(&mut watched.linked.client, "calendar_unsubscribe");
    watched.wait_for_channels(0);
    assert!(watched.hooks.calls().iter().all(|call| call.status == 200 || call.status == 404));
}

#[test]
fn each_database_is_told_of_its_own_calendars() {
    let mut watched = watched("pull");
    let mut other = watched.linked.cluster.create_database("other");
    let google = FakeGoogle::start();
    google.add_person("bob@example.com", "Europe/Berlin");
    let account = add_google_account(&mut other, &google, ADA, "bob@example.com");
    let connection = connect_calendar(&mut other, account, "bob@example.com", "pull", &json!({}));
    let hooks = hooks_of(&watched.linked.cluster, &mut other, "other");
    register(&mut other, connection, &hooks.url("google"));
    google.notifications();
    settle(&mut other);
    watched.insert("Ada's");
    google.calendar("bob@example.com").insert(event("Bob's"));
    eventually("each has its own", || watched.events() == 1 && count(&mut other, EVENTS) == 1);
    let channel = google.channels()[0].clone();
    let headers = [
        format!("X-Goog-Channel-ID: {}", channel.id),
        format!("X-Goog-Channel-Token: {}", channel.token.expect("a token")),
        "X-Goog-Resource-State: exists".to_owned(),
    ];
    let answer = post(&watched.hooks.url("google"), &headers, b"").map(|(status, _)| status);
    assert_eq!(answer, Some(404), "the other database's channel is none of this one's");
}
