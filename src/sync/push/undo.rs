//! What a session has sent in a transaction that came to nothing is undone there.
//!
//! It is not undone from here: links become what they would be, had that transaction been committed ([`Left`]), and
//! operations are queued. So what is sent next makes the other side what stands here now, and a pull in between compares
//! what came with what was sent: what somebody else has done there since is merged, and an edit beats a delete.

use std::collections::BTreeMap;

use calendar_sync_core::event::Body;
use calendar_sync_core::merge::{Base, Rules, three_way};
use serde_json::{Value, json};
use uuid::Uuid;

use super::item::Items;
use super::payload::Writer;
use crate::errors::SqlResult;
use crate::providers::account::AccountProvider;
use crate::settings;
use crate::store::Installation;
use crate::store::connections::Connection;
use crate::store::delivery::{self, PushLog};
use crate::store::links::{ItemId, Link};
use crate::store::unconfirmed::{self, Note, Operation};
use crate::store::undone::{self, Needed, Unheard};
use crate::sync::account_pull::provider_of;

/// Why it stays as it is there.
const NOTHING_IS_SENT: &str = "it was sent by a transaction that was rolled back, and stays there: nothing is sent to this \
                               calendar any more";

/// What the last operations of an item have left there.
enum Left {
    /// It was made; nobody has heard under which identifier.
    Made { revision: i32, sent: Body, only_busy: bool },
    /// It was changed; with what both sides have come to by that.
    Changed(Option<Base>),
    /// It is there again.
    Back { sent: Body, only_busy: bool },
    /// It is there no more, if that has arrived; with what both sides had come to before.
    Gone(Option<Base>),
}

/// To be called before anything is pulled from a connection or sent to it, by whoever has it to itself. Whether there was
/// anything.
pub fn undo(installation: &Installation, connection: &Connection) -> SqlResult<bool> {
    let is_noted = || Ok(!unconfirmed::connections(installation, &[connection.id])?.is_empty());
    if connection.calendar.is_none() || !is_noted()? {
        return Ok(false);
    }
    let mut by_item: BTreeMap<ItemId, Vec<Note>> = BTreeMap::new();
    for note in unconfirmed::take(installation, connection.id)? {
        by_item.entry(note.item).or_default().push(note);
    }
    if by_item.is_empty() {
        return Ok(false);
    }
    let all: Vec<ItemId> = by_item.keys().copied().collect();
    let why_not = (!connection.pushes()).then_some(NOTHING_IS_SENT);
    if why_not.is_none() {
        let options = connection.options.clone().unwrap_or_default();
        let items = Items::of(installation, connection.id, &all)?;
        let mut undo = Undo { provider: provider_of(connection)?, options: &options, plan: Plan::default() };
        for (item, notes) in by_item {
            undo.add(item, &items, notes);
        }
        undo.plan.carry_out(installation, connection)?;
    }
    for item in all {
        let (status, error) = (if why_not.is_none() { "success" } else { "failed" }, why_not.map(str::to_owned));
        let details = Some(json!({ "undone": why_not.is_none() }));
        let log = PushLog { item: Some(item), status, error, details, ..PushLog::default() };
        delivery::log(installation, connection, log)?;
    }
    Ok(true)
}

struct Undo<'a> {
    provider: &'static dyn AccountProvider,
    options: &'a Value,
    plan: Plan,
}

/// What is written, gathered so that each kind is one statement.
#[derive(Default)]
struct Plan {
    made: Vec<Unheard>,
    changed: Vec<(Uuid, Base)>,
    back: Vec<(Uuid, Base)>,
    needed: Vec<Needed>,
}

