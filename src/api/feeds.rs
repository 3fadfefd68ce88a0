//! Published feeds.

use pgrx::PgSqlErrorCode;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use super::arguments;
use super::caller::authorize;
use super::json::Json;
use crate::errors::{SqlResult, error};
use crate::store::{self, feeds};
use crate::sync::feed;
use crate::zones::PgZones;

/// See the comment on the function in sql/074_feed_functions.sql; so for all of them.
#[pg_extern]
fn calendar_feed_create(
    user_id: Option<&str>,
    name: Option<&str>,
    visibility: default!(Option<&str>, "'details'"),
    filter: default!(Option<Json>, "'{}'"),
) -> Result<TableIterator<'static, (name!(feed_id, pgrx::Uuid), name!(token, String))>, ErrorReport> {
    let user_id = arguments::given("user_id", user_id)?;
    let name = arguments::given("name", name)?;
    let filter = arguments::given("filter", filter)?.read("filter")?;
    arguments::identifier("user_id", user_id)?;
    arguments::identifier("name", name)?;
    let details = arguments::shows_details(arguments::given("visibility", visibility)?)?;
    authorize(user_id)?;
    let (feed_id, token) = store::as_owner(|installation| feed::create(installation, user_id, name, details, &filter))?;
    Ok(TableIterator::once((arguments::uuid(feed_id), token)))
}

/// The token is all that a reader needs.
#[pg_extern(volatile, parallel_unsafe)]
fn calendar_feed(token: Option<&str>) -> SqlResult<String> {
    let (feed, file) = store::reading(|installation| feed::read(installation, &PgZones, token, arguments::now()))?;
    if feed.is_to_be_noted && store::can_write_in_passing() {
        store::as_owner(|installation| feeds::note_reading(installation, feed.feed_id))?;
    }
    Ok(file)
}

#[pg_extern]
fn calendar_feed_rotate(feed_id: Option<pgrx::Uuid>) -> SqlResult<String> {
    let feed_id = authorize_feed(feed_id)?;
    store::as_owner(|installation| feed::rotate(installation, feed_id))
}

#[pg_extern]
fn calendar_feed_disable(feed_id: Option<pgrx::Uuid>) -> SqlResult<()> {
    let feed_id = authorize_feed(feed_id)?;
    store::as_owner(|installation| feeds::disable(installation, feed_id))
}

/// Whoever may not act for its owner gets the same error as for a feed that is not there.
fn authorize_feed(feed_id: Option<pgrx::Uuid>) -> SqlResult<Uuid> {
    let feed_id = arguments::uuid_of(arguments::given("feed_id", feed_id)?);
    let owner = store::reading(|installation| feeds::owner(installation, feed_id))?;
    match owner {
        Some(owner) if authorize(&owner).is_ok() => Ok(feed_id),
        _ => Err(error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no feed {feed_id}"))
            .set_hint("Pass the feed_id that calendar_feed_create gave; the table calendar_feeds holds all of them.")),
    }
}
