//! Calendars at as many addresses as asked for, answered as cheaply as can be: a thread for each connection, kept alive.
//! What is measured against it should be the client.
//!
//! Usage: feeds <ports>        prints each port on a line, then serves until it is ended
//!
//! `/feed/<n>` is a calendar of one event, 304 to whoever has it; `/stall/<n>` never answers; `/change/<n>` gives feed n
//! another version; `/told/<n>` says when the present version was first handed out, in microseconds since 1970;
//! `/requests` says how many requests for feeds there were.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

const FEEDS: usize = 100_000;

struct Feed {
    version: AtomicU64,
    told: AtomicU64,
}

static ALL: [Feed; FEEDS] = [const { Feed { version: AtomicU64::new(1), told: AtomicU64::new(0) } }; FEEDS];
static REQUESTS: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let ports: usize = std::env::args().nth(1).and_then(|ports| ports.parse().ok()).unwrap_or(1);
    let listeners: Vec<_> = (0..ports).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    for listener in &listeners {
        println!("{}", listener.local_addr()?.port());
    }
    let servers: Vec<_> = listeners.into_iter().map(|listener| thread::spawn(move || accept(&listener))).collect();
    servers.into_iter().for_each(|server| drop(server.join()));
    Ok(())
}

fn accept(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        // A client that goes away is the client's business.
        let serve = move || drop(serve(&stream));
        let _ = thread::Builder::new().stack_size(128 * 1024).spawn(serve);
    }
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut answer) = (String::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut known = None;
        while line.len() > 2 {
            line.clear();
            reader.read_line(&mut line)?;
            if line.get(..14).is_some_and(|name| name.eq_ignore_ascii_case("if-none-match:")) {
                known = line[14..].trim().trim_matches('"').parse().ok();
            }
        }
        let (what, number) = target[1..].split_once('/').unwrap_or((&target[1..], "0"));
        let number = number.parse::<usize>().unwrap_or_default() % FEEDS;
        answer.clear();
        match what {
            "feed" => tell(&mut answer, number, known),
            "change" => ok(&mut answer, "", &(ALL[number].version.fetch_add(1, Relaxed) + 1).to_string()),
            "told" => ok(&mut answer, "", &ALL[number].told.load(Relaxed).to_string()),
            "requests" => ok(&mut answer, "", &REQUESTS.load(Relaxed).to_string()),
            // Until the client has had enough.
            _ => return reader.read_to_end(&mut Vec::new()).map(drop),
        }
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}

fn tell(answer: &mut String, number: usize, known: Option<u64>) {
    REQUESTS.fetch_add(1, Relaxed);
    let feed = &ALL[number];
    let version = feed.version.load(Relaxed);
    if known == Some(version) {
        answer.push_str(&format!("HTTP/1.1 304 Not Modified\r\nETag: \"{version}\"\r\n\r\n"));
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    feed.told.store(now.as_micros() as u64, Relaxed);
    let calendar = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//feeds//EN\r\nBEGIN:VEVENT\r\nUID:{number}@feeds\r\n\
         DTSTAMP:20250101T000000Z\r\nDTSTART:20990101T090000Z\r\nDTEND:20990101T100000Z\r\n\
         SUMMARY:Feed {number} version {version}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    ok(answer, &format!("ETag: \"{version}\"\r\nContent-Type: text/calendar\r\n"), &calendar);
}

fn ok(answer: &mut String, headers: &str, body: &str) {
    answer.push_str(&format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()));
}
