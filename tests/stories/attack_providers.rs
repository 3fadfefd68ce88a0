//! A provider that answers with anything: what can be read of it is here, the rest is counted as bad, and nothing of it
//! stops the calendar, reaches another place, or makes the server ask what it was not told to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use calendar_sync_e2e::{Cluster, Reply, Request, count, serve, text};
use postgres::Client;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

const PROVIDERS: [&str; 3] = ["google", "microsoft", "notion"];
/// What a series has that other events have not.
const SERIES: [&str; 4] = ["recurrence", "Occurrences0", "Occurrences0type", "originalStart"];
/// What is found under a provider's name beside the events: of the calendar, or of an answer as a whole.
type Whole = Arc<Mutex<Value>>;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// One calendar of one provider, whose events are whatever it is told.
struct Hostile {
    provider: &'static str,
    events: Arc<Mutex<Vec<Value>>>,
    /// Members that stand in every list beside the events, in place of the usual ones.
    beside: Whole,
    asked: Arc<Mutex<Vec<Request>>>,
    base: String,
}

impl Hostile {
    fn start(provider: &'static str) -> Self {
        let (events, beside) = (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(json!({}))));
        let asked = Arc::new(Mutex::new(vec![]));
        let (of, besides, keep) = (events.clone(), beside.clone(), asked.clone());
        let address = serve(move |request| {
            keep.lock().expect("requests").push(request.clone());
            Some(answer(provider, request, &of.lock().expect("events"), &besides.lock().expect("members")))
        });
        Self { provider, events, beside, asked, base: format!("http://{address}") }
    }

    fn connect(&self, client: &mut Client) -> Uuid {
        let options = json!({ "api_url": format!("{}/v1", self.base) });
        let register = "select calendar_oauth_register($1, 'client', 'secret', $2)";
        client.execute(register, &[&self.provider, &options]).expect("register");
        let add = "select calendar_account_add($1, $1, 'planted-token', null, null, 'x@example.com')";
        let account: Uuid = client.query_one(add, &[&self.provider]).expect("add").get(0);
        let connect = "insert into calendar_connections
                           (user_id, name, provider, account_id, external_calendar_id, direction, next_poll_at)
                       values ($1, $1, $1, $2, 'work', 'both', now()) returning connection_id";
        client.query_one(connect, &[&self.provider, &account]).expect("a connection").get(0)
    }

    fn has(&self, events: Vec<Value>) {
        *self.events.lock().expect("events") = events;
    }

    fn says_beside(&self, members: Value) {
        *self.beside.lock().expect("members") = members;
    }

    /// What was asked since the last look.
    fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().expect("requests"))
    }
}

fn answer(provider: &str, request: &Request, events: &[Value], beside: &Value) -> Reply {
    let path = request.target.split('?').next().unwrap_or_default();
    let mut page = match provider {
        _ if request.method == "DELETE" => return Reply::empty(204),
        "google" if path.ends_with("/events") => json!({ "items": events, "nextSyncToken": "1", "timeZone": "UTC" }),
        "microsoft" if path.ends_with("/delta") => {
            let host = request.headers.get("host").cloned().unwrap_or_default();
            json!({ "value": events, "@odata.deltaLink": format!("http://{host}/v1/me/calendarView/delta?$deltatoken=1") })
        }
        "microsoft" if path.ends_with("/calendars/work") => json!({ "id": "work", "name": "Work" }),
        "notion" if path.ends_with("/query") => {
            let in_trash = request.body.contains("in_trash");
            json!({ "object": "list", "results": if in_trash { &[] } else { events }, "has_more": false })
        }
        "notion" if path.ends_with("/data_sources/work") => json!({
            "object": "data_source", "id": "work", "title": [{ "plain_text": "Work" }],
            "properties": { "Name": { "id": "title", "name": "Name", "type": "title" },
                            "When": { "id": "when", "name": "When", "type": "date" },
                            "Notes": { "id": "notes", "name": "Notes", "type": "rich_text" },
                            "Tags": { "id": "tags", "name": "Tags", "type": "multi_select" } },
        }),
        // An event by its id.
        _ => {
            let last = path.rsplit('/').next().unwrap_or_default();
            let id = decoded(last);
            match events.iter().find(|event| event["id"] == id.as_str()) {
                Some(event) => return Reply::json(200, event),
                None => return Reply::json(404, &json!({ "error": { "code": "ErrorItemNotFound" } })),
            }
        }
    };
    for (name, value) in beside.as_object().into_iter().flatten() {
        page[name] = value.clone();
    }
    if page["endless"] == true {
        // Another page each time, with a megabyte beside its events.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        page["filler"] = json!("x".repeat(1_000_000));
        for (of, name, value) in [
            ("google", "nextPageToken", json!(number.to_string())),
            (
                "microsoft",
                "@odata.nextLink",
                json!(format!("http://{}/v1/me/calendarView/delta?$skiptoken={number}", request.headers["host"])),
            ),
            ("notion", "next_cursor", json!(number.to_string())),
        ] {
            if of == provider {
                page[name] = value;
            }
        }
        page["has_more"] = json!(true);
        for name in ["nextSyncToken", "@odata.deltaLink"] {
            page[name] = Value::Null;
        }
        let list = match provider {
            "google" => "items",
            "microsoft" => "value",
            _ => "results",
        };
        page[list] = json!([event(provider, &format!("endless{number}"), "Endless")]);
    }
    Reply::json(200, &page)
}

