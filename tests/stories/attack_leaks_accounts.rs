//! What is secret of a login, planted and looked for as [`super::attack_leaks`] does it for URLs. The provider repeats
//! what it is sent wherever it can.

use std::sync::{Arc, Mutex};

use calendar_sync_e2e::{Cluster, Looker, Overheard, Reply, Request, TALKATIVE, count, serve};
use postgres::Client;
use serde_json::json;
use url::{Url, form_urlencoded};

const CLIENT_SECRET: &str = "planted-client-i9";
const CODE: &str = "planted-code-j1";
const ACCESS: &str = "planted-access-k2";
const REFRESH: &str = "planted-refresh-l3";
const NEW_ACCESS: &str = "planted-new-access-m4";
const NEW_REFRESH: &str = "planted-new-refresh-n5";
const BACK: &str = "https://crm.example.com/callback";
/// How the provider behaves: the first part of each path.
const MANNERS: [&str; 8] = ["good", "400", "401", "403", "500", "nonsense", "moves", "silent"];

/// A provider that repeats what it is asked.
fn answer(request: &Request) -> Option<Reply> {
    let path = request.target.split('?').next().unwrap_or_default();
    let (manner, what) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
    let echo = format!("{} {authorization} {}", request.target, request.body);
    let fields: Vec<String> =
        form_urlencoded::parse(request.body.as_bytes()).map(|(_, value)| value.into_owned()).collect();
    let said = json!({
        "error": fields.first().cloned().unwrap_or_else(|| echo.clone()),
        "error_description": format!("{echo} {}", fields.join(" ")),
        "error_codes": [echo],
        "message": format!("{echo} {}", fields.join(" ")),
    });
    let mut reply = match (manner, what) {
        ("silent", _) => return None,
        ("nonsense", _) => Reply { status: 200, headers: vec![], body: echo.clone().into_bytes() },
        ("moves", _) => {
            let location = format!("Location: http://127.0.0.1:9/{}", fields.join("/").replace(' ', "+"));
            Reply { headers: vec![location], ..Reply::empty(307) }
        }
        ("good", "token") => Reply::json(
            200,
            &json!({"access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH, "expires_in": 3600, "scope": "x"}),
        ),
        ("good", "v1.0/me") => Reply::json(200, &json!({"mail": "ada@contoso.com"})),
        ("good", _) => Reply::json(200, &json!({"value": [{"id": "work", "name": "Calendar", "canEdit": true}]})),
        (status, "v1.0/me/calendars") => {
            Reply::json(status.parse().ok()?, &json!({"error": {"code": echo, "message": echo}}))
        }
        (status, _) => Reply::json(status.parse().ok()?, &said),
    };
    let words = echo.replace(['\r', '\n'], " ");
    reply.headers.extend([
        format!("X-Echo: {words}"),
        format!("Set-Cookie: session={words}"),
        format!("WWW-Authenticate: Bearer realm=\"{words}\""),
        format!("Retry-After: {words}"),
    ]);
    Some(reply)
}

/// A session of an application, which passes secrets as parameters.
struct Session<'a> {
    client: &'a mut Client,
    /// What its errors said.
    errors: Vec<String>,
    /// What is made here: states.
    secrets: Vec<String>,
}

impl Session<'_> {
    fn call(&mut self, statement: &str, parameters: &[&(dyn postgres::types::ToSql + Sync)]) -> Option<postgres::Row> {
        match self.client.query(statement, parameters) {
            Ok(rows) => rows.into_iter().next(),
            Err(error) => {
                self.errors.push(format!("{error:?}"));
                None
            }
        }
    }

    /// Everything that can be done with a login, at a provider that behaves so.
    fn try_everything(&mut self, base: &str, manner: &str) {
        let at = |what: &str| format!("{base}/{manner}/{what}");
        let options = json!({
            "redirect_uris": [BACK], "api_url": at("v1.0"), "token_url": at("token"), "authorize_url": at("authorize"),
            "revoke_url": at("revoke"),
        });
        let secret: &str = CLIENT_SECRET;
        self.call("select calendar_oauth_register('microsoft', 'client', $1, $2)", &[&secret, &options]);
        let begun = self.call("select calendar_oauth_begin('ada', 'microsoft', $1)", &[&BACK]).expect("begin");
        let url = Url::parse(begun.get(0)).expect("a URL");
        let state = url.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        self.secrets.push(state.clone());
        self.call("select calendar_oauth_finish($1, $2, 'eve')", &[&state, &CODE]);
        self.call("select calendar_oauth_finish($1, $2, 'ada')", &[&state, &CODE]);
        self.call("select calendar_oauth_finish($1, $2, 'ada')", &[&state, &CODE]);
        let add =
            "select calendar_account_add('ada', 'microsoft', $1, $2, now() + $3::text::interval, 'ada@contoso.com')";
        for lasts in ["1 hour", "-1 hour"] {
            let added = self.call(add, &[&ACCESS, &REFRESH, &lasts]).expect("add");
            let account: uuid::Uuid = added.get(0);
            self.call("select calendar_account_calendars($1)", &[&account]);
            self.call("select calendar_connect($1, 'work', name => 'Work')", &[&account]);
            self.call("select * from calendar_sync_now('ada')", &[]);
            self.call("select calendar_account_add('ada', 'no such provider', $1, $2)", &[&ACCESS, &REFRESH]);
            self.call(
                "select calendar_account_add('ada', 'microsoft', $1, $2, account_email => $1)",
                &[&" ", &REFRESH],
            );
            if lasts == "1 hour" {
                self.call("select calendar_account_remove($1)", &[&account]);
            }
        }
    }
}

