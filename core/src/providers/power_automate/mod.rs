//! What a Power Automate flow answers with: the events of Outlook's actions 'Get calendar view of events (V3)' and 'Get
//! events (V4)', in whatever wrapping its author gave them.
//!
//! Zones decide as little as they can: a time with an offset from UTC is that instant, one without is in the zone that
//! `timeZone` names, else in UTC. All-day events are dates, whatever zone they are given in.
//!
//! A series of which only the word is known (`"recurrence": "weekly"`) recurs on the day of its start. Where the answer
//! holds occurrences of it, too, those are the series as far as they go, each an event of its own, and the rule only goes
//! on after the last of them; if they do not fall where the word says, the word is not all of the rule, and nothing is
//! made of it.

mod answer;
mod details;
mod fields;
mod items;
mod recurrence;
mod shape;
mod times;

pub use answer::Answer;
pub use items::Items;
pub use shape::ReadError;
