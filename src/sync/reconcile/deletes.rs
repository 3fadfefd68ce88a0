//! What is there no more: said so, or not in a complete listing. Aged out of the window and access lost are neither.

use std::collections::HashSet;

use calendar_sync_core::content;
use calendar_sync_core::event::Body;
use calendar_sync_core::merge::{Rules, Side, three_way};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::gone_occurrences::{self, Gone};
use super::incoming::Incoming;
use super::known::{Known, with_items};
use super::{AT_ONCE, Run, absent};
use crate::errors::SqlResult;
use crate::providers::account::Changes;
use crate::settings;
use crate::store::items::Standing;
use crate::store::links::{self, ItemId, Link};
use crate::store::{agreement, belonging, delivery, events, expected, instances, kept, moved_links, series, waiting};
use crate::sync::apply::HeldBack;
use crate::sync::pull;

/// Deletes of no more items than this are always done.
const FEW: usize = 10;

/// A link of something that is there no more.
pub struct Delete {
    link: Link,
    /// The other side says so; else it is just not there.
    is_told: bool,
}

/// Finds what is to be deleted. An occurrence of a series is a change of that, and joins what came.
pub fn find(run: &mut Run, changes: &Changes, incoming: &mut Vec<Incoming>) -> SqlResult<Vec<Delete>> {
    let came: HashSet<&str> = incoming.iter().map(|one| one.external_id.as_str()).collect();
    let told: Vec<&str> = changes.deleted.iter().map(String::as_str).filter(|id| !came.contains(id)).collect();
    let mut deletes: Vec<Delete> = Vec::new();
    let mut gone: Vec<Gone> = Vec::new();
    for told in told.chunks(AT_ONCE) {
        let found = links::by_external_id(run.installation, run.connection.id, told)?;
        let known: HashSet<String> = found.iter().filter_map(|link| link.external_id.clone()).collect();
        let unknown: Vec<&str> = told.iter().copied().filter(|id| !known.contains(&links::key(id))).collect();
        gone.extend(gone_occurrences::by_identifier(run, &unknown)?);
        let occurrences = gone_occurrences::by_link(run, &found)?;
        for link in found {
            match occurrences.get(&link.item) {
                Some((series, recurrence_id)) => gone.push((*series, *recurrence_id)),
                None => deletes.push(Delete { link, is_told: true }),
            }
        }
    }
    // With their series they go without a word.
    let deleted: HashSet<ItemId> = deletes.iter().map(|delete| delete.link.item).collect();
    gone.retain(|(series, _)| !deleted.contains(series));
    for gone in gone.chunks(AT_ONCE) {
        gone_occurrences::leave_out(run, gone, incoming)?;
    }
    if changes.complete {
        let absent = absent::find(run, changes, incoming)?;
        let told: HashSet<Uuid> = deletes.iter().map(|delete| delete.link.link_id).collect();
        let absent = absent.into_iter().filter(|link| !told.contains(&link.link_id));
        deletes.extend(absent.map(|link| Delete { link, is_told: false }));
    }
    Ok(deletes)
}

/// What becomes of them.
#[derive(Default)]
struct Plan {
    events: Vec<Uuid>,
    /// With whether the other side has said so.
    series: Vec<(Uuid, bool)>,
    upcoming: Vec<Uuid>,
    links: Vec<Uuid>,
    /// That calendar is to be without it until it changes.
    without_it: Vec<Uuid>,
    needless: Vec<ItemId>,
    /// It stays here.
    kept: Vec<ItemId>,
    /// It was to be deleted there; by what is said of the calendar now it may belong there again.
    as_wanted: Vec<ItemId>,
    /// It is to come back, whatever is there.
    returning: Vec<Uuid>,
    /// It was changed here since: an edit beats a delete.
    anew: Vec<(Link, Value)>,
    /// It was changed here since, and does not.
    lost: Vec<(Link, Value)>,
}

/// Deletes; unless that is suspiciously much.
pub fn carry_out(run: &mut Run, deletes: Vec<Delete>) -> SqlResult<Option<HeldBack>> {
    let mut plan = Plan::default();
    let told: HashSet<Uuid> = deletes.iter().filter(|one| one.is_told).map(|one| one.link.link_id).collect();
    let mut links = deletes.into_iter().map(|delete| delete.link).filter(|link| link.status != "deleted");
    loop {
        let chunk: Vec<Link> = links.by_ref().take(AT_ONCE).collect();
        if chunk.is_empty() {
            break;
        }
        for known in with_items(run, chunk)? {
            let is_told = told.contains(&known.link.link_id);
            plan.add(run, known, is_told);
        }
    }
    let held_back = held_back(run, &plan)?;
    if held_back.is_none() {
        plan.carry_out(run)?;
    }
    Ok(held_back)
}

fn held_back(run: &Run, plan: &Plan) -> SqlResult<Option<HeldBack>> {
    let deletes = plan.upcoming.len();
    if deletes <= FEW || run.force {
        return Ok(None);
    }
    let upcoming = expected::count_upcoming(run.installation, run.connection.id, run.now)?;
    if deletes * 2 <= usize::try_from(upcoming).unwrap_or_default() {
        return Ok(None);
    }
    let mut ids = plan.upcoming.clone();
    ids.sort_unstable();
    let bytes: Vec<u8> = ids.into_iter().flat_map(Uuid::into_bytes).collect();
    let digest = content::digest(&bytes);
    if pull::confirms(run.connection) == Some(digest) {
        return Ok(None);
    }
    Ok(Some(HeldBack { deletes: deletes as i32, upcoming: upcoming as i32, digest }))
}

