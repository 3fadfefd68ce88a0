//! A provider whose answers are bombs, never end or are nested without end, wherever it is asked: for events, to take one, for
//! new tokens. The calendar says what is wrong, memory stays as it is, and other calendars go on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};

use calendar_sync_e2e::{ADA, Cluster, FakeWeb, ONE_EVENT, count, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use postgres::Client;
use serde_json::{Value, json};

/// What a bomb unpacks to.
const MEGABYTES: usize = 200;
/// Megabytes that a session may need more than before; what an answer may be at most is two.
const ROOM: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Pull,
    Push,
    Token,
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Bomb,
    Endless,
    /// Nested 100,000 deep, as a whole or within what is asked for.
    Deep,
    DeepWithin,
}

/// One provider, hostile where it is told to be.
struct Provider {
    name: &'static str,
    base: String,
    harm: Arc<Mutex<Option<(Spot, Harm)>>>,
}

impl Provider {
    fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let harm = Arc::new(Mutex::new(None));
        let (at, told) = (base.clone(), harm.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (at, told) = (at.clone(), told.clone());
                std::thread::spawn(move || talk(name, &at, &stream, &told));
            }
        });
        Self { name, base, harm }
    }

    fn does(&self, harm: Option<(Spot, Harm)>) {
        *self.harm.lock().expect("the harm") = harm;
    }

    fn connect(&self, client: &mut Client) {
        let options = json!({ "api_url": format!("{}/v1", self.base), "token_url": format!("{}/token", self.base) });
        let register = "select calendar_oauth_register($1, 'client', 'secret', $2)";
        client.execute(register, &[&self.name, &options]).expect("register");
        let connect = "
            insert into calendar_connections
                (user_id, name, provider, account_id, external_calendar_id, direction, next_poll_at)
            select $1, $2, $2, calendar_account_add($1, $2, 'access', 'refresh', now() + interval '1 hour', $1), 'work',
                'both', now()";
        client.execute(connect, &[&ADA, &self.name]).expect("connect");
    }

    fn sync(&self, client: &mut Client) -> (String, String) {
        let sync = "select status, coalesce(error, '') from calendar_sync_now($1, name => $2)";
        let row = client.query_one(sync, &[&ADA, &self.name]).expect("a row");
        (row.get(0), row.get(1))
    }
}

/// One request; nobody waits for what a reader has had enough of.
fn talk(provider: &str, base: &str, stream: &TcpStream, harm: &Mutex<Option<(Spot, Harm)>>) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).expect("a request");
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        match header.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().expect("a length"),
            Some(_) => {}
            None => break,
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).expect("its body");
    let spot = match path.split('?').next().unwrap_or_default() {
        "/token" => Spot::Token,
        // An earlier try is looked for.
        path if path.contains("/events/") || method == "POST" && !path.ends_with("/query") => Spot::Push,
        path if ["/events", "/delta", "/query"].iter().any(|end| path.ends_with(end)) => Spot::Pull,
        _ => return send(stream, "", good(provider, base, &path).to_string().as_bytes()),
    };
    match harm.lock().expect("the harm").filter(|(at, _)| *at == spot) {
        None if spot == Spot::Token => {
            send(stream, "", json!({ "access_token": "new", "expires_in": 3600 }).to_string().as_bytes());
        }
        None => send(stream, "", good(provider, base, &path).to_string().as_bytes()),
        Some((_, harm)) => do_harm(stream, spot, harm),
    }
}

fn good(provider: &str, base: &str, path: &str) -> Value {
    match provider {
        "google" => json!({ "id": "made", "etag": "1", "items": [], "nextSyncToken": "1", "timeZone": "UTC" }),
        "microsoft" => json!({ "id": "made", "name": "Work", "value": [],
            "@odata.deltaLink": format!("{base}/v1/me/calendarView/delta?$deltatoken=1") }),
        _ if path.ends_with("/query") => json!({ "object": "list", "results": [], "has_more": false }),
        _ => json!({ "object": "data_source", "id": "work", "title": [{ "plain_text": "Work" }],
            "properties": { "Name": { "id": "title", "name": "Name", "type": "title" },
                            "When": { "id": "when", "name": "When", "type": "date" } } }),
    }
}

