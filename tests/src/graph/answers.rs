//! What is answered in somebody's name.

use serde_json::{Value, json};

use super::calendar::{Calendar, Named};
use super::event::View;
use super::faults::{Common, GraphCall};
use super::refusal::Refusal;
use super::routes::{Asked, Outcome, page};
use super::when::{Zone, bound};
use super::world::World;
use chrono::{DateTime, TimeDelta, Utc};

type Answer = Result<Outcome, Refusal>;

/// What calendarView and delta can span.
const LONGEST: i64 = 1_825;

pub(super) fn answer(world: &mut World, by: &str, asked: &Asked) -> Answer {
    let names = asked.names();
    match names.as_slice() {
        ["subscriptions"] => return Ok(Outcome::Json(200, world.subscriptions.list(by))),
        ["subscriptions", id] if asked.call == GraphCall::Renew => {
            let (given, now) = (Value::Object(asked.body()?), world.common.clock.now());
            return world.subscriptions.renew(id, &given, now).map(|it| Outcome::Json(200, it));
        }
        ["subscriptions", id] if asked.call == GraphCall::Unsubscribe => {
            return world.subscriptions.remove(id).map(|()| Outcome::Nothing);
        }
        ["me"] => return Ok(Outcome::Json(200, json!({ "id": by, "mail": by, "userPrincipalName": by }))),
        _ => {}
    }
    let (mailbox, rest) = match names.as_slice() {
        ["me", rest @ ..] => (by, rest),
        ["users", mailbox, rest @ ..] => (*mailbox, rest),
        _ => return Err(Refusal::new(400, "BadRequest", "Resource not found for the segment.")),
    };
    let view = view(asked)?;
    match rest {
        ["calendars"] => calendars(world, by, mailbox),
        ["events", id, "calendar"] => {
            let calendar = world.holder(mailbox, id).ok_or_else(Refusal::not_found)?;
            may(calendar, by, false)?;
            Ok(Outcome::Json(200, show_calendar(calendar, by)))
        }
        ["events", id, rest @ ..] => {
            let calendar = world.holder(mailbox, id).map(|calendar| calendar.id.clone());
            event(world, by, &calendar.ok_or_else(Refusal::not_found)?, id, rest, asked, &view)
        }
        ["events" | "calendarView", ..] => {
            let calendar = world.default_of(mailbox).map(|calendar| calendar.id.clone());
            in_calendar(world, by, &calendar.ok_or_else(Refusal::not_found)?, rest, asked, &view)
        }
        ["calendar", rest @ ..] => {
            let calendar = world.default_of(mailbox).map(|calendar| calendar.id.clone());
            in_calendar(world, by, &calendar.ok_or_else(Refusal::not_found)?, rest, asked, &view)
        }
        ["calendars", id, rest @ ..] => {
            let is_there = world.calendars.get(*id).is_some_and(|calendar| calendar.mailbox == mailbox);
            if !is_there {
                return Err(Refusal::not_found());
            }
            in_calendar(world, by, id, rest, asked, &view)
        }
        _ => Err(Refusal::new(400, "BadRequest", "Resource not found for the segment.")),
    }
}

/// The calendar that a subscription's resource names, and whether it is somebody else's.
pub(super) fn watched(world: &World, by: &str, resource: &str) -> Option<(String, bool)> {
    let names: Vec<&str> = resource.trim_matches('/').split('/').collect();
    let (mailbox, rest) = match names.as_slice() {
        ["me", rest @ ..] => (by, rest),
        ["users", mailbox, rest @ ..] => (*mailbox, rest),
        _ => return None,
    };
    let calendar = match rest {
        ["events"] | ["calendar", "events"] => world.default_of(mailbox),
        ["calendars", id, "events"] => world.calendars.get(*id),
        _ => None,
    }?;
    Some((calendar.id.clone(), calendar.mailbox != by))
}

fn view(asked: &Asked) -> Result<View, Refusal> {
    let named = asked.preference("outlook.timezone").map(|name| {
        Zone::named(name).ok_or_else(|| Refusal::new(400, "TimeZoneNotSupportedException", "The zone is not known."))
    });
    let text = asked.preference("outlook.body-content-type") == Some("text");
    Ok(View { zone: named.transpose()?.unwrap_or_else(Zone::utc), text })
}

/// Whether somebody may see a calendar, or write in it.
fn may(calendar: &Calendar, by: &str, writes: bool) -> Result<(), Refusal> {
    let shared = calendar.shared.get(by);
    match shared {
        _ if calendar.mailbox == by => Ok(()),
        None => Err(Refusal::not_found()),
        Some(false) if writes => Err(Refusal::denied()),
        Some(_) => Ok(()),
    }
}

fn calendars(world: &World, by: &str, mailbox: &str) -> Answer {
    // Of somebody else's mailbox no more is shared than single calendars.
    if by != mailbox {
        return Err(Refusal::denied());
    }
    let own = world.calendars.values().filter(|calendar| calendar.mailbox == mailbox);
    Ok(Outcome::Json(200, page(own.map(|calendar| show_calendar(calendar, by)).collect(), None)))
}

