//! What is secret is planted wherever it may come along, and then looked for wherever somebody may look.
//!
//! A secret more: add it to [`PLANTED`] and use it.

use std::time::Duration;

use calendar_sync_e2e::{
    Authority, Cluster, FakeWeb, Fault, Looker, ONE_EVENT, Overheard, Presents, TALKATIVE, count, eventually,
};
use postgres::Client;

/// Of a URL: user, password, path, query; a redirect's path and query; those of where a flow's answer will be.
const PLANTED: [&str; 8] = [
    "planted-user-a1",
    "planted-pass-b2",
    "planted-path-c3",
    "planted-query-d4",
    "planted-moved-e5",
    "planted-moved-f6",
    "planted-run-g7",
    "planted-run-h8",
];
/// A URL of that server with everything in it that is secret.
fn with_secrets(url: &str, name: &str) -> String {
    let [user, pass, path, query, ..] = PLANTED;
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let host = rest.trim_end_matches('/');
    format!("{scheme}://{user}:{pass}@{host}/{path}/{name}?sig={query}")
}

fn path(name: &str) -> String {
    format!("/{}/{name}", PLANTED[2])
}

/// Every way in which a pull can end; the server repeats what it was asked wherever it can.
fn faults(web: &FakeWeb, elsewhere: &FakeWeb) -> Vec<(&'static str, Option<Fault>)> {
    // What begins with "flow" is one of Power Automate.
    let [user, pass, secret_path, query, moved, signature, run, run_signature] = PLANTED;
    let echo = format!("{user}:{pass}@ /{secret_path}?sig={query} Basic cGxhbnRlZC11c2VyLWExOnBsYW50ZWQtcGFzcy1iMg==");
    let says = |status: &str, body: &str| {
        Some(Fault::Raw(
            format!(
                "HTTP/1.1 {status} {echo}\r\nX-Echo: {echo}\r\nETag: \"{query}\"\r\nLast-Modified: {echo}\r\nSet-Cookie: session={query}; path=/{secret_path}\r\n\
                 WWW-Authenticate: Basic realm=\"{echo}\"\r\nRetry-After: {echo}\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into(),
        ))
    };
    let to = |location: String| Some(Fault::Status(302, vec![format!("Location: {location}")]));
    let json_error = format!(r#"{{"error": {{"code": "{query}", "message": "{echo}"}}, "value": "{secret_path}"}}"#);
    let run_at =
        |location: String| Some(Fault::Status(202, vec![format!("Location: {location}"), "Retry-After: 7200".into()]));
    let bad = ONE_EVENT
        .replace("END:VCALENDAR", "BEGIN:VEVENT\r\nUID:bad\r\nDTSTART:nonsense\r\nEND:VEVENT\r\nEND:VCALENDAR");
    vec![
        ("good", None),
        ("bad_event", says("200", &bad)),
        ("status_400", says("400", &echo)),
        ("status_401", says("401", &echo)),
        ("status_403", says("403", &echo)),
        ("status_404", says("404", &echo)),
        ("status_410", says("410", &echo)),
        ("status_429", says("429", &echo)),
        ("status_500", says("500", &echo)),
        ("nonsense", Some(Fault::Raw(format!("{echo}\r\n\r\n").into()))),
        ("no_calendar", says("200", &echo)),
        ("page", says("200", &format!("<html>{echo}</html>"))),
        ("cut_off", says("200", &format!("BEGIN:VCALENDAR\r\nX-ECHO:{echo}\r\n"))),
        ("truncated", Some(Fault::Truncate(20))),
        ("stalls", Some(Fault::Stall)),
        ("drips", Some(Fault::Drip(Duration::from_millis(50)))),
        ("moved", to(format!("{}?sig={signature}", web.url(&format!("/{moved}"))))),
        ("moved_away", to(format!("{}?sig={signature}", elsewhere.url(&format!("/{moved}"))))),
        ("moved_to_nothing", to(format!("http://no-such-host.invalid/{moved}?sig={signature}"))),
        ("moved_to_no_url", to(format!("http://[{moved}]/?sig={signature}"))),
        ("moved_to_a_file", to(format!("file:///{moved}?sig={signature}"))),
        ("flow_error", says("502", &json_error)),
        ("flow_refused", says("400", &json_error)),
        ("flow_of_another_form", says("200", &json_error)),
        ("flow_pending", run_at(format!("/{run}?sig={run_signature}"))),
        ("flow_elsewhere", run_at(elsewhere.url(&format!("/{run}?sig={run_signature}")))),
        ("flow_to_no_url", run_at(format!("http://[{run}]/?sig={run_signature}"))),
        ("moved_in_circles", to(format!("?sig={query}"))),
    ]
}

const SUBSCRIBE: &str = "select calendar_subscribe('ada', $1, name => $2, provider => $3)";

/// Subscribes to a calendar for each fault, and to some that are not even reached.
fn subscribe_to_all(session: &mut Client, web: &FakeWeb, elsewhere: &FakeWeb, over_tls: &FakeWeb) {
    for (name, fault) in &faults(web, elsewhere) {
        web.serve(&path(name), ONE_EVENT);
        web.set_fault(&path(name), fault.clone());
        let provider = if name.starts_with("flow") { "powerautomate" } else { "ics" };
        session.query(SUBSCRIBE, &[&with_secrets(&web.url(""), name), name, &provider]).expect(name);
    }
    for (name, url) in [
        ("certificate", over_tls.url("")),
        ("no_name", "http://no-such-host.invalid".to_owned()),
        ("no_port", "http://127.0.0.1:9".to_owned()),
        ("no_tls", web.url("").replace("http:", "https:")),
    ] {
        session.query(SUBSCRIBE, &[&with_secrets(&url, name), &name, &"ics"]).expect(name);
    }
}

/// URLs that are refused as they stand.
fn refused_urls() -> [String; 6] {
    let [user, pass, secret_path, query, ..] = PLANTED;
    let long = "x".repeat(9_000);
    [
        format!("ftp://{user}:{pass}@127.0.0.1/{secret_path}?sig={query}"),
        format!("{user}:{pass}/{secret_path}?sig={query}"),
        format!("http://{user}:{pass}@/{secret_path}?sig={query}"),
        format!("http://{user}:{pass}@[::1/{secret_path}?sig={query}"),
        format!("http://{user}:{pass}@224.0.0.1/{secret_path}?sig={query}"),
        format!("http://{user}:{pass}@127.0.0.1/{secret_path}?sig={query}{long}"),
    ]
}

/// Pulls by hand, and fails in every way that a session can: cancelled, refused by the database, by what is asked for,
/// by what is stored.
fn pull_by_hand(session: &mut Client, client: &mut Client, looker: &mut Looker) {
    let mut pull = |session: &mut Client, name: Option<&str>, what: &str| {
        let pull = "select r::text from calendar_sync_now('ada', force => true, name => $1) r";
        let rows = session.query(pull, &[&name]).expect("sync");
        rows.iter().for_each(|row| looker.look(what, row.get(0)));
    };
    pull(session, None, "calendar_sync_now");
    let mut errors = Vec::new();
    session.batch_execute("set statement_timeout = '200ms'").expect("set");
    errors.extend(session.query("select * from calendar_sync_now('ada', name => 'stalls')", &[]).err());
    session.batch_execute("reset statement_timeout").expect("reset");
    client
        .batch_execute(
            "create function fail() returns trigger language plpgsql as $$begin raise 'no: %', new.title; end$$;
             create trigger fail before insert or update on calendar_events for each row execute function fail();
             delete from calendar_events",
        )
        .expect("a trigger that fails");
    pull(session, Some("good"), "calendar_sync_now that fails");
    client.batch_execute("drop trigger fail on calendar_events").expect("drop");
    for url in refused_urls() {
        errors.push(session.query(SUBSCRIBE, &[&url, &"bad", &"ics"]).expect_err("it is refused"));
    }
    client.batch_execute("update calendar_connections set url = 'damaged' where name = 'page'").expect("damage");
    pull(session, None, "calendar_sync_now of what is damaged");
    errors.push(session.query("select calendar_rotate_key()", &[]).expect_err("a secret is damaged"));
    assert_eq!(errors.len(), 8);
    errors.iter().for_each(|error| looker.look("an error", &format!("{error:?}")));
}

#[test]
fn no_secret_of_a_url_is_seen_anywhere() {
    let cluster = Cluster::start_with(&TALKATIVE);
    let mut client = cluster.create_database("crm");
    let mut overheard = Overheard::start(&cluster, &mut client, "crm");
    let mut looker = Looker::new(&cluster, &PLANTED);
    let session = &mut overheard.session;

    let (web, elsewhere) = (FakeWeb::start(), FakeWeb::start());
    let over_tls = FakeWeb::start_tls(&Authority::new(), Presents::Good);
    elsewhere.set_fault(&format!("/{}", PLANTED[4]), Fault::Status(404, vec![]));
    subscribe_to_all(session, &web, &elsewhere, &over_tls);
    eventually("the worker has asked everybody", || {
        let left = "select count(*) from calendar_connections
                    where last_error is null and last_synced_at is null and pending_location is null";
        count(&mut client, left) == 0
    });
    pull_by_hand(session, &mut client, &mut looker);

    assert!(count(&mut client, "select count(*) from calendar_connections where pending_location is not null") > 0);
    overheard.look(&mut looker, &mut client);
    assert!(looker.found.is_empty(), "{:#?}", looker.found);

    // What was looked for was there to be found.
    assert!(cluster.log().contains("DEBUG"));
    assert!(web.requests(&path("good"))[0].target.contains(PLANTED[3]));
    assert!(elsewhere.requests(&format!("/{}", PLANTED[4]))[0].target.contains(PLANTED[5]));
    looker.look("here", &format!("Authorization: {}", web.requests(&path("good"))[0].headers["authorization"]));
    assert_eq!(looker.found.len(), 1, "an encoded secret is found, too");
}
