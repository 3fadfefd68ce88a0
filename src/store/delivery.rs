//! What sending leaves behind beside the queue: links, the end of the connection's lease, the log.

use std::time::Duration;

use calendar_sync_core::content;
use pgrx::pg_sys;
use serde_json::Value;
use uuid::Uuid;

use super::connections::Connection;
use super::datum::{column, uuid, within_scratch};
use super::links::{Base, ItemId, base_json};
use super::outside::execute_on;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// A line of the log about what was sent to one connection.
#[derive(Debug, Default)]
pub struct PushLog {
    /// What it is about, where it is about one item.
    pub item: Option<ItemId>,
    /// 'success', 'retry' or 'failed'.
    pub status: &'static str,
    pub error: Option<String>,
    /// created, updated, deleted, unchanged
    pub counts: Option<[i32; 4]>,
    pub details: Option<Value>,
    pub duration: Duration,
}

thread_local! {
    static LINK: Statement = const { Statement::new(
        "insert into @calendar_event_links (connection_id, event_id, series_id)
         select $1, r.event_id, r.series_id
         from unnest($2, $3) r (event_id, series_id)
         on conflict do nothing",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static MARK_LINKS: Statement = const { Statement::new(
        "update @calendar_event_links l
         set sync_status = case when $5 and l.sync_status <> 'conflict' then 'error' else l.sync_status end,
             last_sync_error = r.error,
             retry_count = l.retry_count + 1
         from unnest($2, $3, $4) r (event_id, series_id, error)
         where l.connection_id = $1
           and (l.event_id = r.event_id or l.series_id = r.series_id)",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BOOLOID],
    ) };
    static ANEW: Statement = const { Statement::new(
        "update @calendar_event_links
         set external_id = null,
             etag = null,
             base = null,
             local_version = null,
             remote_version = null,
             sync_status = 'pending',
             deleted_at = null,
             is_unseen = false,
             revision = revision + 1
         where link_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static RETURNS: Statement = const { Statement::new(
        "update @calendar_event_links l
         set sync_status = 'pending', deleted_at = null, local_version = null, base = r.base::jsonb
         from unnest($1, $2) r (link_id, base)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static DOUBT: Statement = const { Statement::new(
        "update @calendar_event_links set local_version = null where link_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static OVERWRITE: Statement = const { Statement::new(
        "update @calendar_event_links set etag = null where link_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static FOUND: Statement = const { Statement::new(
        "update @calendar_event_links l
         set external_id = r.external_id, etag = r.etag
         from unnest($1, $2, $3) r (link_id, external_id, etag)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
    static SENT: Statement = const { Statement::new(
        "update @calendar_connections
         set leased_until = null,
             lease_generation = lease_generation + 1,
             consecutive_failures = 0,
             last_error = null,
             status = case when status = 'error' and held_back is null then 'active' else status end,
             last_synced_at = case when direction = 'push' then clock_timestamp() else last_synced_at end,
             next_poll_at = case
                 when $2 then clock_timestamp()
                 when direction = 'push' then null
                 else next_poll_at
             end
         where connection_id = $1",
        &[pg_sys::UUIDOID, pg_sys::BOOLOID],
    ) };
    static LOG: Statement = const { Statement::new(
        "insert into @calendar_sync_log (connection_id, provider, user_id, event_id, action, status, error_message, details,
             created, updated, deleted, unchanged, duration_ms)
         values ($1, $2, $3, $4, 'push', $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
            pg_sys::JSONBOID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID, pg_sys::INT4OID,
        ],
    ) };
}

/// Makes links of items that have none yet.
pub fn link(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<()> {
    if items.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(items, |item| item.event().map(uuid)),
            column(items, |item| item.series().map(uuid)),
        ];
        LINK.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Links say what is wrong. `for_good`: their status does, too.
pub fn mark(installation: &Installation, connection: Uuid, errors: &[(ItemId, &str)], for_good: bool) -> SqlResult<()> {
    if errors.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(errors, |(item, _)| item.event().map(uuid)),
            column(errors, |(item, _)| item.series().map(uuid)),
            column(errors, |(_, error)| *error),
            for_good.into(),
        ];
        MARK_LINKS.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// What these links stood for is there no more, and is to be created once more, as something new.
pub fn anew(installation: &Installation, links: &[Uuid]) -> SqlResult<u64> {
    ANEW.with(|statement| execute_on(installation, statement, links, Vec::new))
}

/// What was deleted there is about to be brought back under its identifier, as these say: noted before it is, for the case
/// that nobody is there to hear what came of it. See [`super::links::Link::is_returning`].
pub fn returns(installation: &Installation, links: &[(Uuid, Base)]) -> SqlResult<()> {
    if links.is_empty() {
        return Ok(());
    }
    let bases = links.iter().map(|(_, base)| base_json(base)).collect::<SqlResult<Vec<_>>>()?;
    within_scratch(|| {
        let arguments = [column(links, |(link, _)| uuid(*link)), bases.into()];
        RETURNS.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// These are about to be deleted there: noted before they are, for the case that nobody is there to hear what came of it and
/// they are wanted there again by then. See [`super::links::Link::is_returning`].
pub fn doubt(installation: &Installation, links: &[Uuid]) -> SqlResult<u64> {
    DOUBT.with(|statement| execute_on(installation, statement, links, Vec::new))
}

/// Whatever version of these is there: what is sent next goes over it.
pub fn overwrite(installation: &Installation, links: &[Uuid]) -> SqlResult<u64> {
    OVERWRITE.with(|statement| execute_on(installation, statement, links, Vec::new))
}

/// What is there by now of items whose links these are: (link, identifier, version).
pub fn found(installation: &Installation, links: &[(Uuid, String, Option<String>)]) -> SqlResult<()> {
    if links.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            column(links, |(link, ..)| uuid(*link)),
            column(links, |(_, external_id, _)| content::key(external_id).into_owned()),
            column(links, |(.., etag)| etag.as_deref()),
        ];
        FOUND.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Ends the lease after the provider has taken something; call only with the row locked.
pub fn sent(installation: &Installation, connection: Uuid, poll: bool) -> SqlResult<()> {
    SENT.with(|statement| statement.execute(installation, &[uuid(connection).into(), poll.into()]))?;
    Ok(())
}

/// Writes a row of calendar_sync_log.
pub fn log(installation: &Installation, connection: &Connection, log: PushLog) -> SqlResult<()> {
    let count = |index: usize| log.counts.map(|counts| counts[index]).into();
    let arguments = [
        uuid(connection.id).into(),
        connection.provider.as_str().into(),
        connection.user_id.as_str().into(),
        log.item.and_then(ItemId::event).map(uuid).into(),
        log.status.into(),
        log.error.as_deref().into(),
        log.details.map(pgrx::JsonB).into(),
        count(0),
        count(1),
        count(2),
        count(3),
        i32::try_from(log.duration.as_millis()).unwrap_or(i32::MAX).into(),
    ];
    LOG.with(|statement| statement.execute(installation, &arguments))?;
    Ok(())
}
