//! From a request to its answer.

use std::sync::{Mutex, MutexGuard};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::answers;
use super::faults::{Common, GraphCall, GraphFault, GraphRequest};
use super::oauth;
use super::refusal::Refusal;
use super::subscriptions::handshake;
use super::world::World;
use crate::web::{Reply, Request};

/// What a call gives.
pub(super) enum Outcome {
    /// With this status.
    Json(u16, Value),
    /// 204.
    Nothing,
}

/// Requests to one mailbox that may be under way at once.
const CONCURRENT: usize = 4;

/// A request taken apart.
pub(super) struct Asked<'r> {
    pub call: GraphCall,
    request: &'r Request,
    /// Of the path below the API's root, decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
}

impl Asked<'_> {
    pub fn header(&self, name: &str) -> &str {
        self.request.headers.get(name).map_or("", String::as_str)
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A value of the Prefer header.
    pub fn preference(&self, name: &str) -> Option<&str> {
        let preferences = self.header("prefer").split(',').filter_map(|one| one.trim().split_once('='));
        preferences.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_matches('"')).next()
    }

    pub fn body(&self) -> Result<Map<String, Value>, Refusal> {
        let bad = || Refusal::new(400, "BadRequest", "Unable to read JSON request payload.");
        serde_json::from_str(&self.request.body).map_err(|_| bad())
    }

    /// The path as it is matched.
    pub fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

pub(super) fn respond(shared: &Mutex<World>, request: &Request) -> Option<Reply> {
    let asked = take_apart(request);
    let mut world = lock(shared);
    let fault = world.common.faults.next(asked.call);
    let mailbox = asked.path.iter().take(2).cloned().collect::<Vec<_>>().join("/");
    let open = world.open.entry(mailbox.clone()).or_default();
    *open += 1;
    let too_many = *open > CONCURRENT;
    let refused = fault.as_ref().and_then(|fault| fault.refusal(&world.api));
    drop(world);
    let answered = || match (&refused, &fault) {
        (Some(refusal), _) => Some(refusal_reply(refusal)),
        (_, Some(GraphFault::Drop)) => None,
        _ if too_many => {
            let refusal =
                Refusal::new(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.");
            Some(refusal_reply(&refusal.with_header("Retry-After: 1".into())))
        }
        _ => Some(answer(shared, &asked)),
    };
    let reply = answered();
    if let Some(GraphFault::Delay(time)) = fault {
        std::thread::sleep(time);
    }
    let reply = reply.filter(|_| !matches!(fault, Some(GraphFault::LoseReply)));
    let mut world = lock(shared);
    if let Some(open) = world.open.get_mut(&mailbox) {
        *open -= 1;
    }
    note(&mut world, &asked, reply.as_ref().map_or(0, |reply| reply.status));
    reply
}

fn lock(shared: &Mutex<World>) -> MutexGuard<'_, World> {
    shared.lock().expect("the fake's world")
}

fn note(world: &mut World, asked: &Asked, status: u16) {
    let header = |name: &str| asked.request.headers.get(name).cloned();
    let request = GraphRequest {
        call: asked.call,
        method: asked.request.method.clone(),
        path: asked.request.path().to_owned(),
        query: asked.query.clone(),
        if_match: header("if-match"),
        prefer: header("prefer").unwrap_or_default(),
        // Forms hold secrets, which tests look for in what others keep.
        body: if asked.call == GraphCall::Token { String::new() } else { asked.request.body.clone() },
        status,
    };
    world.common.faults.note(asked.call, request);
}

