//! One item of which there is a link: what both sides did since they last agreed.

use calendar_sync_core::content::{self, Hash};
use calendar_sync_core::event::{Body, EventStatus};
use calendar_sync_core::merge::{Base, Merged, Occurrence, Rules, Side, assumed, rebase, three_way};
use serde_json::Value;

use super::conflict::{self, Policy};
use super::incoming::Incoming;
use super::known::Known;
use super::{Run, strays};
use crate::errors::SqlResult;
use crate::store::items::Standing;
use crate::store::links::{ItemId, Link};
use crate::store::reconciled;
use crate::sync::given::starts_by_its_rule;
use crate::sync::push;
use crate::sync::visibility::{is_bare, is_block, is_hidden, is_titled_block};

/// What is to be done about an item.
pub struct Settled {
    pub known: Known,
    /// What is there now.
    pub remote: Incoming,
    pub outcome: Outcome,
}

/// What comes of both sides of an item.
pub enum Outcome {
    /// Nothing but its version there has changed.
    Same,
    /// There is something to write, here or of what is known.
    Agreed(Box<Agreed>),
}

/// What both sides have come to; or that nobody has decided yet (`status` is 'conflict').
pub struct Agreed {
    /// What is to be here; `None`: what is.
    pub write: Option<Body>,
    /// What both sides agree on from now on; `None`: as before.
    pub base: Option<Base>,
    /// Of the link.
    pub status: &'static str,
    /// The other side is to be told.
    pub sends: bool,
    /// For the link and the log.
    pub conflict: Option<Value>,
}

