//! A provider's addresses are what an administrator registers, and where the provider leads: neither makes the server ask
//! what is inside, for tokens, for calendars, for channels, or to end what was allowed.

use std::sync::{Arc, Mutex};

use calendar_sync_e2e::{Cluster, Proxy, Reply, Request, eventually, serve, text};
use postgres::Client;
use postgres::types::ToSql;
use serde_json::json;
use uuid::Uuid;

const PROVIDERS: [&str; 3] = ["google", "microsoft", "notion"];
const BACK: &str = "https://crm.example.com/callback";
const HOOK: &str = "https://crm.example.com/hooks";

/// An application at this server, whose every path says what it is for.
fn register(client: &mut Client, provider: &str, base: &str) {
    let at = |path: &str| format!("{base}/{provider}/{path}");
    let options = json!({ "redirect_uris": [BACK], "api_url": at("api"), "authorize_url": at("authorize"),
                          "token_url": at("token"), "revoke_url": at("revoke") });
    let register = "select calendar_oauth_register($1, 'client', 'secret', $2)";
    client.execute(register, &[&provider, &options]).expect("register");
}

/// What a user has at a provider: a login whose token is good, with a calendar and a channel, one whose token is over, and
/// one that was begun.
struct User {
    fresh: Uuid,
    stale: Uuid,
    connection: Uuid,
    webhook: Uuid,
    state: String,
}

fn add_user(client: &mut Client, provider: &str) -> User {
    let add = "select calendar_account_add($1, $1, 'access', 'refresh', now() + $2::text::interval, $3)";
    let mut account =
        |lasts: &str, email: &str| -> Uuid { client.query_one(add, &[&provider, &lasts, &email]).expect("add").get(0) };
    let (fresh, stale) = (account("1 hour", "fresh@example.com"), account("-1 hour", "stale@example.com"));
    let connect =
        "insert into calendar_connections (user_id, name, provider, account_id, external_calendar_id, direction)
                   values ($1, 'Work', $1, $2, 'work', 'both') returning connection_id";
    let connection: Uuid = client.query_one(connect, &[&provider, &fresh]).expect("a connection").get(0);
    let watch = "insert into calendar_webhook_subscriptions
                     (connection_id, provider, subscription_id, resource_id, notification_url, client_state, expiration)
                 values ($1, $2, 'channel', 'resource', $3, '\\x00', now() + interval '1 hour') returning webhook_id";
    let webhook: Uuid = client.query_one(watch, &[&connection, &provider, &HOOK]).expect("a channel").get(0);
    let upsert = "select calendar_upsert_event($1, 'crm', '1', '{\"title\": \"x\", \"start\": \"2030-01-01\"}')";
    client.execute(upsert, &[&provider]).expect("upsert");
    let begin = "select (regexp_match(calendar_oauth_begin($1, $1, $2), 'state=([^&]+)'))[1]";
    let state = client.query_one(begin, &[&provider, &BACK]).expect("begin").get(0);
    User { fresh, stale, connection, webhook, state }
}

/// All that makes a session ask the provider; what it said of each.
fn ask_everything(client: &mut Client, provider: &str, user: &User) -> Vec<String> {
    let calls: [(&str, &[&(dyn ToSql + Sync)]); 8] = [
        ("select calendar_account_calendars($1)::text", &[&user.fresh]),
        ("select calendar_account_calendars($1)::text", &[&user.stale]),
        ("select calendar_connect($1, 'other')::text", &[&user.fresh]),
        ("select error from calendar_sync_now($1, force => true)", &[&provider]),
        ("select string_agg(error, '; ') from calendar_queue_process()", &[]),
        ("select calendar_oauth_finish($1, 'code', $2)::text", &[&user.state, &provider]),
        ("select calendar_webhook_register($1, 'https://crm.example.com/hooks')::text", &[&user.connection]),
        ("select calendar_webhook_stop($1)::text", &[&user.webhook]),
    ];
    let mut said = vec![];
    for (call, parameters) in calls {
        said.push(match client.query_opt(call, parameters) {
            Ok(row) => row.and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_default(),
            Err(error) => error.as_db_error().expect("the server's error").message().to_owned(),
        });
    }
    // Ends what was allowed, when it is committed.
    client.execute("select calendar_account_remove($1)", &[&user.fresh]).expect("remove");
    said
}

