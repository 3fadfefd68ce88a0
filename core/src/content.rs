//! The content hash: tells a changed item from an unchanged one without reading its columns.
//!
//! Every field goes in with its length, in the order below. Identity (external_id, UID) and the origin's own stamp
//! (last_updated) stay out: a feed that makes new UIDs or stamps at every fetch has not changed.

use std::borrow::Cow;
use std::hash::{BuildHasherDefault, Hasher};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::event::{Body, Details, Duration, Event, Override, Series, Timing};

/// Stands in the first byte of every hash. To be raised with every change of what goes in, or how; rows with an older
/// version are then written once more without counting as changed.
pub const VERSION: u8 = 2;

/// `VERSION` and the first 16 bytes of a SHA-256.
pub type Hash = [u8; 17];

/// Hash of a whole item.
pub fn of_body(body: &Body) -> Hash {
    let mut feed = Feed::new();
    match body {
        Body::Single(event) => {
            feed.tag(1);
            feed.event(event);
        }
        Body::Series(series) => {
            feed.tag(2);
            feed.series(series);
        }
        Body::Overrides(overrides) => {
            feed.tag(3);
            feed.overrides(overrides);
        }
    }
    feed.finish()
}

/// Hash of one event; equals [`of_body`] of a single.
pub fn of_event(event: &Event) -> Hash {
    let mut feed = Feed::new();
    feed.tag(1);
    feed.event(event);
    feed.finish()
}

/// Hash of one occurrence of a series: the event that it shows, and whether it stands beside its rule.
pub fn of_instance(timing: &Timing, details: &Details, is_override: bool) -> Hash {
    let mut feed = Feed::new();
    feed.tag(4 + u8::from(is_override));
    feed.timing(timing);
    feed.details(details);
    feed.finish()
}

/// 16 bytes of a SHA-256 of `bytes`: stands for them where many are compared in memory.
pub fn digest(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&Sha256::digest(bytes)[..16]);
    u128::from_le_bytes(first)
}

/// Hashes the keys of a map that are digests: they are as good as random already.
#[derive(Debug, Clone, Copy, Default)]
pub struct DigestHasher(u64);

/// For maps whose keys are digests.
pub type ByDigest = BuildHasherDefault<DigestHasher>;

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
}

/// Longest identifier that is kept as it is; a B-tree key has a limit of 2,704 bytes.
const LONGEST_KEY: usize = 1_024;

/// The key of an outside identifier: the identifier, or `sha256:<hex>` of one over 1,024 bytes.
pub fn key(identifier: &str) -> Cow<'_, str> {
    if identifier.len() <= LONGEST_KEY {
        return Cow::Borrowed(identifier);
    }
    let digest = Sha256::digest(identifier.as_bytes());
    Cow::Owned(digest.iter().fold(String::from("sha256:"), |key, byte| key + &format!("{byte:02x}")))
}

/// What is hashed, gathered before it is: many small pieces cost a hash more than one large one.
struct Feed(Vec<u8>);

impl Feed {
    fn new() -> Self {
        Self(Vec::with_capacity(1_000))
    }

