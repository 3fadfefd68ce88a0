//! calendar_event_links: what of a connection's calendar is the like of what here, as both sides last agreed.

use calendar_sync_core::content::{self, Hash};
use calendar_sync_core::event::Body;
pub use calendar_sync_core::merge::Base;
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
pub use super::item_id::ItemId;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::{SqlResult, internal};

/// A link as it stands.
#[derive(Debug, Clone)]
pub struct Link {
    pub link_id: Uuid,
    pub connection_id: Uuid,
    pub item: ItemId,
    /// The provider's identifier, by its key ([`content::key`]); `None` until it is known that it has been sent.
    pub external_id: Option<String>,
    pub etag: Option<String>,
    /// 'synced', 'pending', 'error', 'conflict' or 'deleted'.
    pub status: String,
    pub local_version: Option<Hash>,
    pub remote_version: Option<String>,
    /// `None` before both sides have agreed on anything.
    pub base: Option<Base>,
    pub revision: i32,
    /// When it was confirmed that it is there no more.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What that calendar is told has changed: all of it is to be sent anew, and may have been.
    pub is_told_anew: bool,
}

impl Link {
    /// What tells the item from all others, and from itself as it was created there before.
    pub fn mark(&self) -> Uuid {
        mark(self.item, self.connection_id, self.revision)
    }

    /// It was about to be created there, and nobody has heard what came of that, or seen it there. Its base is what was sent.
    pub fn is_unheard(&self) -> bool {
        let has_version = self.etag.is_some() || self.remote_version.is_some();
        !has_version && !self.is_returning() && self.base.as_ref().is_some_and(|base| base.unheard)
    }

    /// It was about to be deleted there; or was deleted, and about to be brought back. Whether it is there is not known yet.
    /// Its base is what both sides had agreed on, or what was sent.
    pub fn is_returning(&self) -> bool {
        self.base.is_some() && self.local_version.is_none()
    }

    /// Its base while it is returning as that.
    pub fn back_as(&self, sent: Body, only_busy: bool) -> Base {
        let occurrences = self.base.as_ref().map(|base| base.occurrences.clone());
        Base::sent(sent, only_busy).with_occurrences(occurrences.unwrap_or_default())
    }
}

/// See [`Link::mark`].
pub fn mark(item: ItemId, connection: Uuid, revision: i32) -> Uuid {
    let (kind, id) = match item {
        ItemId::Event(id) => (b'e', id),
        ItemId::Series(id) => (b's', id),
    };
    let mut bytes = vec![kind];
    bytes.extend(id.as_bytes());
    bytes.extend(connection.as_bytes());
    bytes.extend(revision.to_le_bytes());
    uuid::Builder::from_custom_bytes(content::digest(&bytes).to_le_bytes()).into_uuid()
}

/// What [`read`] reads of a link `l`.
macro_rules! selected {
    ($rest:literal) => {
        selected!(of: "@calendar_event_links", $rest)
    };
    (of: $links:expr, $rest:literal) => {
        concat!(
            "select l.link_id, l.connection_id, l.event_id, l.series_id, l.external_id, l.etag, l.sync_status,
                 l.local_version, l.remote_version, l.base::text, l.revision, l.deleted_at,
                 coalesce(l.last_sync_at = '-infinity', false)
             from ",
            $links,
            " l ",
            $rest
        )
    };
}

