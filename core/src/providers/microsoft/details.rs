//! What an event says, apart from when it takes place.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::times;
use super::value::{flag, list, text, word};
use crate::event::{Attendee, Details, EventStatus, TeamsMeeting};
use crate::providers::outlook;

/// People of one event, and categories, that are kept.
const MAX_PEOPLE: usize = 5_000;
const MAX_CATEGORIES: usize = 1_000;
/// Outlook rules off what it adds to the body of an online meeting with lines of at least so many of these.
pub const JOIN_RULE: &str = "____________________";
/// PidTagConversationId ([MS-OXPROPS] 2.644) as an extended property.
const CONVERSATION: &str = "Binary 0x3013";

/// `series`: the identifier of the series that it belongs to.
pub fn read(event: &Value, series: Option<String>) -> Details {
    let attendees = attendees(event);
    let said = |name: &str| event[name].as_str().unwrap_or_default();
    Details {
        title: text(&event["subject"]).unwrap_or_default(),
        description: description(event),
        location: text(&event["location"]["displayName"]),
        event_status: if flag(&event["isCancelled"]) { EventStatus::Cancelled } else { EventStatus::default() },
        show_as: outlook::show_as(said("showAs")),
        sensitivity: outlook::sensitivity(said("sensitivity")),
        importance: outlook::importance(said("importance")),
        categories: list(&event["categories"]).iter().take(MAX_CATEGORIES).filter_map(text).collect(),
        organizer: person(&event["organizer"]["emailAddress"]),
        participants: attendees.iter().map(|one| one.name.clone().unwrap_or_else(|| one.address.clone())).collect(),
        attendees,
        ical_uid: word(&event["iCalUId"]),
        series_master_id: series,
        conversation_id: conversation(event),
        last_updated: times::instant(&event["lastModifiedDateTime"]),
        metadata: text(&event["webLink"]).map(|link| json!({ "web_link": link })),
        teams: teams(event),
        ..Details::default()
    }
}

/// The body's text without what Outlook adds to that of an online meeting: the columns have it.
fn description(event: &Value) -> Option<String> {
    let body = &event["body"];
    let full = body["content"].as_str().map(|content| {
        let is_html = body["contentType"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
        outlook::plain_text(content.to_owned(), is_html)
    });
    let text = full.unwrap_or_else(|| event["bodyPreview"].as_str().map(str::to_owned))?;
    outlook::tidy(if flag(&event["isOnlineMeeting"]) { without_join_part(&text) } else { &text })
}

fn without_join_part(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with(JOIN_RULE) {
            return &text[..at];
        }
        at += line.len();
    }
    text
}

/// Only where Graph gives it: `conversationId` is a property of messages.
fn conversation(event: &Value) -> Option<String> {
    let extended = list(&event["singleValueExtendedProperties"]).iter();
    let property = extended
        .filter(|property| property["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(CONVERSATION)))
        .find_map(|property| word(&property["value"]));
    word(&event["conversationId"]).or(property)
}

fn teams(event: &Value) -> Option<TeamsMeeting> {
    let meeting = &event["onlineMeeting"];
    let url = text(&meeting["joinUrl"]).or_else(|| text(&event["onlineMeetingUrl"]));
    let is_teams = match event["onlineMeetingProvider"].as_str() {
        Some("teamsForBusiness") => flag(&event["isOnlineMeeting"]) || url.is_some(),
        Some("skypeForBusiness" | "skypeForConsumer") => false,
        _ => url.as_deref().is_some_and(|url| url.contains("://teams.")),
    };
    let dial_in = || text(&meeting["quickDial"]).or_else(|| text(&meeting["tollNumber"]).map(|it| format!("tel:{it}")));
    is_teams.then(|| TeamsMeeting { conference_id: text(&meeting["conferenceId"]), dial_in_url: dial_in(), url })
}

/// An address, or a name where there is none.
fn person(email: &Value) -> Option<String> {
    text(&email["address"]).or_else(|| text(&email["name"]))
}

/// Everybody who is invited, each once.
fn attendees(event: &Value) -> Vec<Attendee> {
    let mut known = HashSet::new();
    let people = list(&event["attendees"]).iter().take(MAX_PEOPLE).filter_map(attendee);
    people.filter(|one| known.insert(one.address.to_ascii_lowercase())).collect()
}

fn attendee(value: &Value) -> Option<Attendee> {
    let email = &value["emailAddress"];
    let address = person(email)?;
    let name = text(&email["name"]).filter(|name| *name != address);
    let response = value["status"]["response"].as_str().and_then(outlook::response);
    Some(Attendee { address, name, response: response.map(str::to_owned) })
}
