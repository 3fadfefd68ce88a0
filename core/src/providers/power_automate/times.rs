//! When an event takes place: the connector's wall strings and Graph's pairs of time and zone in, [`Timing`] out.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

use super::fields::{Field, Fields, text};
use crate::event::Timing;
use crate::providers::json;
use crate::providers::outlook::{Clock, Clocks, Written};

/// A field that is a time, or says in which zone one is; not one that says "never".
pub fn written(fields: &Fields, field: Field) -> Option<Written> {
    let value = fields.raw(field)?;
    let time = if value.starts_with('{') { fields.inner(field, "dateTime") } else { Some(value) };
    Written::parse(&json::string(time?)?).filter(|time| !time.is_never())
}

impl<'z> Clocks<'z> {
    /// When an event takes place, and by which clock it recurs.
    pub fn timing(&mut self, fields: &Fields) -> Result<(Timing, Clock<'z>), String> {
        if fields.flag(Field::IsAllDay) {
            return self.days(fields).map(|timing| (timing, Clock::default()));
        }
        let (start, floating) = self.time(fields, Field::StartWithTimeZone, Field::Start)?.ok_or("it has no start")?;
        let end = self.time(fields, Field::EndWithTimeZone, Field::End)?.map(|(end, _)| end);
        if end.is_some_and(|end| end < start) {
            return Err("it ends before it starts".into());
        }
        let clock = if floating { self.default().clone() } else { self.clock(fields) };
        let end = end.filter(|end| *end > start);
        Ok((Timing { start, end, all_day: false, time_zone: clock.name(), floating }, clock))
    }

    /// The zone that an event is meant in, whichever its times are written in.
    fn clock(&mut self, fields: &Fields) -> Clock<'z> {
        let names = [
            fields.text(Field::OriginalStartTimeZone),
            fields.text(Field::TimeZone),
            fields.inner(Field::Start, "timeZone").and_then(text),
        ];
        let mut known = names.into_iter().flatten().filter_map(|name| self.named(&name));
        known.next().unwrap_or_default()
    }

    /// A time, and whether it is in a zone that nobody knows and so in the calendar's own. With an offset it is that
    /// instant; else it is in the zone that is named, or in UTC if none is.
    fn time(
        &mut self,
        fields: &Fields,
        with_offset: Field,
        plain: Field,
    ) -> Result<Option<(DateTime<Utc>, bool)>, String> {
        let exact = written(fields, with_offset).and_then(|time| time.instant);
        if let Some(instant) = exact {
            return Ok(Some((instant, false)));
        }
        let Some(time) = written(fields, plain).or_else(|| written(fields, with_offset)) else {
            let is_given = fields.raw(plain).and_then(json::string).is_some_and(|text| Written::parse(&text).is_none());
            return if is_given { Err(format!("its {} is no time", word(plain))) } else { Ok(None) };
        };
        if let Some(instant) = time.instant {
            return Ok(Some((instant, false)));
        }
        let own = fields.inner(plain, "timeZone").and_then(text);
        let clock = match own.or_else(|| fields.text(Field::TimeZone)) {
            Some(name) => self.named(&name),
            None => Some(Clock::default()),
        };
        let floating = clock.is_none();
        Ok(Some((clock.unwrap_or_else(|| self.default().clone()).instant(time.local), floating)))
    }

    /// The days of an all-day event; its end is exclusive.
    fn days(&mut self, fields: &Fields) -> Result<Timing, String> {
        let start = self.day(fields, Field::Start, Field::StartWithTimeZone).ok_or("it has no start")?;
        let end = self.day(fields, Field::End, Field::EndWithTimeZone);
        let out_of_range = "its date is out of range";
        let first = start.date();
        let next = first.checked_add_days(Days::new(1)).ok_or(out_of_range)?;
        let after = match end {
            None => next,
            Some(end) if end.time() == NaiveTime::MIN => end.date(),
            Some(end) => end.date().checked_add_days(Days::new(1)).ok_or(out_of_range)?,
        };
        if after < first {
            return Err("it ends before it starts".into());
        }
        let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
        let (start, end) = (midnight(first), Some(midnight(after.max(next))));
        Ok(Timing { start, end, all_day: true, time_zone: None, floating: false })
    }

    /// A day as it is written, if that is a midnight in either form; else what it is where the event is meant to be: a
    /// flow may have converted it.
    fn day(&mut self, fields: &Fields, plain: Field, with_offset: Field) -> Option<NaiveDateTime> {
        let times = [written(fields, plain), written(fields, with_offset)];
        let is_midnight = |time: &&Written| time.local.time() == NaiveTime::MIN;
        if let Some(time) = times.iter().flatten().find(is_midnight) {
            return Some(time.local);
        }
        let time = times.into_iter().flatten().next()?;
        let there = self.clock(fields).local(time.instant.unwrap_or(time.local.and_utc()));
        Some(if there.time() == NaiveTime::MIN { there } else { time.local })
    }
}

const fn word(field: Field) -> &'static str {
    match field {
        Field::End => "end",
        _ => "start",
    }
}

/// The last day of a series: as it is written, whatever time stands beside it, unless that is a time of its own.
pub fn last_day(end: Written, clock: &Clock) -> NaiveDate {
    let is_day = end.local.time() == NaiveTime::MIN || (end.local.hour(), end.local.minute()) == (23, 59);
    match end.instant.filter(|_| !is_day) {
        Some(instant) => clock.local(instant).date(),
        None => end.local.date(),
    }
}
