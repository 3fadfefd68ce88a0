//! The worker of one database: leases what is due, has the pool fetch it, applies what comes back.
//!
//! Its main thread does SQL and waits on its latch; no transaction is open while the network is waited for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use pgrx::{FromDatum, pg_sys};
use uuid::Uuid;

use super::counters::Counters;
use super::extension::{Extension, within};
use super::results::Results;
use super::shared::{self, State, Text};
use super::starts::{self, Begun};
use super::upkeep::Upkeep;
use super::{activity, process, trouble};
use crate::errors::SqlResult;
use crate::http::Options;
use crate::settings;
use crate::store::connections::Connection;
use crate::store::installation_row::{self, Standing};
use crate::store::leases::{self, Wanted};
use crate::store::{Installation, notices};
use crate::sync::fetch::http_options;
use crate::sync::job::{Done, Got, Job};
use crate::sync::pool::{Load, Pool, SLOW};
use crate::sync::pull;
use crate::sync::tokens::Renewal;
use crate::sync::webhooks::visit::Visit;

/// Longest nap while something is due, and when nothing is known to be.
const NAP: Duration = Duration::from_secs(5);
/// Nap while what is due can't be had: another session has it locked.
const PATIENCE: Duration = Duration::from_millis(500);
/// Longest nap while rounds end in an error.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Nap when a DROP or ALTER EXTENSION has the extension locked.
const STEP_ASIDE: Duration = Duration::from_millis(200);
/// Least time from one round to the next, unless threads have nothing to do: what comes back meanwhile is one
/// transaction.
const PACE: Duration = Duration::from_millis(50);
/// Jobs that are leased for each thread, so that none of them waits for the main thread. Even if all of these turn out to
/// be slow there are threads for others, see the pool.
const JOBS_PER_THREAD: usize = 16;
/// A server's name is not looked up for each of its calendars.
const NAMES_GOOD_FOR: Duration = Duration::from_secs(15);
/// How often it is counted how many are due, for those who watch.
const COUNT: Duration = Duration::from_secs(1);

/// Runs until the server stops, or until the extension is dropped.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn calendar_sync_database_main(argument: pg_sys::Datum) {
    // SAFETY: the launcher passes a database's oid.
    let database = unsafe { pg_sys::Oid::from_datum(argument, false) }.unwrap_or(pg_sys::InvalidOid);
    process::set_signal_handlers();
    process::set_search_path();
    if !shared::enter(database) {
        return;
    }
    // SAFETY: once, at the start of a background worker. The callback runs when the process ends, however it does.
    unsafe {
        pg_sys::on_shmem_exit(Some(leave), argument);
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, 0);
        pg_sys::pgstat_report_appname(c"calendar_sync worker".as_ptr());
    }
    process::reload_if_asked(true);
    process::set_transactions();
    match Worker::new(database) {
        Ok(mut worker) => worker.run(),
        Err(error) => pgrx::error!("calendar_sync worker: no threads for the network: {error}"),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, argument: pg_sys::Datum) {
    // SAFETY: what calendar_sync_database_main passed.
    if let Some(database) = unsafe { pg_sys::Oid::from_datum(argument, false) } {
        shared::leave(database, process::was_told_to_end());
    }
}

struct Worker {
    database: pg_sys::Oid,
    pool: Pool,
    /// Leased, and not yet back.
    in_flight: HashMap<Uuid, Connection>,
    results: Results,
    upkeep: Upkeep,
    standing: Standing,
    /// Whether there was more than could be leased.
    more_is_due: bool,
    /// How many were due and not leased when they were counted last, and when that was.
    due: i64,
    counted: Option<Instant>,
    /// Not yet shown.
    counters: Counters,
    /// Rounds in a row that ended in an error.
    failures: u32,
    left: Left,
}

/// What a worker before this one had leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing, or it was seen to.
    Nothing,
    /// That worker was told to end, or stood elsewhere: nothing is known against the calendars.
    InOrder,
    /// The server went down meanwhile, maybe because of one of them.
    InACrash,
}

/// What one round in the database has found.
#[derive(Default)]
struct Round {
    jobs: Vec<(Connection, Job)>,
    renewals: Vec<Renewal>,
    visits: Vec<Visit>,
    /// Those that it was written of that they are unchanged.
    unchanged: Vec<Uuid>,
    more_is_due: bool,
    due: Option<i64>,
    next: Option<Duration>,
    standing: Standing,
    /// Leased, and failed before they were on their way.
    failed: u64,
}

