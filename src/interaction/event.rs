//! The mapping itself: an interaction's columns to its event's (docs/interactions.md).

use calendar_sync_core::mapping::Field;
use pgrx::{FromDatum, IntoDatum};
use pgrx::{JsonB, direct_function_call_as_datum, pg_sys};
use serde_json::{Map, Value as Json};

use super::layout::{Column, Layout};
use super::row::{Change, Row};
use crate::errors::SqlResult;
use crate::store::Failure;
use crate::store::interactions::Event;
use crate::store::raw::{Value, kept_text, text};

/// PostgreSQL's timestamptz: microseconds since 2000-01-01T00:00:00Z, with its two infinities.
const NEVER_BEFORE: i64 = i64::MIN;
const NEVER_AFTER: i64 = i64::MAX;
/// The first instant that a timestamptz can't hold: 294277-01-01.
const END_OF_TIME: i64 = 9_223_371_331_200_000_000;
const MINUTE: i64 = 60_000_000;

/// What an interaction's event should be.
pub struct Wanted {
    /// The conditions for an event to be created hold.
    pub may_create: bool,
    pub cancelled: bool,
    /// `None`: without a date or a subject there is no event; one that exists is cancelled.
    pub event: Option<Event>,
}

/// Names that were looked up: of the owner, the customer and the contact.
pub type Names = [Value; 3];

/// Maps an interaction; `earliest`: the start of the window that new events must lie in.
///
/// # Errors
/// 22023 for a negative duration, 22008 for a date out of range, 23502 for an interaction without an owner.
pub fn map(layout: &Layout, row: &Row, names: Names, earliest: i64) -> SqlResult<Result<Wanted, Failure>> {
    let archived = row.value(Field::Archived).is_some_and(|value| value.value() & 1 != 0);
    let date = instant(layout, row.value(Field::InteractionDate), layout.column(Field::InteractionDate))?;
    let (Some(date), Some(subject)) = (date, row.value(Field::Subject)) else {
        return Ok(Ok(Wanted { may_create: false, cancelled: true, event: None }));
    };
    let may_create = date >= earliest && !archived;
    let wanted = |event| Wanted { may_create, cancelled: archived, event };
    let end = match end_of(date, duration(layout, row)) {
        Ok(end) => end,
        // What lies before the window gets no event, so that nothing is wrong with it.
        Err(_) if date == NEVER_BEFORE => return Ok(Ok(wanted(None))),
        Err(failure) => return Ok(Err(failure)),
    };
    let Some(user) = owner(layout, row, names) else { return Ok(Err(without_owner(layout))) };
    let event = Event {
        user_id: user,
        title: as_text(layout.column(Field::Subject), Some(subject)),
        description: as_text(layout.column(Field::Description), row.value(Field::Description)),
        location: as_text(layout.column(Field::Location), row.value(Field::Location)),
        event_type: as_text(layout.event_type, row.event_type).or_else(|| Some(kept_text("interaction"))),
        event_date: date,
        event_end: end,
        participants: participants(names),
        keeps_participants: matches!(row.change, Change::Updated { names_changed: false }),
        metadata: metadata(layout, row),
        created_by: of_type(layout, row, Field::CreatedBy, pg_sys::UUIDOID),
        updated_by: of_type(layout, row, Field::UpdatedBy, pg_sys::UUIDOID),
        created_at: instant(layout, row.value(Field::CreatedAt), layout.column(Field::CreatedAt))?,
        updated_at: instant(layout, row.value(Field::UpdatedAt), layout.column(Field::UpdatedAt))?,
    };
    Ok(Ok(wanted(Some(event))))
}

/// The instant of a timestamptz, or of a wall-clock timestamp in the mapping's zone, as PostgreSQL reads it.
fn instant(layout: &Layout, value: Value, column: Option<Column>) -> SqlResult<Option<i64>> {
    let (Some(value), Some(column)) = (value, column) else { return Ok(None) };
    let instant = match column.type_oid {
        pg_sys::TIMESTAMPTZOID => Some(value),
        // SAFETY: timestamp_zone(zone text, timestamp), which SQL writes AT TIME ZONE.
        pg_sys::TIMESTAMPOID => unsafe {
            direct_function_call_as_datum(pg_sys::timestamp_zone, &[Some(layout.tracked.time_zone), Some(value)])
        },
        _ => None,
    };
    Ok(instant.map(|instant| instant.value() as i64))
}

/// Minutes; `None` for NULL.
fn duration(layout: &Layout, row: &Row) -> Option<i64> {
    let value = row.value(Field::DurationMinutes)?.value();
    match layout.column(Field::DurationMinutes)?.type_oid {
        pg_sys::INT2OID => Some(i64::from(value as i16)),
        pg_sys::INT4OID => Some(i64::from(value as i32)),
        _ => Some(value as i64),
    }
}

