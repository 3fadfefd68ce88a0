//! PostgreSQL's own time zones, so that what is computed here agrees with what SQL shows.
//!
//! Main thread only: PostgreSQL's zone functions keep their results in memory of the backend without locks. [`PgZone`]
//! holds a raw pointer and so can't be sent to another thread.

use std::ffi::{CStr, CString, c_int, c_long};

use calendar_sync_core::zones::{Span, Zone, Zones};
use pgrx::pg_sys;

/// The zones that this server knows by name (`pg_timezone_names`), in any case.
///
/// Zones that PostgreSQL would make up from a POSIX rule ('FOO5') are not among them: in these 'UTC+2' means two hours
/// west of UTC, and a mistyped name that ends in a digit would pass for one.
#[derive(Debug, Clone, Copy, Default)]
pub struct PgZones;

/// A zone of PostgreSQL's; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct PgZone {
    /// From pg_tzset, which keeps it until the backend ends.
    zone: *mut pg_sys::pg_tz,
}

/// Names of the database that look like a POSIX rule.
const LIKE_POSIX: [&str; 7] = ["EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "GMT0", "GMT+0", "GMT-0"];

impl PgZones {
    /// The zone of that name, if there is one. Reads the zone's file the first time.
    pub fn get(self, name: &str) -> Option<PgZone> {
        let name = CString::new(name).ok()?;
        // SAFETY: called on the main thread with a string that ends in NUL; a name that is too long is refused inside.
        let zone = unsafe { pg_sys::pg_tzset(name.as_ptr()) };
        // A zone with leap seconds does not agree with PostgreSQL's timestamps.
        // SAFETY: the zone is one that pg_tzset has just returned.
        if zone.is_null() || !unsafe { pg_sys::pg_tz_acceptable(zone) } {
            return None;
        }
        // SAFETY: as above; the name is a part of the zone and ends in NUL.
        let canonical = unsafe { CStr::from_ptr(pg_sys::pg_get_timezone_name(zone)) }.to_string_lossy();
        (!is_posix_rule(&canonical)).then_some(PgZone { zone })
    }
}

/// Whether a zone's canonical name is a POSIX rule: those must have a number, and PostgreSQL writes them in capitals.
fn is_posix_rule(canonical: &str) -> bool {
    canonical.contains(|c: char| c.is_ascii_digit())
        && !canonical.contains(|c: char| c.is_ascii_lowercase())
        && !LIKE_POSIX.contains(&canonical)
}

impl Zones for PgZones {
    fn zone(&self, name: &str) -> Option<Box<dyn Zone + '_>> {
        self.get(name).map(|zone| Box::new(zone) as Box<dyn Zone>)
    }
}

impl Zone for PgZone {
    fn span(&self, utc: i64) -> Span {
        let (mut before, mut after): (c_long, c_long) = (0, 0);
        let (mut before_is_dst, mut after_is_dst): (c_int, c_int) = (0, 0);
        let mut boundary = 0;
        // SAFETY: on the main thread; every pointer is to a variable that lives through the call, the zone as long as
        // the backend.
        let found = unsafe {
            pg_sys::pg_next_dst_boundary(
                &utc,
                &mut before,
                &mut before_is_dst,
                &mut boundary,
                &mut after,
                &mut after_is_dst,
                self.zone,
            )
        };
        // 1: the next change is at `boundary`; 0: there is none; -1: the time is out of all range, `before` unset.
        Span { offset: before as i32, until: if found > 0 { boundary } else { i64::MAX } }
    }
}
