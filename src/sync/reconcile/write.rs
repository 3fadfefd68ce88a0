//! Writing what was settled: set-based, and so that what the database refuses of one item does not stop the others.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::cancellation::is_bare;
use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Item};
use calendar_sync_core::merge::Base;
use calendar_sync_core::providers::BadItem;
use pgrx::pg_sys::panic::ErrorReportable;
use uuid::Uuid;

use super::incoming::Incoming;
use super::settle::{Agreed, Outcome, Settled, local_version, version};
use super::{AT_ONCE, Run, conflict, distinct};
use crate::errors::SqlResult;
use crate::settings;
use crate::store::items::{self, Standing};
use crate::store::links::{self, ItemId, Link};
use crate::store::moved_links::{self, Moved, Named};
use crate::store::reconciled::{self, Row};
use crate::store::{Source, belonging, events, guarded, instances, series, waiting};
use crate::sync::apply::{self, Action, Terms};
use crate::zones::PgZones;

/// Stores items that were not known, and links them.
pub fn store_new(run: &mut Run, new: Vec<Incoming>) -> SqlResult<()> {
    // Of an occurrence that does not take place, of a series that is not here, there is nothing to tell.
    let says_nothing = |one: &Incoming| match &one.body {
        Body::Overrides(overrides) => overrides.iter().all(|one| is_bare(&one.event)),
        _ => false,
    };
    let (nothing, new): (Vec<_>, Vec<_>) = new.into_iter().partition(says_nothing);
    run.counts.unchanged += i32::try_from(nothing.len()).unwrap_or_default();
    let stored = store(run, &run.source(), new.iter().map(Incoming::item).collect())?;
    let mut agreed = Vec::with_capacity(new.len());
    let mut named = Vec::new();
    for (one, stored) in new.into_iter().zip(stored) {
        let (id, action) = match stored {
            Ok(stored) => stored,
            Err(message) => {
                run.bad(BadItem { external_id: Some(one.external_id), is_override: false, message });
                continue;
            }
        };
        match action {
            Action::Created => run.counts.created += 1,
            Action::Updated => run.counts.updated += 1,
            Action::Unchanged => run.counts.unchanged += 1,
        }
        let (item, body) = match one.body {
            Body::Series(series) => {
                named.extend(names(id, &series, &one.occurrences));
                (ItemId::Series(id), Body::Series(series))
            }
            Body::Overrides(mut overrides) => match overrides.pop() {
                // What has no identifier of its own is not followed.
                Some(own) if one.series.as_ref() != Some(&one.external_id) => {
                    (ItemId::Event(id), Body::Single(Box::new(own.event)))
                }
                _ => continue,
            },
            body @ Body::Single(_) => (ItemId::Event(id), body),
        };
        run.changed.push(item);
        agreed.push(links::Agreed {
            item,
            external_id: one.external_id,
            etag: one.etag,
            local_version: content::of_body(&body),
            remote_version: Some(version(&body)),
            base: Base::new(body.clone(), body).with_occurrences(one.occurrences),
            is_unseen: false,
        });
    }
    links::agree(run.installation, run.connection.id, &agreed, run.now)?;
    moved_links::name_occurrences(run.installation, run.connection.id, &named, run.now)
}

/// The occurrences that are not as the rule gives them, and have identifiers of their own.
fn names(
    series_id: Uuid,
    series: &calendar_sync_core::event::Series,
    occurrences: &[calendar_sync_core::merge::Occurrence],
) -> Vec<Named> {
    let is_own = |one: &&calendar_sync_core::merge::Occurrence| {
        series.overrides.iter().any(|own| own.recurrence_id == one.recurrence_id)
    };
    let named = occurrences.iter().filter(is_own).map(|one| Named {
        series_id,
        recurrence_id: one.recurrence_id,
        external_id: one.external_id.clone(),
        etag: one.etag.clone(),
    });
    named.collect()
}

type Stored = Result<(Uuid, Action), String>;

/// Stores items of one origin as any calendar's are.
fn store(run: &Run, source: &Source, items: Vec<Item>) -> SqlResult<Vec<Stored>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let terms = Terms::handed_in(false, run.now);
    let applied = apply::calendar(run.installation, source, &PgZones, items.into_iter().map(Ok), &terms)?;
    let outcomes = applied.outcomes.into_iter().map(|outcome| match (outcome.action, outcome.event_id) {
        (Ok(action), Some(id)) => Ok((id, action)),
        (Ok(_), None) => Err("it came to nothing".to_owned()),
        (Err(message), _) => Err(message),
    });
    Ok(outcomes.collect())
}

/// Writes what was settled about items with links.
pub fn carry_out(run: &mut Run, settled: Vec<Settled>) -> SqlResult<()> {
    let mut work = Work::default();
    let mut touched = Vec::new();
    for one in settled {
        let Settled { known, remote, outcome } = one;
        match outcome {
            Outcome::Same => {
                run.counts.unchanged += 1;
                touched.push((known.link.link_id, remote.etag));
            }
            Outcome::Agreed(agreed) => work.add(run, Task { known, remote, agreed: *agreed }),
        }
    }
    moved_links::touch(run.installation, &touched)?;
    let done = work.carry_out(run)?;
    follow_up(run, done)
}

/// An item with what is to be done about it.
struct Task {
    known: super::known::Known,
    remote: Incoming,
    agreed: Agreed,
}

#[derive(Default)]
struct Work {
    /// Nothing is to be written of these but their links.
    links_only: Vec<Task>,
    /// Events that are there.
    events: Vec<Task>,
    of_interactions: Vec<Task>,
    /// Series, what changes its form, and what is not there any more.
    whole: Vec<Task>,
}

