//! Answers, good ones and those that a fault spoils. `None` where the client went away: its own business.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Fault, State};

/// What a page would be without its fault.
pub(super) struct Page {
    pub path: String,
    pub body: Vec<u8>,
    pub headers: Vec<String>,
    /// Which request of this page it answers, from 1.
    pub number: usize,
}

impl Page {
    pub fn send(mut self, stream: &mut impl Write, fault: Option<Fault>, state: &State) -> Option<()> {
        const OK: &str = "200 OK";
        self.headers.push("Content-Type: text/calendar; charset=utf-8".to_string());
        let head = head(OK, &self.headers, self.body.len());
        let wait = |fault| state.wait_while(&self.path, fault);
        let Some(fault) = fault else { return send(stream, OK, &self.headers, &self.body) };
        match &fault {
            Fault::Status(status, further) => send(stream, &format!("{status} Fault"), further, b""),
            Fault::Raw(bytes) => stream.write_all(bytes).ok(),
            Fault::Html => {
                let html = b"<!doctype html><title>Sign in</title><p>Please sign in.</p>";
                send(stream, OK, &["Content-Type: text/html".to_string()], html)
            }
            Fault::Truncate(bytes) => {
                stream.write_all(&head).ok()?;
                stream.write_all(&self.body[..(*bytes).min(self.body.len())]).ok()
            }
            Fault::Drip(pause) => {
                stream.write_all(&head).ok()?;
                drip(stream, &self.body, *pause)
            }
            Fault::DripHead(pause) => drip(stream, &head, *pause),
            Fault::Hold => {
                let (first, rest) = self.body.split_at(self.body.len() / 2);
                stream.write_all(&[&head, first].concat()).ok()?;
                wait(&fault);
                stream.write_all(rest).ok()
            }
            Fault::StallInHead => {
                stream.write_all(&head[..head.len() / 2]).ok()?;
                wait(&fault);
                None
            }
            Fault::Stall => {
                wait(&fault);
                None
            }
            Fault::Gzip => self.send_compressed(stream, &[&self.body]),
            Fault::GzipBomb(megabytes) => self.send_compressed(stream, &vec![&vec![b' '; 1 << 20]; *megabytes]),
            Fault::NewUids => {
                let uid = format!("\nUID:{}-", self.number);
                let body = String::from_utf8_lossy(&self.body).replace("\nUID:", &uid);
                send(stream, OK, &self.headers, body.as_bytes())
            }
        }
    }

    fn send_compressed(&self, stream: &mut impl Write, parts: &[&Vec<u8>]) -> Option<()> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        parts.iter().try_for_each(|part| encoder.write_all(part).ok())?;
        let headers = [self.headers.as_slice(), &["Content-Encoding: gzip".to_string()]].concat();
        send(stream, "200 OK", &headers, &encoder.finish().ok()?)
    }
}

fn drip(stream: &mut impl Write, bytes: &[u8], pause: Duration) -> Option<()> {
    bytes.iter().try_for_each(|byte| {
        std::thread::sleep(pause);
        stream.write_all(&[*byte]).and_then(|()| stream.flush()).ok()
    })
}

pub(crate) fn send(stream: &mut impl Write, status: &str, headers: &[String], body: &[u8]) -> Option<()> {
    stream.write_all(&head(status, headers, body.len())).ok()?;
    stream.write_all(body).ok()
}

fn head(status: &str, headers: &[String], length: usize) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}
