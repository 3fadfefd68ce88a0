//! Writing what was settled about items that have links: set-based, and so that what the database refuses of one item does
//! not stop the others.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Item};
use pgrx::pg_sys::panic::ErrorReportable;
use uuid::Uuid;

use super::follow_up::follow_up;
use super::in_error::refuse;
use super::incoming::Incoming;
use super::known::Known;
use super::newcomers::store;
use super::settle::{Agreed, Outcome, Settled};
use super::{Run, distinct};
use crate::errors::SqlResult;
use crate::store::items::{self, Standing};
use crate::store::links::ItemId;
use crate::store::reconciled::{self, Row};
use crate::store::{Source, guarded, moved_links};

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
pub(super) struct Task {
    pub known: Known,
    pub remote: Incoming,
    pub agreed: Agreed,
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
