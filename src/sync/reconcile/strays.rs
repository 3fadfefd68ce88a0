//! Occurrences that were changed, or taken out, on one side while the other gave their series another rule.

use calendar_sync_core::event::{Body, Override};
use calendar_sync_core::merge::{Base, Field, Merged};

use crate::sync::given::{is_same_rule, stray_exdates, strays};

/// Drops what is said of occurrences that the merged series does not give any more; what nobody had agreed on yet is noted
/// as a conflict. As long as both sides have the old rule nothing is dropped.
pub fn drop(merged: &mut Merged, base: &Base) {
    if !has_another_rule(&merged.body, base) {
        return;
    }
    let (strays, exdates) = forget(&mut merged.body);
    merged.takes_remote |= !strays.is_empty() || exdates > 0;
    let (Body::Series(before), Body::Series(there)) = (&base.local, base.remote()) else { return };
    let is_news = |one: &Override| !before.overrides.contains(one) && !there.overrides.contains(one);
    merged.conflicts.extend(strays.iter().filter(|one| is_news(one)).map(as_field));
}

/// The same for what is agreed on here: what is left out of both is no difference that is still to be sent.
pub fn drop_agreed(agreed: Base, before: &Base) -> Base {
    if !has_another_rule(&agreed.local, before) {
        return agreed;
    }
    let (mut local, there) = (agreed.local.clone(), agreed.remote().clone());
    forget(&mut local);
    Base::new(local, there).with_occurrences(agreed.occurrences).with_visibility(agreed.only_busy)
}

/// What was there of occurrences that the rule did not give says nothing: once another rule gives them it is news.
pub fn forget_there(base: &Base, there: &Body) -> Base {
    let mut before = base.remote().clone();
    match (&before, there) {
        (Body::Series(one), Body::Series(other)) if !is_same_rule(one, other) => forget(&mut before),
        _ => return base.clone(),
    };
    let known = Base::new(base.local.clone(), before).with_occurrences(base.occurrences.clone());
    known.with_visibility(base.only_busy)
}

fn has_another_rule(body: &Body, base: &Base) -> bool {
    match (body, &base.local, base.remote()) {
        (Body::Series(series), Body::Series(before), Body::Series(there)) => {
            !(is_same_rule(series, before) && is_same_rule(series, there))
        }
        _ => false,
    }
}

/// The overrides that went, and how many exclusions.
fn forget(body: &mut Body) -> (Vec<Override>, usize) {
    let Body::Series(series) = body else { return (Vec::new(), 0) };
    let (strays, exdates) = (strays(series), stray_exdates(series));
    series.overrides.retain(|one| !strays.contains(one));
    series.exdates.retain(|date| !exdates.contains(date));
    (strays, exdates.len())
}

fn as_field(one: &Override) -> Field {
    Field {
        name: format!("{} occurrence", one.recurrence_id.format("%Y-%m-%dT%H:%M:%SZ")),
        base: serde_json::Value::Null,
        local: serde_json::to_value(one).unwrap_or_default(),
        remote: serde_json::Value::Null,
    }
}