impl Plan {
    fn add(&mut self, run: &Run, known: Known, is_told: bool) {
        let Known { link, standing, waiting } = known;
        let Some(standing) = standing.filter(|standing| !standing.deleted) else {
            self.let_go(&link);
            return;
        };
        let is_foreign = standing.connection_id.is_some_and(|id| id != run.connection.id);
        // It was to be deleted there since it belongs there no more, or does not take place: that is done.
        if waiting.is_some_and(|waiting| waiting.is_delete) {
            self.let_go(&link);
            if !standing.body.is_cancelled() {
                self.as_wanted.push(link.item);
            }
            return;
        }
        // We may have deleted it ourselves.
        if run.pushes() && link.is_returning() && waiting.is_some() {
            self.returning.push(link.link_id);
            return;
        }
        let is_edited = is_edited(&link, &standing.body, waiting.is_some());
        if is_edited && run.pushes() {
            let data = conflict(&standing, Side::Local);
            self.anew.push((link, data));
            return;
        }
        // The event of an interaction stays as long as that does, and a copy says nothing of what it was made from.
        if standing.of_interaction || is_foreign {
            self.needless.push(link.item);
            self.kept.push(link.item);
            let links = if is_edited { &mut self.links } else { &mut self.without_it };
            links.push(link.link_id);
            return;
        }
        self.let_go(&link);
        // Where nothing is sent, what came wins.
        if is_edited {
            self.lost.push((link, conflict(&standing, Side::Remote)));
        }
        if is_upcoming(&standing.body, run.now) {
            self.upcoming.push(super::id_of(standing.item));
        }
        match standing.item {
            ItemId::Event(id) => self.events.push(id),
            ItemId::Series(id) => self.series.push((id, is_told)),
        }
    }

    fn let_go(&mut self, link: &Link) {
        self.links.push(link.link_id);
        self.needless.push(link.item);
    }

    fn carry_out(self, run: &mut Run) -> SqlResult<()> {
        let (installation, connection, now) = (run.installation, run.connection.id, run.now);
        let of_kind = |told: bool| -> Vec<Uuid> {
            self.series.iter().filter(|(_, is_told)| *is_told == told).map(|(id, _)| *id).collect()
        };
        let deleted = events::delete(installation, &self.events, now)?;
        let mut deleted_series = 0;
        // What just ceased to be listed has taken place until now.
        for (ids, after) in [(of_kind(true), DateTime::<Utc>::MIN_UTC), (of_kind(false), now)] {
            deleted_series += series::delete(installation, &ids, now)?;
            instances::delete(installation, &ids, after, now)?;
        }
        run.counts.deleted += i32::try_from(deleted + deleted_series).unwrap_or(i32::MAX);
        run.changed.extend(self.events.iter().copied().map(ItemId::Event));
        run.changed.extend(self.series.iter().map(|(id, _)| ItemId::Series(*id)));
        agreement::gone(installation, &self.links, now)?;
        agreement::let_go(installation, &self.without_it, now)?;
        waiting::drop(installation, connection, &self.needless)?;
        kept::log(installation, run.connection, &self.kept)?;
        delivery::overwrite(installation, &self.returning)?;
        delivery::anew(installation, &self.anew.iter().map(|(link, _)| link.link_id).collect::<Vec<_>>())?;
        moved_links::keep_conflicts(installation, &self.anew, now)?;
        moved_links::keep_conflicts(installation, &self.lost, now)?;
        let wanted = belonging::among(installation, connection, &self.as_wanted)?;
        let create = self.anew.iter().map(|(link, _)| link.item).chain(wanted);
        let create: Vec<(&str, ItemId)> = create.map(|item| ("create", item)).collect();
        waiting::need(installation, connection, &create, settings::MAX_RETRIES.get())?;
        let conflicts = || self.anew.iter().chain(&self.lost);
        run.counts.conflicts += i32::try_from(conflicts().count()).unwrap_or(i32::MAX);
        run.conflicts.extend(conflicts().map(|(link, data)| (link.item, super::conflict::in_log(data))));
        Ok(())
    }
}

/// Whether something was changed here that the other side never had. What comes with a version, and nobody edits, is not
/// asked for: both sides may have come to the same by ways of their own.
fn is_edited(link: &Link, body: &Body, is_waiting: bool) -> bool {
    match (&link.base, link.local_version) {
        (Some(_), None) => true,
        (Some(base), Some(_)) => {
            // Of what was sent nobody knows whether it arrived.
            let known = base.oldest();
            three_way(known, body, known.remote(), &Rules::MERGE).keeps_local
        }
        (None, Some(version)) => version != content::of_body(body),
        (None, None) => is_waiting,
    }
}

fn is_upcoming(body: &Body, now: DateTime<Utc>) -> bool {
    match body {
        Body::Single(event) => event.timing.end.unwrap_or(event.timing.start) > now,
        _ => true,
    }
}

/// One side has edited what the other has deleted. Where the edit loses, the log has all of it.
fn conflict(standing: &Standing, winner: Side) -> Value {
    let whole = || json!({ "name": "event", "base": null, "local": standing.body, "remote": null });
    json!({
        "policy": if winner == Side::Local { "edit beats delete" } else { "remote" },
        "winner": winner.word(),
        "fields": if winner == Side::Local { vec![] } else { vec![whole()] },
        "local": standing.body,
        "remote": null,
        "local_changed_at": standing.changed_at,
    })
}
