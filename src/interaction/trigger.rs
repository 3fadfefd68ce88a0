//! The trigger functions that attach puts on an interaction table. Each carries the table's tracked_id.

use std::rc::Rc;

use calendar_sync_core::mapping::Field;
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::{pg_guard, pg_sys, warning};
use uuid::Uuid;

use super::attach::follow_ddl;
use super::layout::{self, Layout};
use super::row::{Change, Deformed, Row};
use super::{batch, truncate};
use crate::errors::SqlResult;
use crate::store::guarded;
use crate::trigger_call::{TriggerCall, done, trigger_function};

/// The layout of the relation; `None`, with a warning, where it is not tracked by the trigger's tracked_id: then there is
/// nothing to sync, and the statement is none of our business.
fn layout_of(call: &TriggerCall) -> SqlResult<Option<Rc<Layout>>> {
    let layout = match call.argument().and_then(|text| Uuid::try_parse_ascii(text.to_bytes()).ok()) {
        // SAFETY: a trigger's relation, open during the call.
        Some(tracked_id) => unsafe { layout::of_relation(tracked_id, call.relation())? },
        None => None,
    };
    if layout.is_none() {
        warning!("calendar_sync: a trigger stands on a table that is not attached: nothing is synced");
    }
    Ok(layout)
}

/// BEFORE INSERT OR UPDATE OR DELETE, FOR EACH STATEMENT.
fn open(call: &TriggerCall) -> SqlResult<()> {
    layout_of(call)?.map_or(Ok(()), |layout| batch::open(layout.tracked.root))
}

/// AFTER INSERT OR UPDATE OR DELETE, FOR EACH STATEMENT.
fn flush(call: &TriggerCall) -> SqlResult<()> {
    layout_of(call)?.map_or(Ok(()), |layout| batch::close(layout.tracked.root))
}

/// AFTER INSERT OR UPDATE OR DELETE, FOR EACH ROW.
fn collect(call: &TriggerCall) -> SqlResult<()> {
    call.expect(pg_sys::TRIGGER_EVENT_AFTER, pg_sys::TRIGGER_EVENT_ROW)?;
    let Some(layout) = layout_of(call)? else { return Ok(()) };
    if let (Some(misfit), None) = (&layout.misfit, layout.column(Field::InteractionId)) {
        // Without an id there is nothing to record a failure of.
        warning!("calendar_sync: {} is not synced: {}", layout.tracked.name, misfit.message);
        return Ok(());
    }
    // SAFETY: the tuples are of the relation, and stay during the call.
    batch::add(&layout, || unsafe { collected(call, &layout) })
}

unsafe fn collected(call: &TriggerCall, layout: &Layout) -> Option<Row> {
    // SAFETY: the caller's.
    unsafe {
        let descriptor = (*call.relation()).rd_att;
        if call.event() == pg_sys::TRIGGER_EVENT_DELETE {
            if moves_to_another_partition(call.old_tuple()) {
                // Its insert there follows, and finds the event.
                return None;
            }
            let id = Deformed::new(call.old_tuple(), descriptor).id(layout)?;
            return Some(Row::of_id(Change::Deleted, id));
        }
        let new = Deformed::new(call.new_tuple(), descriptor);
        let is_superseded = was_changed_again(call.new_tuple());
        if call.event() == pg_sys::TRIGGER_EVENT_INSERT {
            return if is_superseded {
                Some(Row::of_id(Change::Superseded, new.id(layout)?))
            } else {
                Row::copy(Change::Inserted, layout, &new)
            };
        }
        let old = Deformed::new(call.old_tuple(), descriptor);
        let names_changed = [layout.column(Field::CustomerId), layout.column(Field::ContactId)]
            .into_iter()
            .any(|column| !new.same(&old, column));
        let mut row = if is_superseded {
            Row::of_id(Change::Superseded, new.id(layout)?)
        } else {
            Row::copy(Change::Updated { names_changed }, layout, &new)?
        };
        row.id_before = old.id(layout).filter(|before| *before != row.id);
        Some(row)
    }
}

/// Whether a later command of this transaction (another trigger, which ran before ours) has changed or deleted the row
/// version that this trigger was queued for.
unsafe fn was_changed_again(tuple: pg_sys::HeapTuple) -> bool {
    // SAFETY: the caller's. HEAP_XMAX_INVALID: nobody; HEAP_XMAX_LOCK_ONLY: somebody has but locked it.
    let mask = unsafe { u32::from((*(*tuple).t_data).t_infomask) };
    mask & (pg_sys::HEAP_XMAX_INVALID | pg_sys::HEAP_XMAX_LOCK_ONLY) == 0
}

/// Whether an UPDATE has deleted the row here to insert it into another partition
/// (HeapTupleHeaderIndicatesMovedPartitions, a macro in C).
unsafe fn moves_to_another_partition(tuple: pg_sys::HeapTuple) -> bool {
    // SAFETY: the caller's.
    let next = unsafe { (*(*tuple).t_data).t_ctid };
    next.ip_posid == pg_sys::MovedPartitionsOffsetNumber as u16
        && next.ip_blkid.bi_hi == u16::MAX
        && next.ip_blkid.bi_lo == u16::MAX
}

/// BEFORE INSERT OR UPDATE, FOR EACH ROW: stamps calendar_synced_at into the row as it passes, which costs no write.
unsafe fn stamp(call: &TriggerCall) -> SqlResult<pg_sys::HeapTuple> {
    call.expect(pg_sys::TRIGGER_EVENT_BEFORE, pg_sys::TRIGGER_EVENT_ROW)?;
    let tuple = call.new_tuple();
    let Some(column) = layout_of(call)?.and_then(|layout| layout.synced_at) else { return Ok(tuple) };
    // SAFETY: the tuple is of the relation; the column is one of its.
    Ok(unsafe { call.stamped(tuple, column.place, pg_sys::GetCurrentTransactionStartTimestamp()) })
}

trigger_function!(calendar_interaction_open, pg_finfo_calendar_interaction_open, call => done(open(&call)));
trigger_function!(calendar_interaction_collect, pg_finfo_calendar_interaction_collect, call => done(collect(&call)));
trigger_function!(calendar_interaction_flush, pg_finfo_calendar_interaction_flush, call => done(flush(&call)));
trigger_function!(calendar_interaction_truncate, pg_finfo_calendar_interaction_truncate, call => {
    done(layout_of(&call).and_then(|layout| layout.map_or(Ok(()), |layout| truncate::table_was_emptied(&layout.tracked))))
});
trigger_function!(calendar_interaction_stamp, pg_finfo_calendar_interaction_stamp, call => {
    // SAFETY: called as a row trigger.
    pg_sys::Datum::from(unsafe { stamp(&call) }.unwrap_or_report())
});

/// ON ddl_command_end. That triggers can't be brought up to date is no reason for the DDL to fail.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn calendar_interaction_ddl(_fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    if let Err(failure) = guarded(|| follow_ddl().unwrap_or_report()) {
        warning!("calendar_sync: triggers of attached tables were not brought up to date: {}", failure.message);
    }
    pg_sys::Datum::from(0usize)
}

#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_calendar_interaction_ddl() -> &'static pg_sys::Pg_finfo_record {
    &pg_sys::Pg_finfo_record { api_version: 1 }
}
