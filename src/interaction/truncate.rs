//! TRUNCATE of an attached table: its events go, logged once.

use super::layout::Tracked;
use crate::errors::SqlResult;
use crate::store::{failures, related};

/// Deletes the events of a table that was emptied.
pub fn table_was_emptied(tracked: &Tracked) -> SqlResult<()> {
    let deleted = related::delete_all(&tracked.name)?;
    failures::forget_table(&tracked.name)?;
    related::log_many(&tracked.name, "truncate", 0, deleted)
}
