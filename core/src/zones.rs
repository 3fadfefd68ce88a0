//! Time zones as the calendar engine asks for them.
//!
//! The extension answers with PostgreSQL's own zones, so that what is computed here agrees with what SQL shows; tests
//! and tools answer with chrono-tz.

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
