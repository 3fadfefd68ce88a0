//! What a calendar has given, written in the caller's transaction.

use std::time::Duration;

use pgrx::pg_sys::panic::ErrorReportable;

use crate::errors::SqlResult;
use crate::providers::Answer;
use crate::providers::account::Changes;
use crate::store::connections::{self, Connection};
use crate::store::{self, Installation};
use crate::sync::pull::{self, Counts, Trouble};
use crate::sync::reconcile;

pub(super) const CHANGED_MEANWHILE: &str = "the calendar was paused, unsubscribed from or given another URL meanwhile";

/// `None` where the answer is still being made.
pub(super) type Applied = Option<(Counts, Option<String>)>;

/// In a subtransaction, so that a failure leaves nothing of it and no other connection suffers.
pub(super) fn guarded<T>(work: impl FnOnce(&Installation) -> SqlResult<T>) -> Result<T, Trouble> {
    store::guarded(|| store::as_owner(work).unwrap_or_report()).map_err(|failure| Trouble::new(failure.message))
}

/// The answer of a calendar that has a URL.
pub(super) fn apply(
    installation: &Installation,
    connection: &Connection,
    answer: Answer,
    duration: Duration,
    force: bool,
) -> SqlResult<Applied> {
    if !connections::lock(installation, connection)? {
        return Ok(Some((Counts::default(), Some(CHANGED_MEANWHILE.into()))));
    }
    match answer {
        Answer::Unchanged(validators) => {
            pull::unchanged(installation, &[(connection, &validators)])?;
            Ok(Some((Counts::default(), None)))
        }
        Answer::Calendar(fetched) => pull::apply(installation, connection, *fetched, duration, force).map(Some),
        Answer::Pending(pending) => pull::pending(installation, connection, &pending).map(|()| None),
    }
}

/// What has changed in an account's calendar.
pub(super) fn merge(
    installation: &Installation,
    connection: &Connection,
    changes: Changes,
    duration: Duration,
    force: bool,
) -> SqlResult<Applied> {
    if !connections::lock(installation, connection)? {
        return Ok(Some((Counts::default(), Some(CHANGED_MEANWHILE.into()))));
    }
    reconcile::apply(installation, connection, changes, duration, force).map(Some)
}