impl Worker {
    fn new(database: pg_sys::Oid) -> std::io::Result<Self> {
        Ok(Self {
            database,
            pool: Pool::new(threads())?,
            in_flight: HashMap::new(),
            results: Results::default(),
            upkeep: Upkeep::new(Instant::now()),
            standing: Standing::Here,
            more_is_due: false,
            due: 0,
            counted: None,
            counters: Counters::NONE,
            failures: 0,
            left: match shared::with_slot(database, |slot| slot.ended_as_told) {
                Some(true) => Left::InOrder,
                _ => Left::InACrash,
            },
        })
    }

    fn run(&mut self) {
        loop {
            if process::reload_if_asked(false) {
                self.pool.resize(threads());
            }
            let began = Instant::now();
            let Some(nap) = self.round() else {
                if self.may_end() {
                    return;
                }
                continue;
            };
            activity::idle(&format!("waiting, {} calendars on the network", self.in_flight.len()));
            process::nap(self.pool.bell(), nap);
            while began.elapsed() < PACE && !(self.more_is_due && self.pool.is_low()) {
                process::nap(self.pool.bell(), PACE.saturating_sub(began.elapsed()));
            }
        }
    }

    /// The extension was not found: unless somebody has called since that was looked at, the launcher starts a worker
    /// again when it is there.
    fn may_end(&self) -> bool {
        let called = shared::with_slot(self.database, |slot| {
            if !slot.called {
                slot.state = State::Absent;
            }
            slot.called
        });
        called != Some(true)
    }

    /// One round; how long to nap after it at most, or `None` when the extension is gone.
    fn round(&mut self) -> Option<Duration> {
        shared::with_slot(self.database, |slot| slot.called = false);
        for (id, done) in self.pool.results(self.more_is_due) {
            self.take_back(id, done);
        }
        match self.results.apply(&mut self.counters) {
            Extension::Present => {}
            Extension::Absent => return None,
            Extension::Locked => return Some(self.step_aside()),
        }
        let load = self.pool.load();
        activity::busy("looking for calendars that are due");
        let round = match within(|installation| self.lease(installation, &load)) {
            (Extension::Absent, _) => return None,
            (Extension::Locked, _) => return Some(self.step_aside()),
            (Extension::Present, Some(Err(message))) => return Some(self.fail(&message)),
            (Extension::Present, round) => round.and_then(Result::ok).unwrap_or_default(),
        };
        self.results.forget(&round.unchanged);
        self.note(&round);
        for (connection, job) in round.jobs {
            self.pool.submit(connection.id, job);
            self.in_flight.insert(connection.id, connection);
        }
        for renewal in round.renewals {
            self.pool.submit(renewal.account_id(), Job::renewal(Box::new(renewal)));
        }
        for visit in round.visits {
            self.pool.submit(visit.webhook_id(), Job::visit(Box::new(visit)));
        }
        if let Err(error) = self.pool.staff() {
            trouble::log(&format!("no threads for the network: {error}"));
        }
        if self.standing == Standing::Here && self.upkeep.is_due(Instant::now()) {
            activity::busy("tidying up");
            if self.upkeep.run(Instant::now()) == Extension::Absent {
                return None;
            }
        }
        Some(if !self.results.is_empty() {
            PACE
        } else if self.more_is_due || load.queued > 0 {
            // Those that are slow by then get others in their place.
            SLOW
        } else if self.due > 0 {
            PATIENCE
        } else {
            round.next.unwrap_or(NAP).min(NAP)
        })
    }

    /// What a thread has done.
    fn take_back(&mut self, id: Uuid, done: Done) {
        self.counters.network += done.duration;
        let done = match done.result {
            Ok(Got::Tokens(renewed)) => return self.results.add_tokens(renewed),
            Ok(Got::Visited(visited)) => return self.results.add_visited(visited),
            _ => done,
        };
        let is_of_this_lease = |connection: &Connection| connection.generation == done.generation;
        if self.in_flight.get(&id).is_some_and(is_of_this_lease)
            && let Some(connection) = self.in_flight.remove(&id)
        {
            self.results.add(connection, done);
        }
    }

