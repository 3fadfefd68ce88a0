//! The worker and sessions go by the same tokens, and one of them renews them.

use std::thread;

use calendar_sync_e2e::{Cluster, FakeLogin, LOGIN_CLIENT, count, eventually, text, worker_of};
use postgres::Client;
use serde_json::json;

const ADD: &str =
    "select calendar_account_add('ada', 'microsoft', $1, $2, now() + interval '1 hour', 'ada@contoso.com')";
const STATUS: &str =
    "select string_agg(status || coalesce(' ' || last_error, ''), ', ') from calendar_sync_status('ada')";
const SYNCED: &str =
    "select count(*) from calendar_connections where last_synced_at is not null and last_error is null";

/// With two calendars of Ada's that the worker has pulled.
fn start() -> (Cluster, Client, FakeLogin) {
    let cluster = Cluster::start_with(&[("calendar_sync.manual_sync_limit", "1000")]);
    let mut client = cluster.create_database("crm");
    let login = FakeLogin::start();
    let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
    client.execute(register, &[&LOGIN_CLIENT.0, &LOGIN_CLIENT.1, &login.options()]).expect("register");
    log_in(&mut client, &login);
    for calendar in ["work", "team"] {
        let connect = "select calendar_connect(account_id, $1, 'pull') from calendar_accounts";
        client.execute(connect, &[&calendar]).expect("connect");
    }
    eventually("both are pulled", || count(&mut client, SYNCED) == 2);
    (cluster, client, login)
}

fn log_in(client: &mut Client, login: &FakeLogin) {
    let (access, refresh) = login.grant("ada@contoso.com");
    client.execute(ADD, &[&access, &refresh]).expect("add");
}

/// Makes both due; a query for how many were pulled after that.
fn ask_again(client: &mut Client) -> String {
    let since = text(client, "select clock_timestamp()::text");
    client.execute("select calendar_sync_request('ada')", &[]).expect("request");
    format!("{SYNCED} and last_synced_at > '{since}'")
}

/// Hardest point 8.
#[test]
fn the_worker_and_sessions_at_once_renew_tokens_once() {
    let (cluster, mut client, login) = start();
    for round in 1..4 {
        client.execute("update calendar_accounts set token_expires_at = now()", &[]).expect("expire");
        login.hold();
        let synced = ask_again(&mut client);
        let ask = |mut session: Client, statement: &'static str| {
            thread::spawn(move || session.query(statement, &[]).map(|rows| rows.len()))
        };
        let sessions = [
            ask(cluster.connect("crm"), "select calendar_account_calendars(account_id) from calendar_accounts"),
            ask(cluster.connect("crm"), "select calendar_account_calendars(account_id) from calendar_accounts"),
        ];
        let waiting = "select count(*) from pg_stat_activity where query like 'select calendar_account%' \
                       and state = 'active' and wait_event_type = 'Extension'";
        eventually("they wait", || count(&mut client, waiting) == 2 && login.refreshes() == round);
        login.go_on();
        for session in sessions {
            assert_eq!(session.join().expect("it ends").expect("calendars"), 3);
        }
        eventually("both are pulled", || count(&mut client, &synced) == 2);
        assert_eq!(login.refreshes(), round);
        assert_eq!(text(&mut client, STATUS), "active, active");
    }
    let rows = client.query("select status, error from calendar_sync_now('ada')", &[]).expect("sync");
    assert!(rows.iter().all(|row| row.get::<_, &str>(0) == "success"), "{rows:?}");
    assert_eq!(login.refreshes(), 3);
}

#[test]
fn the_worker_renews_what_is_refused_and_waits_for_a_new_login_where_that_is_no_help() {
    let (_cluster, mut client, login) = start();
    for round in 1..4 {
        login.expire();
        let synced = ask_again(&mut client);
        eventually("both are pulled with new tokens", || count(&mut client, &synced) == 2);
        assert_eq!(login.refreshes(), round);
    }

    login.expire();
    login.refuse(200, json!({"access_token": "good-for-nothing", "expires_in": 3600}));
    ask_again(&mut client);
    eventually("both wait for a login", || {
        text(&mut client, STATUS).matches("reauth_required the provider").count() == 2
    });
    assert_eq!(text(&mut client, "select status from calendar_account_status"), "reauth_required");
    let asked = login.requests().len();
    let due = "select calendar_sync_request('ada')";
    assert_eq!(client.query_one(due, &[]).expect("request").get::<_, i32>(0), 0);
    let rows = client.query("select status, error from calendar_sync_now('ada')", &[]).expect("sync");
    assert!(rows.iter().all(|row| row.get::<_, &str>(0) == "error"), "{rows:?}");
    assert_eq!(login.requests().len(), asked, "nobody is asked any more");

    let since = text(&mut client, "select clock_timestamp()::text");
    let synced = format!("{SYNCED} and last_synced_at > '{since}'");
    log_in(&mut client, &login);
    eventually("they go on by themselves", || count(&mut client, &synced) == 2);
    assert_eq!(text(&mut client, STATUS), "active, active");
}

#[test]
fn a_crash_in_the_middle_of_a_renewal_leaves_the_old_tokens_to_try_again_with() {
    let (cluster, mut client, login) = start();
    login.take_used_tokens();
    client.execute("update calendar_accounts set token_expires_at = now()", &[]).expect("expire");
    login.hold();
    let synced = ask_again(&mut client);
    eventually("the provider is asked", || login.refreshes() == 1);
    let worker = worker_of(&mut client, "crm").expect("a worker");
    cluster.kill(worker);
    login.go_on();
    let mut client = cluster.connect("crm");
    let lease = "select count(*) from calendar_accounts where refresh_until > now() + interval '30 seconds'";
    assert_eq!(count(&mut client, lease), 1, "nobody waits for as long as the one that died had it for");
    eventually("both are pulled", || count(&mut client, &synced) == 2);
    assert_eq!((login.refreshes(), text(&mut client, STATUS)), (2, "active, active".to_owned()));
}
