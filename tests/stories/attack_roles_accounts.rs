//! A role that stands for one user, and what belongs to another: accounts, logins under way, calendars, operations,
//! conflicts, channels. Somebody else's is as good as none.

use calendar_sync_e2e::{ADA, FakeLogin, Hooks, LOGIN_CLIENT, Linked, REDIRECT_URI, count, text};
use postgres::Client;
use postgres::types::ToSql;
use uuid::Uuid;

/// SQLSTATE and message with identifiers left out; '' for what went well.
fn outcome(client: &mut Client, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> String {
    let Err(error) = client.query(statement, parameters) else { return String::new() };
    let error = error.as_db_error().unwrap_or_else(|| panic!("{statement}: {error:?}"));
    let words = error.message().split(' ').filter(|word| word.parse::<Uuid>().is_err());
    format!("{} {}", error.code().code(), words.collect::<Vec<_>>().join(" "))
}

fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

#[test]
fn nobody_uses_what_belongs_to_another_user() {
    let mut linked = Linked::start(false, "both");
    let (account, connection) = (linked.account, linked.connection);
    let hooks = Hooks::start(linked.cluster.config("crm"));
    let watch = "select calendar_webhook_register($1, $2)";
    let webhook: Uuid = linked.client.query_one(watch, &[&connection, &hooks.url("google")]).expect("a channel").get(0);
    let event = linked.upsert_titled("1", "Waits");
    let operation: Uuid = one(&mut linked.client, "select queue_id from calendar_sync_queue");
    let login = FakeLogin::start();
    let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
    linked.client.execute(register, &[&LOGIN_CLIENT.0, &LOGIN_CLIENT.1, &login.options()]).expect("register");
    let begin = "select calendar_oauth_begin($1, 'microsoft', $2)";
    let address: String = linked.client.query_one(begin, &[&ADA, &REDIRECT_URI]).expect("begin").get(0);
    let (state, code) = login.consent(&address, ADA);
    linked
        .client
        .batch_execute(
            "create role eve; select calendar_grant('eve', 'user', 'eve@example.com');
             create role pooled; select calendar_grant('pooled', 'user');
             create role boss; select calendar_grant('boss', 'admin');
             create role watcher; select calendar_grant('watcher', 'reader');
             create role door; select calendar_grant('door', 'web')",
        )
        .expect("roles");
    linked.google.forget_requests();
    let before = text(&mut linked.client, EVERYTHING);

    let none = Uuid::new_v4();
    let as_role = |role: &str| {
        let mut session = linked.cluster.connect("crm");
        let become_it = format!("set session authorization {role}; set calendar_sync.user_id = 'eve@example.com'");
        session.batch_execute(&become_it).expect("become the role");
        session
    };
    for role in ["eve", "pooled"] {
        let mut session = as_role(role);
        // By its id: no other answer than for one that is not there.
        for statement in [
            "select * from calendar_account_calendars($1)",
            "select calendar_account_remove($1)",
            "select calendar_connect($1, 'work')",
            "select calendar_unsubscribe($1)",
            "select calendar_pause($1)",
            "select calendar_continue($1)",
            "select calendar_conflict_resolve(gen_random_uuid(), $1, 'local')",
            "select calendar_webhook_register($1, 'https://crm.example.com/hooks')",
            "select calendar_webhook_stop($1)",
            "select calendar_webhook_token($1)",
            "select calendar_queue_retry($1)",
            "select calendar_delete_event($1)",
        ] {
            for id in [account, connection, webhook, operation, event] {
                let (theirs, nobodys) =
                    (outcome(&mut session, statement, &[&id]), outcome(&mut session, statement, &[&none]));
                assert_eq!(theirs, nobodys, "{role}: {statement}");
                assert!(
                    theirs.starts_with("42704") || statement.contains("delete_event"),
                    "{role}: {statement}: {theirs}"
                );
            }
        }
        // By its user's name.
        for statement in [
            "select calendar_oauth_begin('ada@example.com', 'microsoft', 'https://crm.example.com/oauth/callback')",
            "select calendar_account_add('ada@example.com', 'google', 'mine')",
            "select * from calendar_sync_now('ada@example.com')",
            "select calendar_sync_request('ada@example.com')",
            "select * from calendar_sync_status('ada@example.com')",
            "select calendar_upsert_event('ada@example.com', 'crm', '1', '{\"title\": \"x\", \"start\": \"2030-01-01\"}')",
            "select calendar_oauth_register('google', 'mine', 'mine')",
            "select * from calendar_accounts",
            "select * from calendar_oauth_clients",
            "select * from calendar_oauth_states",
            "select * from calendar_connections",
            "select * from calendar_sync_queue",
            "select * from calendar_event_links",
            "select * from calendar_webhook_subscriptions",
            "select * from calendar_sync_conflicts",
            "select * from calendar_account_status",
            "select * from calendar_queue_status",
            "select * from calendar_webhook_health",
        ] {
            assert!(outcome(&mut session, statement, &[]).starts_with("42501"), "{role}: {statement}");
        }
        let finish = "select calendar_oauth_finish($1, $2, $3)";
        assert!(outcome(&mut session, finish, &[&state, &code, &ADA]).starts_with("42501"));
        assert!(outcome(&mut session, finish, &[&state, &code, &"eve@example.com"]).starts_with("42704"));
        assert_eq!(count(&mut session, "select count(*) from calendar_queue_process()"), 0, "nothing of theirs");
    }
    for role in ["watcher", "door"] {
        let mut session = as_role(role);
        for statement in [
            "select * from calendar_account_calendars($1)",
            "select calendar_account_remove($1)",
            "select calendar_webhook_stop($1)",
            "select calendar_webhook_token($1)",
            "select calendar_queue_retry($1)",
        ] {
            assert!(outcome(&mut session, statement, &[&account]).starts_with("42501"), "{role}: {statement}");
        }
    }
    assert_eq!(text(&mut linked.client, EVERYTHING), before, "nothing has changed");
    assert_eq!((linked.google.calls(), login.count("/token")), (0, 0), "and nobody was asked");

    // An administrator's role acts for everybody, and sees no secret.
    let mut boss = as_role("boss");
    assert_eq!(count(&mut boss, "select count(*) from calendar_account_status"), 1);
    for (statement, id) in [
        ("select * from calendar_account_calendars($1)", account),
        ("select calendar_pause($1)", connection),
        ("select calendar_continue($1)", connection),
        ("select calendar_webhook_stop($1)", webhook),
        ("select calendar_queue_retry($1)", operation),
    ] {
        assert_eq!(outcome(&mut boss, statement, &[&id]), "", "{statement}");
    }
    assert_eq!(count(&mut boss, "select count(*) from calendar_queue_process()"), 1);
    for statement in [
        "select access_token from calendar_accounts",
        "select refresh_token from calendar_accounts",
        "select client_secret from calendar_oauth_clients",
        "select client_state from calendar_webhook_subscriptions",
        "select code_verifier from calendar_oauth_states",
        "select calendar_oauth_register('google', 'mine', 'mine')",
        "select calendar_rotate_key()",
        "select calendar_resume()",
    ] {
        assert!(outcome(&mut boss, statement, &[]).starts_with("42501"), "{statement}");
    }
    assert_eq!(outcome(&mut boss, "select calendar_account_remove($1)", &[&account]), "");
    assert_eq!(linked.remote_titles(), ["Waits"]);
}

/// What Ada has.
const EVERYTHING: &str = "select concat_ws(E'\\n',
    (select string_agg(t::text, ' ') from calendar_accounts t),
    (select string_agg(t::text, ' ') from calendar_oauth_states t),
    (select string_agg(t::text, ' ') from calendar_connections t),
    (select string_agg(t::text, ' ') from calendar_webhook_subscriptions t),
    (select string_agg(t::text, ' ') from calendar_sync_queue t),
    (select string_agg(t::text, ' ') from calendar_events t))";
