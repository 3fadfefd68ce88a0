//! From a request to its answer.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::calendar::GoogleRole;
use super::events;
use super::faults::{GoogleCall, GoogleFault, GoogleRequest};
use super::oauth;
use super::query::Query;
use super::refusal::Refusal;
use super::world::World;
use crate::web::{Reply, Request};

/// What a call gives.
pub(super) enum Outcome {
    Json(Value),
    /// 204.
    Nothing,
    /// 304, with its etag.
    NotModified(String),
}

pub(super) type Answer = Result<Outcome, Refusal>;

/// A request taken apart.
pub(super) struct Asked<'r> {
    pub call: GoogleCall,
    pub request: &'r Request,
    /// Of the path below the API's root, decoded.
    pub path: Vec<String>,
    pub query: Query,
}

impl Asked<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).map(String::as_str)
    }

    pub fn segment(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }
}

/// What is to be sent, and what is done before that outside of the lock.
pub(super) struct Response {
    /// `None`: the connection is closed.
    pub reply: Option<Reply>,
    pub delay: Option<std::time::Duration>,
}

pub(super) fn respond(world: &mut World, request: &Request) -> Response {
    let asked = take_apart(request);
    let fault = world.common.faults.next(asked.call);
    let refused = fault.as_ref().and_then(GoogleFault::refusal);
    let reply = match (&fault, refused) {
        (_, Some(refusal)) => Some(refusal_reply(&refusal)),
        (Some(GoogleFault::Drop), _) => None,
        (Some(GoogleFault::Html), _) => Some(Reply {
            status: 200,
            headers: vec!["Content-Type: text/html".into()],
            body: b"<!doctype html><title>Sign in</title><p>Please sign in.</p>".to_vec(),
        }),
        (Some(GoogleFault::LoseReply), _) => {
            answer(world, &asked);
            None
        }
        _ => {
            if matches!(fault, Some(GoogleFault::ForgetPages)) {
                world.pages.expire();
            }
            Some(answer(world, &asked))
        }
    };
    note(world, &asked, reply.as_ref().map_or(0, |reply| reply.status));
    let delay = match fault {
        Some(GoogleFault::Delay(time)) => Some(time),
        _ => None,
    };
    Response { reply, delay }
}

fn note(world: &mut World, asked: &Asked, status: u16) {
    let request = GoogleRequest {
        call: asked.call,
        method: asked.request.method.clone(),
        path: asked.request.path().to_owned(),
        query: asked.query.0.clone(),
        if_match: asked.header("if-match").map(str::to_owned),
        // Forms hold secrets, which tests look for in what others keep.
        body: if asked.call == GoogleCall::Token { String::new() } else { asked.request.body.clone() },
        status,
    };
    world.common.faults.note(asked.call, request);
}

fn take_apart(request: &Request) -> Asked<'_> {
    let below = request.path().strip_prefix("/calendar/v3/").unwrap_or(request.path().trim_start_matches('/'));
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let path: Vec<String> = below.split('/').map(decoded).collect();
    let query = Query::of(&request.target);
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let call = match (request.method.as_str(), names.as_slice()) {
        ("POST", ["token"]) => GoogleCall::Token,
        ("POST", ["revoke"]) => GoogleCall::Revoke,
        ("GET", ["users", "me", "calendarList"]) => GoogleCall::CalendarList,
        ("GET", ["users", "me", "calendarList", _] | ["calendars", _]) => GoogleCall::Calendar,
        ("GET", ["calendars", _, "events"]) if query.get("pageToken").is_some() => GoogleCall::NextPage,
        ("GET", ["calendars", _, "events"]) => GoogleCall::List,
        ("POST", ["calendars", _, "events"]) => GoogleCall::Insert,
        ("POST", ["calendars", _, "events", "watch"]) => GoogleCall::Watch,
        ("GET", ["calendars", _, "events", _]) => GoogleCall::Get,
        ("PUT", ["calendars", _, "events", _]) => GoogleCall::Update,
        ("PATCH", ["calendars", _, "events", _]) => GoogleCall::Patch,
        ("DELETE", ["calendars", _, "events", _]) => GoogleCall::Delete,
        ("GET", ["calendars", _, "events", _, "instances"]) => GoogleCall::Instances,
        ("POST", ["channels", "stop"]) => GoogleCall::Stop,
        _ => GoogleCall::Other,
    };
    Asked { call, request, path, query }
}

fn answer(world: &mut World, asked: &Asked) -> Reply {
    match asked.call {
        GoogleCall::Token => return token(world, asked),
        GoogleCall::Revoke => {
            let form = form(&asked.request.body);
            return match oauth::revoke(&mut world.common.logins, &form) {
                Ok(()) => Reply::json(200, &json!({})),
                Err(error) => token_error(error),
            };
        }
        _ => {}
    }
    match in_a_name(world, asked) {
        Ok(Outcome::Json(value)) => {
            let mut reply = Reply::json(200, &value);
            reply.headers.extend(value["etag"].as_str().map(|etag| format!("ETag: {etag}")));
            reply
        }
        Ok(Outcome::Nothing) => Reply::empty(204),
        Ok(Outcome::NotModified(etag)) => Reply { headers: vec![format!("ETag: {etag}")], ..Reply::empty(304) },
        Err(refusal) => refusal_reply(&refusal),
    }
}