    fn finish(self) -> Hash {
        let mut hash = [VERSION; 17];
        hash[1..].copy_from_slice(&Sha256::digest(&self.0)[..16]);
        hash
    }

    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: Option<&str>) {
        self.tag(u8::from(text.is_some()));
        if let Some(text) = text {
            self.bytes(text.as_bytes());
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.length(texts.len());
        for text in texts {
            self.bytes(text.as_bytes());
        }
    }

    /// Seven bits a byte, the last byte below 128.
    fn length(&mut self, mut length: usize) {
        while length >= 0x80 {
            self.0.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.0.push(length as u8);
    }

    fn instant(&mut self, instant: DateTime<Utc>) {
        self.0.extend(instant.timestamp().to_le_bytes());
        self.0.extend(instant.timestamp_subsec_micros().to_le_bytes());
    }

    fn instants(&mut self, instants: &[DateTime<Utc>]) {
        self.length(instants.len());
        for instant in instants {
            self.instant(*instant);
        }
    }

    fn event(&mut self, event: &Event) {
        self.timing(&event.timing);
        self.details(&event.details);
    }

    fn timing(&mut self, timing: &Timing) {
        self.instant(timing.start);
        self.tag(u8::from(timing.end.is_some()));
        if let Some(end) = timing.end {
            self.instant(end);
        }
        self.tag(u8::from(timing.all_day) | u8::from(timing.floating) << 1);
        self.text(timing.time_zone.as_deref());
    }

    fn details(&mut self, details: &Details) {
        self.bytes(details.title.as_bytes());
        self.text(details.description.as_deref());
        self.text(details.location.as_deref());
        self.bytes(details.event_type.0.as_bytes());
        self.bytes(details.event_status.word().as_bytes());
        self.bytes(details.show_as.word().as_bytes());
        self.bytes(details.sensitivity.word().as_bytes());
        self.bytes(details.importance.word().as_bytes());
        self.texts(&details.categories);
        self.text(details.organizer.as_deref());
        self.length(details.attendees.len());
        for attendee in &details.attendees {
            self.bytes(attendee.address.as_bytes());
            self.text(attendee.name.as_deref());
            self.text(attendee.response.as_deref());
        }
        self.texts(&details.participants);
        self.0.extend(details.sequence.to_le_bytes());
        self.tag(u8::from(details.metadata.is_some()));
        if let Some(metadata) = &details.metadata {
            self.json(metadata);
        }
        self.text(details.conversation_id.as_deref());
        if let Some(series) = &details.series_master_id {
            self.tag(2);
            self.bytes(series.as_bytes());
        }
        self.tag(u8::from(details.teams.is_some()));
        if let Some(teams) = &details.teams {
            self.text(teams.url.as_deref());
            self.text(teams.conference_id.as_deref());
            self.text(teams.dial_in_url.as_deref());
        }
    }

    fn duration(&mut self, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.tag(2);
            self.0.extend(duration.days.to_le_bytes());
            self.0.extend(duration.seconds.to_le_bytes());
        }
    }

    fn series(&mut self, series: &Series) {
        self.event(&series.template);
        if let Some(local) = series.local_start {
            self.tag(1);
            self.instant(local.and_utc());
        }
        self.duration(series.duration);
        self.texts(&series.rrules);
        self.texts(&series.exrules);
        self.instants(&series.rdates);
        self.length(series.rdate_ends.len());
        for (start, end) in &series.rdate_ends {
            self.instant(*start);
            self.instant(*end);
        }
        self.instants(&series.exdates);
        self.overrides(&series.overrides);
    }

    /// In the order of their occurrences: in which order a feed gives them is no content.
    fn overrides(&mut self, overrides: &[Override]) {
        let mut ordered: Vec<&Override> = overrides.iter().collect();
        ordered.sort_by_key(|one| (one.recurrence_id, one.this_and_future));
        self.length(ordered.len());
        for one in ordered {
            self.instant(one.recurrence_id);
            self.tag(u8::from(one.this_and_future));
            self.duration(one.duration);
            self.event(&one.event);
        }
    }

    /// Keys in the order of their bytes, as jsonb does not keep the order in which they were written.
    fn json(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                let mut keys: Vec<&String> = members.keys().collect();
                keys.sort();
                self.tag(1);
                self.length(keys.len());
                for key in keys {
                    self.bytes(key.as_bytes());
                    self.json(&members[key]);
                }
            }
            Value::Array(elements) => {
                self.tag(2);
                self.length(elements.len());
                for element in elements {
                    self.json(element);
                }
            }
            scalar => {
                self.tag(3);
                self.bytes(scalar.to_string().as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Event {
        Event {
            timing: Timing {
                start: DateTime::from_timestamp(1_770_000_000, 0).unwrap(),
                end: None,
                all_day: false,
                time_zone: None,
                floating: false,
            },
            details: Details { title: "Stand-up".into(), ..Details::default() },
        }
    }

    #[test]
    fn what_the_event_says_is_its_content() {
        let before = of_event(&event());
        assert_eq!(before[0], VERSION);
        let mut other = event();
        other.details.location = Some("Room 5".into());
        assert_ne!(before, of_event(&other));
        let mut other = event();
        other.timing.end = Some(other.timing.start);
        assert_ne!(before, of_event(&other));
    }

    #[test]
    fn stamps_and_identifiers_are_no_content() {
        let mut other = event();
        other.details.ical_uid = Some("a@example.com".into());
        other.details.last_updated = Some(other.timing.start);
        assert_eq!(of_event(&event()), of_event(&other));
    }

    #[test]
    fn text_does_not_run_over_into_the_next_field() {
        let mut one = event();
        one.details.categories = vec!["ab".into(), "c".into()];
        let mut other = event();
        other.details.categories = vec!["a".into(), "bc".into()];
        assert_ne!(of_event(&one), of_event(&other));
    }

    #[test]
    fn an_identifier_too_long_for_an_index_is_keyed_by_its_digest() {
        assert_eq!(key("a@example.com"), "a@example.com");
        let long = "x".repeat(1_025);
        assert_eq!(key(&long).len(), "sha256:".len() + 64);
        assert!(key(&long).starts_with("sha256:"));
        assert_eq!(key(&long[1..]), &long[1..]);
    }

    #[test]
    fn the_order_of_keys_is_no_content() {
        let mut one = event();
        one.details.metadata = Some(json!({"a": 1, "b": [true, null]}));
        let mut other = event();
        other.details.metadata = Some(serde_json::from_str(r#"{"b": [true, null], "a": 1}"#).unwrap());
        assert_eq!(of_event(&one), of_event(&other));
    }
}
