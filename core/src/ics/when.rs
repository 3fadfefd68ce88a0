//! One event's times, resolved: RFC 5545's value types in, [`Timing`] out.

use std::rc::Rc;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::places::{Place, Places};
use super::values::Value;
use super::vevent::{End, ParsedEvent, Time};
use crate::event::{Duration, Timing};

/// A time on the time line.
pub(super) enum When<'z> {
    Date(NaiveDate),
    At {
        instant: DateTime<Utc>,
        /// `None` where it was given in UTC.
        place: Option<Rc<Place<'z>>>,
        /// As it was written, where the place's clock never shows that.
        never_shown: Option<NaiveDateTime>,
        floating: bool,
    },
}

impl<'z> When<'z> {
    /// A time as it is written, in the calendar with that number.
    pub fn new(time: Time, calendar: u32, places: &mut Places<'z>) -> Self {
        match time.value {
            Value::Date(date) => Self::Date(date),
            Value::Utc(instant) => Self::At { instant, place: None, never_shown: None, floating: false },
            Value::Local(local) => {
                let zone = time.tzid.and_then(|tzid| places.zone(tzid, calendar));
                let floating = zone.is_none();
                let place = zone.unwrap_or_else(|| places.floating(calendar));
                let instant = place.instant(local);
                let never_shown = (place.local(instant) != local).then_some(local);
                Self::At { instant, place: Some(place), never_shown, floating }
            }
        }
    }
}

/// Local time as the place's clock shows it, UTC without one.
fn local(instant: DateTime<Utc>, place: Option<&Rc<Place<'_>>>) -> NaiveDateTime {
    place.map_or(instant.naive_utc(), |place| place.local(instant))
}

pub(super) fn instant(local: NaiveDateTime, place: Option<&Rc<Place<'_>>>) -> DateTime<Utc> {
    place.map_or(local.and_utc(), |place| place.instant(local))
}

pub(super) fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// When an event takes place, and where its clock is.
pub(super) struct Span<'z> {
    pub timing: Timing,
    pub place: Option<Rc<Place<'z>>>,
    /// The start as it was written, where its clock never shows that.
    pub local_start: Option<NaiveDateTime>,
    /// DURATION, where a time and not DTEND says how long it is.
    pub duration: Option<Duration>,
}

impl<'z> Span<'z> {
    /// DTSTART with DTEND or DURATION. Without either a date is one day long and a time has no end (3.6.1). An end
    /// before the start is taken as the two swapped; a date that ends where it starts, a common mistake, as one day.
    pub fn new(event: &ParsedEvent, places: &mut Places<'z>) -> Result<Self, String> {
        match When::new(event.start, event.calendar, places) {
            When::Date(start) => Self::of_days(start, last_day(start, event, places)?),
            When::At { instant, place, never_shown, floating } => {
                let (end, duration) = end_of(instant, never_shown, place.as_ref(), event, places)?;
                let swapped = end.is_some_and(|end| end < instant);
                let (start, end) = match end {
                    Some(end) if swapped => (end, Some(instant)),
                    end => (instant, end.filter(|end| *end != instant)),
                };
                let time_zone = place.as_ref().and_then(|place| place.name.clone());
                Ok(Self {
                    timing: Timing { start, end, all_day: false, time_zone, floating: floating || event.floating },
                    place,
                    local_start: never_shown.filter(|_| !swapped),
                    duration: duration.filter(|_| end.is_some() && !swapped),
                })
            }
        }
    }

    fn of_days(start: NaiveDate, end: NaiveDate) -> Result<Self, String> {
        let (start, mut end) = (start.min(end), start.max(end));
        if start == end {
            end = start.checked_add_days(Days::new(1)).ok_or("DTEND is out of range")?;
        }
        let timing = Timing {
            start: midnight(start),
            end: Some(midnight(end)),
            all_day: true,
            time_zone: None,
            floating: false,
        };
        Ok(Self { timing, place: None, local_start: None, duration: None })
    }

