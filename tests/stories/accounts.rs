//! Logins by SQL, and what is connected through them.

use std::thread;

use calendar_sync_e2e::{Cluster, FakeLogin, LOGIN_CLIENT, REDIRECT_URI, count, eventually, text};
use postgres::Client;
use postgres::error::DbError;
use serde_json::{Value, json};
use uuid::Uuid;

const BEGIN: &str = "select calendar_oauth_begin('ada', 'microsoft', $1)";
const FINISH: &str = "select calendar_oauth_finish($1, $2, 'ada')";
const CONNECT: &str = "select calendar_connect($1, $2, $3, name => $4, options => $5)";

fn start() -> (Cluster, Client, FakeLogin) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    let login = FakeLogin::start();
    register(&mut client, &login);
    (cluster, client, login)
}

fn register(client: &mut Client, login: &FakeLogin) {
    let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
    client.execute(register, &[&LOGIN_CLIENT.0, &LOGIN_CLIENT.1, &login.options()]).expect("register");
}

/// Ada goes to the provider and comes back: (state, code).
fn consent(client: &mut Client, login: &FakeLogin) -> (String, String) {
    let address: String = client.query_one(BEGIN, &[&REDIRECT_URI]).expect("begin").get(0);
    login.consent(&address, "ada@contoso.com")
}

/// Ada's account, by tokens that an application has.
fn account(client: &mut Client, login: &FakeLogin) -> Uuid {
    let (access, refresh) = login.grant("ada@contoso.com");
    let add = "select calendar_account_add('ada', 'microsoft', $1, $2, now() + interval '1 hour', 'ada@contoso.com')";
    client.query_one(add, &[&access, &refresh]).expect("add").get(0)
}

fn refused(result: Result<impl Sized, postgres::Error>) -> DbError {
    let Err(error) = result else { panic!("it was not refused") };
    error.as_db_error().unwrap_or_else(|| panic!("{error:?}")).clone()
}

fn code_of(result: Result<impl Sized, postgres::Error>) -> String {
    refused(result).code().code().to_owned()
}

#[test]
fn a_user_logs_in_by_sql_and_again_into_the_same_account() {
    let (_cluster, mut client, login) = start();
    let mut accounts = Vec::new();
    for _ in 0..2 {
        let (state, code) = consent(&mut client, &login);
        let account: Uuid = client.query_one(FINISH, &[&state, &code]).expect("finish").get(0);
        accounts.push(account);
        assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "42704", "once");
    }
    assert_eq!(accounts[0], accounts[1]);
    let seen = client
        .query(
            "select user_id, provider, account_email, status, scopes,
                 token_expires_at between now() + interval '59 minutes' and now() + interval '61 minutes'
             from calendar_account_status",
            &[],
        )
        .expect("accounts");
    assert_eq!(seen.len(), 1);
    let seen = &seen[0];
    let texts: [&str; 4] = [seen.get(0), seen.get(1), seen.get(2), seen.get(3)];
    assert_eq!(texts, ["ada", "microsoft", "ada@contoso.com", "active"]);
    assert_eq!((seen.get::<_, Vec<String>>(4), seen.get(5)), (vec!["Calendars.ReadWrite".to_owned()], true));

    let calendars =
        client.query("select r::text from calendar_account_calendars($1) r", &[&accounts[0]]).expect("calendars");
    let calendars: Vec<String> = calendars.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        calendars,
        [
            "(work,Calendar,t,ada@contoso.com,)",
            "(team,Team,t,ada@contoso.com,)",
            "(holidays,Holidays,f,ada@contoso.com,)",
        ]
    );
}

