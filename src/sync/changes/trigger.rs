//! The trigger functions of sql/062_event_changes.sql.

use std::cell::Cell;

use chrono::{DateTime, Utc};
use pgrx::datum::{FromDatum, TimestampWithTimeZone};
use pgrx::pg_sys;
use uuid::Uuid;

use super::{about_to_be_emptied, add, flush};
use crate::errors::{SqlResult, internal};
use crate::store::links::ItemId;
use crate::store::tuples::attribute_named;
use crate::store::{instant, own_writing, senders};
use crate::trigger_call::{TriggerCall, done, trigger_function};

/// Attributes of calendar_events, from 0. They are what they are for as long as the table is there.
#[derive(Clone, Copy)]
struct Places {
    relation: pg_sys::Oid,
    event_id: usize,
    series_id: usize,
    recurrence_id: usize,
    changed_at: usize,
}

thread_local! {
    static PLACES: Cell<Option<Places>> = const { Cell::new(None) };
}

fn places(call: &TriggerCall) -> SqlResult<Places> {
    // SAFETY: a trigger's relation, open during the call.
    let (relation, descriptor) = unsafe { ((*call.relation()).rd_id, (*call.relation()).rd_att) };
    if let Some(known) = PLACES.get()
        && known.relation == relation
    {
        return Ok(known);
    }
    let place = |name| {
        // SAFETY: as above.
        unsafe { attribute_named(descriptor, name) }.ok_or_else(|| {
            internal(format!("calendar_sync: a trigger of calendar_events stands on a table without {name}"))
        })
    };
    let found = Places {
        relation,
        event_id: place("event_id")?,
        series_id: place("series_id")?,
        recurrence_id: place("recurrence_id")?,
        changed_at: place("changed_at")?,
    };
    PLACES.set(Some(found));
    Ok(found)
}

/// BEFORE UPDATE, FOR EACH ROW that plain SQL gives another content: it has changed now. Of an instance of a series that is
/// by the clock: it may have been stored in the same transaction, and is to be told from what is as it was stored.
unsafe fn stamp(call: &TriggerCall) -> SqlResult<pg_sys::HeapTuple> {
    call.expect(pg_sys::TRIGGER_EVENT_BEFORE, pg_sys::TRIGGER_EVENT_ROW)?;
    let tuple = call.new_tuple();
    if own_writing::has_fired() {
        return Ok(tuple);
    }
    let places = places(call)?;
    // SAFETY: the tuple is of the relation; the column is one of its, a timestamptz.
    unsafe {
        let is_instance = Row::of(call, places, tuple).is_some_and(|row| row.occurrence().is_some());
        let time =
            if is_instance { pg_sys::GetCurrentTimestamp() } else { pg_sys::GetCurrentTransactionStartTimestamp() };
        Ok(call.stamped(tuple, places.changed_at, time))
    }
}

/// AFTER INSERT OR UPDATE OR DELETE, FOR EACH ROW.
fn row_changed(call: &TriggerCall) -> SqlResult<()> {
    call.expect(pg_sys::TRIGGER_EVENT_AFTER, pg_sys::TRIGGER_EVENT_ROW)?;
    let is_delete = call.event() == pg_sys::TRIGGER_EVENT_DELETE;
    let is_sent = !senders::are_known_not_to_be();
    if !(is_delete || is_sent) || own_writing::has_fired() {
        return Ok(());
    }
    let places = places(call)?;
    // SAFETY: the tuples are of the relation.
    let [before, after] = [call.old_tuple(), call.new_tuple()].map(|tuple| unsafe { Row::of(call, places, tuple) });
    add(|collected| {
        if is_delete {
            collected.deleted.extend(before.as_ref().and_then(Row::occurrence));
        }
        if is_sent {
            collected.items.extend([&before, &after].into_iter().flatten().map(Row::item));
        }
    });
    Ok(())
}

/// What is asked of a row.
struct Row {
    event_id: Uuid,
    series_id: Option<Uuid>,
    recurrence_id: Option<DateTime<Utc>>,
}

impl Row {
    /// # Safety
    /// `tuple` is of the relation, or null.
    unsafe fn of(call: &TriggerCall, places: Places, tuple: pg_sys::HeapTuple) -> Option<Self> {
        if tuple.is_null() {
            return None;
        }
        let value = |place: usize| {
            let mut is_null = false;
            // SAFETY: the caller's.
            let value =
                unsafe { pg_sys::heap_getattr(tuple, place as i32 + 1, (*call.relation()).rd_att, &mut is_null) };
            (!is_null).then_some(value)
        };
        // SAFETY: both columns are uuids, of 16 bytes.
        let uuid = |datum: pg_sys::Datum| unsafe { Uuid::from_bytes(*datum.cast_mut_ptr::<[u8; 16]>()) };
        // SAFETY: a timestamptz.
        let time = |datum| unsafe { TimestampWithTimeZone::from_datum(datum, false) };
        Some(Self {
            event_id: value(places.event_id).map(uuid)?,
            series_id: value(places.series_id).map(uuid),
            recurrence_id: value(places.recurrence_id).and_then(time).map(instant),
        })
    }

    /// What it belongs to: an instance to its series.
    fn item(&self) -> ItemId {
        self.series_id.map_or(ItemId::Event(self.event_id), ItemId::Series)
    }

    fn occurrence(&self) -> Option<(Uuid, DateTime<Utc>)> {
        self.series_id.zip(self.recurrence_id)
    }
}

/// AFTER, FOR EACH STATEMENT.
fn statement_ends(call: &TriggerCall) -> SqlResult<()> {
    call.expect(pg_sys::TRIGGER_EVENT_AFTER, 0)?;
    flush();
    Ok(())
}

/// BEFORE TRUNCATE.
fn about_to_truncate(call: &TriggerCall) -> SqlResult<()> {
    call.expect(pg_sys::TRIGGER_EVENT_BEFORE, 0)?;
    about_to_be_emptied();
    Ok(())
}

/// AFTER INSERT OR UPDATE OR DELETE, FOR EACH ROW of a table that says whether changes are sent anywhere.
fn senders_changed(call: &TriggerCall) -> SqlResult<()> {
    call.expect(pg_sys::TRIGGER_EVENT_AFTER, pg_sys::TRIGGER_EVENT_ROW)?;
    // SAFETY: a trigger's relation, open during the call.
    senders::may_have_changed(unsafe { (*call.relation()).rd_id });
    Ok(())
}

trigger_function!(calendar_event_stamp, pg_finfo_calendar_event_stamp, call => {
    // SAFETY: called as a row trigger.
    pg_sys::Datum::from(unsafe { stamp(&call) }.unwrap_or_report())
});
trigger_function!(calendar_event_changed, pg_finfo_calendar_event_changed, call => done(row_changed(&call)));
trigger_function!(calendar_events_changed, pg_finfo_calendar_events_changed, call => done(statement_ends(&call)));
trigger_function!(calendar_events_truncate, pg_finfo_calendar_events_truncate, call => done(about_to_truncate(&call)));
trigger_function!(calendar_senders_changed, pg_finfo_calendar_senders_changed, call => done(senders_changed(&call)));
