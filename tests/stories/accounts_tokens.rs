//! Tokens are renewed by one at a time, and never lost. The provider takes a refresh token once: whoever comes with a used
//! one loses the login.

use std::thread;

use calendar_sync_e2e::{Cluster, FakeLogin, LOGIN_CLIENT, count, eventually, text};
use postgres::Client;
use serde_json::json;
use uuid::Uuid;

const CALENDARS: &str = "select calendar_account_calendars(account_id) from calendar_accounts";

fn start_with(settings: &[(&str, &str)]) -> (Cluster, Client, FakeLogin) {
    let cluster = Cluster::start_with(&[&[("calendar_sync.worker", "off")], settings].concat());
    let mut client = cluster.create_database("crm");
    let login = FakeLogin::start();
    let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
    client.execute(register, &[&LOGIN_CLIENT.0, &LOGIN_CLIENT.1, &login.options()]).expect("register");
    add(&mut client, &login);
    (cluster, client, login)
}

fn start() -> (Cluster, Client, FakeLogin) {
    start_with(&[])
}

/// Ada's account; its access token is about to expire.
fn add(client: &mut Client, login: &FakeLogin) -> Uuid {
    let (access, refresh) = login.grant("ada@contoso.com");
    let add = "select calendar_account_add('ada', 'microsoft', $1, $2, now() - interval '1 s', 'ada@contoso.com')";
    client.query_one(add, &[&access, &refresh]).expect("add").get(0)
}

fn calendars(client: &mut Client) -> usize {
    client.query(CALENDARS, &[]).expect("calendars").len()
}

/// SQLSTATE and message.
fn failure(client: &mut Client) -> (String, String) {
    let error = client.query(CALENDARS, &[]).expect_err("it fails");
    let error = error.as_db_error().expect("the server's error");
    (error.code().code().to_owned(), error.message().to_owned())
}

fn state(client: &mut Client) -> String {
    text(client, "select concat_ws(' ', status, last_error) from calendar_account_status")
}

/// Hardest point 8.
#[test]
fn tokens_are_renewed_once_however_many_want_them_at_once() {
    let (cluster, mut client, login) = start();
    login.hold();
    let ask = |mut session: Client| thread::spawn(move || calendars(&mut session));
    let sessions: Vec<_> = (0..6).map(|_| ask(cluster.connect("crm"))).collect();
    let waiting = "select count(*) from pg_stat_activity where query like 'select calendar_account_calendars%' \
                   and state = 'active' and wait_event_type = 'Extension'";
    eventually("all of them wait", || count(&mut client, waiting) == 6 && login.refreshes() == 1);
    login.go_on();
    for session in sessions {
        assert_eq!(session.join().expect("it ends"), 3);
    }
    assert_eq!(login.refreshes(), 1);
    // And so on: what was given is what the next one goes by.
    for round in 2..5 {
        client.execute("update calendar_accounts set token_expires_at = now()", &[]).expect("expire");
        assert_eq!(calendars(&mut client), 3);
        assert_eq!(login.refreshes(), round);
    }
    let logged = "select count(*) from calendar_sync_log where action = 'refresh' and status = 'success'";
    assert_eq!(count(&mut client, logged), 4);
}

#[test]
fn new_tokens_outlive_the_transaction_that_wanted_them() {
    let (cluster, mut client, login) = start();
    let mut session = cluster.connect("crm");
    session.batch_execute("begin isolation level repeatable read").expect("begin");
    assert_eq!(count(&mut session, "select count(*) from calendar_accounts where token_expires_at < now()"), 1);
    assert_eq!(calendars(&mut session), 3, "it sees the new ones, whatever else it sees");
    session
        .execute(
            "select calendar_upsert_event('ada', 'app', '1', '{\"title\": \"x\", \"start\": \"2030-01-01\"}')",
            &[],
        )
        .expect("upsert");
    assert_eq!(calendars(&mut session), 3, "also after it has written something");
    assert_eq!(count(&mut session, "select count(*) from calendar_accounts where token_expires_at < now()"), 1);
    session.batch_execute("rollback").expect("rollback");
    assert_eq!(calendars(&mut client), 3);
    assert_eq!(login.refreshes(), 1);
}

