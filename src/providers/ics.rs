//! A calendar file (RFC 5545) at a URL, asked for conditionally.

use std::time::Duration;

use calendar_sync_core::ics;
use calendar_sync_core::providers::Document;
use sha2::{Digest, Sha256};

use super::status::check_status;
use super::{Answer, Fetched, Provider, PullError, PullRequest, Validators};
use crate::http::{Address, Client, Request, Response};

/// Validators longer than this are not kept: they would be sent with every request.
const MAX_VALIDATOR: usize = 1024;

/// Any server that gives an ICS file for a GET.
pub struct Ics;

impl Provider for Ics {
    fn pull(&self, client: &Client, request: &PullRequest) -> Result<Answer, PullError> {
        let address = &request.address;
        let mut response = client.get(&Request { address: address.clone(), headers: headers(&request.validators) })?;
        // Where everything was asked for it is no answer. Else it is believed, also of servers that gave nothing to ask by.
        if response.status == 304 && !request.everything {
            return Ok(Answer::Unchanged(request.validators.clone()));
        }
        check_status(address, &response)?;
        let validators =
            Validators { etag: validator(&response, "etag"), last_modified: validator(&response, "last-modified") };
        check_body(address, &response)?;
        let body = std::mem::take(&mut response.body);
        let body_hash = hash(&body);
        if request.body_hash.as_ref() == Some(&body_hash) {
            return Ok(Answer::Unchanged(validators));
        }
        let calendar =
            ics::read(body, request.max_events).map_err(|why| PullError::NotACalendar(address.clone(), why))?;
        if !calendar.complete {
            return Err(PullError::CutOff(address.clone()));
        }
        let refresh = refresh(&calendar, &response);
        Ok(Answer::Calendar(Box::new(Fetched {
            validators,
            body_hash,
            refresh,
            document: Document::Ics(calendar),
            until: None,
            learned: None,
        })))
    }
}

/// The longest time that the calendar (REFRESH-INTERVAL, RFC 7986, 5.7, or X-PUBLISHED-TTL) or its server (max-age of
/// Cache-Control, RFC 9111, 5.2.2.1) gives.
fn refresh(calendar: &ics::Calendar, response: &Response) -> Option<Duration> {
    let of_calendar = calendar.refresh.and_then(|interval| interval.to_std().ok());
    of_calendar.max(max_age(response)).filter(|refresh| !refresh.is_zero())
}

fn max_age(response: &Response) -> Option<Duration> {
    let directives = response.header("cache-control")?.split(',').map(str::trim);
    let seconds = directives
        .filter_map(|directive| directive.split_once('='))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok()));
    seconds.flatten().map(Duration::from_secs)
}

fn headers(validators: &Validators) -> Vec<(&'static str, String)> {
    let mut headers = vec![("accept", "text/calendar, */*;q=0.5".to_owned())];
    headers.extend(validators.etag.clone().map(|etag| ("if-none-match", etag)));
    headers.extend(validators.last_modified.clone().map(|time| ("if-modified-since", time)));
    headers
}

fn validator(response: &Response, name: &str) -> Option<String> {
    response.header(name).filter(|value| value.len() <= MAX_VALIDATOR).map(str::to_owned)
}

/// A web page is a login form or an error that came with status 200. A calendar under a wrong type is taken.
fn check_body(address: &Address, response: &Response) -> Result<(), PullError> {
    let body = response.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&response.body).trim_ascii_start();
    let begins = |what: &[u8]| body.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what));
    if body.is_empty() {
        return Err(PullError::Empty(address.clone()));
    }
    let says_page = response.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    if (says_page && !begins(b"BEGIN:")) || begins(b"<!DOCTYPE") || begins(b"<html") {
        return Err(PullError::WebPage(address.clone()));
    }
    Ok(())
}

/// Hash of a calendar without what many servers change at every fetch: when it was written, and by what.
fn hash(body: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| matches!(byte, b':' | b';')).next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"DTSTAMP") && !name.eq_ignore_ascii_case(b"PRODID") {
            hash.update(line);
        }
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::response;
    use super::*;

    #[test]
    fn the_hash_ignores_when_and_by_what_a_calendar_was_written_and_nothing_else() {
        let one = hash(b"BEGIN:VCALENDAR\r\nPRODID:a\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:x\r\n");
        assert_eq!(one, hash(b"BEGIN:VCALENDAR\r\nPRODID:b\r\nDTSTAMP;X=1:20260102T000000Z\r\nSUMMARY:x\r\n"));
        assert_ne!(one, hash(b"BEGIN:VCALENDAR\r\nPRODID:a\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:y\r\n"));
    }

    #[test]
    fn web_pages_and_nothing_are_no_calendars() {
        let address = Address::parse("https://example.com/a").unwrap();
        let check = |kind, body| check_body(&address, &response(200, &[("content-type", kind)], body));
        assert!(matches!(check("text/calendar", " \r\n"), Err(PullError::Empty(_))));
        assert!(matches!(check("text/html; charset=utf-8", "please log in"), Err(PullError::WebPage(_))));
        assert!(matches!(check("text/calendar", "<!doctype html><p>"), Err(PullError::WebPage(_))));
        assert!(check("text/html", "BEGIN:VCALENDAR\r\n").is_ok());
        assert!(check("text/plain", "\u{feff}BEGIN:VCALENDAR\r\n").is_ok());
    }

    #[test]
    fn the_longest_pause_that_a_calendar_or_its_server_asks_for_counts() {
        let asked = |property: &str, header: &'static str| {
            let text = format!("BEGIN:VCALENDAR\r\n{property}\r\nEND:VCALENDAR\r\n").into_bytes();
            refresh(&ics::read(text, 1).unwrap(), &response(200, &[("cache-control", header)], ""))
        };
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!(asked("REFRESH-INTERVAL;VALUE=DURATION:PT4H", "private, max-age=3600"), hours(4));
        assert_eq!(asked("X-PUBLISHED-TTL:PT1H", "Max-Age=\"7200\", public"), hours(2));
        assert_eq!(asked("X-PUBLISHED-TTL:P1W", "no-store"), hours(7 * 24));
        for senseless in
            ["REFRESH-INTERVAL:-PT1H", "REFRESH-INTERVAL:PT0S", "X-PUBLISHED-TTL:P10000Y", "X-PUBLISHED-TTL:"]
        {
            assert_eq!(asked(senseless, "max-age=0"), None, "{senseless}");
        }
        assert_eq!(asked("", "s-maxage=60, max-age=99999999999"), Some(Duration::from_secs(99_999_999_999)));
    }
}
