//! What is linked, queued and pushed as one.

use pgrx::datum::DatumWithOid;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::uuid;
use super::rows::Columns;

/// An event, or a series with all its occurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemId {
    Event(Uuid),
    Series(Uuid),
}

impl ItemId {
    /// Its id, where it is an event.
    pub const fn event(self) -> Option<Uuid> {
        match self {
            Self::Event(id) => Some(id),
            Self::Series(_) => None,
        }
    }

    /// Its id, where it is a series.
    pub const fn series(self) -> Option<Uuid> {
        match self {
            Self::Event(_) => None,
            Self::Series(id) => Some(id),
        }
    }

    /// The ids of the events among these items, and those of the series.
    pub fn split(items: &[Self]) -> [Vec<Uuid>; 2] {
        [Self::event, Self::series].map(|id| items.iter().copied().filter_map(id).collect())
    }

    /// The same as two arguments of type uuid[].
    pub(super) fn arguments<'a>(items: &[Self]) -> [DatumWithOid<'a>; 2] {
        Self::split(items).map(|ids| ids.into_iter().map(uuid).collect::<Vec<_>>().into())
    }

    /// Of the columns event_id and series_id, of which one is not NULL.
    pub(super) fn read(columns: &mut Columns) -> SpiResult<Self> {
        let (event_id, series_id) = (columns.uuid()?, columns.uuid()?);
        Ok(series_id.map_or_else(|| Self::Event(event_id.unwrap_or_default()), Self::Series))
    }
}
