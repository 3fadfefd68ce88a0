//! What came from there: each item once, fit to be stored.

use std::collections::HashMap;

use calendar_sync_core::cancellation;
use calendar_sync_core::content;
use calendar_sync_core::event::{Body, EventStatus, Item, Override, Series};
use calendar_sync_core::merge::{Occurrence, with_overrides};
use calendar_sync_core::providers::BadItem;

use super::Run;
use crate::providers::account::{Instance, Read, Remote, is_identifier};
use crate::store::items::Standing;
use crate::store::links::Link;
use crate::sync::apply::{self, KnownZones};
use crate::sync::given::gives;
use crate::zones::PgZones;

/// An item as it is there now.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub external_id: String,
    pub body: Body,
    pub etag: Option<String>,
    pub occurrences: Vec<Occurrence>,
    pub mark: Option<String>,
    /// Of an occurrence whose series is not here: that of its series.
    pub series: Option<String>,
    /// Whatever its version says: something has happened to it.
    pub is_news: bool,
}

/// Of what comes twice the last counts; overrides join what came of their series.
pub fn gather(read: Vec<Read>, run: &mut Run) -> Vec<Incoming> {
    let mut zones = KnownZones::new(&PgZones);
    let mut all: Vec<Incoming> = Vec::with_capacity(read.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(read.len());
    for one in read {
        let Remote { mut item, etag, instances, mark } = match one {
            Ok(remote) => remote,
            Err(bad) => {
                run.unread(bad);
                continue;
            }
        };
        if !is_identifier(&item.external_id) {
            // Nothing could be sent to it: addresses are made of these.
            let message = "its identifier is none that can be asked for".to_owned();
            run.unread(BadItem { external_id: Some(item.external_id), is_override: false, message });
            continue;
        }
        if let Err(message) = apply::check(&mut item, &mut zones) {
            run.unread(BadItem { external_id: Some(item.external_id), is_override: false, message });
            continue;
        }
        let Item { external_id, body } = item;
        let named = instances.into_iter().filter(|instance| is_identifier(&instance.external_id));
        let occurrences = named.map(occurrence).collect();
        let new = Incoming { external_id, body, etag, occurrences, mark, series: None, is_news: false };
        match places.get(&new.external_id) {
            Some(place) => all[*place].join(new),
            None => {
                places.insert(new.external_id.clone(), all.len());
                all.push(new);
            }
        }
    }
    all
}

fn occurrence(instance: Instance) -> Occurrence {
    Occurrence { recurrence_id: instance.recurrence_id, external_id: instance.external_id, etag: instance.etag }
}

impl Incoming {
    /// The key of its link.
    pub fn key(&self) -> String {
        content::key(&self.external_id).into_owned()
    }

    /// As it is stored, if it is new.
    pub fn item(&self) -> Item {
        let external_id = self.series.as_ref().unwrap_or(&self.external_id).clone();
        Item { external_id, body: self.body.clone() }
    }

    fn join(&mut self, later: Self) {
        let Body::Overrides(overrides) = later.body else {
            *self = later;
            return;
        };
        match &mut self.body {
            Body::Series(series) => **series = with_overrides(series, &overrides),
            Body::Overrides(known) => known.extend(overrides),
            Body::Single(_) => self.body = Body::Overrides(overrides),
        }
        for one in later.occurrences {
            self.occurrences.retain(|known| known.recurrence_id != one.recurrence_id);
            self.occurrences.push(one);
        }
    }

    /// The whole of what is there now, where this is only a part of it. `None`: an occurrence of what is no series.
    pub fn whole(&self, link: &Link, standing: Option<&Standing>, partial_series: bool) -> Option<Incoming> {
        let base = link.base.as_ref().map(|base| base.remote()).or(standing.map(|standing| &standing.body));
        let body = match (&self.body, base) {
            (Body::Overrides(overrides), Some(Body::Series(known))) => {
                let overrides: Vec<Override> = overrides.iter().map(|one| complete(one, known)).collect();
                Body::Series(Box::new(with_overrides(known, &overrides)))
            }
            // One that stands for itself, since its series is not shared.
            (Body::Overrides(overrides), Some(Body::Single(_))) if overrides.len() == 1 => {
                Body::Single(Box::new(overrides[0].event.clone()))
            }
            (Body::Overrides(_), _) => return None,
            (Body::Series(series), Some(Body::Series(known))) if partial_series => {
                Body::Series(Box::new(with_known(series, known)))
            }
            (body, _) => body.clone(),
        };
        Some(Incoming { body, ..self.clone() })
    }
}

/// A cancellation says no more than which occurrence it is about.
fn complete(one: &Override, series: &Series) -> Override {
    let mut one = one.clone();
    if cancellation::is_bare(&one.event) {
        cancellation::complete(&mut one, series);
    }
    one
}

/// What is known of occurrences that did not come along stays, as long as the series gives them. Those that are cancelled
/// stay in any case: by another rule that gives them they are cancelled still.
fn with_known(series: &Series, known: &Series) -> Series {
    let mut series = series.clone();
    let is_same_rule = series.rrules == known.rrules && series.template.timing.start == known.template.timing.start;
    for one in &known.overrides {
        let is_given = series.overrides.iter().any(|other| other.recurrence_id == one.recurrence_id);
        let is_excluded = series.exdates.contains(&one.recurrence_id);
        let is_cancelled = one.event.details.event_status == EventStatus::Cancelled;
        if !is_given && !is_excluded && (is_same_rule || is_cancelled || gives(&series, one.recurrence_id)) {
            series.overrides.push(one.clone());
        }
    }
    series
}