fn take_apart(request: &Request) -> Asked<'_> {
    let below = request.path().strip_prefix("/v1.0/").unwrap_or(request.path().trim_start_matches('/'));
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().trim_end_matches("()").to_owned();
    let path: Vec<String> = below.split('/').map(decoded).collect();
    let text = request.target.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let call = match (request.method.as_str(), names.as_slice()) {
        ("POST", [.., "oauth2", "v2.0", "token"]) => GraphCall::Token,
        ("GET", [.., "calendars"]) => GraphCall::Calendars,
        ("GET", [.., "calendar"] | [.., "calendars", _]) => GraphCall::Calendar,
        ("GET", [.., "calendarView", "delta"]) if query.iter().any(|(key, _)| key == "$skiptoken") => {
            GraphCall::DeltaPage
        }
        ("GET", [.., "calendarView", "delta"]) => GraphCall::Delta,
        ("GET", [.., "calendarView"]) => GraphCall::View,
        ("GET", [.., "instances"]) => GraphCall::Instances,
        ("GET", [.., "events"]) => GraphCall::List,
        ("POST", [.., "events"]) => GraphCall::Create,
        ("GET", [.., "events", _]) => GraphCall::Get,
        ("PATCH", [.., "events", _]) => GraphCall::Update,
        ("DELETE", [.., "events", _]) => GraphCall::Delete,
        ("POST", ["subscriptions"]) => GraphCall::Subscribe,
        ("GET", ["subscriptions"]) => GraphCall::Subscriptions,
        ("PATCH", ["subscriptions", _]) => GraphCall::Renew,
        ("DELETE", ["subscriptions", _]) => GraphCall::Unsubscribe,
        _ => GraphCall::Other,
    };
    Asked { call, request, path, query }
}

fn answer(shared: &Mutex<World>, asked: &Asked) -> Reply {
    let result = match asked.call {
        GraphCall::Token => return token(&mut lock(shared), asked),
        GraphCall::Subscribe => subscribe(shared, asked),
        _ => {
            let mut world = lock(shared);
            who(&world, asked).and_then(|by| answers::answer(&mut world, &by, asked))
        }
    };
    match result {
        Ok(Outcome::Json(status, value)) => Reply::json(status, &value),
        Ok(Outcome::Nothing) => Reply::empty(204),
        Err(refusal) => refusal_reply(&refusal),
    }
}

fn refusal_reply(refusal: &Refusal) -> Reply {
    let mut reply = Reply::json(refusal.status, &refusal.body());
    reply.headers.extend(refusal.headers.iter().cloned());
    reply
}

/// In whose name a request is made.
fn who(world: &World, asked: &Asked) -> Result<String, Refusal> {
    let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    world.common.logins.who(token, world.common.clock.now()).map(str::to_owned).ok_or_else(Refusal::unauthorized)
}

/// The handshake is made while nobody is kept waiting: whoever is asked may have requests of their own.
fn subscribe(shared: &Mutex<World>, asked: &Asked) -> Result<Outcome, Refusal> {
    let given = Value::Object(asked.body()?);
    let wished = {
        let mut world = lock(shared);
        let by = who(&world, asked)?;
        let calendar = given["resource"].as_str().and_then(|resource| answers::watched(&world, &by, resource));
        let World { subscriptions, common: Common { clock, .. }, .. } = &mut *world;
        subscriptions.wish(&given, &by, calendar, clock)?
    };
    for url in wished.urls() {
        handshake(&url)?;
    }
    Ok(Outcome::Json(201, lock(shared).subscriptions.make(wished)))
}

fn token(world: &mut World, asked: &Asked) -> Reply {
    let form = url::form_urlencoded::parse(asked.request.body.as_bytes()).into_owned().collect();
    match oauth::token(&mut world.common.logins, &form, &mut world.common.clock) {
        Ok(answer) => Reply::json(200, &answer),
        Err((status, error)) => Reply::json(status, &error),
    }
}

/// A page of values, with a link to the next.
pub(super) fn page(values: Vec<Value>, link: Option<(&str, String)>) -> Value {
    let mut page = json!({ "@odata.context": "https://graph.microsoft.com/v1.0/$metadata", "value": values });
    if let Some((name, link)) = link {
        page[name] = json!(link);
    }
    page
}
