//! Threads beside PostgreSQL's own, and the bell by which they wake it.
//!
//! PostgreSQL's signal handlers may run on no thread but the main one, and nothing of PostgreSQL may be called from
//! another: threads get all signals blocked, and wake the main thread through a socket that it waits for beside its latch.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Starts a thread with all signals blocked.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets are written before they are read; a new thread inherits the mask of the one that starts it.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    // SAFETY: `before` was filled above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    started
}

/// Rung by any thread; the main thread waits for its descriptor to become readable.
#[derive(Debug, Clone)]
pub struct Bell {
    rung: Arc<UnixStream>,
    heard: Arc<UnixStream>,
}

impl Bell {
    /// One that nobody has rung yet.
    pub fn new() -> io::Result<Self> {
        let (rung, heard) = UnixStream::pair()?;
        rung.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Self { rung: Arc::new(rung), heard: Arc::new(heard) })
    }

    /// A bell that is full of rings is rung already.
    pub fn ring(&self) {
        let _ = (&*self.rung).write(&[1]);
    }

    /// Readable as long as it was rung and not hushed.
    pub fn descriptor(&self) -> RawFd {
        self.heard.as_raw_fd()
    }

    /// Takes all rings so far.
    pub fn hush(&self) {
        let mut rings = [0; 256];
        while matches!((&*self.heard).read(&mut rings), Ok(count) if count == rings.len()) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_can_be_rung_more_often_than_it_is_heard() {
        let bell = Bell::new().unwrap();
        for _ in 0..100_000 {
            bell.ring();
        }
        bell.hush();
        assert!((&*bell.heard).read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
    }

    #[test]
    fn threads_have_every_signal_blocked_and_the_starter_keeps_its_own() {
        let (sender, receiver) = std::sync::mpsc::channel();
        spawn("test", move || sender.send(is_blocked(libc::SIGTERM)).unwrap()).unwrap().join().unwrap();
        assert!(receiver.recv().unwrap());
        assert!(!is_blocked(libc::SIGTERM));
    }

    fn is_blocked(signal: i32) -> bool {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: asks for the mask without changing it.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
            libc::sigismember(mask.as_ptr(), signal) == 1
        }
    }
}