fn reset(client: &mut Client) {
    client
        .batch_execute(
            "delete from calendar_webhook_subscriptions; delete from calendar_events; delete from calendar_connections;
             delete from calendar_accounts",
        )
        .expect("delete");
}

/// A server that gives nothing away, and what it was asked.
fn listen(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (u16, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(vec![]));
    let keep = asked.clone();
    let address = serve(move |request| {
        keep.lock().expect("requests").push(request.clone());
        Some(reply(request))
    });
    (address.port(), asked)
}

#[test]
fn an_inside_address_is_no_address_of_a_provider() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.http_allow_private", "off")]);
    let mut client = cluster.create_database("crm");
    let register = "select calendar_oauth_register($1, 'client', 'secret', $2)";
    for provider in PROVIDERS {
        for key in ["api_url", "authorize_url", "token_url", "revoke_url"] {
            for host in [
                "127.0.0.1",
                "10.1.2.3",
                "169.254.169.254",
                "192.168.0.1:8443",
                "[::1]",
                "[::ffff:10.0.0.1]",
                "0x7f.1",
                "2130706433",
                "[fd00:ec2::254]",
                "1.1.1.1@127.0.0.1",
            ] {
                let refused = client.execute(register, &[&provider, &json!({ key: format!("https://{host}/x") })]);
                let error = refused.expect_err(host);
                assert_eq!(error.code().map(|code| code.code()), Some("22023"), "{provider} {key} {host}: {error:?}");
            }
        }
    }
    assert_eq!(text(&mut client, "select count(*)::text from calendar_oauth_clients"), "0");
}

#[test]
fn what_was_registered_before_is_asked_no_more_once_it_is_inside() {
    let cluster = Cluster::start_with(&[
        ("calendar_sync.worker", "off"),
        ("calendar_sync.manual_sync_limit", "1000"),
        ("calendar_sync.http_allow_hosts", "127.0.0.1,localhost"),
    ]);
    let mut client = cluster.create_database("crm");
    let (port, asked) = listen(|_| Reply::json(200, &json!({})));
    for host in ["127.0.0.1", "localhost"] {
        for allowed in ["off", "on"] {
            cluster.set("calendar_sync.http_allow_private", "on");
            let mut users = vec![];
            for provider in PROVIDERS {
                register(&mut client, provider, &format!("http://{host}:{port}"));
                users.push(add_user(&mut client, provider));
            }
            cluster.set("calendar_sync.http_allow_private", allowed);
            let mut client = cluster.connect("crm");
            for (provider, user) in PROVIDERS.into_iter().zip(users) {
                let said = ask_everything(&mut client, provider, &user);
                let asked: Vec<String> = asked
                    .lock()
                    .expect("requests")
                    .drain(..)
                    .map(|it| format!("{} {}", it.method, it.target))
                    .collect();
                let about = |what: &str| asked.iter().filter(|it| it.contains(what)).count();
                if allowed == "off" {
                    assert!(asked.is_empty(), "{host} {asked:?}");
                    // Secrets go nowhere over plain http then; what holds none is refused for where it would go.
                    let is_refusal = |it: &&String| it.contains("unencrypted") || it.contains("loopback");
                    let refusals = said.iter().filter(is_refusal).count();
                    assert!(refusals >= 5, "{provider}: {said:#?}");
                } else {
                    let kinds = [about("/token") > 0, about("/revoke") == 1, about("/api/") >= 3];
                    assert_eq!(kinds, [true; 3], "what is asked otherwise: {asked:#?} {said:#?}");
                    let watches = about("/watch") + about("/subscriptions");
                    assert!(watches > 0 || provider == "notion", "{asked:#?}");
                }
            }
            reset(&mut client);
        }

        // Nor does the worker: it pulls, sends, and renews tokens and channels.
        cluster.set("calendar_sync.http_allow_private", "on");
        for provider in PROVIDERS {
            let user = add_user(&mut client, provider);
            let hang = "insert into calendar_connections
                            (user_id, name, provider, account_id, external_calendar_id, next_poll_at)
                        values ($1, 'Stale', $1, $2, 'stale', now())";
            client.execute(hang, &[&provider, &user.stale]).expect("a connection");
        }
        client.batch_execute("update calendar_webhook_subscriptions set renew_at = now()").expect("due");
        cluster.set("calendar_sync.http_allow_private", "off");
        cluster.set("calendar_sync.worker", "on");
        let failures = "select string_agg(distinct failed, ' ' order by failed)
                        from (select 'login ' || provider from calendar_accounts where last_error ~ 'loopback|unencrypted'
                              union all
                              select 'pull ' || provider from calendar_connections
                              where last_error ~ 'loopback|unencrypted' and name = 'Work') t (failed)";
        let all = "login google login microsoft login notion pull google pull microsoft pull notion";
        eventually("the worker has tried all of them", || {
            client.query_one(failures, &[]).expect("failures").get::<_, Option<&str>>(0) == Some(all)
        });
        let renewals = "select count(*)::text from calendar_webhook_subscriptions
                        where last_error ~ 'loopback|unencrypted' and provider <> 'notion'";
        eventually("and their channels", || text(&mut client, renewals) == "2");
        cluster.set("calendar_sync.worker", "off");
        assert!(asked.lock().expect("requests").is_empty());
        eventually("the worker is gone", || {
            text(
                &mut client,
                "select count(*)::text from pg_stat_activity where backend_type like 'calendar_sync worker%'",
            ) == "0"
        });
        reset(&mut client);
    }
}