#[test]
fn no_secret_of_a_login_is_seen_anywhere() {
    let cluster = Cluster::start_with(&TALKATIVE);
    let mut client = cluster.create_database("crm");
    let mut overheard = Overheard::start(&cluster, &mut client, "crm");
    let mut session = Session { client: &mut overheard.session, errors: vec![], secrets: vec![] };

    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = asked.clone();
    let address = serve(move |request| {
        keep.lock().expect("requests").push(request.clone());
        answer(request)
    });
    for manner in MANNERS {
        session.try_everything(&format!("http://{address}"), manner);
    }
    client
        .batch_execute("update calendar_accounts set refresh_token = 'damaged', access_token = 'damaged'")
        .expect("damage");
    session.call("select calendar_account_calendars(account_id) from calendar_accounts", &[]);
    session.call("select calendar_rotate_key()", &[]);

    let requests = asked.lock().expect("requests").clone();
    let verifiers = requests.iter().filter_map(|request| {
        form_urlencoded::parse(request.body.as_bytes())
            .find(|(name, _)| name == "code_verifier")
            .map(|it| it.1.into_owned())
    });
    let mut secrets: Vec<String> =
        [CLIENT_SECRET, CODE, ACCESS, REFRESH, NEW_ACCESS, NEW_REFRESH].map(String::from).into();
    secrets.extend(session.secrets.iter().cloned());
    secrets.extend(verifiers);
    assert!(secrets.len() >= 6 + 2 * MANNERS.len(), "a state and a verifier for each: {secrets:?}");
    let mut looker = Looker::new(&cluster, &secrets);
    assert!(session.errors.len() > 40, "{:#?}", session.errors);
    session.errors.iter().for_each(|error| looker.look("an error", error));
    overheard.look(&mut looker, &mut client);
    assert!(looker.found.is_empty(), "{:#?}", looker.found);

    // What was looked for was there to be found.
    assert!(count(&mut client, "select count(*) from calendar_sync_log where action = 'refresh'") > 0);
    for request in &requests {
        looker.look("here", &format!("{request:?}"));
    }
    assert_eq!(looker.found.len(), 1);
}