/// Names a version of an item there by its content.
pub fn version(body: &Body) -> String {
    content::of_body(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares what came with what is here, and with what both sides last agreed on.
pub fn settle(run: &Run, mut known: Known, remote: Incoming) -> SqlResult<Settled> {
    if let Some(base) = known.link.base.take_if(|base| base.unheard) {
        known.link.base = Some(push::heard(run.connection, base, &remote.body)?);
    }
    hear_of_block(run, &mut known, &remote.body);
    let outcome = match &known.standing {
        Some(standing) if !standing.deleted => alive(run, &known, standing, &remote, Policy::of(run.calendar)),
        _ => deleted_here(run, &known, &remote)?,
    };
    Ok(Settled { known, remote, outcome })
}

/// A block of busy time that we have sent in the place of all the details, and nobody heard that it arrived, is none of
/// their edits.
fn hear_of_block(run: &Run, known: &mut Known, remote: &Body) {
    let is_of_them = known.standing.as_ref().is_some_and(|standing| standing.connection_id == Some(run.connection.id));
    let may_be_sent = run.calendar.busy_only || known.link.is_told_anew;
    if let Some(base) = known.link.base.as_mut().filter(|_| may_be_sent && !is_of_them) {
        let known = base.remote();
        base.only_busy |= is_block(known, remote) && is_bare(remote) || is_titled_block(known, remote);
    }
}

/// It is here, and there.
pub fn alive(run: &Run, known: &Known, standing: &Standing, remote: &Incoming, policy: Policy) -> Outcome {
    let Known { link, .. } = known;
    let known_base = base(link, standing, &remote.body);
    let base = strays::forget_there(&known_base, &remote.body);
    let treatment = conflict::treatment(standing, &base);
    let winner = policy.winner(standing.changed_at, &remote.body);
    let rules = Rules { winner, treatment: &treatment, fits: &starts_by_its_rule };
    let mut merged = three_way(&base, &standing.body, &remote.body, &rules);
    strays::drop(&mut merged, &known_base);
    let is_open = policy == Policy::Manual && !merged.conflicts.is_empty();
    let conflict = conflict::data(&merged, policy, (!is_open).then_some(winner), known, &remote.body);
    if is_open {
        let agreed = Agreed { write: None, base: None, status: "conflict", sends: false, conflict };
        return Outcome::Agreed(Box::new(agreed));
    }
    let was_settled = link.status == "synced" || link.status == "pending";
    let is_unknown = link.base.is_none() || known_base.unheard;
    let is_news = is_unknown || base.remote() != &remote.body || !knows(&base, &remote.occurrences);
    if was_settled && !is_news && !merged.takes_remote {
        return Outcome::Same;
    }
    let mut agreed = strays::drop_agreed(rebase(&base, &remote.body, &rules), &base);
    remote.occurrences.iter().for_each(|one| agreed.learn(one.clone()));
    agreed.forget_ruled();
    let is_shown_otherwise = is_hidden(run.connection, standing.connection_id, Some(&base)) != base.only_busy;
    let is_behind = merged.keeps_local || is_shown_otherwise;
    Outcome::Agreed(Box::new(Agreed {
        write: merged.takes_remote.then_some(merged.body),
        base: Some(agreed),
        status: if is_behind { "pending" } else { "synced" },
        sends: is_behind && run.pushes(),
        conflict,
    }))
}

fn knows(base: &Base, occurrences: &[Occurrence]) -> bool {
    occurrences.iter().all(|one| base.occurrence(one.recurrence_id) == Some(one))
}

/// What both sides agreed on; where nobody knows, what is here if that has not changed since.
fn base(link: &Link, standing: &Standing, remote: &Body) -> Base {
    let is_unchanged = || link.local_version == Some(content::of_body(&standing.body));
    let only_busy = link.base.as_ref().map_or_else(|| is_block(&standing.body, remote), |base| base.only_busy);
    match &link.base {
        Some(base) if link.status != "deleted" => base.clone(),
        _ if link.status == "deleted" => come_back(&standing.body, remote).with_visibility(only_busy),
        _ if is_unchanged() => assumed(&standing.body, remote).with_visibility(only_busy),
        // It was sent, as far as is known: what differs there is older.
        _ => {
            let assumed = assumed(&standing.body, remote).with_visibility(only_busy);
            let treatment = conflict::of_what_was_told(&assumed);
            rebase(&assumed, remote, &Rules { treatment: &treatment, ..Rules::MERGE })
        }
    }
}

/// It was there no more, and is again. If that was because it does not take place, it is to take place again.
fn come_back(local: &Body, remote: &Body) -> Base {
    let assumed = assumed(local, remote);
    if !local.is_cancelled() {
        return assumed;
    }
    let mut before = assumed.remote().clone();
    match &mut before {
        Body::Single(event) => event.details.event_status = EventStatus::Cancelled,
        Body::Series(series) => series.template.details.event_status = EventStatus::Cancelled,
        Body::Overrides(_) => {}
    }
    Base::new(local.clone(), before)
}

/// Whether it has come to nothing there that it was not here when it was deleted: what we have sent ourselves, and nobody heard
/// that it arrived, is no edit of theirs.
fn is_as_deleted(Known { link, standing, .. }: &Known, remote: &Incoming) -> bool {
    let both = standing.as_ref().zip(link.base.as_ref()).filter(|_| link.status != "deleted");
    both.is_some_and(|(standing, base)| !as_told(base, &standing.body, &remote.body).takes_remote)
}

/// Both sides, by what the other one was told of.
fn as_told(base: &Base, local: &Body, remote: &Body) -> Merged {
    let treatment = conflict::of_what_was_told(base);
    three_way(base, local, remote, &Rules { treatment: &treatment, ..Rules::MERGE })
}

/// It is there, and was deleted here. An edit beats a delete.
pub fn deleted_here(run: &Run, known: &Known, remote: &Incoming) -> SqlResult<Outcome> {
    let Known { link, waiting, .. } = known;
    if !is_edited_there(run, link, remote) || !run.force && is_as_deleted(known, remote) {
        return Ok(Outcome::Same);
    }
    let was_confirmed = link.status == "deleted";
    let is_of_crm = |item: ItemId| match item {
        ItemId::Event(id) => reconciled::was_of_interaction(run.installation, id),
        ItemId::Series(_) => Ok(false),
    };
    // Without an interaction there is no event of it.
    if known.standing.is_none() && is_of_crm(link.item)? {
        return Ok(if was_confirmed && run.pushes() { goes_again() } else { Outcome::Same });
    }
    let write = match &link.base {
        Some(known) if !was_confirmed || known.only_busy => {
            let base = strays::forget_there(known, &remote.body);
            let mut merged = as_told(&base, &base.local, &remote.body);
            strays::drop(&mut merged, known);
            merged.body
        }
        _ => remote.body.clone(),
    };
    let only_busy = link.base.as_ref().is_some_and(|base| base.only_busy);
    let mut base = Base::new(write.clone(), remote.body.clone()).with_visibility(only_busy);
    // Of a row that is gone it becomes one of this calendar.
    let origin = known.standing.as_ref().map_or(Some(run.connection.id), |standing| standing.connection_id);
    let is_shown_otherwise = is_hidden(run.connection, origin, Some(&base)) != only_busy;
    remote.occurrences.iter().for_each(|one| base.learn(one.clone()));
    let conflict = waiting.is_some().then(|| {
        serde_json::json!({
            "policy": "edit beats delete",
            "winner": Side::Remote.word(),
            "fields": [],
            "local": null,
            "remote": remote.body,
            "remote_updated": conflict::updated(&remote.body),
        })
    });
    Ok(Outcome::Agreed(Box::new(Agreed {
        write: Some(write),
        base: Some(base),
        status: if is_shown_otherwise { "pending" } else { "synced" },
        sends: is_shown_otherwise && run.pushes(),
        conflict,
    })))
}

/// Whether what is there says more than the delete here knew of; so does what was gone there, and is back.
fn is_edited_there(run: &Run, link: &Link, remote: &Incoming) -> bool {
    if link.status == "deleted" || run.force && !run.pushes() {
        return true;
    }
    match &link.base {
        Some(base) => {
            let before = Base::new(base.remote().clone(), base.remote().clone());
            as_told(&before.with_visibility(base.only_busy), base.remote(), &remote.body).takes_remote
        }
        // A block that nobody heard the end of was made by us, and tells nothing that could come back.
        None => {
            !(link.external_id.is_none() && is_bare(&remote.body))
                && link.remote_version != Some(version(&remote.body))
                && link.remote_version != remote.etag
        }
    }
}

/// Nobody waits to delete it there: it was gone, and is back.
fn goes_again() -> Outcome {
    Outcome::Agreed(Box::new(Agreed { write: None, base: None, status: "pending", sends: true, conflict: None }))
}

/// Of what is agreed on, or what was before.
pub fn local_version(agreed: &Agreed, link: &Link) -> Option<Hash> {
    agreed.base.as_ref().map_or(link.local_version, |base| Some(content::of_body(&base.local)))
}
