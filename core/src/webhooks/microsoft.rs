//! Microsoft Graph's change notifications and lifecycle notifications, and how an address is validated
//! (<https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks>).

use std::collections::HashSet;

use serde_json::Value;

use super::{Call, CallError, News, Notice, channel};

/// Longest validation token that is echoed, in bytes.
const MAX_TOKEN: usize = 4 * 1024;

/// What Microsoft says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It validates the address, and is to be answered with this text. That proves nothing and concerns no channel.
    Validation(String),
    /// Each once.
    Notices(Vec<Notice>),
}

/// # Errors
/// A call that is neither.
pub fn read(call: &Call) -> Result<Told, CallError> {
    if let Some(token) = call.parameter("validationToken") {
        let is_echoed = (1..=MAX_TOKEN).contains(&token.len()) && !token.contains(char::is_control);
        return match is_echoed {
            true => Ok(Told::Validation(token.to_owned())),
            false => Err(CallError::Malformed("the validation token can't be one")),
        };
    }
    let body = call.json()?;
    let items = body["value"].as_array().ok_or(CallError::Malformed("it holds no notifications"))?;
    let mut seen = HashSet::new();
    let notices: Vec<Notice> = items.iter().filter_map(notice).filter(|notice| seen.insert(notice.clone())).collect();
    if notices.is_empty() {
        return Err(CallError::Malformed("it names no channel"));
    }
    Ok(Told::Notices(notices))
}

fn notice(item: &Value) -> Option<Notice> {
    let news = match item["lifecycleEvent"].as_str() {
        None | Some("missed") => News::Changed,
        Some("reauthorizationRequired") => News::EndsSoon,
        Some("subscriptionRemoved") => News::Ended,
        // Of a kind that there was not yet: it can do no harm to look.
        Some(_) => News::Changed,
    };
    let channel = channel(item["subscriptionId"].as_str()?)?;
    let secret = item["clientState"].as_str().unwrap_or_default().to_owned();
    Some(Notice { channel, secret, number: None, news })
}
