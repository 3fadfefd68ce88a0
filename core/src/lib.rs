//! The calendar engine of calendar_sync: events, RFC 5545 recurrence, ICS and time zones.
//!
//! Pure Rust that knows nothing of Postgres or of the network, so that it can be tested, fuzzed and benchmarked by
//! itself and used elsewhere.

pub mod busy;
pub mod cancellation;
pub mod content;
pub mod event;
pub mod filter;
pub mod ics;
pub mod mapping;
pub mod merge;
pub mod patch;
pub mod providers;
pub mod recurrence;
pub mod webhooks;
pub mod zones;
