//! Makes items fit for the tables, or says why they can't be stored.

use std::collections::HashSet;

use calendar_sync_core::event::{Body, Details, Event, Item, Timing};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;

/// The zones, and the names that were found among them: a calendar has few, and many events.
pub struct KnownZones<'a> {
    zones: &'a dyn Zones,
    found: HashSet<String>,
}

impl<'a> KnownZones<'a> {
    pub fn new(zones: &'a dyn Zones) -> Self {
        Self { zones, found: HashSet::new() }
    }

    fn has(&mut self, name: &str) -> bool {
        if self.found.contains(name) {
            return true;
        }
        let found = self.zones.zone(name).is_some();
        if found {
            self.found.insert(name.to_owned());
        }
        found
    }
}

/// Checks and mends an item in place. An error is its message.
pub fn check(item: &mut Item, zones: &mut KnownZones) -> Result<(), String> {
    mend(&mut item.external_id);
    match &mut item.body {
        Body::Single(event) => check_event(event, zones),
        Body::Series(series) => {
            check_event(&mut series.template, zones)?;
            series.rrules.iter_mut().chain(&mut series.exrules).for_each(mend);
            series.rdates.iter().chain(&series.exdates).try_for_each(check_instant)?;
            series.overrides.iter_mut().try_for_each(|one| {
                check_instant(&one.recurrence_id)?;
                check_event(&mut one.event, zones)
            })
        }
        Body::Overrides(overrides) => overrides.iter_mut().try_for_each(|one| {
            check_instant(&one.recurrence_id)?;
            check_event(&mut one.event, zones)
        }),
    }
}

fn check_event(event: &mut Event, zones: &mut KnownZones) -> Result<(), String> {
    check_timing(&mut event.timing, zones)?;
    mend_details(&mut event.details);
    Ok(())
}

fn check_timing(timing: &mut Timing, zones: &mut KnownZones) -> Result<(), String> {
    check_instant(&timing.start)?;
    if let Some(end) = &mut timing.end {
        check_instant(end)?;
        *end = timing.start.max(*end);
    }
    match &timing.time_zone {
        Some(name) if !zones.has(name) => Err(format!("time zone \"{name}\" is not known")),
        _ => Ok(()),
    }
}

fn check_instant(instant: &DateTime<Utc>) -> Result<(), String> {
    if (1..=9999).contains(&instant.year()) {
        return Ok(());
    }
    Err("its date is out of range: years 1 to 9999 can be stored".to_owned())
}

/// PostgreSQL's text can't hold a NUL.
fn mend(text: &mut String) {
    if text.as_bytes().contains(&0) {
        text.retain(|character| character != '\0');
    }
}

fn mend_details(details: &mut Details) {
    mend(&mut details.title);
    mend(&mut details.event_type.0);
    let texts = [
        &mut details.description,
        &mut details.location,
        &mut details.organizer,
        &mut details.ical_uid,
        &mut details.series_master_id,
        &mut details.conversation_id,
    ];
    texts.into_iter().flatten().for_each(mend);
    details.categories.iter_mut().chain(&mut details.participants).for_each(mend);
    for attendee in &mut details.attendees {
        mend(&mut attendee.address);
        attendee.name.iter_mut().chain(&mut attendee.response).for_each(mend);
    }
    if let Some(teams) = &mut details.teams {
        let texts = [&mut teams.url, &mut teams.conference_id, &mut teams.dial_in_url];
        texts.into_iter().flatten().for_each(mend);
    }
    if let Some(metadata) = &mut details.metadata {
        mend_json(metadata);
    }
}

fn mend_json(value: &mut Value) {
    match value {
        Value::String(text) => mend(text),
        Value::Array(elements) => elements.iter_mut().for_each(mend_json),
        Value::Object(members) => {
            members.retain(|key, _| !key.contains('\0'));
            members.values_mut().for_each(mend_json);
        }
        _ => {}
    }
}
