//! Interactions: which tables are followed, and catching up.

use pgrx::JsonB;
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::errors::SqlResult;
use crate::interaction;

/// Starts syncing a table: checks its columns, adds `calendar_synced_at` and the triggers. Idempotent; only for the
/// table's owner or a superuser. The mapping's keys are all optional (docs/interactions.md).
///
/// Declared in `sql/061_interactions_api.sql`: pgrx' own regclass argument would lock the table too weakly first.
#[pg_extern(sql = "")]
fn calendar_attach(interaction: pg_sys::Oid, mapping: JsonB) -> SqlResult<()> {
    interaction::attach(interaction, &mapping.0)
}

/// Removes the triggers; events and history stay.
#[pg_extern(sql = "")]
fn calendar_detach(interaction: pg_sys::Oid) -> SqlResult<()> {
    interaction::detach(interaction)
}
