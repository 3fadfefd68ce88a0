//! Webhooks: providers say that a calendar has changed, so that it need not wait for its next poll.

mod integrations;
pub mod receive;
pub mod register;
