//! Instances of series for the window that is stored.

use calendar_sync_core::content;
use calendar_sync_core::event::{Details, Series, Timing};
use calendar_sync_core::recurrence::{Instance, Instances, RecurrenceError, Window};
use calendar_sync_core::zones::Zones;
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::check_for_interrupts;
use uuid::Uuid;

use super::volume::{BYTES_AT_ONCE, MOST_BYTES_OF_SERIES, MOST_OF_SERIES, weight};
use crate::errors::SqlResult;
use crate::settings;
use crate::store::series::{self, Expansion, Stored};
use crate::store::{Installation, Source, events, instances, new_id};

/// A series that gives so many instances within this time is none of meetings, and is refused: it would keep whoever
/// asks for a month of it from seeing anything.
const TOO_SHORT_FOR_MOST: TimeDelta = TimeDelta::days(400);

/// Series that are moved on in one go.
const SERIES_AT_ONCE: i32 = 100;

/// Why a series can't be stored.
#[derive(Debug, thiserror::Error)]
pub enum Unexpandable {
    #[error(transparent)]
    Recurrence(#[from] RecurrenceError),
    #[error("the recurrence rule gives more than {MOST_OF_SERIES} occurrences in 400 days")]
    TooDense,
    #[error("the series has too many occurrences that are not over, or too long a text for as many as it has")]
    TooLarge,
}

/// Start of what is stored of a series that is first seen.
pub fn first_start(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::seconds(settings::EXPAND_BACK.get().into())
}

/// End of what is stored.
pub fn horizon(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(settings::EXPAND_AHEAD.get().into())
}

/// Which instances are wanted: those that start from then on, and what was to but is brought forward.
#[derive(Clone, Copy)]
pub struct Since {
    pub from: DateTime<Utc>,
    /// Where what is stored begins; `None`: at `from`.
    pub expanded_from: Option<DateTime<Utc>>,
    /// Also those that started earlier and are not over by then.
    pub under_way: bool,
}

/// The instances that are wanted and start before the horizon, and how far that is.
pub fn expand(
    series: &Series,
    zones: &dyn Zones,
    since: Since,
    now: DateTime<Utc>,
) -> Result<(Vec<Instance>, Expansion), Unexpandable> {
    let Since { from, expanded_from, under_way } = since;
    let horizon = horizon(now);
    let mut instances: Vec<Instance> = Vec::new();
    let mut until = horizon;
    let most = (MOST_BYTES_OF_SERIES / weight(&series.template.details).max(1)).clamp(1, MOST_OF_SERIES);
    for instance in Instances::new(series, zones, window(from, horizon))? {
        let instance = instance?;
        if instance.start >= horizon {
            break;
        }
        let is_under_way = under_way && instance.end.is_some_and(|end| end > from);
        if instance.start < from && !is_under_way {
            continue;
        }
        if instances.len() >= most {
            until = instance.start;
            let short = || instances.first().is_some_and(|first| until - first.start < TOO_SHORT_FOR_MOST);
            if most == MOST_OF_SERIES && short() {
                return Err(Unexpandable::TooDense);
            }
            // What does not reach the present would be caught up with, by as much again and again.
            if expanded_from.is_none() && until <= now {
                return Err(Unexpandable::TooLarge);
            }
            instances.retain(|earlier| earlier.start < until);
            break;
        }
        instances.push(instance);
    }
    for instance in brought_forward(series, zones, since)? {
        if !instances.iter().any(|known| known.recurrence_id == instance.recurrence_id) {
            instances.push(instance);
        }
    }
    let from = expanded_from.unwrap_or_else(|| if starts_from(series, from) { BEGINNING } else { from });
    let more = until < horizon || goes_on(series, zones, horizon);
    if instances.is_empty() && more {
        refuse_dense(series, zones, horizon)?;
    }
    let expansion = if more {
        // Windows move once a day; those that are filled up, when half of what they hold is over.
        let again_at = if until < horizon { now + (until - now).max(TimeDelta::zero()) / 2 } else { now + DAY };
        Expansion { from, until, again_at, ends_at: END }
    } else {
        let last = instances.iter().map(|instance| instance.end.unwrap_or(instance.start)).max();
        Expansion { from, until: END, again_at: END, ends_at: last.unwrap_or(now) }
    };
    Ok((instances, expansion))
}

/// Overrides of occurrences that were to start from `since` on, for an earlier time within what is stored.
fn brought_forward(series: &Series, zones: &dyn Zones, since: Since) -> Result<Vec<Instance>, RecurrenceError> {
    let Since { from, expanded_from: Some(stored_from), .. } = since else { return Ok(vec![]) };
    let is_one = |id: DateTime<Utc>, start: DateTime<Utc>| id >= from && start < from && start >= stored_from;
    if !series.overrides.iter().any(|one| is_one(one.recurrence_id, one.event.timing.start)) {
        return Ok(vec![]);
    }
    // Without the rules: these have no say in it, and might take long to get there.
    let (rrules, exrules, rdates, rdate_ends) = Default::default();
    let alone = Series { rrules, exrules, rdates, rdate_ends, ..series.clone() };
    let mut instances: Vec<Instance> =
        Instances::new(&alone, zones, window(stored_from, from))?.collect::<Result<_, _>>()?;
    instances.retain(|instance| instance.override_index.is_some() && is_one(instance.recurrence_id, instance.start));
    Ok(instances)
}

const BEGINNING: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;
const END: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;
const DAY: TimeDelta = TimeDelta::days(1);

/// Whether no instance starts earlier.
fn starts_from(series: &Series, from: DateTime<Utc>) -> bool {
    let moved = series.overrides.iter().map(|one| one.event.timing.start);
    let given = series.rdates.iter().copied().chain(series.rdate_ends.iter().map(|(start, _)| *start));
    moved.chain(given).chain([series.template.timing.start]).all(|start| start >= from)
}

/// Looks at the density of a series that only begins behind the horizon.
fn refuse_dense(series: &Series, zones: &dyn Zones, horizon: DateTime<Utc>) -> Result<(), Unexpandable> {
    let from = horizon.max(series.template.timing.start);
    let instances = Instances::new(series, zones, window(from, from + TOO_SHORT_FOR_MOST))?;
    if instances.take(MOST_OF_SERIES + 1).count() > MOST_OF_SERIES {
        return Err(Unexpandable::TooDense);
    }
    Ok(())
}

/// Whether instances start at `from` or later. A search that is given up does not say no.
fn goes_on(series: &Series, zones: &dyn Zones, from: DateTime<Utc>) -> bool {
    let Ok(instances) = Instances::new(series, zones, Window { from: from.timestamp(), to: i64::MAX }) else {
        return true;
    };
    for instance in instances {
        match instance {
            Ok(instance) if instance.start < from => {}
            _ => return true,
        }
    }
    false
}

fn window(from: DateTime<Utc>, to: DateTime<Utc>) -> Window {
    Window { from: from.timestamp(), to: to.timestamp() }
}

/// What an instance shows.
pub fn shown<'a>(series: &'a Series, instance: &Instance) -> (Timing, &'a Details, bool) {
    let replacement = instance.override_index.and_then(|index| series.overrides.get(index));
    let event = replacement.map_or(&series.template, |replacement| &replacement.event);
    let timing = Timing { start: instance.start, end: instance.end, ..event.timing.clone() };
    let is_override = replacement.is_some_and(|replacement| replacement.recurrence_id == instance.recurrence_id);
    (timing, &event.details, is_override)
}

