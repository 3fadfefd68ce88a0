//! One batch of items on its way into the tables: each is compared with what is stored of it.

use std::collections::HashSet;

use calendar_sync_core::content::{self, ByDigest};
use calendar_sync_core::event::{Body, Event, Series};
use calendar_sync_core::ics::{Cancels, SourceHash, Sourced};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use pgrx::check_for_interrupts;
use uuid::Uuid;

use super::expansion::{self, Since};
use super::intake::KnownZones;
use super::known::{self, Key, Known, event_key};
use super::pending::{Mark, NewEvent, NewSeries, Pending};
use super::volume::Volume;
use super::write::{Done, Refused, Target};
use super::{Action, Applied, BadItem, Outcome, Terms, absent, intake, renamed};
use crate::errors::SqlResult;
use crate::store::{Installation, Source, Wanted};

/// Items that are looked up at once, where not all that is stored is read beforehand.
const ITEMS_AT_ONCE: usize = 1_000;
/// A batch of more than [`ITEMS_AT_ONCE`] is compared with all that is stored of an application's source, unless that
/// is more than this: one scan instead of a look-up for each item.
const MOST_READ_BEFOREHAND: i64 = 100_000;
/// Bad items that are told by name.
const MOST_BAD: usize = 100;

/// What a reader of calendars gives, with what tells that it stands in its file as it did.
type SourcedRead = Result<Sourced, BadItem>;

