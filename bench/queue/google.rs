//! Google's API as far as sending needs it, answered as cheaply as can be: a thread for each connection, kept alive, and no
//! JSON is read. What is measured against it should be the client.
//!
//! Usage: google        prints its port on a line, then serves until it is ended
//!
//! Everybody has one calendar, named `calendar`, in which nothing ever changes. What is created there is told back with
//! what Google adds; what is changed, as it was with the changes after it (of a key that is there twice the last counts).
//! `/requests` says how many creates and changes there were, and how many polls.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

static WRITES: AtomicU64 = AtomicU64::new(0);
static POLLS: AtomicU64 = AtomicU64::new(0);
/// The members of each event's object, by its id.
static EVENTS: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

const ADDED: &str = r#""kind":"calendar#event","status":"confirmed","created":"2025-01-01T00:00:00.000Z","updated":"2025-01-01T00:00:00.000Z","iCalUID":"bench@google.com","organizer":{"email":"calendar","self":true},"sequence":0,"reminders":{"useDefault":true},"eventType":"default""#;
const CALENDARS: &str = r#"{"kind":"calendar#calendarList","items":[{"id":"calendar","summary":"Calendar","timeZone":"UTC","accessRole":"owner","primary":true}]}"#;
const NO_NEWS: &str = r#"{"kind":"calendar#events","summary":"Calendar","timeZone":"UTC","accessRole":"owner","items":[],"nextSyncToken":"token"}"#;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming().flatten() {
        // A client that goes away is the client's business.
        let serve = move || drop(serve(stream));
        let _ = thread::Builder::new().stack_size(128 * 1024).spawn(serve);
    }
    Ok(())
}

fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let (method, target) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut length = 0;
        while line.len() > 2 {
            line.clear();
            reader.read_line(&mut line)?;
            if line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case("content-length:")) {
                length = line[15..].trim().parse().unwrap_or_default();
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        let answer = answer(&method, &target, &String::from_utf8_lossy(&body));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        reader.get_mut().write_all((head + &answer).as_bytes())?;
    }
}

fn answer(method: &str, target: &str, body: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    match method {
        "POST" => write(between(body, "\"id\":", "\"").unwrap_or_default(), body),
        "PATCH" => write(path.rsplit('/').next().unwrap_or_default(), body),
        _ if path.ends_with("/calendarList") => CALENDARS.to_owned(),
        _ if path.ends_with("/events") => {
            POLLS.fetch_add(1, Relaxed);
            NO_NEWS.to_owned()
        }
        _ => format!("[{}, {}]", WRITES.load(Relaxed), POLLS.load(Relaxed)),
    }
}

/// Adds the members of the object `body` to the event.
fn write(id: &str, body: &str) -> String {
    let number = WRITES.fetch_add(1, Relaxed);
    let members = body.trim().trim_start_matches('{').strip_suffix('}').unwrap_or_default();
    let mut events = EVENTS.lock().unwrap();
    let event = events.get_or_insert_default().entry(id.to_owned()).or_default();
    if !event.is_empty() {
        event.push(',');
    }
    event.push_str(members);
    format!("{{{ADDED},\"etag\":\"\\\"{number}\\\"\",{event}}}")
}

/// What stands between `quote`s after `start`, whether or not there is a blank.
fn between<'t>(text: &'t str, start: &str, quote: &str) -> Option<&'t str> {
    let rest = &text[text.find(start)? + start.len()..];
    rest.trim_start().strip_prefix(quote)?.split(quote).next()
}
