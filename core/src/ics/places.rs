//! The zones that a calendar file names, looked up.
//!
//! 1. A TZID that is an IANA name with an area, or ends in one (`/freeassociation.sourceforge.net/Europe/Berlin`), or
//!    whose VTIMEZONE has such an X-LIC-LOCATION, is that zone: the file's copy of its rules is rarely complete and
//!    often old.
//! 2. Else a VTIMEZONE of the file says what the zone is. Since a series needs a zone with a name, one is looked for
//!    that has the same clock changes in the years that the file is from: what the TZID may mean (Windows' names
//!    first), the calendar's own zone, then one IANA zone for each set of rules that Windows knows.
//! 3. If none has, the file's table is the zone, without a name.
//! 4. Without a VTIMEZONE: what the TZID may mean.
//!
//! A time whose TZID is nothing of all that is taken as floating, and marked so, as other readers do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::read::Calendar;
use super::table_zone::TableZone;
use super::tzid;
use super::vevent::Tzids;
use super::vtimezone::VTimeZone;
use crate::zones::{Resolver, Span, Zone, Zones};

/// Definitions that may fail before no more are tried: a file of nothing but rules that are hard to follow ends soon.
const MAX_FAILURES: u32 = 10;

/// A zone, and the name that it is stored by.
pub(crate) struct Place<'z> {
    /// IANA name. `None` for UTC, and for a zone that only the file knows.
    pub name: Option<String>,
    /// What only the file knows.
    pub own: Option<TableZone>,
    resolver: RefCell<Resolver<Box<dyn Zone + 'z>>>,
}

impl<'z> Place<'z> {
    fn new(name: Option<String>, zone: Box<dyn Zone + 'z>) -> Rc<Self> {
        // Under a name that is read again as one: see `tzid::is_capitalised`.
        let name = name.map(tzid::capitalised);
        Rc::new(Self { name, own: None, resolver: RefCell::new(Resolver::new(zone)) })
    }

    fn utc() -> Rc<Self> {
        Self::new(None, Box::new(TableZone::fixed(0)))
    }

    fn own(zone: TableZone) -> Rc<Self> {
        let resolver = RefCell::new(Resolver::new(Box::new(zone.clone()) as Box<dyn Zone>));
        Rc::new(Self { name: None, own: Some(zone), resolver })
    }

    /// RFC 5545, 3.3.5: in a gap with the offset before it; the first of two.
    pub fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let instant = self.resolver.borrow_mut().resolve(local.and_utc().timestamp()).instant;
        DateTime::from_timestamp(instant, 0).unwrap_or_default()
    }

    /// The zone's offset at a second since 1970.
    pub fn span(&self, utc: i64) -> Span {
        self.resolver.borrow().zone().span(utc)
    }

    /// What the zone's clocks show at that instant.
    pub fn local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        let local = self.resolver.borrow().to_local(instant.timestamp());
        DateTime::from_timestamp(local, 0).unwrap_or_default().naive_utc()
    }
}

/// The zones of one file.
pub(super) struct Places<'z> {
    zones: &'z dyn Zones,
    pub tzids: Tzids,
    /// Definitions by their TZID, each with the index of the VCALENDAR from which on it holds; in that order.
    definitions: HashMap<String, Vec<(u32, VTimeZone)>>,
    /// X-WR-TIMEZONE of each VCALENDAR.
    calendars: Vec<Option<String>>,
    default: Rc<Place<'z>>,
    /// By TZID and the VCALENDAR whose definition holds.
    found: HashMap<(u32, Option<u32>), Option<Rc<Place<'z>>>>,
    floating: HashMap<String, Rc<Place<'z>>>,
    /// The years in which a definition must agree with a named zone, in seconds since 1970.
    years: (i64, i64),
    failures: u32,
}

impl<'z> Places<'z> {
    /// Takes the zones out of a file. `None` if `default_zone` is not known.
    pub fn new(calendar: &mut Calendar<'_>, zones: &'z dyn Zones, default_zone: &str) -> Option<Self> {
        let default = named(zones, default_zone)?;
        let mut definitions: HashMap<String, Vec<(u32, VTimeZone)>> = HashMap::new();
        for (head, zone) in calendar.zones.drain(..) {
            definitions.entry(tzid::normal(&zone.tzid).to_owned()).or_default().push((head, zone));
        }
        Some(Self {
            zones,
            tzids: std::mem::take(&mut calendar.tzids),
            definitions,
            calendars: calendar.heads.iter_mut().map(|head| head.time_zone.take()).collect(),
            default,
            found: HashMap::new(),
            floating: HashMap::new(),
            years: years_from(calendar.year.unwrap_or(2020)),
            failures: 0,
        })
    }

