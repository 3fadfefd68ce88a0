//! When a series recurs: its rules and its lists of dates, on the clock of its zone.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{Items, Resolved, bad};
use crate::event::{Event, Series};
use crate::ics::excluded_days::occurrences_on;
use crate::ics::table_zone::TableZone;
use crate::ics::until::conform;
use crate::ics::values::Value;
use crate::ics::vevent::{BadEvent, MAX_DATES, ParsedEvent, Recurrence};
use crate::ics::when::{Span, instant};
use crate::recurrence::{Occurrences, Rule, Window};

/// Occurrences that are listed of a series whose zone only its file knows.
const MAX_LISTED: usize = 2_000;
/// Rules that may fail to be listed; after that many, no more are tried.
const MAX_UNLISTED: u32 = 10;

impl<'z> Items<'z> {
    /// The series without its overrides and its template's details.
    pub(super) fn rules(&mut self, master: &ParsedEvent, written: Recurrence, span: &Span<'z>) -> Resolved<Series> {
        let rrules = parse_rules(master, &written.rrules, span)?;
        let exrules = parse_rules(master, &written.exrules, span)?;
        let mut dates = self.dates(&written, master.calendar, span).map_err(|reason| bad(master, reason))?;
        let own_zone = span.place.as_ref().and_then(|place| place.own.as_ref());
        let (rrules, exrules) = match own_zone {
            Some(zone) if !rrules.is_empty() => {
                if self.unlisted >= MAX_UNLISTED {
                    return Err(bad(master, "its time zone has no known name".into()));
                }
                let listed = self.listed(&rrules, &exrules, span.timing.start, zone);
                dates.rdates.extend(listed.ok_or_else(|| {
                    self.unlisted += 1;
                    bad(master, "its rule gives no occurrence within the search limit".into())
                })?);
                (vec![], vec![])
            }
            _ => (rrules, exrules),
        };
        for list in [&mut dates.rdates, &mut dates.exdates] {
            list.sort_unstable();
            list.dedup();
        }
        dates.ends.sort_unstable();
        dates.ends.dedup_by_key(|(start, _)| *start);
        let text = |rules: Vec<Rule>| rules.iter().map(Rule::to_string).collect();
        let mut series = Series {
            template: Event { timing: span.timing.clone(), details: Default::default() },
            local_start: span.local_start.filter(|_| own_zone.is_none()),
            duration: span.duration.filter(|_| own_zone.is_none()),
            rrules: text(rrules),
            exrules: text(exrules),
            rdates: dates.rdates,
            rdate_ends: dates.ends,
            exdates: dates.exdates,
            overrides: vec![],
        };
        if !dates.excluded_days.is_empty() {
            let instant = |local| instant(local, span.place.as_ref());
            // What is written again must be readable, too.
            let room = MAX_DATES.saturating_sub(series.rdates.len() + series.exdates.len());
            let found = occurrences_on(&dates.excluded_days, &series, self.places.zones(), instant, room);
            series.exdates.extend(found);
            series.exdates.sort_unstable();
            series.exdates.dedup();
        }
        Ok(series)
    }

    fn dates(&mut self, written: &Recurrence, calendar: u32, span: &Span<'z>) -> Result<DateLists, String> {
        let mut lists = DateLists::default();
        for time in &written.rdates {
            lists.rdates.push(span.occurrence(*time, calendar, &mut self.places));
        }
        for time in &written.exdates {
            lists.exdates.push(span.occurrence(*time, calendar, &mut self.places));
            if let Value::Date(day) = time.value
                && !span.timing.all_day
            {
                lists.excluded_days.push(day);
            }
        }
        for (start, end) in &written.periods {
            let start = span.occurrence(*start, calendar, &mut self.places);
            lists.rdates.push(start);
            let end = span.period_end(start, *end, calendar, &mut self.places)?;
            lists.ends.extend(end.map(|end| (start, end)));
        }
        Ok(lists)
    }

    /// What the rules give around the time when the file was written.
    fn listed(
        &self,
        rules: &[Rule],
        exrules: &[Rule],
        start: DateTime<Utc>,
        zone: &TableZone,
    ) -> Option<Vec<DateTime<Utc>>> {
        let written = self.places.written_until();
        let year = TimeDelta::days(366).num_seconds();
        let window = Window { from: written - 3 * year, to: written + 5 * year };
        let expand = |rules: &[Rule]| -> Option<HashSet<i64>> {
            let mut instants = HashSet::new();
            for rule in rules {
                let occurrences = Occurrences::new(rule, start.timestamp(), zone, window).ok()?;
                for instant in occurrences.take(MAX_LISTED) {
                    instants.insert(instant.ok()?);
                }
            }
            Some(instants)
        };
        let (given, excluded) = (expand(rules)?, expand(exrules)?);
        Some(given.difference(&excluded).filter_map(|instant| DateTime::from_timestamp(*instant, 0)).collect())
    }
}

#[derive(Default)]
struct DateLists {
    rdates: Vec<DateTime<Utc>>,
    ends: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    exdates: Vec<DateTime<Utc>>,
    /// EXDATEs that are dates, of a series of times; also in `exdates`, at the time of day of DTSTART.
    excluded_days: Vec<NaiveDate>,
}

fn parse_rules(event: &ParsedEvent, rules: &[(u32, String)], span: &Span<'_>) -> Resolved<Vec<Rule>> {
    let mut parsed: Vec<Rule> = Vec::with_capacity(rules.len());
    for (line, text) in rules {
        let mut rule = Rule::parse(&without_endless_count(text))
            .map_err(|error| BadEvent { line: *line, ..bad(event, error.to_string()) })?;
        conform(&mut rule, span.timing.all_day, |local| instant(local, span.place.as_ref()));
        if !parsed.contains(&rule) {
            parsed.push(rule);
        }
    }
    Ok(parsed)
}

/// COUNT=-1 is how Exchange's library says that there is no COUNT.
fn without_endless_count(rule: &str) -> Cow<'_, str> {
    let is_endless = |part: &&str| part.trim_start().get(..7).is_some_and(|it| it.eq_ignore_ascii_case("COUNT=-"));
    if !rule.split(';').any(|part| is_endless(&part)) {
        return Cow::Borrowed(rule);
    }
    Cow::Owned(rule.split(';').filter(|part| !is_endless(part)).collect::<Vec<_>>().join(";"))
}
