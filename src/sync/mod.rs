//! Bringing outside calendars and the tables together.

pub mod apply;
