//! calendar_rotate_key: secrets under a new key.

use pgrx::prelude::*;

use super::caller::administrators_only;
use crate::errors::SqlResult;
use crate::secrets;
use crate::store;
use crate::sync::keys;

/// See the comment on the function in sql/073_connection_functions.sql.
#[pg_extern]
fn calendar_rotate_key() -> SqlResult<i64> {
    administrators_only("encrypt secrets anew")?;
    let count = store::as_owner(keys::rotate)?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Whether there is a key file that can be used; behind the view calendar_metrics.
#[pg_extern]
fn calendar_key_usable() -> bool {
    secrets::is_ready()
}
