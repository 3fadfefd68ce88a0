//! One connection's visit: which step is next, and what it came to.

use std::time::{Duration, Instant};

use chrono::Utc;

use super::apply::{Applied, CHANGED_MEANWHILE, apply, guarded, merge};
use super::{Report, Wish};
use crate::errors::SqlResult;
use crate::store::connections::{self, Calendar, Connection};
use crate::store::{self, Installation, installation_row, leases};
use crate::sync::account_pull::provider_of;
use crate::sync::fetch::{Fetch, http_options};
use crate::sync::job::{Done, Got, Job, Task};
use crate::sync::pull::{self, Counts, Trouble};
use crate::sync::push::{self, Sent, Settled};
use crate::sync::start;
use crate::sync::tokens::Pass;
use crate::sync::tokens::session::{self, Refusal};

/// How long another pull of the same connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pulls in between, where what is to be sent has changed there.
const MOST_PULLS: u32 = 3;

const STANDS_ASIDE: &str =
    "this database is a restored copy: nobody's calendar is asked or changed; calendar_resume() makes it the real one";

/// What is done at one connection: one step after the other, until its report says how it ended.
pub(super) struct Visit {
    pub(super) report: Report,
    pub(super) since: Instant,
    step: Step,
    pulls: u32,
    /// Of tokens that its provider has refused.
    refused: Option<i64>,
    /// What transactions that came to nothing had sent was looked for.
    is_tidy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Pull,
    Push,
}

/// Whether a connection could be had.
pub(super) enum Begun {
    Ready,
    /// Another session or the worker is at it.
    InTheWay,
    /// Nothing is done at it.
    Over,
}

impl Visit {
    pub(super) fn new(connection: Connection) -> Self {
        let report = Report::new(connection, "success");
        Self { report, since: Instant::now(), step: Step::Pull, pulls: 0, refused: None, is_tidy: false }
    }

    /// Takes the connection for this transaction.
    pub(super) fn begin(&mut self, wish: Wish) -> SqlResult<Begun> {
        let connection = &self.report.connection;
        if !store::as_owner(|installation| is_free(installation, connection))? {
            if self.since.elapsed() <= PATIENCE {
                return Ok(Begun::InTheWay);
            }
            self.end("busy", Some("another session or the worker is at this calendar".into()));
            return Ok(Begun::Over);
        }
        // Who was in the way may have pulled it: what it holds now is what the answer must be compared with.
        let Some(current) = store::as_owner(|installation| connections::current(installation, connection))? else {
            self.fail(CHANGED_MEANWHILE);
            return Ok(Begun::Over);
        };
        let pulls = matches!(wish, Wish::Sync { .. }) && current.pulls();
        self.step = if pulls { Step::Pull } else { Step::Push };
        self.report.connection = current;
        Ok(Begun::Ready)
    }

    /// The next step; `None` where the visit is over. At most `limit` operations are sent.
    ///
    /// `may_be_undone`: what is sent is noted before it is ([`push::Batch::outlast`]).
    pub(super) fn ask(&mut self, wish: Wish, limit: usize, may_be_undone: bool) -> SqlResult<Option<Job>> {
        let job = match &self.report.connection.calendar {
            None => fetch(&self.report.connection, wish.force()).map_err(|error| Trouble::new(error.message())),
            Some(calendar) => match pass(calendar, self.refused)? {
                Ok(pass) => self.job(wish, pass, limit, may_be_undone),
                Err(trouble) => Err(trouble),
            },
        };
        match job {
            Ok(Some(job)) => return Ok(Some(job)),
            Ok(None) => self.end("success", None),
            Err(trouble) => self.failed(trouble, Duration::ZERO)?,
        }
        Ok(None)
    }

