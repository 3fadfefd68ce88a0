//! IANA's zones by Windows' names.

use crate::ics::{is_utc, windows_zones};
use crate::zones::{Zone, Zones};

/// As far as two zones must agree, in seconds from when it matters: longer than any rule of a year's clock changes.
const REACH: i64 = 4 * 366 * 86_400;

/// Windows' name for an IANA zone: CLDR's, else that of a zone whose clocks show the same from `from` (seconds since
/// 1970) on for some years, of the same part of the world where there is one. `None`: Windows has no such zone.
pub fn windows_name(zones: &dyn Zones, name: &str, from: i64) -> Option<&'static str> {
    if is_utc(name) {
        return Some("UTC");
    }
    if let Some((windows, _)) = windows_zones().find(|(_, iana)| iana.eq_ignore_ascii_case(name)) {
        return Some(windows);
    }
    let zone = zones.zone(name)?;
    let area = name.split('/').next().unwrap_or_default();
    let is_near = |iana: &str| iana.split('/').next().is_some_and(|other| other.eq_ignore_ascii_case(area));
    let agrees = |iana: &str| zones.zone(iana).is_some_and(|other| agree(&*zone, &*other, from));
    let (near, far): (Vec<_>, Vec<_>) = windows_zones().partition(|(_, iana)| is_near(iana));
    near.into_iter().chain(far).find(|(_, iana)| agrees(iana)).map(|(windows, _)| windows)
}

fn agree(one: &dyn Zone, other: &dyn Zone, from: i64) -> bool {
    let mut at = from;
    while at < from.saturating_add(REACH) {
        let (left, right) = (one.span(at), other.span(at));
        if left.offset != right.offset {
            return false;
        }
        // A zone that does not go forward must not keep us here.
        at = left.until.min(right.until).max(at.saturating_add(3600));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zones::ChronoZones;

    #[test]
    fn zones_are_named_as_windows_does() {
        let name = |iana| windows_name(&ChronoZones::default(), iana, 1_770_000_000);
        for (iana, windows) in [
            ("Europe/Berlin", "W. Europe Standard Time"),
            ("America/New_York", "Eastern Standard Time"),
            ("Asia/Kolkata", "India Standard Time"),
            ("Asia/Calcutta", "India Standard Time"),
            ("Etc/UTC", "UTC"),
        ] {
            assert_eq!(name(iana), Some(windows), "{iana}");
        }
        assert_eq!(name("Nowhere/At_All"), None);
    }

    #[test]
    fn a_zone_that_windows_does_not_know_by_name_goes_by_one_with_the_same_clock() {
        let zones = ChronoZones::default();
        for iana in ["Europe/Vienna", "America/Detroit", "Australia/Melbourne"] {
            let windows = windows_name(&zones, iana, 1_770_000_000).unwrap_or_else(|| panic!("{iana}"));
            let (_, same) = windows_zones().find(|(name, _)| *name == windows).unwrap();
            assert!(agree(&zones.get(iana).unwrap(), &zones.get(&same).unwrap(), 1_770_000_000), "{iana} {windows}");
        }
    }
}
