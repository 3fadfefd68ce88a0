//! The same login at each provider, as far as its fake tells: codes, names, tokens that are renewed, taken back, ended.

use std::collections::HashMap;

use calendar_sync_e2e::{Cluster, FakeGoogle, FakeGraph, FakeNotion, GOOGLE_CLIENT, GRAPH_CLIENT, text};
use postgres::Client;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

const BACK: &str = "https://crm.example.com/oauth/callback";
const EMAIL: &str = "ada@example.com";

fn start() -> (Cluster, Client) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let client = cluster.create_database("crm");
    (cluster, client)
}

/// Ada logs in; `consent` gives the code for where she is sent.
fn log_in(
    client: &mut Client,
    provider: &str,
    application: (&str, &str),
    options: &Value,
    consent: impl Fn(&str) -> String,
) -> Uuid {
    let register = "select calendar_oauth_register($1, $2, $3, $4)";
    client.execute(register, &[&provider, &application.0, &application.1, options]).expect("register");
    let begin = "select calendar_oauth_begin('ada', $1, $2)";
    let address: String = client.query_one(begin, &[&provider, &BACK]).expect("begin").get(0);
    let asked: HashMap<String, String> = Url::parse(&address).expect("a URL").query_pairs().into_owned().collect();
    let finish = "select calendar_oauth_finish($1, $2, 'ada')";
    client.query_one(finish, &[&asked["state"], &consent(&address)]).expect("finish").get(0)
}

fn code_in(address: &str) -> String {
    let url = Url::parse(address).expect("where the user is sent back to");
    url.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned()
}

/// How many calendars the account sees, or why it sees none (SQLSTATE).
fn seen(client: &mut Client, account: Uuid) -> Result<usize, String> {
    let rows = client.query("select * from calendar_account_calendars($1)", &[&account]);
    rows.map(|rows| rows.len()).map_err(|error| error.code().expect("the server's").code().to_owned())
}

fn name_and_status(client: &mut Client) -> String {
    text(client, "select concat_ws(' ', account_email, status) from calendar_account_status")
}

#[test]
fn google_is_logged_in_to_and_its_primary_calendar_is_the_logins_own() {
    let (_cluster, mut client) = start();
    let google = FakeGoogle::start();
    google.add_person(EMAIL, "Europe/Berlin");
    google.spend_refresh_tokens(true);
    let options = json!({
        "redirect_uris": [BACK], "api_url": google.api(), "authorize_url": google.authorize(), "token_url": google.token(),
        "revoke_url": google.revoke(),
    });
    let log_in = |client: &mut Client| {
        log_in(client, "google", GOOGLE_CLIENT, &options, |address| code_in(&google.consent(address, EMAIL)))
    };
    let account = log_in(&mut client);
    assert_eq!(name_and_status(&mut client), format!("{EMAIL} active"));
    let connect = "select calendar_connect($1, 'primary')";
    client.query_one(connect, &[&account]).expect("connect");
    let calendar = "select concat_ws(' ', external_calendar_id, time_zone) from calendar_connections";
    assert_eq!(text(&mut client, calendar), format!("{EMAIL} Europe/Berlin"));
    for _ in 0..3 {
        google.expire_access_tokens();
        assert_eq!(seen(&mut client, account), Ok(1));
    }
    google.withdraw_consent(EMAIL);
    assert_eq!(seen(&mut client, account), Err("28000".to_owned()));
    assert_eq!(name_and_status(&mut client), format!("{EMAIL} reauth_required"));

    assert_eq!(log_in(&mut client), account);
    assert_eq!(seen(&mut client, account), Ok(1));
    let (access, _) = google.grant(EMAIL);
    client.execute("select calendar_account_remove($1)", &[&account]).expect("remove");
    client
        .execute("select calendar_account_add('ada', 'google', $1, account_email => $2)", &[&access, &EMAIL])
        .expect("add");
    assert_eq!(seen(&mut client, account), Err("28000".to_owned()), "all that she had allowed is ended there");
}

#[test]
fn microsoft_is_logged_in_to_and_gives_another_refresh_token_each_time() {
    let (_cluster, mut client) = start();
    let graph = FakeGraph::start();
    graph.add_mailbox(EMAIL);
    graph.spend_refresh_tokens(true);
    let options = json!({
        "redirect_uris": [BACK], "api_url": graph.api(), "authorize_url": graph.authorize(), "token_url": graph.token(),
    });
    let account =
        log_in(&mut client, "microsoft", GRAPH_CLIENT, &options, |address| code_in(&graph.consent(address, EMAIL)));
    assert_eq!(name_and_status(&mut client), format!("{EMAIL} active"));
    for _ in 0..3 {
        graph.expire_access_tokens();
        assert_eq!(seen(&mut client, account), Ok(1));
    }
    graph.withdraw_consent(EMAIL);
    assert_eq!(seen(&mut client, account), Err("28000".to_owned()));
}

#[test]
fn notion_is_logged_in_to_by_basic_authorization_and_json() {
    let (_cluster, mut client) = start();
    let notion = FakeNotion::start();
    notion.register_client("client", "secret");
    notion.add_database("Tasks", &FakeNotion::usual_schema());
    let at = |path: &str| format!("{}/v1/oauth/{path}", notion.url());
    let options = json!({"redirect_uris": [BACK], "endpoints": {
        "api": notion.url(), "authorize": at("authorize"), "token": at("token"), "revoke": at("revoke"),
    }});
    let account = log_in(&mut client, "notion", ("client", "secret"), &options, |_| notion.consent(BACK, EMAIL));
    assert!(name_and_status(&mut client).contains("(Acme) active"), "{}", name_and_status(&mut client));
    for round in 1..4 {
        notion.expire_tokens();
        assert_eq!(seen(&mut client, account), Ok(1));
        assert_eq!(notion.refreshes(), round);
    }
    let is_revoke = |request: &&calendar_sync_e2e::Request| request.target.ends_with("/oauth/revoke");
    client.execute("select calendar_account_remove($1)", &[&account]).expect("remove");
    assert_eq!(notion.requests().iter().filter(is_revoke).count(), 1);
}
