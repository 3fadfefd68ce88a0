//! Webhooks: providers say that a calendar has changed.

use pgrx::PgSqlErrorCode;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::arguments::{self, given};
use super::caller::authorize;
use super::connections::own_connection;
use super::json::Json;
use crate::errors::{SqlResult, error};
use crate::secrets;
use crate::store::sealed::CLIENT_STATE;
use crate::store::{self, channels, webhooks};
use crate::sync::webhooks::receive::{self, Answer, Claim};
use crate::sync::webhooks::register;
use crate::worker;

/// See the comment on the function in sql/079_webhook_functions.sql; so for all of them.
#[pg_extern]
fn calendar_webhook_register(
    connection_id: Option<pgrx::Uuid>,
    notification_url: Option<&str>,
) -> SqlResult<pgrx::Uuid> {
    let notification_url = given("notification_url", notification_url)?;
    let connection_id = arguments::uuid_of(own_connection(connection_id)?);
    let id = register::register(connection_id, notification_url)?;
    worker::wake_at_commit();
    Ok(arguments::uuid(id))
}

#[pg_extern]
fn calendar_webhook_stop(webhook_id: Option<pgrx::Uuid>) -> SqlResult<()> {
    let webhook_id = own_webhook(webhook_id)?;
    register::stop(webhook_id)
}

/// What has to be pasted into Notion's settings.
#[pg_extern]
fn calendar_webhook_token(webhook_id: Option<pgrx::Uuid>) -> SqlResult<Option<String>> {
    let webhook_id = own_webhook(webhook_id)?;
    let sealed = store::reading(|installation| webhooks::fresh_token(installation, webhook_id))?;
    let token = sealed.map(|sealed| secrets::open(CLIENT_STATE.place(webhook_id), &sealed)).transpose()?;
    Ok(token.map(|token| token.as_str().to_owned()))
}

/// Whoever may not act for its owner gets the same error as for a channel that is not there.
fn own_webhook(webhook_id: Option<pgrx::Uuid>) -> SqlResult<Uuid> {
    let webhook_id = arguments::uuid_of(given("webhook_id", webhook_id)?);
    let owner = store::reading(|installation| channels::owner(installation, webhook_id))?;
    match owner {
        Some(owner) if authorize(&owner).is_ok() => Ok(webhook_id),
        _ => Err(error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no webhook {webhook_id}"))
            .set_hint("Pass the webhook_id that calendar_webhook_register gave.")),
    }
}

/// Takes a provider's call.
#[pg_extern(volatile, parallel_unsafe)]
fn calendar_webhook_receive(
    provider: Option<&str>,
    headers: Option<Json>,
    query: Option<Json>,
    body: Option<&str>,
) -> Result<
    TableIterator<'static, (name!(status, i32), name!(content_type, &'static str), name!(body, String))>,
    pgrx::pg_sys::panic::ErrorReport,
> {
    let answer = answer(provider.unwrap_or_default(), headers, query, body.unwrap_or_default())?;
    Ok(TableIterator::once((answer.status, "text/plain; charset=utf-8", answer.body)))
}

/// Whoever calls from outside gets an answer, and no error of the database.
fn answer(provider: &str, headers: Option<Json>, query: Option<Json>, body: &str) -> SqlResult<Answer> {
    let read = |given: Option<Json>| given.map_or(Ok(Value::Null), |given| given.read("headers and query"));
    let (Ok(headers), Ok(query)) = (read(headers), read(query)) else {
        return Ok(Answer::new(400, "headers or query are nested too deeply"));
    };
    let claim = match receive::read(provider, &headers, &query, body) {
        Claim::Nothing(answer) => return Ok(answer),
        claim => claim,
    };
    if !store::can_write() {
        return Ok(Answer::new(503, "notifications are taken by the primary server"));
    }
    let answer = store::as_owner(|installation| receive::take(installation, claim))?;
    if answer.is_success() {
        worker::wake_at_commit();
    }
    Ok(answer)
}
