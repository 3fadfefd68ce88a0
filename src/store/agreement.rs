//! Links as both sides come to agree: made, brought up to date, and ended.

use calendar_sync_core::content::{self, Hash};
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::links::{Base, ItemId, base_json};
use super::outside::execute_on;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// What both sides have come to.
#[derive(Debug)]
pub struct Agreed {
    pub item: ItemId,
    pub external_id: String,
    pub etag: Option<String>,
    pub local_version: Hash,
    pub remote_version: Option<String>,
    pub base: Base,
    /// We have just made it there, and a pull is to see that it is.
    pub is_unseen: bool,
}

/// Writes what was agreed on, by the items' ids of that kind.
macro_rules! agree {
    ($id:literal) => {
        concat!(
            "insert into @calendar_event_links as l
                 (connection_id, ",
            $id,
            ", external_id, etag, local_version, remote_version, base, is_unseen, sync_status, last_sync_at)
             select $1, r.id, r.external_id, r.etag, r.local_version, r.remote_version, r.base::jsonb, r.is_unseen, 'synced', $2
             from unnest($3, $4, $5, $6, $7, $8, $9) r (id, external_id, etag, local_version, remote_version, base, is_unseen)
             on conflict (",
            $id,
            ", connection_id) where ",
            $id,
            " is not null
             do update set external_id = excluded.external_id,
                 etag = excluded.etag,
                 local_version = excluded.local_version,
                 remote_version = excluded.remote_version,
                 base = excluded.base,
                 is_unseen = l.is_unseen or excluded.is_unseen,
                 sync_status = 'synced',
                 last_sync_at = excluded.last_sync_at,
                 last_sync_error = null,
                 retry_count = 0,
                 deleted_at = null"
        )
    };
}

const AGREED: &[pg_sys::Oid] = &[
    pg_sys::UUIDOID,
    pg_sys::TIMESTAMPTZOID,
    pg_sys::UUIDARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::BYTEAARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::BOOLARRAYOID,
];

thread_local! {
    // What is there under that identifier is the like of another item from now on.
    static LEAVE: Statement = const { Statement::new(
        "with other as materialized (
             select l.link_id
             from unnest($2, $3, $4) r (external_id, event_id, series_id)
             cross join lateral (
                 select link_id, event_id, series_id
                 from @calendar_event_links
                 where connection_id = $1 and external_id = r.external_id
                 offset 0
             ) l
             where (l.event_id, l.series_id) is distinct from (r.event_id, r.series_id)
         )
         delete from @calendar_event_links
         where exists (select from other)
           and link_id = any (array(select link_id from other))
         returning event_id, series_id",
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static AGREE_ON_EVENTS: Statement = const { Statement::new(agree!("event_id"), AGREED) };
    static AGREE_ON_SERIES: Statement = const { Statement::new(agree!("series_id"), AGREED) };
    static GONE: Statement = const { Statement::new(
        "update @calendar_event_links
         set sync_status = 'deleted',
             deleted_at = $2,
             is_unseen = false,
             let_go = $3,
             etag = null,
             last_sync_error = null,
             retry_count = 0
         where link_id = any ($1)
           and deleted_at is null",
        &[pg_sys::UUIDARRAYOID, pg_sys::TIMESTAMPTZOID, pg_sys::BOOLOID],
    ) };
}

/// Both sides of these items agree: makes their links, or brings them up to date. What was linked under the same
/// identifiers before is so no more: returns these other items.
pub fn agree(
    installation: &Installation,
    connection: Uuid,
    agreed: &[Agreed],
    now: DateTime<Utc>,
) -> SqlResult<Vec<ItemId>> {
    if agreed.is_empty() {
        return Ok(Vec::new());
    }
    let mut left = within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            column(agreed, |one| content::key(&one.external_id).into_owned()),
            column(agreed, |one| one.item.event().map(uuid)),
            column(agreed, |one| one.item.series().map(uuid)),
        ];
        LEAVE.with(|statement| statement.rows(installation, &arguments, ItemId::read))
    })?;
    left.retain(|item| agreed.iter().all(|one| one.item != *item));
    let of_kind = |id: fn(ItemId) -> Option<Uuid>| -> Vec<(Uuid, &Agreed)> {
        agreed.iter().filter_map(|one| Some((id(one.item)?, one))).collect()
    };
    agree_on(installation, &AGREE_ON_EVENTS, connection, &of_kind(ItemId::event), now)?;
    agree_on(installation, &AGREE_ON_SERIES, connection, &of_kind(ItemId::series), now)?;
    Ok(left)
}

fn agree_on(
    installation: &Installation,
    statement: &'static std::thread::LocalKey<Statement>,
    connection: Uuid,
    agreed: &[(Uuid, &Agreed)],
    now: DateTime<Utc>,
) -> SqlResult<()> {
    if agreed.is_empty() {
        return Ok(());
    }
    let bases = agreed.iter().map(|(_, one)| base_json(&one.base)).collect::<SqlResult<Vec<_>>>()?;
    within_scratch(|| {
        let arguments = [
            uuid(connection).into(),
            stamp(now).into(),
            column(agreed, |(id, _)| uuid(*id)),
            column(agreed, |(_, one)| content::key(&one.external_id).into_owned()),
            column(agreed, |(_, one)| one.etag.as_deref()),
            column(agreed, |(_, one)| one.local_version.as_slice()),
            column(agreed, |(_, one)| one.remote_version.as_deref()),
            bases.into(),
            column(agreed, |(_, one)| one.is_unseen),
        ];
        statement.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}

/// It is confirmed that these are there no more; the links stay for 30 days.
pub fn gone(installation: &Installation, links: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    end(installation, links, now, false)
}

/// The same of what is here still, and is not to be made there again before it changes.
pub fn let_go(installation: &Installation, links: &[Uuid], now: DateTime<Utc>) -> SqlResult<u64> {
    end(installation, links, now, true)
}

fn end(installation: &Installation, links: &[Uuid], now: DateTime<Utc>, let_go: bool) -> SqlResult<u64> {
    GONE.with(|statement| execute_on(installation, statement, links, || vec![stamp(now).into(), let_go.into()]))
}
