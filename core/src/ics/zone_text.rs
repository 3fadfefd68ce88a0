//! VTIMEZONE for a zone: its clock changes over the years that a file needs, as rules where they repeat.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::escape::push_line;
use crate::recurrence::weekday_word;
use crate::zones::Zone;

/// One clock change.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// Seconds UTC since 1970.
    instant: i64,
    from: i32,
    to: i32,
}

impl Change {
    /// The clock at the change, before it.
    fn local(self) -> NaiveDateTime {
        local(self.instant, self.from)
    }

    fn kind(self) -> Kind {
        let local = self.local();
        (self.from, self.to, local.month(), local.weekday().num_days_from_monday(), local.time())
    }
}

/// Changes that one rule may give: offsets, month, weekday and time of day.
type Kind = (i32, i32, u32, u32, NaiveTime);

/// Changes of one kind, one in each of consecutive years.
struct Run {
    changes: Vec<Change>,
    pattern: Pattern,
}

/// Which of a month's days of one weekday the changes of a run are on, as far as they tell.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    /// The nth, if it always is.
    nth: Option<u32>,
    /// Whether it always is the last.
    last: bool,
    first_day: u32,
    last_day: u32,
}

impl Pattern {
    fn of(date: NaiveDate) -> Self {
        let day = date.day();
        let last = day + 7 > u32::from(date.num_days_in_month());
        Self { nth: Some((day - 1) / 7 + 1), last, first_day: day, last_day: day }
    }

    /// The pattern of both, if they have one.
    fn and(self, other: Self) -> Option<Self> {
        let both = Self {
            nth: self.nth.filter(|nth| Some(*nth) == other.nth),
            last: self.last && other.last,
            first_day: self.first_day.min(other.first_day),
            last_day: self.last_day.max(other.last_day),
        };
        (both.nth.is_some() || both.last || both.last_day - both.first_day < 7).then_some(both)
    }

    /// The rule's parts for it; `None` if it takes more changes to tell.
    fn parts(self, weekday: &str) -> Option<String> {
        match self.nth {
            _ if self.last => Some(format!("BYDAY=-1{weekday}")),
            Some(nth) => Some(format!("BYDAY={nth}{weekday}")),
            None if self.last_day - self.first_day == 6 => {
                let days: Vec<_> = (self.first_day..=self.last_day).map(|day| day.to_string()).collect();
                Some(format!("BYMONTHDAY={};BYDAY={weekday}", days.join(",")))
            }
            None => None,
        }
    }
}

/// Changes that no rule gives, by their offsets.
type Singles = BTreeMap<(i32, i32), Vec<Change>>;

/// Appends the VTIMEZONE of `zone`, right from the instant `first` on until the end of the year `last`, and as far
/// beyond as its rules go on. Instants are seconds UTC since 1970.
pub fn push_zone(file: &mut String, name: &str, zone: &dyn Zone, first: i64, last_year: i32) {
    let first_year = DateTime::from_timestamp(first, 0).map_or(1970, |first| first.year());
    // From a year before: rules that are in force then need nothing in front of them.
    let start = new_year(first_year - 1);
    let changes = changes(zone, start, new_year(last_year + 1));
    push_line(file, "BEGIN:VTIMEZONE");
    push_line(file, &format!("TZID:{name}"));
    if changes.first().is_none_or(|change| change.instant > first) {
        let offset = zone.span(start).offset;
        let onset = if changes.is_empty() { new_year(1970) - i64::from(offset) } else { start };
        push_observance(file, &[Change { instant: onset, from: offset, to: offset }], None);
    }
    let (runs, singles) = runs(&changes);
    for run in &runs {
        push_run(file, run, last_year);
    }
    for listed in singles.values() {
        push_observance(file, listed, None);
    }
    push_line(file, "END:VTIMEZONE");
}

/// Every change of the offset in a stretch of time.
fn changes(zone: &dyn Zone, from: i64, to: i64) -> Vec<Change> {
    let mut changes = vec![];
    let mut span = zone.span(from);
    while span.until < to {
        let next = zone.span(span.until);
        if next.offset != span.offset {
            changes.push(Change { instant: span.until, from: span.offset, to: next.offset });
        }
        if next.until <= span.until {
            break;
        }
        span = next;
    }
    changes
}

/// Runs of at least two years, in the order of their first changes, and what is in none.
fn runs(changes: &[Change]) -> (Vec<Run>, Singles) {
    let mut open: BTreeMap<Kind, Run> = BTreeMap::new();
    let mut done = vec![];
    for change in changes {
        let date = change.local().date();
        let pattern = Pattern::of(date);
        if let Some(run) = open.get_mut(&change.kind())
            && run.changes.last().is_some_and(|last| last.local().year() + 1 == date.year())
            && let Some(both) = run.pattern.and(pattern)
        {
            run.changes.push(*change);
            run.pattern = both;
            continue;
        }
        done.extend(open.insert(change.kind(), Run { changes: vec![*change], pattern }));
    }
    done.extend(open.into_values());
    let (mut runs, rest): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|run| run.changes.len() > 1 && run.pattern.parts("").is_some());
    runs.sort_by_key(|run| run.changes.first().map(|change| change.instant));
    let mut singles = Singles::new();
    for change in rest.into_iter().flat_map(|run| run.changes) {
        singles.entry((change.from, change.to)).or_default().push(change);
    }
    singles.values_mut().for_each(|listed| listed.sort_by_key(|change| change.instant));
    (runs, singles)
}

