//! Items of which something could not be read or written: they keep their last good data, and say so.

use std::collections::HashMap;

use calendar_sync_core::providers::BadItem;
use uuid::Uuid;

use super::write::Task;
use super::{AT_ONCE, Run};
use crate::errors::SqlResult;
use crate::store::links::{self, ItemId, Link};
use crate::store::{events, instances, items, moved_links, series};

/// What could not be read.
pub fn mark_bad(run: &Run) -> SqlResult<()> {
    let ids: Vec<&str> = run.unread.keys().map(String::as_str).collect();
    for ids in ids.chunks(AT_ONCE) {
        let messages: HashMap<String, &str> =
            ids.iter().map(|id| (links::key(id), run.unread.get(*id).map_or("", String::as_str))).collect();
        let links = links::by_external_id(run.installation, run.connection.id, ids)?;
        let errors: Vec<(&Link, &str)> = links
            .iter()
            .filter(|link| link.status != "deleted")
            .filter_map(|link| Some((link, *messages.get(link.external_id.as_deref()?)?)))
            .collect();
        mark_in_error(run, &errors)?;
    }
    Ok(())
}

fn mark_in_error(run: &Run, errors: &[(&Link, &str)]) -> SqlResult<()> {
    let items: Vec<ItemId> = errors.iter().map(|(link, _)| link.item).collect();
    let here = items::find(run.installation, &items)?.into_iter().filter(|standing| !standing.deleted);
    let here: Vec<ItemId> = here.map(|standing| standing.item).collect();
    let [all_events, all_series] = ItemId::split(&here);
    let said: Vec<(Uuid, &str)> = errors.iter().map(|(link, message)| (link.link_id, *message)).collect();
    moved_links::mark_in_error(run.installation, &said)?;
    events::mark(run.installation, &all_events, "error", run.now)?;
    series::mark(run.installation, &all_series, "error", run.now)?;
    instances::mark_in_error(run.installation, &all_series, run.now)?;
    Ok(())
}

/// What the database does not take of an item.
pub(super) fn refuse(run: &mut Run, task: &Task, message: &str) -> SqlResult<()> {
    mark_in_error(run, &[(&task.known.link, message)])?;
    let bad =
        BadItem { external_id: Some(task.remote.external_id.clone()), is_override: false, message: message.to_owned() };
    run.bad(bad);
    Ok(())
}
