//! Times as Outlook writes them, and the zones that it names.

use std::collections::HashMap;
use std::rc::Rc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

use crate::ics::{Place, is_utc, named};
use crate::zones::{Span, Zone, Zones};

/// Longest text that is read as a time.
const MAX_TIME: usize = 64;
/// Names of zones in one answer that are looked for.
const MAX_NAMES: usize = 1_000;
/// What .NET has for "never": 0001-01-01, and the end of 9999.
const NEVER: [i32; 2] = [1, 9999];

/// A time as it is written, in whole seconds: fractions differ from one read to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub local: NaiveDateTime,
    /// Of a time that says how far it is from UTC.
    pub instant: Option<DateTime<Utc>>,
}

impl Written {
    /// ISO 8601 as Outlook and the flows' connectors write it: with an offset or without, to the minute or finer, or a date
    /// alone.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_TIME {
            return None;
        }
        let whole = |local: NaiveDateTime| local.with_nanosecond(0);
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Some(Self { local: date.and_time(NaiveTime::MIN), instant: None });
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"] {
            if let Ok(time) = DateTime::parse_from_str(text, format) {
                let instant = time.with_timezone(&Utc).with_nanosecond(0)?;
                return Some(Self { local: whole(time.naive_local())?, instant: Some(instant) });
            }
        }
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
        let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
        Some(Self { local: whole(local)?, instant: None })
    }

    /// It stands for no time at all.
    pub fn is_never(&self) -> bool {
        NEVER.contains(&self.local.year())
    }
}

/// Where clocks are: a zone, or UTC.
#[derive(Clone, Default)]
pub struct Clock<'z>(Option<Rc<Place<'z>>>);

impl<'z> Clock<'z> {
    /// Of the zone of that name, an IANA name or one of Windows'.
    pub fn named(zones: &'z dyn Zones, name: &str) -> Option<Self> {
        named(zones, name).map(|place| Self(Some(place)))
    }

    /// When its clocks show that.
    pub fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        self.0.as_ref().map_or(local.and_utc(), |place| place.instant(local))
    }

    /// What its clocks show then.
    pub fn local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        self.0.as_ref().map_or(instant.naive_utc(), |place| place.local(instant))
    }

    /// The zone's name; `None` for UTC.
    pub fn name(&self) -> Option<String> {
        self.0.as_ref().and_then(|place| place.name.clone())
    }
}

impl Zone for Clock<'_> {
    fn span(&self, utc: i64) -> Span {
        self.0.as_ref().map_or(crate::zones::Utc.span(utc), |place| place.span(utc))
    }
}

/// The zones that an answer names, each looked for once.
pub struct Clocks<'z> {
    zones: &'z dyn Zones,
    default: Clock<'z>,
    found: HashMap<String, Option<Clock<'z>>>,
}

impl<'z> Clocks<'z> {
    /// `None` if `default_zone` is not known.
    pub fn new(zones: &'z dyn Zones, default_zone: &str) -> Option<Self> {
        let default = Clock::named(zones, default_zone)?;
        Some(Self { zones, default, found: HashMap::new() })
    }

    /// The zone of that name, an IANA name or one of Windows'.
    pub fn named(&mut self, name: &str) -> Option<Clock<'z>> {
        if is_utc(name) {
            return Some(Clock(None));
        }
        if !self.found.contains_key(name) {
            if self.found.len() >= MAX_NAMES {
                return None;
            }
            let clock = Clock::named(self.zones, name);
            self.found.insert(name.to_owned(), clock);
        }
        self.found[name].clone()
    }

    /// Where times are that name no zone.
    pub const fn default(&self) -> &Clock<'z> {
        &self.default
    }
}