/// The items of one calendar while they are compared with what is stored, and written.
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
    pub unsettled: Vec<(usize, Sourced)>,
    /// All new items are settled as they come.
    pub settle: bool,
    waiting: Vec<(usize, SourcedRead)>,
    /// All that is stored is known.
    all_known: Option<bool>,
    volume: Volume,
    pending: Pending,
    /// Stored, and to be marked as not readable.
    events_in_error: Vec<Uuid>,
    series_in_error: Vec<Uuid>,
    /// Series of which an occurrence could not be read; it comes before them.
    spoilt: HashSet<Key, ByDigest>,
    /// Items that the database did not take.
    refused: usize,
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
            volume: Volume::default(),
            pending: Pending::default(),
            events_in_error: Vec::new(),
            series_in_error: Vec::new(),
            spoilt: HashSet::default(),
            refused: 0,
        })
    }

    /// Takes the next item, or what is wrong with it.
    pub fn take(&mut self, read: SourcedRead) -> SqlResult<()> {
        let external_id = match &read {
            Ok(Sourced { item, .. }) => Some(&item.external_id),
            Err(bad) => bad.external_id.as_ref(),
        };
        let index = self.count(external_id.map(String::as_str), None);
        if self.all_known == Some(true) {
            return self.read(index, read);
        }
        self.waiting.push((index, read));
        if self.waiting.len() < ITEMS_AT_ONCE { Ok(()) } else { self.look_up() }
    }

    /// Whether an item is stored as it stands in its file; then it is counted, and is not to be taken.
    pub fn passes(&mut self, external_id: &str, source_hash: &SourceHash) -> bool {
        check_for_interrupts!();
        if self.all_known != Some(true) {
            return false;
        }
        let key = known::key(&content::key(external_id));
        let Some(slot) = self.known.as_in_source(key, source_hash) else { return false };
        slot.seen = true;
        let id = slot.id;
        self.applied.unchanged += 1;
        self.count(Some(external_id), Some(id));
        true
    }

    /// Counts an item. Returns its place in the batch.
    fn count(&mut self, external_id: Option<&str>, event_id: Option<Uuid>) -> usize {
        let index = self.applied.fetched as usize;
        self.applied.fetched += 1;
        if self.terms.outcomes {
            let external_id = external_id.map(Into::into);
            self.applied.outcomes.push(Outcome { external_id, event_id, action: Ok(Action::Unchanged) });
        }
        index
    }

    /// Writes what is left, and deletes what a complete calendar no longer has.
    pub fn finish(mut self) -> SqlResult<Applied> {
        self.look_up()?;
        if self.terms.complete {
            renamed::settle(&mut self)?;
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
                Ok(Sourced { item, .. }) => Some(content::key(&item.external_id)),
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

    fn read(&mut self, index: usize, read: SourcedRead) -> SqlResult<()> {
        match read {
            Ok(item) => self.item(index, item),
            Err(bad) => {
                self.bad(index, bad);
                Ok(())
            }
        }
    }

    pub fn item(&mut self, index: usize, sourced: Sourced) -> SqlResult<()> {
        let Sourced { mut item, source, cancels } = sourced;
        if let Err(message) = intake::check(&mut item, &mut self.known_zones) {
            self.bad(index, BadItem { external_id: Some(item.external_id), is_override: false, message });
            return Ok(());
        }
        let key = known::key(&content::key(&item.external_id));
        let is_new = !self.known.events.contains_key(&key)
            && !self.known.series.contains_key(&key)
            && !matches!(item.body, Body::Overrides(_));
        if is_new && !self.settle {
            self.unsettled.push((index, Sourced { item, source, cancels }));
            return Ok(());
        }
        if self.pending.blocks(key) {
            self.flush()?;
        }
        let cancels_stored = self.complete_cancellation(key, &mut item, cancels.is_some())?;
        if cancels == Some(Cancels::Undated) && !cancels_stored {
            let message = "it cancels what is not known here, and has no DTSTART".to_owned();
            self.bad(index, BadItem { external_id: Some(item.external_id), is_override: false, message });
            return Ok(());
        }
        if self.spoilt.remove(&key)
            && let Body::Series(series) = &mut item.body
        {
            self.keep_overrides(key, series)?;
        }
        // What it then says does not come from its source alone.
        let source_hash = source.filter(|_| !cancels_stored);
        let mark = Mark::new(index, key, item.external_id, content::of_body(&item.body), source_hash);
        match item.body {
            Body::Single(event) => self.single(mark, *event),
            Body::Series(series) => self.series(mark, series)?,
            Body::Overrides(overrides) => self.overrides(mark, overrides, cancels.is_some())?,
        }
        Ok(())
    }

    fn single(&mut self, mut mark: Mark, event: Event) {
        let (index, counted) = (mark.index, self.applied.counted());
        if let Some(series) = self.known.series.get_mut(&mark.key)
            && !series.deleted
        {
            series.deleted = true;
            mark.replaces = Some(series.id);
        }
        let replaces = mark.replaces.is_some();
        self.event(mark, None, event);
        if replaces {
            self.applied.count_as_updated(index, counted);
        }
    }

    /// `mark.key` is of the external id alone.
    pub fn event(&mut self, mut mark: Mark, recurrence_id: Option<DateTime<Utc>>, event: Event) {
        let external_key = mark.key;
        mark.key = event_key(external_key, recurrence_id);
        let action = match self.compare(&mark, false) {
            Some(action) => action,
            None if mark.replaces.is_some() => Action::Unchanged,
            None => return,
        };
        mark.silent = action == Action::Unchanged;
        mark.counted = match (recurrence_id, mark.replaces) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(Action::Updated),
            (None, None) => Some(action),
        };
        self.pending.add_event(NewEvent { mark, recurrence_id, event }, external_key);
    }

    /// Counts an item by what is stored of it. `None`: nothing to write; [`Action::Unchanged`]: to be written although its
    /// content is unchanged.
    fn compare(&mut self, mark: &Mark, is_series: bool) -> Option<Action> {
        let slots = if is_series { &mut self.known.series } else { &mut self.known.events };
        let Some(slot) = slots.get_mut(&mark.key) else {
            self.applied.count(mark.index, None, Action::Created);
            return Some(Action::Created);
        };
        slot.seen = true;
        let (id, is_stored) = (slot.id, slot.is(&mark.hash));
        let unchanged = is_stored || slot.unchanged_as_far_as_known(&mark.hash);
        let action = if unchanged { Action::Unchanged } else { Action::Updated };
        self.applied.count(mark.index, Some(id), action);
        (!is_stored).then_some(action)
    }

    fn bad(&mut self, index: usize, bad: BadItem) {
        self.applied.errors += 1;
        if let Some(external_id) = &bad.external_id {
            let key = known::key(&content::key(external_id));
            if bad.is_override {
                self.spoilt.insert(key);
            }
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

    /// A series, with what is known of its occurrences.
    pub fn series(&mut self, mut mark: Mark, mut series: Box<Series>) -> SqlResult<()> {
        let (index, key) = (mark.index, mark.key);
        self.adopt(key, &mut series)?;
        let stored = self.known.series.get(&key).copied();
        if stored.is_some_and(|slot| slot.is(&mark.hash)) {
            self.compare(&mark, true);
            return Ok(());
        }
        let now = self.terms.now;
        let since = match &stored {
            Some(slot) => Since { from: now, expanded_from: Some(slot.expanded_from), under_way: slot.deleted },
            None => Since { from: expansion::first_start(now), expanded_from: None, under_way: true },
        };
        // One search for instances ends soon; there may be many.
        check_for_interrupts!();
        let expanded = if self.volume.is_full() {
            Err("the calendar's series have more occurrences than are stored of one calendar".to_owned())
        } else {
            expansion::expand(&series, self.zones, since, now).map_err(|error| error.to_string())
        };
        let (instances, expansion) = match expanded {
            Ok(expanded) => expanded,
            Err(message) => {
                self.bad(index, BadItem { external_id: Some(mark.external_id), is_override: false, message });
                return Ok(());
            }
        };
        self.volume.add(instances.len(), &series.template.details);
        let counted = self.applied.counted();
        let action = self.compare(&mark, true).unwrap_or(Action::Unchanged);
        mark.silent = action == Action::Unchanged;
        mark.counted = Some(action);
        if let Some(single) = self.known.events.get_mut(&key)
            && !single.deleted
        {
            single.deleted = true;
            mark.replaces = Some(single.id);
            mark.counted = Some(Action::Updated);
            self.applied.count_as_updated(index, counted);
        }
        let (is_new, was_in_error) = (stored.is_none(), stored.is_some_and(|slot| slot.in_error));
        let series = NewSeries { mark, series, is_new, was_in_error, instances, expansion };
        self.pending.add_series(series);
        Ok(())
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> SqlResult<()> {
        check_for_interrupts!();
        let items = std::mem::take(&mut self.pending).items;
        let target = Target { installation: self.installation, source: self.source, now: self.terms.now };
        let mut done = Done::after(self.refused);
        if self.terms.alone {
            done.written = target.write_all(&items)?;
        } else {
            target.write(items, &mut done)?;
        }
        for written in done.written {
            if let Some(outcome) = self.applied.outcomes.get_mut(written.index) {
                outcome.event_id = Some(written.slot.id);
            }
            let slots = if written.is_series { &mut self.known.series } else { &mut self.known.events };
            slots.insert(written.key, written.slot);
        }
        done.refused.into_iter().for_each(|refused| self.refuse(refused));
        let in_error = [&mut self.events_in_error, &mut self.series_in_error].map(std::mem::take);
        target.mark_in_error(&in_error[0], &in_error[1]);
        Ok(())
    }

    /// What was counted as written is a bad item instead.
    fn refuse(&mut self, refused: Refused) {
        let Refused { mark, is_series, message } = refused;
        self.refused += 1;
        if let Some(action) = mark.counted {
            *self.applied.count_of(action) -= 1;
        }
        if mark.replaces.is_some() {
            let slots = if is_series { &mut self.known.events } else { &mut self.known.series };
            slots.entry(mark.key).and_modify(|old_form| old_form.deleted = false);
        }
        let is_override = mark.counted.is_none();
        self.bad(mark.index, BadItem { external_id: Some(mark.external_id), is_override, message });
    }
}
