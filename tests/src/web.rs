//! A web server of calendars on loopback that can be told to misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What goes wrong with a path until it is told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with these further header lines (`Retry-After: 60`, `Location: ...`) and an empty body.
    Status(u16, Vec<String>),
    /// A page of HTML with status 200, as a login portal would send.
    Html,
    /// Announces the whole body, sends this many bytes of it and closes the connection.
    Truncate(usize),
    /// Sends one byte at a time, with this pause after each.
    Drip(Duration),
    /// Sends the head and half of the body, then waits until the fault is changed, then goes on.
    Hold,
    /// Sends nothing and keeps the connection open until the fault is changed; then closes it.
    Stall,
    /// Sends the body compressed, as `Content-Encoding: gzip`.
    Gzip,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With its query string.
    pub target: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

#[derive(Default)]
struct Page {
    body: Vec<u8>,
    fault: Option<Fault>,
    etag: bool,
    last_modified: Option<String>,
    requests: Vec<Request>,
    not_modified: usize,
}

#[derive(Default)]
struct State {
    pages: Mutex<HashMap<String, Page>>,
    changed: Condvar,
}

/// Serves pages by path; unknown paths are 404. Stays up as long as the process.
pub struct FakeWeb {
    address: SocketAddr,
    state: Arc<State>,
}

impl FakeWeb {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that goes away in the middle is the client's business.
                std::thread::spawn(move || answer(stream, &state));
            }
        });
        Self { address, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves `body` at `path` from now on, with an ETag that follows from the body.
    pub fn serve(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.change(path, |page| {
            page.body = body.into();
            page.etag = true;
        });
    }

    /// Serves `body` with neither ETag nor Last-Modified, as many calendar servers do.
    pub fn serve_without_validators(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.change(path, |page| {
            page.body = body.into();
            page.etag = false;
            page.last_modified = None;
        });
    }

    /// Serves `body` with Last-Modified (an HTTP date) instead of an ETag.
    pub fn serve_dated(&self, path: &str, body: impl Into<Vec<u8>>, last_modified: &str) {
        self.change(path, |page| {
            page.body = body.into();
            page.etag = false;
            page.last_modified = Some(last_modified.to_string());
        });
    }

    /// Takes the page away: 404.
    pub fn remove(&self, path: &str) {
        self.state.pages.lock().expect("the pages").remove(path);
        self.state.changed.notify_all();
    }

    /// `None`: serves the page properly again.
    pub fn set_fault(&self, path: &str, fault: impl Into<Option<Fault>>) {
        self.change(path, |page| page.fault = fault.into());
    }

    /// The requests for this path so far (without its query string), oldest first.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        self.state.pages.lock().expect("the pages").get(path).map(|page| page.requests.clone()).unwrap_or_default()
    }

    /// How often 304 was answered for this path.
    pub fn not_modified(&self, path: &str) -> usize {
        self.state.pages.lock().expect("the pages").get(path).map_or(0, |page| page.not_modified)
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Page)) {
        change(self.state.pages.lock().expect("the pages").entry(path.to_string()).or_default());
        self.state.changed.notify_all();
    }
}

/// What is decided about a request while the pages are locked.
enum Plan {
    NotFound,
    NotModified(Vec<String>),
    Page { body: Vec<u8>, headers: Vec<String>, fault: Option<Fault> },
}

fn answer(mut stream: TcpStream, state: &State) -> Option<()> {
    let request = read_request(&stream)?;
    let path = request.target.split('?').next().unwrap_or_default().to_string();
    match plan(state, &path, request) {
        Plan::NotFound => send(&mut stream, "404 Not Found", &[], b""),
        Plan::NotModified(headers) => send(&mut stream, "304 Not Modified", &headers, b""),
        Plan::Page { body, headers, fault } => send_page(&mut stream, state, &path, &body, headers, fault),
    }
}

pub(crate) fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    std::io::Read::read_exact(&mut reader, &mut body).ok()?;
    Some(Request { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn plan(state: &State, path: &str, request: Request) -> Plan {
    let mut pages = state.pages.lock().expect("the pages");
    let Some(page) = pages.get_mut(path) else { return Plan::NotFound };
    let mut headers = Vec::new();
    let mut unchanged = false;
    if page.etag {
        let etag = etag_of(&page.body);
        unchanged |= request.headers.get("if-none-match") == Some(&etag);
        headers.push(format!("ETag: {etag}"));
    }
    if let Some(date) = &page.last_modified {
        unchanged |= request.headers.get("if-modified-since") == Some(date);
        headers.push(format!("Last-Modified: {date}"));
    }
    page.requests.push(request);
    if unchanged && page.fault.is_none() {
        page.not_modified += 1;
        return Plan::NotModified(headers);
    }
    Plan::Page { body: page.body.clone(), headers, fault: page.fault.clone() }
}

fn send_page(
    stream: &mut TcpStream,
    state: &State,
    path: &str,
    body: &[u8],
    mut headers: Vec<String>,
    fault: Option<Fault>,
) -> Option<()> {
    headers.push("Content-Type: text/calendar; charset=utf-8".to_string());
    let fault = match fault {
        None => return send(stream, "200 OK", &headers, body),
        Some(fault) => fault,
    };
    match &fault {
        Fault::Status(status, further) => send(stream, &format!("{status} Fault"), further, b""),
        Fault::Html => {
            let html = b"<!doctype html><title>Sign in</title><p>Please sign in.</p>";
            send(stream, "200 OK", &["Content-Type: text/html".to_string()], html)
        }
        Fault::Truncate(bytes) => {
            send_head(stream, "200 OK", &headers, body.len())?;
            stream.write_all(&body[..(*bytes).min(body.len())]).ok()
        }
        Fault::Drip(pause) => {
            send_head(stream, "200 OK", &headers, body.len())?;
            body.iter().try_for_each(|byte| {
                std::thread::sleep(*pause);
                stream.write_all(&[*byte]).ok()
            })
        }
        Fault::Hold => {
            send_head(stream, "200 OK", &headers, body.len())?;
            let (first, rest) = body.split_at(body.len() / 2);
            stream.write_all(first).ok()?;
            wait_while(state, path, &fault);
            stream.write_all(rest).ok()
        }
        Fault::Stall => {
            wait_while(state, path, &fault);
            None
        }
        Fault::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).ok()?;
            headers.push("Content-Encoding: gzip".to_string());
            send(stream, "200 OK", &headers, &encoder.finish().ok()?)
        }
    }
}

fn wait_while(state: &State, path: &str, fault: &Fault) {
    let pages = state.pages.lock().expect("the pages");
    let still =
        |pages: &mut HashMap<String, Page>| pages.get(path).is_some_and(|page| page.fault.as_ref() == Some(fault));
    drop(state.changed.wait_while(pages, still));
}

pub(crate) fn send(stream: &mut TcpStream, status: &str, headers: &[String], body: &[u8]) -> Option<()> {
    send_head(stream, status, headers, body.len())?;
    stream.write_all(body).ok()
}

fn send_head(stream: &mut TcpStream, status: &str, headers: &[String], length: usize) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).ok()
}

pub(crate) fn etag_of(body: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
