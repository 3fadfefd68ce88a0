//! calendar_sync_failures: interactions whose event could not be written, and when that is tried again.

use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Failure, Statement, as_owner};
use crate::errors::SqlResult;
use crate::settings;

thread_local! {
    // A failure that is open already takes the newer error and keeps its count.
    static RECORD: Statement = const {
        Statement::new(
            "insert into @calendar_sync_failures as f
                 (related_table, interaction_id, action, error_message, error_stack, next_retry_at)
             values ($1, $2, $3, $4, $5, case when $6 > 0 then now() + interval '1 minute' * (0.9 + 0.2 * random()) end)
             on conflict (related_table, interaction_id) where not resolved do update
             set action = case when excluded.action = 'delete' then excluded.action else f.action end,
                 error_message = excluded.error_message, error_stack = excluded.error_stack
             returning f.action, f.xmax <> 0",
            &[
                pg_sys::TEXTOID,
                pg_sys::UUIDOID,
                pg_sys::TEXTOID,
                pg_sys::TEXTOID,
                pg_sys::TEXTOID,
                pg_sys::INT4OID,
            ],
        )
    };
    static LOG: Statement = const {
        Statement::new(
            "insert into @calendar_sync_log
                 (related_table, interaction_id, provider, action, status, error_message, details)
             values ($1, $2, 'interaction', $3, $6, $4, jsonb_build_object('error', $5))",
            &[pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
        )
    };
    static RESOLVE: Statement = const {
        Statement::new(
            "update @calendar_sync_failures set resolved = true, next_retry_at = null
             where related_table = $1 and interaction_id = any($2) and not resolved",
            &[pg_sys::TEXTOID, pg_sys::UUIDARRAYOID],
        )
    };
    static FORGET: Statement = const {
        Statement::new(
            "delete from @calendar_sync_failures where interaction_id = any($2) and related_table = $1",
            &[pg_sys::TEXTOID, pg_sys::UUIDARRAYOID],
        )
    };
    static FORGET_TABLE: Statement = const {
        Statement::new("delete from @calendar_sync_failures where related_table = $1", &[pg_sys::TEXTOID])
    };
    static DUE: Statement = const {
        Statement::new(
            "select failure_id, related_table, interaction_id, action from @calendar_sync_failures
             where not resolved and next_retry_at <= now()
             order by next_retry_at limit $1 for update skip locked",
            &[pg_sys::INT4OID],
        )
    };
    static RETRIED: Statement = const {
        Statement::new(
            "update @calendar_sync_failures
             set retry_count = retry_count + 1, last_retry_at = now(),
                 next_retry_at = case when not resolved and retry_count + 1 < $2
                     then now() + interval '1 minute' * 2 ^ least(retry_count + 1, 20) * (0.9 + 0.2 * random()) end
             where failure_id = $1
             returning resolved, error_message",
            &[pg_sys::UUIDOID, pg_sys::INT4OID],
        )
    };
}

/// A failure whose next try is due.
pub struct Due {
    pub failure_id: Uuid,
    pub related_table: String,
    pub interaction_id: Uuid,
    pub action: String,
}

/// Records that an interaction's event could not be written, with a row in the log. `again`: the interaction has not
/// changed, its event is only brought up to date; where it has failed before, the log calls that a retry of what failed.
pub fn record(related_table: &str, interaction: Uuid, action: &str, again: bool, failure: &Failure) -> SqlResult<()> {
    let stack = failure.stack(related_table);
    let retries = settings::MAX_RETRIES.get();
    let id = uuid(interaction);
    let message = failure.message.as_str();
    as_owner(|installation| {
        let recorded =
            [related_table.into(), id.into(), action.into(), message.into(), stack.as_str().into(), retries.into()];
        let open = RECORD
            .with(|record| record.first(installation, &recorded, |columns| Ok((columns.word()?, columns.flag()?))))?;
        let (action, status) = match &open {
            Some((action, true)) if again => (action.as_str(), "retry"),
            _ => (action, "failed"),
        };
        let logged =
            [related_table.into(), id.into(), action.into(), message.into(), stack.as_str().into(), status.into()];
        LOG.with(|log| log.execute(installation, &logged))?;
        Ok(())
    })
}

/// Interactions whose event was written after all.
pub fn resolve(related_table: &str, interactions: &[Uuid]) -> SqlResult<()> {
    let ids: Vec<pgrx::Uuid> = interactions.iter().copied().map(uuid).collect();
    as_owner(|installation| {
        RESOLVE.with(|resolve| resolve.execute(installation, &[related_table.into(), ids.into()]))?;
        Ok(())
    })
}

/// Interactions that are no more.
pub fn forget(related_table: &str, interactions: &[Uuid]) -> SqlResult<()> {
    let ids: Vec<pgrx::Uuid> = interactions.iter().copied().map(uuid).collect();
    as_owner(|installation| {
        FORGET.with(|forget| forget.execute(installation, &[related_table.into(), ids.into()]))?;
        Ok(())
    })
}

/// All interactions of a table that was emptied.
pub fn forget_table(related_table: &str) -> SqlResult<()> {
    as_owner(|installation| {
        FORGET_TABLE.with(|forget| forget.execute(installation, &[related_table.into()]))?;
        Ok(())
    })
}

/// Failures that are due, locked; those that another session is at are left to it.
pub fn due(limit: i32) -> SqlResult<Vec<Due>> {
    as_owner(|installation| {
        DUE.with(|due| {
            due.run(installation, &[limit.into()], |rows| {
                rows.filter_map(|row| from_row(&row).transpose()).collect::<Result<Vec<Due>, _>>()
            })
        })
    })
}

fn from_row(row: &pgrx::spi::SpiHeapTupleData) -> Result<Option<Due>, pgrx::spi::Error> {
    let (Some(failure), Some(related_table), Some(interaction), Some(action)) =
        (row.get::<pgrx::Uuid>(1)?, row.get(2)?, row.get::<pgrx::Uuid>(3)?, row.get(4)?)
    else {
        return Ok(None);
    };
    Ok(Some(Due { failure_id: uuid_of(failure), related_table, interaction_id: uuid_of(interaction), action }))
}

/// Counts a try and settles when the next one is; whether it is resolved now, else the error.
pub fn retried(failure: Uuid) -> SqlResult<(bool, Option<String>)> {
    let arguments = [uuid(failure).into(), settings::MAX_RETRIES.get().into()];
    let (resolved, error) = as_owner(|installation| {
        RETRIED.with(|retried| {
            retried.run(installation, &arguments, |rows| {
                if rows.is_empty() {
                    return Ok((None, None));
                }
                let row = rows.first();
                Ok((row.get::<bool>(1)?, row.get::<String>(2)?))
            })
        })
    })?;
    // A failure that is gone went with its interaction.
    let resolved = resolved.unwrap_or(true);
    Ok((resolved, error.filter(|_| !resolved)))
}

impl Failure {
    /// What a DBA needs to find the cause: SQLSTATE, detail, hint, and where it happened.
    fn stack(&self, related_table: &str) -> String {
        let mut stack = format!("SQLSTATE: {}", self.sqlstate);
        for (label, text) in [("DETAIL", &self.detail), ("HINT", &self.hint)] {
            if let Some(text) = text {
                stack.push_str(&format!("\n{label}: {text}"));
            }
        }
        stack.push_str(&format!("\nCONTEXT: sync of an interaction of {related_table}"));
        stack
    }
}
