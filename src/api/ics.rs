//! Calendar files in and out.

use calendar_sync_core::filter::Filter;
use calendar_sync_core::ics::{self, ReadError};
use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::arguments::{self, given};
use super::caller::authorize;
use crate::errors::{SqlResult, invalid_argument};
use crate::store::{self, installation_row};
use crate::sync::apply::{self, Source, Terms};
use crate::sync::export::{Publication, export};
use crate::zones::PgZones;

/// Events of one file.
const MOST_EVENTS: usize = 1_000_000;

/// The user's calendar as a file.
#[pg_extern(stable, parallel_restricted)]
fn calendar_ics_export(
    user_id: Option<&str>,
    range_start: default!(Option<TimestampWithTimeZone>, "now() - interval '30 days'"),
    range_end: default!(Option<TimestampWithTimeZone>, "now() + interval '180 days'"),
    visibility: default!(Option<&str>, "'details'"),
) -> SqlResult<String> {
    let user_id = given("user_id", user_id)?;
    let range = arguments::range(range_start, range_end)?;
    let details = arguments::shows_details(given("visibility", visibility)?)?;
    authorize(user_id)?;
    let filter = Filter::default();
    let wanted = Publication { user_id, range, details, filter: &filter, name: None, refresh: None };
    if !details && store::can_write() {
        // So that there is a key to hide UIDs with.
        store::as_owner(installation_row::ensure)?;
    }
    store::reading(|installation| export(installation, &PgZones, &wanted))
}

/// Why a file can't be read, and what to do about it.
fn unread(error: ReadError, ics: &str) -> ErrorReport {
    let report = invalid_argument(error.to_string());
    match error {
        ReadError::NotACalendar => {
            report.set_detail(begins(ics)).set_hint("Pass the text of an .ics file: BEGIN:VCALENDAR ... END:VCALENDAR.")
        }
        ReadError::TooLong | ReadError::TooManyEvents(_) => {
            report.set_hint("Import it in parts, each from BEGIN:VCALENDAR to END:VCALENDAR.")
        }
    }
}

/// What a file that can't be read begins with.
fn begins(ics: &str) -> String {
    match ics.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!("It begins with \"{}\".", line.chars().take(40).collect::<String>()),
        None => "It is empty.".to_owned(),
    }
}

/// Takes the events of a file.
#[pg_extern]
fn calendar_ics_import(
    user_id: Option<&str>,
    ics: Option<&str>,
    name: default!(Option<&str>, "'import'"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(uid, Option<String>),
            name!(event_id, Option<Uuid>),
            name!(action, Option<String>),
            name!(error, Option<String>),
        ),
    >,
    ErrorReport,
> {
    let (user_id, ics, name) = (given("user_id", user_id)?, given("ics", ics)?, given("name", name)?);
    arguments::identifier("user_id", user_id)?;
    arguments::identifier("name", name)?;
    authorize(user_id)?;
    let calendar = ics::read(ics.as_bytes(), MOST_EVENTS).map_err(|error| unread(error, ics))?;
    if !calendar.complete {
        return Err(invalid_argument("the calendar is cut off: its END:VCALENDAR is missing")
            .set_hint("Pass the whole text of the file."));
    }
    let items = ics::resolve(calendar, &PgZones, &arguments::time_zone()).map_err(|error| {
        invalid_argument(error.to_string()).set_hint("Set calendar_sync.time_zone to one of pg_timezone_names.")
    })?;
    let source = Source { user_id, external_source: name, connection_id: None, synced_from: "ics" };
    let terms = Terms::handed_in(false, arguments::now());
    let applied = store::as_owner(|installation| {
        // So that the worker moves the windows of series forward.
        installation_row::ensure(installation)?;
        apply::document(installation, &source, &PgZones, items.into(), &terms)
    })?;
    Ok(TableIterator::new(applied.outcomes.into_iter().map(|outcome| {
        let event_id = outcome.event_id.map(arguments::uuid);
        let external_id = outcome.external_id.map(String::from);
        match outcome.action {
            Ok(action) => (external_id, event_id, Some(action.word().to_owned()), None),
            Err(error) => (external_id, None, None, Some(error)),
        }
    })))
}
