//! A front end as an application would have one: hands the calls of providers to a database.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use postgres::{Config, NoTls};
use serde_json::{Value, json};

use crate::web::{Reply, Request, serve};

/// A call and what was answered.
#[derive(Clone, Debug)]
pub struct Hooked {
    pub request: Request,
    pub status: u16,
}

/// Takes calls of `/hooks/<provider>`; stays up as long as the process.
pub struct Hooks {
    address: SocketAddr,
    down: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Hooked>>>,
}

impl Hooks {
    /// `config`: how to connect to the database that takes them.
    pub fn start(config: Config) -> Self {
        let (down, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_down, noted) = (down.clone(), calls.clone());
        let address = serve(move |request| {
            let reply = if is_down.load(Ordering::Relaxed) { Reply::empty(502) } else { hand_over(&config, request) };
            noted.lock().expect("the calls").push(Hooked { request: request.clone(), status: reply.status });
            Some(reply)
        });
        Self { address, down, calls }
    }

    pub fn url(&self, provider: &str) -> String {
        format!("http://{}/hooks/{provider}", self.address)
    }

    /// Calls do not get through to the database.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// All calls so far, oldest first.
    pub fn calls(&self) -> Vec<Hooked> {
        self.calls.lock().expect("the calls").clone()
    }
}

fn hand_over(config: &Config, request: &Request) -> Reply {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let provider = path.strip_prefix("/hooks/").unwrap_or_default();
    let headers: Value = request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut client = config.connect(NoTls).expect("the database");
    let row = client.query_one(
        "select status, content_type, body from calendar_webhook_receive($1, $2, $3, $4)",
        &[&provider, &headers, &json!(query), &request.body],
    );
    let row = row.unwrap_or_else(|error| panic!("{request:?}: {error:?}"));
    let status = u16::try_from(row.get::<_, i32>(0)).expect("a status");
    let headers = vec![format!("Content-Type: {}", row.get::<_, &str>(1))];
    Reply { status, headers, body: row.get::<_, String>(2).into_bytes() }
}
