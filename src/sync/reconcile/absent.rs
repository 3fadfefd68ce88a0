//! What a complete listing does not hold.

use std::collections::HashSet;

use calendar_sync_core::event::Body;
use chrono::{DateTime, Utc};

use super::Run;
use super::incoming::Incoming;
use crate::errors::SqlResult;
use crate::providers::account::Changes;
use crate::store::expected;
use crate::store::links::{self, Link};

/// Links of what is not listed although it is not over, and was asked for.
pub fn find(run: &Run, changes: &Changes, incoming: &[Incoming]) -> SqlResult<Vec<Link>> {
    let mut seen: HashSet<String> = HashSet::with_capacity(incoming.len());
    for one in incoming {
        seen.insert(one.key());
        seen.extend(one.occurrences.iter().map(|named| links::key(&named.external_id)));
    }
    seen.extend(run.unread.keys().chain(&run.spoilt).map(|id| links::key(id)));
    let mut absent: Vec<String> = Vec::new();
    expected::identifiers(run.installation, run.connection.id, changes.window, run.now, |key| {
        if !seen.contains(&key) {
            absent.push(key);
        }
    })?;
    let keys: Vec<&str> = absent.iter().map(String::as_str).collect();
    let mut found = links::by_external_id(run.installation, run.connection.id, &keys)?;
    // Here it may have been moved into the window since.
    found.retain(|link| changes.window.is_none_or(|window| was_asked_for(link, window)));
    Ok(found)
}

fn was_asked_for(link: &Link, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> bool {
    match link.base.as_ref().map(|base| base.remote()) {
        Some(Body::Single(event)) => event.timing.start >= from && event.timing.start < to,
        _ => true,
    }
}
