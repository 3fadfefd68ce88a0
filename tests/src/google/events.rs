//! The methods of one calendar's events.

use serde_json::{Value, json};

use super::calendar::Calendar;
use super::faults::{Common, GoogleCall};
use super::listing::{self, instances, view};
use super::refusal::Refusal;
use super::resource::{Resource, is_cancelled, is_id, keep_own, merge, parse, text, touches_shared};
use super::routes::{Answer, Asked, Outcome};
use super::world::World;

/// Parameters of every method that writes.
const WRITING: [&str; 7] = [
    "conferenceDataVersion",
    "maxAttendees",
    "sendNotifications",
    "sendUpdates",
    "supportsAttachments",
    "alwaysIncludeEmail",
    "eventLabelVersion",
];

pub(super) fn answer(world: &mut World, calendar: &str, by: &str, asked: &Asked) -> Answer {
    let query = &asked.query;
    match asked.call {
        GoogleCall::List | GoogleCall::NextPage => {
            query.only(&listing::PARAMETERS)?;
            return listing::list(world, calendar, by, query).map(Outcome::Json);
        }
        GoogleCall::Get => query.only(&["alwaysIncludeEmail", "maxAttendees", "timeZone", "eventLabelVersion"])?,
        GoogleCall::Instances => query.only(&[
            "alwaysIncludeEmail",
            "maxAttendees",
            "maxResults",
            "originalStart",
            "pageToken",
            "showDeleted",
            "timeMax",
            "timeMin",
            "timeZone",
        ])?,
        _ => query.only(&WRITING)?,
    }
    if query.get("sendUpdates").is_some_and(|word| !["all", "externalOnly", "none"].contains(&word)) {
        return Err(Refusal::parameter("sendUpdates", "Invalid string value."));
    }
    let World { calendars, common: Common { clock, mails, .. }, .. } = world;
    let found = calendars.get_mut(calendar).ok_or_else(Refusal::not_found)?;
    let id = asked.segment(3);
    let id = match asked.call {
        GoogleCall::Get => return get(found, id, by, asked),
        GoogleCall::Instances => return all_instances(found, id, by, asked),
        GoogleCall::Insert => {
            let resource = parse(&asked.request.body)?;
            check_new(&resource)?;
            found.insert(resource, by, clock)?
        }
        GoogleCall::Delete => {
            let before = matching(found, id, asked)?;
            invite(mails, &before, asked);
            found.delete(id, clock)?;
            return Ok(Outcome::Nothing);
        }
        _ => {
            let before = matching(found, id, asked)?;
            let after = changed(&before, asked)?;
            if before.get("eventType") != after.get("eventType") {
                return Err(Refusal::invalid("Event type cannot be changed."));
            }
            let is_organizer = before.get("organizer").is_some_and(|organizer| organizer["email"] == json!(found.id));
            if !is_organizer && before.get("guestsCanModify") != Some(&json!(true)) && touches_shared(&before, &after) {
                let message = "Shared properties can only be changed by the organizer of the event.";
                return Err(Refusal::forbidden("forbiddenForNonOrganizer", message));
            }
            found.replace(&before, after, clock)?;
            id.to_owned()
        }
    };
    let view = view(found, by, query)?;
    let resource = found.get(&id).ok_or_else(Refusal::not_found)?;
    invite(mails, resource, asked);
    Ok(Outcome::Json(view.show(resource, found.zone)))
}

/// Mails go to people unless that is refused.
fn invite(mails: &mut usize, resource: &Resource, asked: &Asked) {
    let people = resource.get("attendees").and_then(Value::as_array).map_or(0, Vec::len);
    if asked.query.get("sendUpdates").is_some_and(|word| word != "none") {
        *mails += people;
    }
}

fn check_new(resource: &Resource) -> Result<(), Refusal> {
    let Some(id) = resource.get("id") else { return Ok(()) };
    if !id.as_str().is_some_and(is_id) {
        return Err(Refusal::invalid("Invalid resource id value."));
    }
    if resource.contains_key("iCalUID") {
        return Err(Refusal::invalid("Only one of id and iCalUID may be given."));
    }
    Ok(())
}

/// An event in the version that the request is about.
fn matching(calendar: &Calendar, id: &str, asked: &Asked) -> Result<Resource, Refusal> {
    let resource = calendar.find(id).ok_or_else(Refusal::not_found)?;
    match asked.header("if-match") {
        Some(etag) if etag != "*" && Some(etag) != text(&resource, "etag") => Err(Refusal::stale()),
        _ => Ok(resource),
    }
}

fn changed(before: &Resource, asked: &Asked) -> Result<Resource, Refusal> {
    let mut body = parse(&asked.request.body)?;
    if asked.call == GoogleCall::Update {
        keep_own(before, &mut body);
        return Ok(body);
    }
    body.retain(|key, _| key != "id" && key != "iCalUID");
    let mut after = before.clone();
    merge(&mut after, body);
    Ok(after)
}

fn get(calendar: &Calendar, id: &str, by: &str, asked: &Asked) -> Answer {
    let view = view(calendar, by, &asked.query)?;
    let resource = calendar.find(id).ok_or_else(Refusal::not_found)?;
    let etag = text(&resource, "etag").unwrap_or_default();
    if asked.header("if-none-match") == Some(etag) {
        return Ok(Outcome::NotModified(etag.to_owned()));
    }
    Ok(Outcome::Json(view.show(&resource, calendar.zone)))
}

fn all_instances(calendar: &Calendar, id: &str, by: &str, asked: &Asked) -> Answer {
    let query = &asked.query;
    let view = view(calendar, by, query)?;
    let master = calendar.get(id).filter(|master| !is_cancelled(master)).ok_or_else(Refusal::not_found)?;
    if !master.contains_key("recurrence") {
        return Err(Refusal::invalid("Invalid resource id value: it is no series."));
    }
    let all = instances(calendar, master, query)?;
    let most = query.number("maxResults")?.unwrap_or(250).clamp(1, 2500);
    let start: usize = match query.get("pageToken") {
        None => 0,
        Some(token) => {
            let at = token.strip_prefix("i.").and_then(|at| at.parse().ok());
            at.ok_or_else(|| Refusal::parameter("pageToken", "Invalid page token value."))?
        }
    };
    let end = start.saturating_add(most).min(all.len());
    let page = all.get(start..end).unwrap_or_default();
    let mut answer = json!({
        "kind": "calendar#events",
        "summary": calendar.summary,
        "timeZone": view.zone.name(),
        "items": page.iter().map(|one| view.show(one, calendar.zone)).collect::<Vec<_>>(),
    });
    if end < all.len() {
        answer["nextPageToken"] = json!(format!("i.{end}"));
    }
    Ok(Outcome::Json(answer))
}
