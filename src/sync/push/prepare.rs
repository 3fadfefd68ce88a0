//! The main thread's half before the network.

use calendar_sync_core::content;
use chrono::Utc;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::item::Items;
use super::payload::Writer;
use super::{Batch, Operation, Purpose};
use crate::errors::SqlResult;
use crate::providers::account::{AccountProvider, CannotHold, Change};
use crate::store::Installation;
use crate::store::agreement::{self, Agreed};
use crate::store::connections::Connection;
use crate::store::delivery::{self, PushLog};
use crate::store::items::Standing;
use crate::store::links::{self, Base, ItemId, Link};
use crate::store::outbox::{self, Begun, Dead, Intent, Taken};
use crate::sync::visibility::is_hidden;

/// Operations of a connection that were taken from the queue.
#[derive(Default)]
pub struct Prepared {
    /// What is to be sent.
    pub operations: Vec<Operation>,
    /// Those that were settled at once: nothing is to be sent, or nothing can be.
    pub settled: Vec<(Taken, Option<String>)>,
}

/// What becomes of an operation.
enum Plan {
    Send(Change, Purpose),
    /// It is there as it is here, or neither here nor there.
    Nothing,
    /// The item has changed in nothing that its provider holds.
    Agreed(Box<Agreed>),
    Cannot(CannotHold),
}

/// Takes up to `limit` due operations of a connection that the caller has to itself, and reads their items as they are
/// now. What is to be sent is noted in the caller's transaction, which is to be committed before it is.
pub fn prepare(
    installation: &Installation,
    connection: &Connection,
    provider: &'static dyn AccountProvider,
    options: &Value,
    limit: usize,
) -> SqlResult<Prepared> {
    let mut taken = outbox::next(installation, connection.id, limit)?;
    let items = Items::read(installation, connection.id, &taken)?;
    taken.iter_mut().for_each(|one| one.item = items.meant(one.item));
    let planner = Planner { connection, items: &items, provider, options };
    let mut prepared = Prepared::default();
    let (mut agreed, mut done, mut dead) = (Vec::new(), Vec::new(), Vec::new());
    for one in taken {
        // Several occurrences of a series were changed: they go as one.
        let same = prepared.operations.iter_mut().find(|operation| operation.taken.item == one.item);
        if let Some(same) = same {
            same.others.push(one);
            continue;
        }
        match planner.plan(&one) {
            Plan::Send(change, purpose) => {
                let link = items.link(one.item).cloned();
                prepared.operations.push(Operation { taken: one, others: Vec::new(), link, change, purpose });
            }
            Plan::Nothing => {
                done.push(one.queue_id);
                prepared.settled.push((one, None));
            }
            Plan::Agreed(both) => {
                agreed.push(*both);
                done.push(one.queue_id);
                prepared.settled.push((one, None));
            }
            Plan::Cannot(why) => {
                let error = why.to_string();
                dead.push(Dead { queue_id: one.queue_id, item: one.item, error: error.clone() });
                prepared.settled.push((one, Some(error)));
            }
        }
    }
    let begun: Vec<Begun> = prepared.operations.iter().flat_map(Operation::begun).collect();
    outbox::begin(installation, connection.id, &begun)?;
    let returns: Vec<(Uuid, Base)> = prepared.operations.iter().filter_map(Operation::returns).collect();
    delivery::returns(installation, &returns)?;
    agreement::agree(installation, connection.id, &agreed, Utc::now())?;
    outbox::complete(installation, &done)?;
    refuse(installation, connection, &dead)?;
    Ok(prepared)
}

impl Batch {
    /// Notes what is about to be deleted there, after [`Batch::outlast`] where that is asked: from here on it is not known
    /// whether it is there.
    pub fn doubt_deletes(&self, installation: &Installation) -> SqlResult<()> {
        let links: Vec<Uuid> = self.operations.iter().filter_map(Operation::deletes).collect();
        delivery::doubt(installation, &links)?;
        Ok(())
    }
}

impl Operation {
    fn begun(&self) -> impl Iterator<Item = Begun<'_>> {
        let intent = match (&self.change, &self.purpose) {
            (Change::Create { payload, .. }, Purpose::Agree { body, only_busy }) => {
                Some(Intent { item: self.taken.item, payload, base: Base::sent(body.clone(), *only_busy) })
            }
            _ => None,
        };
        let others = self.others.iter().map(|one| Begun { queue_id: one.queue_id, intent: None });
        std::iter::once(Begun { queue_id: self.taken.queue_id, intent }).chain(others)
    }

    /// The link of what was deleted there and is to come back; as what.
    fn returns(&self) -> Option<(Uuid, Base)> {
        let link = self.link.as_ref().filter(|link| link.deleted_at.is_some())?;
        match (&self.change, &self.purpose) {
            (Change::Update { .. }, Purpose::Agree { body, only_busy }) => {
                Some((link.link_id, link.back_as(body.clone(), *only_busy)))
            }
            _ => None,
        }
    }

    /// The link of what is to be there no more.
    fn deletes(&self) -> Option<Uuid> {
        let link = self.link.as_ref().filter(|link| link.base.is_some() && link.local_version.is_some())?;
        matches!(self.change, Change::Delete { .. }).then_some(link.link_id)
    }
}

