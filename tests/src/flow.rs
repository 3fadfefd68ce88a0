//! A Power Automate flow on loopback, as far as whoever starts it can see.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::web::{Request, send};

/// The signature in the trigger's URL, and the one in the Location of a run.
const TRIGGER_KEY: &str = "sig-of-the-trigger-8c1f";
const RUN_KEY: &str = "sig-of-the-run-27ab";

/// How the flow takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It responds in the answer to the request that starts it.
    AtOnce,
    /// 202 with a Location, which answers 202, too, so many times.
    Polls(usize),
    /// 202 with a Location, until it is told another pace.
    Endless,
    /// 202 without a Location: it has no Response action.
    Silent,
}

struct State {
    methods: Vec<&'static str>,
    body: Vec<u8>,
    pages: Vec<Vec<u8>>,
    pace: Pace,
    retry_after: Option<u64>,
    location: Option<String>,
    refusal: Option<(u16, Vec<String>, String)>,
    key: String,
    runs: usize,
    polls: usize,
    requests: Vec<Request>,
}

/// Stays up as long as the process.
pub struct FakeFlow {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FakeFlow {
    /// With a trigger that takes POST, and no events.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(Mutex::new(State {
            methods: vec!["POST"],
            body: b"[]".to_vec(),
            pages: Vec::new(),
            pace: Pace::AtOnce,
            retry_after: None,
            location: None,
            refusal: None,
            key: TRIGGER_KEY.to_string(),
            runs: 0,
            polls: 0,
            requests: Vec::new(),
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || answer(stream, address, &state));
            }
        });
        Self { address, state }
    }

    /// What its author copies from the trigger.
    pub fn url(&self) -> String {
        let key = self.state().key.clone();
        format!(
            "http://{}/workflows/5f2c/triggers/manual/paths/invoke?api-version=2016-06-01\
             &sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={key}",
            self.address
        )
    }

    /// Gives the trigger another signature; the old URL does not run it any more.
    pub fn rotate_key(&self) {
        self.state().key.push('2');
    }

    pub fn take_methods(&self, methods: &[&'static str]) {
        self.state().methods = methods.to_vec();
    }

    /// Responds with this from now on.
    pub fn respond(&self, body: impl Into<Vec<u8>>) {
        self.state().body = body.into();
    }

    /// Responds with these events, wrapped as `{"value": [...]}`.
    pub fn respond_with(&self, events: &[Value]) {
        self.respond(json!({ "value": events }).to_string());
    }

    /// What is at [`FakeFlow::page_url`], by number.
    pub fn set_pages(&self, pages: &[Value]) {
        self.state().pages = pages.iter().map(|page| page.to_string().into_bytes()).collect();
    }

    pub fn page_url(&self, number: usize) -> String {
        format!("http://{}/pages?skip={number}", self.address)
    }

    pub fn set_pace(&self, pace: Pace) {
        let mut state = self.state();
        state.pace = pace;
        state.polls = 0;
    }

    /// Retry-After of every 202, in seconds.
    pub fn set_retry_after(&self, seconds: u64) {
        self.state().retry_after = Some(seconds);
    }

    /// Says that the answer is elsewhere.
    pub fn set_location(&self, location: &str) {
        self.state().location = Some(location.to_string());
    }

    /// Every request from now on gets this status with these header lines, and an error of this code.
    pub fn refuse(&self, status: u16, headers: &[&str], code: &str) {
        let headers = headers.iter().map(ToString::to_string).collect();
        self.state().refusal = Some((status, headers, code.to_string()));
    }

    pub fn stop_refusing(&self) {
        self.state().refusal = None;
    }

    /// How often it was started.
    pub fn runs(&self) -> usize {
        self.state().runs
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// What must be read nowhere.
    pub fn secrets(&self) -> [&'static str; 2] {
        [TRIGGER_KEY, RUN_KEY]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the flow's state")
    }
}

fn answer(mut stream: TcpStream, address: SocketAddr, state: &Mutex<State>) -> Option<()> {
    let request = Request::read(&mut stream)?;
    let mut state = state.lock().expect("the flow's state");
    let (status, headers, body) = respond(&request, address, &mut state);
    state.requests.push(request);
    drop(state);
    send(&mut stream, &format!("{status} Status"), &headers, &body)
}

type Response = (u16, Vec<String>, Vec<u8>);

fn respond(request: &Request, address: SocketAddr, state: &mut State) -> Response {
    if let Some((status, headers, code)) = &state.refusal {
        let message = format!("The request for {} failed.", request.target);
        return (*status, headers.clone(), error(code, &message));
    }
    let path = request.target.split('?').next().unwrap_or_default();
    let has_key = |key: &str| request.target.ends_with(&format!("sig={key}"));
    if path == "/pages" {
        let number: Option<usize> = request.target.rsplit('=').next().and_then(|number| number.parse().ok());
        return json_response(number.and_then(|number| state.pages.get(number)).cloned().unwrap_or_default());
    }
    if path.ends_with("/contents") {
        return match state.pace {
            _ if !has_key(RUN_KEY) => (401, vec![], error("DirectApiAuthorizationRequired", "no key")),
            Pace::Polls(polls) if state.polls >= polls => json_response(state.body.clone()),
            Pace::AtOnce => json_response(state.body.clone()),
            _ => {
                state.polls += 1;
                still_running(address, state)
            }
        };
    }
    if !has_key(&state.key) {
        return (401, vec![], error("DirectApiAuthorizationRequired", "The signature is wrong."));
    }
    if !state.methods.contains(&request.method.as_str()) {
        let message = format!("The trigger takes no {}.", request.method);
        return (404, vec![], error("TriggerRequestMethodNotValid", &message));
    }
    state.runs += 1;
    state.polls = 0;
    match state.pace {
        Pace::AtOnce => json_response(state.body.clone()),
        Pace::Silent => (202, vec![], vec![]),
        Pace::Polls(_) | Pace::Endless => still_running(address, state),
    }
}

fn json_response(body: Vec<u8>) -> Response {
    (200, vec!["Content-Type: application/json; charset=utf-8".to_string()], body)
}

fn still_running(address: SocketAddr, state: &State) -> Response {
    let own = || format!("http://{address}/workflows/5f2c/runs/{}/contents?sig={RUN_KEY}", state.runs);
    let mut headers = vec![format!("Location: {}", state.location.clone().unwrap_or_else(own))];
    headers.extend(state.retry_after.map(|seconds| format!("Retry-After: {seconds}")));
    (202, headers, vec![])
}

fn error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error": { "code": code, "message": message } }).to_string().into_bytes()
}

