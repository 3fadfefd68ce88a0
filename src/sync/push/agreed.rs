//! What both sides agree on once something was sent.

use std::collections::HashSet;

use calendar_sync_core::event::{Body, Override, Series};
use calendar_sync_core::merge::{Base, Occurrence};
use chrono::{DateTime, Utc};

use crate::providers::account::Remote;
use crate::sync::given::is_same_rule;

/// Leaves out what somebody has made there of occurrences of a series that was only now to be made: an earlier try had made
/// it, and nobody here knows of that. Returns whether there was anything.
pub fn leave_news(remote: &mut Remote, sent: &Body) -> bool {
    let (Body::Series(there), Body::Series(sent)) = (&mut remote.item.body, sent) else { return false };
    let dates = |series: &Series| -> HashSet<DateTime<Utc>> {
        series.overrides.iter().map(|one| one.recurrence_id).chain(series.exdates.iter().copied()).collect()
    };
    let sent = dates(sent);
    let is_news = dates(there).iter().any(|date| !sent.contains(date));
    there.overrides.retain(|one| sent.contains(&one.recurrence_id));
    there.exdates.retain(|date| sent.contains(date));
    remote.instances.retain(|one| sent.contains(&one.recurrence_id));
    is_news
}

/// What both sides have come to. A provider that does not say what it holds is believed to hold what it was given.
pub fn agreed_on(local: Body, remote: Option<Remote>, before: Option<&Base>) -> Base {
    let mut occurrences = before.map(|base| base.occurrences.clone()).unwrap_or_default();
    let there = match remote {
        None => local.clone(),
        Some(remote) => {
            for instance in remote.instances {
                occurrences.retain(|known| known.recurrence_id != instance.recurrence_id);
                let (recurrence_id, external_id, etag) = (instance.recurrence_id, instance.external_id, instance.etag);
                occurrences.push(Occurrence { recurrence_id, external_id, etag });
            }
            match (remote.item.body, &local) {
                (Body::Series(there), Body::Series(here)) => {
                    Body::Series(Box::new(with_overrides(*there, here, before)))
                }
                (body @ Body::Single(_), Body::Single(_)) => body,
                _ => local.clone(),
            }
        }
    };
    let mut agreed = Base::new(local, there).with_occurrences(occurrences);
    agreed.forget_ruled();
    agreed
}

/// A series with those of its overrides that its provider did not tell of: as they were there, or else are here. What
/// stands for itself only there still does, as long as the rule is the same.
fn with_overrides(mut there: Series, here: &Series, before: Option<&Base>) -> Series {
    let (known, still_stands) = match before.map(|base| (base, base.remote())) {
        Some((base, Body::Series(known))) => (known.overrides.as_slice(), !base.unheard && is_same_rule(known, &there)),
        _ => (&[][..], false),
    };
    let is_here = |one: &Override| here.overrides.iter().any(|other| other.recurrence_id == one.recurrence_id);
    let as_known = known.iter().filter(|one| still_stands || is_here(one));
    for one in as_known.chain(&here.overrides) {
        let is_told = there.overrides.iter().any(|other| other.recurrence_id == one.recurrence_id)
            || there.exdates.contains(&one.recurrence_id);
        if !is_told {
            there.overrides.push(one.clone());
        }
    }
    there
}
