//! Links and operations of what was sent and came to nothing here: as they would be, had it not.

use calendar_sync_core::content;
use calendar_sync_core::event::Body;
use calendar_sync_core::merge::Base;
use pgrx::pg_sys;
use serde_json::Value;
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::links::{ItemId, base_json};
use super::{Installation, Statement, delivery, waiting};
use crate::errors::SqlResult;

/// What was created there, as far as is known here.
pub struct Unheard {
    pub item: ItemId,
    /// How often it was created there before.
    pub revision: i32,
    pub base: Base,
}

/// What is to be sent so that both sides are the same again.
pub struct Needed {
    pub item: ItemId,
    /// 'create', 'update' or 'delete'.
    pub operation: &'static str,
    /// See [`super::outbox::Taken::payload`].
    pub payload: Option<Value>,
}

thread_local! {
    static UNHEARD: Statement = const { Statement::new(
        "update @calendar_event_links l
         set external_id = null,
             etag = null,
             base = r.base::jsonb,
             local_version = r.local_version,
             remote_version = null,
             revision = r.revision,
             sync_status = 'pending',
             deleted_at = null,
             is_unseen = false,
             let_go = false
         from unnest($2, $3, $4, $5, $6) r (event_id, series_id, base, local_version, revision)
         where l.connection_id = $1
           and (l.event_id = r.event_id or l.series_id = r.series_id)",
        &[
            pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BYTEAARRAYOID,
            pg_sys::INT4ARRAYOID,
        ],
    ) };
    static CHANGED: Statement = const { Statement::new(
        "update @calendar_event_links l
         set base = r.base::jsonb,
             local_version = r.local_version,
             sync_status = case when l.sync_status = 'conflict' then l.sync_status else 'pending' end
         from unnest($1, $2, $3) r (link_id, base, local_version)
         where l.link_id = r.link_id",
        &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BYTEAARRAYOID],
    ) };
    static PAYLOADS: Statement = const { Statement::new(
        "update @calendar_sync_queue q
         set payload = r.payload::jsonb,
             scheduled_for = least(q.scheduled_for, clock_timestamp())
         from unnest($2, $3, $4) r (event_id, series_id, payload)
         where q.connection_id = $1
           and q.status = 'pending'
           and (q.event_id = r.event_id or q.series_id = r.series_id)",
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
    ) };
}

/// These may be there under the marks of their links, and nobody has heard of it: what was sent is their base.
pub fn unheard(installation: &Installation, connection: Uuid, unheard: &[Unheard]) -> SqlResult<()> {
    if unheard.is_empty() {
        return Ok(());
    }
    delivery::link(installation, connection, &unheard.iter().map(|one| one.item).collect::<Vec<_>>())?;
    let bases = unheard.iter().map(|one| base_json(&one.base)).collect::<SqlResult<Vec<_>>>()?;
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(unheard, |one| one.item.event().map(uuid)),
            column(unheard, |one| one.item.series().map(uuid)),
            bases.into(),
            column(unheard, |one| version(&one.base.local)),
            column(unheard, |one| one.revision),
        ];
        UNHEARD.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// What both sides have come to by what was sent, link by link.
pub fn changed(installation: &Installation, links: &[(Uuid, Base)]) -> SqlResult<()> {
    if links.is_empty() {
        return Ok(());
    }
    let bases = links.iter().map(|(_, base)| base_json(base)).collect::<SqlResult<Vec<_>>>()?;
    within_scratch(|| {
        let arguments =
            [column(links, |(link, _)| uuid(*link)), bases.into(), column(links, |(_, base)| version(&base.local))];
        CHANGED.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// Queues what is to be sent; what waits becomes that.
pub fn need(installation: &Installation, connection: Uuid, needed: &[Needed], max_retries: i32) -> SqlResult<()> {
    let operations: Vec<_> = needed.iter().map(|one| (one.operation, one.item)).collect();
    waiting::need(installation, connection, &operations, max_retries)?;
    if needed.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(needed, |one| one.item.event().map(uuid)),
            column(needed, |one| one.item.series().map(uuid)),
            column(needed, |one| one.payload.as_ref().map(Value::to_string)),
        ];
        PAYLOADS.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

fn version(body: &Body) -> Vec<u8> {
    content::of_body(body).to_vec()
}