/// What its provider can't hold stays here; the link says why.
fn refuse(installation: &Installation, connection: &Connection, dead: &[Dead]) -> SqlResult<()> {
    let items: Vec<ItemId> = dead.iter().map(|one| one.item).collect();
    delivery::link(installation, connection.id, &items)?;
    outbox::bury(installation, connection.id, dead)?;
    for one in dead {
        let log =
            PushLog { item: Some(one.item), status: "failed", error: Some(one.error.clone()), ..PushLog::default() };
        delivery::log(installation, connection, log)?;
    }
    Ok(())
}

struct Planner<'a> {
    connection: &'a Connection,
    items: &'a Items,
    provider: &'static dyn AccountProvider,
    options: &'a Value,
}

impl Planner<'_> {
    fn plan(&self, taken: &Taken) -> Plan {
        let link = self.items.link(taken.item);
        // Nothing of it is sent before its owner has decided.
        if link.is_some_and(|link| link.status == "conflict") {
            return Plan::Nothing;
        }
        let base = link.and_then(|link| link.base.as_ref());
        match self.items.standing(taken.item) {
            // What was cancelled there as well is no news.
            Some(standing) if !standing.body.is_cancelled() || base.is_some_and(|base| base.local.is_cancelled()) => {
                self.write(standing, link).unwrap_or_else(Plan::Cannot)
            }
            _ => self.delete(taken, link).unwrap_or_else(Plan::Cannot),
        }
    }

    /// What is there is still to be compared with what was sent, by a pull. Until then it is looked for once more.
    fn is_in_doubt(&self, link: &Link) -> bool {
        link.is_unheard() && self.connection.pulls()
    }

    fn write(&self, standing: &Standing, link: Option<&Link>) -> Result<Plan, CannotHold> {
        let Standing { item, body, connection_id, .. } = standing;
        let base = link.and_then(|link| link.base.as_ref());
        let only_busy = is_hidden(self.connection, *connection_id, base);
        let writer = Writer { provider: self.provider, options: self.options, busy_only: only_busy };
        let purpose = Purpose::Agree { body: body.clone(), only_busy };
        let known = link.filter(|link| !self.is_in_doubt(link));
        let Some((link, external_id)) = known.and_then(|link| Some((link, link.external_id.clone()?))) else {
            let revision = link.map_or(0, |link| link.revision);
            let instances = writer.occurrences(body, None, None)?;
            let create = Change::Create {
                key: links::mark(*item, self.connection.id, revision),
                is_new: false,
                is_retry: link.is_some_and(Link::is_unheard),
                payload: writer.whole(body)?,
                instances,
            };
            return Ok(Plan::Send(create, purpose));
        };
        // One that was deleted there comes back to life where its provider knows how; else it is made anew.
        // Where nobody has heard that it is back it is sent whole again; so is what goes over whatever is there.
        let is_gone = link.deleted_at.is_some() || link.is_returning();
        let is_overwritten = link.etag.is_none() && !self.connection.pulls();
        let base = base.filter(|_| !is_gone && !is_overwritten);
        let update = writer.update(body, base)?;
        if let Some(base) = base.filter(|_| update.is_empty()) {
            let agreed = Base::new(body.clone(), base.remote().clone()).with_occurrences(base.occurrences.clone());
            return Ok(Plan::Agreed(Box::new(Agreed {
                item: *item,
                external_id,
                etag: link.etag.clone(),
                local_version: content::of_body(body),
                remote_version: link.remote_version.clone(),
                base: agreed.with_visibility(only_busy).with_answer_lost(base.unheard),
                is_unseen: false,
            })));
        }
        let etag = link.etag.clone().filter(|_| link.deleted_at.is_none());
        let change = Change::Update { external_id, etag, payload: update.payload, instances: update.instances };
        Ok(Plan::Send(change, purpose))
    }

    /// It is here no more, or does not take place.
    fn delete(&self, taken: &Taken, link: Option<&Link>) -> Result<Plan, CannotHold> {
        if link.is_some_and(|link| link.deleted_at.is_some()) {
            return Ok(Plan::Nothing);
        }
        let of_payload =
            |key: &str| taken.payload.as_ref().and_then(|payload| payload[key].as_str()).map(str::to_owned);
        let external_id = link.and_then(|link| link.external_id.clone()).or_else(|| of_payload("external_id"));
        let payload = match (external_id, link) {
            (Some(_), Some(link)) if self.is_in_doubt(link) => self.noted(link)?,
            (Some(external_id), _) => {
                let etag = link.map_or_else(|| of_payload("etag"), |link| link.etag.clone());
                return Ok(Plan::Send(Change::Delete { external_id, etag }, Purpose::Delete));
            }
            // An intent: it may have been sent.
            (None, Some(_)) => match &taken.payload {
                Some(Value::Object(payload)) if !payload.contains_key("external_id") => payload.clone(),
                _ => Map::new(),
            },
            (None, None) => Map::new(),
        };
        let Some(link) = link.filter(|_| !payload.is_empty()) else { return Ok(Plan::Nothing) };
        let key = links::mark(taken.item, self.connection.id, link.revision);
        let create = Change::Create { key, is_new: false, is_retry: true, payload, instances: Vec::new() };
        Ok(Plan::Send(create, Purpose::Find))
    }

    /// What was about to be created.
    fn noted(&self, link: &Link) -> Result<Map<String, Value>, CannotHold> {
        let Some(base) = &link.base else { return Ok(Map::new()) };
        let writer = Writer { provider: self.provider, options: self.options, busy_only: base.only_busy };
        writer.whole(&base.local)
    }
}
