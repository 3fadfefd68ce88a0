//! What the network gave back, until it is in the tables.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::Utc;
use uuid::Uuid;

use super::activity;
use super::counters::Counters;
use super::extension::{Extension, logged, within_here};
use crate::errors::SqlResult;
use crate::providers::{Answer, Validators};
use crate::store::connections::{self, Connection};
use crate::store::{self, Installation, leases};
use crate::sync::job::{Done, Got, TokenId};
use crate::sync::pull::{self, Counts, Trouble};
use crate::sync::tokens::{self, Renewed};
use crate::sync::webhooks::visit::{self, Visited};
use crate::sync::{account_pull, push, reconcile};

/// How long a result is kept that somebody else's lock is in the way of. Then its lease ends and it is fetched again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where others wait for it: what a provider has taken, and tokens that were used up for others.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// When a calendar is asked again whose changes are to events that somebody else has changed, and not committed.
const ASKED_AGAIN_IN: Duration = Duration::from_secs(5);
/// Longest time to apply results before what is due is looked for again.
const TURN: Duration = Duration::from_millis(250);

/// What came of a lease.
struct Back {
    connection: Connection,
    /// What the server answered, or what went wrong. `None` once it is in the tables.
    result: Option<Result<Got, Trouble>>,
    token: Option<TokenId>,
    duration: Duration,
    /// Since when somebody else's lock is known to be in the way of it.
    blocked: Option<Instant>,
}

/// Results that are not in the tables yet.
#[derive(Default)]
pub struct Results {
    waiting: Vec<Back>,
    /// Accounts' new tokens, and since when they wait.
    renewed: Vec<(Box<Renewed>, Instant)>,
    /// What came of errands for channels.
    visited: Vec<Visited>,
    /// Connections whose providers were quick to take what they were sent last.
    quick: HashSet<Uuid>,
}

impl Results {
    /// Nothing waits to be applied.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.renewed.is_empty() && self.visited.is_empty()
    }

    /// Connections whose results wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What came of work at a connection.
    pub fn add(&mut self, connection: Connection, done: Done) {
        let Done { result, duration, token, .. } = done;
        if matches!(&result, Ok(Got::Sent(sent)) if sent.was_quick(duration)) {
            self.quick.insert(connection.id);
        } else {
            self.quick.remove(&connection.id);
        }
        self.waiting.push(Back { connection, result: Some(result), token, duration, blocked: None });
    }

    /// How many operations a connection is sent at once.
    pub fn most_to_send(&self, connection: Uuid) -> usize {
        if self.quick.contains(&connection) { push::MOST_WHERE_QUICK } else { push::MOST }
    }

    /// Tokens that were renewed.
    pub fn add_tokens(&mut self, renewed: Box<Renewed>) {
        self.renewed.push((renewed, Instant::now()));
    }

    /// What came of a visit about a channel.
    pub fn add_visited(&mut self, visited: Box<Visited>) {
        self.visited.push(*visited);
    }

    /// Applies calendars and notes failures, each in a transaction of its own, until the turn is over. What cannot be
    /// done now is kept for the next one.
    pub fn apply(&mut self, counters: &mut Counters) -> Extension {
        let started = Instant::now();
        let mut extension = self.store_tokens();
        if extension == Extension::Present {
            extension = self.note_visited();
        }
        for back in self.waiting.iter_mut().filter(|back| back.unchanged().is_none()) {
            if extension != Extension::Present || started.elapsed() > TURN {
                break;
            }
            activity::busy(&format!("applying a calendar of {}", back.connection.provider));
            extension = back.finish(counters);
            back.note_blocked();
        }
        self.waiting.retain(|back| back.result.is_some() && !back.is_given_up());
        extension
    }

    /// Each in a transaction of its own. Until it is stored: a refresh token that was used is good for nothing any more.
    fn store_tokens(&mut self) -> Extension {
        let mut extension = Extension::Present;
        self.renewed.retain(|(renewed, since)| {
            if extension != Extension::Present {
                return true;
            }
            let (found, stored) = logged(within_here(|installation| tokens::finish(installation, renewed)));
            extension = found;
            stored != Some(true) && since.elapsed() < LONG_PATIENCE
        });
        extension
    }

    /// Each in a transaction of its own. What fails is due again when its lease ends.
    fn note_visited(&mut self) -> Extension {
        while let Some(visited) = self.visited.last() {
            let (extension, _) = logged(within_here(|installation| visit::finish(installation, visited)));
            if extension != Extension::Present {
                return extension;
            }
            self.visited.pop();
        }
        Extension::Present
    }

    /// Notes all that is unchanged, in the caller's transaction; see [`Results::forget`].
    pub fn note_unchanged(&self, installation: &Installation) -> SqlResult<Vec<Uuid>> {
        let unchanged = |back| Back::unchanged(back).map(|validators| (&back.connection, validators));
        let pulls: Vec<_> = self.waiting.iter().filter_map(unchanged).collect();
        pull::unchanged(installation, &pulls)
    }

    /// Once that transaction has committed.
    pub fn forget(&mut self, unchanged: &[Uuid]) {
        self.waiting.retain(|back| back.unchanged().is_none() || !unchanged.contains(&back.connection.id));
        self.waiting.iter_mut().filter(|back| back.unchanged().is_some()).for_each(Back::note_blocked);
    }
}

