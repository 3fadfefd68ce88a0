//! A user's calendar as an ICS file.

use std::collections::HashMap;

use calendar_sync_core::event::{Body, Item, Override};
use calendar_sync_core::ics::{Head, Visibility, Writer};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::agenda::Range;
use crate::errors::SqlResult;
use crate::store::{self, Installation, agenda, events, series};

/// Keys UIDs before there is a salt: then nothing of outside origin is there, and our own UIDs lead nowhere.
const NO_SALT: &[u8] = b"calendar_sync";

/// Events that overlap the range and series that may have instances in it, each once, in a fixed order. `details`:
/// everything, or times alone.
pub fn export(
    installation: &Installation,
    zones: &dyn Zones,
    user_id: &str,
    range: Range,
    details: bool,
) -> SqlResult<String> {
    let salt = if details { None } else { store::salt(installation)? };
    let key = salt.as_deref().unwrap_or(NO_SALT);
    let visibility = if details { Visibility::Details } else { Visibility::Busy { key } };
    let mut writer = Writer::new(&Head { name: None, refresh: None, visibility }, zones);
    let mut found = recurring(installation, user_id, range)?;
    found.extend(single(installation, user_id, range)?);
    for one in without_copies(found) {
        writer.item(&one.item);
    }
    Ok(writer.finish())
}

/// An item on its way into the file.
struct Candidate {
    item: Item,
    /// What the file's readers know it by.
    uid: String,
    recurrence_id: Option<DateTime<Utc>>,
    writable: bool,
    id: Uuid,
}

fn recurring(installation: &Installation, user_id: &str, range: Range) -> SqlResult<Vec<Candidate>> {
    let writable = agenda::writable_connections(installation, user_id)?;
    let found = series::of_user(installation, user_id, range.from, range.to)?;
    Ok(found
        .into_iter()
        .map(|mut stored| {
            let template = &mut stored.series.template.details;
            let uid = template.ical_uid.clone().unwrap_or_else(|| stored.series_id.to_string());
            template.last_updated = template.last_updated.or(Some(stored.changed_at));
            let last_updated = template.last_updated;
            for one in &mut stored.series.overrides {
                // Some providers give each occurrence a UID of its own; in a file all have that of their series.
                one.event.details.ical_uid = Some(uid.clone());
                one.event.details.last_updated = one.event.details.last_updated.or(last_updated);
            }
            Candidate {
                item: Item { external_id: uid.clone(), body: Body::Series(Box::new(stored.series)) },
                uid,
                recurrence_id: None,
                writable: stored.connection_id.is_some_and(|id| writable.contains(&id)),
                id: stored.series_id,
            }
        })
        .collect())
}

fn single(installation: &Installation, user_id: &str, range: Range) -> SqlResult<Vec<Candidate>> {
    let found = events::between(installation, user_id, range.from, range.to)?;
    Ok(found
        .into_iter()
        .map(|shown| {
            let uid = shown.event.details.ical_uid.clone().unwrap_or_else(|| shown.event_id.to_string());
            let body = match shown.recurrence_id {
                None => Body::Single(Box::new(shown.event)),
                Some(recurrence_id) => {
                    Body::Overrides(vec![Override { recurrence_id, this_and_future: false, event: shown.event }])
                }
            };
            Candidate {
                item: Item { external_id: uid.clone(), body },
                uid,
                recurrence_id: shown.recurrence_id,
                writable: shown.writable,
                id: shown.event_id,
            }
        })
        .collect())
}

/// One VEVENT a meeting: of what several calendars show, the one in a calendar that takes changes, else the first.
fn without_copies(found: Vec<Candidate>) -> Vec<Candidate> {
    type Meeting = (String, Option<DateTime<Utc>>);
    let mut places: HashMap<Meeting, usize> = HashMap::with_capacity(found.len());
    let mut kept: Vec<Candidate> = Vec::with_capacity(found.len());
    for one in found {
        let place = *places.entry((one.uid.clone(), one.recurrence_id)).or_insert(kept.len());
        match kept.get_mut(place) {
            None => kept.push(one),
            Some(other) => {
                if (!one.writable, one.id) < (!other.writable, other.id) {
                    *other = one;
                }
            }
        }
    }
    kept
}
