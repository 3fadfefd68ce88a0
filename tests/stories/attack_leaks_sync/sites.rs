//! The providers, each behind something that repeats what it is sent.

use std::rc::Rc;

use calendar_sync_e2e::{Delivery, Echo, FakeGoogle, FakeGraph, FakeNotion, GOOGLE_CLIENT, GRAPH_CLIENT, post};
use serde_json::{Value, json};
use url::Url;

use super::{ACCESS, BACK, CLIENT_SECRET, EMAIL, GUESS, MARKER, REFRESH, VERIFICATION};

/// A provider, behind its echo.
pub struct Site {
    pub provider: &'static str,
    pub echo: Echo,
    pub client: (&'static str, &'static str),
    pub options: Value,
    pub calendar: String,
    /// Handed in by an application.
    pub tokens: (String, Option<String>),
    /// How it asks for what has changed, and how it refuses.
    pub pull: &'static str,
    pub refusals: [(u16, &'static str); 4],
    /// How it creates, changes, deletes.
    pub writes: [&'static str; 3],
    /// How it makes, renews and ends channels; empty where it is not asked for that.
    pub channels: [&'static str; 3],
    /// Ada agrees at this address: the code.
    pub consents: Box<dyn Fn(&str) -> String>,
    /// Something changes there, and whoever watches is told; then others tell the same, at this address.
    pub tells: Box<dyn Fn(&str)>,
}

fn code_in(address: &str) -> String {
    parameter(address, "code")
}

pub fn parameter(address: &str, wanted: &str) -> String {
    let url = Url::parse(address).expect("a URL");
    url.query_pairs().find(|(name, _)| name == wanted).expect(wanted).1.into_owned()
}

pub fn google() -> Site {
    let google = Rc::new(FakeGoogle::start());
    google.add_person(EMAIL, "Europe/Berlin");
    google.grant_as(EMAIL, ACCESS, REFRESH);
    let echo = Echo::before(&google.url(), MARKER);
    let (agrees, changes) = (google.clone(), google.clone());
    Site {
        provider: "google",
        client: GOOGLE_CLIENT,
        options: json!({
            "redirect_uris": [BACK], "api_url": echo.at(&google.api()), "authorize_url": google.authorize(),
            "token_url": echo.at(&google.token()), "revoke_url": echo.at(&google.revoke()),
        }),
        echo,
        calendar: EMAIL.into(),
        tokens: (ACCESS.into(), Some(REFRESH.into())),
        pull: "GET /events",
        refusals: [(403, "forbidden"), (410, "fullSyncRequired"), (500, "backendError"), (401, "authError")],
        writes: ["POST /events", "PATCH /events/", "DELETE /events/"],
        channels: ["POST /watch", "POST /watch", "POST /stop"],
        consents: Box::new(move |address| code_in(&agrees.consent(address, EMAIL))),
        tells: Box::new(move |hooks| {
            changes.calendar(EMAIL).insert(json!({
                "summary": "Theirs", "start": { "date": "2030-01-15" }, "end": { "date": "2030-01-16" },
            }));
            assert_eq!(changes.notifications().last().expect("a notification").status, 200);
            let headers = [
                format!("X-Goog-Channel-ID: {}", changes.channels()[0].id),
                format!("X-Goog-Channel-Token: {GUESS}"),
                "X-Goog-Resource-State: exists".to_owned(),
            ];
            assert_eq!(post(hooks, &headers, b"").expect("an answer").0, 403);
        }),
    }
}

pub fn microsoft() -> Site {
    let graph = Rc::new(FakeGraph::start());
    let calendar = graph.add_mailbox(EMAIL);
    graph.grant_as(EMAIL, ACCESS, REFRESH);
    let echo = Echo::before(&graph.url(), MARKER);
    let (agrees, changes, changed) = (graph.clone(), graph.clone(), calendar.clone());
    Site {
        provider: "microsoft",
        client: GRAPH_CLIENT,
        options: json!({
            "redirect_uris": [BACK], "api_url": echo.at(&graph.api()), "authorize_url": graph.authorize(),
            "token_url": echo.at(&graph.token()),
        }),
        echo,
        calendar,
        tokens: (ACCESS.into(), Some(REFRESH.into())),
        pull: "GET /delta",
        refusals: [
            (403, "ErrorAccessDenied"),
            (410, "SyncStateNotFound"),
            (500, "InternalServerError"),
            (401, "InvalidAuthenticationToken"),
        ],
        writes: ["POST /events", "PATCH /events/", "DELETE /events/"],
        channels: ["POST /subscriptions", "PATCH /subscriptions/", "DELETE /subscriptions/"],
        consents: Box::new(move |address| code_in(&agrees.consent(address, EMAIL))),
        tells: Box::new(move |hooks| {
            changes.calendar(&changed).insert(json!({
                "subject": "Theirs", "start": { "dateTime": "2030-01-15T09:00:00", "timeZone": "UTC" },
                "end": { "dateTime": "2030-01-15T10:00:00", "timeZone": "UTC" },
            }));
            assert_eq!(changes.notifications().last().expect("a notification").status, 202);
            let forged = json!({ "value": [{
                "subscriptionId": changes.subscriptions()[0].id, "clientState": GUESS, "changeType": "updated",
            }] });
            assert_eq!(post(hooks, &[], forged.to_string().as_bytes()).expect("an answer").0, 403);
        }),
    }
}

pub fn notion() -> Site {
    let notion = Rc::new(FakeNotion::start());
    notion.register_client("client-of-notion", CLIENT_SECRET);
    let calendar = notion.add_database("Tasks", &FakeNotion::usual_schema());
    let echo = Echo::before(&notion.url(), MARKER);
    let at = |path: &str| format!("{}/v1/oauth/{path}", echo.at(&notion.url()));
    let (agrees, changes, changed) = (notion.clone(), notion.clone(), calendar.clone());
    Site {
        provider: "notion",
        client: ("client-of-notion", CLIENT_SECRET),
        options: json!({ "redirect_uris": [BACK], "endpoints": {
            "api": echo.at(&notion.url()), "authorize": at("authorize"), "token": at("token"), "revoke": at("revoke"),
        } }),
        echo,
        calendar,
        tokens: (FakeNotion::TOKEN.into(), None),
        pull: "POST /query",
        refusals: [
            (403, "restricted_resource"),
            (404, "object_not_found"),
            (500, "internal_server_error"),
            (401, "unauthorized"),
        ],
        writes: ["POST /v1/pages", "PATCH /v1/pages/", "PATCH /v1/pages/"],
        channels: [""; 3],
        consents: Box::new(move |_| agrees.consent(BACK, "ada@example.com")),
        tells: Box::new(move |hooks| {
            let call =
                |delivery: &Delivery| post(hooks, &delivery.headers, delivery.body.as_bytes()).expect("an answer").0;
            assert_eq!(call(&changes.subscribe(hooks, VERIFICATION)), 200);
            assert_eq!(call(&changes.subscribe(hooks, GUESS)), 403);
            changes.subscribe(hooks, VERIFICATION);
            changes.add_event(&changed, "Theirs", &json!({ "start": "2030-01-15" }));
            let told = changes.notifications();
            let mut forged = told[0].clone();
            forged.body.push(' ');
            assert_eq!((call(&told[0]), call(&forged)), (200, 403));
        }),
    }
}
