//! The times of day that a rule's BYHOUR, BYMINUTE and BYSECOND give, as seconds since midnight.

/// An ascending set of times of day. The hours stand apart so that even the largest set (every second of the day) is
/// made in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// Seconds since midnight of each hour.
    hours: Vec<u32>,
    /// Seconds since that hour.
    within: Vec<u32>,
}

impl Times {
    /// Every combination of these.
    pub fn product(hours: &[u8], minutes: &[u8], seconds: &[u8]) -> Self {
        Self {
            hours: hours.iter().map(|&hour| u32::from(hour) * 3600).collect(),
            within: within_hour(minutes, seconds),
        }
    }

    /// How many there are on a day.
    pub fn len(&self) -> usize {
        self.hours.len() * self.within.len()
    }

    /// The `index`th time of the day; `index` must be less than `len`.
    #[inline]
    pub fn at(&self, index: usize) -> i64 {
        // One hour is the common case: it saves the division.
        let (hour, within) =
            if self.hours.len() == 1 { (0, index) } else { (index / self.within.len(), index % self.within.len()) };
        i64::from(self.hours[hour] + self.within[within])
    }

    /// How many times of the day are before that second of the day.
    pub fn before(&self, second: i64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.at(middle) < second { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Only the times at those positions (BYSETPOS of a period that is a day).
    pub fn at_positions(&self, positions: &[i16]) -> Self {
        let mut chosen: Vec<u32> = positions
            .iter()
            .filter_map(|&position| index_of(position, self.len() as u64))
            .map(|i| self.at(i as usize) as u32)
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        Self { hours: vec![0], within: chosen }
    }
}

/// Seconds within an hour of every minute and second given, ascending. A leap second (60) is never met.
pub(super) fn within_hour(minutes: &[u8], seconds: &[u8]) -> Vec<u32> {
    let seconds: Vec<u32> = seconds.iter().filter(|&&second| second < 60).map(|&second| u32::from(second)).collect();
    minutes.iter().flat_map(|&minute| seconds.iter().map(move |second| u32::from(minute) * 60 + second)).collect()
}

/// The index in a set of `length` members that a BYSETPOS value stands for.
pub(super) fn index_of(position: i16, length: u64) -> Option<u64> {
    let distance = u64::from(position.unsigned_abs());
    if distance == 0 || distance > length {
        None
    } else if position > 0 {
        Some(distance - 1)
    } else {
        Some(length - distance)
    }
}