impl Undo<'_> {
    fn add(&mut self, item: ItemId, items: &Items, notes: Vec<Note>) {
        let link = items.link(item);
        let is_wanted = items.standing(item).is_some_and(|standing| !standing.body.is_cancelled());
        let Some(left) = Self::left(link, notes) else { return };
        let identifier =
            || link.map(|link| json!({ "external_id": link.external_id, "etag": link.etag })).unwrap_or_default();
        let (operation, payload) = match (&left, is_wanted) {
            (Left::Made { .. }, true) => ("create", None),
            (Left::Changed(_) | Left::Back { .. } | Left::Gone(_), true) => ("update", None),
            // What is there is what is looked for.
            (Left::Made { sent, only_busy, .. }, false) => match self.writer(*only_busy).whole(sent) {
                Ok(payload) => ("delete", Some(Value::Object(payload))),
                Err(_) => return,
            },
            // Nobody had heard that it was made: it is looked for, as before.
            (Left::Gone(_), false) if link.is_none_or(|link| link.external_id.is_none()) => return,
            (Left::Changed(_) | Left::Back { .. } | Left::Gone(_), false) => ("delete", Some(identifier())),
        };
        let link_id = link.filter(|link| link.deleted_at.is_none()).map(|link| link.link_id);
        match left {
            Left::Made { revision, sent, only_busy } => {
                self.plan.made.push(Unheard { item, revision, base: Base::sent(sent, only_busy) });
            }
            Left::Changed(base) => self.plan.changed.extend(link_id.zip(base)),
            Left::Back { sent, only_busy } => {
                self.plan.back.extend(link.map(|link| (link.link_id, link.back_as(sent, only_busy))));
            }
            // It may be there, or not, for whoever deletes it or wants it back next.
            Left::Gone(base) => self.plan.back.extend(link_id.zip(base)),
        }
        self.plan.needed.push(Needed { item, operation, payload });
    }

    /// What an item's operations have left there, one after the other.
    fn left(link: Option<&Link>, notes: Vec<Note>) -> Option<Left> {
        let mut left: Option<Left> = None;
        for Note { operation, revision, before, sent, only_busy, .. } in notes {
            left = match (operation, left, sent) {
                (Operation::Create, _, Some(sent)) => Some(Left::Made { revision, sent, only_busy }),
                (Operation::Update | Operation::Return, Some(Left::Made { revision, .. }), Some(sent)) => {
                    Some(Left::Made { revision, sent, only_busy })
                }
                (Operation::Update, Some(Left::Back { .. }), Some(sent)) | (Operation::Return, _, Some(sent)) => {
                    Some(Left::Back { sent, only_busy })
                }
                (Operation::Update, left, sent) => {
                    let may_be_gone = matches!(left, Some(Left::Gone(_)));
                    let known = match left {
                        Some(Left::Changed(base) | Left::Gone(base)) => base,
                        _ => link.and_then(|link| link.base.clone()),
                    };
                    let changed = known.zip(before.zip(sent));
                    let changed = changed.map(|(base, (before, sent))| changed_by(base, &before, &sent, only_busy));
                    Some(if may_be_gone { Left::Gone(changed) } else { Left::Changed(changed) })
                }
                // Whether it is looked for or made again: under the same mark.
                (Operation::Delete, left @ Some(Left::Made { .. } | Left::Back { .. }), _) => left,
                (Operation::Delete, Some(Left::Changed(base) | Left::Gone(base)), _) => Some(Left::Gone(base)),
                (Operation::Delete, ..) => Some(Left::Gone(link.and_then(|link| link.base.clone()))),
                (Operation::Create | Operation::Return, left, None) => left,
            };
        }
        left
    }

    const fn writer(&self, busy_only: bool) -> Writer<'_> {
        Writer { provider: self.provider, options: self.options, busy_only }
    }
}

impl Plan {
    fn carry_out(&self, installation: &Installation, connection: &Connection) -> SqlResult<()> {
        undone::unheard(installation, connection.id, &self.made)?;
        undone::changed(installation, &self.changed)?;
        delivery::returns(installation, &self.back)?;
        undone::need(installation, connection.id, &self.needed, settings::MAX_RETRIES.get())
    }
}

/// What was agreed on, with what was changed since on both sides; unless that never arrived.
fn changed_by(base: Base, before: &Body, sent: &Body, only_busy: bool) -> Base {
    let before = Base::new(before.clone(), before.clone());
    let [local, there] = [&base.local, base.remote()].map(|side| three_way(&before, side, sent, &Rules::MERGE).body);
    let changed = Base::new(local, there).with_occurrences(base.occurrences.clone());
    changed.with_visibility(only_busy).with_answer_lost(true).with_before(base)
}
