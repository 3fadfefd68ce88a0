//! Patches laid over what is stored, and what becomes of single occurrences where their series changes.
//!
//! What was done to an occurrence one by one stays as long as the series has it, and follows the series in all else.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Item, Override, Series};
use calendar_sync_core::merge::following;
use calendar_sync_core::patch::{self, PatchError};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::given::{is_same_rule, strays};
use crate::errors::SqlResult;
use crate::store::{Installation, items};

/// What is stored under a key.
pub struct Current {
    pub body: Body,
    /// Its id, if it is a series that is not deleted.
    pub living_series: Option<Uuid>,
}

/// An item as it is to be.
pub struct Patched {
    pub item: Item,
    /// Occurrences that stood for themselves, and that its rule does not give any more.
    pub dropped: Vec<Override>,
}

/// Lays patches, each with its external id, over what is stored by the keys of these, one after the other.
pub fn lay_over(
    installation: &Installation,
    mut current: HashMap<String, Current>,
    patches: Vec<(&str, &Value)>,
    zones: &dyn Zones,
    now: DateTime<Utc>,
) -> SqlResult<Vec<Result<Patched, PatchError>>> {
    let keys: Vec<String> = patches.iter().map(|(external_id, _)| content::key(external_id).into_owned()).collect();
    let mut changed: HashMap<&str, (Uuid, Box<Series>)> = HashMap::new();
    let mut items = Vec::with_capacity(patches.len());
    for (key, (external_id, event)) in keys.iter().zip(&patches) {
        let known = current.get_mut(key);
        let item = patched(known.as_ref().map(|known| &known.body), external_id, event, zones);
        if let Ok(Patched { item, .. }) = &item {
            let body = item.body.clone();
            match known {
                Some(known) if known.body == body => {}
                Some(known) => {
                    let before = std::mem::replace(&mut known.body, body);
                    if let (Some(id), Body::Series(series)) = (known.living_series, before) {
                        changed.entry(key).or_insert((id, series));
                    }
                }
                None => {
                    current.insert(key.clone(), Current { body, living_series: None });
                }
            }
        }
        items.push(item);
    }
    let mut series: Vec<(Uuid, &mut Series)> = changed.values_mut().map(|(id, series)| (*id, &mut **series)).collect();
    let edited = items::lay_edits_over(installation, &mut series)?;
    if edited.is_empty() {
        return Ok(items);
    }
    items::forget_instances(installation, &edited, now)?;
    let edited = changed.into_iter().filter(|(_, (id, _))| edited.contains(id));
    let mut edited: HashMap<&str, Body> = edited.map(|(key, (_, series))| (key, Body::Series(series))).collect();
    for ((key, (external_id, event)), item) in keys.iter().zip(&patches).zip(&mut items) {
        if let Some(body) = edited.get_mut(key.as_str()) {
            *item = patched(Some(body), external_id, event, zones);
            if let Ok(Patched { item, .. }) = item {
                *body = item.body.clone();
            }
        }
    }
    Ok(items)
}

fn patched(current: Option<&Body>, external_id: &str, event: &Value, zones: &dyn Zones) -> Result<Patched, PatchError> {
    let mut item = patch::apply(current, external_id, event, zones)?;
    let dropped = match (current, &mut item.body) {
        (Some(Body::Series(before)), Body::Series(after)) => settle_occurrences(before, after),
        _ => Vec::new(),
    };
    Ok(Patched { item, dropped })
}

/// Occurrences that stand for themselves go with the rule that gave them. Returns those.
fn settle_occurrences(before: &Series, after: &mut Series) -> Vec<Override> {
    let zone = |series: &Series| series.template.timing.time_zone.clone();
    let mut dropped = Vec::new();
    if !is_same_rule(before, after) || zone(before) != zone(after) {
        dropped = strays(after);
    }
    let excluded: HashSet<DateTime<Utc>> = after.exdates.iter().copied().collect();
    after
        .overrides
        .retain(|one| !dropped.contains(one) && (one.this_and_future || !excluded.contains(&one.recurrence_id)));
    if before.template != after.template {
        let own = std::mem::take(&mut after.overrides);
        after.overrides = own.iter().map(|one| following(one, before, after)).collect();
    }
    dropped
}
