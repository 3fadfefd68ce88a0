//! Webhooks: providers say that a calendar has changed, so that it need not wait for its next poll.

pub mod errand;
mod integrations;
pub mod keep;
pub mod receive;
pub mod register;
pub mod visit;
