//! A provider that answers with anything: what can be read of it is here, the rest is counted as bad, and nothing of it
//! stops the calendar, reaches another place, or makes the server ask what it was not told to.

mod hostile;
mod values;

use std::sync::{Arc, Mutex};

use calendar_sync_e2e::{Cluster, Reply, count, serve, text};
use postgres::Client;
use serde_json::{Value, json};

use hostile::{Hostile, decoded};
use values::{event, hostile_values, series, twisted};

const PROVIDERS: [&str; 3] = ["google", "microsoft", "notion"];
/// What a series has that other events have not.
const SERIES: [&str; 4] = ["recurrence", "Occurrences0", "Occurrences0type", "originalStart"];

fn start() -> (Cluster, Client) {
    let cluster =
        Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "100000")]);
    let client = cluster.create_database("crm");
    (cluster, client)
}

/// Status, error and counts of one pull.
fn sync(client: &mut Client, provider: &str) -> (String, String, [i32; 5]) {
    let query =
        "select status, coalesce(error, ''), created, updated, deleted, unchanged, pushed from calendar_sync_now($1)";
    let row = client.query_one(query, &[&provider]).unwrap_or_else(|error| panic!("{provider}: {error:?}"));
    (row.get(0), row.get(1), [2, 3, 4, 5, 6].map(|column| row.get::<_, Option<i32>>(column).unwrap_or_default()))
}

