//! Notifications: they say that something changed, and no more.

use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// What a subscription sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whole header lines.
    pub headers: Vec<String>,
    pub body: String,
}

/// Something that happened to a page.
#[derive(Debug)]
pub(super) struct Happened {
    pub id: String,
    pub kind: &'static str,
    pub page: String,
    pub parent: Value,
    /// Ids of properties.
    pub changed: Vec<String>,
    pub authors: Vec<Value>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub(super) struct Webhooks {
    /// Where to, and the token that signs.
    pub subscription: Option<(String, String)>,
    pending: Vec<Happened>,
}

impl Webhooks {
    pub fn is_wanted(&self) -> bool {
        self.subscription.is_some()
    }

    /// Events of one kind and page within a minute are one.
    pub fn note(&mut self, event: Happened) {
        let same = |one: &&mut Happened| {
            one.page == event.page && one.kind == event.kind && (event.at - one.at).num_seconds() < 60
        };
        let Some(earlier) = self.pending.iter_mut().find(same) else { return self.pending.push(event) };
        earlier.changed.extend(event.changed);
        earlier.changed.sort();
        earlier.changed.dedup();
        for author in event.authors {
            if !earlier.authors.contains(&author) {
                earlier.authors.push(author);
            }
        }
    }

    /// What is to be sent, in the order in which it happened; it is sent once.
    pub fn take(&mut self) -> Vec<Delivery> {
        let Some((_, token)) = &self.subscription else { return vec![] };
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().map(|event| signed(token, event.render().to_string())).collect()
    }
}

impl Happened {
    fn render(&self) -> Value {
        let mut data = json!({ "parent": self.parent });
        if self.kind == "page.properties_updated" {
            data["updated_properties"] = json!(self.changed);
        }
        json!({
            "id": self.id,
            "timestamp": self.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "workspace_id": self.id,
            "workspace_name": "Acme",
            "subscription_id": self.id,
            "integration_id": self.id,
            "type": self.kind,
            "authors": self.authors,
            "attempt_number": 1,
            "api_version": "2025-09-03",
            "entity": { "id": self.page, "type": "page" },
            "data": data,
        })
    }
}

/// The first message of a subscription: the token that it and all later ones are signed with.
pub(super) fn handshake(token: &str) -> Delivery {
    signed(token, json!({ "verification_token": token }).to_string())
}

pub(super) fn signed(token: &str, body: String) -> Delivery {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("a key of any length");
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = vec!["Content-Type: application/json".to_owned(), format!("X-Notion-Signature: sha256={hex}")];
    Delivery { headers, body }
}
