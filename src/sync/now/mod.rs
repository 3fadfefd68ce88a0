//! Pulling and pushing in a session: in the caller's transaction, with the network on threads of their own.
//!
//! What a provider has taken stays there whatever becomes of the transaction. So it is noted beforehand in a transaction of
//! its own, and undone with the next sync if this one comes to nothing ([`push::undo()`]). Of a call that is a transaction
//! by itself, which sends no more than others have committed, nothing is noted: its operations are sent again, a create
//! finds what it made, a delete that there is nothing to delete, and an update that it has changed there, so that a pull
//! comes first.

mod apply;
mod visit;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use self::visit::{Begun, Visit};
use super::aside::AbandonOnDrop;
use super::pool::Pool;
use super::pull::Counts;
use super::push;
use super::wait::wait;
use crate::errors::{SqlResult, internal};
use crate::settings;
use crate::store::connections::Connection;
use crate::store::outbox::Taken;

/// The longest nap while something is waited for.
const NAP: Duration = Duration::from_millis(100);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub enum Wish {
    /// Pull, then push. `force`: pull everything, and confirm what was held back.
    Sync { force: bool },
    /// Push so many operations at most.
    Push { limit: usize },
}

/// One connection's row of calendar_sync_now.
#[derive(Debug)]
pub struct Report {
    pub connection: Connection,
    pub status: &'static str,
    pub counts: Counts,
    /// Changes that the provider has taken.
    pub pushed: i32,
    /// Operations with their status, and what is wrong.
    pub operations: Vec<(Taken, &'static str, Option<String>)>,
    pub error: Option<String>,
    pub duration: Duration,
}

impl Report {
    /// A report of nothing but a status.
    pub fn new(connection: Connection, status: &'static str) -> Self {
        Self {
            connection,
            status,
            counts: Counts::default(),
            pushed: 0,
            operations: Vec::new(),
            error: None,
            duration: Duration::ZERO,
        }
    }
}

impl Wish {
    const fn force(self) -> bool {
        matches!(self, Self::Sync { force: true })
    }
}

/// Pulls connections and pushes to them, as many at once as the worker would; one report each, in their order. What goes
/// wrong with one stands in its report; only what ends the caller's statement (a cancel, a time-out, a serialization
/// failure) is an error.
///
/// `may_be_undone`: see [`crate::store::may_be_undone`].
pub fn run(due: Vec<Connection>, wish: Wish, may_be_undone: bool) -> SqlResult<Vec<Report>> {
    let threads = usize::try_from(settings::WORKER_THREADS.get()).unwrap_or(1).clamp(1, due.len().max(1));
    let mut session = Session {
        pool: Pool::new(threads).map_err(internal)?,
        wish,
        visits: due.into_iter().map(Visit::new).collect(),
        under_way: HashMap::new(),
        in_the_way: Vec::new(),
        may_be_undone,
    };
    // Dropped before the pool: what is under way ends at once, and so do the pool's threads.
    let unless_done = AbandonOnDrop;
    session.run()?;
    std::mem::forget(unless_done);
    Ok(session.visits.into_iter().map(|visit| visit.report).collect())
}

/// A call of calendar_sync_now or calendar_queue_process.
struct Session {
    pool: Pool,
    wish: Wish,
    visits: Vec<Visit>,
    /// What is under way: its visit.
    under_way: HashMap<Uuid, usize>,
    /// What another session or the worker is at.
    in_the_way: Vec<usize>,
    /// The transaction was begun by somebody else, who may have changed what is sent.
    may_be_undone: bool,
}

impl Session {
    fn run(&mut self) -> SqlResult<()> {
        let mut begun = 0;
        loop {
            for (id, done) in self.pool.results(false) {
                if let Some(place) = self.under_way.remove(&id)
                    && self.visits[place].take_back(self.wish, done)?
                {
                    self.ask(place)?;
                }
            }
            for place in std::mem::take(&mut self.in_the_way) {
                self.begin(place)?;
            }
            // Answers that are not applied yet count: they are in memory.
            while begun < self.visits.len() && self.under_way.len() < self.pool.wanted() + self.pool.load().slow {
                self.visits[begun].since = Instant::now();
                self.begin(begun)?;
                begun += 1;
            }
            if begun == self.visits.len() && self.under_way.is_empty() && self.in_the_way.is_empty() {
                return Ok(());
            }
            self.pool.staff().map_err(|error| internal(format!("no thread for the network: {error}")))?;
            wait(self.pool.bell(), NAP);
        }
    }

    /// Takes the connection for this transaction and has it asked.
    fn begin(&mut self, place: usize) -> SqlResult<()> {
        match self.visits[place].begin(self.wish)? {
            Begun::Ready => self.ask(place),
            Begun::InTheWay => {
                self.in_the_way.push(place);
                Ok(())
            }
            Begun::Over => Ok(()),
        }
    }

    /// Has the visit's next step done.
    fn ask(&mut self, place: usize) -> SqlResult<()> {
        let limit = self.limit();
        // What one calendar has brought is sent to another, and nobody else knows of it yet.
        let may_be_undone = self.may_be_undone
            || self.visits.iter().enumerate().any(|(other, visit)| other != place && visit.has_brought());
        let visit = &mut self.visits[place];
        if let Some(job) = visit.ask(self.wish, limit, may_be_undone)? {
            let id = visit.report.connection.id;
            self.pool.submit(id, job);
            self.under_way.insert(id, place);
        }
        Ok(())
    }

    /// How many operations may be taken next.
    fn limit(&self) -> usize {
        let Wish::Push { limit } = self.wish else { return push::MOST };
        limit.saturating_sub(self.visits.iter().map(|visit| visit.report.operations.len()).sum()).min(push::MOST)
    }
}
