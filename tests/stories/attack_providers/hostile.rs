//! A provider whose calendar holds whatever it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use calendar_sync_e2e::{Reply, Request, serve};
use postgres::Client;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::values::event;

/// What is found under a provider's name beside the events: of the calendar, or of an answer as a whole.
type Whole = Arc<Mutex<Value>>;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// One calendar of one provider, whose events are whatever it is told.
pub struct Hostile {
    provider: &'static str,
    events: Arc<Mutex<Vec<Value>>>,
    /// Members that stand in every list beside the events, in place of the usual ones.
    beside: Whole,
    asked: Arc<Mutex<Vec<Request>>>,
    pub base: String,
}

impl Hostile {
    pub fn start(provider: &'static str) -> Self {
        let (events, beside) = (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(json!({}))));
        let asked = Arc::new(Mutex::new(vec![]));
        let (of, besides, keep) = (events.clone(), beside.clone(), asked.clone());
        let address = serve(move |request| {
            keep.lock().expect("requests").push(request.clone());
            Some(answer(provider, request, &of.lock().expect("events"), &besides.lock().expect("members")))
        });
        Self { provider, events, beside, asked, base: format!("http://{address}") }
    }

    pub fn connect(&self, client: &mut Client) -> Uuid {
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

    pub fn has(&self, events: Vec<Value>) {
        *self.events.lock().expect("events") = events;
    }

    pub fn says_beside(&self, members: Value) {
        *self.beside.lock().expect("members") = members;
    }

    /// What was asked since the last look.
    pub fn asked(&self) -> Vec<Request> {
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
        page = endless(provider, page, &request.headers["host"]);
    }
    Reply::json(200, &page)
}

/// One of pages without end, with a megabyte beside its event.
fn endless(provider: &str, mut page: Value, host: &str) -> Value {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    page["filler"] = json!("x".repeat(1_000_000));
    for (of, name, value) in [
        ("google", "nextPageToken", json!(number.to_string())),
        ("microsoft", "@odata.nextLink", json!(format!("http://{host}/v1/me/calendarView/delta?$skiptoken={number}"))),
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
    page
}

/// A segment of an address.
pub fn decoded(segment: &str) -> String {
    let value = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(value.as_bytes()).next().expect("a value").1.into_owned()
}
