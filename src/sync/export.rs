//! A user's calendar as an ICS file.

use std::collections::HashMap;

use calendar_sync_core::event::{Body, Item, Override};
use calendar_sync_core::filter::Filter;
use calendar_sync_core::ics::{Head, Visibility, Writer};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::agenda::Range;
use super::dates::place_day;
use super::selection::{deviate, select};
use crate::errors::SqlResult;
use crate::secrets;
use crate::store::{Installation, agenda, deviations, events, installation_row, series};

/// What is written of a user's calendar.
pub struct Publication<'a> {
    pub user_id: &'a str,
    pub range: Range,
    /// Everything, or times alone.
    pub details: bool,
    pub filter: &'a Filter,
    /// What the calendar calls itself.
    pub name: Option<&'a str>,
    /// How often its readers should ask again.
    pub refresh: Option<TimeDelta>,
}

/// Events that overlap the range and series that may have instances in it, each once, in a fixed order.
///
/// # Errors
/// 55000 where times alone are wanted and there is no salt yet.
pub fn export(installation: &Installation, zones: &dyn Zones, wanted: &Publication) -> SqlResult<String> {
    // A key of each user's own: nobody can see from UIDs who meets whom, nor try out a UID that he knows.
    let key = match wanted.details {
        true => None,
        false => Some(secrets::keyed_hash(&installation_row::salt(installation)?, wanted.user_id)?),
    };
    let visibility = key.as_deref().map_or(Visibility::Details, |key| Visibility::Busy { key });
    let mut writer = Writer::new(&Head { name: wanted.name, refresh: wanted.refresh, visibility }, zones);
    let mut found = recurring(installation, zones, wanted)?;
    found.extend(single(installation, zones, wanted)?);
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

fn recurring(installation: &Installation, zones: &dyn Zones, wanted: &Publication) -> SqlResult<Vec<Candidate>> {
    let writable = agenda::writable_connections(installation, wanted.user_id)?;
    let mut found = series::of_user(installation, wanted.user_id, wanted.range.from, wanted.range.to)?;
    let ids: Vec<Uuid> = found.iter().map(|stored| stored.series_id).collect();
    deviate(&mut found, &deviations::of_series(installation, &ids)?);
    let mut candidates = Vec::with_capacity(found.len());
    for mut stored in found {
        let template = &mut stored.series.template.details;
        let uid = template.ical_uid.clone().unwrap_or_else(|| stored.series_id.to_string());
        template.last_updated = template.last_updated.or(Some(stored.changed_at));
        let last_updated = template.last_updated;
        for one in &mut stored.series.overrides {
            // Some providers give each occurrence a UID of its own; in a file all have that of their series.
            one.event.details.ical_uid = Some(uid.clone());
            one.event.details.last_updated = one.event.details.last_updated.or(last_updated);
        }
        let takes = |details: &_| wanted.filter.takes(&stored.external_source, details);
        let Some(body) = select(stored.series, zones, wanted.range, takes) else { continue };
        candidates.push(Candidate {
            item: Item { external_id: uid.clone(), body },
            uid,
            recurrence_id: None,
            writable: stored.connection_id.is_some_and(|id| writable.contains(&id)),
            id: stored.series_id,
        });
    }
    Ok(candidates)
}

fn single(installation: &Installation, zones: &dyn Zones, wanted: &Publication) -> SqlResult<Vec<Candidate>> {
    let found = events::between(installation, wanted.user_id, wanted.range.from, wanted.range.to)?;
    Ok(found
        .into_iter()
        .filter(|shown| wanted.filter.takes(&shown.source, &shown.event.details))
        .map(|mut shown| {
            place_day(&mut shown.event.timing, zones);
            let uid = shown.event.details.ical_uid.clone().unwrap_or_else(|| shown.event_id.to_string());
            let body = match shown.recurrence_id {
                None => Body::Single(Box::new(shown.event)),
                Some(recurrence_id) => Body::Overrides(vec![Override {
                    recurrence_id,
                    this_and_future: false,
                    duration: None,
                    event: shown.event,
                }]),
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
