//! Notifications (developers.notion.com/reference/webhooks): who sent one, and what it is about.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Longest token of a subscription.
const MAX_TOKEN: usize = 200;

/// The token that the first message to an address brings, and nothing else does: its owner confirms with it, and all
/// later messages are signed with it.
pub fn verification_token(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let token = body["verification_token"].as_str()?;
    (!token.is_empty() && token.len() <= MAX_TOKEN && body.get("type").is_none()).then(|| token.to_owned())
}

/// Whether the header `X-Notion-Signature` (`sha256=` and hexadecimal digits) is that of these bytes, signed with that
/// token. Takes as long whatever is wrong.
pub fn is_signed(token: &str, signature: &str, body: &[u8]) -> bool {
    let Some(given) = signature.trim().strip_prefix("sha256=").and_then(bytes) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect()
}

/// What a notification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Of the notification: the same when it is sent again.
    pub id: Option<String>,
    /// 'page.created', 'data_source.schema_updated', ...
    pub kind: String,
    /// Of the page's data source, or the data source itself; `None` where it says no more than which database it is.
    pub data_source: Option<String>,
    /// The page's database.
    pub database: Option<String>,
}

/// Reads a notification. `None` for what is none.
pub fn notice(body: &str) -> Option<Notice> {
    let body: Value = serde_json::from_str(body).ok()?;
    let kind = body["type"].as_str()?.to_owned();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (entity, parent) = (&body["entity"], &body["data"]["parent"]);
    let own = |kind: &str| text(&entity["id"]).filter(|_| entity["type"] == kind);
    let of_parent =
        |kind: &str| text(&parent["id"]).filter(|_| matches!(parent["type"].as_str(), Some(it) if it == kind));
    let data_source = own("data_source").or_else(|| text(&parent["data_source_id"]));
    let database = own("database").or_else(|| of_parent("database")).or_else(|| of_parent("database_id"));
    Some(Notice { id: text(&body["id"]), kind, data_source, database })
}
