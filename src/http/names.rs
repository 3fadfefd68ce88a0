//! Looking names up. getaddrinfo has no time-out of its own and cannot be broken off: it runs on threads that are left to
//! themselves when the time is over. There is one for each name, and no more than [`MOST`] at all.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::threads;

/// Look-ups under way at once in a process. Where all of them hang others wait for their turn, or for their time-out.
const MOST: usize = 128;
/// Names that are kept before old ones are looked for.
const KEPT: usize = 1_000;
/// How old an old one is. Longer than any answer is good for.
const OLD: Duration = Duration::from_secs(30);

/// None: there is no such name.
pub type Addresses = Vec<IpAddr>;

/// The names that this process knows.
pub static NAMES: Names = Names::new(system);

/// Names that were looked up, or are being. Each is asked for once, however many wait for it.
#[derive(Debug)]
pub struct Names {
    ask: fn(&str) -> Addresses,
    known: Mutex<Option<Known>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    names: HashMap<String, Name>,
    under_way: usize,
    /// When names were forgotten last.
    tidied: Option<Instant>,
}

#[derive(Debug)]
enum Name {
    UnderWay,
    Found(Addresses, Instant),
}

/// What keeps a name from being looked up.
#[derive(Debug)]
pub enum LookUpError {
    NotFound,
    TooSlow,
    NoThread(io::Error),
}

impl Names {
    /// `ask`: what blocks until it knows.
    pub const fn new(ask: fn(&str) -> Addresses) -> Self {
        Self { ask, known: Mutex::new(None), changed: Condvar::new() }
    }

    /// The addresses of a name: those that were found at most `good_for` ago, else waited for no longer than `timeout`.
    pub fn look_up(&'static self, name: &str, good_for: Duration, timeout: Duration) -> Result<Addresses, LookUpError> {
        let begun = Instant::now();
        let deadline = begun + timeout;
        let mut guard = self.lock();
        loop {
            let known = guard.get_or_insert_default();
            match known.names.get(name) {
                Some(Name::Found(addresses, since)) if *since >= begun || since.elapsed() < good_for => {
                    return if addresses.is_empty() { Err(LookUpError::NotFound) } else { Ok(addresses.clone()) };
                }
                Some(Name::UnderWay) => {}
                _ if known.under_way < MOST => {
                    self.start(name).map_err(LookUpError::NoThread)?;
                    known.under_way += 1;
                    known.names.insert(name.to_owned(), Name::UnderWay);
                }
                _ => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LookUpError::TooSlow);
            }
            guard = self.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(&'static self, name: &str) -> io::Result<()> {
        let name = name.to_owned();
        threads::spawn("calendar_sync names", move || {
            let addresses = (self.ask)(&name);
            let mut guard = self.lock();
            let known = guard.get_or_insert_default();
            known.under_way -= 1;
            known.names.insert(name, Name::Found(addresses, Instant::now()));
            known.tidy();
            self.changed.notify_all();
        })
        .map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn tidy(&mut self) {
        if self.names.len() > KEPT && self.tidied.is_none_or(|then| then.elapsed() > OLD) {
            self.names.retain(|_, name| match name {
                Name::UnderWay => true,
                Name::Found(_, since) => since.elapsed() < OLD,
            });
            self.tidied = Some(Instant::now());
        }
    }
}

fn system(name: &str) -> Addresses {
    (name, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{scope, sleep};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_name_is_asked_for_once_however_many_want_it() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static NAMES: Names = Names::new(|_| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            sleep(SOON);
            vec![[192, 0, 2, 1].into()]
        });
        scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    assert_eq!(
                        NAMES.look_up("example.com", Duration::ZERO, LONG).unwrap(),
                        [IpAddr::from([192, 0, 2, 1])]
                    )
                });
            }
        });
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn look_ups_that_hang_leave_no_more_threads_than_there_may_be() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static NAMES: Names = Names::new(|_| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            sleep(LONG);
            Vec::new()
        });
        for number in 0..MOST + 20 {
            let found = NAMES.look_up(&format!("n{number}.example"), Duration::ZERO, Duration::from_millis(1));
            assert!(matches!(found, Err(LookUpError::TooSlow)), "{found:?}");
        }
        assert_eq!(NAMES.lock().as_ref().unwrap().under_way, MOST);
        assert!(ASKED.load(Ordering::Relaxed) <= MOST);
    }

    #[test]
    fn who_waits_for_a_turn_gets_it_when_another_look_up_ends() {
        static NAMES: Names = Names::new(|_| {
            sleep(SOON);
            vec![[192, 0, 2, 1].into()]
        });
        scope(|scope| {
            for number in 0..3 * MOST {
                scope
                    .spawn(move || assert!(NAMES.look_up(&format!("n{number}.example"), Duration::ZERO, LONG).is_ok()));
            }
        });
        assert_eq!(NAMES.lock().as_ref().unwrap().under_way, 0);
    }

    #[test]
    fn an_answer_is_good_for_as_long_as_who_asks_says() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static NAMES: Names = Names::new(|_| match ASKED.fetch_add(1, Ordering::Relaxed) {
            0 => Vec::new(),
            _ => vec![[192, 0, 2, 1].into()],
        });
        assert!(matches!(NAMES.look_up("new.example", LONG, LONG), Err(LookUpError::NotFound)));
        assert!(matches!(NAMES.look_up("new.example", LONG, LONG), Err(LookUpError::NotFound)));
        assert!(NAMES.look_up("new.example", Duration::ZERO, LONG).is_ok());
    }
}
