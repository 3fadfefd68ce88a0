//! The trigger functions that attach puts on an interaction table. Each carries the table's tracked_id.
//!
//! Written against PostgreSQL's own structures rather than pgrx' `#[pg_trigger]`: they run for every row of every
//! statement, and only a few of a row's columns are of interest.

use std::ffi::CStr;
use std::rc::Rc;

use calendar_sync_core::mapping::Field;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::{pg_guard, pg_sys, warning};
use uuid::Uuid;

use super::attach::follow_ddl;
use super::layout::{self, Layout};
use super::row::{Change, Deformed, Row};
use super::{batch, truncate};
use crate::errors::{SqlResult, error};
use crate::store::guarded;

/// A call of a trigger function.
struct Call {
    data: *mut pg_sys::TriggerData,
}

impl Call {
    /// # Errors
    /// 39P01 where the function is not called as a trigger.
    unsafe fn new(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Self> {
        // SAFETY: CALLED_AS_TRIGGER, a macro in C.
        unsafe {
            let context = (*fcinfo).context;
            if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
                return Err(misplaced());
            }
            Ok(Self { data: context.cast() })
        }
    }

    /// Refuses a trigger that does not stand as attach puts it: `timing` and `level` are TRIGGER_EVENT_* bits.
    fn expect(&self, timing: u32, level: u32) -> SqlResult<()> {
        // SAFETY: as in `relation`.
        let event = unsafe { (*self.data).tg_event };
        let (timed, leveled) = (event & pg_sys::TRIGGER_EVENT_TIMINGMASK, event & pg_sys::TRIGGER_EVENT_ROW);
        if (timed, leveled) == (timing, level) { Ok(()) } else { Err(misplaced()) }
    }

    fn relation(&self) -> pg_sys::Relation {
        // SAFETY: a trigger's data, valid during the call.
        unsafe { (*self.data).tg_relation }
    }

    fn event(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK }
    }

    fn old_tuple(&self) -> pg_sys::HeapTuple {
        // SAFETY: as above.
        unsafe { (*self.data).tg_trigtuple }
    }

    /// The new row of an insert or update.
    fn new_tuple(&self) -> pg_sys::HeapTuple {
        // SAFETY: as above.
        unsafe {
            if self.event() == pg_sys::TRIGGER_EVENT_UPDATE {
                (*self.data).tg_newtuple
            } else {
                (*self.data).tg_trigtuple
            }
        }
    }

    /// The layout of the relation; `None`, with a warning, where it is not tracked by the trigger's tracked_id: then
    /// there is nothing to sync, and the statement is none of our business.
    fn layout(&self) -> SqlResult<Option<Rc<Layout>>> {
        // SAFETY: as above; arguments of a trigger are C strings.
        let layout = unsafe {
            let trigger = (*self.data).tg_trigger;
            let argument = ((*trigger).tgnargs == 1).then(|| CStr::from_ptr(*(*trigger).tgargs));
            match argument.and_then(|text| Uuid::try_parse_ascii(text.to_bytes()).ok()) {
                Some(tracked_id) => layout::of_relation(tracked_id, self.relation())?,
                None => None,
            }
        };
        if layout.is_none() {
            warning!("calendar_sync: a trigger stands on a table that is not attached: nothing is synced");
        }
        Ok(layout)
    }
}

/// 39P01: called otherwise than by the trigger that attach makes.
fn misplaced() -> ErrorReport {
    error(
        pgrx::PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        "this function can only be called as the trigger that calendar_attach makes",
    )
    .set_hint("calendar_attach puts it where it belongs.")
}

/// BEFORE INSERT OR UPDATE OR DELETE, FOR EACH STATEMENT.
fn open(call: &Call) -> SqlResult<()> {
    call.layout()?.map_or(Ok(()), |layout| batch::open(layout.tracked.root))
}

/// AFTER INSERT OR UPDATE OR DELETE, FOR EACH STATEMENT.
fn flush(call: &Call) -> SqlResult<()> {
    call.layout()?.map_or(Ok(()), |layout| batch::close(layout.tracked.root))
}

/// AFTER INSERT OR UPDATE OR DELETE, FOR EACH ROW.
fn collect(call: &Call) -> SqlResult<()> {
    call.expect(pg_sys::TRIGGER_EVENT_AFTER, pg_sys::TRIGGER_EVENT_ROW)?;
    let Some(layout) = call.layout()? else { return Ok(()) };
    if let (Some(misfit), None) = (&layout.misfit, layout.column(Field::InteractionId)) {
        // Without an id there is nothing to record a failure of.
        warning!("calendar_sync: {} is not synced: {}", layout.tracked.name, misfit.message);
        return Ok(());
    }
    // SAFETY: the tuples are of the relation, and stay during the call.
    batch::add(&layout, || unsafe { collected(call, &layout) })
}

unsafe fn collected(call: &Call, layout: &Layout) -> Option<Row> {
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
unsafe fn stamp(call: &Call) -> SqlResult<pg_sys::HeapTuple> {
    call.expect(pg_sys::TRIGGER_EVENT_BEFORE, pg_sys::TRIGGER_EVENT_ROW)?;
    let tuple = call.new_tuple();
    let Some(column) = call.layout()?.and_then(|layout| layout.synced_at) else { return Ok(tuple) };
    // SAFETY: the tuple is of the relation; the column is one of its.
    unsafe {
        let now = pg_sys::Datum::from(pg_sys::GetCurrentTransactionStartTimestamp());
        let attribute = column.place as i32 + 1;
        Ok(pg_sys::heap_modify_tuple_by_cols(
            tuple,
            (*call.relation()).rd_att,
            1,
            (&raw const attribute).cast_mut(),
            (&raw const now).cast_mut(),
            (&raw const NOT_NULL).cast_mut(),
        ))
    }
}

static NOT_NULL: bool = false;

macro_rules! trigger_function {
    ($name:ident, $finfo:ident, $call:ident => $result:expr) => {
        #[pg_guard]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: called by PostgreSQL's function manager.
            let $call = unsafe { Call::new(fcinfo) }.unwrap_or_report();
            $result
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $finfo() -> &'static pg_sys::Pg_finfo_record {
            &pg_sys::Pg_finfo_record { api_version: 1 }
        }
    };
}

fn done(result: SqlResult<()>) -> pg_sys::Datum {
    result.unwrap_or_report();
    pg_sys::Datum::from(0usize)
}

trigger_function!(calendar_interaction_open, pg_finfo_calendar_interaction_open, call => done(open(&call)));
trigger_function!(calendar_interaction_collect, pg_finfo_calendar_interaction_collect, call => done(collect(&call)));
trigger_function!(calendar_interaction_flush, pg_finfo_calendar_interaction_flush, call => done(flush(&call)));
trigger_function!(calendar_interaction_truncate, pg_finfo_calendar_interaction_truncate, call => {
    done(call.layout().and_then(|layout| layout.map_or(Ok(()), |layout| truncate::table_was_emptied(&layout.tracked))))
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
