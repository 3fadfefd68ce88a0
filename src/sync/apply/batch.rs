//! One batch of items on its way into the tables.

use std::collections::HashSet;

use calendar_sync_core::cancellation::{self, is_bare};
use calendar_sync_core::content::{self, Hash};
use calendar_sync_core::event::{Body, Event, Item, Override, Series};
use calendar_sync_core::recurrence::Instance;
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use pgrx::check_for_interrupts;
use uuid::Uuid;

use super::expansion::{self, Rows};
use super::intake::KnownZones;
use super::known::{self, Key, Known, Slot, event_key};
use super::{Action, Applied, BadItem, Outcome, Read, Terms, absent, intake};
use crate::errors::SqlResult;
use crate::store::series::Expansion;
use crate::store::{Installation, Source, Wanted, events, new_id, series};

/// Items that are looked up at once, where not all that is stored is read beforehand.
const ITEMS_AT_ONCE: usize = 1_000;
/// A batch of more than [`ITEMS_AT_ONCE`] is compared with all that is stored of an application's source, unless that
/// is more than this: one scan instead of a look-up for each item.
const MOST_READ_BEFOREHAND: i64 = 100_000;
/// Events that are written at once.
const EVENTS_AT_ONCE: usize = 1_000;
/// Instances of series that are computed before they are written.
const INSTANCES_AT_ONCE: usize = 5_000;
/// Bad items that are told by name.
const MOST_BAD: usize = 100;

/// Sync status of an item that could not be read: its last good data stays.
const IN_ERROR: &str = "error";

pub struct Batch<'a> {
    pub installation: &'a Installation,
    pub source: &'a Source<'a>,
    pub zones: &'a dyn Zones,
    known_zones: KnownZones<'a>,
    pub terms: &'a Terms,
    pub known: Known,
    /// Events and series that were neither deleted nor over before.
    pub upcoming: usize,
    pub applied: Applied,
    /// New items, held until it is known whether the origin has changed its identifiers.
    pub unsettled: Vec<(usize, Item)>,
    /// All new items are settled as they come.
    pub settle: bool,
    waiting: Vec<(usize, Read)>,
    /// All that is stored is known.
    all_known: Option<bool>,
    events: Vec<NewEvent>,
    series: Vec<NewSeries>,
    instances: usize,
    /// Keys of what waits to be written.
    keys: HashSet<Key>,
    /// What became a series, or ceased to be one: its old form goes.
    replaced_events: Vec<Uuid>,
    /// Each with the start of the single event that takes its place.
    replaced_series: Vec<(Uuid, DateTime<Utc>)>,
    events_in_error: Vec<Uuid>,
    series_in_error: Vec<Uuid>,
}

struct NewEvent {
    index: usize,
    key: Key,
    external_id: String,
    recurrence_id: Option<DateTime<Utc>>,
    event: Event,
    hash: Hash,
    silent: bool,
}

struct NewSeries {
    index: usize,
    key: Key,
    external_id: String,
    series: Box<Series>,
    hash: Hash,
    silent: bool,
    is_new: bool,
    instances: Vec<Instance>,
    expansion: Expansion,
}

impl<'a> Batch<'a> {
    pub fn new(
        installation: &'a Installation,
        source: &'a Source<'a>,
        zones: &'a dyn Zones,
        terms: &'a Terms,
    ) -> SqlResult<Self> {
        let mut known = Known::default();
        if terms.complete {
            known.load(installation, source, Wanted::All { at_most: i64::MAX }, terms.now)?;
        }
        let settle = !terms.complete || known.is_empty();
        Ok(Self {
            installation,
            source,
            zones,
            known_zones: KnownZones::new(zones),
            terms,
            upcoming: known.upcoming(),
            known,
            applied: Applied::default(),
            unsettled: Vec::new(),
            settle,
            waiting: Vec::new(),
            all_known: terms.complete.then_some(true),
            events: Vec::new(),
            series: Vec::new(),
            instances: 0,
            keys: HashSet::new(),
            replaced_events: Vec::new(),
            replaced_series: Vec::new(),
            events_in_error: Vec::new(),
            series_in_error: Vec::new(),
        })
    }