/// An item of 'Get calendar view of events (V3)', an hour long, that starts so (`2030-01-02T09:00:00`, UTC).
pub fn outlook_event(id: &str, start: &str) -> Value {
    let end = format!("{}{:02}{}", &start[..11], start[11..13].parse::<u32>().expect("an hour") + 1, &start[13..]);
    json!({
        "subject": format!("Meeting {id}"),
        "start": format!("{start}.0000000"),
        "end": format!("{end}.0000000"),
        "startWithTimeZone": format!("{start}+00:00"),
        "endWithTimeZone": format!("{end}+00:00"),
        "body": "<html><body><p>Agenda</p></body></html>",
        "isHtml": true,
        "responseType": "organizer",
        "responseTime": "0001-01-01T00:00:00+00:00",
        "id": id,
        "createdDateTime": "2026-01-02T03:04:05.6789012+00:00",
        "lastModifiedDateTime": "2026-02-03T04:05:06.7890123+00:00",
        "organizer": "ada@example.com",
        "timeZone": "UTC",
        "seriesMasterId": null,
        "iCalUId": format!("040000008200E00074C5B7101A82E008-{id}"),
        "categories": [],
        "webLink": format!("https://outlook.office365.com/owa/?itemid={id}"),
        "requiredAttendees": "bob@example.com;",
        "optionalAttendees": "",
        "resourceAttendees": "",
        "location": "",
        "importance": "normal",
        "isAllDay": false,
        "recurrence": "none",
        "recurrenceEnd": null,
        "numberOfOccurences": null,
        "reminderMinutesBeforeStart": 15,
        "isReminderOn": true,
        "showAs": "busy",
        "responseRequested": true,
        "sensitivity": "normal"
    })
}
