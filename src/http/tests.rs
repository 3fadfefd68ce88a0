//! The client against servers that say what they like, byte for byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::address::Address;
use super::client::{Client, Manner, Options, Payload, Request};
use super::error::HttpError;
use super::guard::Policy;
use super::names::{Addresses, NAMES, Names};

fn options() -> Options {
    Options {
        policy: Policy { allow_private: true, ..Policy::default() },
        timeout: Duration::from_secs(20),
        max_bytes: 100_000,
        user_agent: "test".into(),
        ca_file: None,
        proxy: None,
        names_good_for: Duration::ZERO,
    }
}

fn client(change: impl FnOnce(&mut Options), names: &'static Names) -> Client {
    let mut options = options();
    change(&mut options);
    Client::new(options, names).unwrap()
}

/// Gives one connection after the other what `answer` makes of its number, and passes on what was asked.
fn server(address: Ipv4Addr, answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (SocketAddr, Receiver<String>) {
    serve(TcpListener::bind((address, 0)).unwrap(), answer)
}

fn serve(listener: TcpListener, answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (SocketAddr, Receiver<String>) {
    let at = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let Some(request) = read_head(&stream) else { continue };
            let _ = sender.send(request);
            let _ = (&stream).write_all(&answer(number));
        }
    });
    (at, requests)
}

fn read_head(mut stream: &TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok().map(|head| head.to_ascii_lowercase())
}

fn get(client: &Client, url: &str, headers: &[(&'static str, &str)]) -> Result<String, HttpError> {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let response = client.get(&Request { address: Address::parse(url).unwrap(), headers })?;
    Ok(format!("{} {}", response.status, String::from_utf8_lossy(&response.body)))
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", head.as_bytes(), b"\r\n", body].concat()
}

/// What the client makes of these bytes.
fn told(bytes: Vec<u8>) -> Result<String, HttpError> {
    let (at, _requests) = server(Ipv4Addr::LOCALHOST, move |_| bytes.clone());
    get(&client(|_| (), &NAMES), &format!("http://{at}/private/path?token=1"), &[])
}

fn gzip(layers: usize, plain: &[u8]) -> Vec<u8> {
    (0..layers).fold(plain.to_vec(), |bytes, _| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap()
    })
}

#[test]
fn answers_of_every_lawful_form_are_read() {
    for (head, body) in [
        ("Content-Length: 5\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n", "2;ext=\"a;b\";other\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"),
        ("", "hello"),
        ("Content-Length: 5\r\n", "hello and more that nobody announced"),
    ] {
        assert_eq!(told(answer(head, body.as_bytes())).unwrap(), "200 hello", "{head:?}");
    }
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(50);
    let hinted = [hints.as_bytes(), &answer("Content-Length: 5\r\n", b"hello")].concat();
    assert_eq!(told(hinted).unwrap(), "200 hello");
    let zipped = gzip(1, b"hello");
    assert_eq!(told(answer("Content-Encoding: gzip\r\n", &zipped)).unwrap(), "200 hello");
}

#[test]
fn one_connection_serves_one_request_after_the_other() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // It takes one connection, and no other.
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let asked = (0..3).map_while(|_| read_head(&stream));
        asked.map(|_| (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap()).count()
    });
    let client = client(|_| (), &NAMES);
    for _ in 0..3 {
        assert_eq!(get(&client, &url, &[]).unwrap(), "200 hello");
    }
    assert_eq!(server.join().unwrap(), 3);
}

