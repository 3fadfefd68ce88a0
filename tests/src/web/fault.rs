//! What can be wrong with a page.

use std::time::Duration;

/// What goes wrong with a path until it is told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with these further header lines (`Retry-After: 60`, `Location: ...`) and an empty body.
    Status(u16, Vec<String>),
    /// These bytes and nothing else, head and body; then the connection is closed.
    Raw(Vec<u8>),
    /// A page of HTML with status 200, as a login portal would send.
    Html,
    /// Announces the whole body, sends this many bytes of it and closes the connection.
    Truncate(usize),
    /// Sends the body one byte at a time, with this pause after each.
    Drip(Duration),
    /// Sends the head one byte at a time, with this pause after each.
    DripHead(Duration),
    /// Sends the head and half of the body, then waits until the fault is changed, then goes on.
    Hold,
    /// Sends half of the head and keeps the connection open until the fault is changed; then closes it.
    StallInHead,
    /// Sends nothing and keeps the connection open until the fault is changed; then closes it.
    Stall,
    /// Sends the body compressed, as `Content-Encoding: gzip`.
    Gzip,
    /// Sends so many megabytes of nothing, compressed to a thousandth.
    GzipBomb(usize),
    /// Every event has another UID in each answer.
    NewUids,
}
