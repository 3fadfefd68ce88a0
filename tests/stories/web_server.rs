//! The fake web server does what the stories count on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use calendar_sync_e2e::{FakeWeb, Fault};

fn get(url: &str, further_header: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stream = TcpStream::connect(host).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n{further_header}\r\n").expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in UTF-8");
    answer
}

#[test]
fn it_answers_304_to_the_etag_that_it_gave_and_200_once_the_page_has_changed() {
    let web = FakeWeb::start();
    web.serve("/a.ics", "one");
    let first = get(&web.url("/a.ics?token=1"), "");
    assert!(first.starts_with("HTTP/1.1 200") && first.ends_with("\r\n\r\none"), "{first}");
    let etag = first.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("an ETag");
    let header = format!("If-None-Match: {etag}\r\n");
    assert!(get(&web.url("/a.ics"), &header).starts_with("HTTP/1.1 304"));
    web.serve("/a.ics", "two");
    assert!(get(&web.url("/a.ics"), &header).ends_with("\r\n\r\ntwo"));
    assert_eq!(web.requests("/a.ics").len(), 3);
    assert_eq!(web.not_modified("/a.ics"), 1);
    assert_eq!(web.requests("/a.ics")[0].target, "/a.ics?token=1");
}

#[test]
fn it_misbehaves_as_told_until_told_otherwise() {
    let web = FakeWeb::start();
    web.serve("/a.ics", "0123456789");
    web.set_fault("/a.ics", Fault::Status(503, vec!["Retry-After: 60".to_string()]));
    assert!(get(&web.url("/a.ics"), "").contains("Retry-After: 60"));
    web.set_fault("/a.ics", Fault::Truncate(4));
    assert!(get(&web.url("/a.ics"), "").ends_with("Content-Type: text/calendar; charset=utf-8\r\n\r\n0123"));
    web.set_fault("/a.ics", Fault::Html);
    assert!(get(&web.url("/a.ics"), "").contains("<!doctype html>"));
    web.set_fault("/a.ics", Fault::Hold);
    let url = web.url("/a.ics");
    let held = std::thread::spawn(move || get(&url, ""));
    calendar_sync_e2e::eventually("the request is there", || web.requests("/a.ics").len() == 4);
    assert!(!held.is_finished());
    web.set_fault("/a.ics", None);
    assert!(held.join().expect("the request").ends_with("0123456789"));
    web.remove("/a.ics");
    assert!(get(&web.url("/a.ics"), "").starts_with("HTTP/1.1 404"));
}
