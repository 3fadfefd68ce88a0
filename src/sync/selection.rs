//! What a file shows of a series: instances that were deleted or cancelled one by one, and what a filter leaves out.

use std::collections::{BTreeSet, HashMap, HashSet};

use calendar_sync_core::event::{Body, Details, Event, EventStatus, Override, Series};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::agenda::Range;
use super::apply::shown;
use crate::store::deviations::Deviation;
use crate::store::series::Stored;

/// Brings into series what was done to their instances one by one: what was deleted becomes an EXDATE, what was given
/// another status an override. The deviations of one series stand together.
pub fn deviate(found: &mut [Stored], deviations: &[Deviation]) {
    let mut series: HashMap<Uuid, &mut Series> =
        found.iter_mut().map(|stored| (stored.series_id, &mut stored.series)).collect();
    for own in deviations.chunk_by(|one, next| one.series_id == next.series_id) {
        if let Some(series) = own.first().and_then(|first| series.get_mut(&first.series_id)) {
            deviate_one(series, own);
        }
    }
}

fn deviate_one(series: &mut Series, deviations: &[Deviation]) {
    let overrides = series.overrides.iter().enumerate();
    let places: HashMap<DateTime<Utc>, usize> =
        overrides.filter(|(_, one)| !one.this_and_future).map(|(place, one)| (one.recurrence_id, place)).collect();
    // What a change from some occurrence on says of all that follow is no deviation of each.
    let mut lasting: Vec<(DateTime<Utc>, EventStatus)> = series
        .overrides
        .iter()
        .filter(|one| one.this_and_future)
        .map(|one| (one.recurrence_id, one.event.details.event_status))
        .collect();
    lasting.sort_unstable_by_key(|(from, _)| *from);
    let follows = |recurrence_id: &DateTime<Utc>, status: EventStatus| {
        let change = lasting.iter().rev().find(|(from, _)| from <= recurrence_id);
        change.is_some_and(|(_, changed)| *changed == status)
    };
    let mut deleted = BTreeSet::new();
    for Deviation { recurrence_id, event, .. } in deviations {
        let own = places.get(recurrence_id).and_then(|place| series.overrides.get_mut(*place));
        match (event, own) {
            (None, _) => {
                deleted.insert(*recurrence_id);
            }
            (Some(event), Some(own)) => own.event.details.event_status = event.details.event_status,
            (Some(event), None) if follows(recurrence_id, event.details.event_status) => {}
            (Some(event), None) => series.overrides.push(Override {
                recurrence_id: *recurrence_id,
                this_and_future: false,
                duration: None,
                event: event.clone(),
            }),
        }
    }
    series.overrides.retain(|one| one.this_and_future || !deleted.contains(&one.recurrence_id));
    leave_out(series, deleted);
}

fn leave_out(series: &mut Series, occurrences: impl IntoIterator<Item = DateTime<Utc>>) {
    let known: HashSet<DateTime<Utc>> = series.exdates.iter().copied().collect();
    series.exdates.extend(occurrences.into_iter().filter(|occurrence| !known.contains(occurrence)));
}

/// What of a series is shown where only some events are: `None` for nothing of it.
///
/// A series that is shown hides those overrides that are not, together with the occurrence that they replace. Of one
/// that is not shown, the overrides that are stand for themselves; so does every instance within the range where a
/// change from some occurrence on makes the difference, which no rule could say.
pub fn select(mut series: Series, zones: &dyn Zones, range: Range, takes: impl Fn(&Details) -> bool) -> Option<Body> {
    let whole = takes(&series.template.details);
    if series.overrides.iter().any(|one| one.this_and_future && takes(&one.event.details) != whole) {
        return overrides_of(instances(&series, zones, range).filter(|one| takes(&one.event.details)).collect());
    }
    let overrides = std::mem::take(&mut series.overrides);
    if whole {
        let (kept, hidden): (Vec<_>, Vec<_>) = overrides.into_iter().partition(|one| takes(&one.event.details));
        series.overrides = kept;
        leave_out(&mut series, hidden.iter().map(|one| one.recurrence_id));
        return Some(Body::Series(Box::new(series)));
    }
    let exdates: HashSet<DateTime<Utc>> = series.exdates.into_iter().collect();
    let overlaps = |event: &Event| {
        let timing = &event.timing;
        timing.start < range.to && timing.end.unwrap_or(timing.start) >= range.from
    };
    let shown =
        |one: &Override| !exdates.contains(&one.recurrence_id) && overlaps(&one.event) && takes(&one.event.details);
    overrides_of(overrides.into_iter().filter(shown).collect())
}

fn overrides_of(overrides: Vec<Override>) -> Option<Body> {
    (!overrides.is_empty()).then_some(Body::Overrides(overrides))
}

/// Every instance of a series within the range, as an override.
fn instances<'a>(series: &'a Series, zones: &'a dyn Zones, range: Range) -> impl Iterator<Item = Override> + 'a {
    let window = Window { from: range.from.timestamp(), to: range.to.timestamp() };
    // A rule that can't be expanded was refused when it came.
    let instances = Instances::new(series, zones, window).into_iter().flatten();
    instances.map_while(Result::ok).map(|instance| {
        let (timing, details, _) = shown(series, &instance);
        let details = Details { ical_uid: series.template.details.ical_uid.clone(), ..details.clone() };
        Override {
            recurrence_id: instance.recurrence_id,
            this_and_future: false,
            duration: None,
            event: Event { timing, details },
        }
    })
}
