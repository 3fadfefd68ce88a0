//! What providers send to whoever wants to be told of changes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

/// Posts to an `http:` address: the status and the body of the answer. `None` where nobody answers.
pub fn post(address: &str, headers: &[String], body: &[u8]) -> Option<(u16, String)> {
    let url = Url::parse(address).ok().filter(|url| url.scheme() == "http")?;
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut stream = TcpStream::connect(url.socket_addrs(|| None).ok()?.first()?).ok()?;
    // A front end that is stuck must not hold up the deliveries to others for ever.
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = format!("POST {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[request.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
