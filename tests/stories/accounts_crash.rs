//! Whoever renews tokens is killed in the middle of it. The provider takes each refresh token once, and ends the login of
//! whoever comes with a used one.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use calendar_sync_e2e::{Cluster, FakeLogin, LOGIN_CLIENT, Random, count, eventually, text, worker_of};
use postgres::Client;

const STATUS: &str = "select concat_ws(' ', status, last_error) from calendar_account_status";
const CALENDARS: &str = "select calendar_account_calendars(account_id) from calendar_accounts";
const EXPIRE: &str = "update calendar_accounts set token_expires_at = now()";

/// With a calendar of Ada's, and the worker where that is wanted.
fn start(worker: bool) -> (Cluster, Client, FakeLogin) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", if worker { "on" } else { "off" })]);
    let mut client = cluster.create_database("crm");
    let login = FakeLogin::start();
    let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
    client.execute(register, &[&LOGIN_CLIENT.0, &LOGIN_CLIENT.1, &login.options()]).expect("register");
    let (access, refresh) = login.grant("ada@contoso.com");
    let add = "select calendar_account_add('ada', 'microsoft', $1, $2, now() + interval '1 hour', 'ada@contoso.com')";
    client.execute(add, &[&access, &refresh]).expect("add");
    client.execute("select calendar_connect(account_id, 'work', 'pull') from calendar_accounts", &[]).expect("connect");
    if worker {
        eventually("it is pulled", || {
            count(&mut client, "select count(last_synced_at) from calendar_connections") == 1
        });
    }
    (cluster, client, login)
}

/// The process that renews tokens for a session.
fn helper(client: &mut Client) -> Option<i32> {
    let helper = "select pid from pg_stat_activity where backend_type = 'calendar_sync tokens'";
    client.query_opt(helper, &[]).expect("activity").map(|row| row.get(0))
}

/// A session that asks for the account's calendars, and is killed with its server.
fn ask(cluster: &Cluster) {
    let mut session = cluster.connect("crm");
    thread::spawn(move || drop(session.query(CALENDARS, &[])));
}

/// Hardest point 8.
#[test]
fn a_session_whose_helper_is_killed_before_the_provider_hears_of_it_loses_no_token() {
    let (cluster, mut client, login) = start(false);
    for round in 1..4 {
        client.batch_execute(EXPIRE).expect("expire");
        login.hold();
        ask(&cluster);
        let mut killed = None;
        eventually("the provider is asked", || {
            killed = helper(&mut client);
            login.refreshes() == 2 * round - 1 && killed.is_some()
        });
        cluster.kill(killed.expect("a helper"));
        login.drop_held();
        client = cluster.connect("crm");
        assert_eq!(client.query(CALENDARS, &[]).expect("calendars").len(), 3, "{}", text(&mut client, STATUS));
        assert_eq!((login.taken(), text(&mut client, STATUS)), (round, "active".to_owned()));
    }
}

/// Hardest point 8.
#[test]
fn the_worker_that_is_killed_before_the_provider_hears_of_it_goes_on_by_itself() {
    let (cluster, mut client, login) = start(true);
    let before = text(&mut client, "select last_synced_at::text from calendar_connections");
    login.hold();
    client.batch_execute(&format!("{EXPIRE}; select calendar_sync_request('ada')")).expect("expire");
    eventually("the provider is asked", || login.refreshes() == 1);
    cluster.kill(worker_of(&mut client, "crm").expect("a worker"));
    login.drop_held();
    let mut client = cluster.connect("crm");
    eventually("it goes on", || login.taken() == 1 && text(&mut client, STATUS) == "active");
    assert!(login.refreshes() >= 2, "one that nobody heard of, and one that was taken");
    let synced = format!(
        "select count(*) from calendar_connections
         where last_error is null and last_synced_at > '{before}' and status = 'active'"
    );
    eventually("and pulls", || count(&mut client, &synced) == 1);
}

/// Hardest point 8. Between the answer and its commit new tokens can be lost; with a provider that takes the last refresh
/// token once more the account goes on whenever it is killed, and with that token it comes at most twice, never at once.
#[test]
fn whenever_a_renewal_is_killed_the_account_goes_on() {
    let (cluster, mut client, login) = start(true);
    login.take_used_tokens();
    let mut random = Random::new(8);
    for round in 0..6 {
        let by_worker = round % 2 == 0;
        cluster.set("calendar_sync.worker", if by_worker { "on" } else { "off" });
        eventually("the worker is as it should be", || worker_of(&mut client, "crm").is_some() == by_worker);
        let before = login.refreshes();
        login.hold();
        client.batch_execute(EXPIRE).expect("expire");
        if by_worker {
            client.batch_execute("select calendar_sync_request('ada')").expect("request");
        } else {
            ask(&cluster);
        }
        let mut killed = None;
        eventually("the provider is asked", || {
            killed = if by_worker { worker_of(&mut client, "crm") } else { helper(&mut client) };
            login.refreshes() == before + 1 && killed.is_some()
        });
        login.go_on();
        thread::sleep(Duration::from_micros(random.below(12_000) as u64));
        // It may have ended by now: then nothing is killed, and nothing lost.
        let killed = killed.expect("a process").to_string();
        let _ = Command::new("kill").args(["-KILL", &killed]).output();
        // While it is there the postmaster has not noticed, and lets in whom it ends at once.
        eventually("it is gone", || !Path::new("/proc").join(&killed).exists());
        eventually("the server is there", || cluster.config("crm").connect(postgres::NoTls).is_ok());
        client = cluster.connect("crm");
        eventually("the account goes on", || {
            let mut session = cluster.connect("crm");
            session.query(CALENDARS, &[]).is_ok_and(|rows| rows.len() == 3)
        });
        assert_eq!(text(&mut client, STATUS), "active", "round {round}");
        assert!(login.refreshes() <= before + 2, "round {round}: no token is asked with more than twice");
    }
}
