//! A provider's call: checked, noted, answered. It makes connections due, and that is all that it can do.

use std::collections::HashMap;

use calendar_sync_core::webhooks::notion::Told;
use calendar_sync_core::webhooks::{Call, CallError, News, Notice, google, microsoft, notion};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::integrations;
use crate::errors::SqlResult;
use crate::secrets;
use crate::store::sealed::CLIENT_STATE;
use crate::store::webhooks::{self, Channel, Noted};
use crate::store::{Installation, notices};

/// So many refusals are logged within a minute: whoever calls with anything must not fill the log.
const MOST_LOGGED: i64 = 60;
/// Longest part of a channel's alleged name that is logged, in characters.
const NAME_IN_LOG: usize = 64;

const UNKNOWN_CHANNEL: &str = "unknown channel";
pub(super) const WRONG_SECRET: &str = "wrong secret";

/// What to answer: a status, and a body of plain text.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: i32,
    pub body: String,
}

impl Answer {
    /// `status`: of HTTP.
    pub fn new(status: i32, body: impl Into<String>) -> Self {
        Self { status, body: body.into() }
    }

    /// Whether the call was taken.
    pub fn is_success(&self) -> bool {
        self.status < 300
    }
}

impl From<CallError> for Answer {
    fn from(error: CallError) -> Self {
        let status = if error == CallError::TooLong { 413 } else { 400 };
        Self::new(status, error.to_string())
    }
}

/// What a call claims, before anything is known of channels.
pub enum Claim<'a> {
    /// Nothing: a handshake, or what is no notification. This is the answer.
    Nothing(Answer),
    /// Something of these channels of a provider; the status to answer with where there is any truth in it.
    Of { provider: &'static str, notices: Vec<Notice>, status: i32 },
    /// Something of Notion, whose calls name no channel.
    OfNotion(Call<'a>, Told<'a>),
}

/// Reads a call as [`Call::new`] has it.
pub fn read<'a>(provider: &str, headers: &'a Value, query: &'a Value, body: &'a str) -> Claim<'a> {
    let claim = Call::new(headers, query, body).and_then(|call| match provider {
        "google" => Ok(Claim::Of { provider: "google", notices: vec![google::read(&call)?], status: 200 }),
        "microsoft" => Ok(match microsoft::read(&call)? {
            microsoft::Told::Validation(token) => Claim::Nothing(Answer::new(200, token)),
            microsoft::Told::Notices(notices) => Claim::Of { provider: "microsoft", notices, status: 202 },
        }),
        "notion" => notion::read(&call).map(|told| Claim::OfNotion(call, told)),
        _ => Ok(Claim::Nothing(Answer::new(404, "there is no such provider"))),
    });
    claim.unwrap_or_else(|error| Claim::Nothing(error.into()))
}

/// Checks a claim, and notes what is true of it.
///
/// # Errors
/// None that a call can bring about.
pub fn take(installation: &Installation, claim: Claim) -> SqlResult<Answer> {
    match claim {
        Claim::Nothing(answer) => Ok(answer),
        Claim::Of { provider, notices, status } => take_notices(installation, provider, &notices, status),
        Claim::OfNotion(call, Told::Verification(token)) => integrations::verification(installation, &call, &token),
        Claim::OfNotion(call, Told::Signed(signed)) => integrations::notification(installation, &call, &signed),
    }
}

/// What the proved ones of a call's notices come to.
#[derive(Default)]
struct Proved {
    changed: Vec<Uuid>,
    heard: Vec<Noted>,
    end_soon: Vec<Uuid>,
    ended: Vec<Uuid>,
}

/// Takes those notices that carry their channel's secret; `status` is the answer where there is any.
fn take_notices(installation: &Installation, provider: &str, notices: &[Notice], status: i32) -> SqlResult<Answer> {
    let names = notices.iter().map(|notice| notice.channel.as_str()).collect();
    let found = webhooks::named(installation, provider, names)?;
    let channels: HashMap<&str, &Channel> = found.iter().map(|it| (it.subscription_id.as_str(), it)).collect();
    let mut opened = HashMap::new();
    let (mut proved, mut refused) = (Proved::default(), None);
    for notice in notices {
        let channel = channels.get(notice.channel.as_str()).copied();
        let Some(channel) = channel else {
            refused.get_or_insert(unknown(installation, provider, Some(&notice.channel))?);
            continue;
        };
        let secret = opened.entry(channel.webhook_id).or_insert_with(|| secret_of(channel));
        match secret {
            None => return Ok(unable()),
            Some(secret) if notice.is_proved_by(secret) => proved.add(channel, notice),
            Some(_) => refused = Some(forbidden(installation, provider, WRONG_SECRET, Some(channel))?),
        }
    }
    if proved.heard.is_empty()
        && let Some(refused) = refused
    {
        return Ok(refused);
    }
    proved.note(installation)?;
    Ok(Answer::new(status, ""))
}

impl Proved {
    fn add(&mut self, channel: &Channel, notice: &Notice) {
        self.heard.push(Noted { webhook_id: channel.webhook_id, number: notice.number });
        // Google delivers some messages twice, and not always in their order. A pull that a later one brought about has
        // seen what this one is about.
        if notice.number.is_some() && notice.number <= channel.last_message_number {
            return;
        }
        match notice.news {
            News::Opened => {}
            News::Changed => self.changed.push(channel.connection_id),
            News::EndsSoon => self.end_soon.push(channel.webhook_id),
            News::Ended => {
                self.changed.push(channel.connection_id);
                self.ended.push(channel.webhook_id);
            }
        }
    }

    fn note(&self, installation: &Installation) -> SqlResult<()> {
        notices::announce(installation, &self.changed)?;
        webhooks::note(installation, &self.heard)?;
        webhooks::ends(installation, &self.end_soon, false)?;
        webhooks::ends(installation, &self.ended, true)
    }
}

/// A channel's secret; `None` where it can't be opened, which the server's log says.
pub(super) fn secret_of(channel: &Channel) -> Option<Zeroizing<String>> {
    opened(channel.webhook_id, channel.client_state.as_deref()?)
}

pub(super) fn opened(webhook_id: Uuid, client_state: &[u8]) -> Option<Zeroizing<String>> {
    secrets::open(CLIENT_STATE.place(webhook_id), client_state)
        .inspect_err(|error| pgrx::log!("calendar_sync: a notification can't be checked: {}", error.message()))
        .ok()
}

/// Providers call again later.
pub(super) fn unable() -> Answer {
    Answer::new(503, "notifications can't be checked now")
}

/// 404, and a line of the log. `name`: what the call calls the channel.
pub(super) fn unknown(installation: &Installation, provider: &str, name: Option<&str>) -> SqlResult<Answer> {
    let shown = |name: &str| name.chars().filter(|letter| !letter.is_control()).take(NAME_IN_LOG).collect::<String>();
    let name = name.map(shown);
    webhooks::log_refusal(installation, provider, UNKNOWN_CHANNEL, name.as_deref(), None, MOST_LOGGED)?;
    Ok(Answer::new(404, UNKNOWN_CHANNEL))
}

/// 403, and a line of the log.
pub(super) fn forbidden(
    installation: &Installation,
    provider: &str,
    why: &str,
    channel: Option<&Channel>,
) -> SqlResult<Answer> {
    webhooks::log_refusal(installation, provider, why, None, channel, MOST_LOGGED)?;
    Ok(Answer::new(403, why))
}
