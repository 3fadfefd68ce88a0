//! What goes wrong on demand, and what is noted of every request.

use std::time::Duration;

use super::refusal::Refusal;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GoogleCall {
    CalendarList,
    Calendar,
    /// The first page of events, of everything or of what has changed.
    List,
    /// A further page of events.
    NextPage,
    Get,
    Insert,
    Update,
    Patch,
    Delete,
    Instances,
    Watch,
    Stop,
    Token,
    Revoke,
    Other,
}

impl GoogleCall {
    /// Whether it changes an event.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Patch | Self::Delete)
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum GoogleFault {
    /// Nothing is done; this status with this reason in Google's envelope.
    Refuse(u16, &'static str),
    /// As `Refuse`, with `Retry-After` in seconds.
    RefuseFor(u16, &'static str, u64),
    /// It is done, and the connection is closed without an answer.
    LoseReply,
    /// The connection is closed, and nothing is done.
    Drop,
    /// What is wished for, after this time.
    Delay(Duration),
    /// All page tokens are of no use any more, this request's included.
    ForgetPages,
    /// A page of HTML with status 200, as a portal in between would send.
    Html,
}

impl GoogleFault {
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refuse(status, reason) => Some(Refusal::new(*status, reason, "It goes wrong on demand.")),
            Self::RefuseFor(status, reason, seconds) => {
                let mut refusal = Refusal::new(*status, reason, "It goes wrong on demand.");
                refusal.headers.push(format!("Retry-After: {seconds}"));
                Some(refusal)
            }
            _ => None,
        }
    }
}

/// A request, as far as tests ask about it.
#[derive(Clone, Debug)]
pub struct GoogleRequest {
    pub call: GoogleCall,
    pub method: String,
    pub path: String,
    /// Decoded, in their order.
    pub query: Vec<(String, String)>,
    pub if_match: Option<String>,
    pub body: String,
    /// Of the answer; 0 where none was sent.
    pub status: u16,
}

impl GoogleRequest {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(super) type Common = crate::fake::Common<GoogleCall, GoogleFault, GoogleRequest>;
