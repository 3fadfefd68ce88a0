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
use crate::errors::SqlResult;
use crate::store::{Installation, Wanted, events, installation_row, series};

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
    let mut current = stored(installation, source, &handed, terms.now)?;
    let mut items = Vec::with_capacity(handed.len());
    let mut taken = Vec::with_capacity(handed.len());
    for (place, Handed { external_id, event }) in handed {
        let external_id = match external_id {
            Ok(external_id) => external_id,
            Err(error) => {
                outcomes.push((place, Outcome { external_id: None, result: Err(Refusal::Patch(error)) }));
                continue;
            }
        };
        let key = content::key(&external_id).into_owned();
        let result = match patch::apply(current.get(&key), &external_id, &event, zones) {
            Ok(item) => {
                current.insert(key, item.body.clone());
                items.push(Ok(item));
                taken.push(outcomes.len());
                // Filled in below.
                Err(Refusal::Item(String::new()))
            }
            Err(error) => Err(Refusal::Patch(error)),
        };
        outcomes.push((place, Outcome { external_id: Some(external_id), result }));
    }
    let applied = apply::calendar(installation, source, zones, items, terms)?;
    for (taken, outcome) in taken.into_iter().zip(applied.outcomes) {
        outcomes[taken].1.result = match (outcome.action, outcome.event_id) {
            (Ok(action), Some(event_id)) => Ok((event_id, action)),
            (Ok(_), None) => Err(Refusal::Item("it came to nothing".to_owned())),
            (Err(message), _) => Err(Refusal::Item(message)),
        };
    }
    Ok(())
}

/// What is stored under the keys, locked. What was deleted is scheduled again if it is changed.
fn stored(
    installation: &Installation,
    source: &Source,
    handed: &[(usize, Handed)],
    now: DateTime<Utc>,
) -> SqlResult<HashMap<String, Body>> {
    let keys: Vec<_> = handed.iter().filter_map(|(_, one)| one.key()).collect();
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let (mut event_ids, mut series_ids) = (Vec::new(), Vec::new());
    events::known(installation, source, Wanted::Keys(&keys), now, |known| {
        if known.recurrence_id.is_none() {
            event_ids.push(known.event_id);
        }
    })?;
    series::known(installation, source, Wanted::Keys(&keys), now, |known| series_ids.push(known.series_id))?;
    let mut found: HashMap<String, (bool, Body)> = HashMap::new();
    for stored in events::lock(installation, &event_ids)? {
        found.insert(stored.external_id, (stored.deleted, Body::Single(Box::new(stored.event))));
    }
    for stored in series::lock(installation, &series_ids)? {
        // A single event that became a series, or the other way round: what is not deleted counts.
        if !stored.deleted || found.get(&stored.external_id).is_none_or(|(deleted, _)| *deleted) {
            found.insert(stored.external_id, (stored.deleted, Body::Series(Box::new(stored.series))));
        }
    }
    Ok(found.into_iter().map(|(key, (deleted, body))| (key, if deleted { scheduled(body) } else { body })).collect())
}

fn scheduled(mut body: Body) -> Body {
    match &mut body {
        Body::Single(event) => event.details.event_status = EventStatus::Scheduled,
        Body::Series(series) => series.template.details.event_status = EventStatus::Scheduled,
        Body::Overrides(_) => {}
    }
    body
}