    /// The next step at an account's calendar; `None` where there is nothing to be done.
    fn job(&mut self, wish: Wish, pass: Pass, limit: usize, may_be_undone: bool) -> Result<Option<Job>, Trouble> {
        let connection = self.report.connection.clone();
        let Some(calendar) = connection.calendar.clone() else { return Ok(None) };
        if !self.is_tidy {
            let is_undone = guarded(|installation| push::undo(installation, &connection))?;
            if is_undone && connection.pulls() {
                // What has happened there since is looked at before what waits is sent.
                self.step = Step::Pull;
            }
            self.is_tidy = true;
        }
        if self.step == Step::Pull {
            self.pulls += 1;
            let all = wish.force() && self.pulls == 1;
            return guarded(|installation| {
                start::pull(installation, &connection, &calendar, pass, http_options(), all).map(Some)
            });
        }
        if limit == 0 || !calendar.direction.pushes() {
            return Ok(None);
        }
        let prepared = guarded(|installation| {
            if !connections::lock(installation, &connection)? {
                return Ok(None);
            }
            start::push(installation, &connection, &calendar, pass, http_options(), limit).map(Some)
        })?;
        let Some((job, prepared)) = prepared else { return Err(Trouble::new(CHANGED_MEANWHILE)) };
        let status = |error: &Option<String>| if error.is_some() { "failed" } else { "completed" };
        let settled = prepared.settled.into_iter().map(|(taken, error)| (taken, status(&error), error));
        self.report.operations.extend(settled);
        match job {
            Some(job) => self.unless_it_waits(&connection, job, may_be_undone),
            None => Ok(None),
        }
    }

    /// What is to be sent now, once what must outlast this transaction is kept ([`push::Batch::outlast`]).
    fn unless_it_waits(
        &mut self,
        connection: &Connection,
        mut job: Job,
        may_be_undone: bool,
    ) -> Result<Option<Job>, Trouble> {
        let Some(batch) = job.batch() else { return Ok(Some(job)) };
        let waiting = guarded(|installation| {
            let waiting = batch.outlast(installation, connection, may_be_undone)?;
            batch.doubt_deletes(installation)?;
            Ok(waiting)
        })?;
        let is_empty = batch.operations.is_empty();
        let waiting = waiting.into_iter().map(|taken| (taken, "pending", Some(push::WAITS.to_owned())));
        self.report.operations.extend(waiting);
        Ok((!is_empty).then_some(job))
    }

    /// Notes what came of a step. Whether another is to be asked for.
    pub(super) fn take_back(&mut self, wish: Wish, done: Done) -> SqlResult<bool> {
        if let Some((_, generation)) = done.refused()
            && self.refused != Some(generation)
        {
            self.refused = Some(generation);
            return match done.result {
                Ok(Got::Sent(sent)) => self.sent(wish, sent, done.duration),
                _ => Ok(true),
            };
        }
        let connection = &self.report.connection;
        match done.result {
            Err(trouble) => self.failed(trouble, done.duration).map(|()| false),
            Ok(Got::Sent(sent)) => self.sent(wish, sent, done.duration),
            Ok(Got::Calendar(answer)) => {
                let applied =
                    guarded(|installation| apply(installation, connection, answer, done.duration, wish.force()));
                self.applied(applied, done.duration)
            }
            Ok(Got::Changes(changes)) => {
                let applied =
                    guarded(|installation| merge(installation, connection, *changes, done.duration, wish.force()));
                self.applied(applied, done.duration)
            }
            Ok(Got::Tokens(_) | Got::Visited(_)) => Ok(false),
        }
    }

    /// Notes what a pull came to. Whether another step is to be asked for.
    fn applied(&mut self, applied: Result<Applied, Trouble>, duration: Duration) -> SqlResult<bool> {
        match applied {
            Ok(None) => self.end("pending", None),
            Ok(Some((counts, error))) => {
                self.report.counts += counts;
                if let Some(error) = error {
                    self.fail(error);
                } else if self.report.connection.pushes() {
                    self.step = Step::Push;
                    return Ok(true);
                } else {
                    self.end("success", None);
                }
            }
            Err(trouble) => self.failed(trouble, duration)?,
        }
        Ok(false)
    }

