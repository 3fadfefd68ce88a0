//! How times are written: as their zone's clock shows them where that leads back to them, else in UTC. Notes which zones
//! that takes, and for which years.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};

use super::super::escape::{push_line, push_param_value};
use super::super::zone_text::{push_date, push_local};
use super::{Writer, writable};
use crate::event::Timing;
use crate::zones::{Resolver, Zone};

/// The years whose times are written in their zone, the others in UTC: the zone's clock, and the VTIMEZONE that begins
/// a year before, must be in years that can be written, too.
const ZONED_YEARS: RangeInclusive<i32> = 3..=9998;

/// A zone that times were written in.
pub(super) struct Used<'a> {
    pub resolver: Resolver<Box<dyn Zone + 'a>>,
    /// Instants, in seconds.
    pub first: i64,
    pub last: i64,
    /// By a series, which may go on for ever.
    pub repeated: bool,
}

/// How the times of one event, or of a series with its exceptions, are written.
#[derive(Clone, Copy)]
pub(super) struct Form<'t> {
    pub all_day: bool,
    pub zone: Option<&'t str>,
}

impl<'t> From<&'t Timing> for Form<'t> {
    fn from(timing: &'t Timing) -> Self {
        let zone = timing.time_zone.as_deref().filter(|_| ZONED_YEARS.contains(&timing.start.year()));
        Self { all_day: timing.all_day, zone }
    }
}

impl Writer<'_> {
    /// DTEND, or the time until then where that is in a year that can't be written.
    pub(super) fn end(&mut self, start: DateTime<Utc>, end: DateTime<Utc>, form: Form<'_>) {
        let length = end - start;
        if writable(end) {
            self.time("DTEND", end, form, false);
        } else if form.all_day {
            self.formatted(format_args!("DURATION:P{}D", length.num_days()));
        } else {
            self.formatted(format_args!("DURATION:PT{}S", length.num_seconds()));
        }
    }

    pub(super) fn period(&mut self, start: DateTime<Utc>, end: DateTime<Utc>, form: Form<'_>) {
        self.line.clear();
        self.line.push_str("RDATE;VALUE=PERIOD");
        match (form.zone, self.local(start, form.zone), self.local(end, form.zone)) {
            (Some(zone), Some(start), Some(end)) => {
                self.push_in_zone(start, zone);
                self.line.push('/');
                push_local(&mut self.line, end);
            }
            _ => {
                self.line.push(':');
                push_local(&mut self.line, start.naive_utc());
                self.line.push_str("Z/");
                push_local(&mut self.line, end.naive_utc());
                self.line.push('Z');
            }
        }
        push_line(&mut self.file, &self.line);
    }

    /// A property of one time. What the zone's clock shows twice, and the second time is meant, is written in UTC
    /// unless it `must_be_local`.
    pub(super) fn time(&mut self, name: &str, instant: DateTime<Utc>, form: Form<'_>, must_be_local: bool) {
        self.line.clear();
        self.line.push_str(name);
        if form.all_day {
            self.line.push_str(";VALUE=DATE:");
            push_date(&mut self.line, instant.date_naive());
        } else {
            let exact = self.local(instant, form.zone);
            let local = exact.or_else(|| self.shown(instant, form.zone).filter(|_| must_be_local));
            match (form.zone, local) {
                (Some(zone), Some(local)) => self.push_in_zone(local, zone),
                _ => {
                    self.line.push(':');
                    push_local(&mut self.line, instant.naive_utc());
                    self.line.push('Z');
                }
            }
        }
        push_line(&mut self.file, &self.line);
    }

    /// A property of a local time that a clock change leaves out, and is meant to be there when the change is not.
    pub(super) fn never_shown(&mut self, name: &str, instant: DateTime<Utc>, local: NaiveDateTime, zone: &str) {
        // The VTIMEZONE is needed.
        self.local(instant, Some(zone));
        self.line.clear();
        self.line.push_str(name);
        self.push_in_zone(local, zone);
        push_line(&mut self.file, &self.line);
    }

    fn push_in_zone(&mut self, local: NaiveDateTime, zone: &str) {
        self.line.push_str(";TZID=");
        push_param_value(&mut self.line, zone);
        self.line.push(':');
        push_local(&mut self.line, local);
    }

    /// The zone's clock at the instant, if that leads back to it. Notes that the zone is needed.
    fn local(&mut self, instant: DateTime<Utc>, zone: Option<&str>) -> Option<NaiveDateTime> {
        let zone = zone.filter(|_| ZONED_YEARS.contains(&instant.year()))?;
        if !self.used.contains_key(zone) {
            let found = self.zones.zone(zone).map(|found| Used {
                resolver: Resolver::new(found),
                first: instant.timestamp(),
                last: instant.timestamp(),
                repeated: false,
            });
            self.used.insert(zone.to_owned(), found);
        }
        let used = self.used.get_mut(zone)?.as_mut()?;
        let instant = instant.timestamp();
        let local = used.resolver.to_local(instant);
        used.first = used.first.min(instant);
        used.last = used.last.max(instant);
        let exact = used.resolver.resolve(local).instant == instant;
        DateTime::from_timestamp(local, 0).map(|local| local.naive_utc()).filter(|_| exact)
    }

    fn shown(&self, instant: DateTime<Utc>, zone: Option<&str>) -> Option<NaiveDateTime> {
        let used = self.used.get(zone?)?.as_ref()?;
        DateTime::from_timestamp(used.resolver.to_local(instant.timestamp()), 0).map(|local| local.naive_utc())
    }

    pub(super) fn instant(&mut self, name: &str, instant: DateTime<Utc>) {
        self.time(name, instant, Form { all_day: false, zone: None }, false);
    }
}
