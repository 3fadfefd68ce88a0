//! The columns that say what an event is: the same in `calendar_events` and, as the template, in `calendar_series`.

use std::borrow::Cow;

use calendar_sync_core::content;
use calendar_sync_core::event::{Details, EventStatus, EventType, Importance, Sensitivity, ShowAs, TeamsMeeting};
use pgrx::spi::SpiResult;

use super::datum::{stamp, text_array};
use super::kind::columns;
use super::rows::Columns;

/// The columns as `select` reads them for [`read`].
macro_rules! selected {
    () => {
        "title, description, location, event_type, event_status, show_as, sensitivity, metadata::text, participants, \
         organizer, attendees::text, ical_uid, sequence, importance::text, categories, series_master_id, conversation_id, \
         teams_enabled, teams_meeting_url, teams_conference_id, teams_dial_in_url, last_updated"
    };
}

pub(super) use selected;

columns! {
    row: &'a Details;
    "title" => row.title.as_str(),
    "description" => row.description.as_deref(),
    "location" => row.location.as_deref(),
    "event_type" => row.event_type.0.as_str(),
    "event_status" => row.event_status.word(),
    "show_as" => row.show_as.word(),
    "sensitivity" => row.sensitivity.word(),
    "metadata" as "r.metadata::jsonb" => row.metadata.as_ref().map(|metadata| metadata.to_string()),
    "participants" as "r.participants::text[]" => text_array(&row.participants),
    "organizer" => row.organizer.as_deref(),
    "attendees" as "r.attendees::jsonb" =>
        (!row.attendees.is_empty()).then(|| serde_json::json!(row.attendees).to_string()),
    "ical_uid" => row.ical_uid.as_deref(),
    "sequence" => row.sequence,
    "importance" as "r.importance::@calendar_importance" => row.importance.word(),
    "categories" as "r.categories::text[]" => text_array(&row.categories),
    "series_master_id" => row.series_master_id.as_deref().map(content::key).map(Cow::into_owned),
    "conversation_id" => row.conversation_id.as_deref().map(content::key).map(Cow::into_owned),
    "teams_enabled" => row.teams.is_some(),
    "teams_meeting_url" => row.teams.as_ref().and_then(|teams| teams.url.as_deref()),
    "teams_conference_id" => row.teams.as_ref().and_then(|teams| teams.conference_id.as_deref()),
    "teams_dial_in_url" => row.teams.as_ref().and_then(|teams| teams.dial_in_url.as_deref()),
    "last_updated" => row.last_updated.map(stamp),
}

/// Reads what [`selected`] gives.
pub fn read(columns: &mut Columns) -> SpiResult<Details> {
    Ok(Details {
        title: columns.word()?,
        description: columns.text()?,
        location: columns.text()?,
        event_type: EventType(columns.word()?),
        event_status: EventStatus::from_word(&columns.word()?).unwrap_or_default(),
        show_as: ShowAs::from_word(&columns.word()?).unwrap_or_default(),
        sensitivity: Sensitivity::from_word(&columns.word()?).unwrap_or_default(),
        metadata: columns.json()?,
        participants: columns.texts()?,
        organizer: columns.text()?,
        attendees: columns.json()?,
        ical_uid: columns.text()?,
        sequence: columns.int()?.unwrap_or_default(),
        importance: Importance::from_word(&columns.word()?).unwrap_or_default(),
        categories: columns.texts()?,
        series_master_id: columns.text()?,
        conversation_id: columns.text()?,
        teams: {
            let enabled = columns.flag()?;
            let teams =
                TeamsMeeting { url: columns.text()?, conference_id: columns.text()?, dial_in_url: columns.text()? };
            enabled.then_some(teams)
        },
        last_updated: columns.instant()?,
    })
}
