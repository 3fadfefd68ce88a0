//! The source hash: tells that an event stands in a file as it did when it was last read, without reading it again.
//!
//! It is of the bytes of the VEVENT (of all with its UID) but for DTSTAMP, and of all else in and around the file that
//! decides what they mean: the zones with their clock changes, METHOD, the version of this reader. Where it differs
//! nothing is said: the same event may be written in another way. What has not changed in a file of 50,000 events, which
//! is nearly everything at nearly every fetch, costs a tenth of reading it.

use sha2::{Digest, Sha256};

use super::file::File;
use super::places::{Place, Places};
use crate::content;

/// To be raised with every change of what is made of the same bytes.
const VERSION: u8 = 1;

/// The first 16 bytes of a SHA-256.
pub type SourceHash = [u8; 16];

/// A file with more VCALENDARs gets no source hashes.
const MAX_CALENDARS: usize = 100;

/// The clock changes that count: from 1900 to 2100, in seconds since 1970.
const YEARS: (i64, i64) = (-2_208_988_800, 4_102_444_800);

/// Hash of all that stands around the VEVENTs of a file.
pub(super) struct Surroundings(SourceHash);

impl Surroundings {
    /// `used`: the TZIDs that the events name, each with its VCALENDAR; `cancelled`: for each VCALENDAR whether it
    /// cancels. `None` for a file with so many of them that looking at them all is no gain.
    pub fn new(used: &[(u32, u32)], cancelled: &[bool], places: &mut Places<'_>) -> Option<Self> {
        if cancelled.len() > MAX_CALENDARS {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update([VERSION, content::VERSION]);
        // How far series are listed in a zone that only the file knows.
        hash.update(places.written_until().to_le_bytes());
        for (tzid, calendar) in used {
            add_text(&mut hash, places.tzids.0.get(*tzid as usize).map_or("", String::as_str));
            hash.update(calendar.to_le_bytes());
            match places.zone(*tzid, *calendar) {
                Some(place) => add_zone(&mut hash, &place),
                None => hash.update([0]),
            }
        }
        for (calendar, cancelled) in (0..).zip(cancelled) {
            hash.update([u8::from(*cancelled)]);
            add_zone(&mut hash, &places.floating(calendar));
        }
        Some(Self(first_half(hash)))
    }

    /// Source hash of the VEVENTs that share a UID with the one at `first`; `None` where that has none.
    pub fn hash(&self, file: &File<'_>, first: usize) -> Option<SourceHash> {
        file.vevents.get(first)?.uid?;
        let mut stamps: Vec<_> = file.group(first).map(|vevent| vevent.stamp).collect();
        stamps.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(self.0);
        for vevent in file.group(first) {
            // Of two versions the later counts, but that both have a later DTSTAMP than before is no change.
            let rank = stamps.partition_point(|stamp| *stamp < vevent.stamp);
            hash.update((rank as u64).to_le_bytes());
            hash.update(vevent.calendar.to_le_bytes());
            let parts = file.without_stamp(vevent);
            hash.update((parts.iter().map(|part| part.len() as u64).sum::<u64>()).to_le_bytes());
            parts.into_iter().for_each(|part| hash.update(part));
        }
        Some(first_half(hash))
    }
}

fn add_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn add_zone(hash: &mut Sha256, place: &Place<'_>) {
    add_text(hash, place.name.as_deref().unwrap_or_default());
    let (mut at, end) = YEARS;
    while at < end {
        let span = place.span(at);
        hash.update(span.offset.to_le_bytes());
        hash.update(span.until.to_le_bytes());
        at = span.until.max(at + 1);
    }
}

fn first_half(hash: Sha256) -> SourceHash {
    let mut half = SourceHash::default();
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}
