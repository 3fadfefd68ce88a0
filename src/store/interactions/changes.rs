//! How an event differs from what its interaction says.

use pgrx::IntoDatum;

use super::super::found::Found;
use super::super::raw::{Value, kept_text};
use super::{Event, RelatedTable, event, instant};

/// What a sync would write to the found event: (column, value), a change of status first. `event`: `None` where there is
/// nothing to show any more.
pub fn changes(found: Found, table: &RelatedTable, event: Option<&Event>, cancelled: bool) -> Vec<(usize, Value)> {
    let mut changes: Vec<_> = status_change(found, cancelled).into_iter().collect();
    if let Some(event) = event {
        field_changes(found, table, event, &mut changes);
    }
    changes
}

/// An archived interaction's event is cancelled, and scheduled again after; what an application has set otherwise
/// (completed, tentative) stays.
fn status_change(found: Found, cancelled: bool) -> Option<(usize, Value)> {
    let is_cancelled = found.is(event::EVENT_STATUS, Some(kept_text("cancelled")));
    (is_cancelled != cancelled)
        .then(|| (event::EVENT_STATUS, Some(kept_text(if cancelled { "cancelled" } else { "scheduled" }))))
}

fn field_changes(found: Found, table: &RelatedTable, event: &Event, changes: &mut Vec<(usize, Value)>) {
    let (all_day, show_as) = shown(event);
    let mut wanted = vec![
        (event::USER_ID, Some(event.user_id)),
        (event::TITLE, event.title),
        (event::DESCRIPTION, event.description),
        (event::LOCATION, event.location),
        (event::EVENT_TYPE, event.event_type),
        (event::METADATA, event.metadata),
        (event::EVENT_DATE, instant(event.event_date)),
        (event::EVENT_END, event.event_end.and_then(instant)),
        (event::TIME_ZONE, Some(table.time_zone)),
    ];
    if !event.keeps_participants {
        wanted.push((event::PARTICIPANTS, event.participants));
    }
    // An application may say otherwise how it counts; only a length that comes or goes speaks against that.
    if !found.is(event::ALL_DAY, all_day.into_datum()) {
        wanted.push((event::ALL_DAY, all_day.into_datum()));
        wanted.push((event::SHOW_AS, Some(kept_text(show_as))));
    }
    changes.extend(wanted.into_iter().filter(|(column, value)| !found.is(*column, *value)));
}

/// All-day and how it counts: an interaction of unknown length does not block the day.
pub const fn shown(event: &Event) -> (bool, &'static str) {
    match event.event_end {
        Some(_) => (false, "busy"),
        None => (true, "free"),
    }
}
