//! The database half of a pull of an account's calendar: what came from there and what is here, settled item by item.
//!
//! Each item there and its like here are joined by a link, which holds both as they were when they last agreed. What is
//! new is stored as any calendar's events are ([`super::apply`]); what is known is compared with its link, and what both
//! sides did since is merged ([`calendar_sync_core::merge`]). All of it is one transaction with the connection's cursor: a
//! pull that does not come to its end has never been.

mod absent;
mod conflict;
mod deletes;
mod follow_up;
mod gone_occurrences;
mod in_error;
mod incoming;
mod known;
mod newcomers;
mod resolve;
mod settle;
#[cfg(any(test, feature = "pg_test"))]
mod stories;
mod strays;
mod write;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use calendar_sync_core::providers::BadItem;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::apply::{HeldBack, Source};
use super::pull::{self, Counts};
use super::webhooks;
use crate::errors::{SqlResult, internal};
use crate::providers::Validators;
use crate::providers::account::{self, Changes, Read};
use crate::settings;
use crate::store::connections::{Calendar, Connection, Direction};
use crate::store::links::ItemId;
use crate::store::pulls::{self, Outcome, PullLog};
use crate::store::{Installation, conflicts, queue, reconciled, runs, unseen};
use crate::zones::PgZones;

pub use resolve::{Unresolved, resolve};

use incoming::Incoming;
use known::Known;

/// So many bad events are named in the log.
const BAD_IN_LOG: usize = 20;
/// Items that are settled at once.
const AT_ONCE: usize = 500;

/// Applies what a pull gave to a connection that is locked (see [`crate::store::connections::lock`]) and logs it. Returns
/// the counts, and why it is not all right if it is not.
///
/// # Errors
/// XX000 for a provider that this version does not know; what the database has against the whole.
pub fn apply(
    installation: &Installation,
    connection: &Connection,
    mut changes: Changes,
    duration: Duration,
    force: bool,
) -> SqlResult<(Counts, Option<String>)> {
    let provider = account::named(&connection.provider)
        .ok_or_else(|| internal(format!("calendars of provider {} are not pulled", connection.provider)))?;
    let options = connection.options.clone().unwrap_or_default();
    let values = std::mem::take(&mut changes.values);
    let read = provider.read(values, &options, &PgZones, &pull::default_zone(connection));
    reconcile(installation, connection, read, &changes, (duration, force))
}

/// The same for what was read already.
fn reconcile(
    installation: &Installation,
    connection: &Connection,
    read: Vec<Read>,
    changes: &Changes,
    (duration, force): (Duration, bool),
) -> SqlResult<(Counts, Option<String>)> {
    let Some(calendar) = &connection.calendar else {
        return Err(internal("the connection is of no account"));
    };
    let mut run = Run::new(installation, connection, calendar, force);
    run.counts.fetched = i32::try_from(read.len() + changes.deleted.len()).unwrap_or(i32::MAX);
    let mut incoming = incoming::gather(read, &mut run);
    in_error::mark_bad(&run)?;
    let deletes = deletes::find(&mut run, changes, &mut incoming)?;
    run.take(incoming, changes.partial_series)?;
    let held_back = deletes::carry_out(&mut run, deletes)?;
    run.finish(changes, held_back, duration)
}

/// A pull that is being applied.
struct Run<'a> {
    installation: &'a Installation,
    connection: &'a Connection,
    calendar: &'a Calendar,
    force: bool,
    now: DateTime<Utc>,
    counts: Counts,
    bad: Vec<BadItem>,
    bad_count: usize,
    /// What could not be read, by its identifier: it is there all the same.
    unread: HashMap<String, String>,
    /// Series of which an occurrence could not be read.
    spoilt: HashSet<String>,
    /// What became of items here, for other connections that it is to be sent to.
    changed: Vec<ItemId>,
    /// Rows of the log.
    conflicts: Vec<(ItemId, Value)>,
}

