//! What may go after a while, kind by kind: old rows of the log, history that nobody lived through, what is left over.

use std::thread::LocalKey;

use chrono::{DateTime, Utc};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use super::{Installation, Statement, stamp};
use crate::errors::SqlResult;

/// What may go is older than this.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    pub log: DateTime<Utc>,
    /// Finished operations of the queue.
    pub queue: DateTime<Utc>,
    /// Links of what is elsewhere no more.
    pub links: DateTime<Utc>,
}

/// A kind of what may go.
pub struct Kind {
    /// As calendar_cleanup calls it.
    pub what: &'static str,
    before: fn(&Before) -> DateTime<Utc>,
    /// `$1`: what is older may go; `$2`: how many rows at most.
    statement: &'static LocalKey<Statement>,
}

/// In an order in which what is left over by one is found by the next.
pub const KINDS: &[Kind] = &[
    Kind { what: "log", before: |before| before.log, statement: &LOG },
    Kind { what: "deleted events", before: |before| before.log, statement: &EVENTS },
    Kind { what: "deleted series", before: |before| before.log, statement: &SERIES },
    Kind { what: "resolved failures", before: |before| before.log, statement: &FAILURES },
    Kind { what: "dropped tables", before: |before| before.log, statement: &TABLES },
    Kind { what: "finished operations", before: |before| before.queue, statement: &OPERATIONS },
    Kind { what: "deleted links", before: |before| before.links, statement: &LINKS },
    Kind { what: "ended webhooks", before: |before| before.log, statement: &WEBHOOKS },
    Kind { what: "removed connections", before: |before| before.log, statement: &CONNECTIONS },
    Kind { what: "removed accounts", before: |before| before.log, statement: &ACCOUNTS },
    Kind { what: "links of no connection", before: |before| before.links, statement: &LOOSE_LINKS },
    Kind { what: "notes of no connection", before: |before| before.links, statement: &LOOSE_NOTES },
];

const ARGUMENTS: &[pg_sys::Oid] = &[pg_sys::TIMESTAMPTZOID, pg_sys::INT8OID];

thread_local! {
    // Its key is ordered by time: no more than the oldest rows are looked at.
    static LOG: Statement = const { Statement::new(
        "delete from @calendar_sync_log
         where log_id = any (array(
             select log_id
             from (select log_id, created_at from @calendar_sync_log order by log_id limit $2) oldest
             where created_at < $1
         ))",
        ARGUMENTS,
    ) };
    // What was deleted after it had started did take place, and stays. A deleted instance of a series that lives says
    // that it does not take place.
    static EVENTS: Statement = const { Statement::new(
        "delete from @calendar_events
         where event_id = any (array(
             select e.event_id
             from @calendar_events e
             where e.sync_status = 'deleted'
               and e.changed_at < $1
               and e.changed_at < e.event_date
               and not exists (
                   select
                   from @calendar_series s
                   where s.series_id = e.series_id
                     and s.sync_status <> 'deleted'
               )
             limit $2
         ))",
        ARGUMENTS,
    ) };
    static SERIES: Statement = const { Statement::new(
        "delete from @calendar_series
         where series_id = any (array(
             select s.series_id
             from @calendar_series s
             where s.sync_status = 'deleted'
               and s.changed_at < $1
               and not exists (select from @calendar_events e where e.series_id = s.series_id)
             limit $2
         ))",
        ARGUMENTS,
    ) };
    static FAILURES: Statement = const { Statement::new(
        "delete from @calendar_sync_failures
         where failure_id = any (array(
             select failure_id
             from @calendar_sync_failures
             where resolved
               and greatest(created_at, last_retry_at) < $1
             limit $2
         ))",
        ARGUMENTS,
    ) };
    static TABLES: Statement = const { Statement::new(
        "delete from @calendar_tracked_tables
         where tracked_id = any (array(
             select t.tracked_id
             from @calendar_tracked_tables t
             where not exists (select from pg_class c where c.oid = t.table_id)
               and $1 is not null
             limit $2
         ))",
        ARGUMENTS,
    ) };
    static OPERATIONS: Statement = const { Statement::new(
        "delete from @calendar_sync_queue
         where queue_id = any (array(
             select queue_id
             from @calendar_sync_queue
             where status in ('completed', 'failed')
               and processed_at < $1
             limit $2
         ))",
        ARGUMENTS,
    ) };
    static WEBHOOKS: Statement = const { Statement::new(
        "delete from @calendar_webhook_subscriptions
         where webhook_id = any (array(
             select webhook_id
             from @calendar_webhook_subscriptions
             where not is_active
               and renew_at is null
               and stop_at is null
               and greatest(created_at, expiration, last_notification_at) < $1
             limit $2
             for update skip locked
         ))",
        ARGUMENTS,
    ) };
    static LINKS: Statement = const { Statement::new(
        "delete from @calendar_event_links
         where link_id = any (array(
             select link_id
             from @calendar_event_links
             where deleted_at < $1
             limit $2
             for update skip locked
         ))",
        ARGUMENTS,
    ) };
    static LOOSE_LINKS: Statement = const { Statement::new(
        "delete from @calendar_event_links
         where link_id = any (array(
             select l.link_id
             from @calendar_event_links l
             where not exists (select from @calendar_connections c where c.connection_id = l.connection_id)
               and l.created_at < $1
             limit $2
         ))",
        ARGUMENTS,
    ) };
    static LOOSE_NOTES: Statement = const { Statement::new(
        "delete from @calendar_unconfirmed_pushes
         where note_id = any (array(
             select n.note_id
             from @calendar_unconfirmed_pushes n
             where not exists (select from @calendar_connections c where c.connection_id = n.connection_id)
               and n.created_at < $1
             limit $2
             for update skip locked
         ))",
        ARGUMENTS,
    ) };
    static CONNECTIONS: Statement = const { Statement::new(
        "delete from @calendar_connections
         where connection_id = any (array(
             select c.connection_id
             from @calendar_connections c
             where c.status = 'removed'
               and c.updated_at < $1
               and not exists (select from @calendar_events e where e.connection_id = c.connection_id)
               and not exists (select from @calendar_series s where s.connection_id = c.connection_id)
             limit $2
             for update skip locked
         ))",
        ARGUMENTS,
    ) };
    // Their tokens were wiped at once; nothing hangs on them once their connections are gone.
    static ACCOUNTS: Statement = const { Statement::new(
        "delete from @calendar_accounts
         where account_id = any (array(
             select a.account_id
             from @calendar_accounts a
             where a.status = 'disabled'
               and a.updated_at < $1
               and not exists (select from @calendar_connections c where c.account_id = a.account_id)
             limit $2
             for update skip locked
         ))",
        ARGUMENTS,
    ) };
}

/// Removes at most `batch` rows of a kind that are old enough; returns how many.
pub fn remove(installation: &Installation, kind: &Kind, before: &Before, batch: i64) -> SqlResult<u64> {
    let arguments: [DatumWithOid; 2] = [stamp((kind.before)(before)).into(), batch.into()];
    kind.statement.with(|statement| statement.execute(installation, &arguments))
}
