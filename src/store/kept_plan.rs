//! A plan that outlives its transaction.

use std::cell::RefCell;
use std::rc::Rc;

use super::Installation;

/// A plan, once it is made, and the version of the installation that it was made for: that may have been dropped and
/// created anew, or its schema renamed since.
pub(super) struct KeptPlan<P>(RefCell<Option<(u64, Rc<P>)>>);

impl<P> KeptPlan<P> {
    pub const fn none() -> Self {
        Self(RefCell::new(None))
    }

    /// The plan for this version, made where there is none.
    pub fn or_make<E>(&self, installation: &Installation, make: impl FnOnce() -> Result<P, E>) -> Result<Rc<P>, E> {
        if let Some((made_for, plan)) = &*self.0.borrow()
            && *made_for == installation.version
        {
            return Ok(plan.clone());
        }
        let plan = Rc::new(make()?);
        self.0.replace(Some((installation.version, plan.clone())));
        Ok(plan)
    }
}
