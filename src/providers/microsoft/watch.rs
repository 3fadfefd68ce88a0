//! Subscriptions: notifications of changes.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::api;
use crate::http::Method;
use crate::providers::account::{Ask, Watch, Watched};
use crate::providers::api::ApiError;

/// Less than the seven days that Graph gives at most.
const LONGEST: TimeDelta = TimeDelta::minutes(10_000);

/// A new subscription. Graph calls the address before it answers. `None`: this calendar can't have one.
pub fn begin(ask: &Ask, watch: &Watch) -> Result<Option<Watched>, ApiError> {
    let resource = resource(ask);
    let subscription = json!({
        "changeType": "created,updated,deleted",
        "notificationUrl": watch.notification_url,
        "lifecycleNotificationUrl": watch.notification_url,
        "resource": resource,
        "expirationDateTime": expires(watch),
        "clientState": watch.client_state,
    });
    let make = || api::write(ask, Method::POST, ask.api.below(&["subscriptions"], &[]), None, Some(&subscription));
    let made = match make() {
        // One that was made before, and whose answer was lost: its secret is not known.
        Err(error) if error.status() == Some(409) => {
            remove_others(ask, &resource, &watch.notification_url)?;
            make()
        }
        made => made,
    };
    match made {
        Ok(made) => Ok(watched(&made, &resource)),
        Err(error) if is_refusal(&error, ask) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a subscription last longer, or a new one where it is no more.
pub fn renew(ask: &Ask, watch: &Watch, old: &Watched) -> Result<Option<Watched>, ApiError> {
    let address = ask.api.below(&["subscriptions", &old.subscription_id], &[]);
    let expires = json!({ "expirationDateTime": expires(watch) });
    match api::write(ask, Method::PATCH, address, None, Some(&expires)) {
        Err(error) if error.status() == Some(404) => begin(ask, watch),
        renewed => {
            let renewed = renewed?;
            let expires = expiration(&renewed).or(old.expires);
            Ok(Some(Watched { expires, ..old.clone() }))
        }
    }
}

/// Ends a subscription; one that is no more is ended.
pub fn end(ask: &Ask, watched: &Watched) -> Result<(), ApiError> {
    let address = ask.api.below(&["subscriptions", &watched.subscription_id], &[]);
    match api::write(ask, Method::DELETE, address, None, None) {
        Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(()),
        ended => ended.map(|_| ()),
    }
}

/// What is watched: `me/events` is the default calendar's alone.
fn resource(ask: &Ask) -> String {
    let owner = api::owner(ask).join("/");
    if api::is_own(ask) { format!("{owner}/events") } else { format!("{owner}/calendars/{}/events", ask.calendar) }
}

fn expires(watch: &Watch) -> DateTime<Utc> {
    watch.expires.min(Utc::now() + LONGEST)
}

fn expiration(subscription: &Value) -> Option<DateTime<Utc>> {
    subscription["expirationDateTime"].as_str()?.parse().ok()
}

fn watched(subscription: &Value, resource: &str) -> Option<Watched> {
    Some(Watched {
        subscription_id: subscription["id"].as_str()?.to_owned(),
        resource_id: None,
        resource_path: Some(resource.to_owned()),
        expires: expiration(subscription),
    })
}

/// Somebody else's calendar can't be watched with a user's permission, and some mailboxes can't be at all.
fn is_refusal(error: &ApiError, ask: &Ask) -> bool {
    let ApiError::Failed(failure) = error else { return false };
    let is_extension = api::code(failure).eq_ignore_ascii_case("ExtensionError");
    matches!(failure.status, 400 | 403) && is_extension || failure.status == 403 && ask.mailbox.is_some()
}

fn remove_others(ask: &Ask, resource: &str, notification_url: &str) -> Result<(), ApiError> {
    let listed = api::get(ask, ask.api.below(&["subscriptions"], &[]))?;
    let same =
        |value: &Value, text: &str| value.as_str().is_some_and(|it| it.trim_matches('/') == text.trim_matches('/'));
    for subscription in listed["value"].as_array().into_iter().flatten() {
        if same(&subscription["resource"], resource)
            && same(&subscription["notificationUrl"], notification_url)
            && let Some(known) = watched(subscription, resource)
        {
            end(ask, &known)?;
        }
    }
    Ok(())
}