#[test]
fn a_login_is_finished_once_and_only_by_who_began_it() {
    let (cluster, mut client, login) = start();
    let (state, code) = consent(&mut client, &login);
    let as_bob = "select calendar_oauth_finish($1, $2, 'bob')";
    let foreign = refused(client.query_one(as_bob, &[&state, &code]));
    let unknown = refused(client.query_one(as_bob, &[&"nothing", &code]));
    assert_eq!((foreign.code(), foreign.message()), (unknown.code(), unknown.message()));
    assert_eq!(login.count("/token"), 0, "nobody was asked");

    // Two sessions at once: one of them gets it, and the code is exchanged once.
    login.hold();
    let finish = |mut session: Client| {
        let (state, code) = (state.clone(), code.clone());
        thread::spawn(move || session.query_one(FINISH, &[&state, &code]).map(|row| row.get::<_, Uuid>(0)))
    };
    let sessions: Vec<_> = (0..2).map(|_| finish(cluster.connect("crm"))).collect();
    let (mut waiting, mut ended): (Vec<_>, Vec<_>) = (sessions, Vec::new());
    eventually("one waits for the provider, and the other is told no", || {
        let (over, under_way) = waiting.drain(..).partition(thread::JoinHandle::is_finished);
        ended.extend::<Vec<_>>(over);
        waiting = under_way;
        ended.len() == 1 && login.count("/token") == 1
    });
    login.go_on();
    let results: Vec<_> = ended.into_iter().chain(waiting).map(|session| session.join().expect("it ends")).collect();
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), failed.len()), (1, 1));
    assert_eq!(failed.into_iter().map(code_of).collect::<Vec<_>>(), ["42704"]);
    assert_eq!(login.count("/token"), 1);
}

#[test]
fn a_code_that_the_provider_refuses_stores_nothing_and_the_error_says_nothing_of_it() {
    let (_cluster, mut client, login) = start();
    let (state, code) = consent(&mut client, &login);
    let error = refused(client.query_one(FINISH, &[&state, &"another-code"]));
    assert_eq!(error.code().code(), "28000");
    assert!(error.message().contains("invalid_grant"), "{error:?}");
    let asked = login.count("/token");
    assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "42704", "a state is good for one try");
    assert_eq!(login.count("/token"), asked, "nobody was asked");
    let (state, code) = consent(&mut client, &login);
    login.refuse(400, json!({"error": code, "error_description": format!("{code} of {state}")}));
    let error = refused(client.query_one(FINISH, &[&state, &code]));
    for secret in [&code, &state] {
        assert!(!format!("{error:?}").contains(secret.as_str()), "{error:?}");
    }
    login.refuse(200, json!({"token_type": "Bearer"}));
    let (state, code) = consent(&mut client, &login);
    assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "08000");
    let (state, code) = consent(&mut client, &login);
    login.shut_down("/token");
    assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "08000");
    assert_eq!(count(&mut client, "select count(*) from calendar_accounts"), 0);
}

#[test]
fn a_login_is_begun_and_finished_in_one_transaction_too_and_where_no_process_can_be_started() {
    let (cluster, _, login) = start();
    cluster.set("max_worker_processes", "0");
    for restarts in [false, true] {
        if restarts {
            cluster.restart("fast");
        }
        let mut client = cluster.connect("crm");
        client.batch_execute("begin").expect("begin");
        let (state, code) = consent(&mut client, &login);
        client.query_one(FINISH, &[&state, &code]).expect("the account");
        client.batch_execute("commit").expect("commit");
        assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "42704");
        let (state, code) = consent(&mut client, &login);
        client.query_one(FINISH, &[&state, &code]).expect("the account");
        assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "42704");
    }
}

#[test]
fn secrets_go_nowhere_unencrypted_once_that_is_not_allowed_any_more() {
    let (_cluster, mut client, login) = start();
    let account = account(&mut client, &login);
    let (state, code) = consent(&mut client, &login);
    let asked = login.requests().len();
    client.batch_execute("set calendar_sync.http_allow_private = off").expect("set");
    for error in [
        refused(client.query("select calendar_account_calendars($1)", &[&account])),
        refused(client.query_one(FINISH, &[&state, &code])),
    ] {
        assert_eq!(error.code().code(), "55000", "{error:?}");
        assert!(error.message().contains("unencrypted"), "{error:?}");
    }
    client.execute("update calendar_accounts set token_expires_at = now()", &[]).expect("expire");
    client.execute("select calendar_account_remove($1)", &[&account]).expect("it can be removed all the same");
    assert_eq!(login.requests().len(), asked);
}

