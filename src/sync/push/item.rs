//! Items that operations are about, as they are here now.

use std::collections::HashMap;

use uuid::Uuid;

use crate::errors::SqlResult;
use crate::store::items::{self, Standing};
use crate::store::links::{self, ItemId, Link};
use crate::store::outbox::{self, Taken};
use crate::store::{Installation, belonging};

/// All that is needed of them, read in a handful of statements.
pub struct Items {
    standing: HashMap<ItemId, Standing>,
    links: HashMap<ItemId, Link>,
    /// The series of events that are occurrences of one.
    series: HashMap<Uuid, Uuid>,
}

impl Items {
    /// Of operations: an occurrence is sent with its series.
    pub fn read(installation: &Installation, connection: Uuid, taken: &[Taken]) -> SqlResult<Self> {
        let events: Vec<Uuid> = taken.iter().filter_map(|one| one.item.event()).collect();
        let series: HashMap<Uuid, Uuid> = outbox::series_of(installation, &events)?.into_iter().collect();
        let mut items: Vec<ItemId> = taken.iter().map(|one| meant(&series, one.item)).collect();
        items.sort_unstable();
        items.dedup();
        Ok(Self { series, ..Self::of(installation, connection, &items)? })
    }

    /// Of items each of which is sent by itself.
    pub fn of(installation: &Installation, connection: Uuid, items: &[ItemId]) -> SqlResult<Self> {
        let belonging = belonging::among(installation, connection, items)?;
        let standing = items::find(installation, items)?;
        let standing = standing.into_iter().filter(|one| !one.deleted && belonging.contains(&one.item));
        let links = links::by_item(installation, connection, items)?;
        Ok(Self {
            standing: standing.map(|one| (one.item, one)).collect(),
            links: links.into_iter().map(|link| (link.item, link)).collect(),
            series: HashMap::new(),
        })
    }

    /// What is sent as one: of an occurrence its series.
    pub fn meant(&self, item: ItemId) -> ItemId {
        meant(&self.series, item)
    }

    /// `None` where it is here no more, or belongs to that calendar no more.
    pub fn standing(&self, item: ItemId) -> Option<&Standing> {
        self.standing.get(&item)
    }

    /// Its link at that connection's calendar, ended ones as well.
    pub fn link(&self, item: ItemId) -> Option<&Link> {
        self.links.get(&item)
    }
}

fn meant(series: &HashMap<Uuid, Uuid>, item: ItemId) -> ItemId {
    item.event().and_then(|event| series.get(&event)).map_or(item, |series| ItemId::Series(*series))
}
