//! VTIMEZONE (RFC 5545, 3.6.5): reading a zone's own definition.

use chrono::NaiveDateTime;

use super::lines::Line;
use super::text;
use super::values::{self, Value};

/// STANDARD and DAYLIGHT parts of one zone, and RDATEs of one such part: more is not read.
const MAX_PARTS: usize = 1_000;

/// A zone as a file defines it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct VTimeZone {
    pub tzid: String,
    /// X-LIC-LOCATION: the IANA name, as libical writes it beside a TZID of its own.
    pub location: Option<String>,
    pub observances: Vec<Observance>,
}

/// A STANDARD or DAYLIGHT part: from each of its onsets one offset holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Observance {
    /// DTSTART, in local time of `from`: the first onset.
    pub start: Option<NaiveDateTime>,
    /// Seconds east of Greenwich before and after an onset.
    pub from: Option<i32>,
    pub to: Option<i32>,
    pub rrules: Vec<String>,
    pub rdates: Vec<NaiveDateTime>,
}

impl VTimeZone {
    /// A STANDARD or DAYLIGHT begins. Of too many the last one that is kept takes the lines of the rest.
    pub fn begin_observance(&mut self) {
        if self.observances.len() < MAX_PARTS {
            self.observances.push(Observance::default());
        }
    }

    /// Takes a line of the VTIMEZONE, or of the observance that has begun last.
    pub fn property(&mut self, line: &Line<'_>, in_observance: bool) {
        if in_observance {
            if let Some(observance) = self.observances.last_mut() {
                observance.property(line);
            }
        } else if line.is("TZID") {
            self.tzid = text::clean(line.value.trim_ascii()).into_owned();
        } else if line.is("X-LIC-LOCATION") {
            self.location = Some(text::clean(line.value.trim_ascii()).into_owned());
        }
    }
}

impl Observance {
    fn property(&mut self, line: &Line<'_>) {
        if line.is("DTSTART") {
            self.start = local(line.value);
        } else if line.is("TZOFFSETFROM") {
            self.from = values::utc_offset(line.value);
        } else if line.is("TZOFFSETTO") {
            self.to = values::utc_offset(line.value);
        } else if line.is("RRULE") {
            if self.rrules.len() < MAX_PARTS && !line.cut {
                self.rrules.push(text::clean(line.value.trim_ascii()).into_owned());
            }
        } else if line.is("RDATE") {
            let room = MAX_PARTS.saturating_sub(self.rdates.len());
            self.rdates.extend(line.value.split(|&byte| byte == b',').filter_map(local).take(room));
        }
    }
}

fn local(value: &[u8]) -> Option<NaiveDateTime> {
    match values::time(value)? {
        Value::Date(date) => Some(date.and_time(chrono::NaiveTime::MIN)),
        Value::Local(local) => Some(local),
        Value::Utc(instant) => Some(instant.naive_utc()),
    }
}
