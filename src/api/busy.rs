//! Free, busy, and booked twice.

use calendar_sync_core::zones::Zones;
use chrono::TimeDelta;
use pgrx::datum::{Interval, RangeBound, TimestampWithTimeZone};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{JsonB, Range, Uuid};

use super::arguments;
use super::caller::authorize;
use super::events::range;
use crate::errors::{SqlResult, invalid_argument};
use crate::store;
use crate::sync::agenda;
use crate::sync::busy::{self, WorkingHours};
use crate::zones::PgZones;

/// The busy ranges of each user, apart and in order; `calendar_free_busy` makes one multirange a user of them.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn calendar_busy_ranges(
    user_ids: Vec<Option<String>>,
    range_start: TimestampWithTimeZone,
    range_end: TimestampWithTimeZone,
) -> Result<TableIterator<'static, (name!(user_id, String), name!(busy, Range<TimestampWithTimeZone>))>, ErrorReport> {
    let (users, range) = (users(user_ids)?, range(range_start, range_end)?);
    let zone = arguments::time_zone();
    let mut rows = Vec::new();
    store::as_owner(|installation| {
        for user_id in users {
            let ranges = busy::busy(installation, &PgZones, &user_id, range, &zone)?;
            rows.extend(ranges.into_iter().map(|range| (user_id.clone(), pg_range(range))));
        }
        Ok(())
    })?;
    Ok(TableIterator::new(rows))
}

/// When all of them are free.
#[pg_extern(stable, parallel_restricted)]
fn calendar_free_slots(
    user_ids: Option<Vec<Option<String>>>,
    range_start: Option<TimestampWithTimeZone>,
    range_end: Option<TimestampWithTimeZone>,
    duration: Option<Interval>,
    working_hours: default!(Option<JsonB>, "NULL"),
    time_zone: default!(Option<&str>, "'UTC'"),
) -> Result<TableIterator<'static, (name!(slot, Range<TimestampWithTimeZone>),)>, ErrorReport> {
    let (Some(user_ids), Some(from), Some(to), Some(duration)) = (user_ids, range_start, range_end, duration) else {
        return Ok(TableIterator::empty());
    };
    let (users, range) = (users(user_ids)?, range(from, to)?);
    let duration = TimeDelta::microseconds(duration.as_micros().try_into().unwrap_or(i64::MAX));
    if duration <= TimeDelta::zero() {
        return Err(invalid_argument("duration is not positive").set_hint("Ask for at least '1 minute'."));
    }
    let open = match working_hours {
        None => vec![range],
        Some(hours) => {
            let hours = WorkingHours::parse(&hours.0)?;
            let name = time_zone.unwrap_or("UTC");
            let Some(zone) = PgZones.zone(name) else {
                return Err(
                    invalid_argument(format!("time zone \"{name}\" is not known")).set_hint("See pg_timezone_names.")
                );
            };
            hours.within(range, zone)?
        }
    };
    let zone = arguments::time_zone();
    let mut taken = Vec::new();
    store::as_owner(|installation| {
        for user_id in users {
            taken.extend(busy::busy(installation, &PgZones, &user_id, range, &zone)?);
        }
        Ok(())
    })?;
    let slots = busy::free(&open, taken, duration);
    Ok(TableIterator::new(slots.into_iter().map(|slot| (pg_range(slot),))))
}

/// What the user has booked twice.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn calendar_overlaps(
    user_id: &str,
    range_start: TimestampWithTimeZone,
    range_end: TimestampWithTimeZone,
) -> Result<
    TableIterator<
        'static,
        (
            name!(event_id, Option<Uuid>),
            name!(other_event_id, Option<Uuid>),
            name!(overlap, Range<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let range = range(range_start, range_end)?;
    authorize(user_id)?;
    let zone = arguments::time_zone();
    let found = store::as_owner(|installation| busy::overlaps(installation, &PgZones, user_id, range, &zone))?;
    Ok(TableIterator::new(
        found
            .into_iter()
            .map(|found| (found.one.map(arguments::uuid), found.other.map(arguments::uuid), pg_range(found.overlap))),
    ))
}

/// Each user once; all of them must be the caller's to ask about.
fn users(user_ids: Vec<Option<String>>) -> SqlResult<Vec<String>> {
    let mut users: Vec<String> = user_ids.into_iter().flatten().collect();
    users.sort();
    users.dedup();
    users.iter().try_for_each(|user_id| authorize(user_id))?;
    Ok(users)
}

fn pg_range(range: agenda::Range) -> Range<TimestampWithTimeZone> {
    Range::new(store::stamp(range.from), RangeBound::Exclusive(store::stamp(range.to)))
}
