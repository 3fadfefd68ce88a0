//! Providers say that a calendar has changed: who is believed, and what comes of it.

use calendar_sync_e2e::{ADA, Cluster, FakeGoogle, FakeGraph, FakeNotion, Hooks, count, post, text};
use postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

const EMAIL: &str = "ada@example.com";
const IS_DUE: &str = "select count(*) from calendar_connections where next_poll_at <= clock_timestamp()";
const REFUSED: &str = "select coalesce(string_agg(error_message, ', ' order by log_id), '') from calendar_sync_log
    where action = 'webhook' and status = 'failed'";

fn start() -> (Cluster, Client, Hooks) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    client.batch_execute("create role hooks; select calendar_grant('hooks', 'web')").expect("a role for the front end");
    let hooks = Hooks::start(cluster.config("crm").options("-c role=hooks").clone());
    (cluster, client, hooks)
}

/// Ada's account at a provider, of which `tokens` are, and a calendar of it, pulled just now.
fn connect(client: &mut Client, provider: &str, api: &str, tokens: (String, String), calendar: &str) -> Uuid {
    let options = json!({ "api_url": api });
    client
        .execute("select calendar_oauth_register($1, 'client', 'secret', $2)", &[&provider, &options])
        .expect("register the application");
    let (access, refresh) = tokens;
    let add = "select calendar_account_add($1, $2, $3, $4, now() + interval '1 hour', $5)";
    let account: Uuid =
        client.query_one(add, &[&ADA, &provider, &access, &refresh, &EMAIL]).expect("an account").get(0);
    let connected = client.query_one("select calendar_connect($1, $2, 'pull')", &[&account, &calendar]);
    let connection = connected.expect("a connection").get(0);
    forget(client);
    connection
}

/// Nothing is due, and no notification has come lately.
fn forget(client: &mut Client) {
    client
        .batch_execute("update calendar_connections set next_poll_at = 'infinity', announced_for = null")
        .expect("forget");
}

fn of_google(client: &mut Client) -> (FakeGoogle, Uuid) {
    let google = FakeGoogle::start();
    google.add_person(EMAIL, "Europe/Berlin");
    let connection = connect(client, "google", &google.api(), google.grant(EMAIL), EMAIL);
    (google, connection)
}

fn of_microsoft(client: &mut Client) -> (FakeGraph, String, Uuid) {
    let graph = FakeGraph::start();
    let calendar = graph.add_mailbox(EMAIL);
    let connection = connect(client, "microsoft", &graph.api(), graph.grant(EMAIL), &calendar);
    (graph, calendar, connection)
}

fn register(client: &mut Client, connection: Uuid, url: &str) -> Uuid {
    let registered = client.query_one("select calendar_webhook_register($1, $2)", &[&connection, &url]);
    registered.unwrap_or_else(|error| panic!("register: {error:?}")).get(0)
}

fn state(client: &mut Client, webhook: Uuid) -> String {
    let query =
        "select concat_ws(' ', is_active, case when expiration > now() + interval '6 days' then 'for a week' end,
                     case when renew_at between now() + interval '5 days' and expiration - interval '23 hours'
                         then 'renewed in time' end,
                     case when client_state is not null then 'sealed' end)
                 from calendar_webhook_subscriptions where webhook_id = $1";
    client.query_one(query, &[&webhook]).expect("the channel").get(0)
}

fn event(title: &str) -> Value {
    json!({ "summary": title, "start": { "dateTime": "2030-01-15T09:00:00Z" }, "end": { "dateTime": "2030-01-15T10:00:00Z" } })
}

#[test]
fn google_says_that_a_calendar_has_changed_until_its_channel_is_stopped() {
    let (_cluster, mut client, hooks) = start();
    let (google, connection) = of_google(&mut client);
    let webhook = register(&mut client, connection, &hooks.url("google"));
    google.notifications();
    assert_eq!(state(&mut client, webhook), "t for a week renewed in time sealed");
    assert_eq!(count(&mut client, IS_DUE), 1, "what has changed before there was a channel is looked for");
    let channels = google.channels();
    let secret = channels[0].token.clone().expect("a token");
    assert!(channels.len() == 1 && secret.len() >= 43, "{channels:?}");
    let stored = "select count(*) from calendar_webhook_subscriptions where position($1::bytea in client_state) > 0";
    assert_eq!(client.query_one(stored, &[&secret.as_bytes()]).expect("count").get::<_, i64>(0), 0);

    forget(&mut client);
    google.calendar(EMAIL).insert(event("Lunch"));
    assert_eq!(google.notifications().last().map(|told| told.status), Some(200));
    assert_eq!(count(&mut client, IS_DUE), 1);
    client.execute("select calendar_webhook_stop($1)", &[&webhook]).expect("stop");
    assert_eq!((google.channels().len(), state(&mut client, webhook).as_str()), (0, "f for a week"));
    assert_eq!(text(&mut client, "select format('%s %s', total, active) from calendar_webhook_health"), "1 0");
}

