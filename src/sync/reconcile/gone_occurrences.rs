//! Single occurrences that are there no more: a change of their series.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::event::{Body, Series};
use chrono::{DateTime, Utc};

use super::incoming::Incoming;
use super::known::{Known, with_items};
use super::{Run, distinct};
use crate::errors::SqlResult;
use crate::store::items;
use crate::store::links::{self, ItemId, Link};

/// A series, and the original start of one of its occurrences.
pub(super) type Gone = (ItemId, DateTime<Utc>);

/// Occurrences with these identifiers, by what the links of their series know of them.
pub(super) fn by_identifier(run: &Run, ids: &[&str]) -> SqlResult<Vec<Gone>> {
    let links = links::with_occurrences(run.installation, run.connection.id, ids)?;
    let ids: HashSet<&str> = ids.iter().copied().collect();
    let gone = links.iter().flat_map(|link| {
        let known = link.base.iter().flat_map(|base| &base.occurrences);
        known.filter(|one| ids.contains(one.external_id.as_str())).map(|one| (link.item, one.recurrence_id))
    });
    Ok(gone.collect())
}

/// Those of the links that are of a single occurrence of a series that is here.
pub(super) fn by_link(run: &Run, links: &[Link]) -> SqlResult<HashMap<ItemId, Gone>> {
    let items: Vec<ItemId> = links.iter().map(|link| link.item).filter(|item| item.event().is_some()).collect();
    let standing = items::find(run.installation, &items)?;
    let gone = standing.into_iter().filter_map(|standing| {
        let (series, recurrence_id) = standing.occurrence?;
        Some((standing.item, (ItemId::Series(series), recurrence_id)))
    });
    Ok(gone.collect())
}

/// Takes occurrences out of their series, as these came or as they were last seen.
pub(super) fn leave_out(run: &Run, gone: &[Gone], incoming: &mut Vec<Incoming>) -> SqlResult<()> {
    let items: Vec<ItemId> = distinct(gone.iter().map(|(item, _)| *item));
    let links = links::by_item(run.installation, run.connection.id, &items)?;
    for Known { link, standing, .. } in with_items(run, links)? {
        let dates: Vec<DateTime<Utc>> =
            gone.iter().filter(|(item, _)| *item == link.item).map(|(_, date)| *date).collect();
        let Some(external_id) = link.external_id.clone() else { continue };
        if let Some(came) = incoming.iter_mut().find(|one| one.key() == external_id) {
            if let Body::Series(series) = &mut came.body {
                dates.into_iter().for_each(|date| exclude(series, date));
            }
            continue;
        }
        let known = link.base.as_ref().map(|base| base.remote().clone()).or(standing.map(|standing| standing.body));
        let Some(Body::Series(mut series)) = known else { continue };
        dates.into_iter().for_each(|date| exclude(&mut series, date));
        incoming.push(Incoming {
            external_id,
            body: Body::Series(series),
            etag: link.etag,
            occurrences: Vec::new(),
            mark: None,
            series: None,
            is_news: true,
        });
    }
    Ok(())
}

fn exclude(series: &mut Series, date: DateTime<Utc>) {
    series.overrides.retain(|one| one.this_and_future || one.recurrence_id != date);
    if !series.exdates.contains(&date) {
        series.exdates.push(date);
    }
}
