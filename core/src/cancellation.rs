//! Cancellations that name what they cancel and say no more of it (METHOD:CANCEL; RFC 5546, 3.2.5): the rest stays as it
//! is known.

use crate::event::{Body, Details, Event, EventStatus, Override, Series};

/// Whether an event says no more than that it is cancelled.
pub fn is_bare(event: &Event) -> bool {
    event.details.event_status == EventStatus::Cancelled && event.details.title.is_empty()
}

/// What is known, cancelled by an event with those details; a series with all its occurrences. As it is if the
/// cancellation is of an earlier version (RFC 5546, 2.1.5).
pub fn of_body(known: Body, by: &Details) -> Body {
    let cancel = |details: &mut Details| {
        details.event_status = EventStatus::Cancelled;
        details.sequence = details.sequence.max(by.sequence);
        details.last_updated = by.last_updated.or(details.last_updated);
    };
    match known {
        Body::Single(mut event) if !is_outdated(by, &event.details) => {
            cancel(&mut event.details);
            Body::Single(event)
        }
        Body::Series(mut series) if !is_outdated(by, &series.template.details) => {
            let overrides = series.overrides.iter_mut().map(|one| &mut one.event);
            overrides.chain([&mut series.template]).for_each(|event| cancel(&mut event.details));
            Body::Series(series)
        }
        known => known,
    }
}

/// A SEQUENCE that is missing tells nothing.
fn is_outdated(by: &Details, known: &Details) -> bool {
    by.sequence > 0 && by.sequence < known.sequence
}

/// Whether a cancellation of one occurrence is of an earlier version than what is known of that.
pub fn is_of_earlier_version(one: &Override, series: &Series) -> bool {
    is_outdated(&one.event.details, &known_of(one, series).details)
}

/// Gives a cancellation of one occurrence what the series says of that.
pub fn complete(one: &mut Override, series: &Series) {
    let event = known_of(one, series);
    let own = &mut one.event;
    if own.timing.end.is_none() {
        let length = event.timing.end.map(|end| end - event.timing.start);
        own.timing.end = length.and_then(|length| own.timing.start.checked_add_signed(length));
    }
    own.details = Details {
        event_status: EventStatus::Cancelled,
        sequence: own.details.sequence,
        last_updated: own.details.last_updated,
        ..event.details.clone()
    };
}

fn known_of<'a>(one: &Override, series: &'a Series) -> &'a Event {
    let known =
        series.overrides.iter().find(|known| known.recurrence_id == one.recurrence_id && !known.this_and_future);
    known.map_or(&series.template, |known| &known.event)
}
