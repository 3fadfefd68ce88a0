//! Events that an application hands in: laid over what is stored, then applied as any other batch.

use std::borrow::Cow;
use std::collections::HashMap;

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, EventStatus};
use calendar_sync_core::patch::{self, PatchError};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::apply::{self, Action, Source, Terms};
use super::patched::{self, Current, Patched};
use crate::errors::SqlResult;
use crate::store::{Installation, Wanted, events, exclusions, installation_row, series};

/// Events that are looked up and written at once.
const AT_ONCE: usize = 1_000;

/// One event as it was handed in.
pub struct Handed {
    /// The application's own key, or what is wrong with it.
    pub external_id: Result<String, PatchError>,
    /// The patch.
    pub event: Value,
}

impl Handed {
    /// An element of a list has its `external_id` among its keys.
    pub fn from_element(mut element: Value) -> Self {
        const KEY: &str = "external_id";
        let (key, problem) = match element.as_object_mut().map(|members| members.remove(KEY)) {
            Some(Some(Value::String(external_id))) if !external_id.is_empty() => {
                return Self { external_id: Ok(external_id), event: element };
            }
            Some(Some(Value::String(_))) => (KEY, "is empty"),
            Some(Some(_)) => (KEY, "is not a string"),
            Some(None) => (KEY, "is missing"),
            None => (patch::WHOLE, "is not a JSON object"),
        };
        let error = PatchError {
            key: key.to_owned(),
            problem: problem.to_owned(),
            hint: "Each element has an external_id, a string: the application's own key of the event.".to_owned(),
        };
        Self { external_id: Err(error), event: element }
    }

    /// The key that it is stored by.
    fn key(&self) -> Option<Cow<'_, str>> {
        self.external_id.as_deref().ok().map(content::key)
    }
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}. {hint}", hint = .0.hint)]
    Patch(PatchError),
    #[error("{0}")]
    Item(String),
}

/// What became of one of them.
pub struct Outcome {
    pub external_id: Option<String>,
    /// The event's id (a recurring one's series_id), and what was done.
    pub result: Result<(Uuid, Action), Refusal>,
}

/// Creates and changes events; one that is refused does not stop the others. The outcomes are in the order of `handed`.
///
/// They are written in the order of their keys, so that of two sessions that write the same ones each waits for the
/// other, and not both for each other.
pub fn upsert(
    installation: &Installation,
    zones: &dyn Zones,
    source: &Source,
    handed: Vec<Handed>,
    terms: &Terms,
) -> SqlResult<Vec<Outcome>> {
    // So that the worker moves the windows of series forward, and that there is a key to hide identifiers with.
    installation_row::ensure(installation)?;
    let mut outcomes = Vec::with_capacity(handed.len());
    let mut handed: Vec<(usize, Handed)> = handed.into_iter().enumerate().collect();
    handed.sort_by_cached_key(|(_, one)| one.key().map(Cow::into_owned));
    let mut handed = handed.into_iter();
    loop {
        let chunk: Vec<(usize, Handed)> = handed.by_ref().take(AT_ONCE).collect();
        if chunk.is_empty() {
            break;
        }
        upsert_chunk(installation, zones, source, chunk, terms, &mut outcomes)?;
    }
    outcomes.sort_unstable_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn upsert_chunk(
    installation: &Installation,
    zones: &dyn Zones,
    source: &Source,
    handed: Vec<(usize, Handed)>,
    terms: &Terms,
    outcomes: &mut Vec<(usize, Outcome)>,
) -> SqlResult<()> {
    let mut patches = Vec::with_capacity(handed.len());
    for (place, Handed { external_id, event }) in handed {
        match external_id {
            Ok(external_id) => patches.push((place, external_id, event)),
            Err(error) => {
                outcomes.push((place, Outcome { external_id: None, result: Err(Refusal::Patch(error)) }));
            }
        }
    }
    let current = stored(installation, source, &patches, terms.now)?;
    let keyed = patches.iter().map(|(_, external_id, event)| (external_id.as_str(), event)).collect();
    let patched = patched::lay_over(installation, current, keyed, zones, terms.now)?;
    let mut items = Vec::with_capacity(patches.len());
    let mut taken = Vec::with_capacity(patches.len());
    for ((place, external_id, _), item) in patches.into_iter().zip(patched) {
        let result = item.map(|Patched { item, dropped }| {
            items.push(Ok(item));
            taken.push((outcomes.len(), dropped));
        });
        // Of what is taken it is filled in below.
        let refusal = result.map_or_else(Refusal::Patch, |()| Refusal::Item(String::new()));
        outcomes.push((place, Outcome { external_id: Some(external_id), result: Err(refusal) }));
    }
    let applied = apply::calendar(installation, source, zones, items, terms)?;
    let mut dropped_of = Vec::new();
    for ((taken, dropped), outcome) in taken.into_iter().zip(applied.outcomes) {
        outcomes[taken].1.result = match (outcome.action, outcome.event_id) {
            (Ok(action), Some(event_id)) => {
                dropped_of.extend((!dropped.is_empty()).then_some((event_id, dropped)));
                Ok((event_id, action))
            }
            (Ok(_), None) => Err(Refusal::Item("it came to nothing".to_owned())),
            (Err(message), _) => Err(Refusal::Item(message)),
        };
    }
    exclusions::log_dropped(installation, source.user_id, &dropped_of)
}

/// What is stored under the keys, locked. What was deleted is scheduled again if it is changed.
fn stored(
    installation: &Installation,
    source: &Source,
    patches: &[(usize, String, Value)],
    now: DateTime<Utc>,
) -> SqlResult<HashMap<String, Current>> {
    let keys: Vec<_> = patches.iter().map(|(_, external_id, _)| content::key(external_id)).collect();
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let (mut event_ids, mut series_ids) = (Vec::new(), Vec::new());
    events::known(installation, source, Wanted::Keys(&keys), now, |known| {
        if known.recurrence_id.is_none() {
            event_ids.push(known.event_id);
        }
    })?;
    series::known(installation, source, Wanted::Keys(&keys), now, |known| series_ids.push(known.series_id))?;
    let mut found: HashMap<String, (bool, Current)> = HashMap::new();
    for stored in events::lock(installation, &event_ids)? {
        let current = Current { body: Body::Single(Box::new(stored.event)), living_series: None };
        found.insert(stored.external_id, (stored.deleted, current));
    }
    for stored in series::lock(installation, &series_ids)? {
        // A single event that became a series, or the other way round: what is not deleted counts.
        if !stored.deleted || found.get(&stored.external_id).is_none_or(|(deleted, _)| *deleted) {
            let living_series = (!stored.deleted).then_some(stored.series_id);
            let current = Current { body: Body::Series(Box::new(stored.series)), living_series };
            found.insert(stored.external_id, (stored.deleted, current));
        }
    }
    let found = found.into_iter().map(|(key, (deleted, mut current))| {
        if deleted {
            schedule(&mut current.body);
        }
        (key, current)
    });
    Ok(found.collect())
}

fn schedule(body: &mut Body) {
    match body {
        Body::Single(event) => event.details.event_status = EventStatus::Scheduled,
        Body::Series(series) => series.template.details.event_status = EventStatus::Scheduled,
        Body::Overrides(_) => {}
    }
}
