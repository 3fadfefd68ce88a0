//! The instances of a series: its dates with the overrides applied.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::rc::Rc;

use chrono::{DateTime, Utc};

use super::civil::{DAY, FIRST_SECOND, LAST_SECOND};
use super::error::RecurrenceError;
use super::occurrences::Window;
use super::set::{Originals, Recurrence, zone_of};
use crate::event::{Duration, Override, Series, Timing};
use crate::zones::{Resolver, Zone, Zones};

/// One instance of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Its original start, which names it (RECURRENCE-ID); 00:00 UTC of its date in an all-day series.
    pub recurrence_id: DateTime<Utc>,
    pub start: DateTime<Utc>,
    /// Exclusive; `None` if the series' events have no length.
    pub end: Option<DateTime<Utc>>,
    /// Index into `Series::overrides` of the override that its details come from.
    pub override_index: Option<usize>,
}

/// The instances of a series that overlap a window, ordered by start, computed as they are asked for.
///
/// DTSTART is the first instance even if the rule does not give it. An override takes its occurrence's place, wherever
/// it is moved to, unless that occurrence is an EXDATE; one whose occurrence the rules do not give is there, too. From
/// an override with RANGE=THISANDFUTURE on, instances are moved by as much, on the wall clock, and are as long as it is.
/// Cancelled overrides are given like others.
///
/// Instances are as long as the template in time that passes, whatever clocks do meanwhile, or as the series' DURATION
/// says (RFC 5545, 3.8.5.3). But where clocks change during the template itself its length on the clock is meant: of one
/// from 1:30 to 2:30 over a change back, only the instance at its own start takes two hours, the others one.
pub struct Instances<'z> {
    window: Window,
    parts: Vec<Part<'z>>,
    /// The next instance of each part that has one, with the part's index: the first is on top.
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Parts whose next instance is not looked for yet.
    not_looked_at: Vec<usize>,
    /// Instances that stand for themselves, by start, and the next of them.
    singles: Vec<Instance>,
    next_single: usize,
    /// Original starts that `singles` replace, ascending.
    replaced: Vec<i64>,
    finished: bool,
}

/// An instance's start, its original start and the index of its part.
type Waiting = (DateTime<Utc>, DateTime<Utc>, usize);

impl<'z> Instances<'z> {
    /// Both ends of the window are instants in seconds UTC; an instance overlaps it that starts in it (ends included)
    /// or before it and ends after its start.
    ///
    /// # Errors
    /// [`RecurrenceError`] for a rule that is not valid, a zone that is not known, a search that is given up.
    pub fn new(series: &Series, zones: &'z dyn Zones, window: Window) -> Result<Self, RecurrenceError> {
        let recurrence = Rc::new(Recurrence::new(series)?);
        let window = Window { from: window.from.max(FIRST_SECOND), to: window.to.min(LAST_SECOND + DAY) };
        let singles = singles(series, &recurrence);
        let replaced = singles.keys().copied().collect();
        let mut singles: Vec<Instance> = singles.into_values().filter(|instance| overlaps(instance, window)).collect();
        singles.sort_by_key(|instance| (instance.start, instance.recurrence_id));
        let parts = parts(series, &recurrence, zones, window)?;
        Ok(Self {
            window,
            not_looked_at: (0..parts.len()).collect(),
            parts,
            waiting: BinaryHeap::new(),
            singles,
            next_single: 0,
            replaced,
            finished: false,
        })
    }

    fn find(&mut self) -> Result<Option<Instance>, RecurrenceError> {
        for index in std::mem::take(&mut self.not_looked_at) {
            if let Some(next) = self.parts[index].peek(self.window, &self.replaced)? {
                self.waiting.push(Reverse((next.start, next.recurrence_id, index)));
            }
        }
        let single = self.singles.get(self.next_single).copied();
        if let Some(&Reverse((start, recurrence_id, index))) = self.waiting.peek()
            && single.is_none_or(|single| (start, recurrence_id) < (single.start, single.recurrence_id))
        {
            self.waiting.pop();
            self.not_looked_at.push(index);
            return Ok(self.parts[index].next.take());
        }
        self.next_single += 1;
        Ok(single)
    }
}

impl Iterator for Instances<'_> {
    type Item = Result<Instance, RecurrenceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let found = self.find().transpose();
        self.finished = !matches!(found, Some(Ok(_)));
        found
    }
}

