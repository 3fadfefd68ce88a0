//! From parsed events to items: zones looked up, each series joined with its overrides.

mod rules;

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::file::{self, File};
use super::places::Places;
use super::read::Calendar;
use super::source::{self, SourceHash, Surroundings};
use super::values::Value;
use super::vevent::{BadEvent, ParsedEvent, Time};
use super::when::Span;
use crate::cancellation;
use crate::event::{Body, Event, EventStatus, Item, Override, Series};
use crate::recurrence::{Instances, Window};
use crate::zones::Zones;

/// Overrides of a series that are looked at for being left over from an earlier version.
const MAX_STALE: usize = 100;

/// The default zone has a name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone \"{0}\" is not known")]
pub struct UnknownZone(pub String);

/// Turns what was read of a file into items, in the order in which their UIDs first appear; what is bad stands with its
/// UID. Floating times are taken in the file's X-WR-TIMEZONE, else in `default_zone`.
///
/// Of several versions of an event the one with the highest SEQUENCE counts, then the one last modified, then the
/// last. Where neither tells versions apart and they start at different times, they are different events that share a
/// UID by mistake: all but the first get `UID#start` as their external id and no `ical_uid`. An override whose
/// occurrence is in EXDATE is gone. METHOD:CANCEL cancels.
///
/// A series in a zone that only its file knows is stored as dates instead of rules, from two years before the file was
/// written to five years after: nothing else could expand such a rule later.
pub fn resolve<'a>(
    mut calendar: Calendar<'a>,
    zones: &'a dyn Zones,
    default_zone: &str,
) -> Result<Items<'a>, UnknownZone> {
    let places = Places::new(&mut calendar, zones, default_zone).ok_or_else(|| UnknownZone(default_zone.into()))?;
    let cancelled = |head: &super::read::Head| head.method.as_deref() == Some("CANCEL");
    let cancelled: Vec<bool> = calendar.heads.iter().map(cancelled).collect();
    Ok(Items {
        places,
        surroundings: None,
        cancelled,
        file: calendar.file,
        next: 0,
        ready: vec![].into_iter(),
        unlisted: 0,
    })
}

/// Items of a file, each read and made as it is asked for.
pub struct Items<'z> {
    file: File<'z>,
    places: Places<'z>,
    surroundings: Option<Surroundings>,
    /// For each VCALENDAR, whether its METHOD is CANCEL.
    cancelled: Vec<bool>,
    /// The VEVENT whose turn it is.
    next: usize,
    ready: std::vec::IntoIter<Result<Sourced, BadEvent>>,
    unlisted: u32,
}

/// An item, and what tells that it stands in a file as it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced {
    pub item: Item,
    /// `None` for what can't be told apart by its UID, or stands beside something bad.
    pub source: Option<SourceHash>,
    /// Of a calendar with METHOD:CANCEL.
    pub cancels: Option<Cancels>,
}

/// What a cancellation says of what it cancels (RFC 5546, 3.2.5), apart from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancels {
    Dated,
    /// Not when that is: the item's timing means nothing.
    Undated,
}

impl Iterator for Items<'_> {
    type Item = Result<Item, BadEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_unless(|_, _| false).map(|found| found.map(|sourced| sourced.item))
    }
}

impl Items<'_> {
    /// Gives source hashes from now on, and cancellations that do not say when what they cancel is: for whoever knows
    /// that. (Without, such a one is bad.)
    pub fn with_sources(mut self) -> Self {
        self.surroundings = Some(Surroundings::default());
        self
    }

    /// The next item of which `is_known` does not say, by its external id and its source hash, that it need not be
    /// read.
    pub fn next_unless(
        &mut self,
        mut is_known: impl FnMut(&str, &SourceHash) -> bool,
    ) -> Option<Result<Sourced, BadEvent>> {
        loop {
            if let Some(found) = self.ready.next() {
                return Some(found);
            }
            let (first, vevent) = (self.next, self.file.vevents.get(self.next)?);
            self.next += 1;
            if !vevent.first {
                continue;
            }
            let source = self.surroundings.as_mut().and_then(|surroundings| {
                source::hash(&self.file, first, |vevent| {
                    surroundings.of(&self.file, vevent, &self.cancelled, &mut self.places)
                })
            });
            if let (Some(source), Some(uid)) = (&source, self.file.uid(vevent))
                && is_known(&uid, source)
            {
                continue;
            }
            let cancels = self.file.group(first).all(|vevent| self.cancels(vevent.calendar));
            let undated = cancels && self.surroundings.is_some();
            if vevent.next.is_none() {
                match file::event(&self.file.input, vevent, undated, &mut self.places.tzids) {
                    // Nearly all are events of their own.
                    Ok(event) if event.recurrence.is_none() && event.recurrence_id.is_none() => {
                        let cancels = cancels.then_some(if event.undated { Cancels::Undated } else { Cancels::Dated });
                        return Some(self.single(event).map(|item| Sourced { item, source, cancels }));
                    }
                    Ok(event) => {
                        let items = self.join(vec![event], vec![]);
                        self.ready = sourced(items, source, cancels.then_some(Cancels::Dated));
                    }
                    Err(bad) => return Some(Err(bad)),
                }
                continue;
            }
            self.ready = sourced(self.group(first), source, cancels.then_some(Cancels::Dated));
        }
    }

    fn cancels(&self, calendar: u32) -> bool {
        self.cancelled.get(calendar as usize) == Some(&true)
    }
}