#[test]
fn no_provider_leads_the_server_inside_by_a_redirect() {
    let cluster = Cluster::start_with(&[
        ("calendar_sync.worker", "off"),
        ("calendar_sync.manual_sync_limit", "1000"),
        ("calendar_sync.http_allow_private", "off"),
        ("calendar_sync.http_allow_hosts", "login.example,127.0.0.1,localhost,169.254.169.254,10.0.0.1,[::1]"),
    ]);
    let mut client = cluster.create_database("crm");
    let wanted = Arc::new(Mutex::new(String::new()));
    let location = wanted.clone();
    let (port, asked) = listen(move |_| {
        let location = format!("Location: {}", location.lock().expect("a place"));
        Reply { headers: vec![location], ..Reply::empty(307) }
    });
    // Behind a proxy this name is a server out there.
    let proxy = Proxy::start(([127, 0, 0, 1], port).into());
    cluster.set("calendar_sync.http_proxy", &format!("http://{}", proxy.address()));
    let mut client_of_proxy = cluster.connect("crm");
    for place in ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]"] {
        *wanted.lock().expect("a place") = format!("http://{place}/latest/meta-data");
        for provider in PROVIDERS {
            register(&mut client, provider, "http://login.example");
            let user = add_user(&mut client, provider);
            let said = ask_everything(&mut client_of_proxy, provider, &user);
            assert!(said.iter().take(7).all(|it| !it.is_empty()), "{provider} {place}: {said:#?}");
            reset(&mut client);
        }
    }
    let to: Vec<String> = proxy.requests().into_iter().map(|request| request.target).collect();
    assert!(!to.is_empty() && to.iter().all(|target| target == "login.example:80"), "{to:?}");
    let asked = asked.lock().expect("requests");
    let about = |what: &str| asked.iter().filter(|request| request.target.contains(what)).count();
    assert!(about("/token") >= 30 && about("/revoke") >= 15 && about("/api/") > 50, "{asked:?}");
    assert_eq!(about("meta-data"), 0, "{asked:?}");
}