#[test]
fn a_token_that_is_refused_is_renewed_once_and_then_its_user_has_to_log_in() {
    let (_cluster, mut client, login) = start();
    assert_eq!(calendars(&mut client), 3);
    login.expire();
    assert_eq!(calendars(&mut client), 3, "long before it was to expire");
    assert_eq!(login.refreshes(), 2);

    // Of the wrong application, or of a user who may nothing any more: new tokens do not help.
    client
        .batch_execute(
            "insert into calendar_connections (user_id, name, provider, account_id, external_calendar_id)
             select 'ada', 'Work', 'microsoft', account_id, 'work' from calendar_accounts",
        )
        .expect("a connection");
    login.expire();
    login.refuse(200, json!({"access_token": "good-for-nothing", "expires_in": 3600}));
    assert_eq!(failure(&mut client).0, "28000");
    assert!(state(&mut client).starts_with("reauth_required the provider refuses"), "{}", state(&mut client));
    let work = "select concat_ws(' ', status, last_error) from calendar_sync_status('ada')";
    assert!(text(&mut client, work).starts_with("reauth_required the provider refuses"));
    let asked = login.requests().len();
    assert_eq!(failure(&mut client).0, "28000");
    assert_eq!(login.requests().len(), asked, "nobody is asked any more");

    add(&mut client, &login);
    assert_eq!(calendars(&mut client), 3);
    assert_eq!((state(&mut client), text(&mut client, work)), ("active".into(), "active".into()));
}

#[test]
fn what_the_user_has_taken_back_ends_in_a_new_login_and_no_further_tries() {
    let (_cluster, mut client, login) = start();
    for (number, error) in ["invalid_grant", "interaction_required", "consent_required"].into_iter().enumerate() {
        add(&mut client, &login);
        login.refuse(400, json!({"error": error, "error_description": "AADSTS50173", "error_codes": [50173]}));
        let (code, message) = failure(&mut client);
        assert_eq!(code, "28000");
        assert!(message.contains(error) && message.contains("AADSTS50173"), "{message}");
        assert_eq!(failure(&mut client).0, "28000");
        assert_eq!(login.refreshes(), number + 1);
        let logged = "select error_message from calendar_sync_log where action = 'refresh' and status = 'failed'
                      order by log_id desc limit 1";
        assert!(text(&mut client, logged).contains(error));
    }
}

#[test]
fn trouble_at_the_provider_costs_no_token() {
    let (_cluster, mut client, login) = start();
    login.refuse(503, json!({"error": "temporarily_unavailable"}));
    let (code, message) = failure(&mut client);
    assert_eq!(code, "08000");
    assert!(message.contains("temporarily_unavailable"), "{message}");
    assert!(state(&mut client).starts_with("active the tokens could not be renewed"), "{}", state(&mut client));
    assert_eq!(count(&mut client, "select count(*) from calendar_accounts where refresh_not_before > now()"), 1);
    assert_eq!(calendars(&mut client), 3, "whoever asks by hand need not wait");
    assert_eq!(state(&mut client), "active");
}

#[test]
fn an_answer_that_is_lost_costs_the_login_only_where_the_provider_wants_it_so() {
    let (_cluster, mut client, login) = start();
    login.lose(1);
    assert_eq!(failure(&mut client).0, "08000");
    assert_eq!(failure(&mut client).0, "28000");
    assert!(state(&mut client).starts_with("reauth_required"));

    add(&mut client, &login);
    login.lose(1);
    assert_eq!(failure(&mut client).0, "08000");
    login.take_used_tokens();
    assert_eq!(calendars(&mut client), 3);
}

#[test]
fn who_ended_in_the_middle_of_a_renewal_keeps_nobody_waiting() {
    let (cluster, mut client, login) = start();
    login.take_used_tokens();
    login.hold();
    let mut session = cluster.connect("crm");
    let first = thread::spawn(move || session.query(CALENDARS, &[]).map(drop));
    eventually("the provider is asked", || login.refreshes() == 1);
    let end =
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'calendar_sync tokens'";
    assert_eq!(count(&mut client, end), 1);
    assert!(first.join().expect("it ends").is_err(), "who wanted it is told");
    login.go_on();
    assert_eq!(calendars(&mut client), 3, "at once, though the lease is for longer");
    assert_eq!(login.refreshes(), 2);
}

