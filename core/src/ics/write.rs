//! Writing a calendar file that others subscribe to (RFC 5545; METHOD:PUBLISH of RFC 5546, 3.2.1).
//!
//! Nothing but the data decides the bytes: no clock is read. Two things of ours have no property of their own: that a
//! time was floating goes into X-CALENDAR-SYNC-FLOATING (the time itself is written in its zone, so that readers
//! elsewhere see it where it was meant), and that an event is completed is lost. Attendees are left out: PUBLISH
//! forbids them.

mod times;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use self::times::{Form, Used};
use super::escape::{push_escaped, push_line, push_param_value};
use super::text::storable;
use super::until::conform;
use super::words::{busy_word, implied_show_as};
use super::zone_text::push_zone;
use crate::event::{Body, Details, Event, EventStatus, Importance, Item, Override, Sensitivity, Series, ShowAs};
use crate::recurrence::Rule;
use crate::zones::{Resolver, Zones};

/// The last year for which a series' zone is looked at at least. Rules that are in force then are said to go on.
const HORIZON: i32 = 2037;

/// The years that can be written (RFC 5545, 3.3.4: four digits).
const YEARS: RangeInclusive<i32> = 1..=9999;

/// What a file shows of its events.
#[derive(Debug, Clone, Copy)]
pub enum Visibility<'a> {
    Details,
    /// Times and `Busy` alone. UIDs are replaced by their HMAC-SHA-256 with that key: they could lead to the event.
    Busy {
        key: &'a [u8],
    },
}

/// What a calendar says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub name: Option<&'a str>,
    /// How often readers should ask again.
    pub refresh: Option<TimeDelta>,
    pub visibility: Visibility<'a>,
}

/// Writes items, one after the other, in the order in which they are given.
pub struct Writer<'a> {
    file: String,
    /// Where the VTIMEZONEs go.
    zones_at: usize,
    line: String,
    zones: &'a dyn Zones,
    used: BTreeMap<String, Option<Used<'a>>>,
    visibility: Visibility<'a>,
}

