//! Stands before a provider, and can be told to repeat what it is asked instead of passing it on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Reply, Request, serve};

/// What is repeated, and how: method, part of the path, status, the provider's code for it.
struct Manner {
    method: String,
    part: String,
    status: u16,
    code: String,
}

#[derive(Default)]
struct State {
    manner: Option<Manner>,
    repeated: usize,
    talk: Vec<(Request, Reply)>,
}

/// Stays up as long as the process.
pub struct Echo {
    target: SocketAddr,
    address: SocketAddr,
    /// Stands in all that it repeats, and is no secret.
    pub marker: &'static str,
    state: Arc<Mutex<State>>,
}

impl Echo {
    /// `url`: of whom it stands before, `http:`.
    pub fn before(url: &str, marker: &'static str) -> Self {
        let target: SocketAddr = url.trim_start_matches("http://").parse().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let address = serve(move |request| {
            let reply = repeated(&shared, request, marker).or_else(|| passed_on(target, request))?;
            shared.lock().expect("the talk").talk.push((request.clone(), reply.clone()));
            Some(reply)
        });
        Self { target, address, marker, state }
    }

    /// An address of whom it stands before, by way of it.
    pub fn at(&self, url: &str) -> String {
        url.replace(&self.target.to_string(), &self.address.to_string())
    }

    /// From now on requests such as `POST /token` are answered with this status and all that they bring along, in a body
    /// as the three providers and token endpoints have it, and in headers.
    pub fn repeat(&self, what: &str, status: u16, code: &str) {
        let (method, part) = what.split_once(' ').expect("a method and a part of a path");
        let mut state = self.state.lock().expect("the talk");
        state.manner = Some(Manner { method: method.into(), part: part.into(), status, code: code.into() });
        state.repeated = 0;
    }

    /// Everything is passed on.
    pub fn pass_on(&self) {
        self.state.lock().expect("the talk").manner = None;
    }

    /// How many requests were answered so since it was told to.
    pub fn repeated(&self) -> usize {
        self.state.lock().expect("the talk").repeated
    }

    /// All that was asked so far and what was answered.
    pub fn talk(&self) -> Vec<(Request, Reply)> {
        self.state.lock().expect("the talk").talk.clone()
    }
}

fn repeated(state: &Mutex<State>, request: &Request, marker: &str) -> Option<Reply> {
    let mut state = state.lock().expect("the talk");
    let manner = state.manner.as_ref()?;
    let path = request.path();
    if manner.method != request.method || !path.contains(&manner.part) {
        return None;
    }
    // What is done or not by then is the same to whoever must not tell of it.
    let words = format!("{marker} {}", said_in(request));
    let (status, code) = (manner.status, manner.code.as_str());
    let body = if path.ends_with("/token") || path.ends_with("/revoke") {
        json!({ "error": code, "error_description": words, "error_uri": words, "message": words })
    } else {
        json!({
            "object": "error", "status": status, "code": code, "message": words, "request_id": words,
            "error": {
                "code": if code.starts_with(char::is_uppercase) { json!(code) } else { json!(status) },
                "message": words, "status": words, "innerError": { "message": words },
                "errors": [{ "domain": "global", "reason": code, "message": words, "location": words }],
            },
        })
    };
    let mut reply = Reply::json(status, &body);
    // As some encoders write them (RFC 8259, 7).
    reply.body = body.to_string().replace('/', "\\/").replace('-', "\\u002d").into_bytes();
    for name in ["X-Echo", "WWW-Authenticate", "Set-Cookie", "Retry-After", "ETag", "Location", "Link"] {
        reply.headers.push(format!("{name}: {words}"));
    }
    state.repeated += 1;
    Some(reply)
}

/// Everything that a request brings, as it stands there and as it is meant.
fn said_in(request: &Request) -> String {
    let mut words = vec![request.target.clone()];
    let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
    if let Some(login) = authorization.strip_prefix("Basic ").and_then(|login| STANDARD.decode(login).ok()) {
        words.push(String::from_utf8_lossy(&login).replace(':', " "));
    }
    words.extend([authorization, request.body.clone()]);
    match serde_json::from_str::<Value>(&request.body) {
        Ok(Value::Object(members)) => words.extend(members.values().filter_map(Value::as_str).map(str::to_owned)),
        _ => words.extend(form_urlencoded::parse(request.body.as_bytes()).map(|(_, value)| value.into_owned())),
    }
    words.join(" ").chars().map(|letter| if letter.is_ascii_graphic() { letter } else { ' ' }).collect()
}

fn passed_on(target: SocketAddr, request: &Request) -> Option<Reply> {
    let mut stream = TcpStream::connect(target).ok()?;
    let mut asked = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "connection") {
        asked.push_str(&format!("{name}: {value}\r\n"));
    }
    asked.push_str("connection: close\r\n\r\n");
    stream.write_all(&[asked.as_bytes(), request.body.as_bytes()].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    // Links lead by way of this, too.
    let own = request.headers.get("host")?;
    let body = String::from_utf8_lossy(&answer[end + 4..]).replace(&target.to_string(), own);
    Some(Reply { status, headers: headers.map(str::to_owned).collect(), body: body.into_bytes() })
}
