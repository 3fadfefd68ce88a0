//! The dates of a series before overrides: RRULE and RDATE joined, EXRULE and EXDATE taken out (RFC 5545, 3.8.5).

use std::rc::Rc;

use super::civil::DAY;
use super::error::RecurrenceError;
use super::occurrences::{Dates, Occurrences, Window};
use super::rule::Rule;
use crate::event::Series;
use crate::zones::{Resolver, Utc, Zone, Zones};

/// A zone of a series: the named one, or UTC.
pub(super) fn zone_of<'z>(zones: &'z dyn Zones, name: Option<&str>) -> Result<Box<dyn Zone + 'z>, RecurrenceError> {
    match name {
        None => Ok(Box::new(Utc)),
        Some(name) => zones.zone(name).ok_or_else(|| RecurrenceError::UnknownZone(name.to_owned())),
    }
}

/// Whether one of the rules of a series gives the time at which it starts: the first instance is there in any case
/// (RFC 5545, 3.8.5.3), but some calendars do not take such a series.
///
/// # Errors
/// [`RecurrenceError`] for a rule that is not valid, a zone that is not known, a search that is given up.
pub fn gives_its_start(series: &Series, zones: &dyn Zones) -> Result<bool, RecurrenceError> {
    let recurrence = Recurrence::new(series)?;
    let window = Window { from: recurrence.start, to: recurrence.start };
    for rule in &recurrence.rules {
        if Stream::new(&recurrence, rule, zones, window)?.peek()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a series repeats by, read once.
#[derive(Debug)]
pub(super) struct Recurrence {
    rules: Vec<Rule>,
    except_rules: Vec<Rule>,
    /// DTSTART and the RDATEs, in seconds UTC, ascending.
    dates: Vec<i64>,
    /// EXDATEs, ascending.
    except_dates: Vec<i64>,
    start: i64,
    /// DTSTART in local seconds, where its clock never shows that.
    local_start: Option<i64>,
    all_day: bool,
    time_zone: Option<String>,
}

impl Recurrence {
    /// Reads the rules of a series.
    pub fn new(series: &Series) -> Result<Self, RecurrenceError> {
        let parse = |rules: &[String]| rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<Vec<_>, _>>();
        let timing = &series.template.timing;
        let start = timing.start.timestamp();
        let dates = series.rdates.iter().chain(series.rdate_ends.iter().map(|(start, _)| start));
        let mut dates: Vec<i64> = dates.map(|date| date.timestamp()).chain([start]).collect();
        dates.sort_unstable();
        dates.dedup();
        let mut except_dates: Vec<i64> = series.exdates.iter().map(|date| date.timestamp()).collect();
        except_dates.sort_unstable();
        Ok(Self {
            rules: parse(&series.rrules)?,
            except_rules: parse(&series.exrules)?,
            dates,
            except_dates,
            start,
            local_start: series.local_start.map(|local| local.and_utc().timestamp()),
            all_day: timing.all_day,
            time_zone: timing.time_zone.clone(),
        })
    }

    /// The series' own zone: UTC for all-day series.
    pub fn zone<'z>(&self, zones: &'z dyn Zones) -> Result<Box<dyn Zone + 'z>, RecurrenceError> {
        zone_of(zones, self.time_zone.as_deref().filter(|_| !self.all_day))
    }

    /// DTSTART in local seconds, where its clock never shows that.
    pub const fn local_start(&self) -> Option<i64> {
        self.local_start
    }

    /// Whether an EXDATE names that time, in seconds since 1970.
    pub fn is_excluded(&self, date: i64) -> bool {
        self.except_dates.binary_search(&date).is_ok()
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        self.rules.len() + self.except_rules.len()
    }

    /// The original starts in a window, ascending, and before it DTSTART and the RDATEs from `dates_from` on.
    pub fn within<'z>(
        self: &Rc<Self>,
        zones: &'z dyn Zones,
        window: Window,
        dates_from: i64,
    ) -> Result<Originals<'z>, RecurrenceError> {
        let streams = |rules: &[Rule], window: Window| {
            rules.iter().map(|rule| Stream::new(self, rule, zones, window)).collect::<Result<Vec<_>, _>>()
        };
        // Not by looking at each: a series in many parts has many windows.
        let inside = |dates: &[i64]| {
            let first = dates.partition_point(|date| *date < dates_from);
            let end = dates.partition_point(|date| *date <= window.to);
            dates[first..end.max(first)].to_vec()
        };
        let mut included = streams(&self.rules, window)?;
        included.push(Stream::list(inside(&self.dates)));
        let excluded = Window { from: dates_from, ..window };
        let except_rules = streams(&self.except_rules, excluded)?;
        let except_dates = Stream::list(inside(&self.except_dates));
        Ok(Originals { of: self.clone(), zones, to: window.to, included, except_rules, except_dates })
    }
}

