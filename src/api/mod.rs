//! The SQL surface: check arguments, call the floor below, shape the result.

#![allow(clippy::type_complexity, reason = "the columns of a table function stand in its type")]

mod access;
mod accounts;
mod arguments;
mod busy;
mod caller;
mod conflicts;
mod connections;
mod events;
mod feeds;
mod ics;
mod ids;
mod interactions;
mod json;
mod keys;
mod levels;
mod metrics;
mod queue;
mod recurrence;
mod upkeep;
mod webhooks;
