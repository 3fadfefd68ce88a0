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

impl Source<'_> {
    /// User, source, connection, the keys that are meant (`None`: all), the present.
    pub(super) fn arguments<'b>(&'b self, keys: Option<&'b [&'b str]>, now: DateTime<Utc>) -> [DatumWithOid<'b>; 5] {
        [
            self.user_id.into(),
            self.external_source.into(),
            self.connection_id.map(uuid).into(),
            match keys {
                Some(keys) => column(keys, |key| *key),
                None => None::<Vec<&str>>.into(),
            },
            stamp(now).into(),
        ]
    }
}