/// A connection's links of items of one kind.
macro_rules! of_items {
    ($id:literal, $ids:literal) => {
        concat!(
            "select k.*
             from (select distinct id from unnest(",
            $ids,
            ") u (id)) i
             cross join lateral (
                 select *
                 from @calendar_event_links
                 where ",
            $id,
            " = i.id and connection_id = $1
                 offset 0
             ) k"
        )
    };
}

thread_local! {
    // Here and below: each is looked up in the index, whatever the planner knows of the table. (Of a join it may think that
    // a connection's links are best read whole, for each batch again.)
    static BY_EXTERNAL_ID: Statement = const { Statement::new(
        selected!(
            of: "(
                 select o.*
                 from unnest($2) k (external_id)
                 cross join lateral (
                     select *
                     from @calendar_event_links
                     where connection_id = $1 and external_id = k.external_id
                     offset 0
                 ) o
             )",
            "order by l.link_id"
        ),
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID],
    ) };
    static BY_ITEM: Statement = const { Statement::new(
        selected!(
            of: concat!("(", of_items!("event_id", "$2"), " union all ", of_items!("series_id", "$3"), ")"),
            "order by l.link_id"
        ),
        &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID],
    ) };
    static UNSENT: Statement = const { Statement::new(
        selected!("where l.connection_id = $1 and l.external_id is null and l.sync_status <> 'deleted'"),
        &[pg_sys::UUIDOID],
    ) };
    static WITH_OCCURRENCES: Statement = const { Statement::new(
        selected!("where l.connection_id = $1
               and l.series_id is not null
               and l.sync_status <> 'deleted'
               and exists (
                   select
                   from jsonb_array_elements(l.base -> 'occurrences') o
                   where o ->> 'external_id' = any ($2)
               )"),
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID],
    ) };
    static CONFLICT_DATA: Statement = const { Statement::new(
        "select conflict_data::text from @calendar_event_links where link_id = $1",
        &[pg_sys::UUIDOID],
    ) };
}

/// A connection's links with these identifiers, deleted ones as well.
pub fn by_external_id(installation: &Installation, connection: Uuid, external_ids: &[&str]) -> SqlResult<Vec<Link>> {
    if external_ids.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let arguments = [uuid(connection).into(), column(external_ids, |id| content::key(id).into_owned())];
        BY_EXTERNAL_ID.with(|statement| statement.rows(installation, &arguments, read))
    })
}

/// A connection's links of these items, deleted ones as well.
pub fn by_item(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<Vec<Link>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let [events, series] = ItemId::arguments(items);
        let arguments = [uuid(connection).into(), events, series];
        BY_ITEM.with(|statement| statement.rows(installation, &arguments, read))
    })
}

/// A connection's links of what has not been sent yet, or of which nobody has heard that it arrived.
pub fn unsent(installation: &Installation, connection: Uuid) -> SqlResult<Vec<Link>> {
    UNSENT.with(|statement| statement.rows(installation, &[uuid(connection).into()], read))
}

/// As a base stands in a link.
pub(super) fn base_json(base: &Base) -> SqlResult<String> {
    serde_json::to_string(base).map_err(internal)
}

/// As an identifier stands in a link.
pub fn key(external_id: &str) -> String {
    content::key(external_id).into_owned()
}

/// Links of series that know of occurrences with these identifiers.
pub fn with_occurrences(installation: &Installation, connection: Uuid, ids: &[&str]) -> SqlResult<Vec<Link>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        let arguments = [uuid(connection).into(), column(ids, |id| *id)];
        WITH_OCCURRENCES.with(|statement| statement.rows(installation, &arguments, read))
    })
}

/// What is kept of a link's last conflict.
pub fn conflict_data(installation: &Installation, link: Uuid) -> SqlResult<Option<serde_json::Value>> {
    let arguments = [uuid(link).into()];
    Ok(CONFLICT_DATA.with(|statement| statement.first(installation, &arguments, Columns::json))?.flatten())
}

fn read(columns: &mut Columns) -> SpiResult<Link> {
    Ok(Link {
        link_id: columns.uuid()?.unwrap_or_default(),
        connection_id: columns.uuid()?.unwrap_or_default(),
        item: ItemId::read(columns)?,
        external_id: columns.text()?,
        etag: columns.text()?,
        status: columns.word()?,
        local_version: columns.hash()?,
        remote_version: columns.text()?,
        base: columns.json()?,
        revision: columns.int()?.unwrap_or_default(),
        deleted_at: columns.instant()?,
        is_told_anew: columns.flag()?,
    })
}
