//! Events that an application hands in, and the agenda.

use calendar_sync_core::zones::Zones;
use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::Value;

use super::arguments::{self, given};
use super::caller::authorize;
use super::json::Json;
use crate::errors::{SqlResult, invalid_argument};
use crate::store::{self, Installation, agenda::Entry};
use crate::sync::agenda::{Range, agenda};
use crate::sync::apply::{self, Source, Terms};
use crate::sync::upsert::{self, Handed, Refusal};
use crate::zones::PgZones;

/// Creates or changes one event or series of an application's own source.
#[pg_extern]
fn calendar_upsert_event(
    user_id: Option<&str>,
    external_source: Option<&str>,
    external_id: Option<&str>,
    event: Option<Json>,
) -> Result<TableIterator<'static, (name!(event_id, Uuid), name!(action, String))>, ErrorReport> {
    let source = source(user_id, external_source)?;
    let external_id = arguments::external_id(external_id)?.to_owned();
    let handed = vec![Handed { external_id: Ok(external_id), event: given("event", event)?.read("event")? }];
    let outcome = store::as_owner(|installation| {
        upsert::upsert(installation, &PgZones, &source, handed, &Terms::handed_in(true, arguments::now()))
    })?
    .pop();
    match outcome.map(|outcome| outcome.result) {
        Some(Ok((event_id, action))) => Ok(TableIterator::once((arguments::uuid(event_id), action.word().to_owned()))),
        Some(Err(refusal)) => Err(refused(refusal)),
        None => Err(crate::errors::internal("calendar_sync: the event came to nothing")),
    }
}

/// Creates or changes many events or series of an application's own source.
#[pg_extern]
fn calendar_upsert_events(
    user_id: Option<&str>,
    external_source: Option<&str>,
    events: Option<Json>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(external_id, Option<String>),
            name!(event_id, Option<Uuid>),
            name!(action, Option<String>),
            name!(error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let source = source(user_id, external_source)?;
    let Value::Array(elements) = given("events", events)?.read("events")? else {
        return Err(invalid_argument("events is not a JSON array")
            .set_hint("Pass [{\"external_id\": \"...\", \"title\": \"...\", \"start\": \"...\"}, ...]."));
    };
    let handed = elements.into_iter().map(Handed::from_element).collect();
    let outcomes = store::as_owner(|installation| {
        upsert::upsert(installation, &PgZones, &source, handed, &Terms::handed_in(false, arguments::now()))
    })?;
    Ok(TableIterator::new(outcomes.into_iter().map(|outcome| match outcome.result {
        Ok((event_id, action)) => {
            (outcome.external_id, Some(arguments::uuid(event_id)), Some(action.word().to_owned()), None)
        }
        Err(refusal) => (outcome.external_id, None, None, Some(refusal.to_string())),
    })))
}

/// Marks one event or series of an application's own source as deleted; it stays as history.
#[pg_extern]
fn calendar_delete_event(
    user_id: Option<&str>,
    external_source: Option<&str>,
    external_id: Option<&str>,
) -> SqlResult<bool> {
    let source = source(user_id, external_source)?;
    let external_id = arguments::external_id(external_id)?;
    store::as_owner(|installation| apply::delete(installation, &source, external_id, arguments::now()))
}

/// What is the application's, if the caller may act for the user.
fn source<'a>(user_id: Option<&'a str>, external_source: Option<&'a str>) -> SqlResult<Source<'a>> {
    let user_id = given("user_id", user_id)?;
    let external_source = given("external_source", external_source)?;
    arguments::identifier("user_id", user_id)?;
    arguments::identifier("external_source", external_source)?;
    authorize(user_id)?;
    Ok(Source { user_id, external_source, connection_id: None, synced_from: "manual" })
}

fn refused(refusal: Refusal) -> ErrorReport {
    match refusal {
        Refusal::Patch(error) => invalid_argument(error.to_string()).set_hint(error.hint),
        Refusal::Item(message) => invalid_argument(format!("the event can't be stored: {message}"))
            .set_hint("Its dates are of the years 1 to 9999; a rule gives 10,000 occurrences in 400 days at most."),
    }
}

/// Everything of the user's that overlaps a range.
#[pg_extern(stable, parallel_restricted)]
fn calendar_agenda(
    user_id: Option<&str>,
    range_start: Option<TimestampWithTimeZone>,
    range_end: Option<TimestampWithTimeZone>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(event_id, Option<Uuid>),
            name!(title, String),
            name!(starts_at, TimestampWithTimeZone),
            name!(ends_at, Option<TimestampWithTimeZone>),
            name!(all_day, bool),
            name!(location, Option<String>),
            name!(event_status, String),
            name!(series_id, Option<Uuid>),
            name!(recurrence_id, Option<TimestampWithTimeZone>),
            name!(external_source, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let entries = of_range(user_id, range_start, range_end, agenda)?;
    Ok(TableIterator::new(entries.into_iter().map(|entry: Entry| {
        (
            entry.event_id.map(arguments::uuid),
            entry.title,
            store::stamp(entry.starts_at),
            entry.ends_at.map(store::stamp),
            entry.all_day,
            entry.location,
            entry.event_status,
            entry.series_id.map(arguments::uuid),
            entry.recurrence_id.map(store::stamp),
            entry.external_source,
        )
    })))
}

/// Asks for something of a user's within a range, dates in the zone of calendar_sync.time_zone.
pub(super) fn of_range<T>(
    user_id: Option<&str>,
    range_start: Option<TimestampWithTimeZone>,
    range_end: Option<TimestampWithTimeZone>,
    ask: impl FnOnce(&Installation, &dyn Zones, &str, Range, &str) -> SqlResult<T>,
) -> SqlResult<T> {
    let user_id = given("user_id", user_id)?;
    let range = arguments::range(range_start, range_end)?;
    authorize(user_id)?;
    let zone = arguments::time_zone();
    store::reading(|installation| ask(installation, &PgZones, user_id, range, &zone))
}