fn refusal_reply(refusal: &Refusal) -> Reply {
    let mut reply = Reply::json(refusal.status, &refusal.body());
    reply.headers.extend(refusal.headers.iter().cloned());
    reply
}

fn in_a_name(world: &mut World, asked: &Asked) -> Answer {
    let now = world.common.clock.now();
    let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| Refusal::new(401, "required", "Login Required."))?;
    let by = world.common.logins.who(token, now).ok_or_else(Refusal::unauthorized)?.to_owned();
    within_quota(world)?;
    match asked.call {
        GoogleCall::CalendarList => {
            asked.query.only(&[
                "maxResults",
                "minAccessRole",
                "pageToken",
                "showDeleted",
                "showHidden",
                "syncToken",
            ])?;
            return calendar_list(world, &by, &asked.query).map(Outcome::Json);
        }
        GoogleCall::Stop => return world.channels.stop(&asked.request.body).map(|()| Outcome::Nothing),
        GoogleCall::Other => return Err(Refusal::not_found()),
        _ => {}
    }
    let at = asked.path.iter().position(|segment| segment == "calendars" || segment == "calendarList");
    let named = asked.segment(at.unwrap_or_default() + 1);
    let id = if named == "primary" { by.clone() } else { named.to_owned() };
    let calendar = world.calendars.get(&id).ok_or_else(Refusal::not_found)?;
    let role = calendar.roles.get(&by).copied().ok_or_else(Refusal::not_found)?;
    if asked.call == GoogleCall::Calendar {
        return Ok(Outcome::Json(entry(world, &id, &by)));
    }
    if asked.call.writes() && role < GoogleRole::WriterWithoutPrivateAccess {
        let message = "You need to have writer access to this calendar.";
        return Err(Refusal::forbidden("requiredAccessLevel", message));
    }
    if asked.call == GoogleCall::Watch {
        if calendar.refuses_channels {
            let message = "Push notifications are not supported by this resource.";
            return Err(Refusal::new(400, "pushNotSupportedForRequestedResource", message));
        }
        return world.channels.watch(&id, &asked.request.body, now).map(Outcome::Json);
    }
    let version = calendar.version;
    let answer = events::answer(world, &id, &by, asked);
    if world.calendars.get(&id).is_some_and(|calendar| calendar.version != version) {
        world.announce(&id);
    }
    answer
}

fn within_quota(world: &mut World) -> Result<(), Refusal> {
    let Some(quota) = world.quota else { return Ok(()) };
    let now = world.common.clock.now();
    let minute = chrono::TimeDelta::minutes(1);
    while world.recent.front().is_some_and(|at| *at <= now - minute) {
        world.recent.pop_front();
    }
    if world.recent.len() >= quota {
        return Err(Refusal::forbidden("rateLimitExceeded", "Rate Limit Exceeded"));
    }
    world.recent.push_back(now);
    Ok(())
}

fn calendar_list(world: &World, by: &str, query: &Query) -> Result<Value, Refusal> {
    let seen = world.calendars.values().filter(|calendar| calendar.roles.contains_key(by));
    let ids: Vec<&str> = seen.map(|calendar| calendar.id.as_str()).collect();
    let most = query.number("maxResults")?.unwrap_or(100);
    let most = world.listing.page_size.unwrap_or(most).min(most).clamp(1, 250);
    let token = query.get("pageToken").map(|token| token.strip_prefix("c.").and_then(|at| at.parse().ok()));
    let start: usize = match token {
        None => 0,
        Some(Some(at)) => at,
        Some(None) => return Err(Refusal::parameter("pageToken", "Invalid page token value.")),
    };
    let end = (start.saturating_add(most)).min(ids.len());
    let page = ids.get(start..end).unwrap_or_default();
    let mut answer = json!({
        "kind": "calendar#calendarList",
        "etag": "\"list\"",
        "items": page.iter().map(|id| entry(world, id, by)).collect::<Vec<_>>(),
    });
    let last = if end < ids.len() { ("nextPageToken", format!("c.{end}")) } else { ("nextSyncToken", "l.1".into()) };
    answer[last.0] = json!(last.1);
    Ok(answer)
}

/// A calendar as a list shows it.
fn entry(world: &World, id: &str, by: &str) -> Value {
    let Some(calendar) = world.calendars.get(id) else { return Value::Null };
    let role = calendar.roles.get(by).copied().unwrap_or(GoogleRole::FreeBusyReader);
    let mut entry = json!({
        "kind": "calendar#calendarListEntry",
        "etag": "\"entry\"",
        "id": id,
        "summary": calendar.summary,
        "timeZone": calendar.zone.name(),
        "accessRole": role.word(),
        "dataOwner": calendar.owner,
        "selected": true,
        "defaultReminders": [],
    });
    if id == by {
        entry["primary"] = json!(true);
    }
    entry
}

fn form(body: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn token(world: &mut World, asked: &Asked) -> Reply {
    let is_form =
        asked.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return token_error((400, "invalid_request", "The request is no form."));
    }
    let basic = asked.header("authorization").and_then(|value| value.strip_prefix("Basic ")).and_then(|both| {
        let both = String::from_utf8(STANDARD.decode(both).ok()?).ok()?;
        both.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
    });
    match oauth::token(&mut world.common.logins, &form(&asked.request.body), basic, &mut world.common.clock) {
        Ok(answer) => Reply::json(200, &answer),
        Err(error) => token_error(error),
    }
}

fn token_error((status, error, description): oauth::TokenError) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description }))
}
