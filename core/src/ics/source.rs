//! The source hash: tells that an event stands in a file as it did when it was last read, without reading it again.
//!
//! It is of the bytes of the VEVENT (of all with its UID) but for DTSTAMP, and of all else in and around the file that
//! decides what they mean: the zones that they name with their clock changes, METHOD, the version of this reader. Where
//! it differs nothing is said: the same event may be written in another way. What has not changed in a file, which is
//! nearly everything at nearly every fetch, costs a hash over its bytes and not a reading of them.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::file::{File, Vevent};
use super::places::{Place, Places};
use crate::content;

/// To be raised with every change of what is made of the same bytes.
const VERSION: u8 = 1;

/// The first 16 bytes of a SHA-256.
pub type SourceHash = [u8; 16];

/// VCALENDARs and sets of zones whose hashes are kept; in a file of more events have no source hash.
const MAX_KEPT: usize = 100;

/// The clock changes that count: from 1900 to 2100, in seconds since 1970.
const YEARS: (i64, i64) = (-2_208_988_800, 4_102_444_800);

/// Hashes of what stands around the VEVENTs of a file, by VCALENDAR and set of zones.
#[derive(Default)]
pub(super) struct Surroundings(HashMap<(u32, u32), SourceHash>);

impl Surroundings {
    /// That of what stands around one of them; `cancelled`: for each VCALENDAR whether it cancels.
    pub fn of(
        &mut self,
        file: &File<'_>,
        vevent: &Vevent,
        cancelled: &[bool],
        places: &mut Places<'_>,
    ) -> Option<SourceHash> {
        let calendar = vevent.calendar;
        let key = (calendar, vevent.zone_set?);
        if let Some(known) = self.0.get(&key) {
            return Some(*known);
        }
        if self.0.len() >= MAX_KEPT {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update([VERSION, content::VERSION, u8::from(cancelled.get(calendar as usize) == Some(&true))]);
        add_zone(&mut hash, &places.floating(calendar));
        for tzid in file.zone_sets.get(key.1 as usize)? {
            let place = places.zone(*tzid, calendar);
            hash.update([u8::from(place.is_some())]);
            let Some(place) = place else { continue };
            add_zone(&mut hash, &place);
            if place.own.is_some() {
                // How far series in such a zone are listed.
                hash.update(places.written_until().to_le_bytes());
            }
        }
        let made = first_half(hash);
        self.0.insert(key, made);
        Some(made)
    }
}

/// Source hash of the VEVENTs that share a UID with the one at `first`; `None` where that has none. `around` gives the
/// hash of what stands around one.
pub(super) fn hash(
    file: &File<'_>,
    first: usize,
    mut around: impl FnMut(&Vevent) -> Option<SourceHash>,
) -> Option<SourceHash> {
    file.vevents.get(first)?.uid?;
    let mut stamps: Vec<_> = file.group(first).map(|vevent| vevent.stamp).collect();
    stamps.sort_unstable();
    let mut hash = Sha256::new();
    for vevent in file.group(first) {
        hash.update(around(vevent)?);
        // Of two versions the later counts, but that both have a later DTSTAMP than before is no change.
        let rank = stamps.partition_point(|stamp| *stamp < vevent.stamp);
        hash.update((rank as u64).to_le_bytes());
        let parts = file.without_stamp(vevent);
        hash.update((parts.iter().map(|part| part.len() as u64).sum::<u64>()).to_le_bytes());
        parts.into_iter().for_each(|part| hash.update(part));
    }
    Some(first_half(hash))
}

fn add_zone(hash: &mut Sha256, place: &Place<'_>) {
    let name = place.name.as_deref().unwrap_or_default();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
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