/// A segment of an address.
fn decoded(segment: &str) -> String {
    let value = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(value.as_bytes()).next().expect("a value").1.into_owned()
}

/// A good one, as that provider has it.
fn event(provider: &str, id: &str, title: &str) -> Value {
    match provider {
        "google" => json!({
            "id": id, "etag": "\"1\"", "status": "confirmed", "summary": title, "description": "d", "location": "l",
            "updated": "2026-01-01T00:00:00Z", "iCalUID": id, "visibility": "default", "transparency": "opaque",
            "start": { "dateTime": "2030-01-07T09:00:00Z", "timeZone": "UTC" },
            "end": { "dateTime": "2030-01-07T10:00:00Z", "timeZone": "UTC" },
            "attendees": [{ "email": "a@example.com", "responseStatus": "accepted" }], "organizer": { "email": "a@example.com" },
            "extendedProperties": { "private": { "a": "b" } }, "recurrence": [], "recurringEventId": null,
            "originalStartTime": null, "reminders": { "useDefault": true }, "hangoutLink": "https://example.com/x",
            "conferenceData": { "entryPoints": [{ "uri": "https://example.com" }] }, "eventType": "default",
        }),
        "microsoft" => json!({
            "id": id, "@odata.etag": "W/\"1\"", "changeKey": "1", "subject": title, "type": "singleInstance",
            "body": { "contentType": "text", "content": "d" }, "bodyPreview": "d", "importance": "normal",
            "sensitivity": "normal", "showAs": "busy", "isAllDay": false, "isCancelled": false, "isOrganizer": true,
            "start": { "dateTime": "2030-01-07T09:00:00.0000000", "timeZone": "UTC" },
            "end": { "dateTime": "2030-01-07T10:00:00.0000000", "timeZone": "UTC" },
            "location": { "displayName": "l" }, "categories": ["a"], "iCalUId": id, "seriesMasterId": null,
            "attendees": [{ "type": "required", "emailAddress": { "address": "a@example.com", "name": "a" },
                            "status": { "response": "accepted" } }],
            "organizer": { "emailAddress": { "address": "a@example.com", "name": "a" } }, "recurrence": null,
            "isOnlineMeeting": false, "onlineMeetingProvider": "unknown", "onlineMeeting": null, "webLink": "https://x",
            "lastModifiedDateTime": "2026-01-01T00:00:00Z", "originalStartTimeZone": "UTC", "transactionId": null,
        }),
        _ => json!({
            "object": "page", "id": id, "created_time": "2026-01-01T00:00:00.000Z",
            "last_edited_time": "2026-01-01T00:00:00.000Z", "in_trash": false, "url": "https://notion.so/x",
            "created_by": { "id": "me" }, "last_edited_by": { "id": "me" },
            "properties": {
                "Name": { "id": "title", "type": "title", "title": [{ "plain_text": title, "text": { "content": title } }] },
                "When": { "id": "when", "type": "date",
                          "date": { "start": "2030-01-07T09:00:00.000Z", "end": null, "time_zone": null } },
                "Notes": { "id": "notes", "type": "rich_text", "rich_text": [{ "plain_text": "d" }] },
                "Tags": { "id": "tags", "type": "multi_select", "multi_select": [{ "name": "a" }] },
            },
        }),
    }
}