#[test]
fn whoever_waits_for_a_provider_can_be_cancelled() {
    let (cluster, mut client, login) = start();
    let account = account(&mut client, &login);
    let (state, code) = consent(&mut client, &login);
    login.hold();
    let mut session = cluster.connect("crm");
    session.batch_execute("set statement_timeout = '300ms'").expect("set");
    assert_eq!(code_of(session.query_one(FINISH, &[&state, &code])), "57014");
    // While somebody else renews its tokens, too.
    client.execute("update calendar_accounts set token_expires_at = now()", &[]).expect("expire");
    assert_eq!(code_of(session.query("select calendar_account_calendars($1)", &[&account])), "57014");
    login.go_on();
    session.batch_execute("reset statement_timeout").expect("reset");
    assert_eq!(session.query("select calendar_account_calendars($1)", &[&account]).expect("calendars").len(), 3);
    assert_eq!(login.refreshes(), 1, "what was begun for the first one served the second");
}

#[test]
fn a_calendar_is_connected_as_it_is_said_last() {
    let (_cluster, mut client, login) = start();
    let account = account(&mut client, &login);
    let none: Option<&str> = None;
    let mut connect = |calendar: &str, direction: &str, name: Option<&str>, options: Value| {
        client.query_one(CONNECT, &[&account, &calendar, &direction, &name, &options]).map(|row| row.get::<_, Uuid>(0))
    };
    let work = connect(
        "work",
        "both",
        none,
        json!({"conflict_policy": "manual", "poll_interval": "90 s", "mirror_from": ["x"]}),
    );
    let work = work.expect("connect");
    assert_eq!(code_of(connect("nowhere", "both", none, json!({}))), "42704");
    assert_eq!(code_of(connect("holidays", "both", none, json!({}))), "22023", "it can only be read");
    connect("holidays", "pull", none, json!({})).expect("connect");
    assert_eq!(code_of(connect("team", "pull", Some("Calendar"), json!({}))), "42710", "the name is taken");
    connect("team", "pull", Some("Ours"), json!({})).expect("connect");
    assert_eq!(
        connect("work", "pull", Some("Mine"), json!({"filter": {"event_type": ["meeting"]}})).expect("again"),
        work
    );
    assert_eq!(code_of(connect("work", "pull", Some("Ours"), json!({}))), "42710");
    let row = "select concat_ws(' ', name, calendar_name, provider, direction, conflict_policy, filter, options, \
               poll_interval, status, next_poll_at <= clock_timestamp(), url_host ~ '^http://127.0.0.1:\\d+$')
               from calendar_connections where external_calendar_id = 'work'";
    let as_said = r#"Mine Calendar microsoft pull last_write {"event_type": ["meeting"]} {} active t t"#;
    assert_eq!(text(&mut client, row), as_said);

    client.execute("select calendar_unsubscribe($1)", &[&work]).expect("unsubscribe");
    let again: Uuid = client.query_one("select calendar_connect($1, 'work')", &[&account]).expect("revive").get(0);
    assert_eq!(again, work);
    assert_eq!(text(&mut client, row), "Mine Calendar microsoft both last_write {} {} active t t");

    // Of the same user's other account, a calendar of the same name.
    let (access, _) = login.grant("ada@example.com");
    let add = "select calendar_account_add('ada', 'microsoft', $1, account_email => 'ada@example.com')";
    let other: Uuid = client.query_one(add, &[&access]).expect("add").get(0);
    for calendar in ["team", "work"] {
        client.execute("select calendar_connect($1, $2)", &[&other, &calendar]).expect("connect");
    }
    client.execute("select calendar_connect($1, 'holidays', 'pull')", &[&other]).expect("connect");
    let names = "select string_agg(name, ', ' order by name) from calendar_sync_status('ada')";
    assert_eq!(text(&mut client, names), "Calendar, Holidays, Holidays (2), Mine, Ours, Team");
}

