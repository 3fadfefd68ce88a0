//! Time zones as the calendar engine asks for them.
//!
//! The extension answers with PostgreSQL's own zones, so that what is computed here agrees with what SQL shows; tests
//! and tools answer with chrono-tz.

#[cfg(feature = "chrono-tz")]
mod chrono_tz;
mod resolver;

#[cfg(feature = "chrono-tz")]
pub use self::chrono_tz::{ChronoZone, ChronoZones};
pub use self::resolver::{Resolved, Resolver};

/// A source of time zones by name.
pub trait Zones {
    /// The zone of that IANA name (case-insensitive, as PostgreSQL takes it), or `None` if there is none.
    fn zone(&self, name: &str) -> Option<Box<dyn Zone + '_>>;
}

/// One time zone: a sequence of spans, each with one offset from UTC.
pub trait Zone {
    /// The offset in force at `utc` (seconds since 1970-01-01T00:00:00Z) and for how long it stays.
    fn span(&self, utc: i64) -> Span;
}

/// A stretch of time in which a zone's offset does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Seconds to add to UTC to get local time (positive east of Greenwich).
    pub offset: i32,
    /// First second (UTC, since 1970) at which another offset may apply; `i64::MAX` if none ever does.
    pub until: i64,
}

impl<Z: Zone + ?Sized> Zone for &Z {
    fn span(&self, utc: i64) -> Span {
        (**self).span(utc)
    }
}

impl<Z: Zone + ?Sized> Zone for Box<Z> {
    fn span(&self, utc: i64) -> Span {
        (**self).span(utc)
    }
}

/// UTC itself, and what stands in for local time without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Utc;

impl Zone for Utc {
    fn span(&self, _utc: i64) -> Span {
        Span { offset: 0, until: i64::MAX }
    }
}
