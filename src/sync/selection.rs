//! What a file shows of a series: instances that were deleted or cancelled one by one, and what a filter leaves out.

use std::collections::HashMap;

use calendar_sync_core::event::{Body, Details, Event, Override, Series};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::Zones;
use uuid::Uuid;

use super::agenda::Range;
use super::apply::shown;
use crate::store::deviations::Deviation;
use crate::store::series::Stored;

/// Brings into series what was done to their instances one by one: what was deleted becomes an EXDATE, what was given
/// another status an override.
pub fn deviate(found: &mut [Stored], deviations: Vec<Deviation>) {
    let places: HashMap<Uuid, usize> =
        found.iter().enumerate().map(|(place, stored)| (stored.series_id, place)).collect();
    for Deviation { series_id, recurrence_id, event } in deviations {
        let Some(series) = places.get(&series_id).and_then(|place| found.get_mut(*place)).map(|it| &mut it.series)
        else {
            continue;
        };
        let own = series.overrides.iter_mut().find(|one| one.recurrence_id == recurrence_id && !one.this_and_future);
        match (event, own) {
            (None, _) => {
                exclude(series, |one| one.recurrence_id == recurrence_id && !one.this_and_future);
                if !series.exdates.contains(&recurrence_id) {
                    series.exdates.push(recurrence_id);
                }
            }
            (Some(event), Some(own)) => own.event.details.event_status = event.details.event_status,
            (Some(event), None) => {
                series.overrides.push(Override { recurrence_id, this_and_future: false, event });
            }
        }
    }
}

/// Takes overrides out of a series, and their occurrences with them.
fn exclude(series: &mut Series, mut is_out: impl FnMut(&Override) -> bool) {
    let Series { overrides, exdates, .. } = series;
    overrides.retain(|one| {
        let out = is_out(one);
        if out && !exdates.contains(&one.recurrence_id) {
            exdates.push(one.recurrence_id);
        }
        !out
    });
}

/// What of a series is shown where only some events are: `None` for nothing of it.
///
/// A series that is shown hides those overrides that are not, together with the occurrence that they replace. Of one
/// that is not shown, the overrides that are stand for themselves; so does every instance within the range where a
/// change from some occurrence on makes the difference, which no rule could say.
pub fn select(series: Series, zones: &dyn Zones, range: Range, takes: impl Fn(&Details) -> bool) -> Option<Body> {
    let whole = takes(&series.template.details);
    let changes = series.overrides.iter().filter(|one| one.this_and_future);
    if changes.clone().any(|one| takes(&one.event.details) != whole) {
        return overrides_of(instances(&series, zones, range).filter(|one| takes(&one.event.details)).collect());
    }
    let mut series = series;
    if whole {
        exclude(&mut series, |one| !takes(&one.event.details));
        return Some(Body::Series(Box::new(series)));
    }
    let Series { overrides, exdates, .. } = series;
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
        Override { recurrence_id: instance.recurrence_id, this_and_future: false, event: Event { timing, details } }
    })
}
