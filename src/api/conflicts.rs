//! calendar_conflict_resolve: somebody decides what both sides have changed.

use calendar_sync_core::merge::Side;
use pgrx::PgSqlErrorCode;
use pgrx::prelude::*;

use super::arguments::{given, uuid_of};
use super::connections::own_connection;
use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::links::ItemId;
use crate::store::{self, connections};
use crate::sync::reconcile::{Unresolved, resolve};
use crate::worker;

/// See the comment on the function in sql/078_conflict_functions.sql.
#[pg_extern]
fn calendar_conflict_resolve(
    event_id: Option<pgrx::Uuid>,
    connection_id: Option<pgrx::Uuid>,
    keep: Option<&str>,
) -> SqlResult<()> {
    let event_id = uuid_of(given("event_id", event_id)?);
    let keep = match given("keep", keep)? {
        "local" => Side::Local,
        "remote" => Side::Remote,
        other => {
            return Err(invalid_argument(format!("keep is \"{other}\", and must be local or remote"))
                .set_hint("local keeps what is in this database, remote what is in the outside calendar."));
        }
    };
    let connection_id = uuid_of(own_connection(connection_id)?);
    let resolved = store::as_owner(|installation| {
        let Some(connection) = connections::take(installation, connection_id)? else {
            return Ok(Err(Unresolved::NotLinked));
        };
        match resolve(installation, &connection, ItemId::Event(event_id), keep)? {
            Err(Unresolved::NotLinked) => resolve(installation, &connection, ItemId::Series(event_id), keep),
            resolved => Ok(resolved),
        }
    })?;
    if let Err(unresolved) = resolved {
        let (code, problem) = match unresolved {
            Unresolved::NotLinked => {
                (PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "is not in the calendar of this connection")
            }
            Unresolved::NoConflict => (
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "is in no conflict that waits for a decision",
            ),
        };
        return Err(error(code, format!("event {event_id} {problem}")).set_hint(
            "The view calendar_sync_conflicts lists what is; resolved is false where a decision is awaited.",
        ));
    }
    worker::wake_at_commit();
    Ok(())
}
