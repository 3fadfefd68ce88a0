//! Webhooks are open to everybody: what their secrets are is read nowhere, and nobody who guesses learns anything.

use calendar_sync_e2e::{
    ADA, Cluster, FakeGoogle, Hooks, Looker, Overheard, TALKATIVE, add_google_account, connect_calendar, post, text,
};
use serde_json::json;

const TOKEN: &str = "planted-verification-token-w1";
const GUESS: &str = "planted-guess-w2";

#[test]
fn the_secrets_of_channels_are_read_nowhere_whatever_is_called() {
    let cluster = Cluster::start_with(&TALKATIVE);
    let mut client = cluster.create_database("crm");
    let overheard = Overheard::start(&cluster, &mut client, "crm");
    let google = FakeGoogle::start();
    google.add_person("ada@example.com", "Europe/Berlin");
    let account = add_google_account(&mut client, &google, ADA, "ada@example.com");
    let connection = connect_calendar(&mut client, account, "ada@example.com", "pull", &json!({}));
    let hooks = Hooks::start(cluster.config("crm"));
    let register = "select calendar_webhook_register($1, $2)";
    client.query_one(register, &[&connection, &hooks.url("google")]).expect("register");
    let secret = google.channels()[0].token.clone().expect("a token");
    google.calendar("ada@example.com").insert(json!({
        "summary": "Lunch", "start": { "date": "2030-01-15" }, "end": { "date": "2030-01-16" },
    }));
    google.notifications();

    let of_notion = "with account as (
            insert into calendar_accounts (user_id, provider, account_email) values ($1, 'notion', 'x') returning account_id
        )
        insert into calendar_connections (user_id, name, provider, account_id, external_calendar_id)
        select $1, 'Tasks', 'notion', account_id, 'tasks' from account returning connection_id";
    let tasks: uuid::Uuid = client.query_one(of_notion, &[&ADA]).expect("a connection").get(0);
    client.query_one(register, &[&tasks, &hooks.url("notion")]).expect("register");
    let call = |provider: &str, headers: &[String], body: &str| {
        post(&hooks.url(provider), headers, body.as_bytes()).map(|(status, _)| status)
    };
    let verification = json!({ "verification_token": TOKEN }).to_string();
    assert_eq!([call("notion", &[], &verification), call("notion", &[], &verification)], [Some(200), Some(403)]);
    let exists = |channel: &str, token: &str| {
        [
            format!("X-Goog-Channel-ID: {channel}"),
            format!("X-Goog-Channel-Token: {token}"),
            "X-Goog-Resource-State: exists".to_owned(),
        ]
    };
    let channel = google.channels()[0].id.clone();
    assert_eq!(call("google", &exists(&channel, GUESS), ""), Some(403));
    assert_eq!(call("google", &exists("none", &secret), ""), Some(404));
    let batch = json!({ "value": [{ "subscriptionId": "none", "clientState": GUESS }] }).to_string();
    assert_eq!(call("microsoft", &[], &batch), Some(404));
    assert_eq!(call("microsoft", &[], &batch[..40]), Some(400));

    let mut looker = Looker::new(&cluster, &[&secret, TOKEN, GUESS]);
    overheard.look(&mut looker, &mut client);
    assert!(looker.found.is_empty(), "{:#?}", looker.found);
    let shown =
        "select calendar_webhook_token(webhook_id) from calendar_webhook_subscriptions where provider = 'notion'";
    assert_eq!(text(&mut client, shown), TOKEN, "but to whoever asked for the channel");
}
