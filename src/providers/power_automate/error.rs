//! What can be wrong with a flow, said so that its owner knows what to do.

use calendar_sync_core::providers::power_automate::ReadError;

/// Why a flow gave no events.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[error("the flow wants a login: its trigger must let Anyone run it ({0})")]
    WantsLogin(Refusal),
    #[error("there is no such flow, or it is switched off ({0})")]
    NotFound(Refusal),
    #[error("the flow was not run ({0})")]
    Refused(Refusal),
    #[error("the flow gives no answer: it needs a Response action with the list of events as its body")]
    NoResponseAction,
    #[error("the flow did not respond in time, or failed: its run history says why ({0})")]
    NoResponse(Refusal),
    #[error("the flow's answer is said to be at another host, which is not asked")]
    Elsewhere,
}

impl FlowError {
    /// Whether its trigger lets in nobody without a login.
    pub fn wants_login(&self) -> bool {
        matches!(self, Self::WantsLogin(_))
    }
}

/// A status, and the code of an error that came with it.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(formatter, "{}, {code}", self.status),
            None => write!(formatter, "{}", self.status),
        }
    }
}
