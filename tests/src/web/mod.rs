//! A web server of calendars on loopback that can be told to misbehave.

mod answer;
mod dead_end;
mod echo;
mod fault;
mod post;
mod proxy;
mod request;
mod service;
mod tls;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

pub(crate) use answer::send;
pub use dead_end::DeadEnd;
pub use echo::Echo;
pub use fault::Fault;
pub use post::post;
pub use proxy::Proxy;
pub use request::Request;
pub use service::{Reply, serve, serve_on};
pub use tls::{Authority, Presents};

/// What is known of a path.
#[derive(Default)]
struct Known {
    body: Vec<u8>,
    fault: Option<Fault>,
    etag: bool,
    last_modified: Option<String>,
    requests: Vec<Request>,
    not_modified: usize,
}

#[derive(Default)]
struct State {
    pages: Mutex<HashMap<String, Known>>,
    changed: Condvar,
}

/// Serves pages by path; unknown paths are 404. Stays up as long as the process.
pub struct FakeWeb {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

impl FakeWeb {
    pub fn start() -> Self {
        Self::listen("http", |mut stream, state| answer(&mut stream, state))
    }

    /// Over TLS (1.2 and 1.3), with a certificate of that authority.
    pub fn start_tls(authority: &Authority, presents: Presents) -> Self {
        let config = authority.server(presents);
        Self::listen("https", move |stream, state| {
            let mut stream = tls::accept(config.clone(), stream)?;
            answer(&mut stream, state)?;
            stream.conn.send_close_notify();
            stream.flush().ok()
        })
    }

    fn listen(scheme: &'static str, talk: impl Fn(TcpStream, &State) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let (shared, talk) = (state.clone(), Arc::new(talk));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, talk) = (shared.clone(), talk.clone());
                // A client that goes away in the middle is the client's business.
                std::thread::spawn(move || talk(stream, &state));
            }
        });
        Self { address, scheme, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
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

    fn change(&self, path: &str, change: impl FnOnce(&mut Known)) {
        change(self.state.pages.lock().expect("the pages").entry(path.to_string()).or_default());
        self.state.changed.notify_all();
    }
}

impl State {
    fn wait_while(&self, path: &str, fault: &Fault) {
        let pages = self.pages.lock().expect("the pages");
        let still =
            |pages: &mut HashMap<String, Known>| pages.get(path).is_some_and(|page| page.fault.as_ref() == Some(fault));
        drop(self.changed.wait_while(pages, still));
    }
}

/// What is decided about a request while the pages are locked.
enum Plan {
    NotFound,
    NotModified(Vec<String>),
    Page(answer::Page, Option<Fault>),
}

fn answer(stream: &mut (impl Read + Write), state: &State) -> Option<()> {
    match plan(state, Request::read(stream)?) {
        Plan::NotFound => send(stream, "404 Not Found", &[], b""),
        Plan::NotModified(headers) => send(stream, "304 Not Modified", &headers, b""),
        Plan::Page(page, fault) => page.send(stream, fault, state),
    }
}

fn plan(state: &State, request: Request) -> Plan {
    let mut pages = state.pages.lock().expect("the pages");
    let path = request.path().to_string();
    let Some(page) = pages.get_mut(&path) else { return Plan::NotFound };
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
    let number = page.requests.len();
    Plan::Page(answer::Page { path, body: page.body.clone(), headers, number }, page.fault.clone())
}

pub(crate) fn etag_of(body: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