    fn step_aside(&self) -> Duration {
        shared::with_slot(self.database, |slot| {
            slot.state = State::SteppedAside;
            slot.last_loop = shared::now();
        });
        STEP_ASIDE
    }

    /// The round ended in an error, as it will again until somebody sees to it: says so once, and shows it.
    fn fail(&mut self, message: &str) -> Duration {
        let message = trouble::explained(message);
        trouble::log(&message);
        shared::with_slot(self.database, |slot| {
            slot.state = State::Failing;
            slot.last_loop = shared::now();
            slot.trouble = Text::new(&message);
        });
        self.failures = self.failures.saturating_add(1);
        (NAP * 2_u32.pow(self.failures.min(5) - 1)).min(LONGEST_NAP)
    }

    /// Shows the state; says once that this is a restored copy.
    fn note(&mut self, round: &Round) {
        if round.standing == Standing::Elsewhere && self.standing != Standing::Elsewhere {
            pgrx::log!(
                "calendar_sync worker stands aside: this database is a restored copy; \
                 calendar_resume() makes it the real one"
            );
        }
        self.standing = round.standing;
        self.failures = 0;
        match round.standing {
            Standing::Here => self.left = Left::Nothing,
            Standing::Nowhere | Standing::Elsewhere => self.left = Left::InOrder,
        }
        self.more_is_due = round.more_is_due;
        if let Some(due) = round.due {
            (self.due, self.counted) = (due, Some(Instant::now()));
        }
        let in_flight = self.in_flight.len() + round.jobs.len();
        self.counters.unchanged += round.unchanged.len() as u64;
        self.counters.failed += round.failed;
        let counters = &mut self.counters;
        shared::with_slot(self.database, |slot| {
            slot.state = match round.standing {
                Standing::Here => State::Running,
                Standing::Nowhere => State::Waiting,
                Standing::Elsewhere => State::Aside,
            };
            slot.trouble = Text::EMPTY;
            slot.last_loop = shared::now();
            slot.counters.take_from(counters);
            slot.due = i32::try_from(self.due).unwrap_or(i32::MAX);
            slot.in_flight = i32::try_from(in_flight).unwrap_or(i32::MAX);
        });
    }

    /// Notes what is unchanged and leases what is due, in one transaction.
    fn lease(&self, installation: &Installation, load: &Load) -> SqlResult<Round> {
        let standing = installation_row::standing(installation)?;
        if standing != Standing::Here {
            return Ok(Round { standing, ..Round::default() });
        }
        if self.left != Left::Nothing {
            pull::release(installation, self.left == Left::InACrash)?;
        }
        notices::take(installation)?;
        let unchanged = self.results.note_unchanged(installation)?;
        let options = Options { names_good_for: NAMES_GOOD_FOR, ..http_options() };
        let wanted = Wanted {
            limit: self.room(load),
            // A job waits for one time-out at most: then threads are free again, however slow all were.
            lease: options.timeout * 3 + Duration::from_secs(60),
            // What has failed before is likely to be slow again: half of the threads are for the others.
            failed_too: load.slow < load.most_slow / 2,
            but_hosts: &load.crowded,
        };
        let begun = starts::begin(installation, &wanted, &options, |id| self.results.most_to_send(id))?;
        if !begun.jobs.is_empty() {
            // What is about to be sent must be known after a crash; and a calendar that takes the server down with it, as leased.
            process::commit_durably();
        }
        let count = self.counted.is_none_or(|counted| counted.elapsed() > COUNT);
        let due = if count { Some(leases::count_due(installation)?) } else { None };
        let next = leases::until_next(installation)?;
        let Begun { jobs, renewals, visits, more_is_due, failed } = begun;
        Ok(Round { jobs, renewals, visits, unchanged, more_is_due, due, next, standing, failed })
    }

    /// How many more to lease.
    fn room(&self, load: &Load) -> usize {
        if load.slow >= load.most_slow {
            return 0;
        }
        (self.pool.wanted() * JOBS_PER_THREAD).saturating_sub(load.queued + load.at_work + self.results.len())
    }
}

fn threads() -> usize {
    usize::try_from(settings::WORKER_THREADS.get()).unwrap_or(1).max(1)
}
