//! calendar_subscribe and what goes with it: outside calendars by their URL.

use pgrx::PgSqlErrorCode;
use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::arguments::{self, given};
use super::caller::{Caller, administrators_only, authorize};
use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::connections::Connection;
use crate::store::subscriptions::Status;
use crate::store::{self, connections, installation_row, registrations, removal, subscriptions};
use crate::sync::changes::comparison;
use crate::sync::now::{self, Report, Wish};
use crate::sync::subscribe;
use crate::{settings, worker};

/// See the comment on the function in sql/073_connection_functions.sql; so for all of them.
#[pg_extern]
fn calendar_subscribe(
    user_id: Option<&str>,
    url: Option<&str>,
    provider: default!(Option<&str>, "'ics'"),
    name: default!(Option<&str>, "NULL"),
    poll_interval: default!(Option<Interval>, "NULL"),
) -> SqlResult<pgrx::Uuid> {
    let (user_id, url, provider) = (given("user_id", user_id)?, given("url", url)?, given("provider", provider)?);
    arguments::identifier("user_id", user_id)?;
    name.map_or(Ok(()), |name| arguments::identifier("name", name))?;
    authorize(user_id)?;
    let id = store::as_owner(|installation| {
        subscribe::subscribe(installation, user_id, url, provider, name, poll_interval)
    })?;
    worker::wake_at_commit();
    Ok(arguments::uuid(id))
}

#[pg_extern]
fn calendar_unsubscribe(connection_id: Option<pgrx::Uuid>, keep_events: default!(Option<bool>, true)) -> SqlResult<()> {
    let keep_events = given("keep_events", keep_events)?;
    let connection_id = own_connection(connection_id)?;
    store::as_owner(|installation| removal::remove(installation, connection_id, keep_events))
}

#[pg_extern]
fn calendar_pause(connection_id: Option<pgrx::Uuid>) -> SqlResult<()> {
    let connection_id = own_connection(connection_id)?;
    store::as_owner(|installation| subscriptions::pause(installation, connection_id))
}

#[pg_extern]
fn calendar_continue(connection_id: Option<pgrx::Uuid>) -> SqlResult<()> {
    let connection_id = own_connection(connection_id)?;
    store::as_owner(|installation| subscriptions::resume(installation, connection_id))?;
    worker::wake_at_commit();
    Ok(())
}

/// Whoever may not act for its owner gets the same error as for a connection that is not there.
pub(super) fn own_connection(connection_id: Option<pgrx::Uuid>) -> SqlResult<pgrx::Uuid> {
    let connection_id = given("connection_id", connection_id)?;
    let owner = store::reading(|installation| subscriptions::owner(installation, connection_id))?;
    match owner {
        Some(owner) if authorize(&owner).is_ok() => Ok(connection_id),
        _ => Err(error(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("there is no connection {}", arguments::uuid_of(connection_id)),
        )
        .set_hint("calendar_sync_status(user_id) lists a user's connections.")),
    }
}

#[pg_extern]
fn calendar_sync_now(
    user_id: Option<&str>,
    force: default!(Option<bool>, false),
    name: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(connection_id, pgrx::Uuid),
            name!(name, String),
            name!(provider, String),
            name!(status, String),
            name!(fetched, i32),
            name!(created, i32),
            name!(updated, i32),
            name!(deleted, i32),
            name!(unchanged, i32),
            name!(pushed, i32),
            name!(conflicts, i32),
            name!(error, Option<String>),
            name!(duration_ms, i32),
        ),
    >,
    ErrorReport,
