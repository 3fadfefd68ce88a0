//! Any series - rules, exceptions, dates, periods, overrides - in any window: bounded, ordered, each occurrence once, and
//! the same from wherever it is looked at.
#![no_main]

use calendar_sync_core::event::{Details, Duration, Event, Override, Series, Timing};
use calendar_sync_core::recurrence::{Instance, Instances, Window};
use calendar_sync_fuzz::rules;
use calendar_sync_fuzz::times::{self, DAY, FewZones};
use chrono::{DateTime, Utc};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// Instances that are looked at.
const MOST: usize = 100;

#[derive(Debug)]
struct Case {
    series: Series,
    window: Window,
}

fn utc(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds.clamp(-62_135_596_800, 253_402_300_799), 0).unwrap_or_default()
}

fn some<T>(u: &mut Unstructured<'_>, most: usize, one: impl Fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    (0..u.int_in_range(0..=most)?).map(|_| one(u)).collect()
}

/// Near the start, on its clock more often than not.
fn near(u: &mut Unstructured<'_>, start: i64) -> Result<DateTime<Utc>> {
    Ok(utc(start + if u.ratio(3, 4)? { u.int_in_range(-3..=60)? * DAY } else { times::distance(u)? }))
}

fn event(u: &mut Unstructured<'_>, start: DateTime<Utc>, all_day: bool) -> Result<Event> {
    let length = if all_day { u.int_in_range(1..=3)? * DAY } else { times::length(u)? };
    let end = if u.ratio(1, 8)? && !all_day { None } else { Some(utc(start.timestamp() + length)) };
    let zone = times::zone_name(u)?;
    let time_zone = (!all_day && zone != "UTC").then(|| zone.to_owned());
    let details = Details { sequence: u.int_in_range(0..=2)?, ..Details::default() };
    Ok(Event { timing: Timing { start, end, all_day, time_zone, floating: false }, details })
}

fn duration(u: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(Duration { days: u.int_in_range(0..=40)?, seconds: u.int_in_range(0..=200_000)? })
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let all_day = u.ratio(1, 3)?;
        let day = |at: DateTime<Utc>| if all_day { utc(at.timestamp().div_euclid(DAY) * DAY) } else { at };
        let start = day(utc(times::instant(u)?));
        let seconds = start.timestamp();
        let rule = |u: &mut Unstructured<'_>| Ok(rules::rule(u)?.to_string());
        let series = Series {
            template: event(u, start, all_day)?,
            local_start: None,
            duration: if !all_day && u.ratio(1, 4)? { Some(duration(u)?) } else { None },
            rrules: some(u, 2, rule)?,
            exrules: if u.ratio(1, 5)? { some(u, 2, rule)? } else { vec![] },
            rdates: some(u, 4, |u| Ok(day(near(u, seconds)?)))?,
            rdate_ends: some(u, 2, |u| {
                let start = near(u, seconds)?;
                Ok((start, utc(start.timestamp() + times::length(u)?)))
            })?,
            exdates: some(u, 4, |u| Ok(day(near(u, seconds)?)))?,
            overrides: some(u, 4, |u| {
                let recurrence_id = day(near(u, seconds)?);
                let moved = utc(recurrence_id.timestamp() + if u.arbitrary()? { times::distance(u)? } else { 0 });
                let all_day = if u.ratio(1, 10)? { !all_day } else { all_day };
                let moved = if all_day { utc(moved.timestamp().div_euclid(DAY) * DAY) } else { moved };
                let duration = if u.ratio(1, 3)? { Some(duration(u)?) } else { None };
                let (this_and_future, event) = (u.ratio(1, 3)?, event(u, moved, all_day)?);
                Ok(Override { recurrence_id, this_and_future, duration, event })
            })?,
        };
        let from = if u.ratio(1, 8)? { i64::MIN } else { seconds.saturating_add(times::distance(u)?) };
        let to = if u.ratio(1, 6)? { i64::MAX } else { from.max(-300_000_000_000).saturating_add(times::length(u)?) };
        Ok(Self { series, window: Window { from, to } })
    }
}

fn overlaps(instance: &Instance, window: Window) -> bool {
    let start = instance.start.timestamp();
    start <= window.to && (start >= window.from || instance.end.is_some_and(|end| end.timestamp() > window.from))
}

/// Up to [`MOST`] instances, and whether these are all.
fn instances(series: &Series, window: Window) -> Option<(Vec<Instance>, bool)> {
    let mut found: Vec<Instance> = vec![];
    for instance in Instances::new(series, &FewZones, window).ok()?.take(MOST) {
        let Ok(instance) = instance else { return Some((found, false)) };
        assert!(overlaps(&instance, window), "{instance:?} is outside of {window:?}");
        assert!(instance.end.is_none_or(|end| end >= instance.start), "{instance:?} ends before it starts");
        found.push(instance);
    }
    let ended = found.len() < MOST;
    Some((found, ended))
}

fuzz_target!(init: times::warm_up(), |case: Case| {
    let Case { series, window } = case;
    let Some((windowed, windowed_ended)) = instances(&series, window) else { return };
    let in_order = |list: &[Instance]| list.is_sorted_by_key(|instance| instance.start);
    assert!(in_order(&windowed), "{windowed:?}");
    let mut ids: Vec<_> = windowed.iter().map(|instance| instance.recurrence_id).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "an occurrence is there twice: {windowed:?}");
    let Some((whole, whole_ended)) = instances(&series, Window { from: i64::MIN, to: window.to }) else { return };
    assert!(in_order(&whole), "{whole:?}");
    let expected: Vec<Instance> = whole.iter().filter(|instance| overlaps(instance, window)).copied().collect();
    let both = if whole_ended && windowed_ended { usize::MAX } else { expected.len().min(windowed.len()) };
    let first = |list: &[Instance]| list[..list.len().min(both)].to_vec();
    assert_eq!(first(&windowed), first(&expected));
});