    /// A time that names an occurrence (RECURRENCE-ID, EXDATE) or adds one (RDATE) of a series with this timing. A
    /// date in a series of times is that day's, at the time of day of DTSTART; a time in a series of dates its date;
    /// one without a zone is in the zone of the series.
    pub fn occurrence(&self, time: Time, calendar: u32, places: &mut Places<'z>) -> DateTime<Utc> {
        let own_place = self.place.as_ref().filter(|_| time.tzid.is_none());
        match (self.timing.all_day, time.value) {
            (true, Value::Date(date)) => midnight(date),
            (true, Value::Local(local)) => midnight(local.date()),
            // Midnight of the calendar's own zone, given in UTC, is the date there.
            (true, Value::Utc(instant)) => match places.floating(calendar).local(instant) {
                local if local.time() == NaiveTime::MIN && instant.time() != NaiveTime::MIN => midnight(local.date()),
                _ => midnight(instant.date_naive()),
            },
            (false, Value::Date(date)) => {
                let time_of_day = local(self.timing.start, self.place.as_ref()).time();
                instant(date.and_time(time_of_day), self.place.as_ref())
            }
            (false, Value::Local(local)) if own_place.is_some() => instant(local, own_place),
            (false, _) => match When::new(time, calendar, places) {
                When::At { instant, .. } => instant,
                When::Date(date) => midnight(date),
            },
        }
    }

    /// End of an RDATE that is a PERIOD; `None` where it ends as it starts.
    pub fn period_end(
        &self,
        start: DateTime<Utc>,
        end: End,
        calendar: u32,
        places: &mut Places<'z>,
    ) -> Result<Option<DateTime<Utc>>, String> {
        let end = match end {
            End::None => return Ok(None),
            End::At(end) => self.occurrence(end, calendar, places),
            End::After(duration) => after(start, duration, self.place.as_ref()).ok_or("RDATE is out of range")?,
        };
        Ok(Some(end).filter(|end| *end > start))
    }
}

/// The day after an all-day event's last.
fn last_day(start: NaiveDate, event: &ParsedEvent, places: &mut Places<'_>) -> Result<NaiveDate, String> {
    let out_of_range = || "DTEND is out of range".to_owned();
    let day_after = |date: NaiveDate| date.checked_add_days(Days::new(1)).ok_or_else(out_of_range);
    let end = match event.end {
        End::None => return day_after(start),
        End::After(Duration { days, seconds }) => {
            let days = days + seconds.div_euclid(86_400) + i64::from(seconds.rem_euclid(86_400) > 0);
            return start.checked_add_signed(TimeDelta::days(days)).ok_or_else(out_of_range);
        }
        End::At(end) => end,
    };
    match When::new(end, event.calendar, places) {
        When::Date(end) => Ok(end),
        When::At { instant, place, .. } => {
            let end = local(instant, place.as_ref());
            if end.time() == NaiveTime::MIN { Ok(end.date()) } else { day_after(end.date()) }
        }
    }
}

/// The end of a time, and the length if that is not what the clock shows between the two. A start that the clock never
/// shows, and puts off, may overtake the end: the event is then as long as it was meant to be.
fn end_of(
    start: DateTime<Utc>,
    never_shown: Option<NaiveDateTime>,
    place: Option<&Rc<Place<'_>>>,
    event: &ParsedEvent,
    places: &mut Places<'_>,
) -> Result<(Option<DateTime<Utc>>, Option<Duration>), String> {
    let written = match event.end {
        End::None => return Ok((None, None)),
        End::After(duration) => {
            let end = after(start, duration, place).ok_or("DURATION is out of range")?;
            return Ok((Some(end), Some(duration)));
        }
        End::At(written) => written,
    };
    let (end, end_is_shown) = match When::new(written, event.calendar, places) {
        When::At { instant, never_shown, .. } => (instant, never_shown.is_none()),
        // A date as the end of a time: its midnight where the event is, if that is later.
        When::Date(date) => {
            let end = instant(date.and_time(NaiveTime::MIN), place);
            return Ok((Some(end).filter(|end| *end > start), None));
        }
    };
    let exact = |length: TimeDelta| Duration { days: 0, seconds: length.num_seconds() };
    match never_shown.filter(|_| end <= start).map(|start| local(end, place) - start) {
        Some(length) => Ok((start.checked_add_signed(length), Some(exact(length)))),
        None => Ok((Some(end), (!end_is_shown).then(|| exact(end - start)))),
    }
}

/// Days are counted on the clock, seconds as they pass (RFC 5545, 3.3.6).
fn after(start: DateTime<Utc>, duration: Duration, place: Option<&Rc<Place<'_>>>) -> Option<DateTime<Utc>> {
    let start = match duration.days {
        0 => start,
        days => instant(local(start, place).checked_add_signed(TimeDelta::days(days))?, place),
    };
    start.checked_add_signed(TimeDelta::seconds(duration.seconds))
}
