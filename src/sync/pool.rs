//! The threads that ask servers, for the worker and for a session that pulls. They never call Postgres.
//!
//! A server that does not answer costs a thread for as long as http_timeout. So that some of them do not keep all the
//! others waiting, a request that takes long is no longer counted among those at work: another thread takes its place,
//! up to a bound.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::job::{Done, Job};
use crate::http::{self, Bell};

/// A request that takes longer than this waits for its server.
pub const SLOW: Duration = Duration::from_millis(100);
/// Threads there may be, those that wait for slow servers included, for each that was asked for.
const MOST_PER_THREAD: usize = 32;
/// The part of those that wait which one server may take.
const SHARE: usize = 8;
/// Jobs in one account's name at a time: some providers refuse more (Graph: four requests to a mailbox).
const MOST_OF_ACCOUNT: usize = 3;

/// So many threads at work as were asked for, and more where servers are slow; jobs beyond wait their turn. Threads are
/// started as they are needed and end when there are too many.
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    bell: Bell,
}

#[derive(Default)]
struct State {
    /// Threads that are to be at work.
    wanted: usize,
    /// Threads there are, and how many of them have nothing to do.
    threads: usize,
    idle: usize,
    jobs: VecDeque<(Uuid, Job)>,
    /// In the order in which they were begun.
    under_way: BTreeMap<u64, Request>,
    begun: u64,
    results: Vec<(Uuid, Done)>,
    /// Whether to ring also when there are few jobs left.
    more_is_due: bool,
    closed: bool,
}

struct Request {
    origin: String,
    account: Option<Uuid>,
    since: Instant,
}

/// How busy a pool is.
#[derive(Debug)]
pub struct Load {
    /// Jobs that no thread has taken yet.
    pub queued: usize,
    /// Requests under way that are not slow.
    pub at_work: usize,
    /// Requests that servers keep waiting, and how many there may be of those.
    pub slow: usize,
    pub most_slow: usize,
    /// Servers that keep their share of them waiting.
    pub crowded: Vec<String>,
}

impl Pool {
    /// No thread runs before [`Pool::staff`].
    pub fn new(threads: usize) -> io::Result<Self> {
        let state = Mutex::new(State { wanted: threads, ..State::default() });
        Ok(Self { shared: Arc::new(Shared { state, more: Condvar::new(), bell: Bell::new()? }) })
    }

    /// Rings when there are results.
    pub fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    /// How many threads are to be at work.
    pub fn wanted(&self) -> usize {
        self.shared.lock().wanted
    }

    /// So many from now on. Those that are too many end when they have done what they are at.
    pub fn resize(&self, threads: usize) {
        self.shared.lock().wanted = threads;
        self.shared.more.notify_all();
    }

    /// Hands in work, of which [`Pool::results`] gives what came of it under the same id.
    pub fn submit(&self, id: Uuid, job: Job) {
        self.shared.lock().jobs.push_back((id, job));
        self.shared.more.notify_one();
    }

    /// Starts the threads that what was submitted needs; call it after submitting, and now and then while jobs are
    /// queued.
    ///
    /// # Errors
    /// The operating system's, where there is no thread at all.
    pub fn staff(&self) -> io::Result<()> {
        while self.shared.lock().take_on() {
            let shared = self.shared.clone();
            if let Err(error) = http::spawn("calendar_sync", move || work(&shared)) {
                let mut state = self.shared.lock();
                state.threads -= 1;
                return if state.threads == 0 { Err(error) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// The results that are there now. `more_is_due`: rings from now on also when threads are about to have nothing to do.
    pub fn results(&self, more_is_due: bool) -> Vec<(Uuid, Done)> {
        let mut state = self.shared.lock();
        state.more_is_due = more_is_due;
        std::mem::take(&mut state.results)
    }

    /// Whether threads are about to have nothing to do.
    pub fn is_low(&self) -> bool {
        self.shared.lock().is_low()
    }

    /// How busy it is just now.
    pub fn load(&self) -> Load {
        let state = self.shared.lock();
        let now = Instant::now();
        let slow = state.slow(now);
        let mut of_server: HashMap<&str, usize> = HashMap::new();
        for request in state.under_way.values().take(slow) {
            *of_server.entry(&request.origin).or_default() += 1;
        }
        let most_slow = state.wanted * (MOST_PER_THREAD - 1);
        let crowded = of_server.into_iter().filter(|(_, waiting)| *waiting >= most_slow / SHARE);
        Load {
            queued: state.jobs.len(),
            at_work: state.under_way.len() - slow,
            slow,
            most_slow,
            crowded: crowded.map(|(origin, _)| origin.to_owned()).collect(),
        }
    }
}

impl Drop for Pool {
    /// What is under way goes on until its end, or until [`http::abandon`], for nobody.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.jobs.clear();
        self.shared.more.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slow(&self, now: Instant) -> usize {
        self.under_way.values().take_while(|request| now.duration_since(request.since) > SLOW).count()
    }

    /// Threads there may be now.
    fn limit(&self) -> usize {
        (self.wanted + self.slow(Instant::now())).min(self.wanted * MOST_PER_THREAD)
    }

    /// Counts a further thread if one is needed.
    fn take_on(&mut self) -> bool {
        let needed = self.jobs.len() > self.idle && self.threads < self.limit();
        self.threads += usize::from(needed);
        self.idle += usize::from(needed);
        needed
    }

    fn is_low(&self) -> bool {
        self.jobs.len() < self.wanted
    }

    /// The first job whose account is not asked for too much already.
    fn next(&mut self) -> Option<(Uuid, Job)> {
        let of_account = |account| self.under_way.values().filter(|request| request.account == Some(account)).count();
        let may_begin = |job: &Job| job.account().is_none_or(|account| of_account(account) < MOST_OF_ACCOUNT);
        let place = self.jobs.iter().position(|(_, job)| may_begin(job))?;
        self.jobs.remove(place)
    }

    fn begin(&mut self, job: &Job) -> u64 {
        self.begun += 1;
        let request = Request { origin: job.origin(), account: job.account(), since: Instant::now() };
        self.under_way.insert(self.begun, request);
        self.begun
    }

    /// Whether to ring.
    fn finish(&mut self, request: u64, id: Uuid, done: Done) -> bool {
        self.under_way.remove(&request);
        self.results.push((id, done));
        self.results.len() == 1 || (self.more_is_due && self.is_low())
    }
}

/// A thread's life. It counts as idle when it starts, see [`State::take_on`].
fn work(shared: &Shared) {
    let mut state = shared.lock();
    state.idle -= 1;
    while !state.closed && state.threads <= state.limit() {
        let Some((id, job)) = state.next() else {
            state.idle += 1;
            state = shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            continue;
        };
        let request = state.begin(&job);
        drop(state);
        let done = job.run();
        state = shared.lock();
        if state.finish(request, id, done) {
            shared.bell.ring();
        }
    }
    state.threads -= 1;
    // The call that woke this one may have been for a job.
    shared.more.notify_one();
}
