//! The columns that say what an event is: the same in `calendar_events` and, as the template, in `calendar_series`.

use std::borrow::Cow;

use calendar_sync_core::content;
use calendar_sync_core::event::{Details, EventStatus, EventType, Importance, Sensitivity, ShowAs, TeamsMeeting};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Oid};
use pgrx::spi::SpiResult;

use super::datum::{Columns, column, stamp, text_array};

/// The columns' names, in the order of [`arguments`].
macro_rules! names {
    () => {
        "title, description, location, event_type, event_status, show_as, sensitivity, metadata, participants, \
         organizer, attendees, ical_uid, sequence, importance, categories, conversation_id, teams_enabled, \
         teams_meeting_url, teams_conference_id, teams_dial_in_url, last_updated"
    };
}

/// The columns as an unnested row `r` gives them.
macro_rules! values {
    () => {
        "r.title, r.description, r.location, r.event_type, r.event_status, r.show_as, r.sensitivity, \
         r.metadata::jsonb, r.participants::text[], r.organizer, r.attendees::jsonb, r.ical_uid, r.sequence, \
         r.importance::@calendar_importance, r.categories::text[], r.conversation_id, r.teams_enabled, \
         r.teams_meeting_url, r.teams_conference_id, r.teams_dial_in_url, r.last_updated"
    };
}

/// The columns as `select` reads them for [`read`].
macro_rules! selected {
    () => {
        "title, description, location, event_type, event_status, show_as, sensitivity, metadata::text, participants, \
         organizer, attendees::text, ical_uid, sequence, importance::text, categories, conversation_id, \
         teams_enabled, teams_meeting_url, teams_conference_id, teams_dial_in_url, last_updated"
    };
}

/// What ON CONFLICT DO UPDATE sets.
macro_rules! taken_over {
    () => {
        "title = excluded.title, description = excluded.description, location = excluded.location, \
         event_type = excluded.event_type, event_status = excluded.event_status, show_as = excluded.show_as, \
         sensitivity = excluded.sensitivity, metadata = excluded.metadata, participants = excluded.participants, \
         organizer = excluded.organizer, attendees = excluded.attendees, ical_uid = excluded.ical_uid, \
         sequence = excluded.sequence, importance = excluded.importance, categories = excluded.categories, \
         conversation_id = excluded.conversation_id, teams_enabled = excluded.teams_enabled, \
         teams_meeting_url = excluded.teams_meeting_url, teams_conference_id = excluded.teams_conference_id, \
         teams_dial_in_url = excluded.teams_dial_in_url, last_updated = excluded.last_updated"
    };
}

pub(super) use {names, selected, taken_over, values};

/// How many columns these are.
pub const COUNT: usize = 21;

/// Types of [`arguments`].
pub const TYPES: [Oid; COUNT] = {
    let mut types = [pg_sys::TEXTARRAYOID; COUNT];
    types[12] = pg_sys::INT4ARRAYOID;
    types[16] = pg_sys::BOOLARRAYOID;
    types[20] = pg_sys::TIMESTAMPTZARRAYOID;
    types
};

/// One array a column.
pub fn arguments<'a>(rows: &'a [&'a Details]) -> [DatumWithOid<'a>; COUNT] {
    [
        column(rows, |d| d.title.as_str()),
        column(rows, |d| d.description.as_deref()),
        column(rows, |d| d.location.as_deref()),
        column(rows, |d| d.event_type.0.as_str()),
        column(rows, |d| d.event_status.word()),
        column(rows, |d| d.show_as.word()),
        column(rows, |d| d.sensitivity.word()),
        column(rows, |d| d.metadata.as_ref().map(|metadata| metadata.to_string())),
        column(rows, |d| text_array(&d.participants)),
        column(rows, |d| d.organizer.as_deref()),
        column(rows, |d| (!d.attendees.is_empty()).then(|| serde_json::json!(d.attendees).to_string())),
        column(rows, |d| d.ical_uid.as_deref()),
        column(rows, |d| d.sequence),
        column(rows, |d| d.importance.word()),
        column(rows, |d| text_array(&d.categories)),
        column(rows, |d| d.conversation_id.as_deref().map(content::key).map(Cow::into_owned)),
        column(rows, |d| d.teams.is_some()),
        column(rows, |d| d.teams.as_ref().and_then(|teams| teams.url.as_deref())),
        column(rows, |d| d.teams.as_ref().and_then(|teams| teams.conference_id.as_deref())),
        column(rows, |d| d.teams.as_ref().and_then(|teams| teams.dial_in_url.as_deref())),
        column(rows, |d| d.last_updated.map(stamp)),
    ]
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
