//! Calendar files (iCalendar, RFC 5545): [`read()`] and [`resolve()`] turn one into [`crate::event::Item`]s,
//! [`Writer`] turns those into one.
//!
//! Reading has two steps, since zones belong to the main thread where this runs inside of PostgreSQL: [`read()`] takes
//! bytes to a [`Calendar`] on any thread and finds the events in it, [`resolve()`] takes these one after the other,
//! looks their zones up and joins each series with its overrides.
//!
//! The reader is this crate's own, written against files as they are. The `icalendar` crate was tried: it parses
//! nested components by recursion, so that 6,200 BEGINs (86 KB) overflow the stack, which no one can catch and which
//! inside of PostgreSQL restarts the whole server; and it refuses a whole file for one bad line, a byte order mark, a
//! second VCALENDAR or junk after the last line.

mod escape;
mod excluded_days;
mod file;
mod lines;
mod places;
mod property;
mod read;
mod recurrence_lines;
mod resolve;
mod source;
mod table_zone;
mod text;
mod tzid;
mod until;
mod values;
mod vevent;
mod vtimezone;
mod when;
mod words;
mod write;
mod zone_text;

pub(crate) use places::{Place, named};
pub use read::{Calendar, ReadError, read};
pub use recurrence_lines::{read_recurrence, write_recurrence};
pub use resolve::{Cancels, Items, Sourced, UnknownZone, resolve};
pub use source::SourceHash;
pub(crate) use text::clean;
pub(crate) use tzid::{is_utc, windows_zones};
pub use vevent::BadEvent;
pub use write::{Head, Visibility, Writer};