fn send(mut stream: &TcpStream, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn do_harm(mut stream: &TcpStream, spot: Spot, harm: Harm) {
    let deep = || format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    match harm {
        Harm::Bomb => {
            static BOMB: LazyLock<Vec<u8>> = LazyLock::new(bomb);
            send(stream, "Content-Encoding: gzip\r\n", &BOMB);
        }
        Harm::Endless => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            let mut sent = stream.write_all(head.as_bytes());
            while sent.is_ok() {
                sent = stream.write_all(chunk.as_bytes());
            }
        }
        Harm::Deep => send(stream, "", deep().as_bytes()),
        Harm::DeepWithin => {
            let name = if spot == Spot::Token { "access_token" } else { "id" };
            send(stream, "", format!(r#"{{"{name}":{deep},"items":{deep},"value":{deep}}}"#, deep = deep()).as_bytes());
        }
    }
}

fn bomb() -> Vec<u8> {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let megabyte = vec![b' '; 1 << 20];
    (0..MEGABYTES).for_each(|_| bomb.write_all(&megabyte).expect("a bomb"));
    bomb.finish().expect("a bomb")
}

/// The most that this session's process has ever had, in megabytes.
fn most(client: &mut Client) -> i64 {
    let status = text(client, "select pg_read_file('/proc/' || pg_backend_pid() || '/status')");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("what it has had");
    line.trim().trim_end_matches(" kB").parse::<i64>().expect("a number") / 1024
}

#[test]
fn answers_that_are_made_to_harm_end_at_a_limit_wherever_they_are_given() {
    let cluster = Cluster::start_with(&[
        ("calendar_sync.worker", "off"),
        ("calendar_sync.manual_sync_limit", "1000"),
        ("calendar_sync.http_max_bytes", "2MB"),
    ]);
    let mut client = cluster.create_database("crm");
    let web = FakeWeb::start();
    web.serve("/team.ics", ONE_EVENT);
    let providers = ["google", "microsoft", "notion"].map(Provider::start);
    providers.iter().for_each(|provider| provider.connect(&mut client));
    client
        .execute("select calendar_subscribe($1, $2, name => 'team')", &[&ADA, &web.url("/team.ics")])
        .expect("a feed");
    for provider in &providers {
        assert_eq!(provider.sync(&mut client), ("success".to_owned(), String::new()), "{}", provider.name);
    }
    let upsert =
        "select calendar_upsert_event($1, 'crm', '1', '{\"title\": \"Visit\", \"start\": \"2030-01-15T09:00:00Z\"}')";
    client.execute(upsert, &[&ADA]).expect("an event to be sent");
    let before = most(&mut client);
    for spot in [Spot::Pull, Spot::Push, Spot::Token] {
        for harm in [Harm::Bomb, Harm::Endless, Harm::Deep, Harm::DeepWithin] {
            providers.iter().for_each(|provider| provider.does(Some((spot, harm))));
            let due = "update calendar_sync_queue set scheduled_for = now(), retry_count = 0, last_error = null
                       where status = 'pending'";
            client.batch_execute(due).expect("due");
            if spot == Spot::Token {
                let over = "update calendar_accounts
                            set token_expires_at = now() - interval '1 hour', refresh_not_before = null";
                client.batch_execute(over).expect("tokens are over");
            }
            assert_harmless(&mut client, spot, harm);
        }
    }
    let more = most(&mut client) - before;
    println!("a session needed {more} MB more than before");
    assert!(more < ROOM, "{more} MB");
    assert_eq!(count(&mut client, "select count(*) from calendar_sync_queue where status = 'pending'"), 3);

    providers.iter().for_each(|provider| provider.does(None));
    client.batch_execute("update calendar_accounts set refresh_not_before = null").expect("now");
    for provider in &providers {
        assert_eq!(provider.sync(&mut client), ("success".to_owned(), String::new()), "{}", provider.name);
    }
}

/// Each of the three says what is wrong, be it of the calendar or of what was to be sent there, and the feed is read.
fn assert_harmless(client: &mut Client, spot: Spot, harm: Harm) {
    let sync = "select name, status, coalesce(error, '') from calendar_sync_now($1)";
    let rows = client.query(sync, &[&ADA]).unwrap_or_else(|error| panic!("{spot:?} {harm:?}: {error:?}"));
    assert_eq!(rows.len(), 4);
    for row in rows {
        let (name, status, mut error): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        if status == "success" && name != "team" {
            assert_eq!(spot, Spot::Push, "{harm:?} {name}");
            let of_queue = format!(
                "select q.last_error from calendar_sync_queue q join calendar_connections using (connection_id)
                 where name = '{name}' and q.status = 'pending'"
            );
            error = text(client, &of_queue);
        }
        assert!(
            error.len() < 400 && error.is_empty() == (name == "team"),
            "{spot:?} {harm:?} {name}: {status} {error}"
        );
    }
}
