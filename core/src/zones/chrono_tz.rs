//! chrono-tz as a source of zones, for tests and tools.
//!
//! Its tables end with 2099. Later years are taken from the one of the last 28 that has the same calendar, so that
//! rules that are in force then go on, as they do in PostgreSQL.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;

use super::{Span, Zone, Zones};

/// 1800-01-01: no zone had an offset other than its first one before.
const FIRST: i64 = -5_364_662_400;
/// 2100-01-01.
const LAST: i64 = 4_102_444_800;
/// Changes that last shorter than this are not seen.
const STEP: i64 = 6 * 3600;

/// The zones of chrono-tz; each one's changes are looked for once in a process, when it is first asked for.
#[derive(Debug, Default)]
pub struct ChronoZones(());

static FOUND: LazyLock<Mutex<HashMap<Tz, ChronoZone>>> = LazyLock::new(Default::default);

/// One zone: its offsets and the instants from which on they apply.
#[derive(Debug, Clone)]
pub struct ChronoZone {
    changes: Arc<[(i64, i32)]>,
}

impl ChronoZones {
    /// The zone of that name, not bound to `self`'s lifetime.
    pub fn get(&self, name: &str) -> Option<ChronoZone> {
        let zone = Tz::from_str_insensitive(name).ok()?;
        if let Some(found) = FOUND.lock().unwrap_or_else(PoisonError::into_inner).get(&zone) {
            return Some(found.clone());
        }
        // Not under the lock: others need not wait for it.
        let found = ChronoZone::new(zone);
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).insert(zone, found.clone());
        Some(found)
    }
}

impl Zones for ChronoZones {
    fn zone(&self, name: &str) -> Option<Box<dyn Zone + '_>> {
        self.get(name).map(|zone| Box::new(zone) as Box<dyn Zone>)
    }
}

impl ChronoZone {
    fn new(zone: Tz) -> Self {
        let offset_at = |utc: i64| {
            let at = DateTime::from_timestamp(utc, 0).unwrap_or_default().naive_utc();
            zone.offset_from_utc_datetime(&at).fix().local_minus_utc()
        };
        let mut changes = vec![(FIRST, offset_at(FIRST))];
        let mut offset = changes[0].1;
        for at in (FIRST..LAST).step_by(STEP as usize) {
            if offset_at(at + STEP) != offset {
                let (mut before, mut after) = (at, at + STEP);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    if offset_at(middle) == offset { before = middle } else { after = middle }
                }
                offset = offset_at(after);
                changes.push((after, offset));
            }
        }
        Self { changes: changes.into() }
    }

    fn known(&self, utc: i64) -> Span {
        let index = self.changes.partition_point(|(from, _)| *from <= utc).max(1) - 1;
        Span { offset: self.changes[index].1, until: self.changes.get(index + 1).map_or(LAST, |next| next.0) }
    }
}

impl Zone for ChronoZone {
    fn span(&self, utc: i64) -> Span {
        if utc < LAST {
            return self.known(utc);
        }
        if self.changes.len() == 1 {
            return Span { offset: self.changes[0].1, until: i64::MAX };
        }
        let Some((year, new_year)) = year_of(utc) else {
            return Span { offset: self.known(LAST - 1).offset, until: i64::MAX };
        };
        let next = NaiveDate::from_ymd_opt(year + 1, 1, 1).map_or(i64::MAX, midnight);
        let like = (2072..2100)
            .filter_map(|like| NaiveDate::from_ymd_opt(like, 1, 1))
            .find(|like| like.weekday() == new_year.weekday() && like.leap_year() == new_year.leap_year());
        let shift = midnight(new_year) - like.map_or(0, midnight);
        let span = self.known(utc - shift);
        Span { offset: span.offset, until: span.until.saturating_add(shift).min(next) }
    }
}

fn year_of(utc: i64) -> Option<(i32, NaiveDate)> {
    let year = DateTime::from_timestamp(utc, 0)?.year();
    Some((year, NaiveDate::from_ymd_opt(year, 1, 1)?))
}

fn midnight(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
}