impl<'a> Run<'a> {
    fn new(installation: &'a Installation, connection: &'a Connection, calendar: &'a Calendar, force: bool) -> Self {
        Self {
            installation,
            connection,
            calendar,
            force,
            now: Utc::now(),
            counts: Counts::default(),
            bad: Vec::new(),
            bad_count: 0,
            unread: HashMap::new(),
            spoilt: HashSet::new(),
            changed: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    /// What comes from this calendar.
    fn source(&self) -> Source<'a> {
        Source {
            user_id: &self.connection.user_id,
            external_source: &self.connection.provider,
            connection_id: Some(self.connection.id),
            synced_from: &self.connection.provider,
        }
    }

    fn pushes(&self) -> bool {
        self.calendar.direction != Direction::Pull
    }

    /// Takes what came: the new, and what is to be settled with what is here.
    fn take(&mut self, incoming: Vec<Incoming>, partial_series: bool) -> SqlResult<()> {
        let mut incoming = incoming.into_iter();
        loop {
            let chunk: Vec<Incoming> = incoming.by_ref().take(AT_ONCE).collect();
            if chunk.is_empty() {
                return Ok(());
            }
            pgrx::check_for_interrupts!();
            let known = known::look_up(self, chunk)?;
            newcomers::store_new(self, known.new)?;
            let mut settled = Vec::with_capacity(known.known.len());
            for (Known { link, standing, waiting }, incoming) in known.known {
                // Which of its occurrences could not be read nobody knows.
                let is_partial = partial_series || self.spoilt.contains(&incoming.external_id);
                let Some(remote) = incoming.whole(&link, standing.as_ref(), is_partial) else {
                    self.bad(BadItem {
                        external_id: Some(incoming.external_id),
                        is_override: true,
                        message: "it is an occurrence of what is no series here".to_owned(),
                    });
                    continue;
                };
                let known = Known { link, standing, waiting };
                settled.push(settle::settle(self, known, remote)?);
            }
            write::carry_out(self, settled)?;
        }
    }

    /// What could not be read.
    fn unread(&mut self, bad: BadItem) {
        if let Some(external_id) = bad.external_id.clone() {
            if bad.is_override {
                self.spoilt.insert(external_id);
            } else {
                self.unread.insert(external_id, bad.message.clone());
            }
        }
        self.bad(bad);
    }

    fn bad(&mut self, bad: BadItem) {
        self.bad_count += 1;
        if self.bad.len() < BAD_IN_LOG {
            self.bad.push(bad);
        }
    }

    fn finish(
        self,
        changes: &Changes,
        held_back: Option<HeldBack>,
        duration: Duration,
    ) -> SqlResult<(Counts, Option<String>)> {
        let Self { installation, connection, calendar, .. } = self;
        conflicts::log(installation, connection, &self.conflicts)?;
        queue::changed(installation, &distinct(self.changed.iter().copied()), Some(connection.id))?;
        if let Some(learned) = &changes.learned {
            runs::learned(installation, connection.id, learned.clone())?;
        }
        // What was held back is to come again.
        let cursor = if held_back.is_some() {
            calendar.cursor.as_deref()
        } else {
            unseen::seen(installation, connection.id, &changes.seen)?;
            changes.cursor.as_deref()
        };
        reconciled::remember(installation, connection.id, cursor, changes.time_zone.as_deref())?;
        let counts = self.counts.clone();
        if held_back.is_none() && self.is_quiet() && !changes.complete {
            // An echo of what was sent is no news.
            pull::unchanged(installation, &[(connection, &Validators::default())])?;
            return Ok((counts, None));
        }
        let news = counts.created + counts.updated + counts.deleted;
        if news > 0 {
            webhooks::keep::found_changes(installation, connection.id)?;
        }
        let trouble = held_back.as_ref().map(pull::held_back_message);
        let outcome = Outcome {
            etag: None,
            last_modified: None,
            body_hash: None,
            calendar_name: changes.name.clone(),
            held_back: held_back.as_ref().map(|held| pull::held_back(connection, held)),
            error: trouble.clone(),
            refresh: None,
            next_poll: pull::next_poll(connection, None)?,
        };
        pulls::applied(installation, connection, &outcome)?;
        let details = self.log_details();
        let numbers = [counts.fetched, counts.created, counts.updated, counts.deleted, counts.unchanged];
        let log = PullLog { error: trouble.clone(), retry: false, details, counts: Some(numbers), duration };
        pulls::log_pull(installation, connection, log)?;
        if settings::NOTIFY.get() && news > 0 {
            pulls::notify(installation, connection.id)?;
        }
        Ok((counts, trouble))
    }

    /// There is nothing to tell of it, and nothing of what was told before has come to an end.
    fn is_quiet(&self) -> bool {
        let Counts { fetched, unchanged, .. } = self.counts;
        self.connection.held_back.is_none()
            && self.bad_count == 0
            && self.counts == Counts { fetched, unchanged, ..Counts::default() }
    }

    fn log_details(&self) -> Option<Value> {
        let mut details = Map::new();
        if self.bad_count > 0 {
            let first: Vec<Value> = self.bad.iter().map(pull::named).collect();
            details.extend([("bad_events".to_owned(), json!(self.bad_count)), ("first".to_owned(), json!(first))]);
        }
        if self.counts.conflicts > 0 {
            details.insert("conflicts".to_owned(), json!(self.counts.conflicts));
        }
        (!details.is_empty()).then_some(Value::Object(details))
    }
}

/// Ids of items, each once.
fn distinct(items: impl IntoIterator<Item = ItemId>) -> Vec<ItemId> {
    let mut seen: HashSet<ItemId> = HashSet::new();
    items.into_iter().filter(|item| seen.insert(*item)).collect()
}

/// An identifier for logs: of a series its own, as everywhere.
const fn id_of(item: ItemId) -> Uuid {
    match item {
        ItemId::Event(id) | ItemId::Series(id) => id,
    }
}
