//! Subscriptions, and notifications, which a thread of their own posts: whoever is told may ask at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::when;
use crate::clock::Clock;
use crate::fake::Delivered;
use crate::web::post;

const LONGEST: TimeDelta = TimeDelta::minutes(10_080);
const SHORTEST: TimeDelta = TimeDelta::minutes(45);

/// What becomes of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GraphDelivery {
    #[default]
    Once,
    /// They are lost.
    Never,
    Twice,
}

#[derive(Clone, Debug)]
pub struct GraphSubscription {
    pub id: String,
    /// Of the calendar that is watched.
    pub calendar: String,
    pub resource: String,
    pub notification_url: String,
    pub lifecycle_url: Option<String>,
    pub client_state: Option<String>,
    pub expires: DateTime<Utc>,
    change_type: String,
    by: String,
}

/// What was posted, and what was answered; 0 where nobody answered.
#[derive(Clone, Debug)]
pub struct GraphNotification {
    pub subscription: String,
    /// `created`, `updated`, `deleted`, or a lifecycle's event.
    pub event: String,
    pub status: u16,
}

struct Job {
    url: String,
    body: Value,
    notification: GraphNotification,
}

pub(super) struct Subscriptions {
    all: BTreeMap<String, GraphSubscription>,
    pub delivery: GraphDelivery,
    pub delivered: Arc<Delivered<GraphNotification>>,
    jobs: Sender<Job>,
}

/// What a POST asks for, before the address has shown that it is who it says.
pub(super) struct Wished {
    subscription: GraphSubscription,
}

impl Wished {
    /// Who must answer the handshake.
    pub fn urls(&self) -> Vec<String> {
        let lifecycle = self.subscription.lifecycle_url.clone();
        std::iter::once(self.subscription.notification_url.clone()).chain(lifecycle).collect()
    }
}

/// The handshake: whoever is at the address gives the token back, as plain text.
pub(super) fn handshake(url: &str) -> Result<(), Refusal> {
    let token = "Validation: Testing client application reachability for subscription Request-Id: 5f2c+8c1f";
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let separator = if url.contains('?') { '&' } else { '?' };
    let asked = format!("{url}{separator}validationToken={encoded}");
    let answer = post(&asked, &["Content-Type: text/plain; charset=utf-8".into()], b"");
    let is_there = answer.is_some_and(|(status, body)| status == 200 && body == token);
    let message = "Subscription validation request failed. Notification endpoint must respond with 200 OK to \
                   validation request.";
    if is_there { Ok(()) } else { Err(Refusal::new(400, "ValidationError", message)) }
}

impl Subscriptions {
    pub fn new() -> Self {
        let (jobs, waiting) = channel::<Job>();
        let delivered = Arc::new(Delivered::default());
        let shared = delivered.clone();
        std::thread::spawn(move || {
            for mut job in waiting {
                let headers = ["Content-Type: application/json; charset=utf-8".to_owned()];
                let answer = post(&job.url, &headers, job.body.to_string().as_bytes());
                job.notification.status = answer.map_or(0, |(status, _)| status);
                shared.close(job.notification);
            }
        });
        Self { all: BTreeMap::new(), delivery: GraphDelivery::Once, delivered, jobs }
    }

    pub fn all(&self) -> Vec<GraphSubscription> {
        self.all.values().cloned().collect()
    }

    /// `calendar`: what the resource names, and whether it is somebody else's.
    pub fn wish(
        &mut self,
        given: &Value,
        by: &str,
        calendar: Option<(String, bool)>,
        clock: &mut Clock,
    ) -> Result<Wished, Refusal> {
        let text = |name: &str| given[name].as_str().map(str::to_owned);
        let required = |name: &str| text(name).ok_or_else(|| Refusal::property(name));
        let (change_type, resource) = (required("changeType")?, required("resource")?);
        let (calendar, is_others) = calendar.ok_or_else(|| Refusal::property("resource"))?;
        if is_others {
            return Err(Refusal::new(403, "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden]"));
        }
        let notification_url = required("notificationUrl")?;
        let is_good = |url: &str| url.starts_with("https://") || url.starts_with("http://127.0.0.1");
        if !is_good(&notification_url) {
            return Err(Refusal::property("notificationUrl"));
        }
        if text("clientState").is_some_and(|state| state.len() > 128) {
            return Err(Refusal::property("clientState"));
        }
        let now = clock.now();
        self.all.retain(|_, one| one.expires > now);
        let is_same =
            |one: &GraphSubscription| (&one.resource, &one.change_type) == (&resource, &change_type) && one.by == by;
        if self.all.values().any(is_same) {
            return Err(Refusal::new(409, "ExtensionError", "Subscription already exists for this resource."));
        }
        let subscription = GraphSubscription {
            id: clock.new_word(""),
            calendar,
            resource,
            notification_url,
            lifecycle_url: text("lifecycleNotificationUrl"),
            client_state: text("clientState"),
            expires: expiration(given, now)?,
            change_type,
            by: by.into(),
        };
        Ok(Wished { subscription })
    }

