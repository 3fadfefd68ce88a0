//! Bringing outside calendars and the tables together.

pub mod agenda;
pub mod apply;
pub mod export;
pub mod upsert;