fn push_run(file: &mut String, run: &Run, last_year: i32) {
    let (Some(first), Some(last)) = (run.changes.first(), run.changes.last()) else { return };
    let local = first.local();
    let Some(parts) = run.pattern.parts(weekday_word(local.weekday())) else { return };
    let mut rule = format!("RRULE:FREQ=YEARLY;BYMONTH={};{parts}", local.month());
    // What goes on until the last year that was looked at goes on after it.
    if last.local().year() < last_year {
        rule.push_str(";UNTIL=");
        push_local(&mut rule, self::local(last.instant, 0));
        rule.push('Z');
    }
    push_observance(file, &run.changes[..1], Some(&rule));
}

/// A STANDARD or DAYLIGHT part for changes between the same offsets: by rule from the first on, or each.
fn push_observance(file: &mut String, changes: &[Change], rule: Option<&str>) {
    let Some(first) = changes.first() else { return };
    let part = if first.to > first.from { "DAYLIGHT" } else { "STANDARD" };
    let dated = |name: &str, change: &Change| {
        let mut line = format!("{name}:");
        push_local(&mut line, change.local());
        line
    };
    push_line(file, &format!("BEGIN:{part}"));
    push_line(file, &dated("DTSTART", first));
    push_line(file, &format!("TZOFFSETFROM:{}", offset(first.from)));
    push_line(file, &format!("TZOFFSETTO:{}", offset(first.to)));
    rule.into_iter().for_each(|rule| push_line(file, rule));
    changes[1..].iter().for_each(|change| push_line(file, &dated("RDATE", change)));
    push_line(file, &format!("END:{part}"));
}

fn offset(seconds: i32) -> String {
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let mut text = format!("{sign}{:02}{:02}", size / 3600, size / 60 % 60);
    if size % 60 != 0 {
        let _ = write!(text, "{:02}", size % 60);
    }
    text
}

/// Appends a DATE-TIME value without a zone.
pub fn push_local(line: &mut String, local: NaiveDateTime) {
    push_date(line, local.date());
    // Writing to a String does not fail.
    let _ = write!(line, "T{:02}{:02}{:02}", local.hour(), local.minute(), local.second());
}

/// Appends a DATE value.
pub fn push_date(line: &mut String, date: NaiveDate) {
    let _ = write!(line, "{:04}{:02}{:02}", date.year(), date.month(), date.day());
}

fn local(instant: i64, offset: i32) -> NaiveDateTime {
    DateTime::from_timestamp(instant + i64::from(offset), 0).unwrap_or_default().naive_utc()
}

fn new_year(year: i32) -> i64 {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc().timestamp()
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::super::table_zone::TableZone;
    use super::super::tzid::common_zones;
    use super::*;
    use crate::zones::{ChronoZones, Zones};

    fn written(name: &str, first_year: i32, last_year: i32) -> String {
        let zones = ChronoZones::default();
        let mut file = String::new();
        push_zone(&mut file, name, &*zones.zone(name).unwrap(), new_year(first_year), last_year);
        file
    }

    fn agrees(name: &str, first_year: i32, last_year: i32, until: i32) {
        let zones = ChronoZones::default();
        let text = written(name, first_year, last_year);
        let file = format!("BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n");
        let calendar = read(file.as_bytes(), 1).unwrap();
        let table = TableZone::new(&calendar.zones[0].1).unwrap();
        let zone = zones.zone(name).unwrap();
        assert!(table.agrees(&*zone, new_year(first_year), new_year(until)), "{name} {first_year} {last_year}\n{text}");
    }

    #[test]
    fn a_written_zone_is_read_as_the_same_zone() {
        for name in ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Jerusalem"] {
            for (first, last) in [(1995, 2037), (2024, 2037), (2024, 2025)] {
                agrees(name, first, last, last + 1);
            }
        }
        // Rules that changed often, once a year by the moon, or with the day itself.
        for name in ["Europe/Moscow", "Africa/Casablanca", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo"] {
            agrees(name, 1950, 2037, 2038);
        }
    }

    #[test]
    fn rules_that_are_in_force_go_on() {
        for name in ["Europe/Berlin", "America/New_York", "America/Santiago", "Asia/Jerusalem", "Australia/Sydney"] {
            agrees(name, 2024, 2037, 2090);
        }
    }

    #[test]
    fn two_changes_a_year_are_two_rules() {
        let expected = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nDTSTART:20230326T020000\r\n\
                        TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n\
                        END:DAYLIGHT\r\nBEGIN:STANDARD\r\nDTSTART:20231029T030000\r\nTZOFFSETFROM:+0200\r\n\
                        TZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n\
                        END:VTIMEZONE\r\n";
        assert_eq!(written("Europe/Berlin", 2024, 2037), expected);
    }

    #[test]
    fn a_zone_that_never_changes_has_one_part() {
        let expected = "BEGIN:VTIMEZONE\r\nTZID:Asia/Kolkata\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
                        TZOFFSETFROM:+0530\r\nTZOFFSETTO:+0530\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
        assert_eq!(written("Asia/Kolkata", 2024, 2037), expected);
    }

    /// Every zone that Windows knows; takes a minute without optimisation.
    #[test]
    #[ignore = "long: make test-long"]
    fn every_common_zone_is_read_as_the_same_zone() {
        for name in common_zones() {
            agrees(&name, 1930, 2037, 2038);
            agrees(&name, 2020, 2037, 2038);
            agrees(&name, 2026, 2028, 2029);
        }
    }
}
