//! All-day events of local origin as dates.

use calendar_sync_core::event::Timing;
use calendar_sync_core::zones::{Resolver, Zones};
use chrono::{DateTime, Utc};

const DAY: i64 = 86_400;

/// An interaction without a duration keeps its instant and takes the day around it, in its own zone; elsewhere
/// a day is a date.
pub fn place_day(timing: &mut Timing, zones: &dyn Zones) {
    if !timing.all_day {
        return;
    }
    let Some(zone) = timing.time_zone.take().and_then(|zone| zones.zone(&zone)) else { return };
    let clock = Resolver::new(zone);
    let midnight = |instant: DateTime<Utc>| {
        let day = clock.to_local(instant.timestamp()).div_euclid(DAY) * DAY;
        DateTime::from_timestamp(day, 0).unwrap_or(instant)
    };
    let (start, end) = (midnight(timing.start), timing.end.map(midnight));
    timing.start = start;
    timing.end = end.filter(|end| *end > start);
}
