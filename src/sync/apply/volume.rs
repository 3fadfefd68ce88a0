//! How much is stored, and written at once. Each instance carries the texts of its series, so that a file of a few
//! megabytes could ask for terabytes.

use calendar_sync_core::event::Details;

/// Instances that are stored of one series: one that gives more within the window is stored less far ahead.
pub const MOST_OF_SERIES: usize = 10_000;
/// Bytes of text that are stored with the instances of one series. What is stored less far ahead is computed when it is
/// asked for.
pub const MOST_BYTES_OF_SERIES: usize = 64 << 20;

/// Instances that are stored of all series of one calendar together, and bytes of text with them.
const MOST_OF_CALENDAR: usize = 2_000_000;
const MOST_BYTES_OF_CALENDAR: usize = 4 << 30;

/// Bytes of text that are written at once. (An array can't be longer than a gigabyte, and what is written stands in
/// memory some times over.)
pub const BYTES_AT_ONCE: usize = 4 << 20;

/// Bytes of the texts that may be long.
pub fn weight(details: &Details) -> usize {
    let texts = [&details.description, &details.location].into_iter().flatten().chain([&details.title]);
    texts.map(String::len).sum()
}

/// What the series of one calendar take so far.
#[derive(Debug, Default)]
pub struct Volume {
    instances: usize,
    bytes: usize,
}

impl Volume {
    /// No more instances of this calendar are stored.
    pub const fn is_full(&self) -> bool {
        self.instances >= MOST_OF_CALENDAR || self.bytes >= MOST_BYTES_OF_CALENDAR
    }

    /// Adds so many instances of a series with these details.
    pub fn add(&mut self, instances: usize, details: &Details) {
        self.instances += instances;
        self.bytes += instances * weight(details);
    }
}
