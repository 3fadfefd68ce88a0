//! What providers say through a webhook: that a calendar has changed, and little more.
//!
//! Anybody can call a webhook. What is read here is a claim until a channel's own secret has proved it
//! ([`Notice::is_proved_by`], [`notion::Signed::is_proved_by`]), and then it is a hint to pull, no more.

mod call;
pub mod google;
pub mod microsoft;
pub mod notion;
mod secret;

pub use call::{Call, CallError, is_covered_by};

/// Longest body that is read, in bytes. Notifications hold identifiers, not events.
pub const MAX_BODY: usize = 1024 * 1024;
/// Longest identifier of a channel that is looked for, in bytes; providers' own have less than a hundred.
const MAX_CHANNEL: usize = 256;

/// What is said of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The provider's name of the channel (`calendar_webhook_subscriptions.subscription_id`).
    pub channel: String,
    /// What is to prove it.
    secret: String,
    /// Counts a channel's messages, where the provider does.
    pub number: Option<i64>,
    pub news: News,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// The channel is open; nothing has changed.
    Opened,
    /// Something has changed, or notices of changes were lost.
    Changed,
    /// The channel ends soon unless it is renewed.
    EndsSoon,
    /// The channel is no more.
    Ended,
}

impl Notice {
    /// Whether it carries the channel's secret; compared in a time that does not tell how much of it is right.
    pub fn is_proved_by(&self, client_state: &str) -> bool {
        secret::is_same(&self.secret, client_state)
    }
}

/// Text of a channel's name that can be one.
fn channel(text: &str) -> Option<String> {
    ((1..=MAX_CHANNEL).contains(&text.len()) && !text.contains('\0')).then(|| text.to_owned())
}
