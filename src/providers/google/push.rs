//! Changes on their way out.

use serde_json::{Map, Value};

use super::instances::{self, Guard, Outcome};
use super::{api, create};
use crate::http::Method;
use crate::providers::account::{Ask, Change, InstanceChange, Pushed};
use crate::providers::api::ApiError;

/// [`crate::providers::account::AccountProvider::push`]
pub fn push(ask: &Ask, change: &Change) -> Result<Pushed, ApiError> {
    Pushed::by_answer(match change {
        Change::Create { key, is_retry, payload, instances, .. } => {
            create::create(ask, key, *is_retry, payload, instances)
        }
        Change::Update { external_id, etag, payload, instances } => {
            update(ask, external_id, etag.as_deref(), payload, instances)
        }
        Change::Delete { external_id, etag } => {
            api::write(ask, Method::DELETE, Some(external_id), etag.as_deref(), None).map(|_| Pushed::Gone)
        }
    })
}

fn update(
    ask: &Ask,
    id: &str,
    etag: Option<&str>,
    payload: &Map<String, Value>,
    changes: &[InstanceChange],
) -> Result<Pushed, ApiError> {
    let there = if payload.is_empty() {
        api::get(ask, api::events(ask, &[id], &[]))?
    } else {
        api::write(ask, Method::PATCH, Some(id), etag, Some(&Value::Object(payload.clone())))?
    };
    if there["status"] == "cancelled" {
        return Ok(Pushed::Gone);
    }
    let guard = if etag.is_some() { Guard::OursAlone } else { Guard::Nothing };
    finish(ask, id, there, changes, guard)
}

/// Changes the occurrences, and tells what is there now.
pub fn finish(ask: &Ask, id: &str, there: Value, changes: &[InstanceChange], guard: Guard) -> Result<Pushed, ApiError> {
    let mut exceptions = vec![];
    let mut is_stale = false;
    for change in changes {
        match instances::push(ask, id, &there, change, guard)? {
            Outcome::Done(exception) => exceptions.push(*exception),
            Outcome::NotGiven => {}
            Outcome::Stale => is_stale = true,
            Outcome::Refused(why) => return Ok(Pushed::Refused(why)),
        }
    }
    if is_stale {
        return Ok(Pushed::Stale);
    }
    let etag = there["etag"].as_str().map(str::to_owned);
    let values = std::iter::once(there).chain(exceptions).collect();
    Ok(Pushed::Written { external_id: id.to_owned(), etag, values })
}
