//! The SQL surface: check arguments, call the floor below, shape the result.

mod arguments;
mod busy;
mod caller;
mod connections;
mod events;
mod feeds;
mod ics;
mod ids;
mod interactions;
mod json;
mod recurrence;
