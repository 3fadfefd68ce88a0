//! calendar_connections of flows: how to ask one, and where the answer of one that is still running will be.

use std::time::Duration;

use pgrx::{JsonB, pg_sys};
use uuid::Uuid;

use super::datum::uuid;
use super::{Installation, Statement};
use crate::errors::SqlResult;

thread_local! {
    static PENDING: Statement = const { Statement::new(
        "update @calendar_connections
         set pending_location = $2,
             pending_since = case when $3 then coalesce(pending_since, clock_timestamp()) else clock_timestamp() end,
             next_poll_at = clock_timestamp() + make_interval(secs => $4),
             leased_until = null
         where connection_id = $1",
        &[pg_sys::UUIDOID, pg_sys::BYTEAOID, pg_sys::BOOLOID, pg_sys::FLOAT8OID],
    ) };
    static LEARNED: Statement = const { Statement::new(
        "update @calendar_connections
         set options = options || $2
         where connection_id = $1
           and not options @> $2",
        &[pg_sys::UUIDOID, pg_sys::JSONBOID],
    ) };
}

/// A flow is still running, and its answer will be at `location` (sealed); call only with the row locked. `same`: it was
/// running at the last poll, too.
pub fn pending(
    installation: &Installation,
    id: Uuid,
    location: &[u8],
    same: bool,
    next_poll: Duration,
) -> SqlResult<()> {
    let arguments = [uuid(id).into(), location.into(), same.into(), next_poll.as_secs_f64().into()];
    PENDING.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}

/// Keeps what a provider has learned of how to ask.
pub fn learned(installation: &Installation, id: Uuid, options: serde_json::Value) -> SqlResult<()> {
    LEARNED.with(|statement| statement.execute(installation, &[uuid(id).into(), JsonB(options).into()]))?;
    Ok(())
}