/// When the event ends; `None` where its length is not known.
fn end_of(date: i64, minutes: Option<i64>) -> Result<Option<i64>, Failure> {
    if date == NEVER_BEFORE || date == NEVER_AFTER {
        return Err(Failure {
            hint: Some("An event needs a date on the calendar.".into()),
            ..Failure::new("22008", "the interaction's date is infinite")
        });
    }
    match minutes {
        None | Some(0) => Ok(None),
        Some(minutes) if minutes < 0 => Err(Failure {
            hint: Some("Give a duration of 0 or NULL where it is not known.".into()),
            ..Failure::new("22023", format!("the interaction's duration is negative: {minutes} minutes"))
        }),
        Some(minutes) => minutes
            .checked_mul(MINUTE)
            .and_then(|length| date.checked_add(length))
            .filter(|end| *end < END_OF_TIME)
            .map(Some)
            .ok_or_else(|| {
                Failure::new("22008", format!("the interaction's end is out of range: it takes {minutes} minutes"))
            }),
    }
}

fn owner(layout: &Layout, row: &Row, names: Names) -> Value {
    if layout.look_ups.has(crate::store::names::Whose::User) {
        return names[0];
    }
    let (column, value) = (layout.user?, row.user?);
    match column.type_oid {
        pg_sys::UUIDOID => {
            // SAFETY: a uuid is 16 bytes.
            let id = uuid::Uuid::from_bytes(unsafe { *value.cast_mut_ptr::<[u8; 16]>() });
            Some(text(id.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())))
        }
        _ => as_text(Some(column), Some(value)),
    }
}

fn without_owner(layout: &Layout) -> Failure {
    let detail = if layout.look_ups.has(crate::store::names::Whose::User) {
        "The mapping's \"user\" table has no name for it."
    } else {
        "The column that tells the owner is NULL."
    };
    Failure {
        detail: Some(detail.into()),
        hint: Some("See \"user\" in the mapping given to calendar_attach.".into()),
        ..Failure::new("23502", "the interaction has no owner")
    }
}

/// A value of whatever type as a text.
fn as_text(column: Option<Column>, value: Value) -> Value {
    let (column, value) = (column?, value?);
    // SAFETY: the value is of the column's type.
    unsafe {
        match column.type_oid {
            pg_sys::BPCHAROID => direct_function_call_as_datum(pg_sys::rtrim1, &[Some(value)]),
            oid if pg_sys::IsBinaryCoercible(oid, pg_sys::TEXTOID) => Some(value),
            oid => {
                let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
                pg_sys::getTypeOutputInfo(oid, &mut output, &mut is_varlena);
                let shown = pg_sys::OidOutputFunctionCall(output, value);
                Some(text(&std::ffi::CStr::from_ptr(shown).to_string_lossy()))
            }
        }
    }
}

fn of_type(layout: &Layout, row: &Row, field: Field, type_oid: pg_sys::Oid) -> Value {
    layout.column(field).filter(|column| column.type_oid == type_oid).and_then(|_| row.value(field))
}

/// Customer, then contact; NULL where there is neither.
fn participants(names: Names) -> Value {
    let mut names: Vec<pg_sys::Datum> = names[1..].iter().flatten().copied().collect();
    // SAFETY: an array of texts in the current memory context.
    (!names.is_empty()).then(|| unsafe {
        let array =
            pg_sys::construct_array(names.as_mut_ptr(), names.len() as i32, pg_sys::TEXTOID, -1, false, b'i' as _);
        pg_sys::Datum::from(array)
    })
}

/// The mapping's metadata columns that are not NULL, as one object.
fn metadata(layout: &Layout, row: &Row) -> Value {
    let values: Map<String, Json> = layout
        .metadata
        .iter()
        .zip(&row.metadata)
        .filter_map(|((name, column), value)| Some((name.clone(), as_json(*column, (*value)?))))
        .collect();
    (!values.is_empty()).then(|| JsonB(Json::Object(values)).into_datum()).flatten()
}

fn as_json(column: Column, value: pg_sys::Datum) -> Json {
    // SAFETY: the value is of the column's type.
    unsafe {
        match column.type_oid {
            pg_sys::BOOLOID => Json::from(value.value() & 1 != 0),
            pg_sys::INT2OID => Json::from(value.value() as i16),
            pg_sys::INT4OID => Json::from(value.value() as i32),
            pg_sys::INT8OID => Json::from(value.value() as i64),
            pg_sys::JSONOID | pg_sys::NUMERICOID => as_text(Some(column), Some(value))
                .and_then(|text| String::from_datum(text, false))
                .map_or(Json::Null, |text| serde_json::from_str(&text).unwrap_or(Json::String(text))),
            pg_sys::JSONBOID => JsonB::from_datum(value, false).map_or(Json::Null, |json| json.0),
            _ => as_text(Some(column), Some(value))
                .and_then(|text| String::from_datum(text, false))
                .map_or(Json::Null, Json::from),
        }
    }
}