/// One source of original starts, with the next one already looked at.
struct Stream<'z> {
    source: Source<'z>,
    next: Option<i64>,
    started: bool,
}

enum Source<'z> {
    Timed(Box<Occurrences<Box<dyn Zone + 'z>>>),
    Dates(Box<Dates>),
    List(std::vec::IntoIter<i64>),
}

impl<'z> Stream<'z> {
    fn new(of: &Recurrence, rule: &Rule, zones: &'z dyn Zones, window: Window) -> Result<Self, RecurrenceError> {
        let source = if of.all_day {
            let from = window.from.div_euclid(DAY) + i64::from(window.from.rem_euclid(DAY) > 0);
            let window = Window { from, to: window.to.div_euclid(DAY) };
            Source::Dates(Box::new(Dates::new(rule, of.start.div_euclid(DAY), window)?))
        } else {
            let resolver = Resolver::new(of.zone(zones)?);
            let local_start = of.local_start.unwrap_or_else(|| resolver.to_local(of.start));
            Source::Timed(Box::new(Occurrences::starting_at(rule, of.start, local_start, resolver, window)?))
        };
        Ok(Self { source, next: None, started: false })
    }

    fn list(dates: Vec<i64>) -> Self {
        Self { source: Source::List(dates.into_iter()), next: None, started: false }
    }

    fn peek(&mut self) -> Result<Option<i64>, RecurrenceError> {
        if !self.started {
            self.started = true;
            self.advance()?;
        }
        Ok(self.next)
    }

    fn advance(&mut self) -> Result<(), RecurrenceError> {
        self.next = match &mut self.source {
            Source::Timed(occurrences) => occurrences.next().transpose()?,
            Source::Dates(dates) => dates.next().transpose()?.map(|day| day * DAY),
            Source::List(list) => list.next(),
        };
        Ok(())
    }
}

/// Original starts, ascending, in seconds UTC.
pub(super) struct Originals<'z> {
    of: Rc<Recurrence>,
    zones: &'z dyn Zones,
    /// End of the window.
    to: i64,
    included: Vec<Stream<'z>>,
    /// One for each of `of.except_rules`.
    except_rules: Vec<Stream<'z>>,
    except_dates: Stream<'z>,
}

/// As many steps as may be taken from one date to the next: many may be excluded in a row, and that search must end, too.
const MAX_STEPS: usize = 1_000_000;

/// Steps that an EXRULE's dates are followed one by one before they are sought anew, and what that counts for.
const STEPS_BEFORE_SEEK: usize = 64;

impl Originals<'_> {
    /// The next original start, in seconds since 1970.
    pub fn next(&mut self) -> Result<Option<i64>, RecurrenceError> {
        let mut steps = 0;
        while steps < MAX_STEPS {
            steps += self.included.len() + self.except_rules.len();
            let mut first = None;
            for stream in &mut self.included {
                first = match (first, stream.peek()?) {
                    (Some(a), Some(b)) => Some(std::cmp::min::<i64>(a, b)),
                    (a, b) => a.or(b),
                };
            }
            let Some(date) = first else { return Ok(None) };
            for stream in &mut self.included {
                if stream.next == Some(date) {
                    stream.advance()?;
                }
            }
            if !self.excludes(date, &mut steps)? {
                return Ok(Some(date));
            }
        }
        Err(RecurrenceError::LimitExceeded)
    }

    fn excludes(&mut self, date: i64, steps: &mut usize) -> Result<bool, RecurrenceError> {
        while self.except_dates.peek()?.is_some_and(|next| next < date) {
            self.except_dates.advance()?;
        }
        let mut excludes = self.except_dates.next == Some(date);
        for (rule, stream) in self.of.except_rules.iter().zip(&mut self.except_rules) {
            let before = *steps;
            while stream.peek()?.is_some_and(|next| next < date) {
                *steps += 1;
                if *steps - before < STEPS_BEFORE_SEEK {
                    stream.advance()?;
                } else {
                    // It gives much more than there is to exclude: every second beside every year.
                    *stream = Stream::new(&self.of, rule, self.zones, Window { from: date, to: self.to })?;
                }
            }
            excludes |= stream.next == Some(date);
        }
        Ok(excludes)
    }
}