    pub fn make(&mut self, wished: Wished) -> Value {
        let subscription = wished.subscription;
        let shown = show(&subscription);
        self.all.insert(subscription.id.clone(), subscription);
        shown
    }

    pub fn list(&self, by: &str) -> Value {
        json!({ "value": self.all.values().filter(|one| one.by == by).map(show).collect::<Vec<_>>() })
    }

    pub fn renew(&mut self, id: &str, given: &Value, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let expires = expiration(given, now)?;
        let subscription = self.all.get_mut(id).filter(|one| one.expires > now).ok_or_else(not_found)?;
        subscription.expires = expires;
        Ok(show(subscription))
    }

    pub fn remove(&mut self, id: &str) -> Result<(), Refusal> {
        self.all.remove(id).map(|_| ()).ok_or_else(not_found)
    }

    /// Tells everybody who wants to know of a change, unless their time is over.
    pub fn announce(&mut self, calendar: &str, change: &str, event: &str, now: DateTime<Utc>) {
        self.all.retain(|_, one| one.expires > now);
        let times = match self.delivery {
            GraphDelivery::Once => 1,
            GraphDelivery::Never => 0,
            GraphDelivery::Twice => 2,
        };
        let told: Vec<GraphSubscription> = self.all.values().filter(|one| one.calendar == calendar).cloned().collect();
        for one in told.iter().filter(|one| one.change_type.split(',').any(|wanted| wanted == change)) {
            let item = json!({
                "subscriptionId": one.id,
                "subscriptionExpirationDateTime": when::stamp(one.expires),
                "changeType": change,
                "resource": format!("Users/fake/Events/{event}"),
                "resourceData": {
                    "@odata.type": "#Microsoft.Graph.Event", "@odata.id": format!("Users/fake/Events/{event}"),
                    "@odata.etag": "W/\"x\"", "id": event,
                },
                "clientState": one.client_state,
                "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
            });
            (0..times).for_each(|_| self.send(one, &one.notification_url, item.clone(), change));
        }
    }

    /// `reauthorizationRequired`, `subscriptionRemoved` (which it then is) or `missed`.
    pub fn lifecycle(&mut self, id: &str, event: &str) {
        let Some(one) = self.all.get(id).cloned() else { panic!("no subscription {id}") };
        if event == "subscriptionRemoved" {
            self.all.remove(id);
        }
        let item = json!({
            "subscriptionId": one.id,
            "subscriptionExpirationDateTime": when::stamp(one.expires),
            "lifecycleEvent": event,
            "clientState": one.client_state,
            "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
        });
        if let Some(url) = one.lifecycle_url.clone() {
            self.send(&one, &url, item, event);
        }
    }

    fn send(&self, subscription: &GraphSubscription, url: &str, item: Value, event: &str) {
        self.delivered.open();
        let notification = GraphNotification { subscription: subscription.id.clone(), event: event.into(), status: 0 };
        // The thread lives as long as this does.
        let _ = self.jobs.send(Job { url: url.into(), body: json!({ "value": [item] }), notification });
    }
}

fn not_found() -> Refusal {
    Refusal::new(404, "ResourceNotFound", "The object was not found.")
}

/// Not further than seven days ahead; less than 45 minutes is raised.
fn expiration(given: &Value, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let wished = given["expirationDateTime"].as_str().and_then(when::bound);
    let wished = wished.filter(|at| *at > now && *at <= now + LONGEST);
    let message = "Subscription expiration can only be 10080 minutes in the future.";
    wished.map(|at| at.max(now + SHORTEST)).ok_or_else(|| Refusal::new(400, "ExtensionError", message))
}

fn show(one: &GraphSubscription) -> Value {
    json!({
        "id": one.id,
        "resource": one.resource,
        "applicationId": "24d3b144-21ae-4080-943f-7067b395b913",
        "changeType": one.change_type,
        "clientState": null,
        "notificationUrl": one.notification_url,
        "lifecycleNotificationUrl": one.lifecycle_url,
        "expirationDateTime": when::stamp(one.expires),
        "creatorId": one.by,
    })
}