/// The rule as instances carry it: each of them, so that longer lists of dates are left to the series' own row.
fn rule(series: &Series) -> String {
    const MOST_DATES: usize = 1_000;
    let few = |dates: &[DateTime<Utc>]| (dates.len() <= MOST_DATES).then(|| dates.to_vec());
    serde_json::json!({
        "rrule": series.rrules,
        "rdate": few(&series.rdates),
        "exdate": few(&series.exdates),
    })
    .to_string()
}

/// Instances to be stored.
pub struct Rows<'a> {
    pub series_id: Uuid,
    /// The key of the series.
    pub external_id: &'a str,
    pub series: &'a Series,
    pub instances: &'a [Instance],
}

/// Instances that are written at once.
const ROWS_AT_ONCE: usize = 2_000;

/// Stores instances of several series; those that are as they are stored are not written.
pub fn store(installation: &Installation, source: &Source, all: &[Rows], now: DateTime<Utc>) -> SqlResult<()> {
    struct Row<'a> {
        of: &'a Rows<'a>,
        rule: &'a str,
        instance: &'a Instance,
        timing: Timing,
        details: &'a Details,
        is_override: bool,
    }
    let rules: Vec<String> = all.iter().map(|rows| rule(rows.series)).collect();
    let rows = all.iter().zip(&rules).flat_map(|(of, rule)| {
        of.instances.iter().map(move |instance| {
            let (timing, details, is_override) = shown(of.series, instance);
            Row { of, rule, instance, timing, details, is_override }
        })
    });
    let mut rows = rows.peekable();
    loop {
        check_for_interrupts!();
        let mut bytes = 0;
        let mut room = |row: &Row| {
            bytes += weight(row.details);
            bytes <= BYTES_AT_ONCE || bytes == weight(row.details)
        };
        let chunk: Vec<Row> = std::iter::from_fn(|| rows.next_if(&mut room)).take(ROWS_AT_ONCE).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let chunk: Vec<events::Row> = chunk
            .iter()
            .map(|row| events::Row {
                event_id: new_id(),
                external_id: row.of.external_id,
                recurrence_id: Some(row.instance.recurrence_id),
                series_id: Some(row.of.series_id),
                is_override: row.is_override,
                timing: &row.timing,
                details: row.details,
                recurrence: Some(row.rule),
                hash: content::of_instance(&row.timing, row.details, row.is_override),
                source_hash: None,
            })
            .collect();
        instances::upsert(installation, source, &chunk, now)?;
    }
}

