//! Instants and zones worth trying.

use calendar_sync_core::zones::{ChronoZone, ChronoZones, Span, Zone, Zones};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

pub const DAY: i64 = 86_400;

/// Zones whose clocks did everything that clocks do: changes by half an hour, twice a year by the moon, at midnight,
/// over the date line, at noon, never.
pub const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Europe/Dublin",
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "Antarctica/Troll",
    "Asia/Manila",
    "America/Juneau",
];

thread_local!(static CHRONO: ChronoZones = ChronoZones::default());

/// Those zones and no others: chrono-tz is searched for a zone's changes when that is first asked for, and the reader,
/// to name a zone that a file defines, asks for a hundred of them.
#[derive(Debug, Clone, Copy)]
pub struct FewZones;

impl Zones for FewZones {
    fn zone(&self, name: &str) -> Option<Box<dyn Zone + '_>> {
        let known = ZONES.iter().any(|known| known.eq_ignore_ascii_case(name));
        known.then(|| Box::new(zone(name)) as Box<dyn Zone>)
    }
}

/// A zone of the list, or UTC itself.
#[derive(Debug, Clone)]
pub enum AnyZone {
    Utc,
    Named(ChronoZone),
}

impl Zone for AnyZone {
    fn span(&self, utc: i64) -> Span {
        match self {
            Self::Utc => Span { offset: 0, until: i64::MAX },
            Self::Named(zone) => zone.span(utc),
        }
    }
}

pub fn zone_name(u: &mut Unstructured<'_>) -> Result<&'static str> {
    u.choose(&ZONES).copied()
}

pub fn zone(name: &str) -> AnyZone {
    match CHRONO.with(|zones| zones.get(name)) {
        Some(zone) if !name.eq_ignore_ascii_case("UTC") => AnyZone::Named(zone),
        _ => AnyZone::Utc,
    }
}

/// Seconds since 1970: mostly of our time, now and then at the ends of what can be expanded, or anything at all.
pub fn instant(u: &mut Unstructured<'_>) -> Result<i64> {
    Ok(match u.int_in_range(0..=19)? {
        0 => u.int_in_range(-210_866_803_200 - 2 * DAY..=-210_866_803_200 + 400 * DAY)?,
        1 => u.int_in_range(253_402_300_799 - 400 * DAY..=253_402_300_799 + 2 * DAY)?,
        2 => u.int_in_range(-210_866_803_200..=253_402_300_799)?,
        3 => u.arbitrary()?,
        4..=9 => u.int_in_range(-600_000..=1_100_000)? * 3600,
        _ => u.int_in_range(0..=2_500_000_000)?,
    })
}

/// A distance in time of any order of magnitude, either way.
pub fn distance(u: &mut Unstructured<'_>) -> Result<i64> {
    let unit = *u.choose(&[1, 60, 3600, DAY, 7 * DAY, 365 * DAY, 36_525 * DAY])?;
    Ok(unit * u.int_in_range(-60..=60)?)
}

/// A distance forward.
pub fn length(u: &mut Unstructured<'_>) -> Result<i64> {
    Ok(distance(u)?.abs())
}

/// Looks every zone up once: the first to ask would seem to hang.
pub fn warm_up() {
    ZONES.iter().for_each(|name| drop(zone(name)));
}
