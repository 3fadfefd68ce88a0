//! The SQL surface: check arguments, call the floor below, shape the result.

mod caller;
mod ids;
mod interactions;
mod recurrence;