#[test]
fn a_calendar_that_nobody_notifies_us_of_is_polled_and_says_so() {
    let (_cluster, mut client, hooks) = start();
    let (google, connection) = of_google(&mut client);
    google.calendar(EMAIL).refuse_channels();
    let refused = client.query_one("select calendar_webhook_register($1, $2)", &[&connection, &hooks.url("google")]);
    let error = refused.err().and_then(|error| error.as_db_error().map(|it| it.message().to_owned()));
    assert_eq!(error.as_deref(), Some("the provider notifies nobody of changes of this calendar"));
    assert_eq!(count(&mut client, "select count(*) from calendar_webhook_subscriptions"), 0);
}

#[test]
fn microsoft_validates_the_address_while_it_registers_and_says_what_becomes_of_the_channel() {
    let (_cluster, mut client, hooks) = start();
    let (graph, calendar, connection) = of_microsoft(&mut client);
    let webhook = register(&mut client, connection, &hooks.url("microsoft"));
    assert_eq!(state(&mut client, webhook), "t for a week renewed in time sealed");
    forget(&mut client);
    let told = json!({ "subject": "Lunch", "start": { "dateTime": "2030-01-15T09:00:00", "timeZone": "UTC" },
        "end": { "dateTime": "2030-01-15T10:00:00", "timeZone": "UTC" } });
    graph.calendar(&calendar).insert(told);
    assert_eq!(graph.notifications().last().map(|told| told.status), Some(202));
    assert_eq!(count(&mut client, IS_DUE), 1);

    forget(&mut client);
    let subscription = graph.subscriptions()[0].id.clone();
    let renewed_now = "select count(*) from calendar_webhook_subscriptions where renew_at <= clock_timestamp()";
    graph.tell_of_subscription(&subscription, "missed");
    graph.notifications();
    assert_eq!((count(&mut client, IS_DUE), count(&mut client, renewed_now)), (1, 0));
    forget(&mut client);
    graph.tell_of_subscription(&subscription, "reauthorizationRequired");
    graph.notifications();
    assert_eq!((count(&mut client, IS_DUE), count(&mut client, renewed_now)), (0, 1));
    graph.tell_of_subscription(&subscription, "subscriptionRemoved");
    assert!(graph.notifications().iter().all(|told| told.status == 202));
    let expired = "select count(*) from calendar_webhook_subscriptions where expiration <= clock_timestamp()";
    assert_eq!((count(&mut client, IS_DUE), count(&mut client, expired)), (1, 1));

    // Registered again, under another address too: Microsoft takes one channel of a calendar and no more.
    let again = register(&mut client, connection, &hooks.url("microsoft"));
    let other = register(&mut client, connection, &(hooks.url("microsoft") + "?of=ada"));
    assert_eq!(graph.subscriptions().len(), 1);
    assert_eq!(state(&mut client, other), "t for a week renewed in time sealed");
    client
        .execute("select calendar_webhook_stop(id) from unnest($1::uuid[]) id", &[&vec![again, other]])
        .expect("stop");
    assert_eq!(graph.subscriptions().len(), 0);
}

#[test]
fn an_address_that_nobody_answers_at_is_no_address_for_microsoft() {
    let (_cluster, mut client, hooks) = start();
    let (_graph, _, connection) = of_microsoft(&mut client);
    hooks.set_down(true);
    let refused = client.query_one("select calendar_webhook_register($1, $2)", &[&connection, &hooks.url("microsoft")]);
    let error = refused.err().and_then(|error| error.as_db_error().map(|it| it.message().to_owned())).expect("refused");
    assert!(error.contains("validation request failed"), "{error}");
    assert_eq!(count(&mut client, "select count(*) from calendar_webhook_subscriptions"), 0);
}

