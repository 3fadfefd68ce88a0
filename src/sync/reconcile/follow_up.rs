//! What follows once items are written: their links, operations that are needed or needless by now, the log.

use calendar_sync_core::event::Body;

use super::newcomers::names;
use super::settle::{local_version, version};
use super::write::Task;
use super::{Run, conflict};
use crate::errors::SqlResult;
use crate::settings;
use crate::store::links::ItemId;
use crate::store::moved_links::{self, Moved, Named};
use crate::store::{belonging, events, instances, series, waiting};

/// Each item with what was done about it, and which one it is now.
pub(super) fn follow_up(run: &mut Run, done: Vec<(Task, ItemId)>) -> SqlResult<()> {
    let mut all = FollowUp::default();
    for (task, item) in done {
        all.add(run, task, item);
    }
    all.write(run)
}

/// What is to be written, gathered so that each kind is one statement.
#[derive(Default)]
struct FollowUp {
    moved: Vec<Moved>,
    named: Vec<Named>,
    /// (before, now)
    replaced: Vec<(ItemId, ItemId)>,
    /// (operation, item)
    needed: Vec<(&'static str, ItemId)>,
    needless: Vec<ItemId>,
    /// Those that are here again.
    back: Vec<ItemId>,
    /// Those that were in error.
    healed: Vec<ItemId>,
}

impl FollowUp {
    fn add(&mut self, run: &mut Run, task: Task, item: ItemId) {
        let Task { known, remote, agreed } = task;
        let is_here = known.standing.as_ref().is_some_and(|standing| !standing.deleted);
        if agreed.sends {
            self.needed.push(("update", item));
        } else if !(is_here && known.waiting.is_some_and(|waiting| waiting.is_delete)) {
            // What is here and is to be deleted there belongs there no more, whatever it is.
            self.needless.extend([known.link.item, item]);
        }
        // It came back as another row: so it has for every calendar.
        if known.standing.is_none() && item != known.link.item {
            self.replaced.push((known.link.item, item));
        }
        if agreed.write.is_some() && !is_here {
            self.back.push(item);
        }
        if known.link.status == "error" && is_here {
            self.healed.push(item);
        }
        if let Some(data) = &agreed.conflict {
            run.counts.conflicts += 1;
            run.conflicts.push((item, conflict::in_log(data)));
        }
        if let (ItemId::Series(id), Body::Series(series)) = (item, &remote.body) {
            self.named.extend(names(id, series, &remote.occurrences));
        }
        self.moved.push(Moved {
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

    fn write(mut self, run: &Run) -> SqlResult<()> {
        let (installation, connection) = (run.installation, run.connection.id);
        moved_links::move_on(installation, &self.moved, run.now)?;
        moved_links::replace(installation, &self.replaced)?;
        waiting::drop(installation, connection, &self.needless)?;
        let strangers = strangers(run, &self.back)?;
        self.needed.retain(|(_, item)| !strangers.contains(item));
        self.needed.extend(strangers.into_iter().map(|item| ("delete", item)));
        waiting::need(installation, connection, &self.needed, settings::MAX_RETRIES.get())?;
        moved_links::name_occurrences(installation, connection, &self.named, run.now)?;
        let [healed_events, healed_series] = ItemId::split(&self.healed);
        events::mark(installation, &healed_events, "synced", run.now)?;
        series::mark(installation, &healed_series, "synced", run.now)?;
        instances::heal(installation, &healed_series, run.now)?;
        Ok(())
    }
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
