//! A statement that is planned once, whatever it is about.

use std::ffi::CString;
use std::ptr::NonNull;
use std::rc::Rc;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::{SpiError, SpiErrorCodes, SpiResult};

use super::Installation;
use super::datum::{bound, value_of};
use super::kept_plan::KeptPlan;
use super::own_writing::OwnWriting;
use super::rows::{Columns, Rows};
use super::statement::text_in;
use crate::errors::{SqlResult, internal, spi};

/// A [`Statement`](super::Statement) whose plan is as good for one item as for a hundred thousand.
///
/// Of the usual kind PostgreSQL makes a plan for the arguments at hand at each execution (a custom plan), unless it expects
/// one for unknown arguments (generic) to be as cheap. An array that it does not know it takes for ten elements: so what is
/// about one item is planned each time. For the operations of one event that was made just now: cost 25 against 101, the
/// same plan either way, 0.52 ms to make it and 0.08 ms to run it; and for 20,000 events again the same plan, but cost
/// 170,000, beyond which a session compiles it as well (jit_above_cost).
pub struct PlannedOnce {
    text: &'static str,
    arguments: &'static [pg_sys::Oid],
    plan: KeptPlan<Plan>,
}

impl PlannedOnce {
    pub const fn new(text: &'static str, arguments: &'static [pg_sys::Oid]) -> Self {
        Self { text, arguments, plan: KeptPlan::none() }
    }

    /// Runs it and reads its rows, in their order. Sees what this transaction has written.
    pub fn rows<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Vec<T>> {
        let plan = self.plan(installation)?;
        let _own = OwnWriting::begin();
        Spi::connect_mut(|_| {
            // SAFETY: within an SPI connection.
            unsafe { plan.run(arguments) }?.all(read)
        })
        .map_err(spi)
    }

    /// Runs it and reads its first row.
    pub fn first<T>(
        &self,
        installation: &Installation,
        arguments: &[DatumWithOid],
        read: impl FnMut(&mut Columns) -> SpiResult<T>,
    ) -> SqlResult<Option<T>> {
        Ok(self.rows(installation, arguments, read)?.into_iter().next())
    }

    fn plan(&self, installation: &Installation) -> SqlResult<Rc<Plan>> {
        self.plan.or_make(installation, || {
            let text = CString::new(text_in(installation, self.text)).map_err(internal)?;
            let mut types = self.arguments.to_vec();
            let plan = Spi::connect(|_| {
                // SAFETY: within an SPI connection, whose end a plan that is kept outlives; as many types as it says.
                let plan = unsafe {
                    let options = pg_sys::CURSOR_OPT_GENERIC_PLAN as i32;
                    let plan =
                        pg_sys::SPI_prepare_cursor(text.as_ptr(), types.len() as i32, types.as_mut_ptr(), options);
                    let plan = NonNull::new(plan).ok_or(SpiError::SpiError(SpiErrorCodes::Argument))?;
                    pg_sys::SPI_keepplan(plan.as_ptr());
                    plan
                };
                Ok(Plan { plan, arguments: types.len() })
            });
            plan.map_err(spi)
        })
    }
}

/// Kept until dropped.
struct Plan {
    plan: NonNull<pg_sys::_SPI_plan>,
    arguments: usize,
}

impl Plan {
    /// # Safety
    /// Within an SPI connection; the arguments are of the types that it was made for.
    unsafe fn run(&self, arguments: &[DatumWithOid]) -> SpiResult<Rows> {
        if arguments.len() != self.arguments {
            return Err(SpiError::PreparedStatementArgumentMismatch { expected: self.arguments, got: arguments.len() });
        }
        let (mut values, nulls) = bound(arguments.iter().map(value_of));
        // SAFETY: the caller's; as many values as the plan has arguments.
        unsafe {
            let code = pg_sys::SPI_execute_plan(self.plan.as_ptr(), values.as_mut_ptr(), nulls.as_ptr(), false, 0);
            Spi::check_status(code)?;
            Ok(Rows::of_last_command())
        }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: nobody runs it any more.
        unsafe { pg_sys::SPI_freeplan(self.plan.as_ptr()) };
    }
}
