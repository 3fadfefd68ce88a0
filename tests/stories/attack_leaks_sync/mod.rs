//! What is secret of a login, of what is synced by it and of who tells of changes, planted and looked for. The providers
//! are their fakes, behind something that repeats what it is sent: in its answers, their headers, as JSON may write it.

mod sites;

use std::collections::{BTreeSet, HashMap};

use calendar_sync_e2e::{
    Cluster, GOOGLE_CLIENT, GRAPH_CLIENT, Hooks, Looker, Overheard, Reply, Request, TALKATIVE, count, eventually,
};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use sites::{Site, google, microsoft, notion, parameter};

/// No secret: where it is not found nothing else would be.
const MARKER: &str = "marker-planted";
const EMAIL: &str = "marker-planted@example.com";
const BACK: &str = "https://crm.example.com/callback";
const WRONG_CODE: &str = "planted-code-o1";
/// Short, since no long word of a provider is shown anyway.
const ACCESS: &str = "planted/access-p2";
const REFRESH: &str = "planted/refresh-q3";
const CLIENT_SECRET: &str = "planted-client-r4";
const VERIFICATION: &str = "planted-verification-s5";
const GUESS: &str = "planted-guess-t6";
/// What is wrong with tokens that are renewed.
const NO_TOKENS: [(u16, &str); 3] = [(400, "invalid_grant"), (401, "invalid_client"), (500, "server_error")];
const DUE: &str = "update calendar_connections set next_poll_at = now()";
/// What stands under these names in what is sent or answered is secret.
const SECRET_NAMES: [&str; 7] =
    ["access_token", "refresh_token", "client_secret", "code", "code_verifier", "token", "clientState"];

/// A session of an application, which passes secrets as parameters, with a worker beside it.
struct Story<'a> {
    session: &'a mut Client,
    /// Looks on, and does what time would.
    client: &'a mut Client,
    hooks: &'a Hooks,
    /// What statements gave, errors included, and what stood in the tables meanwhile.
    seen: String,
    errors: Vec<String>,
    secrets: BTreeSet<String>,
}