fn show_calendar(calendar: &Calendar, by: &str) -> Value {
    json!({
        "id": calendar.id,
        "name": calendar.name,
        "color": "auto",
        "isDefaultCalendar": calendar.is_default,
        "changeKey": "DxYSthXJXEWwAQSYQnXvIgAAIxGttg==",
        "canShare": calendar.mailbox == by,
        "canViewPrivateItems": calendar.mailbox == by,
        "canEdit": may(calendar, by, true).is_ok(),
        "owner": { "name": calendar.mailbox, "address": calendar.mailbox },
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
    })
}

fn in_calendar(world: &mut World, by: &str, id: &str, rest: &[&str], asked: &Asked, view: &View) -> Answer {
    let calendar = world.calendars.get(id).ok_or_else(Refusal::not_found)?;
    may(calendar, by, asked.call == GraphCall::Create)?;
    match rest {
        [] => Ok(Outcome::Json(200, show_calendar(calendar, by))),
        ["events"] if asked.call == GraphCall::Create => create(world, id, asked, view),
        ["events"] => {
            let all = calendar.entries.values().map(|entry| entry.show(view)).collect();
            skipping(world, asked, all)
        }
        ["events", event_id, rest @ ..] => {
            if calendar.find(event_id).is_none() {
                return Err(Refusal::not_found());
            }
            event(world, by, id, event_id, rest, asked, view)
        }
        ["calendarView"] => {
            let (from, to) = span(asked)?;
            let shown = calendar.within(from, to).flat_map(|entry| match entry.recurrence {
                None => vec![entry.show(view)],
                Some(_) => {
                    let days = entry.occurrences(from, to);
                    days.iter().map(|(day, _)| entry.show_occurrence(*day, view)).collect()
                }
            });
            let shown = shown.collect();
            skipping(world, asked, shown)
        }
        ["calendarView", "delta"] => delta(world, id, asked, view),
        _ => Err(Refusal::new(400, "BadRequest", "Resource not found for the segment.")),
    }
}

fn span(asked: &Asked) -> Result<(DateTime<Utc>, DateTime<Utc>), Refusal> {
    let find = |name: &str| asked.parameter(name).and_then(bound);
    let (Some(from), Some(to)) = (find("startDateTime"), find("endDateTime")) else {
        let message = "This request requires a time window specified by the query string parameters StartDateTime and \
                       EndDateTime.";
        return Err(Refusal::new(400, "ErrorInvalidParameter", message));
    };
    if to - from > TimeDelta::days(LONGEST) || to < from {
        let message = format!(
            "The requested time duration specified for calendar view is too long. Maximum number of days: {LONGEST}"
        );
        return Err(Refusal::invalid(message));
    }
    Ok((from, to))
}

/// A page of a plain list.
fn skipping(world: &World, asked: &Asked, mut values: Vec<Value>) -> Answer {
    let number = |name: &str| asked.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let preferred = asked.preference("odata.maxpagesize").and_then(|text| text.parse().ok());
    let (skip, top) = (number("$skip").unwrap_or(0), number("$top").or(preferred).unwrap_or(10));
    let is_more = values.len() > skip + top;
    values = values.into_iter().skip(skip).take(top).collect();
    let link = is_more.then(|| {
        let kept = asked.query.iter().filter(|(name, _)| name != "$skip");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("$skip", &(skip + top).to_string());
        ("@odata.nextLink", format!("{}/{}?{}", world.api, asked.path.join("/"), query.finish()))
    });
    Ok(Outcome::Json(200, page(values, link)))
}

fn delta(world: &mut World, id: &str, asked: &Asked, view: &View) -> Answer {
    let known = ["startDateTime", "endDateTime", "$deltatoken", "$skiptoken"];
    if let Some((name, _)) = asked.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        let message = format!(
            "The following parameters are not supported with change tracking over the 'CalendarView' resource: '{name}'."
        );
        return Err(Refusal::new(400, "ErrorInvalidUrlQuery", message));
    }
    let size = asked.preference("odata.maxpagesize").and_then(|text| text.parse().ok()).unwrap_or(10);
    let token = |name: &str| asked.parameter(name).map(|text| text.parse::<u64>().unwrap_or_default());
    let World { rounds, calendars, api, .. } = world;
    let calendar = calendars.get(id).ok_or_else(Refusal::not_found)?;
    let (values, name, number) = if let Some(token) = token("$skiptoken") {
        if rounds.calendar_of(token).is_some_and(|of| of != id) {
            return Err(Refusal::new(400, "syncStateInvalid", "The sync state is of another calendar."));
        }
        rounds.next_page(token, size)?
    } else if let Some(token) = token("$deltatoken") {
        rounds.go_on(calendar, token, size, view)?
    } else {
        rounds.begin(calendar, span(asked)?, size, view)
    };
    let link_name = if name == "$deltatoken" { "@odata.deltaLink" } else { "@odata.nextLink" };
    let path = asked.path.iter().map(|it| percent(it)).collect::<Vec<_>>().join("/");
    Ok(Outcome::Json(200, page(values, Some((link_name, format!("{api}/{path}?{name}={number}"))))))
}