/// What comes alone of a UID has its source hash.
fn sourced(
    items: Vec<Result<Item, BadEvent>>,
    source: Option<SourceHash>,
    cancels: Option<Cancels>,
) -> std::vec::IntoIter<Result<Sourced, BadEvent>> {
    let source = source.filter(|_| items.len() == 1);
    let items: Vec<_> = items.into_iter().map(|found| found.map(|item| Sourced { item, source, cancels })).collect();
    items.into_iter()
}

/// Result of resolving one component: its own faults name it.
type Resolved<T> = Result<T, BadEvent>;

impl<'z> Items<'z> {
    /// Items of the VEVENTs that share the UID of the one that stands at `first`.
    fn group(&mut self, first: usize) -> Vec<Resolved<Item>> {
        let (mut events, mut bad) = (vec![], vec![]);
        for vevent in self.file.group(first) {
            match file::event(&self.file.input, vevent, false, &mut self.places.tzids) {
                Ok(event) => events.push(event),
                Err(fault) => bad.push(fault),
            }
        }
        self.join(events, bad)
    }

    /// Items of the good events of one UID, behind the bad ones.
    fn join(&mut self, events: Vec<ParsedEvent>, bad: Vec<BadEvent>) -> Vec<Resolved<Item>> {
        // Good overrides of a bad series are not given: they would replace what is known of it.
        let spoilt = bad.iter().any(|bad| !bad.is_override);
        let mut items: Vec<_> = bad.into_iter().map(Err).collect();
        let (overrides, versions): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| event.recurrence_id.is_some());
        let mut masters = latest(versions).into_iter();
        match masters.next() {
            Some(master) => self.series_or_single(master, overrides, &mut items),
            None => self.orphans(overrides, spoilt, &mut items),
        }
        for other in masters {
            let id = format!("{}#{}", other.id(), written(other.start));
            let first = items.len();
            self.series_or_single(other, vec![], &mut items);
            for item in items[first..].iter_mut().flatten() {
                item.external_id.clone_from(&id);
                match &mut item.body {
                    Body::Single(event) => event.details.ical_uid = None,
                    Body::Series(series) => series.template.details.ical_uid = None,
                    Body::Overrides(_) => {}
                }
            }
        }
        items
    }

    fn single(&mut self, event: ParsedEvent) -> Resolved<Item> {
        let span = Span::new(&event, &mut self.places).map_err(|reason| bad(&event, reason))?;
        let external_id = event.id().to_owned();
        Ok(Item { external_id, body: Body::Single(Box::new(self.event(event, &span))) })
    }

    fn series_or_single(
        &mut self,
        mut master: ParsedEvent,
        overrides: Vec<ParsedEvent>,
        items: &mut Vec<Resolved<Item>>,
    ) {
        let recurrence = master.recurrence.take();
        if recurrence.is_none() && overrides.is_empty() {
            return items.push(self.single(master));
        }
        let span = match Span::new(&master, &mut self.places) {
            Ok(span) => span,
            Err(reason) => return items.push(Err(bad(&master, reason))),
        };
        let mut series = match self.rules(&master, recurrence.map(|it| *it).unwrap_or_default(), &span) {
            Ok(series) => series,
            Err(bad) => return items.push(Err(bad)),
        };
        let external_id = master.id().to_owned();
        series.template = self.event(master, &span);
        let overrides = self.without_stale(overrides, &series, &span);
        for result in self.overrides(overrides, Some(&span)) {
            match result {
                Ok(one) if !one.this_and_future && series.exdates.binary_search(&one.recurrence_id).is_ok() => {}
                Ok(mut one) => {
                    if cancellation::is_bare(&one.event) {
                        cancellation::complete(&mut one, &series);
                    }
                    series.overrides.push(one);
                }
                Err(bad) => items.push(Err(bad)),
            }
        }
        items.push(Ok(Item { external_id, body: Body::Series(Box::new(series)) }));
    }

    /// Takes out overrides that are older than the series (by SEQUENCE), repeat its rules of then, and whose
    /// occurrence it no longer gives: what is left of an earlier version, in files that keep every version.
    fn without_stale(&mut self, overrides: Vec<ParsedEvent>, series: &Series, span: &Span<'z>) -> Vec<ParsedEvent> {
        let mut looked_at = 0;
        let mut is_stale = |event: &ParsedEvent| {
            let older = event.recurrence.is_some() && event.details.sequence < series.template.details.sequence;
            let Some((id, _)) = event.recurrence_id.filter(|_| older && looked_at < MAX_STALE) else { return false };
            looked_at += 1;
            let id = span.occurrence(id, event.calendar, &mut self.places).timestamp();
            let at_once = Window { from: id, to: id };
            Instances::new(series, self.places.zones(), at_once)
                .is_ok_and(|mut given| !given.any(|one| one.is_ok_and(|one| one.recurrence_id.timestamp() == id)))
        };
        overrides.into_iter().filter(|event| !is_stale(event)).collect()
    }

    fn orphans(&mut self, overrides: Vec<ParsedEvent>, spoilt: bool, items: &mut Vec<Resolved<Item>>) {
        let Some(external_id) = overrides.first().map(|first| first.id().to_owned()) else { return };
        let mut good = vec![];
        for result in self.overrides(overrides, None) {
            match result {
                Ok(one) => good.push(one),
                Err(bad) => items.push(Err(bad)),
            }
        }
        if !good.is_empty() && !spoilt {
            items.push(Ok(Item { external_id, body: Body::Overrides(good) }));
        }
    }

    /// The latest version for each RECURRENCE-ID (and RANGE), in their order.
    fn overrides(&mut self, events: Vec<ParsedEvent>, series: Option<&Span<'z>>) -> Vec<Resolved<Override>> {
        let mut results = vec![];
        let mut by_id: Vec<(DateTime<Utc>, bool, Span<'z>, ParsedEvent)> = vec![];
        for event in events {
            let Some((id, this_and_future)) = event.recurrence_id else { continue };
            match Span::new(&event, &mut self.places) {
                Ok(own) => {
                    let id = series.unwrap_or(&own).occurrence(id, event.calendar, &mut self.places);
                    by_id.push((id, this_and_future, own, event));
                }
                Err(reason) => results.push(Err(bad(&event, reason))),
            }
        }
        by_id.sort_by_key(|(id, future, _, event)| (*id, *future, version(event)));
        let mut last = None;
        // From the end: there the latest version comes first.
        for (recurrence_id, this_and_future, own, event) in by_id.into_iter().rev() {
            if last.replace((recurrence_id, this_and_future)) != Some((recurrence_id, this_and_future)) {
                let event = self.event(event, &own);
                let duration = own.duration.filter(|_| this_and_future);
                results.push(Ok(Override { recurrence_id, this_and_future, duration, event }));
            }
        }
        results.reverse();
        results
    }

    fn event(&self, event: ParsedEvent, span: &Span<'_>) -> Event {
        let mut details = event.details;
        if self.cancels(event.calendar) {
            details.event_status = EventStatus::Cancelled;
        }
        details.ical_uid = event.uid;
        Event { timing: span.timing.clone(), details }
    }
}

/// The latest version, and whatever has the same UID by mistake after it.
fn latest(mut versions: Vec<ParsedEvent>) -> Vec<ParsedEvent> {
    if versions.len() < 2 {
        return versions;
    }
    let newest = versions.iter().map(version).max();
    versions.retain(|event| Some(version(event)) == newest);
    // The last of those that start at the same time.
    versions.reverse();
    let mut starts = HashSet::new();
    versions.retain(|event| starts.insert(event.start.value));
    versions.reverse();
    versions
}

/// Orders the versions of one event.
fn version(event: &ParsedEvent) -> (i32, Option<DateTime<Utc>>) {
    (event.details.sequence, event.stamp)
}

fn bad(event: &ParsedEvent, reason: String) -> BadEvent {
    BadEvent { uid: event.uid.clone(), is_override: event.recurrence_id.is_some(), line: event.line, reason }
}

/// A start as it stood in the file.
fn written(time: Time) -> String {
    match time.value {
        Value::Date(date) => date.format("%Y%m%d").to_string(),
        Value::Local(local) => local.format("%Y%m%dT%H%M%S").to_string(),
        Value::Utc(instant) => instant.format("%Y%m%dT%H%M%SZ").to_string(),
    }
}