#[test]
fn tokens_that_last_for_seconds_are_not_renewed_for_each_request() {
    let (_cluster, mut client, login) = start();
    for lifetime in [Some(60), None, Some(0)] {
        login.set_lifetime(lifetime);
        client.execute("update calendar_accounts set token_expires_at = now()", &[]).expect("expire");
        let before = login.refreshes();
        for _ in 0..3 {
            assert_eq!(calendars(&mut client), 3);
        }
        assert_eq!(login.refreshes(), before + 1, "{lifetime:?}");
    }
}

#[test]
fn tokens_are_renewed_five_minutes_before_they_expire() {
    let (_cluster, mut client, login) = start();
    assert_eq!(calendars(&mut client), 3);
    for (left, renewed) in [("6 minutes", 0), ("4 minutes", 1)] {
        let update = "update calendar_accounts
                      set token_expires_at = now() + $1::text::interval, updated_at = now() - interval '55 minutes'";
        client.execute(update, &[&left]).expect("update");
        let before = login.refreshes();
        assert_eq!(calendars(&mut client), 3);
        assert_eq!(login.refreshes(), before + renewed, "{left}");
    }
    // Where that fails, the old ones are as good as before.
    client.execute("update calendar_accounts set token_expires_at = now() + interval '3 minutes', updated_at = now() - interval '1 hour'", &[]).expect("update");
    login.refuse(503, json!({"error": "temporarily_unavailable"}));
    assert_eq!(calendars(&mut client), 3);
    assert!(state(&mut client).contains("temporarily_unavailable"));
}

#[test]
fn without_a_refresh_token_or_a_registration_the_trouble_is_said() {
    let (_cluster, mut client, login) = start();
    client.execute("delete from calendar_oauth_clients", &[]).expect("delete");
    let (code, message) = failure(&mut client);
    assert_eq!(code, "08000");
    assert!(message.contains("no application is registered"), "{message}");
    client.execute("update calendar_accounts set refresh_token = null", &[]).expect("update");
    let (code, message) = failure(&mut client);
    assert_eq!(code, "28000");
    assert!(message.contains("there is no refresh token"), "{message}");
    assert_eq!(login.requests().len(), 0);
}

#[test]
fn what_can_not_be_committed_or_must_not_be_renewed_here_is_refused() {
    let (cluster, mut client, login) = start();
    client.batch_execute("begin").expect("begin");
    client.execute("delete from calendar_accounts", &[]).expect("delete");
    add(&mut client, &login);
    let (code, message) = failure(&mut client);
    assert_eq!(code, "08000");
    assert!(message.contains("must be committed first"), "{message}");
    client.batch_execute("rollback; begin read only").expect("begin");
    assert_eq!(failure(&mut client).0, "25006");
    client.batch_execute("rollback").expect("rollback");

    client.batch_execute("update calendar_installation set database_oid = 1").expect("as if restored");
    let (code, message) = failure(&mut client);
    assert_eq!(code, "08000");
    assert!(message.contains("restored copy"), "{message}");
    assert_eq!(login.requests().len(), 0);
    drop(cluster);
}

#[test]
fn tokens_are_renewed_without_shared_preload_libraries_too() {
    let (_cluster, mut client, login) = start_with(&[("shared_preload_libraries", "")]);
    assert_eq!(calendars(&mut client), 3);
    assert_eq!(login.refreshes(), 1);
}

#[test]
fn where_no_background_worker_can_be_started_that_is_said() {
    let (_cluster, mut client, login) = start_with(&[("shared_preload_libraries", ""), ("max_worker_processes", "0")]);
    let (code, message) = failure(&mut client);
    assert_eq!(code, "53400");
    assert!(message.contains("no free slot"), "{message}");
    assert_eq!(login.requests().len(), 0);
}
