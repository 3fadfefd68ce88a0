//! What of an item a calendar is told: all of it, or no more than when it takes place.

use calendar_sync_core::busy;
use calendar_sync_core::event::{Body, Details};
use calendar_sync_core::merge::Base;
use uuid::Uuid;

use crate::store::connections::Connection;

/// Whether a calendar is to show no more of an item than when it takes place. What came from there itself is known there.
///
/// `origin`: the connection that it came from; `base`: what both sides last agreed on.
pub fn is_hidden(connection: &Connection, origin: Option<Uuid>, base: Option<&Base>) -> bool {
    let is_known_there = origin == Some(connection.id) && base.is_none_or(|base| !base.only_busy);
    connection.calendar.as_ref().is_some_and(|calendar| calendar.busy_only) && !is_known_there
}

/// Whether what is there is no more than a block in the place of what is here, where nobody knows what was sent.
pub fn is_block(local: &Body, remote: &Body) -> bool {
    let title = |body: &Body| details(body).map(|details| details.title.clone());
    title(remote).as_deref() == Some(busy::TITLE) && title(local).as_deref() != Some(busy::TITLE)
}

/// Whether an item there says as little as a block is sent with.
pub fn is_bare(remote: &Body) -> bool {
    details(remote).is_some_and(|details| details.title == busy::TITLE && !says_more(details))
}

/// Whether what is there is likely a block in the place of what is known, to which somebody has given a title: no more than
/// a title is left, and another one.
pub fn is_titled_block(known: &Body, remote: &Body) -> bool {
    details(known)
        .zip(details(remote))
        .is_some_and(|(known, remote)| says_more(known) && !says_more(remote) && known.title != remote.title)
}

fn says_more(details: &Details) -> bool {
    details.description.is_some() || details.location.is_some() || !details.attendees.is_empty()
}

fn details(body: &Body) -> Option<&Details> {
    match body {
        Body::Single(event) => Some(&event.details),
        Body::Series(series) => Some(&series.template.details),
        Body::Overrides(_) => None,
    }
}
