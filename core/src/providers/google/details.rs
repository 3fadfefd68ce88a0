//! What an event says, apart from when it takes place.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::event::{Attendee, Details, EventStatus, EventType, Sensitivity, ShowAs, TeamsMeeting};
use crate::ics::clean;

/// People of one event that are kept.
const MAX_PEOPLE: usize = 5_000;
/// Addresses of Teams meetings.
const TEAMS: [&str; 2] = ["https://teams.microsoft.com/", "https://teams.live.com/"];

/// A text that says something, as a database takes it.
pub fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let text = if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text.to_owned() };
    Some(clean(text.as_bytes()).into_owned()).filter(|text| !text.is_empty())
}

/// `series`: the identifier of the series that it belongs to.
pub fn details(event: &Value, series: Option<&str>) -> Details {
    let attendees = attendees(&event["attendees"]);
    let (video, teams) = conference(event);
    let mut metadata = Map::new();
    metadata.extend(text(&event["htmlLink"]).map(|link| ("web_link".to_owned(), json!(link))));
    metadata.extend(video.map(|video| ("video_link".to_owned(), json!(video))));
    Details {
        title: text(&event["summary"]).unwrap_or_default(),
        description: text(&event["description"]),
        location: text(&event["location"]),
        event_type: event_type(event),
        event_status: event_status(event),
        show_as: show_as(event),
        sensitivity: sensitivity(event),
        organizer: text(&event["organizer"]["email"]).or_else(|| text(&event["organizer"]["displayName"])),
        participants: attendees.iter().map(|one| one.name.clone().unwrap_or_else(|| one.address.clone())).collect(),
        attendees,
        ical_uid: text(&event["iCalUID"]),
        sequence: event["sequence"].as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default(),
        last_updated: last_updated(event),
        metadata: Some(Value::Object(metadata)).filter(|metadata| *metadata != json!({})),
        series_master_id: series.map(str::to_owned),
        conversation_id: conversation_id(&event["extendedProperties"]),
        teams,
        ..Details::default()
    }
}

/// When Google says that it was changed last.
pub fn last_updated(event: &Value) -> Option<DateTime<Utc>> {
    event["updated"].as_str().and_then(|updated| updated.parse().ok())
}

/// Google's own kinds of events are no meetings, but take their place in the day.
fn event_type(event: &Value) -> EventType {
    match event["eventType"].as_str() {
        Some("outOfOffice") => EventType("out_of_office".into()),
        Some("focusTime") => EventType("focus_time".into()),
        Some("workingLocation") => EventType("working_location".into()),
        Some("birthday") => EventType("birthday".into()),
        Some("fromGmail") => EventType("reservation".into()),
        _ => EventType::default(),
    }
}

/// `cancelled` is also what Google says of what is deleted: see [`super::is_deleted`].
pub fn event_status(event: &Value) -> EventStatus {
    match event["status"].as_str() {
        Some("cancelled") => EventStatus::Cancelled,
        Some("tentative") => EventStatus::Tentative,
        _ => EventStatus::Scheduled,
    }
}

/// What somebody has declined does not keep them busy, as in Google's own free/busy.
fn show_as(event: &Value) -> ShowAs {
    let is_free = event["transparency"] == "transparent";
    match (event["eventType"].as_str(), own_response(event)) {
        (Some("outOfOffice"), _) => ShowAs::OutOfOffice,
        // Where somebody works says nothing of whether they have time.
        (Some("workingLocation" | "birthday"), _) | (_, Some("declined")) => ShowAs::Free,
        _ if is_free => ShowAs::Free,
        (_, Some("tentative")) => ShowAs::Tentative,
        _ => ShowAs::Busy,
    }
}

fn own_response(event: &Value) -> Option<&str> {
    let own = event["attendees"].as_array()?.iter().find(|attendee| attendee["self"] == true)?;
    own["responseStatus"].as_str()
}

fn sensitivity(event: &Value) -> Sensitivity {
    match event["visibility"].as_str() {
        Some("private") => Sensitivity::Private,
        Some("confidential") => Sensitivity::Confidential,
        _ => Sensitivity::Public,
    }
}

/// Everybody who is invited, each once.
fn attendees(list: &Value) -> Vec<Attendee> {
    let mut known = std::collections::HashSet::new();
    let listed = list.as_array().into_iter().flatten().take(MAX_PEOPLE).filter_map(attendee);
    listed.filter(|one| known.insert(one.address.to_ascii_lowercase())).collect()
}

fn attendee(one: &Value) -> Option<Attendee> {
    let name = text(&one["displayName"]);
    let address = text(&one["email"]).or_else(|| name.clone())?;
    let response = match one["responseStatus"].as_str() {
        Some("needsAction") => Some("needs-action"),
        Some(response @ ("accepted" | "declined" | "tentative")) => Some(response),
        _ => None,
    };
    let name = name.filter(|name| *name != address);
    Some(Attendee { address, name, response: response.map(str::to_owned) })
}

/// Where to join by video: a link, or a Teams meeting.
fn conference(event: &Value) -> (Option<String>, Option<TeamsMeeting>) {
    let data = &event["conferenceData"];
    let entry = |kind: &str| {
        let points = data["entryPoints"].as_array().into_iter().flatten();
        points.filter(|point| point["entryPointType"] == kind).find_map(|point| text(&point["uri"]))
    };
    let video = entry("video").or_else(|| text(&event["hangoutLink"]));
    let is_teams = |url: &String| TEAMS.iter().any(|start| url.starts_with(start));
    match video.clone().filter(is_teams) {
        Some(url) => {
            let conference_id = text(&data["conferenceId"]);
            (None, Some(TeamsMeeting { url: Some(url), conference_id, dial_in_url: entry("phone") }))
        }
        None => (video, None),
    }
}

/// What a program noted that knows of a thread of messages; this copy's own note first.
fn conversation_id(properties: &Value) -> Option<String> {
    let names = ["conversation_id", "conversationId"];
    let notes = ["private", "shared"].into_iter().flat_map(|kind| names.map(|name| &properties[kind][name]));
    notes.into_iter().find_map(text)
}