#[test]
fn answers_that_break_the_rules_are_errors_that_show_no_path() {
    let many = (0..5_000).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no status", b"hello, this is no HTTP\r\n\r\n".to_vec()),
        ("another protocol", b"220 mail.example.com ESMTP\r\n".to_vec()),
        ("a status without end", [b"HTTP/1.1 200 ".as_slice(), &[b'x'; 200_000]].concat()),
        ("a status beyond all", b"HTTP/1.1 99999 OK\r\n\r\n".to_vec()),
        ("many headers", answer(&many, b"")),
        ("a long header", answer(&format!("X: {}\r\n", "y".repeat(200_000)), b"")),
        ("a header of control characters", answer("X\0Y: \u{1}\r\n", b"")),
        ("two lengths", answer("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
        ("a length below zero", answer("Content-Length: -5\r\n", b"hello")),
        ("more announced than sent", answer("Content-Length: 50\r\n", b"hello")),
        ("a chunk that breaks off", answer("Transfer-Encoding: chunked\r\n", b"ff\r\nhello")),
        ("chunks that break off", answer("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n")),
        ("a chunk of nonsense", answer("Transfer-Encoding: chunked\r\n", b"zz\r\nhello\r\n0\r\n\r\n")),
        ("a chunk larger than memory", answer("Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\nhello\r\n")),
        ("compressed nonsense", answer("Content-Encoding: gzip\r\n", b"hello")),
        ("compression that breaks off", answer("Content-Encoding: gzip\r\n", &gzip(1, &[b'x'; 50_000])[..40])),
        ("nothing", Vec::new()),
    ];
    for (name, bytes) in cases {
        let error = told(bytes).expect_err(name).to_string();
        assert!(error.starts_with("http://127.0.0.1:"), "{name}: {error}");
        assert!(!error.contains("private") && !error.contains("token") && error.len() < 300, "{name}: {error}");
    }
}

#[test]
fn a_body_is_measured_as_it_is_when_unpacked_and_layers_are_not_unpacked() {
    let bomb = gzip(1, &vec![b'x'; 50_000_000]);
    assert!(bomb.len() < 100_000);
    assert!(matches!(told(answer("Content-Encoding: gzip\r\n", &bomb)), Err(HttpError::TooLarge(_, 100_000))));
    // Many small members, one after the other.
    let members = gzip(1, &[b'x'; 60_000]).repeat(20);
    assert!(matches!(told(answer("Content-Encoding: gzip\r\n", &members)), Err(HttpError::TooLarge(..))));
    let layered = gzip(3, &vec![b'x'; 5_000_000]);
    for encoding in ["gzip, gzip, gzip", "br", "deflate", "zstd"] {
        let body = told(answer(&format!("Content-Encoding: {encoding}\r\n"), &layered));
        assert!(body.is_err() || body.is_ok_and(|body| body.len() < 100_000), "{encoding}");
    }
    // 100,000 bytes are no more than 100,000 bytes.
    assert!(told(answer("", &vec![b'x'; 100_000])).is_ok());
    assert!(matches!(told(answer("", &vec![b'x'; 100_001])), Err(HttpError::TooLarge(..))));
}

/// Good, as long as it is asked once.
fn changes_its_mind(_: &str) -> Addresses {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let last = if ASKED.fetch_add(1, Ordering::Relaxed) == 0 { 2 } else { 1 };
    vec![Ipv4Addr::new(127, 0, 0, last).into()]
}

#[test]
fn a_name_that_answers_differently_the_second_time_gains_nothing() {
    let (outside, asked_outside) = server(Ipv4Addr::new(127, 0, 0, 2), |_| answer("", b"outside"));
    let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, outside.port())).unwrap();
    let (_, asked_inside) = serve(inside, |_| answer("", b"inside"));
    static NAMES: Names = Names::new(changes_its_mind);
    let client = client(|options| options.policy.deny_hosts = Policy::hosts("127.0.0.1"), &NAMES);
    let url = format!("http://rebinding.example:{}/", outside.port());
    assert_eq!(get(&client, &url, &[]).unwrap(), "200 outside");
    assert!(asked_outside.recv().unwrap().contains(&format!("host: rebinding.example:{}", outside.port())));
    assert!(matches!(get(&client, &url, &[]), Err(HttpError::Refused(..))));
    assert!(asked_inside.try_recv().is_err());
}

fn never_answers(_: &str) -> Addresses {
    thread::sleep(Duration::from_secs(3600));
    Vec::new()
}

#[test]
fn a_name_server_that_does_not_answer_is_waited_for_no_longer_than_a_request_may_take() {
    static NAMES: Names = Names::new(never_answers);
    let client = client(|options| options.timeout = Duration::from_millis(200), &NAMES);
    assert!(matches!(get(&client, "http://slow.example/", &[]), Err(HttpError::Timeout(_, "resolving its name"))));
}