> {
    let may_be_undone = store::may_be_undone();
    let (user_id, force) = (given("user_id", user_id)?, given("force", force)?);
    authorize(user_id)?;
    let asked = to_be_pulled(user_id, name)?;
    if !worker::is_running() {
        pgrx::notice!(
            "calendar_sync: no worker pulls the calendars of this database in the background; \
             see the view calendar_worker_status"
        );
    }
    let allowed = worker::allow_manual_sync(user_id, settings::MANUAL_SYNC_LIMIT.get());
    let reports = if allowed {
        now::run(asked, Wish::Sync { force }, may_be_undone)?
    } else {
        asked.into_iter().map(|connection| Report::new(connection, "rate_limited")).collect()
    };
    Ok(TableIterator::new(reports.into_iter().map(|report| {
        let Report { connection, status, counts, pushed, error, duration, .. } = report;
        (
            arguments::uuid(connection.id),
            connection.name,
            connection.provider,
            status.to_owned(),
            counts.fetched,
            counts.created,
            counts.updated,
            counts.deleted,
            counts.unchanged,
            pushed,
            counts.conflicts,
            error,
            i32::try_from(duration.as_millis()).unwrap_or(i32::MAX),
        )
    })))
}

/// The user's connections, or the one of that name.
fn to_be_pulled(user_id: &str, name: Option<&str>) -> SqlResult<Vec<Connection>> {
    let found = store::as_owner(|installation| connections::of_user(installation, user_id, name))?;
    match name {
        Some(name) if found.is_empty() => {
            Err(invalid_argument(format!("the user has no connection named \"{name}\" that can be pulled"))
                .set_hint("calendar_sync_status(user_id) lists a user's connections."))
        }
        _ => Ok(found),
    }
}

#[pg_extern]
fn calendar_sync_request(user_id: default!(Option<&str>, "NULL")) -> SqlResult<i32> {
    match user_id {
        Some(user_id) => authorize(user_id)?,
        None => everybody()?,
    }
    let count = store::as_owner(|installation| subscriptions::request(installation, user_id))?;
    worker::wake_at_commit();
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

#[pg_extern(stable, parallel_restricted)]
fn calendar_sync_status(
    user_id: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(connection_id, pgrx::Uuid),
            name!(name, String),
            name!(provider, String),
            name!(status, String),
            name!(last_synced_at, Option<TimestampWithTimeZone>),
            name!(next_poll_at, Option<TimestampWithTimeZone>),
            name!(events, i64),
            name!(errors, i64),
            name!(last_error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let user_id = given("user_id", user_id)?;
    authorize(user_id)?;
    let list = store::reading(|installation| subscriptions::status(installation, user_id))?;
    Ok(TableIterator::new(list.into_iter().map(|it| {
        let next_poll_at = it.next_poll_at.filter(|_| matches!(it.status.as_str(), "active" | "pending" | "error"));
        let Status { id, name, provider, status, last_synced_at, events, errors, last_error, .. } = it;
        (id, name, provider, status, last_synced_at, next_poll_at, events, errors, last_error)
    })))
}

#[pg_extern]
fn calendar_resume() -> SqlResult<()> {
    administrators_only("make this copy of the database the real one")?;
    store::as_owner(|installation| {
        if installation_row::stands_aside(installation)? {
            registrations::renew_all(installation)?;
        }
        installation_row::resume(installation)?;
        comparison::all(installation)
    })?;
    worker::wake_at_commit();
    Ok(())
}

fn everybody() -> SqlResult<()> {
    match Caller::current()? {
        Caller::Everybody => Ok(()),
        _ => Err(error(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "permission denied to ask for everybody's calendars",
        )
        .set_hint("Name a user, or call it as a role of the level admin (calendar_grant).")),
    }
}

/// What the view calendar_worker_status shows.
#[pg_extern]
fn calendar_worker_states() -> Result<
    TableIterator<
        'static,
        (
            name!(database_oid, pg_sys::Oid),
            name!(pid, Option<i32>),
            name!(state, String),
            name!(last_loop, Option<TimestampWithTimeZone>),
            name!(connections_due, Option<i32>),
            name!(in_flight, Option<i32>),
            name!(last_error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let states = worker::states();
    Ok(TableIterator::new(states.into_iter().map(|it| {
        let last_loop = it.last_loop.and_then(|micros| TimestampWithTimeZone::try_from(micros).ok());
        (it.database, it.pid, it.state.to_owned(), last_loop, it.due, it.in_flight, it.last_error)
    })))
}
