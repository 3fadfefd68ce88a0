//! Events that an application hands in, and the agenda.

use calendar_sync_core::patch::PatchError;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{JsonB, Uuid};
use serde_json::Value;

use super::arguments;
use super::caller::authorize;
use crate::errors::{SqlResult, invalid_argument};
use crate::store::{self, agenda::Entry};
use crate::sync::agenda::{Range, agenda};
use crate::sync::apply::{self, Source};
use crate::sync::upsert::{self, Handed, Refusal};
use crate::zones::PgZones;

/// Creates or changes one event or series of an application's own source.
#[pg_extern]
fn calendar_upsert_event(
    user_id: &str,
    external_source: &str,
    external_id: &str,
    event: JsonB,
) -> Result<TableIterator<'static, (name!(event_id, Uuid), name!(action, String))>, ErrorReport> {
    let source = source(user_id, external_source)?;
    authorize(user_id)?;
    let handed = vec![Handed { external_id: Some(external_id.to_owned()), event: event.0 }];
    let outcome =
        store::as_owner(|installation| upsert::upsert(installation, &PgZones, &source, handed, arguments::now()))?
            .pop();
    match outcome.map(|outcome| outcome.result) {
        Some(Ok((event_id, action))) => Ok(TableIterator::once((arguments::uuid(event_id), action.word().to_owned()))),
        Some(Err(refusal)) => Err(refused(refusal)),
        None => Err(crate::errors::internal("calendar_sync: the event came to nothing")),
    }
}

/// Creates or changes many events or series of an application's own source.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn calendar_upsert_events(
    user_id: &str,
    external_source: &str,
    events: JsonB,
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
    authorize(user_id)?;
    let Value::Array(elements) = events.0 else {
        return Err(invalid_argument("events is not a JSON array")
            .set_hint("Pass [{\"external_id\": \"...\", \"title\": \"...\", \"start\": \"...\"}, ...]."));
    };
    let handed = elements.into_iter().map(Handed::from_element).collect();
    let outcomes =
        store::as_owner(|installation| upsert::upsert(installation, &PgZones, &source, handed, arguments::now()))?;
    Ok(TableIterator::new(outcomes.into_iter().map(|outcome| match outcome.result {
        Ok((event_id, action)) => {
            (outcome.external_id, Some(arguments::uuid(event_id)), Some(action.word().to_owned()), None)
        }
        Err(refusal) => (outcome.external_id, None, None, Some(refusal.to_string())),
    })))
}

/// Marks one event or series of an application's own source as deleted; it stays as history.
#[pg_extern]
fn calendar_delete_event(user_id: &str, external_source: &str, external_id: &str) -> SqlResult<bool> {
    let source = source(user_id, external_source)?;
    authorize(user_id)?;
    store::as_owner(|installation| apply::delete(installation, &source, external_id, arguments::now()))
}

fn source<'a>(user_id: &'a str, external_source: &'a str) -> SqlResult<Source<'a>> {
    arguments::identifier("user_id", user_id)?;
    arguments::identifier("external_source", external_source)?;
    Ok(Source { user_id, external_source, connection_id: None, synced_from: "manual" })
}

fn refused(refusal: Refusal) -> ErrorReport {
    match refusal {
        Refusal::Patch(PatchError { key, problem, hint }) => {
            invalid_argument(format!("event key \"{key}\" {problem}")).set_hint(hint)
        }
        Refusal::Item(message) => invalid_argument(format!("the event can't be stored: {message}")),
    }
}

/// Everything of the user's that overlaps a range.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn calendar_agenda(
    user_id: &str,
    range_start: TimestampWithTimeZone,
    range_end: TimestampWithTimeZone,
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
    let range = range(range_start, range_end)?;
    authorize(user_id)?;
    let zone = arguments::time_zone();
    let entries = store::as_owner(|installation| agenda(installation, &PgZones, user_id, range, &zone))?;
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

/// A range that has a length.
pub(super) fn range(from: TimestampWithTimeZone, to: TimestampWithTimeZone) -> SqlResult<Range> {
    let range = Range { from: store::instant(from), to: store::instant(to) };
    if range.from < range.to {
        return Ok(range);
    }
    Err(invalid_argument("range_end is not after range_start")
        .set_hint("The range goes up to, but without, range_end."))
}
