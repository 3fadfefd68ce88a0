//! Where in an answer its events stand: flows' authors wrap them as they like.

use std::ops::Range;

use encoding_rs::UTF_8;

use super::fields::{Field, Fields};
use crate::providers::json;

/// Wrappings that are taken off, strings of JSON among them.
const MAX_WRAPPINGS: usize = 8;
/// Longest code of an error that is passed on.
const MAX_CODE: usize = 60;

/// Why an answer is no list of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the answer is empty: the Response action has no body")]
    Empty,
    #[error("the answer is not JSON, or is cut off")]
    NotJson,
    #[error("the answer holds no list of events")]
    NoEvents,
    #[error("the flow answers with an error{}", .0.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    /// With its code, if that is a plain word.
    Failed(Option<String>),
    #[error("there are more than {0} events")]
    TooMany(usize),
}

/// The events of an answer.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub text: String,
    /// Where each event stands in `text`.
    pub events: Vec<Range<usize>>,
    /// It is one event and no list.
    pub single: bool,
    pub around: Around,
}

/// What is said around the events.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// Where the next page is.
    pub next_link: Option<String>,
    /// How many events there are, on all pages.
    pub count: Option<u64>,
}

/// What is under one wrapping.
enum Step {
    Events { events: Vec<Range<usize>>, single: bool },
    Within(Range<usize>),
    Text(String),
}

/// Takes the wrapping off.
pub(super) fn unwrap(body: &[u8], max_events: usize) -> Result<Shape, ReadError> {
    // With a byte order mark in UTF-16, too; what is broken becomes U+FFFD.
    let mut text = UTF_8.decode(body).0.into_owned();
    if text.trim_ascii().is_empty() {
        return Err(ReadError::Empty);
    }
    let mut within = place(&text, json::whole(&text).ok_or(ReadError::NotJson)?);
    let mut around = Around::default();
    for _ in 0..MAX_WRAPPINGS {
        match step(&text, within, max_events, &mut around)? {
            Step::Events { events, single } => return Ok(Shape { text, events, single, around }),
            Step::Within(inner) => within = inner,
            Step::Text(inner) => {
                within = place(&inner, json::whole(&inner).ok_or(ReadError::NotJson)?);
                text = inner;
            }
        }
    }
    Err(ReadError::NoEvents)
}

fn step(text: &str, within: Range<usize>, max_events: usize, around: &mut Around) -> Result<Step, ReadError> {
    let value = &text[within.clone()];
    if let Some(elements) = json::elements(value) {
        let events: Vec<_> = elements.take(max_events.saturating_add(1)).map(|event| place(text, event)).collect();
        if events.len() > max_events {
            return Err(ReadError::TooMany(max_events));
        }
        let has_events = events.is_empty() || events.iter().any(|event| text[event.clone()].starts_with('{'));
        return if has_events { Ok(Step::Events { events, single: false }) } else { Err(ReadError::NoEvents) };
    }
    if let Some(inner) = json::string(value) {
        return Ok(Step::Text(inner));
    }
    let wrapping = Wrapping::read(value).ok_or(ReadError::NoEvents)?;
    around.next_link = around.next_link.take().or(wrapping.next_link);
    around.count = around.count.or(wrapping.count);
    match (wrapping.inner, wrapping.error) {
        (Some(inner), _) => Ok(Step::Within(place(text, inner))),
        (None, _) if wrapping.is_event => Ok(Step::Events { events: vec![within], single: true }),
        (None, Some(code)) => Err(ReadError::Failed(code)),
        (None, None) => Err(ReadError::NoEvents),
    }
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// What an object says if it is not an event.
#[derive(Default)]
struct Wrapping<'a> {
    inner: Option<&'a str>,
    is_event: bool,
    next_link: Option<String>,
    count: Option<u64>,
    /// An error, and its code.
    error: Option<Option<String>>,
}

impl<'a> Wrapping<'a> {
    /// `None` for what is no object.
    fn read(value: &'a str) -> Option<Self> {
        let is_event = Fields::read(value)?.has_any(&[Field::Id, Field::ICalUid, Field::Start, Field::Subject]);
        let mut found = Self { is_event, ..Self::default() };
        let mut body = None;
        for (name, value) in json::members(value)? {
            let holds = value.starts_with(['[', '{', '"']);
            match name.as_str() {
                "value" if holds => found.inner = Some(value),
                "body" if holds && !is_event => body = Some(value),
                "@odata.nextLink" | "odata.nextLink" | "nextLink" => {
                    found.next_link = json::string(value).filter(|link| !link.trim_ascii().is_empty());
                }
                "@odata.count" | "odata.count" | "count" => {
                    found.count = json::word(value).and_then(|count| count.parse().ok());
                }
                "error" => found.error = Some(error_code(value)),
                _ => {}
            }
        }
        found.inner = found.inner.or(body);
        Some(found)
    }
}

/// The code of an error that a workflow's server answers with. Messages are not passed on: they may quote the address.
fn error_code(error: &str) -> Option<String> {
    json::members(error)
        .and_then(|mut members| members.find(|(name, _)| name == "code"))
        .and_then(|(_, code)| json::string(code))
        .filter(|code| code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .filter(|code| !code.is_empty())
}