    /// The zones that are known.
    pub fn zones(&self) -> &'z dyn Zones {
        self.zones
    }

    /// Where the calendar's floating times are: X-WR-TIMEZONE if that is a zone, else the default.
    pub fn floating(&mut self, calendar: u32) -> Rc<Place<'z>> {
        let Some(Some(name)) = self.calendars.get(calendar as usize) else { return self.default.clone() };
        if let Some(place) = self.floating.get(name) {
            return place.clone();
        }
        let place = named(self.zones, name).unwrap_or_else(|| self.default.clone());
        self.floating.insert(name.clone(), place.clone());
        place
    }

    /// The zone that a TZID names in that VCALENDAR, if it names one.
    pub fn zone(&mut self, tzid: u32, calendar: u32) -> Option<Rc<Place<'z>>> {
        let name = self.tzids.0.get(tzid as usize).map_or("", String::as_str);
        let definition = self
            .definitions
            .get(tzid::normal(name))
            .and_then(|all| all.iter().rfind(|(head, _)| *head <= calendar).or(all.first()));
        let key = (tzid, definition.map(|(head, _)| *head));
        if !self.found.contains_key(&key) {
            let home = self.floating(calendar);
            let place = self.find(tzid, key.1, &home);
            self.found.insert(key, place);
        }
        self.found[&key].clone()
    }

    fn find(&mut self, tzid: u32, definition: Option<u32>, home: &Rc<Place<'z>>) -> Option<Rc<Place<'z>>> {
        let name = tzid::normal(self.tzids.0.get(tzid as usize)?);
        let definition = definition.and_then(|head| {
            let all = self.definitions.get(name)?;
            all.iter().find(|(from, _)| *from == head).map(|(_, zone)| zone)
        });
        let location = definition.and_then(|zone| zone.location.as_deref()).unwrap_or_default();
        if tzid::is_utc(name) {
            return Some(Place::utc());
        }
        let areas = || tzid::area_names(name).chain(tzid::area_names(location));
        for area in areas().filter(|area| tzid::is_capitalised(area)) {
            if let Some(zone) = self.zones.zone(area) {
                return Some(Place::new(Some(area.to_owned()), zone));
            }
        }
        if let Some(definition) = definition.filter(|_| self.failures < MAX_FAILURES) {
            match TableZone::new(definition) {
                Some(table) => return Some(self.place_of(table, name, home)),
                None => self.failures += 1,
            }
        }
        named(self.zones, name)
    }

    /// The named zone that has the same clock changes, or the table itself.
    fn place_of(&self, table: TableZone, name: &str, home: &Rc<Place<'z>>) -> Rc<Place<'z>> {
        let (from, to) = self.years;
        if table.only_offset() == Some(0) {
            return Place::utc();
        }
        // POSIX' sign: positive is west.
        let fixed = table.only_offset().filter(|seconds| seconds % 3600 == 0);
        let fixed = fixed.map(|seconds| format!("Etc/GMT{:+}", -seconds / 3600));
        let areas = tzid::area_names(name).map(str::to_owned);
        let names =
            areas.chain(tzid::other_names(name)).chain(home.name.clone()).chain(fixed).chain(tzid::common_zones());
        for name in names {
            if let Some(zone) = self.zones.zone(&name)
                && table.agrees(&*zone, from, to)
            {
                return Place::new(Some(name), zone);
            }
        }
        Place::own(table)
    }

    /// End of the years that the file is from, in seconds since 1970.
    pub fn written_until(&self) -> i64 {
        self.years.1
    }
}

/// The zone that a name alone means: an IANA name, one of Windows', an offset.
pub(crate) fn named<'z>(zones: &'z dyn Zones, name: &str) -> Option<Rc<Place<'z>>> {
    let name = tzid::normal(name);
    if tzid::is_utc(name) {
        return Some(Place::utc());
    }
    let names = tzid::area_names(name).map(str::to_owned).chain(tzid::other_names(name));
    for name in names {
        if let Some(zone) = zones.zone(&name) {
            return Some(Place::new(Some(name), zone));
        }
    }
    tzid::offset_in_name(name).map(|offset| Place::own(TableZone::fixed(offset)))
}

/// The year in which a file was last changed and the one after: the years for which a program knew what it wrote as a
/// zone's rules (Windows' definitions have only the present ones, said to hold since 1601).
fn years_from(year: i32) -> (i64, i64) {
    let year = year.clamp(1970, 2036);
    let new_year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(Default::default());
    (new_year(year).and_utc().timestamp(), new_year(year + 2).and_utc().timestamp())
}
