//! What follows once items are written: their links, operations that are needed or needless by now, the log.

use calendar_sync_core::event::Body;

use super::newcomers::names;
use super::settle::{local_version, version};
use super::write::Task;
use super::{Run, conflict};
use crate::errors::SqlResult;
use crate::settings;
use crate::store::links::ItemId;
use crate::store::moved_links::{self, Moved};
use crate::store::{belonging, events, instances, series, waiting};

/// Each item with what was done about it, and which one it is now.
pub(super) fn follow_up(run: &mut Run, done: Vec<(Task, ItemId)>) -> SqlResult<()> {
    let (mut moved, mut needed, mut needless, mut named) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut healed_events, mut healed_series, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    let mut back = Vec::new();
    for (task, item) in done {
        let Task { known, remote, agreed } = task;
        let is_here = known.standing.as_ref().is_some_and(|standing| !standing.deleted);
        if agreed.sends {
            needed.push(("update", item));
        } else if !(is_here && known.waiting.is_some_and(|waiting| waiting.is_delete)) {
            // What is here and is to be deleted there belongs there no more, whatever it is.
            needless.extend([known.link.item, item]);
        }
        // It came back as another row: so it has for every calendar.
        if known.standing.is_none() && item != known.link.item {
            replaced.push((known.link.item, item));
        }
        if agreed.write.is_some() && !is_here {
            back.push(item);
        }
        if known.link.status == "error" && is_here {
            healed_events.extend(item.event());
            healed_series.extend(item.series());
        }
        if let Some(data) = &agreed.conflict {
            run.counts.conflicts += 1;
            run.conflicts.push((item, conflict::in_log(data)));
        }
        if let (ItemId::Series(id), Body::Series(series)) = (item, &remote.body) {
            named.extend(names(id, series, &remote.occurrences));
        }
        moved.push(Moved {
            link_id: known.link.link_id,
            item,
            local_version: local_version(&agreed, &known.link),
            remote_version: version(&remote.body),
            external_id: remote.external_id,
            etag: remote.etag,
            status: agreed.status,
            base: agreed.base,
            conflict_data: agreed.conflict,
        });
    }
    let (installation, connection) = (run.installation, run.connection.id);
    moved_links::move_on(installation, &moved, run.now)?;
    moved_links::replace(installation, &replaced)?;
    waiting::drop(installation, connection, &needless)?;
    let strangers = strangers(run, &back)?;
    needed.retain(|(_, item)| !strangers.contains(item));
    needed.extend(strangers.into_iter().map(|item| ("delete", item)));
    waiting::need(installation, connection, &needed, settings::MAX_RETRIES.get())?;
    moved_links::name_occurrences(installation, connection, &named, run.now)?;
    events::mark(installation, &healed_events, "synced", run.now)?;
    series::mark(installation, &healed_series, "synced", run.now)?;
    instances::heal(installation, &healed_series, run.now)?;
    Ok(())
}

/// Those of the items that are here again by what was done there, and by what is said of that calendar now belong there no
/// more.
fn strangers(run: &Run, back: &[ItemId]) -> SqlResult<Vec<ItemId>> {
    if back.is_empty() || !run.pushes() {
        return Ok(Vec::new());
    }
    let belonging = belonging::among(run.installation, run.connection.id, back)?;
    Ok(back.iter().copied().filter(|item| !belonging.contains(item)).collect())
}
