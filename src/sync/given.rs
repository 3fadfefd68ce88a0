//! Which occurrences a series gives.

use calendar_sync_core::event::Series;
use calendar_sync_core::recurrence::{Instances, Window};
use chrono::{DateTime, Utc};

use crate::zones::PgZones;

/// Whether the rules of a series give an occurrence.
pub fn gives(series: &Series, recurrence_id: DateTime<Utc>) -> bool {
    let plain = Series { overrides: Vec::new(), ..series.clone() };
    let at = recurrence_id.timestamp();
    let Ok(mut instances) = Instances::new(&plain, &PgZones, Window { from: at, to: at }) else { return true };
    instances.any(|instance| instance.is_ok_and(|instance| instance.recurrence_id == recurrence_id))
}
