//! Occurrences that were changed on one side while the other gave their series another rule.

use calendar_sync_core::event::{Body, Override};
use calendar_sync_core::merge::{Base, Field, Merged};

use crate::sync::given::{is_same_rule, strays};

/// Drops what is said of occurrences that the merged series does not give any more; what nobody had agreed on yet is noted
/// as a conflict. As long as both sides have the old rule nothing is dropped.
pub fn drop(merged: &mut Merged, base: &Base) {
    let (Body::Series(before), Body::Series(there)) = (&base.local, base.remote()) else { return };
    let Body::Series(series) = &merged.body else { return };
    if is_same_rule(series, before) && is_same_rule(series, there) {
        return;
    }
    let strays = strays(series);
    let Body::Series(series) = &mut merged.body else { return };
    series.overrides.retain(|one| !strays.contains(one));
    merged.takes_remote |= !strays.is_empty();
    let is_news = |one: &Override| !before.overrides.contains(one) && !there.overrides.contains(one);
    merged.conflicts.extend(strays.iter().filter(|one| is_news(one)).map(as_field));
}

fn as_field(one: &Override) -> Field {
    Field {
        name: format!("{} occurrence", one.recurrence_id.format("%Y-%m-%dT%H:%M:%SZ")),
        base: serde_json::Value::Null,
        local: serde_json::to_value(one).unwrap_or_default(),
        remote: serde_json::Value::Null,
    }
}
