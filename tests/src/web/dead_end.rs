//! Ports behind which no HTTP is spoken.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Leads nowhere, as long as the process is up.
pub struct DeadEnd {
    address: SocketAddr,
    _listener: TcpListener,
    /// They fill the queue of connections that nobody accepts.
    _queued: Vec<TcpStream>,
}

impl DeadEnd {
    /// A connection is never made: the system drops what asks for one.
    pub fn unreachable() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let mut queued = Vec::new();
        shorten_queue(&listener);
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
        }
        Self { address, _listener: listener, _queued: queued }
    }

    /// Connections are accepted, and nothing is ever said.
    pub fn mute() -> Self {
        Self::serving(|mut stream| {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        })
    }

    /// Speaks TLS 1.0 alone.
    pub fn of_old() -> Self {
        Self::serving(|mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
            hello.extend([7; 32]);
            hello.extend([0, 0, 0x2f, 0]);
            let _ = stream.write_all(&hello);
            let _ = stream.read(&mut [0; 4096]);
        })
    }

    fn serving(talk: fn(TcpStream)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let accepting = listener.try_clone().expect("the same port");
        std::thread::spawn(move || {
            for stream in accepting.incoming().flatten() {
                std::thread::spawn(move || talk(stream));
            }
        });
        Self { address, _listener: listener, _queued: Vec::new() }
    }

    /// `https://127.0.0.1:port/path`, or http.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }
}

/// So that a few connections fill it.
fn shorten_queue(listener: &TcpListener) {
    // SAFETY: a socket that is listening and open.
    let shortened = unsafe { libc::listen(listener.as_raw_fd(), 0) };
    assert_eq!(shortened, 0, "listen");
}
