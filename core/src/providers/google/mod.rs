//! Events of Google Calendar's API (v3), read and written.
//!
//! Sources: the published discovery document, and the guides "Recurring events", "Calendars and events", "Working
//! location", "Handle API errors".
//!
//! What Google cannot hold stays here: importance, categories, organizer, participants, metadata, that a task is
//! completed, that a time was floating. People are read and never written: a change of ours sends no mail.

mod details;
mod ids;
mod read;
mod times;
mod write;

pub use ids::{event_id, instance_id, key_of};
pub use read::{Found, Occurrence, is_deleted, read};
pub use write::{NotHeld, write};
