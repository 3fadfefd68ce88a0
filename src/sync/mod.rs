//! Bringing outside calendars and the tables together.

pub mod account_pull;
pub mod accounts;
pub mod agenda;
pub mod apply;
pub mod aside;
pub mod busy;
pub mod changes;
pub mod cleanup;
mod dates;
pub mod export;
pub mod feed;
pub mod fetch;
pub mod job;
pub mod keys;
pub mod now;
pub mod pool;
pub mod pull;
pub mod push;
pub mod reconcile;
mod schedule;
mod selection;
pub mod start;
pub mod subscribe;
pub mod tokens;
pub mod upsert;
pub mod wait;
pub mod webhooks;