fn percent(segment: &str) -> String {
    percent_encoding::utf8_percent_encode(segment, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The same transactionId again gives the event of the first time.
fn create(world: &mut World, id: &str, asked: &Asked, view: &View) -> Answer {
    let given = asked.body()?;
    let World { calendars, transactions, common: Common { clock, .. }, .. } = world;
    let calendar = calendars.get_mut(id).ok_or_else(Refusal::not_found)?;
    let transaction = given.get("transactionId").and_then(Value::as_str);
    let key = transaction.map(|transaction| (calendar.mailbox.clone(), transaction.to_owned()));
    let earlier = key.as_ref().and_then(|key| transactions.get(key)).filter(|id| calendar.entries.contains_key(*id));
    let is_new = earlier.is_none();
    let event = match earlier {
        Some(event) => event.clone(),
        None => calendar.insert(&given, clock)?,
    };
    let shown = calendar.entries[&event].show(view);
    if let Some(key) = key {
        transactions.insert(key, event.clone());
    }
    if is_new {
        world.common.mails += attendees(&given);
        world.announce(id, "created", &event);
    }
    Ok(Outcome::Json(201, shown))
}

fn attendees(given: &serde_json::Map<String, Value>) -> usize {
    given.get("attendees").and_then(Value::as_array).map_or(0, Vec::len)
}

fn event(
    world: &mut World,
    by: &str,
    calendar_id: &str,
    id: &str,
    rest: &[&str],
    asked: &Asked,
    view: &View,
) -> Answer {
    let hides_cancelled = world.hides_cancelled;
    let World { calendars, common: Common { clock, .. }, .. } = world;
    let calendar = calendars.get_mut(calendar_id).ok_or_else(Refusal::not_found)?;
    let writes = matches!(asked.call, GraphCall::Update | GraphCall::Delete);
    may(calendar, by, writes)?;
    let named = calendar.find(id).ok_or_else(Refusal::not_found)?;
    let if_match = asked.header("if-match");
    if writes && !if_match.is_empty() && if_match != "*" {
        let current = calendar.key(&named).map(|key| format!("W/\"{key}\""));
        if current.as_deref() != Some(if_match) {
            return Err(Refusal::stale());
        }
    }
    match (asked.call, rest) {
        (GraphCall::Get, []) => Ok(Outcome::Json(200, show(calendar, &named, asked, view, hides_cancelled))),
        (GraphCall::Instances, ["instances"]) => {
            let (from, to) = span(asked)?;
            let Named::Event(id) = &named else { return Err(Refusal::not_found()) };
            let entry = &calendar.entries[id];
            if entry.recurrence.is_none() {
                return Err(Refusal::invalid("The event is not a recurring master."));
            }
            let days = entry.occurrences(from, to);
            let shown = days.iter().map(|(day, _)| entry.show_occurrence(*day, view)).collect();
            skipping(world, asked, shown)
        }
        (GraphCall::Update, []) => {
            let given = asked.body()?;
            calendar.patch(id, &given, clock)?;
            let named = calendar.find(id).ok_or_else(Refusal::not_found)?;
            let shown = show(calendar, &named, asked, view, hides_cancelled);
            world.common.mails += attendees(&given);
            world.announce(calendar_id, "updated", id);
            Ok(Outcome::Json(200, shown))
        }
        (GraphCall::Delete, []) => {
            calendar.delete(id, clock)?;
            world.announce(calendar_id, "deleted", id);
            Ok(Outcome::Nothing)
        }
        _ => Err(Refusal::new(400, "BadRequest", "Resource not found for the segment.")),
    }
}

/// Of a master, exceptions where they are expanded, and deleted occurrences where they are selected.
fn show(calendar: &Calendar, named: &Named, asked: &Asked, view: &View, hides_cancelled: bool) -> Value {
    let list = |name: &str| asked.parameter(name).unwrap_or_default().split(',').map(str::to_owned).collect::<Vec<_>>();
    let (selected, expanded) = (list("$select"), list("$expand"));
    let has = |list: &[String], name: &str| list.iter().any(|one| one == name);
    let mut shown = match named {
        Named::Occurrence(id, day) => calendar.entries[id].show_occurrence(*day, view),
        Named::Event(id) => {
            let entry = &calendar.entries[id];
            let mut shown = entry.show(view);
            if has(&expanded, "exceptionOccurrences") && entry.recurrence.is_some() {
                let days = entry.exceptions.keys();
                shown["exceptionOccurrences"] = days.map(|day| entry.show_occurrence(*day, view)).collect();
            }
            if has(&selected, "cancelledOccurrences") && entry.recurrence.is_some() && !hides_cancelled {
                shown["cancelledOccurrences"] = json!(entry.cancelled_occurrences());
            }
            shown
        }
    };
    if asked.parameter("$select").is_some()
        && let Value::Object(members) = &mut shown
    {
        members.retain(|name, _| name.starts_with('@') || name == "id" || has(&selected, name) || has(&expanded, name));
    }
    shown
}
