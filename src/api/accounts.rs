//! Logins at providers, and the calendars that are reached through them.

use pgrx::PgSqlErrorCode;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::arguments::{self, given};
use super::caller::{administrators_only, authorize};
use super::json::Json;
use crate::errors::{SqlResult, error};
use crate::store::{self, accounts as stored};
use crate::sync::accounts::{self, Wish};
use crate::worker;

/// See the comment on the function in sql/076_account_functions.sql; so for all of them.
#[pg_extern]
fn calendar_oauth_register(
    provider: Option<&str>,
    client_id: Option<&str>,
    client_secret: Option<&str>,
    options: default!(Option<Json>, "'{}'"),
) -> SqlResult<()> {
    let (provider, client_id) = (given("provider", provider)?, given("client_id", client_id)?);
    let options = given("options", options)?.read("options")?;
    // Whoever says where tokens are asked for is handed every refresh token there is.
    administrators_only("register an application at a provider")?;
    store::as_owner(|installation| accounts::register(installation, provider, client_id, client_secret, &options))?;
    worker::wake_at_commit();
    Ok(())
}

#[pg_extern]
fn calendar_oauth_begin(
    user_id: Option<&str>,
    provider: Option<&str>,
    redirect_uri: Option<&str>,
) -> SqlResult<String> {
    let (user_id, provider) = (given("user_id", user_id)?, given("provider", provider)?);
    let redirect_uri = given("redirect_uri", redirect_uri)?;
    arguments::identifier("user_id", user_id)?;
    authorize(user_id)?;
    store::as_owner(|installation| accounts::begin(installation, user_id, provider, redirect_uri))
}

#[pg_extern]
fn calendar_oauth_finish(state: Option<&str>, code: Option<&str>, user_id: Option<&str>) -> SqlResult<pgrx::Uuid> {
    let (state, code, user_id) = (given("state", state)?, given("code", code)?, given("user_id", user_id)?);
    authorize(user_id)?;
    let id = accounts::finish(user_id, state, code)?;
    worker::wake_at_commit();
    Ok(arguments::uuid(id))
}

#[pg_extern]
fn calendar_account_add(
    user_id: Option<&str>,
    provider: Option<&str>,
    access_token: Option<&str>,
    refresh_token: default!(Option<&str>, "NULL"),
    expires_at: default!(Option<TimestampWithTimeZone>, "NULL"),
    account_email: default!(Option<&str>, "NULL"),
) -> SqlResult<pgrx::Uuid> {
    let (user_id, provider) = (given("user_id", user_id)?, given("provider", provider)?);
    let access_token = given("access_token", access_token)?;
    arguments::identifier("user_id", user_id)?;
    authorize(user_id)?;
    let expires_at = expires_at.map(store::instant);
    let id = store::as_owner(|installation| {
        accounts::add(installation, user_id, provider, access_token, refresh_token, expires_at, account_email)
    })?;
    worker::wake_at_commit();
    Ok(arguments::uuid(id))
}

#[pg_extern]
fn calendar_account_remove(account_id: Option<pgrx::Uuid>) -> SqlResult<()> {
    let (account_id, _) = own_account(account_id)?;
    store::as_owner(|installation| accounts::remove(installation, account_id))
}

#[pg_extern]
fn calendar_account_calendars(
    account_id: Option<pgrx::Uuid>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(external_calendar_id, String),
            name!(name, String),
            name!(writable, bool),
            name!(owner_email, Option<String>),
            name!(time_zone, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let (account_id, _) = own_account(account_id)?;
    let found = accounts::calendars(account_id, None)?;
    Ok(TableIterator::new(
        found.into_iter().map(|it| (it.external_calendar_id, it.name, it.writable, it.owner_email, it.time_zone)),
    ))
}

#[pg_extern]
fn calendar_connect(
    account_id: Option<pgrx::Uuid>,
    external_calendar_id: Option<&str>,
    direction: default!(Option<&str>, "'both'"),
    visibility: default!(Option<&str>, "'details'"),
    name: default!(Option<&str>, "NULL"),
    options: default!(Option<Json>, "'{}'"),
) -> SqlResult<pgrx::Uuid> {
    let calendar = given("external_calendar_id", external_calendar_id)?;
    let (direction, visibility) = (given("direction", direction)?, given("visibility", visibility)?);
    let options = given("options", options)?.read("options")?;
    arguments::shows_details(visibility)?;
    name.map_or(Ok(()), |name| arguments::identifier("name", name))?;
    let (account_id, user_id) = own_account(account_id)?;
    let wish = Wish { account_id, user_id: &user_id, calendar, direction, visibility, name, options: &options };
    let id = accounts::connect(&wish)?;
    worker::wake_at_commit();
    Ok(arguments::uuid(id))
}

/// An account and its owner. Whoever may not act for its owner gets the same error as for an account that is not there.
fn own_account(account_id: Option<pgrx::Uuid>) -> SqlResult<(Uuid, String)> {
    let account_id = arguments::uuid_of(given("account_id", account_id)?);
    let owner = store::reading(|installation| stored::owner(installation, account_id))?;
    match owner {
        Some(owner) if authorize(&owner).is_ok() => Ok((account_id, owner)),
        _ => Err(error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no account {account_id}"))
            .set_hint("calendar_oauth_begin and calendar_account_add make accounts.")),
    }
}