#[test]
fn what_is_here_waits_to_be_sent_as_soon_as_a_calendar_is_connected_for_that_and_no_longer() {
    let (_cluster, mut client, login) = start();
    let account = account(&mut client, &login);
    for (title, days) in [("long over", -300), ("upcoming", 1)] {
        let upsert = "select calendar_upsert_event('ada', 'app', $1, jsonb_build_object('title', $1::text, 'start', now() + make_interval(days => $2)))";
        client.execute(upsert, &[&title, &days]).expect("upsert");
    }
    let waiting = "select string_agg(q.operation || ' ' || e.title, ', ')
                   from calendar_sync_queue q join calendar_events e using (event_id) where q.status = 'pending'";
    for (direction, waits) in [("pull", ""), ("both", "create upcoming"), ("pull", ""), ("push", "create upcoming")] {
        client.execute("select calendar_connect($1, 'work', $2)", &[&account, &direction]).expect("connect");
        assert_eq!(text(&mut client, waiting), waits, "{direction}");
    }
    client.execute("select calendar_account_remove($1)", &[&account]).expect("remove");
    assert_eq!(text(&mut client, waiting), "");
}

#[test]
fn an_accounts_end_is_told_to_its_provider_once_it_is_certain() {
    let (_cluster, mut client, login) = start();
    let first = account(&mut client, &login);
    let remove = format!("select calendar_account_remove('{first}')");
    client.batch_execute(&format!("begin; {remove}; rollback")).expect("rolled back");
    client.batch_execute(&format!("begin; savepoint s; {remove}; rollback to s; commit")).expect("undone");
    assert_eq!(login.count("/revoke"), 0);
    assert_eq!(client.query("select calendar_account_calendars($1)", &[&first]).expect("as before").len(), 3);
    client.batch_execute(&remove).expect("remove");
    assert_eq!(login.count("/revoke"), 1);
    assert_eq!(code_of(client.query("select calendar_account_calendars($1)", &[&first])), "42704");
    assert_eq!(text(&mut client, "select status from calendar_account_status"), "disabled");

    // A provider that says nothing is in nobody's way.
    account(&mut client, &login);
    login.shut_down("/revoke");
    client.batch_execute(&remove).expect("remove");
    assert_eq!(count(&mut client, "select count(*) from calendar_accounts where refresh_token is not null"), 0);

    // In a restored copy the tokens are the original's.
    account(&mut client, &login);
    client.batch_execute("update calendar_installation set database_oid = 1").expect("as if restored");
    let asked = login.count("/revoke");
    client.batch_execute(&remove).expect("remove");
    assert_eq!(login.count("/revoke"), asked);
}

/// What is under way is bound to its time, and to the proof that only this database has.
#[test]
fn a_login_that_took_too_long_or_without_its_proof_is_none() {
    let (_cluster, mut client, login) = start();
    let (state, code) = consent(&mut client, &login);
    let at = |client: &mut Client, age: &str| {
        let move_on =
            "update calendar_oauth_states set expires_at = now() + interval '10 minutes' - $1::text::interval";
        client.execute(move_on, &[&age]).expect("time goes by");
    };
    assert_eq!(
        count(
            &mut client,
            "select count(*) from calendar_oauth_states where expires_at > now() + interval '10 minutes'"
        ),
        0,
        "ten minutes at most"
    );
    at(&mut client, "10 minutes 1 second");
    assert_eq!(code_of(client.query_one(FINISH, &[&state, &code])), "42704");
    assert_eq!(login.count("/token"), 0, "nobody was asked");

    // Of another login of the same user's: what proves one does not prove the other.
    let (first, _) = consent(&mut client, &login);
    let (_, second) = consent(&mut client, &login);
    let mixed = refused(client.query_one(FINISH, &[&first, &second]));
    assert_eq!(mixed.code().code(), "28000", "{mixed:?}");
    assert_eq!(login.count("/token"), 1);

    // A verifier that was moved from one row to another does not open.
    let (third, code) = consent(&mut client, &login);
    client
        .batch_execute(
            "update calendar_oauth_states set code_verifier =
                 (select code_verifier from calendar_oauth_states order by expires_at limit 1)",
        )
        .expect("swap");
    let swapped = refused(client.query_one(FINISH, &[&third, &code]));
    assert!(swapped.message().contains("decrypt") || swapped.message().contains("open"), "{swapped:?}");
    assert_eq!(login.count("/token"), 1, "nobody was asked");
    assert_eq!(count(&mut client, "select count(*) from calendar_accounts"), 0);
}