    /// Notes what a provider has taken. Whether another step is to be asked for.
    fn sent(&mut self, wish: Wish, sent: Sent, duration: Duration) -> SqlResult<bool> {
        let connection = &self.report.connection;
        let settled = guarded(|installation| {
            // Whatever was done to the connection meanwhile: what was sent was sent.
            connections::lock(installation, connection)?;
            push::settle(installation, connection, provider_of(connection)?, sent, duration, Utc::now())
        });
        let Settled { operations, trouble, poll, again, counts } = match settled {
            Ok(settled) => settled,
            Err(trouble) => return self.failed(trouble, duration).map(|()| false),
        };
        self.report.pushed += counts.iter().sum::<i32>();
        let more = again || operations.len() >= push::MOST;
        self.report.operations.extend(operations);
        match trouble {
            Some(trouble) if !trouble.is_unauthorized || self.refused.is_none() => self.failed(trouble, duration)?,
            Some(_) => return Ok(true),
            None if poll && self.pulls < MOST_PULLS && matches!(wish, Wish::Sync { .. }) => {
                self.step = Step::Pull;
                return Ok(true);
            }
            None if more => return Ok(true),
            None => self.end("success", None),
        }
        Ok(false)
    }

    /// Whether its pull has written anything here.
    pub(super) fn has_brought(&self) -> bool {
        let Counts { created, updated, deleted, .. } = self.report.counts;
        created + updated + deleted > 0
    }

    fn failed(&mut self, trouble: Trouble, duration: Duration) -> SqlResult<()> {
        let connection = &self.report.connection;
        store::as_owner(|installation| {
            if connections::lock(installation, connection)? {
                pull::failed(installation, connection, &trouble, duration)?;
            }
            Ok(())
        })?;
        self.fail(trouble.message);
        Ok(())
    }

    fn fail(&mut self, error: impl Into<String>) {
        self.end("error", Some(error.into()));
    }

    fn end(&mut self, status: &'static str, error: Option<String>) {
        self.report.status = status;
        self.report.error = error;
        self.report.duration = self.since.elapsed();
    }
}

/// Whether nobody else is at the connection; then it is this transaction's. A worker that is needs the lock to come to an
/// end with it, so that it is not kept while that is waited for.
fn is_free(installation: &Installation, connection: &Connection) -> SqlResult<bool> {
    let is_leased = || match connection.calendar {
        Some(_) => leases::is_leased(installation, connection.id),
        None => Ok(false),
    };
    if is_leased()? || !connections::try_alone(installation, connection.id)? {
        return Ok(false);
    }
    // It may have been leased in between.
    if is_leased()? {
        connections::give_way(installation, connection.id)?;
        return Ok(false);
    }
    Ok(true)
}

fn fetch(connection: &Connection, force: bool) -> SqlResult<Option<Job>> {
    if connection.calendar.is_some() {
        return Ok(None);
    }
    let fetch = Fetch::new(connection, http_options(), force)?.counted();
    Ok(Some(Job::new(connection, Task::Fetch(Box::new(fetch)))))
}

/// What lets one in; waits while tokens are renewed.
fn pass(calendar: &Calendar, refused: Option<i64>) -> SqlResult<Result<Pass, Trouble>> {
    if store::as_owner(installation_row::stands_aside)? {
        return Ok(Err(Trouble::new(STANDS_ASIDE)));
    }
    Ok(match session::entry(calendar.account_id, refused) {
        Ok(Ok((pass, _))) => Ok(pass),
        Ok(Err(Refusal::LoginRequired(why))) => Err(Trouble { wants_login: true, ..Trouble::new(why) }),
        Ok(Err(Refusal::Trouble(why))) => Err(Trouble::new(why)),
        Err(report) => Err(Trouble::new(report.message())),
    })
}