fn overlaps(instance: &Instance, window: Window) -> bool {
    let start = instance.start.timestamp();
    start <= window.to && (start >= window.from || instance.end.is_some_and(|end| end.timestamp() > window.from))
}

fn seconds(timing: &Timing) -> Option<i64> {
    timing.end.map(|end| (end - timing.start).num_seconds().max(0))
}

/// How long the instances of a series are that is timed like that, and starts at `local_start` if the clock never shows
/// that time: by the clocks of its zone, which may change between its start and its end. As time passes where clocks show
/// no length at all.
fn length<Z: Zone>(timing: &Timing, local_start: Option<i64>, clock: &Resolver<Z>) -> Option<Duration> {
    let exact = seconds(timing)?;
    let start = timing.start.timestamp();
    let shown = clock.to_local(start + exact) - local_start.unwrap_or_else(|| clock.to_local(start));
    Some(Duration { days: 0, seconds: if shown > 0 { shown } else { exact } })
}

/// Overrides as instances, by their original start. Of several for one occurrence, one for it alone goes before one
/// for its future, too, and then the highest SEQUENCE and the last.
fn singles(series: &Series, recurrence: &Recurrence) -> BTreeMap<i64, Instance> {
    let mut order: Vec<(usize, &Override)> = series.overrides.iter().enumerate().collect();
    order.sort_by_key(|(_, o)| (!o.this_and_future, o.event.details.sequence));
    let mut singles = BTreeMap::new();
    for (index, replacement) in order {
        let id = replacement.recurrence_id;
        if recurrence.is_excluded(id.timestamp()) {
            continue;
        }
        let timing = &replacement.event.timing;
        let instance =
            Instance { recurrence_id: id, start: timing.start, end: timing.end, override_index: Some(index) };
        singles.insert(id.timestamp(), instance);
    }
    singles
}

/// A stretch of original starts that are all moved alike.
struct Part<'z> {
    originals: Originals<'z>,
    shift: Option<Shift<'z>>,
    /// `None` for events without a length.
    length: Option<Duration>,
    /// Where days are counted.
    clock: Resolver<Box<dyn Zone + 'z>>,
    /// Lengths of RDATEs that are PERIODs and of the template itself, by start; only where nothing is moved.
    own_lengths: HashMap<i64, i64>,
    override_index: Option<usize>,
    next: Option<Instance>,
}

struct Shift<'z> {
    from: Resolver<Box<dyn Zone + 'z>>,
    to: Resolver<Box<dyn Zone + 'z>>,
    /// On the wall clock.
    seconds: i64,
}

impl Part<'_> {
    fn peek(&mut self, window: Window, replaced: &[i64]) -> Result<Option<Instance>, RecurrenceError> {
        while self.next.is_none() {
            let Some(original) = self.originals.next()? else { return Ok(None) };
            if replaced.binary_search(&original).is_ok() {
                continue;
            }
            let start = match &mut self.shift {
                None => original,
                Some(shift) => shift.to.resolve(shift.from.to_local(original) + shift.seconds).instant,
            };
            let end = self.end(original, start);
            let instant = |seconds| DateTime::from_timestamp(seconds, 0);
            let (Some(recurrence_id), Some(at)) = (instant(original), instant(start)) else { continue };
            let end = end.and_then(instant);
            let instance = Instance { recurrence_id, start: at, end, override_index: self.override_index };
            if overlaps(&instance, window) {
                self.next = Some(instance);
            }
        }
        Ok(self.next)
    }

    fn end(&mut self, original: i64, start: i64) -> Option<i64> {
        if let Some(own) = self.own_lengths.get(&original) {
            return Some(start + own);
        }
        let Duration { days, seconds } = self.length?;
        let start = match days {
            0 => start,
            days => self.clock.resolve(self.clock.to_local(start).saturating_add(days.saturating_mul(DAY))).instant,
        };
        Some(start.saturating_add(seconds))
    }
}

/// Times that a series' rules are expanded: once, and again from each override for the future on.
const MAX_EXPANSIONS: usize = 100_000;

