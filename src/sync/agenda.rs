//! A user's agenda: stored events, and instances of series beyond the window in which they are stored.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use calendar_sync_core::event::{EventStatus, ShowAs};
use calendar_sync_core::recurrence::{Instances, Window};
use calendar_sync_core::zones::{Resolver, Zone, Zones};
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::{PgSqlErrorCode, check_for_interrupts};
use uuid::Uuid;

use super::apply::shown;
use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::agenda::{self, Entry, SLACK};
use crate::store::{Installation, series};

/// Instances that are computed for one agenda.
const MOST_COMPUTED: usize = 100_000;

/// A window in time, the end exclusive.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Everything of the user's that overlaps the range, ordered by start; one entry for a meeting that is seen through two
/// connections, a writable one's first. Dates are placed in `zone`.
///
/// # Errors
/// 22023 for a zone that is not known; 54000 where more than 100,000 instances would have to be computed.
pub fn agenda(
    installation: &Installation,
    zones: &dyn Zones,
    user_id: &str,
    range: Range,
    zone: &str,
) -> SqlResult<Vec<Entry>> {
    let Some(clock) = zones.zone(zone) else {
        return Err(invalid_argument(format!("time zone \"{zone}\" is not known"))
            .set_hint("Set calendar_sync.time_zone to one of pg_timezone_names."));
    };
    let writable = agenda::writable_connections(installation, user_id)?;
    let mut entries = agenda::overlapping(installation, user_id, range.from, range.to, zone, &writable)?;
    let beyond = series::beyond(installation, user_id, widened(range).from, widened(range).to)?;
    compute(&beyond, zones, range, &writable, &mut Resolver::new(clock), &mut entries)?;
    let mut entries = without_copies(entries);
    entries.sort_by(|one, other| {
        (one.starts_at, &one.title, one.event_id).cmp(&(other.starts_at, &other.title, other.event_id))
    });
    Ok(entries)
}

/// With room for dates, which lie elsewhere than their instants say.
fn widened(range: Range) -> Range {
    Range {
        from: range.from.checked_sub_signed(SLACK).unwrap_or(range.from),
        to: range.to.checked_add_signed(SLACK).unwrap_or(range.to),
    }
}

/// Adds instances that are not stored. (One that started before the stored window may be: it reached into it.)
fn compute<Z: Zone>(
    found: &[series::Stored],
    zones: &dyn Zones,
    range: Range,
    writable: &[Uuid],
    clock: &mut Resolver<Z>,
    entries: &mut Vec<Entry>,
) -> SqlResult<()> {
    if found.is_empty() {
        return Ok(());
    }
    let wide = widened(range);
    let as_stored: HashSet<_> = entries.iter().map(|entry| (entry.series_id, entry.recurrence_id)).collect();
    let mut computed = 0;
    for stored in found {
        let is_writable = stored.connection_id.is_some_and(|id| writable.contains(&id));
        let (before, after) = (stored.expansion.from, stored.expansion.until);
        for (part, is_before) in [
            (Range { from: wide.from, to: wide.to.min(before) }, true),
            (Range { from: wide.from.max(after), to: wide.to }, false),
        ] {
            if part.from >= part.to {
                continue;
            }
            let window = Window { from: part.from.timestamp(), to: part.to.timestamp() };
            // A rule that can't be expanded was refused when it came; what is stored of it is shown.
            let Ok(instances) = Instances::new(&stored.series, zones, window) else { continue };
            for instance in instances.map_while(Result::ok) {
                let beyond = if is_before { instance.start < before } else { instance.start >= after };
                if !beyond || as_stored.contains(&(Some(stored.series_id), Some(instance.recurrence_id))) {
                    continue;
                }
                computed += 1;
                if computed > MOST_COMPUTED {
                    return Err(too_many());
                }
                if computed % 1_000 == 0 {
                    check_for_interrupts!();
                }
                entries.extend(entry(stored, &instance, is_writable, range, clock));
            }
        }
    }
    Ok(())
}

/// An instance as an entry, if it overlaps the range.
fn entry<Z: Zone>(
    stored: &series::Stored,
    instance: &calendar_sync_core::recurrence::Instance,
    writable: bool,
    range: Range,
    clock: &mut Resolver<Z>,
) -> Option<Entry> {
    let (timing, details, _) = shown(&stored.series, instance);
    let (starts_at, ends_at) = if timing.all_day {
        let mut placed = |midnight: DateTime<Utc>| {
            DateTime::from_timestamp(clock.resolve(midnight.timestamp()).instant, 0).unwrap_or(midnight)
        };
        let end = timing.end.unwrap_or(timing.start + TimeDelta::days(1));
        (placed(timing.start), Some(placed(end)))
    } else {
        (timing.start, timing.end)
    };
    let overlaps = match ends_at {
        Some(ends_at) if ends_at > starts_at => starts_at < range.to && ends_at > range.from,
        _ => starts_at >= range.from && starts_at < range.to,
    };
    overlaps.then(|| Entry {
        event_id: None,
        title: details.title.clone(),
        starts_at,
        ends_at,
        all_day: timing.all_day,
        location: details.location.clone(),
        event_status: details.event_status.word().to_owned(),
        busy: details.show_as != ShowAs::Free && details.event_status != EventStatus::Cancelled,
        series_id: Some(stored.series_id),
        recurrence_id: Some(instance.recurrence_id),
        external_source: Some(stored.external_source.clone()),
        connection_id: stored.connection_id,
        writable,
        ical_uid: details.ical_uid.clone(),
    })
}

fn too_many() -> pgrx::pg_sys::panic::ErrorReport {
    error(
        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!("more than {MOST_COMPUTED} instances of series would have to be computed"),
    )
    .set_hint("Ask for a shorter range.")
}

/// Keeps of each meeting (UID and occurrence) that several calendars show what the one says that takes changes, else one
/// in which it is stored. Within one calendar a UID may stand for two events by mistake: both are kept.
fn without_copies(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut first = HashMap::new();
    for entry in &entries {
        if let Some(meeting) = meeting(entry) {
            let best = first.entry(meeting).or_insert(entry);
            if rank(entry) < rank(best) {
                *best = entry;
            }
        }
    }
    let kept: Vec<bool> = entries
        .iter()
        .map(|entry| {
            let best = meeting(entry).and_then(|meeting| first.get(&meeting));
            best.is_none_or(|best| calendar(best) == calendar(entry))
        })
        .collect();
    let mut kept = kept.into_iter();
    entries.retain(|_| kept.next().unwrap_or(true));
    entries
}

fn meeting(entry: &Entry) -> Option<(&str, Option<DateTime<Utc>>)> {
    Some((entry.ical_uid.as_deref()?, entry.recurrence_id))
}

fn calendar(entry: &Entry) -> (Option<Uuid>, Option<&str>) {
    (entry.connection_id, entry.external_source.as_deref())
}

fn rank(entry: &Entry) -> impl Ord + '_ {
    (Reverse(entry.writable), Reverse(entry.event_id.is_some()), entry.event_id, calendar(entry))
}