/// Moves the stored windows of series forward, those longest in want of it first. Returns how many were moved; `0`:
/// none is due. One call is one short transaction's work.
pub fn extend(installation: &Installation, zones: &dyn Zones, now: DateTime<Utc>) -> SqlResult<usize> {
    let due = series::due(installation, now, SERIES_AT_ONCE)?;
    for stored in &due {
        extend_one(installation, stored, zones, now)?;
    }
    Ok(due.len())
}

fn extend_one(installation: &Installation, stored: &Stored, zones: &dyn Zones, now: DateTime<Utc>) -> SqlResult<()> {
    let before = &stored.expansion;
    let since = Since { from: before.until, expanded_from: Some(before.from), under_way: false };
    let Ok((instances, expansion)) = expand(&stored.series, zones, since, now) else {
        // A rule that could be expanded when it was stored, and can't be now: tried again the next day.
        let later = Expansion { again_at: now + DAY, ..*before };
        return series::move_on(installation, stored.series_id, &later);
    };
    let source = Source {
        user_id: &stored.user_id,
        external_source: &stored.external_source,
        connection_id: stored.connection_id,
        synced_from: &stored.synced_from,
    };
    let rows = Rows {
        series_id: stored.series_id,
        external_id: &stored.external_id,
        series: &stored.series,
        instances: &instances,
    };
    store(installation, &source, &[rows], now)?;
    let ends_at = if instances.is_empty() { expansion.ends_at.max(before.until) } else { expansion.ends_at };
    series::move_on(installation, stored.series_id, &Expansion { ends_at, ..expansion })
}
