//! Trying failed interactions again.

use uuid::Uuid;

use super::apply::{earliest, sync_ids};
use super::layout::Tracked;
use crate::errors::SqlResult;
use crate::store::failures::{self, Due};
use crate::store::tracked;

/// A failure that was tried again.
pub struct Retried {
    pub failure_id: Uuid,
    pub interaction_id: Uuid,
    pub action: String,
    pub resolved: bool,
    pub error: Option<String>,
}

/// Tries up to `limit` failures that are due, the longest waiting first.
pub fn retry_due(limit: i32) -> SqlResult<Vec<Retried>> {
    failures::due(limit)?.into_iter().map(retry).collect()
}

fn retry(due: Due) -> SqlResult<Retried> {
    let tracked = match tracked::by_name(&due.related_table)? {
        Some(row) => Tracked::find(row.id)?,
        None => None,
    };
    if let Some(tracked) = &tracked {
        sync_ids(tracked, &[due.interaction_id], earliest(tracked))?;
    }
    let (resolved, error) = failures::retried(due.failure_id)?;
    let error = match tracked {
        None => Some(format!("{} is not attached any more", due.related_table)),
        Some(_) => error,
    };
    Ok(Retried { failure_id: due.failure_id, interaction_id: due.interaction_id, action: due.action, resolved, error })
}