impl Back {
    /// It was tried, and is still here. What only waits for its turn is not given up, however long that takes.
    fn note_blocked(&mut self) {
        self.blocked.get_or_insert_with(Instant::now);
    }

    fn is_given_up(&self) -> bool {
        let patience = if matches!(self.result, Some(Ok(Got::Sent(_)))) { LONG_PATIENCE } else { PATIENCE };
        self.blocked.is_some_and(|since| since.elapsed() > patience)
    }

    fn unchanged(&self) -> Option<&Validators> {
        match &self.result {
            Some(Ok(Got::Calendar(Answer::Unchanged(validators)))) => Some(validators),
            _ => None,
        }
    }

    fn finish(&mut self, counters: &mut Counters) -> Extension {
        if let Some(Ok(_)) = self.result {
            match within_here(|installation| self.apply(installation)) {
                (Extension::Present, Some(Err(message))) => self.result = Some(Err(Trouble::new(message))),
                (extension, applied) => {
                    if let Some(Ok(Some(counts))) = applied {
                        counters.count_applied(&counts);
                    }
                    return extension;
                }
            }
        }
        let Some(Err(trouble)) = &self.result else { return Extension::Present };
        let (extension, noted) = logged(within_here(|installation| self.note(installation, trouble)));
        if noted == Some(true) {
            self.result = None;
            counters.failed += 1;
        }
        extension
    }

    /// Applies an answer if its lease still holds. Whoever else is at this connection goes first.
    fn apply(&mut self, installation: &Installation) -> SqlResult<Option<Counts>> {
        let connection = &self.connection;
        if !connections::try_alone(installation, connection.id)? || !connections::lock(installation, connection)? {
            return Ok(None);
        }
        match self.result.take() {
            Some(Ok(Got::Calendar(Answer::Calendar(fetched)))) => {
                pull::apply(installation, connection, *fetched, self.duration, false).map(|(counts, _)| Some(counts))
            }
            Some(Ok(Got::Calendar(Answer::Pending(pending)))) => {
                pull::pending(installation, connection, &pending).map(|()| None)
            }
            Some(Ok(Got::Changes(changes))) => {
                let merge = || reconcile::apply(installation, connection, *changes, self.duration, false);
                match store::without_waiting(installation, merge) {
                    Ok((counts, _)) => Ok(Some(counts)),
                    // A session has begun to change the same, and may want the calendar for itself: it is asked again later.
                    Err(failure) if failure.is_locked() => {
                        leases::put_off(installation, connection.id, ASKED_AGAIN_IN).map(|()| None)
                    }
                    Err(failure) => Err(failure.into_error()),
                }
            }
            Some(Ok(Got::Sent(sent))) => {
                let provider = account_pull::provider_of(connection)?;
                let settled = push::settle(installation, connection, provider, sent, self.duration, Utc::now())?;
                settled.trouble.map_or(Ok(()), |trouble| self.broken_off(installation, &trouble))?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Notes a failure if the lease still holds: the connection may have been removed, or the extension made anew.
    fn note(&self, installation: &Installation, trouble: &Trouble) -> SqlResult<bool> {
        if !connections::lock(installation, &self.connection)? {
            return Ok(false);
        }
        match self.token.filter(|_| trouble.is_unauthorized) {
            Some(token) => pull::refused(installation, &self.connection, token).map(|()| true),
            None => pull::failed(installation, &self.connection, trouble, self.duration),
        }
    }

    fn broken_off(&self, installation: &Installation, trouble: &Trouble) -> SqlResult<()> {
        self.note(installation, trouble).map(drop)
    }
}