/// A series of three days, as that provider has it; Notion has none.
fn series(provider: &str) -> Option<Value> {
    let mut event = event(provider, "", "Series");
    match provider {
        "google" => {
            event["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE-TIME:20300108T090000Z"])
        }
        "microsoft" => {
            event["type"] = json!("seriesMaster");
            event["recurrence"] = json!({
                "pattern": { "type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday",
                             "index": "first", "month": 0, "dayOfMonth": 0 },
                "range": { "type": "numbered", "startDate": "2030-01-07", "endDate": "2030-03-07",
                           "numberOfOccurrences": 3, "recurrenceTimeZone": "UTC" },
            });
            event["cancelledOccurrences"] = json!(["OID.x.2030-02-04"]);
            let mut exception = self::event(provider, "exception", "Moved");
            exception["type"] = json!("exception");
            exception["originalStart"] = json!("2030-01-07T09:00:00Z");
            event["exceptionOccurrences"] = json!([exception]);
        }
        _ => return None,
    }
    Some(event)
}

fn hostile_values() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!([]),
        json!({}),
        deep,
        json!([null, 1, {}]),
        json!({ "a": { "b": null } }),
        json!("x".repeat(100_000)),
        json!(["x".repeat(100_000)]),
    ];
    values.extend(
        [
            "",
            " ",
            "\0",
            "a\0b",
            "\u{feff}\u{202e}\u{ffff}",
            "..",
            "../../me",
            "%2e%2e%2f",
            "'; drop table calendar_events; --",
            "0000-01-01T00:00:00Z",
            "0000-00-00",
            "0001-01-01T00:00:00.0000000",
            "9999-12-31T23:59:59.9999999",
            "9999-12-31",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
            "10000-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "+262142-12-31T23:59:59Z",
            "+262142-12-31",
            "+262142-12-31T23:59:59",
            "-262143-01-01T00:00:00",
            "-262143-01-01",
            "-4713-01-01T00:00:00",
            "294276-12-31T00:00:00Z",
            "+294277-01-01",
            "2030-02-30T00:00:00Z",
            "2030-01-07T24:00:00Z",
            "2030-01-07T23:59:60Z",
            "infinity",
            "NaN",
            "now",
            "RRULE:FREQ=SECONDLY",
            "RRULE:FREQ=DAILY;COUNT=999999999",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "RRULE:FREQ=SECONDLY;BYSECOND=0;BYMINUTE=0;BYHOUR=0;BYMONTHDAY=31;BYMONTH=2",
            "Asia/../../etc/passwd",
            "UTC\0",
            "tzone://Microsoft/Custom",
            "seriesMaster",
            "occurrence",
            "exception",
            "cancelled",
        ]
        .map(|text| json!(text)),
    );
    values
}

/// The event with each hostile value in each place, two levels deep; each has an id of its own, unless that is the place.
fn twisted(good: &Value, name: &str) -> Vec<Value> {
    let values = hostile_values();
    let mut places: Vec<String> = vec![];
    fn walk(value: &Value, path: &str, places: &mut Vec<String>) {
        let below: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
            _ => vec![],
        };
        for (name, value) in below {
            let path = format!("{path}/{name}");
            walk(value, &path, places);
            places.push(path);
        }
    }
    walk(good, "", &mut places);
    let mut all = vec![];
    for path in &places {
        for (number, value) in values.iter().enumerate() {
            let mut one = good.clone();
            one["id"] = json!(format!("{name}{}-{number}", path.replace(['@', '.', '/'], "")));
            if let Some(place) = one.pointer_mut(path) {
                *place = value.clone();
                all.push(one);
            }
        }
    }
    all
}

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
