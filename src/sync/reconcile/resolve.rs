//! Somebody decides a conflict that was left open.

use calendar_sync_core::event::Body;
use calendar_sync_core::merge::Side;
use serde_json::Value;

use super::conflict::Policy;
use super::incoming::Incoming;
use super::known::{Known, with_items};
use super::settle::{self, Outcome, Settled};
use super::{Run, write};
use crate::errors::{SqlResult, internal};
use crate::settings;
use crate::store::connections::Connection;
use crate::store::links::{self, ItemId};
use crate::store::{Installation, conflicts, queue, waiting};

/// Why nothing was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unresolved {
    /// It is not in that calendar.
    NotLinked,
    NoConflict,
}

/// Gives the fields in conflict to one side. What else either side has changed stays changed. Only with the connection's
/// row locked.
pub fn resolve(
    installation: &Installation,
    connection: &Connection,
    item: ItemId,
    keep: Side,
) -> SqlResult<Result<(), Unresolved>> {
    let Some(calendar) = &connection.calendar else {
        return Ok(Err(Unresolved::NotLinked));
    };
    let Some(link) = links::by_item(installation, connection.id, &[item])?.pop() else {
        return Ok(Err(Unresolved::NotLinked));
    };
    if link.status != "conflict" {
        return Ok(Err(Unresolved::NoConflict));
    }
    let data = links::conflict_data(installation, link.link_id)?.unwrap_or_default();
    let Ok(body) = serde_json::from_value::<Body>(data.get("remote").cloned().unwrap_or(Value::Null)) else {
        return Err(internal("the conflict's data cannot be read"));
    };
    let remote = Incoming {
        external_id: link.external_id.clone().unwrap_or_default(),
        body,
        etag: link.etag.clone(),
        occurrences: Vec::new(),
        mark: None,
        series: None,
        is_news: true,
    };
    let mut run = Run::new(installation, connection, calendar, true);
    for known in with_items(&run, vec![link])? {
        decide(&mut run, known, remote.clone(), keep)?;
    }
    conflicts::log(installation, connection, &run.conflicts)?;
    queue::changed(installation, &super::distinct(run.changed), Some(connection.id))?;
    Ok(Ok(()))
}

fn decide(run: &mut Run, known: Known, remote: Incoming, keep: Side) -> SqlResult<()> {
    let policy = if keep == Side::Local { Policy::Local } else { Policy::Remote };
    let outcome = match &known.standing {
        Some(standing) if !standing.deleted => settle::alive(run, &known, standing, &remote, policy),
        _ if keep == Side::Local => {
            let needed = [("delete", known.link.item)];
            waiting::need(run.installation, run.connection.id, &needed, settings::MAX_RETRIES.get())?;
            Outcome::Same
        }
        _ => settle::deleted_here(run, &known, &remote)?,
    };
    write::carry_out(run, vec![Settled { known, remote, outcome }])
}
