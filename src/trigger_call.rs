//! Trigger functions in C, written against PostgreSQL's own structures rather than pgrx' `#[pg_trigger]`: some run for
//! every row of every statement, and only a few of a row's columns are of interest.

use std::ffi::CStr;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;

use crate::errors::{SqlResult, error};

/// A call of a trigger function.
pub struct TriggerCall {
    data: *mut pg_sys::TriggerData,
}

impl TriggerCall {
    /// # Safety
    /// `fcinfo` is what PostgreSQL's function manager called with.
    ///
    /// # Errors
    /// 39P01 where the function is not called as a trigger.
    pub unsafe fn new(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Self> {
        // SAFETY: CALLED_AS_TRIGGER, a macro in C.
        unsafe {
            let context = (*fcinfo).context;
            if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
                return Err(misplaced());
            }
            Ok(Self { data: context.cast() })
        }
    }

    /// Refuses a trigger that does not stand where its function belongs: `timing` and `level` are TRIGGER_EVENT_* bits.
    pub fn expect(&self, timing: u32, level: u32) -> SqlResult<()> {
        // SAFETY: as in `relation`.
        let event = unsafe { (*self.data).tg_event };
        let (timed, leveled) = (event & pg_sys::TRIGGER_EVENT_TIMINGMASK, event & pg_sys::TRIGGER_EVENT_ROW);
        if (timed, leveled) == (timing, level) { Ok(()) } else { Err(misplaced()) }
    }

    /// The table that has fired it.
    pub fn relation(&self) -> pg_sys::Relation {
        // SAFETY: a trigger's data, valid during the call.
        unsafe { (*self.data).tg_relation }
    }

    /// TRIGGER_EVENT_INSERT, _DELETE, _UPDATE or _TRUNCATE.
    pub fn event(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK }
    }

    /// The row of an insert or delete, the old one of an update.
    pub fn old_tuple(&self) -> pg_sys::HeapTuple {
        // SAFETY: as above.
        unsafe { (*self.data).tg_trigtuple }
    }

    /// The new row of an insert or update.
    pub fn new_tuple(&self) -> pg_sys::HeapTuple {
        // SAFETY: as above.
        unsafe {
            if self.event() == pg_sys::TRIGGER_EVENT_UPDATE {
                (*self.data).tg_newtuple
            } else {
                (*self.data).tg_trigtuple
            }
        }
    }

    /// The trigger's argument, where it has one.
    pub fn argument(&self) -> Option<&CStr> {
        // SAFETY: as above; arguments of a trigger are C strings.
        unsafe {
            let trigger = (*self.data).tg_trigger;
            ((*trigger).tgnargs == 1).then(|| CStr::from_ptr(*(*trigger).tgargs))
        }
    }

    /// A row before it is written, with another time in a column, counted from 0.
    ///
    /// # Safety
    /// `tuple` is of the relation, and `place` one of its columns, a timestamptz.
    pub unsafe fn stamped(
        &self,
        tuple: pg_sys::HeapTuple,
        place: usize,
        time: pg_sys::TimestampTz,
    ) -> pg_sys::HeapTuple {
        static NOT_NULL: bool = false;
        // SAFETY: the caller's.
        unsafe {
            let time = pg_sys::Datum::from(time);
            let attribute = place as i32 + 1;
            pg_sys::heap_modify_tuple_by_cols(
                tuple,
                (*self.relation()).rd_att,
                1,
                (&raw const attribute).cast_mut(),
                (&raw const time).cast_mut(),
                (&raw const NOT_NULL).cast_mut(),
            )
        }
    }
}

/// 39P01: called otherwise than by the trigger that it is made for.
fn misplaced() -> ErrorReport {
    error(
        pgrx::PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        "this function can only be called as the trigger that it is made for",
    )
    .set_hint("CREATE EXTENSION and calendar_attach put it where it belongs.")
}

/// Declares a trigger function: what `$call` is taken to, as a Datum.
macro_rules! trigger_function {
    ($name:ident, $finfo:ident, $call:ident => $result:expr) => {
        #[pgrx::pg_guard]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fcinfo: pgrx::pg_sys::FunctionCallInfo) -> pgrx::pg_sys::Datum {
            use pgrx::pg_sys::panic::ErrorReportable;
            // SAFETY: called by PostgreSQL's function manager.
            let $call = unsafe { $crate::trigger_call::TriggerCall::new(fcinfo) }.unwrap_or_report();
            $result
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn $finfo() -> &'static pgrx::pg_sys::Pg_finfo_record {
            &pgrx::pg_sys::Pg_finfo_record { api_version: 1 }
        }
    };
}

pub(crate) use trigger_function;

/// The result of a trigger function that gives none.
pub fn done(result: SqlResult<()>) -> pg_sys::Datum {
    use pgrx::pg_sys::panic::ErrorReportable;
    result.unwrap_or_report();
    pg_sys::Datum::from(0usize)
}