impl Work {
    fn add(&mut self, run: &mut Run, task: Task) {
        let standing = task.known.standing.as_ref();
        match (&task.agreed.write, standing) {
            (None, _) => {
                run.counts.unchanged += i32::from(task.agreed.conflict.is_none());
                self.links_only.push(task);
            }
            (Some(Body::Single(_)), Some(standing)) if matches!(standing.item, ItemId::Event(_)) => {
                if standing.of_interaction {
                    self.of_interactions.push(task);
                } else {
                    self.events.push(task);
                }
            }
            _ => self.whole.push(task),
        }
    }

    /// Returns what was done, each with the item that it is now.
    fn carry_out(self, run: &mut Run) -> SqlResult<Vec<(Task, ItemId)>> {
        let Self { links_only, events, of_interactions, whole } = self;
        let mut done: Vec<(Task, ItemId)> =
            links_only.into_iter().map(|task| (task.known.link.item, task)).map(|(item, task)| (task, item)).collect();
        for (tasks, of_interactions) in [(events, false), (of_interactions, true)] {
            let mut refused = Vec::new();
            write_events(run, &tasks.iter().collect::<Vec<_>>(), of_interactions, &mut refused)?;
            let refused: HashMap<Uuid, String> = refused.into_iter().collect();
            for task in tasks {
                match refused.get(&task.known.link.link_id) {
                    Some(message) => refuse(run, &task, message)?,
                    None => {
                        let item = task.known.link.item;
                        run.counts.updated += 1;
                        run.changed.push(item);
                        done.push((task, item));
                    }
                }
            }
        }
        store_whole(run, whole, &mut done)?;
        Ok(done)
    }
}

/// Writes events in one subtransaction; where one of them is refused, each half in its own, down to that one.
fn write_events(run: &Run, tasks: &[&Task], of_interactions: bool, refused: &mut Vec<(Uuid, String)>) -> SqlResult<()> {
    let rows: Vec<Row> = tasks.iter().filter_map(|task| row(task)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let write = || reconciled::write(run.installation, &rows, of_interactions, run.now).unwrap_or_report();
    let Err(failure) = guarded(write) else { return Ok(()) };
    pgrx::check_for_interrupts!();
    if let [only] = tasks {
        refused.push((only.known.link.link_id, format!("the database refuses it: {}", failure.message)));
        return Ok(());
    }
    let (one, other) = tasks.split_at(tasks.len() / 2);
    write_events(run, one, of_interactions, refused)?;
    write_events(run, other, of_interactions, refused)
}

fn row(task: &Task) -> Option<Row<'_>> {
    let (Some(Body::Single(event)), ItemId::Event(event_id)) = (&task.agreed.write, task.known.link.item) else {
        return None;
    };
    Some(Row { event_id, timing: &event.timing, details: &event.details, hash: content::of_event(event) })
}

/// What could not be read keeps its last good data, and says so.
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
    let of_kind = |id: fn(ItemId) -> Option<Uuid>| -> Vec<Uuid> { here.iter().copied().filter_map(id).collect() };
    let (all_events, all_series) = (of_kind(ItemId::event), of_kind(ItemId::series));
    let said: Vec<(Uuid, &str)> = errors.iter().map(|(link, message)| (link.link_id, *message)).collect();
    moved_links::mark_in_error(run.installation, &said)?;
    events::mark(run.installation, &all_events, "error", run.now)?;
    series::mark(run.installation, &all_series, "error", run.now)?;
    instances::mark_in_error(run.installation, &all_series, run.now)?;
    Ok(())
}

fn refuse(run: &mut Run, task: &Task, message: &str) -> SqlResult<()> {
    mark_in_error(run, &[(&task.known.link, message)])?;
    let bad =
        BadItem { external_id: Some(task.remote.external_id.clone()), is_override: false, message: message.to_owned() };
    run.bad(bad);
    Ok(())
}

/// Whose an item is: where it came from, or who handed it in; what has no key is of this calendar from now on.
fn origin<'a>(run: &Run<'a>, standing: Option<&'a Standing>) -> Source<'a> {
    match standing {
        Some(Standing { user_id, key: Some((source, _)), connection_id, synced_from, .. }) => {
            Source { user_id, external_source: source, connection_id: *connection_id, synced_from }
        }
        _ => run.source(),
    }
}

fn store_whole(run: &mut Run, tasks: Vec<Task>, done: &mut Vec<(Task, ItemId)>) -> SqlResult<()> {
    let edited: HashSet<Uuid> = tasks
        .iter()
        .filter_map(|task| task.known.standing.as_ref().filter(|standing| standing.has_edits)?.item.series())
        .collect();
    items::forget_edits(run.installation, &edited, run.now)?;
    // Few at a time, and mostly of one origin.
    for task in tasks {
        let standing = task.known.standing.as_ref();
        let Some(body) = task.agreed.write.clone() else { continue };
        let external_id = match standing.and_then(|standing| standing.key.as_ref()) {
            Some((_, external_id)) => external_id.clone(),
            None => task.remote.external_id.clone(),
        };
        let is_series = matches!(body, Body::Series(_));
        let stored = {
            let run: &Run = run;
            let source = origin(run, standing);
            store(run, &source, vec![Item { external_id, body }])?
        };
        match stored.into_iter().next() {
            Some(Ok((id, _))) => {
                let item = if is_series { ItemId::Series(id) } else { ItemId::Event(id) };
                run.counts.updated += 1;
                run.changed.extend(distinct([item, task.known.link.item]));
                done.push((task, item));
            }
            Some(Err(message)) => refuse(run, &task, &message)?,
            None => {}
        }
    }
    Ok(())
}

/// Links, operations and the log, after the items were written.
fn follow_up(run: &mut Run, done: Vec<(Task, ItemId)>) -> SqlResult<()> {
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