impl<'a> Writer<'a> {
    pub fn new(head: &Head<'a>, zones: &'a dyn Zones) -> Self {
        let mut writer = Self {
            file: String::new(),
            zones_at: 0,
            line: String::new(),
            zones,
            used: BTreeMap::new(),
            visibility: head.visibility,
        };
        for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//calendar_sync//calendar_sync//EN"] {
            push_line(&mut writer.file, line);
        }
        push_line(&mut writer.file, "CALSCALE:GREGORIAN");
        push_line(&mut writer.file, "METHOD:PUBLISH");
        if let Some(name) = head.name {
            writer.text("NAME", name);
            writer.text("X-WR-CALNAME", name);
        }
        if let Some(refresh) = head.refresh {
            let refresh = duration(refresh);
            push_line(&mut writer.file, &format!("REFRESH-INTERVAL;VALUE=DURATION:{refresh}"));
            push_line(&mut writer.file, &format!("X-PUBLISHED-TTL:{refresh}"));
        }
        writer.zones_at = writer.file.len();
        writer
    }

    /// Writes an item: an event as one VEVENT, a series as one with its rules, each override as one more. What
    /// starts before the year 1 or after 9999 can't be written and is left out: an event, or one date of a series.
    pub fn item(&mut self, item: &Item) {
        match &item.body {
            Body::Single(event) => self.event(&item.external_id, event, None, None),
            Body::Series(series) => {
                let form = Form::from(&series.template.timing);
                self.event(&item.external_id, &series.template, None, Some(series));
                for one in &series.overrides {
                    self.event(&item.external_id, &one.event, Some((one, form)), None);
                }
            }
            Body::Overrides(overrides) => {
                for one in overrides {
                    let form = Form::from(&one.event.timing);
                    self.event(&item.external_id, &one.event, Some((one, form)), None);
                }
            }
        }
    }

    /// The file.
    pub fn finish(mut self) -> String {
        push_line(&mut self.file, "END:VCALENDAR");
        let mut zones = String::new();
        for (name, used) in &self.used {
            let Some(used) = used else { continue };
            let last = DateTime::from_timestamp(used.last, 0).map_or(HORIZON, |last| last.year()) + 1;
            let last = if used.repeated { last.max(HORIZON) } else { last };
            if let Some(zone) = self.zones.zone(name) {
                push_zone(&mut zones, name, &*zone, used.first, last);
            }
        }
        self.file.insert_str(self.zones_at, &zones);
        self.file
    }

    fn event(&mut self, id: &str, event: &Event, replacement: Option<(&Override, Form<'_>)>, series: Option<&Series>) {
        let timing = &event.timing;
        if !writable(timing.start) || replacement.is_some_and(|(one, _)| !writable(one.recurrence_id)) {
            return;
        }
        let details = &event.details;
        let last_updated = details.last_updated.filter(|updated| writable(*updated));
        push_line(&mut self.file, "BEGIN:VEVENT");
        self.uid(details.ical_uid.as_deref().unwrap_or(id));
        self.instant("DTSTAMP", last_updated.unwrap_or_default());
        if let (Some(updated), Visibility::Details) = (last_updated, self.visibility) {
            self.instant("LAST-MODIFIED", updated);
        }
        self.formatted(format_args!("SEQUENCE:{}", details.sequence));
        if let Some((one, form)) = replacement {
            let name = if one.this_and_future { "RECURRENCE-ID;RANGE=THISANDFUTURE" } else { "RECURRENCE-ID" };
            self.time(name, one.recurrence_id, form, false);
        }
        let form = Form::from(timing);
        match series.and_then(|series| series.local_start).zip(form.zone) {
            Some((local, zone)) => self.never_shown("DTSTART", timing.start, local, zone),
            None => self.time("DTSTART", timing.start, form, series.is_some()),
        }
        let of_series = series.and_then(|series| series.duration);
        match (of_series.or_else(|| replacement.and_then(|(one, _)| one.duration)), timing.end) {
            (Some(duration), _) => self.formatted(format_args!("DURATION:{duration}")),
            (None, Some(end)) => self.end(timing.start, end, form),
            (None, None) => {}
        }
        if let Some(series) = series {
            self.recurrence(series, form);
        }
        self.status(details);
        match self.visibility {
            Visibility::Details => self.details(details, timing.floating),
            Visibility::Busy { .. } => push_line(&mut self.file, "SUMMARY:Busy"),
        }
        push_line(&mut self.file, "END:VEVENT");
    }

    fn uid(&mut self, uid: &str) {
        self.line.clear();
        self.line.push_str("UID:");
        match self.visibility {
            Visibility::Details => self.line.extend(uid.chars().filter(|character| is_plain(*character))),
            Visibility::Busy { key } => {
                // An HMAC takes keys of every length.
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return };
                mac.update(uid.as_bytes());
                for byte in mac.finalize().into_bytes() {
                    let _ = write!(self.line, "{byte:02x}");
                }
            }
        }
        push_line(&mut self.file, &self.line);
    }

    fn recurrence(&mut self, series: &Series, form: Form<'_>) {
        if let Some(used) = form.zone.and_then(|zone| self.used.get_mut(zone)).and_then(Option::as_mut) {
            used.repeated |= !series.rrules.is_empty();
        }
        for (name, rules) in [("RRULE", &series.rrules), ("EXRULE", &series.exrules)] {
            for rule in rules {
                if let Some(rule) = self.rule(rule, form) {
                    self.formatted(format_args!("{name}:{rule}"));
                }
            }
        }
        for date in series.rdates.iter().filter(|date| writable(**date)) {
            let period = series.rdate_ends.iter().find(|(start, end)| start == date && writable(*end));
            match period.filter(|_| !form.all_day) {
                Some((_, end)) => self.period(*date, *end, form),
                None => self.time("RDATE", *date, form, false),
            }
        }
        for date in series.exdates.iter().filter(|date| writable(**date)) {
            self.time("EXDATE", *date, form, false);
        }
    }

    /// The rule with an UNTIL that fits its DTSTART. What is no rule goes out as it is, but only where everything does.
    fn rule(&self, text: &str, form: Form<'_>) -> Option<String> {
        let Ok(mut rule) = Rule::parse(text) else {
            let shown = matches!(self.visibility, Visibility::Details);
            return shown.then(|| text.chars().filter(|character| is_plain(*character)).collect());
        };
        conform(&mut rule, form.all_day, |local| {
            let seconds = local.and_utc().timestamp();
            let zone = form.zone.and_then(|zone| self.zones.zone(zone));
            let instant = zone.map_or(seconds, |zone| Resolver::new(zone).resolve(seconds).instant);
            DateTime::from_timestamp(instant, 0).unwrap_or_default()
        });
        Some(rule.to_string())
    }

    fn status(&mut self, details: &Details) {
        push_line(
            &mut self.file,
            match details.event_status {
                EventStatus::Scheduled | EventStatus::Completed => "STATUS:CONFIRMED",
                EventStatus::Tentative => "STATUS:TENTATIVE",
                EventStatus::Cancelled => "STATUS:CANCELLED",
            },
        );
        let free = details.show_as == ShowAs::Free;
        push_line(&mut self.file, if free { "TRANSP:TRANSPARENT" } else { "TRANSP:OPAQUE" });
    }

    fn details(&mut self, details: &Details, floating: bool) {
        let class = match details.sensitivity {
            Sensitivity::Public => "CLASS:PUBLIC",
            Sensitivity::Private => "CLASS:PRIVATE",
            Sensitivity::Confidential => "CLASS:CONFIDENTIAL",
        };
        push_line(&mut self.file, class);
        if implied_show_as(details.show_as == ShowAs::Free, details.event_status) != details.show_as {
            let word = busy_word(details.show_as);
            self.formatted(format_args!("X-MICROSOFT-CDO-BUSYSTATUS:{word}"));
        }
        match details.importance {
            Importance::High => push_line(&mut self.file, "PRIORITY:1"),
            Importance::Normal => {}
            Importance::Low => push_line(&mut self.file, "PRIORITY:9"),
        }
        self.text("SUMMARY", &details.title);
        for (name, text) in [("DESCRIPTION", &details.description), ("LOCATION", &details.location)] {
            if let Some(text) = text {
                self.text(name, text);
            }
        }
        self.categories(&details.categories);
        if let Some(organizer) = &details.organizer {
            self.organizer(organizer);
        }
        if let Some(url) = details.teams.as_ref().and_then(|teams| teams.url.as_deref()) {
            self.line.clear();
            self.line.push_str("X-MICROSOFT-SKYPETEAMSMEETINGURL:");
            self.line.extend(url.chars().filter(|character| is_plain(*character)));
            push_line(&mut self.file, &self.line);
        }
        if floating {
            push_line(&mut self.file, "X-CALENDAR-SYNC-FLOATING:TRUE");
        }
    }

    fn categories(&mut self, categories: &[String]) {
        if categories.is_empty() {
            return;
        }
        self.line.clear();
        self.line.push_str("CATEGORIES:");
        for (index, category) in categories.iter().enumerate() {
            if index > 0 {
                self.line.push(',');
            }
            push_escaped(&mut self.line, category);
        }
        push_line(&mut self.file, &self.line);
    }

    /// An address as it is, a mere name as Exchange writes it.
    fn organizer(&mut self, organizer: &str) {
        self.line.clear();
        self.line.push_str("ORGANIZER");
        let address = organizer.chars().filter(|character| is_plain(*character));
        if organizer.contains(':') {
            self.line.push(':');
            self.line.extend(address);
        } else if organizer.contains('@') {
            self.line.push_str(":mailto:");
            self.line.extend(address);
        } else {
            self.line.push_str(";CN=");
            push_param_value(&mut self.line, organizer);
            self.line.push_str(":invalid:nomail");
        }
        push_line(&mut self.file, &self.line);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.line.clear();
        self.line.push_str(name);
        self.line.push(':');
        push_escaped(&mut self.line, text);
        push_line(&mut self.file, &self.line);
    }

    fn formatted(&mut self, line: std::fmt::Arguments<'_>) {
        self.line.clear();
        let _ = self.line.write_fmt(line);
        push_line(&mut self.file, &self.line);
    }
}

/// At least a second; in hours or minutes where it is a number of these, which is how others write it.
fn duration(length: TimeDelta) -> String {
    match length.num_seconds().max(1) {
        seconds if seconds % 3_600 == 0 => format!("PT{}H", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("PT{}M", seconds / 60),
        seconds => format!("PT{seconds}S"),
    }
}

fn writable(instant: DateTime<Utc>) -> bool {
    YEARS.contains(&instant.year())
}

/// Whether it can stand in a value that knows no escapes.
fn is_plain(character: char) -> bool {
    character != '\n' && storable(character) == Some(character)
}
