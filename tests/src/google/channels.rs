//! Channels: who is told that a calendar has changed. Deliveries are real requests, made by a thread of their own, so
//! that whoever is told may ask at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::when::YEARS;
use crate::fake::Delivered;
use crate::web::post;

/// What becomes of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GoogleDelivery {
    #[default]
    Once,
    /// They are lost.
    Never,
    Twice,
}

/// A channel that is open.
#[derive(Clone, Debug)]
pub struct GoogleChannel {
    pub id: String,
    pub resource_id: String,
    pub calendar: String,
    pub address: String,
    pub token: Option<String>,
    pub expires: DateTime<Utc>,
    messages: u64,
}

/// What was sent, and what was answered; 0 where nobody answered.
#[derive(Clone, Debug)]
pub struct GoogleNotification {
    pub channel: String,
    /// `sync` or `exists`.
    pub state: &'static str,
    pub status: u16,
}

struct Job {
    address: String,
    headers: Vec<String>,
    channel: String,
    state: &'static str,
}

pub(super) struct Channels {
    open: BTreeMap<String, GoogleChannel>,
    pub delivery: GoogleDelivery,
    pub delivered: Arc<Delivered<GoogleNotification>>,
    jobs: Sender<Job>,
}

impl Channels {
    pub fn new() -> Self {
        let (jobs, waiting) = channel::<Job>();
        let delivered = Arc::new(Delivered::default());
        let shared = delivered.clone();
        std::thread::spawn(move || {
            for job in waiting {
                let status = post(&job.address, &job.headers, b"").map_or(0, |(status, _)| status);
                shared.close(GoogleNotification { channel: job.channel, state: job.state, status });
            }
        });
        Self { open: BTreeMap::new(), delivery: GoogleDelivery::Once, delivered, jobs }
    }

    pub fn all(&self) -> Vec<GoogleChannel> {
        self.open.values().cloned().collect()
    }

    pub fn watch(&mut self, calendar: &str, body: &str, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let body: Map<String, Value> =
            serde_json::from_str(body).map_err(|_| Refusal::new(400, "parseError", "Parse Error"))?;
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let id = text("id").filter(|id| !id.is_empty()).ok_or_else(|| Refusal::required("Missing channel id."))?;
        if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte)) {
            return Err(Refusal::new(400, "channelIdInvalid", "Channel id is not valid"));
        }
        if text("type") != Some("web_hook") {
            return Err(Refusal::new(400, "channelUnknown", "Unknown channel type"));
        }
        let address = text("address").ok_or_else(|| Refusal::required("Missing channel address."))?;
        let is_loopback = address.starts_with("http://127.0.0.1") || address.starts_with("http://localhost");
        if !address.starts_with("https://") && !is_loopback {
            let message = format!("WebHook callback must be HTTPS: {address}");
            return Err(Refusal::new(400, "push.webhookUrlNotHttps", message));
        }
        if self.open.contains_key(id) {
            return Err(Refusal::new(400, "channelIdNotUnique", format!("Channel id {id} not unique")));
        }
        let ttl = body.get("params").and_then(|params| params.get("ttl")).and_then(number);
        let asked = body
            .get("expiration")
            .and_then(number)
            .and_then(DateTime::from_timestamp_millis)
            .filter(|at| YEARS.contains(&at.year()));
        let expires = asked.unwrap_or(now + TimeDelta::seconds(ttl.unwrap_or(604_800).clamp(1, 31_536_000)));
        let resource_id = crate::web::etag_of(calendar.as_bytes()).trim_matches('"').to_owned();
        let made = GoogleChannel {
            id: id.into(),
            resource_id: resource_id.clone(),
            calendar: calendar.into(),
            address: address.into(),
            token: text("token").map(str::to_owned),
            expires,
            messages: 0,
        };
        let mut answer = json!({
            "kind": "api#channel",
            "id": id,
            "resourceId": resource_id,
            "resourceUri": resource_uri(calendar),
            "expiration": expires.timestamp_millis().to_string(),
        });
        if let Some(token) = &made.token {
            answer["token"] = json!(token);
        }
        self.open.insert(id.into(), made);
        self.send(id, "sync");
        Ok(answer)
    }

    pub fn stop(&mut self, body: &str) -> Result<(), Refusal> {
        let body: Value = serde_json::from_str(body).map_err(|_| Refusal::new(400, "parseError", "Parse Error"))?;
        let id = body["id"].as_str().ok_or_else(|| Refusal::required("Required"))?;
        let resource = body["resourceId"].as_str().ok_or_else(|| Refusal::required("Required"))?;
        if self.open.get(id).is_none_or(|open| open.resource_id != resource) {
            return Err(Refusal::new(404, "notFound", format!("Channel '{id}' not found for project 'fake'")));
        }
        self.open.remove(id);
        Ok(())
    }

    /// Tells everybody who wants to know, unless their time is over.
    pub fn announce(&mut self, calendar: &str, now: DateTime<Utc>) {
        self.open.retain(|_, channel| channel.expires > now);
        let ids = self.open.values().filter(|channel| channel.calendar == calendar).map(|channel| channel.id.clone());
        for id in ids.collect::<Vec<_>>() {
            let times = match self.delivery {
                GoogleDelivery::Once => 1,
                GoogleDelivery::Never => 0,
                GoogleDelivery::Twice => 2,
            };
            (0..times).for_each(|_| self.send(&id, "exists"));
        }
    }

    /// Numbers grow, by more than one now and then.
    fn send(&mut self, id: &str, state: &'static str) {
        let Some(channel) = self.open.get_mut(id) else { return };
        channel.messages += if channel.messages == 0 { 1 } else { 1 + channel.messages % 3 };
        let mut headers = vec![
            format!("X-Goog-Channel-ID: {id}"),
            format!("X-Goog-Channel-Expiration: {}", channel.expires.format("%a, %d %b %Y %H:%M:%S GMT")),
            format!("X-Goog-Resource-State: {state}"),
            format!("X-Goog-Message-Number: {}", channel.messages),
            format!("X-Goog-Resource-ID: {}", channel.resource_id),
            format!("X-Goog-Resource-URI: {}", resource_uri(&channel.calendar)),
        ];
        headers.extend(channel.token.as_ref().map(|token| format!("X-Goog-Channel-Token: {token}")));
        self.delivered.open();
        let job = Job { address: channel.address.clone(), headers, channel: id.into(), state };
        // The thread lives as long as this does.
        let _ = self.jobs.send(job);
    }
}

fn resource_uri(calendar: &str) -> String {
    format!("https://www.googleapis.com/calendar/v3/calendars/{calendar}/events?alt=json")
}

/// Numbers come as such, or as strings.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