    pub fn take(&mut self, read: Read) -> SqlResult<()> {
        let index = self.applied.fetched as usize;
        self.applied.fetched += 1;
        if self.terms.outcomes {
            let external_id = match &read {
                Ok(item) => Some(item.external_id.clone()),
                Err(bad) => bad.external_id.clone(),
            };
            self.applied.outcomes.push(Outcome { external_id, event_id: None, action: Ok(Action::Unchanged) });
        }
        if self.terms.complete {
            return self.read(index, read);
        }
        self.waiting.push((index, read));
        if self.waiting.len() < ITEMS_AT_ONCE { Ok(()) } else { self.look_up() }
    }

    pub fn finish(mut self) -> SqlResult<Applied> {
        self.look_up()?;
        if self.terms.complete {
            absent::settle(&mut self)?;
        }
        self.flush()?;
        if self.terms.complete {
            absent::delete(&mut self)?;
        }
        Ok(self.applied)
    }

    /// Reads what is stored under the keys of the items that wait, and takes these.
    fn look_up(&mut self) -> SqlResult<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if self.all_known.is_none() && waiting.len() >= ITEMS_AT_ONCE {
            self.read_beforehand()?;
        }
        let keys: Vec<_> = waiting
            .iter()
            .filter_map(|(_, read)| match read {
                Ok(item) => Some(content::key(&item.external_id)),
                Err(bad) => bad.external_id.as_deref().map(content::key),
            })
            .collect();
        if !keys.is_empty() && self.all_known != Some(true) {
            let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
            // What waits to be written is newer than what is stored.
            self.flush()?;
            self.known = Known::default();
            self.known.load(self.installation, self.source, Wanted::Keys(&keys), self.terms.now)?;
        }
        waiting.into_iter().try_for_each(|(index, read)| self.read(index, read))
    }

    fn read_beforehand(&mut self) -> SqlResult<()> {
        let mut known = Known::default();
        let wanted = Wanted::All { at_most: MOST_READ_BEFOREHAND };
        known.load(self.installation, self.source, wanted, self.terms.now)?;
        let all_known = self.source.connection_id.is_some() || (known.len() as i64) < MOST_READ_BEFOREHAND;
        if all_known {
            self.known = known;
        }
        self.all_known = Some(all_known);
        Ok(())
    }

    fn read(&mut self, index: usize, read: Read) -> SqlResult<()> {
        match read {
            Ok(item) => self.item(index, item),
            Err(bad) => {
                self.bad(index, bad);
                Ok(())
            }
        }
    }

    pub fn item(&mut self, index: usize, mut item: Item) -> SqlResult<()> {
        if let Err(message) = intake::check(&mut item, &mut self.known_zones) {
            self.bad(index, BadItem { external_id: Some(item.external_id), is_override: false, message });
            return Ok(());
        }
        let key = known::key(&content::key(&item.external_id));
        let is_new = !self.known.events.contains_key(&key)
            && !self.known.series.contains_key(&key)
            && !matches!(item.body, Body::Overrides(_));
        if is_new && !self.settle {
            self.unsettled.push((index, item));
            return Ok(());
        }
        if self.keys.contains(&key) || self.events.len() >= EVENTS_AT_ONCE || self.instances >= INSTANCES_AT_ONCE {
            self.flush()?;
        }
        self.complete_cancellation(key, &mut item)?;
        let hash = content::of_body(&item.body);
        match item.body {
            Body::Single(event) => self.single(index, key, item.external_id, *event, hash),
            Body::Series(series) => self.series(index, key, item.external_id, series, hash)?,
            Body::Overrides(overrides) => self.overrides(index, key, item.external_id, overrides)?,
        }
        Ok(())
    }

    /// Cancels what is stored as it stands, where that is more than the cancellation says.
    fn complete_cancellation(&self, key: Key, item: &mut Item) -> SqlResult<()> {
        let Body::Single(by) = &item.body else { return Ok(()) };
        if !is_bare(by) {
            return Ok(());
        }
        let is_stored = |slot: &&Slot| !slot.deleted;
        let stored = if let Some(slot) = self.known.series.get(&key).filter(is_stored) {
            series::find(self.installation, &[slot.id])?.pop().map(|stored| Body::Series(Box::new(stored.series)))
        } else if let Some(slot) = self.known.events.get(&key).filter(is_stored) {
            events::find(self.installation, &[slot.id])?.pop().map(|stored| Body::Single(Box::new(stored.event)))
        } else {
            None
        };
        if let Some(stored) = stored {
            item.body = cancellation::of_body(stored, &by.details);
        }
        Ok(())
    }

    fn single(&mut self, index: usize, key: Key, external_id: String, event: Event, hash: Hash) {
        let counted = self.counted();
        let replaces = match self.known.series.get_mut(&key) {
            Some(series) if !series.deleted => {
                series.deleted = true;
                self.replaced_series.push((series.id, event.timing.start));
                true
            }
            _ => false,
        };
        self.event(index, key, external_id, None, event, hash);
        if replaces {
            self.count_as_updated(index, counted);
        }
    }

    fn event(
        &mut self,
        index: usize,
        external_key: Key,
        external_id: String,
        recurrence_id: Option<DateTime<Utc>>,
        event: Event,
        hash: Hash,
    ) {
        let key = event_key(external_key, recurrence_id);
        let Some(silent) = self.compare(index, key, &hash, false) else { return };
        self.keys.extend([key, external_key]);
        self.events.push(NewEvent { index, key, external_id, recurrence_id, event, hash, silent });
    }

    /// Counts an item by what is stored of it. `None`: nothing to write; else whether its content is unchanged all the
    /// same.
    fn compare(&mut self, index: usize, key: Key, hash: &Hash, is_series: bool) -> Option<bool> {
        let slots = if is_series { &mut self.known.series } else { &mut self.known.events };
        let Some(slot) = slots.get_mut(&key) else {
            self.applied.created += 1;
            self.told(index, None, Action::Created);
            return Some(false);
        };
        slot.seen = true;
        let (id, silent) = (slot.id, slot.unchanged_as_far_as_known(hash));
        if slot.is(hash) {
            self.applied.unchanged += 1;
            self.told(index, Some(id), Action::Unchanged);
            return None;
        }
        if silent {
            self.applied.unchanged += 1;
        } else {
            self.applied.updated += 1;
        }
        self.told(index, Some(id), if silent { Action::Unchanged } else { Action::Updated });
        Some(silent)
    }

    fn told(&mut self, index: usize, event_id: Option<Uuid>, action: Action) {
        if let Some(outcome) = self.applied.outcomes.get_mut(index) {
            outcome.event_id = event_id.or(outcome.event_id);
            outcome.action = Ok(action);
        }
    }

    fn bad(&mut self, index: usize, bad: BadItem) {
        self.applied.errors += 1;
        if let Some(external_id) = &bad.external_id {
            let key = known::key(&content::key(external_id));
            let lists = [
                (self.known.events.get_mut(&key), &mut self.events_in_error),
                (self.known.series.get_mut(&key), &mut self.series_in_error),
            ];
            for (slot, list) in lists {
                let Some(slot) = slot else { continue };
                slot.seen = true;
                // What an application handed in stays as it was: it has the error in its hands.
                if !slot.deleted && !slot.in_error && !bad.is_override && self.source.connection_id.is_some() {
                    slot.in_error = true;
                    list.push(slot.id);
                }
            }
        }
        if let Some(outcome) = self.applied.outcomes.get_mut(index) {
            outcome.action = Err(bad.message.clone());
        }
        if self.applied.bad.len() < MOST_BAD {
            self.applied.bad.push(bad);
        }
    }

    fn series(
        &mut self,
        index: usize,
        key: Key,
        external_id: String,
        mut series: Box<Series>,
        hash: Hash,
    ) -> SqlResult<()> {
        self.adopt(key, &mut series)?;
        let stored = self.known.series.get(&key).copied();
        if stored.is_some_and(|slot| slot.is(&hash)) {
            self.compare(index, key, &hash, true);
            return Ok(());
        }
        let now = self.terms.now;
        let (from, expanded_from) = match &stored {
            Some(slot) => (now, Some(slot.expanded_from)),
            None => (expansion::first_start(now), None),
        };
        let (instances, expansion) = match expansion::expand(&series, self.zones, from, expanded_from, now) {
            Ok(expanded) => expanded,
            Err(error) => {
                self.bad(
                    index,
                    BadItem { external_id: Some(external_id), is_override: false, message: error.to_string() },
                );
                return Ok(());
            }
        };
        let counted = self.counted();
        let silent = self.compare(index, key, &hash, true).unwrap_or_default();
        if let Some(single) = self.known.events.get_mut(&key)
            && !single.deleted
        {
            single.deleted = true;
            self.replaced_events.push(single.id);
            self.count_as_updated(index, counted);
        }
        self.keys.insert(key);
        self.instances += instances.len();
        let is_new = stored.is_none();
        self.series.push(NewSeries { index, key, external_id, series, hash, silent, is_new, instances, expansion });
        Ok(())
    }

    /// Overrides that came before their series join it.
    fn adopt(&mut self, key: Key, series: &mut Series) -> SqlResult<()> {
        let Some(orphans) = self.known.orphans.remove(&key) else { return Ok(()) };
        let mut wanted = Vec::new();
        for orphan in orphans {
            let given = series.overrides.iter().any(|one| one.recurrence_id == orphan.recurrence_id);
            if given || !self.terms.complete {
                // Its row becomes the instance's.
                self.known.events.remove(&event_key(key, Some(orphan.recurrence_id)));
            }
            if !given && !self.terms.complete {
                wanted.push(orphan);
            }
        }
        let ids: Vec<Uuid> = wanted.iter().map(|orphan| orphan.event_id).collect();
        for stored in events::find(self.installation, &ids)? {
            let Some(orphan) = wanted.iter().find(|orphan| orphan.event_id == stored.event_id) else { continue };
            let recurrence_id = orphan.recurrence_id;
            series.overrides.push(Override {
                recurrence_id,
                this_and_future: false,
                duration: None,
                event: stored.event,
            });
        }
        Ok(())
    }

    /// Overrides without their series: they join the one that is stored, or stand for themselves.
    fn overrides(&mut self, index: usize, key: Key, external_id: String, overrides: Vec<Override>) -> SqlResult<()> {
        let stored =
            self.known.series.get(&key).filter(|slot| !slot.deleted && !self.terms.complete).map(|slot| slot.id);
        if let Some(series_id) = stored
            && let Some(stored) = series::find(self.installation, &[series_id])?.pop()
        {
            let mut series = Box::new(stored.series);
            for mut one in overrides {
                cancellation::complete(&mut one, &series);
                series.overrides.retain(|other| other.recurrence_id != one.recurrence_id);
                series.overrides.push(one);
            }
            let body = Body::Series(series);
            let hash = content::of_body(&body);
            let Body::Series(series) = body else { return Ok(()) };
            return self.series(index, key, external_id, series, hash);
        }
        let counted = self.counted();
        for one in overrides {
            let hash = content::of_event(&one.event);
            self.event(index, key, external_id.clone(), Some(one.recurrence_id), one.event, hash);
        }
        self.count_as_one(counted);
        Ok(())
    }

    fn counted(&self) -> [i32; 3] {
        [self.applied.created, self.applied.updated, self.applied.unchanged]
    }

    fn set_counted(&mut self, [created, updated, unchanged]: [i32; 3]) {
        self.applied.created = created;
        self.applied.updated = updated;
        self.applied.unchanged = unchanged;
    }

    /// Whatever was counted since makes one item.
    fn count_as_one(&mut self, [created, updated, unchanged]: [i32; 3]) {
        let [now_created, now_updated, now_unchanged] = self.counted();
        let is_updated = now_updated > updated || (now_created > created && now_unchanged > unchanged);
        let is_created = !is_updated && now_created > created;
        self.set_counted([
            created + i32::from(is_created),
            updated + i32::from(is_updated),
            unchanged + i32::from(!is_updated && !is_created),
        ]);
    }

    /// Whatever was counted since: an item took another form.
    fn count_as_updated(&mut self, index: usize, [created, updated, unchanged]: [i32; 3]) {
        self.set_counted([created, updated + 1, unchanged]);
        self.told(index, None, Action::Updated);
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> SqlResult<()> {
        check_for_interrupts!();
        self.flush_marks()?;
        self.flush_series()?;
        self.flush_events()?;
        self.keys.clear();
        Ok(())
    }

    fn flush_marks(&mut self) -> SqlResult<()> {
        let now = self.terms.now;
        events::delete(self.installation, &std::mem::take(&mut self.replaced_events), now)?;
        let singles = std::mem::take(&mut self.replaced_series);
        let replaced: Vec<Uuid> = singles.iter().map(|(series_id, _)| *series_id).collect();
        series::delete(self.installation, &replaced, now)?;
        events::delete_instances(self.installation, &replaced, now, now)?;
        events::delete_occurrences(self.installation, &singles, now)?;
        events::mark(self.installation, &std::mem::take(&mut self.events_in_error), IN_ERROR, now)?;
        series::mark(self.installation, &std::mem::take(&mut self.series_in_error), IN_ERROR, now)?;
        Ok(())
    }

    fn flush_events(&mut self) -> SqlResult<()> {
        let (silent, changed): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.events).into_iter().partition(|event| event.silent);
        for (events, silently) in [(changed, false), (silent, true)] {
            if events.is_empty() {
                continue;
            }
            let keys: Vec<_> = events.iter().map(|event| content::key(&event.external_id)).collect();
            let rows: Vec<events::Row> = events.iter().zip(&keys).map(|(event, key)| event.row(key)).collect();
            let ids = events::upsert(self.installation, self.source, &rows, silently, self.terms.now)?;
            for (event, id) in events.iter().zip(ids) {
                self.written(event.index, id);
                let slot = Slot::written(id, event.hash, DateTime::<Utc>::MIN_UTC);
                self.known.events.insert(event.key, slot);
            }
        }
        Ok(())
    }

    fn flush_series(&mut self) -> SqlResult<()> {
        self.instances = 0;
        let all = std::mem::take(&mut self.series);
        let (silent, changed): (Vec<_>, Vec<_>) = all.into_iter().partition(|series| series.silent);
        for (all, silently) in [(changed, false), (silent, true)] {
            if !all.is_empty() {
                self.write_series(&all, silently)?;
            }
        }
        Ok(())
    }

    fn write_series(&mut self, all: &[NewSeries], silently: bool) -> SqlResult<()> {
        let now = self.terms.now;
        let keys: Vec<_> = all.iter().map(|series| content::key(&series.external_id)).collect();
        let rows: Vec<series::Row> = all.iter().zip(&keys).map(|(series, key)| series.row(key)).collect();
        let ids = series::upsert(self.installation, self.source, &rows, silently, now)?;
        let changed: Vec<Uuid> = all.iter().zip(&ids).filter(|(series, _)| !series.is_new).map(|(_, id)| *id).collect();
        let given: Vec<(Uuid, DateTime<Utc>)> = all
            .iter()
            .zip(&ids)
            .filter(|(series, _)| !series.is_new)
            .flat_map(|(series, id)| series.instances.iter().map(|instance| (*id, instance.recurrence_id)))
            .collect();
        events::remove_instances(self.installation, &changed, now, &given)?;
        let rows: Vec<Rows> = all
            .iter()
            .zip(keys.iter().zip(&ids))
            .map(|(series, (key, id))| Rows {
                series_id: *id,
                external_id: key,
                series: &series.series,
                instances: &series.instances,
            })
            .collect();
        expansion::store(self.installation, self.source, &rows, now)?;
        for (series, id) in all.iter().zip(ids) {
            self.written(series.index, id);
            let slot = Slot::written(id, series.hash, series.expansion.from);
            self.known.series.insert(series.key, slot);
        }
        Ok(())
    }

    fn written(&mut self, index: usize, id: Uuid) {
        if let Some(outcome) = self.applied.outcomes.get_mut(index) {
            outcome.event_id = Some(id);
        }
    }
}

impl NewEvent {
    fn row<'b>(&'b self, key: &'b str) -> events::Row<'b> {
        events::Row {
            event_id: new_id(),
            external_id: key,
            recurrence_id: self.recurrence_id,
            series_id: None,
            is_override: self.recurrence_id.is_some(),
            timing: &self.event.timing,
            details: &self.event.details,
            recurrence: None,
            hash: self.hash,
        }
    }
}

impl NewSeries {
    fn row<'b>(&'b self, key: &'b str) -> series::Row<'b> {
        series::Row {
            series_id: new_id(),
            external_id: key,
            external_id_full: (key != self.external_id).then_some(self.external_id.as_str()),
            series: &self.series,
            hash: self.hash,
            expansion: self.expansion,
        }
    }
}
