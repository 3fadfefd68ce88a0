//! Whose rows a statement is about.

use chrono::{DateTime, Utc};
use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use super::datum::{column, stamp, uuid};

/// The origin of events and series: together with the external id, their key.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub user_id: &'a str,
    /// The provider, or the application's own word.
    pub external_source: &'a str,
    /// `None` for what an application hands in itself.
    pub connection_id: Option<Uuid>,
    /// The provider's word, or 'manual'.
    pub synced_from: &'a str,
}

/// Which of a source's rows are meant.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// Those with these external ids.
    Keys(&'a [&'a str]),
    /// All of a connection; of an application's source, which may be any size, so many at most.
    All { at_most: i64 },
}

impl Source<'_> {
    /// User, source, connection, what is wanted, the present.
    pub(super) fn arguments<'b>(&'b self, wanted: Wanted<'b>, now: DateTime<Utc>) -> [DatumWithOid<'b>; 5] {
        [
            self.user_id.into(),
            self.external_source.into(),
            self.connection_id.map(uuid).into(),
            match wanted {
                Wanted::Keys(keys) => column(keys, |key| *key),
                Wanted::All { .. } if self.connection_id.is_some() => None::<Vec<&str>>.into(),
                Wanted::All { at_most } => at_most.into(),
            },
            stamp(now).into(),
        ]
    }
}
