//! The events of an answer as items, one after the other.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::answer::{Answer, external_id, series_of};
use super::details::details;
use super::fields::{Field, Fields};
use super::recurrence::{self, Occurrence};
use super::times::written;
use crate::content::ByDigest;
use crate::event::{Body, Event, Item, Series, Timing};
use crate::ics::UnknownZone;
use crate::providers::BadItem;
use crate::providers::outlook::{Clock, Clocks};
use crate::zones::Zones;

/// Occurrences of one series that are compared with its rule; where an answer holds more, they are the series.
const MAX_OCCURRENCES: usize = 5_000;

/// See [`Answer::resolve`].
pub struct Items<'z> {
    answer: Answer,
    /// The entry whose turn it is.
    next: usize,
    clocks: Clocks<'z>,
    /// The entries that are occurrences of a series, by the digest of its identifier.
    occurrences: HashMap<u128, Vec<usize>, ByDigest>,
}

impl Answer {
    /// Its events as items; what was deleted is not among them. Times in a zone that nobody knows are in `default_zone`.
    pub fn resolve<'z>(self, zones: &'z dyn Zones, default_zone: &str) -> Result<Items<'z>, UnknownZone> {
        let clocks = Clocks::new(zones, default_zone).ok_or_else(|| UnknownZone(default_zone.into()))?;
        let mut occurrences: HashMap<u128, Vec<usize>, ByDigest> = HashMap::default();
        for (index, entry) in self.entries.iter().enumerate().filter(|(_, entry)| !entry.deleted) {
            if let Some(series) = entry.series {
                occurrences.entry(series).or_default().push(index);
            }
        }
        Ok(Items { answer: self, next: 0, clocks, occurrences })
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, BadItem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let index = self.next;
            let entry = self.answer.entries.get(index)?.clone();
            self.next += 1;
            if entry.deleted {
                continue;
            }
            let Some(fields) = self.answer.fields(&entry) else {
                return Some(Err(bad(None, format!("event {} is no object", index + 1))));
            };
            let Some(external_id) = external_id(&fields) else {
                return Some(Err(bad(None, format!("event {} has neither id nor iCalUId", index + 1))));
            };
            let occurrences = entry.id.filter(|_| entry.recurs).and_then(|id| self.occurrences.get(&id));
            let occurrences = occurrences.map_or(&[][..], Vec::as_slice);
            match body(&external_id, &fields, &self.answer, occurrences, &mut self.clocks) {
                Ok(Some(body)) => return Some(Ok(Item { external_id, body })),
                Ok(None) => {}
                Err(message) => return Some(Err(bad(Some(external_id), message))),
            }
        }
    }
}

fn bad(external_id: Option<String>, message: String) -> BadItem {
    BadItem { external_id, is_override: false, message }
}

/// `None` for a series of which nothing is left beside its own occurrences.
fn body(
    external_id: &str,
    fields: &Fields,
    answer: &Answer,
    occurrences: &[usize],
    clocks: &mut Clocks,
) -> Result<Option<Body>, String> {
    let series_id = series_of(fields);
    let recurs = series_id.is_none() && recurrence::recurs(fields);
    let (timing, clock) = clocks.timing(fields)?;
    let details = details(fields, series_id.or_else(|| recurs.then(|| external_id.to_owned())));
    let mut template = Event { timing, details };
    if !recurs {
        return Ok(Some(Body::Single(Box::new(template))));
    }
    let rule = recurrence::rule(fields, &template.timing, &clock)?;
    if occurrences.len() > MAX_OCCURRENCES {
        return Ok(None);
    }
    let entries = occurrences.iter().filter_map(|index| answer.entries.get(*index));
    let held: Vec<Occurrence> =
        entries.filter_map(|entry| occurrence(&answer.fields(entry)?, &template, &clock, clocks)).collect();
    let timing = &mut template.timing;
    let Some(rest) = recurrence::beside(timing.start, rule, &clock, &held) else { return Ok(None) };
    if rest.start != timing.start {
        // As long on the clock, too, where that changes in between: the rule keeps the clock's time.
        let end = length(timing).and_then(|length| clock.local(rest.start).checked_add_signed(length));
        timing.end = end.map(|end| clock.instant(end));
        timing.start = rest.start;
    }
    Ok(Some(Body::Series(Box::new(Series {
        template,
        local_start: None,
        duration: None,
        rrules: vec![rest.rule.to_string()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: rest.exdates,
        overrides: vec![],
    }))))
}

/// An event of the answer, as an occurrence of the series of that template.
fn occurrence(fields: &Fields, template: &Event, clock: &Clock, clocks: &mut Clocks) -> Option<Occurrence> {
    let (timing, _) = clocks.timing(fields).ok()?;
    let is_plain = timing.all_day == template.timing.all_day
        && clock.local(timing.start).time() == clock.local(template.timing.start).time()
        && length(&timing) == length(&template.timing)
        && fields.text(Field::Subject).unwrap_or_default() == template.details.title;
    let original_start = written(fields, Field::OriginalStart).map(|at| at.instant.unwrap_or(at.local.and_utc()));
    Some(Occurrence { start: timing.start, original_start, is_plain })
}

fn length(timing: &Timing) -> Option<TimeDelta> {
    timing.end.map(|end| end - timing.start)
}