impl Story<'_> {
    fn call(&mut self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Option<postgres::Row> {
        match self.session.query(statement, parameters) {
            Ok(rows) => rows.into_iter().next(),
            Err(error) => {
                self.errors.push(format!("{error:?}"));
                None
            }
        }
    }

    fn id(&mut self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Uuid {
        let row = self.call(statement, parameters);
        row.unwrap_or_else(|| panic!("{statement}: {}", self.errors.last().expect("an error"))).get(0)
    }

    fn sync_now(&mut self) {
        let rows = self.session.query("select r::text from calendar_sync_now('ada', force => true) r", &[]);
        rows.expect("sync").iter().for_each(|row| self.seen.push_str(row.get(0)));
    }

    /// Keeps what stands there, and sets all that failed right again.
    fn again(&mut self) {
        let leased = "select count(*) from calendar_connections where leased_until > now()";
        eventually("the worker is done with it", || count(self.client, leased) == 0);
        for table in ["accounts", "connections", "sync_queue", "event_links", "webhook_subscriptions", "sync_failures"]
        {
            let shown = format!("select coalesce(string_agg(t::text, ' '), '') from calendar_{table} t");
            self.seen.push_str(self.client.query_one(&shown, &[]).expect("rows").get(0));
        }
        let again = "
            update calendar_accounts
            set status = 'active', last_error = null, refresh_failures = 0, refresh_not_before = null,
                rejected_generation = null, token_expires_at = now() + interval '1 hour'
            where status <> 'disabled';
            update calendar_connections
            set status = 'active', last_error = null, consecutive_failures = 0, next_poll_at = now() + interval '1 day'
            where status <> 'removed';
            update calendar_sync_queue
            set scheduled_for = now()
            where status = 'pending'";
        self.client.batch_execute(again).expect("again");
    }

    /// Something goes wrong that is not only meant for a session, but for the worker, too: `makes_due` is what it waits for.
    fn worker_meets(&mut self, site: &Site, fault: (&str, u16, &str), makes_due: &str) {
        site.echo.repeat(fault.0, fault.1, fault.2);
        let mut rounds = 0;
        eventually(&format!("the worker meets {fault:?}"), || {
            // Once more after a while: what it did before may have been noted only after all was set right.
            if rounds % 100 == 0 {
                self.again();
                self.client.batch_execute(makes_due).expect(makes_due);
                self.client.execute("select calendar_sync_request()", &[]).expect("request");
            }
            rounds += 1;
            site.echo.repeated() > 0
        });
    }

    fn session_meets(&mut self, site: &Site, fault: (&str, u16, &str), before: &str) {
        site.echo.repeat(fault.0, fault.1, fault.2);
        // The worker may be at the calendar yet, or note what it did before only now.
        eventually(&format!("a session meets {fault:?}"), || {
            self.again();
            self.client.batch_execute(before).expect(before);
            self.sync_now();
            site.echo.repeated() > 0
        });
    }

    /// Begins a login; where the user is sent.
    fn begin(&mut self, site: &Site) -> (String, String) {
        let begun = self.call("select calendar_oauth_begin('ada', $1, $2)", &[&site.provider, &BACK]).expect("begin");
        let address: String = begun.get(0);
        let state = parameter(&address, "state");
        self.secrets.insert(state.clone());
        (address, state)
    }

    /// Logs in, with a wrong code, a right one that leads to nothing, and a right one.
    fn log_in(&mut self, site: &Site) -> Uuid {
        let register = "select calendar_oauth_register($1, $2, $3, $4)";
        self.call(register, &[&site.provider, &site.client.0, &site.client.1, &site.options]).expect("register");
        self.secrets.insert(site.client.1.to_owned());
        let finish = "select calendar_oauth_finish($1, $2, 'ada')";
        let (_, state) = self.begin(site);
        assert!(self.call(finish, &[&state, &WRONG_CODE]).is_none());
        for (status, code) in NO_TOKENS {
            let (address, state) = self.begin(site);
            site.echo.repeat("POST /token", status, code);
            assert!(self.call(finish, &[&state, &(site.consents)(&address)]).is_none());
            site.echo.pass_on();
        }
        let (address, state) = self.begin(site);
        self.id(finish, &[&state, &(site.consents)(&address)])
    }

    /// An application hands in tokens that it has got itself.
    fn hand_in(&mut self, site: &Site) -> Uuid {
        let add = "select calendar_account_add('ada', $1, $2, $3, now() + interval '1 hour', $4)";
        let (access, refresh) = &site.tokens;
        self.secrets.extend(std::iter::once(access).chain(refresh).cloned());
        let account = self.id(add, &[&site.provider, access, refresh, &EMAIL]);
        self.call("select * from calendar_account_calendars($1)", &[&account]).expect("calendars");
        account
    }

    fn renew(&mut self, site: &Site) {
        let expire = "update calendar_accounts set token_expires_at = now()";
        for (status, code) in NO_TOKENS {
            self.session_meets(site, ("POST /token", status, code), expire);
            let due = format!("{expire}; {DUE}");
            self.worker_meets(site, ("POST /token", status, code), &due);
        }
        self.again();
        site.echo.pass_on();
        self.client.batch_execute(expire).expect("expire");
        self.sync_now();
    }

    fn pull(&mut self, site: &Site) {
        for (status, code) in site.refusals {
            self.session_meets(site, (site.pull, status, code), "");
            if matches!(status, 401 | 500) {
                self.worker_meets(site, (site.pull, status, code), DUE);
            }
        }
        self.again();
        site.echo.pass_on();
        self.sync_now();
    }

    /// An event is made, changed and deleted, each refused at first: to a session in its own transaction, then to the worker.
    fn push(&mut self, site: &Site) {
        let event = json!({ "title": "Ours", "start": "2030-02-01T09:00:00Z", "end": "2030-02-01T10:00:00Z" });
        let name = site.provider;
        let steps = [
            (400, format!("select calendar_upsert_event('ada', 'crm', '{name}', '{event}')")),
            (403, format!("update calendar_events set title = 'Ours, too' where external_id = '{name}'")),
            (500, format!("delete from calendar_events where external_id = '{name}'")),
        ];
        for ((status, step), call) in steps.iter().zip(site.writes) {
            let code = site.refusals.iter().find(|(of, _)| of == status).map_or("invalid", |(_, code)| *code);
            self.again();
            site.echo.repeat(call, *status, code);
            eventually(&format!("a session meets {status} of {call}"), || {
                self.session.batch_execute("begin").expect("begin");
                self.session.batch_execute(step).expect(step);
                self.sync_now();
                self.session.batch_execute("rollback").expect("rollback");
                site.echo.repeated() > 0
            });
            self.worker_meets(site, (call, *status, code), step);
            site.echo.pass_on();
            let retry = "select calendar_queue_retry(queue_id) from calendar_sync_queue where status = 'failed'";
            eventually("all is sent", || {
                self.client.batch_execute(retry).expect("retry");
                self.again();
                self.sync_now();
                count(self.client, "select count(*) from calendar_sync_queue where status <> 'completed'") == 0
            });
        }
    }

    fn watch(&mut self, site: &Site, connection: Uuid) {
        let url = self.hooks.url(site.provider);
        let register = "select calendar_webhook_register($1, $2)";
        let [begin, renew, end] = site.channels;
        let refused: Vec<(u16, &str)> = if begin.is_empty() { vec![] } else { site.refusals.to_vec() };
        self.again();
        for (status, code) in &refused {
            site.echo.repeat(begin, *status, code);
            assert!(self.call(register, &[&connection, &url]).is_none(), "{status}");
        }
        self.again();
        site.echo.pass_on();
        let webhook = self.id(register, &[&connection, &url]);
        (site.tells)(&url);
        for (status, code) in &refused {
            let due = "update calendar_webhook_subscriptions set renew_at = now(), failures = 0 where is_active";
            self.worker_meets(site, (renew, *status, code), due);
        }
        self.again();
        if !end.is_empty() {
            site.echo.repeat(end, 500, "internal");
        }
        self.call("select calendar_webhook_stop($1)", &[&webhook]);
        self.again();
        site.echo.pass_on();
        self.secrets.extend([VERIFICATION.to_owned(), GUESS.to_owned()]);
    }

    fn remove(&mut self, site: &Site, account: Uuid) {
        site.echo.repeat("POST /revoke", 500, "server_error");
        self.call("select calendar_account_remove($1)", &[&account]).expect("remove");
        assert_eq!(site.echo.repeated() > 0, site.provider != "microsoft", "{}", site.provider);
        site.echo.pass_on();
    }

    fn everything(&mut self, site: &Site) {
        let logged_in = self.log_in(site);
        let handed_in = self.hand_in(site);
        self.secrets.insert(WRONG_CODE.to_owned());
        let connect = "select calendar_connect($1, $2, 'both', name => $3)";
        // Notion's integrations are handed in without a refresh token: what was logged in to is renewed.
        let account = if site.tokens.1.is_some() { handed_in } else { logged_in };
        let connection = self.id(connect, &[&account, &site.calendar, &site.provider]);
        self.sync_now();
        self.push(site);
        self.pull(site);
        self.renew(site);
        self.call("select calendar_rotate_key()", &[]).expect("rotate");
        self.watch(site, connection);
        self.remove(site, account);
        if handed_in != account {
            self.remove(site, handed_in);
        }
        self.secrets.extend(site.echo.talk().iter().flat_map(|(request, reply)| secrets_in(request, reply)));
    }
}

/// By the names that they have there.
fn secrets_in(request: &Request, reply: &Reply) -> Vec<String> {
    let members = |body: &[u8]| -> HashMap<String, String> {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(members)) => {
                members.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
            }
            _ => form_urlencoded::parse(body).into_owned().collect(),
        }
    };
    let given = if reply.status == 200 { members(&reply.body) } else { HashMap::new() };
    let all = members(request.body.as_bytes()).into_iter().chain(given);
    let authorization = request.headers.get("authorization").and_then(|value| value.split(' ').nth(1));
    let named = all.filter(|(name, _)| SECRET_NAMES.contains(&name.as_str())).map(|(_, value)| value);
    named.chain(authorization.map(str::to_owned)).collect()
}

