//! Recurrence: RFC 5545 RRULE, RDATE, EXDATE, EXRULE, overrides.
//!
//! [`Rule::parse`] reads a rule, [`Occurrences`] and [`Dates`] expand it lazily from any point on, [`Instances`] does
//! so for a whole [`Series`](crate::event::Series).
//!
//! A rule is expanded in local time, as plain seconds since 1970 of the calendar that the zone's clocks show; a zone
//! turns the result into instants. One of four engines does the work, the simplest that can: fixed cycles, masks of
//! months, positions in a period, and a search that jumps for limited sub-daily rules. All of them go to any point,
//! and count what COUNT wants counted on the way, without walking there; none looks beyond the year 9999.

mod civil;
mod clock;
mod counting;
mod cyclic;
mod days;
mod engine;
mod error;
mod instances;
mod local;
mod months;
mod occurrences;
mod parse;
mod phase;
mod positions;
mod rule;
mod set;
mod sub_daily;
mod tally;
mod text;
mod times;

pub use error::{RecurrenceError, RuleError};
pub use instances::{Instance, Instances};
pub use occurrences::{Dates, Occurrences, Window};
pub(crate) use rule::weekday_word;
pub use rule::{Frequency, Rule, Until, WeekdayNumber};
pub use set::gives_its_start;