#[test]
fn notion_brings_its_token_in_the_first_call_and_signs_all_that_follow() {
    let (_cluster, mut client, hooks) = start();
    let notion = FakeNotion::start();
    let tasks = notion.add_database("Tasks", &FakeNotion::usual_schema());
    let tokens = (FakeNotion::TOKEN.to_owned(), String::new());
    let connection = connect_notion(&mut client, &notion, &tokens.0, &tasks);
    register(&mut client, connection, &hooks.url("notion"));
    let first = notion.subscribe(&hooks.url("notion"), "secret_of_this_integration");
    let call = |delivery: &calendar_sync_e2e::Delivery| {
        post(&hooks.url("notion"), &delivery.headers, delivery.body.as_bytes()).map(|(status, _)| status)
    };
    assert_eq!(call(&first), Some(200));
    assert_eq!(
        text(&mut client, "select calendar_webhook_token(webhook_id) from calendar_webhook_subscriptions"),
        "secret_of_this_integration"
    );
    assert_eq!(call(&first), Some(403), "it is taken once");
    forget(&mut client);
    notion.add_event(&tasks, "Lunch", &json!({ "start": "2030-01-15" }));
    let told = notion.notifications();
    let mut forged = told[0].clone();
    forged.body = forged.body.replace("page.created", "page.deleted");
    assert_eq!((call(&forged), count(&mut client, IS_DUE)), (Some(403), 0));
    assert_eq!((call(&told[0]), count(&mut client, IS_DUE)), (Some(200), 1));
}

fn connect_notion(client: &mut Client, notion: &FakeNotion, token: &str, calendar: &str) -> Uuid {
    client
        .execute(
            "select calendar_oauth_register('notion', 'client', 'secret', $1)",
            &[&json!({ "api_url": notion.url() })],
        )
        .expect("register the application");
    let add = "select calendar_account_add($1, 'notion', $2)";
    let account: Uuid = client.query_one(add, &[&ADA, &token]).expect("an account").get(0);
    let connected = client.query_one("select calendar_connect($1, $2, 'pull')", &[&account, &calendar]);
    connected.expect("a connection").get(0)
}

/// Hardest point 11.
#[test]
fn notifications_that_are_forged_replayed_or_late_do_nothing() {
    let (_cluster, mut client, hooks) = start();
    let (google, connection) = of_google(&mut client);
    register(&mut client, connection, &hooks.url("google"));
    google.notifications();
    forget(&mut client);
    client.batch_execute("delete from calendar_sync_log").expect("delete");
    let channel = google.channels()[0].clone();
    let secret = channel.token.expect("a token");
    let call = |id: &str, token: Option<&str>, number: i64| {
        let mut headers = vec![
            format!("X-Goog-Channel-ID: {id}"),
            "X-Goog-Resource-State: exists".to_owned(),
            format!("X-Goog-Message-Number: {number}"),
        ];
        headers.extend(token.map(|token| format!("X-Goog-Channel-Token: {token}")));
        post(&hooks.url("google"), &headers, b"").map(|(status, _)| status)
    };
    let before = text(&mut client, "select string_agg(c::text, ' ') from calendar_connections c");
    assert_eq!(call("another-channel", Some(&secret), 9), Some(404));
    assert_eq!(call(&channel.id, None, 9), Some(403));
    assert_eq!(call(&channel.id, Some(&secret[..42]), 9), Some(403));
    assert_eq!(call(&channel.id, Some(&secret.to_lowercase()), 9), Some(403));
    assert_eq!(text(&mut client, REFUSED), "unknown channel, wrong secret, wrong secret, wrong secret");
    assert!(!text(&mut client, "select string_agg(l::text, ' ') from calendar_sync_log l").contains(&secret[..20]));
    assert_eq!(text(&mut client, "select string_agg(c::text, ' ') from calendar_connections c"), before);

    assert_eq!((call(&channel.id, Some(&secret), 20), count(&mut client, IS_DUE)), (Some(200), 1));
    forget(&mut client);
    for number in [20, 3] {
        assert_eq!((call(&channel.id, Some(&secret), number), count(&mut client, IS_DUE)), (Some(200), 0), "{number}");
    }
    assert_eq!((call(&channel.id, Some(&secret), 21), count(&mut client, IS_DUE)), (Some(200), 1));
}

