//! Bringing outside calendars and the tables together.

pub mod accounts;
pub mod agenda;
pub mod apply;
pub mod aside;
pub mod busy;
pub mod changes;
pub mod cleanup;
pub mod export;
pub mod feed;
pub mod fetch;
pub mod keys;
pub mod now;
pub mod pool;
pub mod pull;
pub mod reconcile;
mod schedule;
mod selection;
pub mod subscribe;
pub mod tokens;
pub mod upsert;
pub mod wait;
pub mod webhooks;