#[test]
fn whatever_stands_in_a_field_the_rest_of_the_calendar_is_here() {
    let (cluster, mut client) = start();
    for provider in PROVIDERS {
        let hostile = Hostile::start(provider);
        hostile.connect(&mut client);
        // All of them with HOSTILE_STEP=1.
        let step = std::env::var("HOSTILE_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(21);
        let mut events = twisted(&event(provider, "", "Twisted"), "single");
        let is_of_series =
            |event: &Value| event["id"].as_str().is_none_or(|id| SERIES.iter().any(|part| id.contains(part)));
        events.extend(series(provider).into_iter().flat_map(|series| twisted(&series, "series")).filter(is_of_series));
        events.push(event(provider, "long", &"x".repeat(1_000_000)));
        let mut events: Vec<Value> = events.into_iter().step_by(step).collect();
        assert!(events.len() > 1_750 / step, "{provider}: {}", events.len());
        events.insert(0, event(provider, "first", "First"));
        events.push(event(provider, "last", "Last"));
        hostile.has(events.clone());
        let (status, error, counts) = sync(&mut client, provider);
        println!("{provider}: {} events: {counts:?}", events.len());
        let good = format!(
            "select string_agg(title, ' ' order by title) from calendar_events
                            where user_id = '{provider}' and title in ('First', 'Last')"
        );
        assert_eq!((status.as_str(), error.as_str()), ("success", ""), "{provider}");
        assert_eq!(text(&mut client, &good), "First Last", "{provider}");
        let again = sync(&mut client, provider);
        assert_eq!(
            (again.0.as_str(), [again.2[0], again.2[1], again.2[2]]),
            ("success", [0; 3]),
            "{provider}: {again:?}"
        );
        // What is said of the calendar, and where to go on.
        for value in hostile_values().into_iter().filter(|value| !value.is_null()) {
            let names = ["summary", "timeZone", "name", "title", "request_status", "etag", "kind"];
            let beside: serde_json::Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
            hostile.has(vec![event(provider, "first", "First"), event(provider, "last", "Last")]);
            hostile.says_beside(Value::Object(beside));
            let (status, error, _) = sync(&mut client, provider);
            assert_eq!((status.as_str(), error.as_str()), ("success", ""), "{provider} {value:.60}");
        }
        assert_eq!(text(&mut client, &good), "First Last", "{provider}");
        client.execute("delete from calendar_connections where user_id = $1", &[&provider]).expect("delete");
    }
    assert!(!cluster.log().contains("panicked"), "nothing is an accident");
    // No text that PostgreSQL itself would not take.
    let columns = "select a.attrelid::regclass::text, quote_ident(a.attname) from pg_depend d
                   join pg_attribute a on a.attrelid = d.objid and d.classid = 'pg_class'::regclass
                   join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
                   where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
                     and a.attnum > 0 and a.atttypid = 'text'::regtype";
    let columns = client.query(columns, &[]).expect("columns");
    assert!(columns.len() > 100);
    for column in columns {
        let (table, name): (String, String) = (column.get(0), column.get(1));
        let with_nul =
            format!("select count(*) from {table} where position('\\x00' in convert_to({name}, 'UTF8')) > 0");
        assert_eq!(count(&mut client, &with_nul), 0, "{table}.{name}");
    }
}

/// Identifiers become parts of addresses.
#[test]
fn an_identifier_leads_to_no_other_address() {
    let (_cluster, mut client) = start();
    let (long, too_long) = ("i".repeat(1_000), "i".repeat(2_000));
    let good = ["a/../../me", "%2e%2e%2fme", "a?x=1", "a#b", "a b+c", "\u{e4}", "...", "\\..\\..", &long];
    let bad = ["..", ".", "", "a\r\nX: y", &too_long];
    for provider in PROVIDERS {
        let hostile = Hostile::start(provider);
        hostile.connect(&mut client);
        hostile.has(good.iter().chain(&bad).map(|id| event(provider, id, &format!("Event {id:.9}"))).collect());
        let (status, error, counts) = sync(&mut client, provider);
        assert_eq!((status.as_str(), error.as_str(), counts[0]), ("success", "", good.len() as i32), "{provider}");
        hostile.asked();
        let change = |client: &mut Client, statement: &str| {
            client.batch_execute(&format!("{statement} where user_id = '{provider}'")).expect("a change");
            let (status, error, _) = sync(client, provider);
            assert_eq!((status.as_str(), error.as_str()), ("success", ""), "{provider}");
        };
        change(&mut client, "update calendar_events set title = 'Ours'");
        change(&mut client, "delete from calendar_events");
        let before = if provider == "notion" { "/v1/pages/" } else { "/events/" };
        let mut named = 0;
        for request in hostile.asked().iter().filter(|request| request.method != "GET" && request.method != "POST") {
            let path = request.target.split('?').next().unwrap_or_default();
            let (_, last) = path.split_once(before).unwrap_or_else(|| panic!("{provider}: {path}"));
            let id = decoded(last);
            assert!(!last.contains('/') && good.contains(&id.as_str()), "{provider}: {path}");
            named += 1;
        }
        assert_eq!(named, 2 * good.len(), "{provider}: each was changed, and deleted");
        client.batch_execute("delete from calendar_connections").expect("delete");
    }
}

/// A link is no reason to show the token, or to ask, elsewhere.
#[test]
fn a_link_leads_nowhere_but_to_the_provider() {
    let (_cluster, mut client) = start();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = heard.clone();
    let elsewhere = serve(move |request| {
        hears.lock().expect("requests").push_str(&format!("{request:?}"));
        Some(Reply::json(200, &json!({ "value": [], "@odata.deltaLink": "x" })))
    });
    let hostile = Hostile::start("microsoft");
    hostile.connect(&mut client);
    let own = hostile.base.trim_start_matches("http://").to_owned();
    for link in [
        format!("http://{elsewhere}/v1/x"),
        format!("http://{own}@{elsewhere}/v1/x"),
        format!("//{elsewhere}/v1/x"),
        format!("http://localhost:{}/v1/x", elsewhere.port()),
        format!("https://{own}/v1/x"),
        format!("webcal://{own}/v1/x"),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        for name in ["@odata.nextLink", "@odata.deltaLink"] {
            hostile.says_beside(json!({ "@odata.deltaLink": null, name: link }));
            let (status, error, _) = sync(&mut client, "microsoft");
            let is_refused =
                error.contains("another host") || error.contains("begin") || error.contains("not followed");
            assert!(status == "error" && is_refused, "{name} {link}: {status} {error}");
            client.batch_execute("update calendar_connections set status = 'active'").expect("again");
        }
    }
    assert_eq!(*heard.lock().expect("requests"), "");
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let cluster = Cluster::start_with(&[
        ("calendar_sync.worker", "off"),
        ("calendar_sync.manual_sync_limit", "1000"),
        ("calendar_sync.http_max_bytes", "2MB"),
    ]);
    let mut client = cluster.create_database("crm");
    for provider in PROVIDERS {
        let hostile = Hostile::start(provider);
        hostile.connect(&mut client);
        hostile.says_beside(json!({ "endless": true }));
        let (status, error, _) = sync(&mut client, provider);
        assert_eq!(status, "error", "{provider}");
        assert!(error.contains("larger than"), "{provider}: {error}");
        assert!(hostile.asked().len() < 12, "{provider}");
    }
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 0);
}