#[test]
fn no_secret_of_an_account_its_sync_or_its_channels_is_seen_anywhere() {
    let cluster = Cluster::start_with(&TALKATIVE);
    let mut client = cluster.create_database("crm");
    let mut overheard = Overheard::start(&cluster, &mut client, MARKER);
    let mut listener = cluster.connect("crm");
    listener.batch_execute("listen calendar_sync").expect("listen");
    let hooks = Hooks::start(cluster.config("crm"));
    let mut story = Story {
        session: &mut overheard.session,
        client: &mut client,
        hooks: &hooks,
        seen: String::new(),
        errors: vec![],
        secrets: BTreeSet::new(),
    };
    let sites = [google(), microsoft(), notion()];
    sites.iter().for_each(|site| story.everything(site));
    story.call(&format!("select 1 as \"{MARKER}\""), &[]);
    let (seen, errors, secrets) = (story.seen, story.errors.join("\n"), Vec::from_iter(story.secrets));
    listener.batch_execute("").expect("what has come");
    let heard: Vec<String> =
        listener.notifications().iter().map(|heard| Ok(heard.payload().to_owned())).collect().expect("notifications");
    assert!(!heard.is_empty());

    let mut looker = Looker::new(&cluster, &secrets);
    let mut marker = Looker::new(&cluster, &[MARKER]);
    for looker in [&mut looker, &mut marker] {
        looker.look("an error", &errors);
        looker.look("what stood there meanwhile", &seen);
        looker.look("a notification", &heard.join(" "));
    }
    marker.places(&mut client);
    overheard.look(&mut looker, &mut client);
    assert!(looker.found.is_empty(), "{:#?}", looker.found);

    // What was looked for was there to be found: what providers say is shown, and all that they were sent is secret.
    for place in [
        "an error",
        "what stood there meanwhile",
        "the server's log",
        "a dump",
        "calendar_accounts",
        "calendar_sync_log",
        "select * from pg_stat_statements",
        "select * from pg_stat_activity where pid <> pg_backend_pid()",
    ] {
        assert!(marker.found.contains_key(place), "{place}: {:#?}", marker.found);
    }
    for planted in [ACCESS, REFRESH, CLIENT_SECRET, VERIFICATION, GUESS, WRONG_CODE, GOOGLE_CLIENT.1, GRAPH_CLIENT.1] {
        assert!(secrets.iter().any(|secret| secret == planted), "{planted}");
    }
    assert!(secrets.len() > 30 && count(&mut client, "select count(*) from calendar_sync_log") > 50);
    for site in &sites {
        let sent = format!("{:?}", site.echo.talk());
        let mut here = Looker::new(&cluster, &secrets);
        here.look(site.provider, &sent);
        assert_eq!(here.found.len(), 1, "{}", site.provider);
    }
}