/// Hardest point 11: of a batch what is proved counts, and no word of lifecycles is believed without the secret either.
#[test]
fn of_microsofts_notifications_those_with_their_own_channels_secret_count() {
    let (_cluster, mut client, hooks) = start();
    let (graph, _, connection) = of_microsoft(&mut client);
    register(&mut client, connection, &hooks.url("microsoft"));
    graph.notifications();
    forget(&mut client);
    let channel = graph.subscriptions()[0].clone();
    let secret = channel.client_state.expect("a secret");
    let change =
        |secret: &Value| json!({ "subscriptionId": channel.id, "clientState": secret, "changeType": "updated" });
    let removed = |secret: &Value| json!({ "subscriptionId": channel.id, "clientState": secret, "lifecycleEvent": "subscriptionRemoved" });
    let call = |notices: &[Value]| {
        let body = json!({ "value": notices }).to_string();
        post(&hooks.url("microsoft"), &["Content-Type: application/json".to_owned()], body.as_bytes()).map(|it| it.0)
    };
    let state = "select (select string_agg(to_jsonb(c)::text, ' ') from calendar_connections c)
                     || (select string_agg(to_jsonb(w)::text, ' ') from calendar_webhook_subscriptions w)";
    let before = text(&mut client, state);
    let wrong = [Value::Null, json!(""), json!(secret[..20]), json!(secret.to_lowercase()), json!([secret]), json!(1)];
    for wrong in &wrong {
        for told in [change(wrong), removed(wrong)] {
            let status = call(std::slice::from_ref(&told));
            assert!(matches!(status, Some(400 | 403)), "{told}: {status:?}");
        }
    }
    assert_eq!(text(&mut client, state), before);
    assert!(!text(&mut client, "select string_agg(l::text, ' ') from calendar_sync_log l").contains(&secret[..20]));

    let good = change(&json!(secret));
    let other = json!({ "subscriptionId": "another", "clientState": secret, "changeType": "updated" });
    assert_eq!(call(&[other.clone(), removed(&wrong[2])]), Some(403));
    assert_eq!((call(&[other]), count(&mut client, IS_DUE)), (Some(404), 0));
    assert_eq!((call(&[removed(&wrong[2]), good]), count(&mut client, IS_DUE)), (Some(202), 1));
    let expired = "select count(*) from calendar_webhook_subscriptions where expiration <= clock_timestamp()";
    assert_eq!(count(&mut client, expired), 0, "nobody has removed it");
}

/// Hardest point 11.
#[test]
fn a_notification_waits_for_nobody_and_is_not_forgotten() {
    let (cluster, mut client, hooks) = start();
    let (google, connection) = of_google(&mut client);
    register(&mut client, connection, &hooks.url("google"));
    google.notifications();
    forget(&mut client);
    let mut other = cluster.connect("crm");
    other.batch_execute("begin; select from calendar_connections for update").expect("lock");
    other.batch_execute("select from calendar_webhook_subscriptions for update").expect("lock");
    for title in ["One", "Two", "Three"] {
        google.calendar(EMAIL).insert(event(title));
    }
    assert!(google.notifications().iter().skip(1).all(|told| told.status == 200), "all are answered meanwhile");
    other.batch_execute("rollback").expect("rollback");
    assert_eq!(count(&mut client, IS_DUE), 0);
    assert_eq!(count(&mut client, "select count(*) from calendar_webhook_notices"), 1);

    // Under a snapshot for the whole transaction others' writes would be an error.
    client.batch_execute("delete from calendar_webhook_notices").expect("delete");
    let channel = google.channels()[0].clone();
    let headers = json!({ "X-Goog-Channel-ID": channel.id, "X-Goog-Channel-Token": channel.token,
        "X-Goog-Resource-State": "exists" });
    other.batch_execute("begin isolation level repeatable read; select count(*) from calendar_events").expect("begin");
    client.batch_execute("update calendar_connections set updated_at = now()").expect("update");
    let answer = other.query_one("select status from calendar_webhook_receive('google', $1, null, '')", &[&headers]);
    assert_eq!(answer.expect("an answer").get::<_, i32>(0), 200);
    other.batch_execute("commit").expect("commit");
    assert_eq!(count(&mut client, "select count(*) from calendar_webhook_notices"), 1);

    cluster.set("calendar_sync.worker", "on");
    calendar_sync_e2e::eventually("the worker has taken the notice", || {
        count(&mut client, "select count(*) from calendar_webhook_notices") == 0
            && text(&mut client, "select (next_poll_at <> 'infinity')::text from calendar_connections") == "true"
    });
}

#[test]
fn a_restored_copy_leaves_the_originals_channels_alone() {
    let (_cluster, mut client, hooks) = start();
    let (google, connection) = of_google(&mut client);
    let webhook = register(&mut client, connection, &hooks.url("google"));
    google.notifications();
    client.batch_execute("update calendar_installation set database_oid = 1").expect("as if it were a copy");
    let registered = client.execute("select calendar_webhook_register($1, $2)", &[&connection, &hooks.url("google")]);
    let stopped = client.execute("select calendar_webhook_stop($1)", &[&webhook]);
    for refused in [registered, stopped] {
        let code = refused.err().and_then(|error| error.code().map(|it| it.code().to_owned()));
        assert_eq!(code.as_deref(), Some("55000"));
    }
    assert_eq!(google.channels().len(), 1, "the original still has it");
    assert_eq!(text(&mut client, "select is_active::text from calendar_webhook_subscriptions"), "true");
}