#[test]
fn what_belongs_to_a_host_does_not_follow_to_another_and_comes_back_on_the_same() {
    let (other, asked_other) =
        server(Ipv4Addr::new(127, 0, 0, 2), |_| answer("ETag: \"theirs\"\r\nLast-Modified: x\r\n", b"a"));
    let (first, asked_first) = server(Ipv4Addr::LOCALHOST, move |number| match number {
        0 => b"HTTP/1.1 302 Found\r\nConnection: close\r\nSet-Cookie: c=1\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
            .to_vec(),
        _ => format!("HTTP/1.1 307 Go\r\nConnection: close\r\nSet-Cookie: c=2\r\nLocation: http://{other}/c\r\n\r\n")
            .into(),
    });
    let address = Address::parse(&format!("http://ada:pass@{first}/a")).unwrap();
    let headers = vec![
        ("accept", "text/calendar".to_owned()),
        ("if-none-match", "\"mine\"".to_owned()),
        ("if-modified-since", "then".to_owned()),
    ];
    let response = client(|_| (), &NAMES).get(&Request { address, headers }).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!((response.header("etag"), response.header("last-modified")), (None, None));
    for _ in 0..2 {
        let request = asked_first.recv().unwrap();
        for header in
            ["authorization: basic", "if-none-match: \"mine\"", "if-modified-since: then", "accept: text/calendar"]
        {
            assert!(request.contains(header), "{header}: {request}");
        }
        assert!(!request.contains("cookie") && !request.contains("referer"), "{request}");
    }
    let request = asked_other.recv().unwrap();
    assert!(request.contains("accept: text/calendar"), "{request}");
    for header in ["authorization", "if-none-match", "if-modified-since", "cookie", "referer"] {
        assert!(!request.contains(header), "{header}: {request}");
    }
}

#[test]
fn neither_a_token_nor_a_form_follows_to_another_port_of_the_host() {
    let (other, asked_other) = server(Ipv4Addr::LOCALHOST, |_| answer("", b"a"));
    let (first, _asked) = server(Ipv4Addr::LOCALHOST, move |_| {
        format!("HTTP/1.1 307 Go\r\nConnection: close\r\nLocation: http://{other}/c\r\n\r\n").into()
    });
    let request = Request {
        address: Address::parse(&format!("http://{first}/token")).unwrap(),
        headers: vec![("authorization", "Bearer token".to_owned())],
    };
    let client = client(|_| (), &NAMES);
    let form = Manner { body: Some(Payload::Form("client_secret=secret")), ..Manner::default() };
    assert!(matches!(client.exchange(&request, &form), Err(HttpError::RedirectedWrite(_))));
    assert!(asked_other.try_recv().is_err(), "a form is sent on");
    assert_eq!(client.get(&request).unwrap().status, 200);
    let asked = asked_other.recv().unwrap();
    assert!(!asked.contains("authorization"), "{asked}");
}

#[test]
fn redirects_lead_neither_from_https_to_http_nor_to_what_is_no_web_address() {
    for (location, said) in [
        ("file:///etc/passwd", "its scheme is none of http"),
        ("gopher://127.0.0.1:6379/_x", "its scheme is none of http"),
        ("http://", "it is not a URL"),
        ("http://[::1", "it is not a URL"),
        ("http://240.0.0.1:9/", "http_deny_hosts names it"),
    ] {
        let bytes = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
        let (at, _requests) = server(Ipv4Addr::LOCALHOST, move |_| bytes.clone().into());
        let client = client(|options| options.policy.deny_hosts = Policy::hosts("240.0.0.1"), &NAMES);
        let error = get(&client, &format!("http://{at}/"), &[]).expect_err(location).to_string();
        assert!(error.contains(said), "{location}: {error}");
    }
    let https = Address::parse("https://example.com/a").unwrap();
    assert!(!https.redirect("http://example.com/a").unwrap().is_https());
    // Without a Location there is nothing to follow.
    assert_eq!(told(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec()).unwrap(), "302 ");
}

#[test]
fn every_address_is_one_that_the_client_understands_in_the_same_way() {
    for text in [
        "https://example.com/a b|c^d`e{f}g\\h\"i<j>k",
        "https://example.com/?q=a b|c^d`e{f}g\\h\"i<j>k'[]",
        "https://example.com/%zz/%00/\u{e4}\u{1f600}?\u{fc}#x",
        "https://M\u{fc}nchen.example:443",
        "http://user:p%40ss@example.com:8080//../a/./b",
        "https://example.com\\@evil.example/",
        "https://evil.example#@example.com/",
        "https://[2606:4700::1111]:8443/",
        "http://0x7f.1/",
    ] {
        let address = Address::parse(text).unwrap();
        let uri: ureq::http::Uri = address.secret().parse().unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(uri.host(), Some(address.host()), "{text}");
    }
}
