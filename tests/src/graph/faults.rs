//! What goes wrong on demand, and what is noted of every request.

use std::time::Duration;

use super::refusal::Refusal;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GraphCall {
    Calendars,
    Calendar,
    /// The first request of a round of delta, with its span or with a token of an earlier one.
    Delta,
    /// A further page of a round.
    DeltaPage,
    View,
    List,
    Get,
    Create,
    Update,
    Delete,
    Instances,
    Subscribe,
    Renew,
    Unsubscribe,
    Subscriptions,
    Token,
    Other,
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum GraphFault {
    /// Nothing is done; this status with this code in Graph's envelope.
    Refuse(u16, &'static str),
    /// As `Refuse`, with `Retry-After` in seconds.
    RefuseFor(u16, &'static str, u64),
    /// 410 with a `Location` at which a new round begins.
    Gone,
    /// It is done, and the connection is closed without an answer.
    LoseReply,
    /// The connection is closed, and nothing is done.
    Drop,
    /// What is wished for, after this time.
    Delay(Duration),
}

impl GraphFault {
    pub(super) fn refusal(&self, api: &str) -> Option<Refusal> {
        let refusal = |status, code| Refusal::new(status, code, "It goes wrong on demand.");
        match self {
            Self::Refuse(status, code) => Some(refusal(*status, code)),
            Self::RefuseFor(status, code, seconds) => {
                Some(refusal(*status, code).with_header(format!("Retry-After: {seconds}")))
            }
            Self::Gone => Some(
                refusal(410, "resyncRequired")
                    .with_header(format!("Location: {api}/me/calendarView/delta?$deltatoken=")),
            ),
            _ => None,
        }
    }
}

/// A request, as far as tests ask about it.
#[derive(Clone, Debug)]
pub struct GraphRequest {
    pub call: GraphCall,
    pub method: String,
    pub path: String,
    /// Decoded, in their order.
    pub query: Vec<(String, String)>,
    pub if_match: Option<String>,
    pub prefer: String,
    pub body: String,
    /// Of the answer; 0 where none was sent.
    pub status: u16,
}

impl GraphRequest {
    /// Whether identifiers were asked for that stay when an event is moved.
    pub fn wants_immutable_ids(&self) -> bool {
        self.prefer.contains("IdType=\"ImmutableId\"")
    }
}

pub(super) type Common = crate::fake::Common<GraphCall, GraphFault, GraphRequest>;
