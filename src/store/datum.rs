//! Values on their way into statements, and out of them.

use std::ffi::c_char;

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::datum::{DatumWithOid, IntoDatum, TimestampWithTimeZone};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys;
use uuid::Uuid;

/// PostgreSQL counts from 2000-01-01, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// An instant for PostgreSQL; what lies outside of its range is infinite.
pub fn stamp(instant: DateTime<Utc>) -> TimestampWithTimeZone {
    if instant == DateTime::<Utc>::MAX_UTC {
        return TimestampWithTimeZone::positive_infinity();
    }
    let micros = instant.timestamp_micros().saturating_sub(EPOCH);
    TimestampWithTimeZone::try_from(micros).unwrap_or_else(|_| {
        if micros < 0 { TimestampWithTimeZone::negative_infinity() } else { TimestampWithTimeZone::positive_infinity() }
    })
}

/// An instant from PostgreSQL; infinity is `MAX_UTC` and `MIN_UTC`.
pub fn instant(stamp: TimestampWithTimeZone) -> DateTime<Utc> {
    let micros = pg_sys::TimestampTz::from(stamp);
    let beyond = if micros < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    if micros == i64::MIN || micros == i64::MAX {
        return beyond;
    }
    DateTime::UNIX_EPOCH
        .checked_add_signed(TimeDelta::microseconds(EPOCH))
        .and_then(|epoch| epoch.checked_add_signed(TimeDelta::microseconds(micros)))
        .unwrap_or(beyond)
}

/// A UUID for PostgreSQL.
pub fn uuid(id: Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(id.into_bytes())
}

/// A UUID from PostgreSQL.
pub fn uuid_of(id: pgrx::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

/// Arguments as SPI takes them: values, and for each whether it is NULL.
pub fn bound(arguments: impl Iterator<Item = Option<pg_sys::Datum>>) -> (Vec<pg_sys::Datum>, Vec<c_char>) {
    arguments
        .map(|argument| match argument {
            Some(value) => (value, b' ' as c_char),
            None => (pg_sys::Datum::null(), b'n' as c_char),
        })
        .unzip()
}

/// Of an argument, for [`bound`].
pub fn value_of(argument: &DatumWithOid) -> Option<pg_sys::Datum> {
    argument.datum().map(|datum| datum.sans_lifetime())
}

/// One column of many rows, as an array for `unnest`.
pub fn column<'a, R, T: IntoDatum>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> DatumWithOid<'a> {
    rows.iter().map(value).collect::<Vec<T>>().into()
}

/// The literal of a text array: arrays of arrays can't be unnested, so such columns go as text. `None` if empty.
pub fn text_array(elements: &[String]) -> Option<String> {
    if elements.is_empty() {
        return None;
    }
    let mut literal = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for character in element.chars() {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    Some(literal)
}

/// The literal of an array of instants; `None` if empty.
pub fn instant_array(instants: &[DateTime<Utc>]) -> Option<String> {
    let texts: Vec<String> = instants.iter().map(|instant| instant.to_rfc3339()).collect();
    text_array(&texts)
}

/// What `work` allocates in PostgreSQL's memory is freed when it is done.
pub fn within_scratch<T>(work: impl FnOnce() -> T) -> T {
    let mut context = PgMemoryContexts::new("calendar_sync batch");
    // SAFETY: what `work` returns is Rust's own; no datum leaves it.
    unsafe { context.switch_to(|_| work()) }
}
