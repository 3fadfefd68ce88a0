//! calendar_queue_process and calendar_queue_retry: what waits to be sent to outside calendars.

use pgrx::PgSqlErrorCode;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::arguments::{self, given};
use super::caller::Caller;
use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::leases;
use crate::store::{self, outbox};
use crate::sync::push;
use crate::worker;

/// See the comment on the function in sql/077_queue_functions.sql; so for both.
#[pg_extern]
fn calendar_queue_process(
    max_rows: default!(Option<i32>, 100),
) -> Result<
    TableIterator<
        'static,
        (name!(queue_id, pgrx::Uuid), name!(operation, String), name!(status, String), name!(error, Option<String>)),
    >,
    ErrorReport,
> {
    let may_be_undone = store::may_be_undone();
    let max_rows = given("max_rows", max_rows)?;
    let limit = usize::try_from(max_rows).ok().filter(|limit| *limit > 0);
    let Some(limit) = limit else {
        return Err(invalid_argument("max_rows must be at least 1").set_hint("The default is 100."));
    };
    let caller = Caller::current()?;
    let mut due = store::as_owner(leases::with_due_operations)?;
    due.retain(|connection| caller.authorize(&connection.user_id).is_ok());
    let handled = push::process(due, limit, may_be_undone)?;
    Ok(TableIterator::new(
        handled
            .into_iter()
            .map(|one| (arguments::uuid(one.queue_id), one.operation.to_owned(), one.status.to_owned(), one.error)),
    ))
}

#[pg_extern]
fn calendar_queue_retry(queue_id: Option<pgrx::Uuid>) -> SqlResult<()> {
    let queue_id = arguments::uuid_of(given("queue_id", queue_id)?);
    let caller = Caller::current()?;
    let status = store::as_owner(|installation| outbox::status(installation, queue_id))?;
    let status = status.filter(|(owner, _)| caller.authorize(owner).is_ok()).map(|(_, status)| status);
    match status.as_deref() {
        Some("failed" | "pending") => store::as_owner(|installation| outbox::retry(installation, queue_id))?,
        Some(status) => {
            return Err(error(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("operation {queue_id} is {status}"),
            )
            .set_hint("Only one that has failed, or waits for its next try, can be tried again."));
        }
        // Somebody else's is as good as none.
        None => {
            return Err(error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no operation {queue_id}"))
                .set_hint("calendar_sync_queue has them; what is done goes after calendar_sync.queue_retention."));
        }
    }
    worker::wake_at_commit();
    Ok(())
}
