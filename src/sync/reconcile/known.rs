//! What is known of what came: its link, what it stands for here, and whether that is to be sent.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::event::Body;

use super::incoming::Incoming;
use super::{Run, distinct};
use crate::errors::SqlResult;
use crate::store::items::{self, Standing};
use crate::store::links::{self, ItemId, Link};
use crate::store::waiting::{self, Waiting};

/// An item of which there is a link.
pub struct Known {
    pub link: Link,
    /// `None` where it is here no more.
    pub standing: Option<Standing>,
    pub waiting: Option<Waiting>,
}

/// Items that came, told apart.
#[derive(Default)]
pub struct Found {
    pub new: Vec<Incoming>,
    pub known: Vec<(Known, Incoming)>,
}

/// Looks up some items. Those that are as they were when they were last seen are counted, and are not among them.
pub fn look_up(run: &mut Run, incoming: Vec<Incoming>) -> SqlResult<Found> {
    let incoming = apart(run, incoming)?;
    let keys: Vec<&str> = incoming.iter().map(|one| one.external_id.as_str()).collect();
    let mut links: HashMap<String, Link> = by_key(run, &keys)?;
    let unsent = unsent(run, &incoming, &links)?;
    let mut found = Found::default();
    let mut linked = Vec::new();
    for one in incoming {
        let link = links.remove(&one.key()).or_else(|| unsent.get(one.mark.as_deref()?).cloned());
        match link {
            None => found.new.push(one),
            Some(link) if is_as_known(run, &link, &one) => run.counts.unchanged += 1,
            Some(link) => linked.push((link, one)),
        }
    }
    let (links, incoming): (Vec<Link>, Vec<Incoming>) = linked.into_iter().unzip();
    found.known = with_items(run, links)?.into_iter().zip(incoming).collect();
    Ok(found)
}

fn by_key(run: &Run, keys: &[&str]) -> SqlResult<HashMap<String, Link>> {
    let links = links::by_external_id(run.installation, run.connection.id, keys)?;
    Ok(links.into_iter().filter_map(|link| Some((link.external_id.clone()?, link))).collect())
}

/// Overrides whose series is not here stand for themselves, each under its own identifier.
fn apart(run: &Run, incoming: Vec<Incoming>) -> SqlResult<Vec<Incoming>> {
    let is_part = |one: &Incoming| matches!(one.body, Body::Overrides(_));
    let parts: Vec<&str> = incoming.iter().filter(|one| is_part(one)).map(|one| one.external_id.as_str()).collect();
    if parts.is_empty() {
        return Ok(incoming);
    }
    let series = by_key(run, &parts)?;
    let mut all = Vec::with_capacity(incoming.len());
    for one in incoming {
        let Body::Overrides(overrides) = &one.body else {
            all.push(one);
            continue;
        };
        if series.contains_key(&one.key()) {
            all.push(one);
            continue;
        }
        for own in overrides {
            let named = one.occurrences.iter().find(|named| named.recurrence_id == own.recurrence_id);
            all.push(Incoming {
                // Without one of its own it is stored, but not followed.
                external_id: named.map_or_else(|| one.external_id.clone(), |named| named.external_id.clone()),
                body: Body::Overrides(vec![own.clone()]),
                etag: named.and_then(|named| named.etag.clone()),
                occurrences: vec![],
                mark: None,
                series: Some(one.external_id.clone()),
                is_news: false,
            });
        }
    }
    Ok(all)
}

/// Links of what was sent, though nobody has heard that it arrived; by the mark that it was given.
fn unsent(run: &Run, incoming: &[Incoming], links: &HashMap<String, Link>) -> SqlResult<HashMap<String, Link>> {
    let marks: HashSet<&str> =
        incoming.iter().filter(|one| !links.contains_key(&one.key())).filter_map(|one| one.mark.as_deref()).collect();
    if marks.is_empty() {
        return Ok(HashMap::new());
    }
    let unsent = links::unsent(run.installation, run.connection.id)?;
    let marked = unsent.into_iter().map(|link| (link.mark().to_string(), link));
    Ok(marked.filter(|(mark, _)| marks.contains(mark.as_str())).collect())
}

/// Nothing has happened to it there since it was last seen, or written by us.
fn is_as_known(run: &Run, link: &Link, one: &Incoming) -> bool {
    let is_same = one.etag.is_some() && link.etag == one.etag && link.external_id.is_some();
    let same_occurrences = || {
        let known = |named: &calendar_sync_core::merge::Occurrence| {
            named.etag.is_some()
                && link.base.as_ref().and_then(|base| base.occurrence(named.recurrence_id)) == Some(named)
        };
        one.occurrences.iter().all(known)
    };
    let is_whole = |body: &Body| match body {
        Body::Single(_) => true,
        // An exception may have a version of its own.
        Body::Series(series) => series
            .overrides
            .iter()
            .all(|own| one.occurrences.iter().any(|named| named.recurrence_id == own.recurrence_id)),
        Body::Overrides(_) => false,
    };
    !run.force && !one.is_news && is_same && link.status != "deleted" && is_whole(&one.body) && same_occurrences()
}

/// Reads what links stand for, locked: what is written here meanwhile comes after.
pub fn with_items(run: &Run, links: Vec<Link>) -> SqlResult<Vec<Known>> {
    let ids: Vec<ItemId> = distinct(links.iter().map(|link| link.item));
    let standing = items::lock(run.installation, &ids)?;
    let mut standing: HashMap<ItemId, Standing> = standing.into_iter().map(|one| (one.item, one)).collect();
    let waiting = waiting::find(run.installation, run.connection.id, &ids)?;
    let waiting: HashMap<ItemId, Waiting> = waiting.into_iter().map(|one| (one.item, one)).collect();
    let known = links.into_iter().map(|link| Known {
        standing: standing.remove(&link.item),
        waiting: waiting.get(&link.item).copied(),
        link,
    });
    Ok(known.collect())
}