/// The stretches between the overrides for the future whose instances may overlap the window.
fn parts<'z>(
    series: &Series,
    recurrence: &Rc<Recurrence>,
    zones: &'z dyn Zones,
    window: Window,
) -> Result<Vec<Part<'z>>, RecurrenceError> {
    let mut futures: Vec<(usize, &Override)> =
        series.overrides.iter().enumerate().filter(|(_, o)| o.this_and_future).collect();
    futures.sort_by_key(|(_, o)| (o.recurrence_id, o.event.details.sequence));
    if futures.len().saturating_mul(1 + recurrence.rules()) > MAX_EXPANSIONS {
        return Err(RecurrenceError::LimitExceeded);
    }
    let first = (i64::MIN, None);
    let bounds: Vec<(i64, Option<(usize, &Override)>)> =
        [first].into_iter().chain(futures.into_iter().map(|f| (f.1.recurrence_id.timestamp(), Some(f)))).collect();
    let mut parts = Vec::new();
    for (index, &(begin, future)) in bounds.iter().enumerate() {
        let until = bounds.get(index + 1).map_or(i64::MAX, |next| next.0 - 1);
        let own = Window { from: begin, to: until };
        parts.extend(part(series, recurrence, zones, window, own, future)?);
    }
    Ok(parts)
}

fn part<'z>(
    series: &Series,
    recurrence: &Rc<Recurrence>,
    zones: &'z dyn Zones,
    window: Window,
    own: Window,
    future: Option<(usize, &Override)>,
) -> Result<Option<Part<'z>>, RecurrenceError> {
    let timing = future.map_or(&series.template.timing, |(_, o)| &o.event.timing);
    let shift = future.map(|(_, o)| shift(series, recurrence, zones, o)).transpose()?;
    let clock = Resolver::new(zone_of(zones, timing.time_zone.as_deref().filter(|_| !timing.all_day))?);
    let length = match future {
        None => series.duration.or_else(|| length(timing, recurrence.local_start(), &clock)),
        Some((_, future)) => future.duration.or_else(|| length(timing, None, &clock)),
    };
    let own_lengths: HashMap<i64, i64> = match future {
        None => {
            let template = seconds(timing).map(|seconds| (timing.start.timestamp(), seconds));
            let periods = series.rdate_ends.iter().map(|(s, e)| (s.timestamp(), (*e - *s).num_seconds().max(0)));
            template.into_iter().chain(periods).collect()
        }
        Some(_) => HashMap::new(),
    };
    // Clocks may differ between two times by less than two days.
    const SLACK: i64 = 2 * DAY;
    let longest =
        length.map_or(0, |length| length.seconds + length.days * DAY + if length.days > 0 { SLACK } else { 0 });
    let longest_own = own_lengths.values().copied().max().unwrap_or(0).max(longest);
    let (moved, slack) = shift.as_ref().map_or((0, 0), |shift| (shift.seconds, SLACK));
    let from =
        |length: i64| own.from.max(window.from.saturating_sub(length).saturating_sub(moved).saturating_sub(slack));
    let reach = Window { from: from(longest), to: own.to.min(window.to.saturating_sub(moved).saturating_add(slack)) };
    // One PERIOD of a century is no reason to walk through a century of the rule.
    let dates_from = from(longest_own);
    if dates_from > reach.to {
        return Ok(None);
    }
    let originals = recurrence.within(zones, reach, dates_from)?;
    let override_index = future.map(|(index, _)| index);
    Ok(Some(Part { originals, shift, length, clock, own_lengths, override_index, next: None }))
}

/// How far an override for the future moves what comes after it.
fn shift<'z>(
    series: &Series,
    recurrence: &Recurrence,
    zones: &'z dyn Zones,
    future: &Override,
) -> Result<Shift<'z>, RecurrenceError> {
    let timing = &future.event.timing;
    let from = Resolver::new(recurrence.zone(zones)?);
    let zone = match (timing.all_day, &timing.time_zone) {
        (true, _) => None,
        (false, Some(name)) => Some(name.as_str()),
        // An instant without a zone stays on the series' clock.
        (false, None) => series.template.timing.time_zone.as_deref(),
    };
    let to = Resolver::new(zone_of(zones, zone)?);
    let mut seconds = to.to_local(timing.start.timestamp()) - from.to_local(future.recurrence_id.timestamp());
    if timing.all_day {
        // Dates move by whole days.
        let time = from.to_local(series.template.timing.start.timestamp()).rem_euclid(DAY);
        seconds = (seconds + time).div_euclid(DAY) * DAY - time;
    }
    Ok(Shift { from, to, seconds })
}
