//! Free, busy, and booked twice.

use calendar_sync_core::zones::Zones;
use chrono::TimeDelta;
use pgrx::datum::{Interval, RangeBound, TimestampWithTimeZone};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{Range, Uuid};

use super::arguments::{self, given};
use super::caller::Caller;
use super::events::of_range;
use super::json::Json;
use crate::errors::{SqlResult, invalid_argument};
use crate::store;
use crate::sync::agenda;
use crate::sync::busy::{self, WorkingHours};
use crate::zones::PgZones;

/// The busy ranges of each user, apart and in order, NULL for one who has none; `calendar_free_busy` makes one
/// multirange a user of them.
#[pg_extern(stable, parallel_restricted)]
fn calendar_busy_ranges(
    user_ids: Option<Vec<Option<String>>>,
    range_start: Option<TimestampWithTimeZone>,
    range_end: Option<TimestampWithTimeZone>,
) -> Result<
    TableIterator<'static, (name!(user_id, String), name!(busy, Option<Range<TimestampWithTimeZone>>))>,
    ErrorReport,
> {
    let (users, range) = (users(user_ids)?, arguments::range(range_start, range_end)?);
    let mut rows = Vec::new();
    each_busy(users, range, |user_id, ranges| {
        if ranges.is_empty() {
            rows.push((user_id, None));
        } else {
            rows.extend(ranges.into_iter().map(|range| (user_id.clone(), Some(pg_range(range)))));
        }
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
    working_hours: default!(Option<Json>, "NULL"),
    time_zone: default!(Option<&str>, "'UTC'"),
) -> Result<TableIterator<'static, (name!(slot, Range<TimestampWithTimeZone>),)>, ErrorReport> {
    let (users, range) = (users(user_ids)?, arguments::range(range_start, range_end)?);
    let duration = length(given("duration", duration)?)?;
    let name = time_zone.unwrap_or("UTC");
    let Some(zone) = PgZones.zone(name) else {
        return Err(invalid_argument(format!("time zone \"{name}\" is not known")).set_hint("See pg_timezone_names."));
    };
    let open = match working_hours {
        None => vec![range],
        Some(hours) => WorkingHours::parse(&hours.read("working_hours")?)?.within(range, zone)?,
    };
    let mut taken = Vec::new();
    each_busy(users, range, |_, ranges| taken.extend(ranges))?;
    let slots = busy::free(&open, taken, duration);
    Ok(TableIterator::new(slots.into_iter().map(|slot| (pg_range(slot),))))
}

/// A duration as time passes: a day is 24 hours, a month 30 days.
fn length(duration: Interval) -> SqlResult<TimeDelta> {
    let micros = duration.as_micros();
    if micros <= 0 {
        return Err(invalid_argument("duration is not positive").set_hint("Ask for at least '1 minute'."));
    }
    Ok(TimeDelta::microseconds(i64::try_from(micros).unwrap_or(i64::MAX)))
}

/// What the user has booked twice.
#[pg_extern(stable, parallel_restricted)]
fn calendar_overlaps(
    user_id: Option<&str>,
    range_start: Option<TimestampWithTimeZone>,
    range_end: Option<TimestampWithTimeZone>,
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
    let found = of_range(user_id, range_start, range_end, busy::overlaps)?;
    Ok(TableIterator::new(
        found
            .into_iter()
            .map(|found| (found.one.map(arguments::uuid), found.other.map(arguments::uuid), pg_range(found.overlap))),
    ))
}

/// Hands out when each user is busy.
fn each_busy(
    users: Vec<String>,
    range: agenda::Range,
    mut take: impl FnMut(String, Vec<agenda::Range>),
) -> SqlResult<()> {
    let zone = arguments::time_zone();
    store::reading(|installation| {
        for user_id in users {
            let ranges = busy::busy(installation, &PgZones, &user_id, range, &zone)?;
            take(user_id, ranges);
        }
        Ok(())
    })
}

/// Each user once, without NULLs; all of them must be the caller's to ask about.
fn users(user_ids: Option<Vec<Option<String>>>) -> SqlResult<Vec<String>> {
    let mut users: Vec<String> = given("user_ids", user_ids)?.into_iter().flatten().collect();
    users.sort();
    users.dedup();
    let caller = Caller::current()?;
    users.iter().try_for_each(|user_id| caller.authorize(user_id))?;
    Ok(users)
}

fn pg_range(range: agenda::Range) -> Range<TimestampWithTimeZone> {
    Range::new(store::stamp(range.from), RangeBound::Exclusive(store::stamp(range.to)))
}
