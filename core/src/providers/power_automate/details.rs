//! What an event says, apart from when it takes place.

use serde_json::json;

use super::fields::{Field, Fields, member, text, word};
use super::times::written;
use crate::event::{Attendee, Details, EventStatus, TeamsMeeting};
use crate::providers::{json, outlook};

/// People of one event, and categories, that are kept.
const MAX_PEOPLE: usize = 5_000;
const MAX_CATEGORIES: usize = 1_000;

/// `series`: the identifier of the series that it belongs to.
pub fn details(fields: &Fields, series: Option<String>) -> Details {
    let attendees = attendees(fields);
    let said = |field| fields.word(field).unwrap_or_default();
    Details {
        title: fields.text(Field::Subject).unwrap_or_default(),
        description: description(fields),
        location: fields.text(Field::Location).or_else(|| fields.inner(Field::Location, "displayName").and_then(text)),
        event_status: if fields.flag(Field::IsCancelled) { EventStatus::Cancelled } else { EventStatus::default() },
        show_as: outlook::show_as(&said(Field::ShowAs)),
        sensitivity: outlook::sensitivity(&said(Field::Sensitivity)),
        importance: outlook::importance(&said(Field::Importance)),
        categories: categories(fields),
        organizer: organizer(fields),
        participants: attendees.iter().map(|one| one.name.clone().unwrap_or_else(|| one.address.clone())).collect(),
        attendees,
        ical_uid: fields.word(Field::ICalUid),
        series_master_id: series,
        last_updated: written(fields, Field::LastModified).map(|at| at.instant.unwrap_or(at.local.and_utc())),
        metadata: fields.text(Field::WebLink).map(|link| json!({ "web_link": link })),
        teams: fields
            .inner(Field::OnlineMeeting, "joinUrl")
            .and_then(text)
            .map(|url| TeamsMeeting { url: Some(url), ..TeamsMeeting::default() }),
        ..Details::default()
    }
}

/// The body's text; of HTML, what it shows.
fn description(fields: &Fields) -> Option<String> {
    let is_graphs = fields.raw(Field::Body)?.starts_with('{');
    let (body, is_html) = if is_graphs {
        let kind = fields.inner(Field::Body, "contentType").and_then(word);
        (text(fields.inner(Field::Body, "content")?)?, kind.is_some_and(|kind| kind.eq_ignore_ascii_case("html")))
    } else {
        (fields.text(Field::Body)?, fields.flag(Field::IsHtml))
    };
    outlook::plain_text(body, is_html)
}

fn categories(fields: &Fields) -> Vec<String> {
    let Some(elements) = fields.raw(Field::Categories).and_then(json::elements) else { return vec![] };
    elements.take(MAX_CATEGORIES).filter_map(text).collect()
}

/// The connector's text, or Graph's recipient.
fn organizer(fields: &Fields) -> Option<String> {
    let plain = fields.text(Field::Organizer);
    plain.or_else(|| {
        let address = fields.inner(Field::Organizer, "emailAddress")?;
        member(address, "address").or_else(|| member(address, "name")).and_then(text)
    })
}

/// Everybody who is invited, each once: the connector's lists with semicolons, or Graph's list.
fn attendees(fields: &Fields) -> Vec<Attendee> {
    let mut people: Vec<Attendee> = vec![];
    let mut known = std::collections::HashSet::new();
    let mut add = |attendee: Attendee| {
        if people.len() < MAX_PEOPLE && known.insert(attendee.address.to_ascii_lowercase()) {
            people.push(attendee);
        }
    };
    for field in [Field::RequiredAttendees, Field::OptionalAttendees, Field::ResourceAttendees] {
        let list = fields.text(field).unwrap_or_default();
        let addresses = list.split(';').map(str::trim).filter(|address| !address.is_empty());
        addresses.for_each(|address| add(Attendee { address: address.to_owned(), ..Attendee::default() }));
    }
    let listed = fields.raw(Field::Attendees).and_then(json::elements).into_iter().flatten();
    listed.take(MAX_PEOPLE).filter_map(attendee).for_each(add);
    people
}

/// One of Graph's list.
fn attendee(value: &str) -> Option<Attendee> {
    let email = member(value, "emailAddress")?;
    let address = member(email, "address").and_then(text)?;
    let name = member(email, "name").and_then(text).filter(|name| *name != address);
    let response = member(value, "status").and_then(|status| member(status, "response")).and_then(word);
    let response = outlook::response(&response?);
    Some(Attendee { address, name, response: response.map(str::to_owned) })
}
