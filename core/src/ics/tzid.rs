//! What the name of a zone in a calendar file may mean: IANA names to try, best first.

use strum::IntoEnumIterator;
use windows_timezones::WindowsTimezone;

/// Names that are longer are no zone's; what comes from outside is not searched for IANA names at any length.
const MAX_NAME: usize = 255;

/// CLDR keeps the first name that a zone ever had. Where IANA's has changed, the newer is tried first: a system
/// without the old links (tzdata-legacy) knows only that.
const RENAMED: &[(&str, &str)] = &[
    ("America/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("America/Godthab", "America/Nuuk"),
    ("America/Indianapolis", "America/Indiana/Indianapolis"),
    ("Asia/Calcutta", "Asia/Kolkata"),
    ("Asia/Katmandu", "Asia/Kathmandu"),
    ("Asia/Rangoon", "Asia/Yangon"),
    ("Europe/Kiev", "Europe/Kyiv"),
];

/// IANA names of zones without an area that are not plain words.
const WITH_DIGITS: &[&str] = &["EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT"];

/// A zone's name as it is compared: files differ in quotes, spaces and a colon at the end.
pub fn normal(name: &str) -> &str {
    name.trim_matches([' ', '"', '\t']).trim_end_matches([':', ' '])
}

/// Whether the name says UTC itself.
pub fn is_utc(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "UTC",
        "Z",
        "GMT",
        "UCT",
        "Zulu",
        "Universal",
        "Etc/UTC",
        "Etc/GMT",
        "Etc/UCT",
        "Etc/Zulu",
        "Etc/Universal",
        "GMT0",
        "Etc/GMT0",
        "Coordinated Universal Time",
        "(UTC) Coordinated Universal Time",
        "tzone://Microsoft/Utc",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// IANA names of the form Area/City that the name is or ends in: `Europe/Berlin`,
/// `/freeassociation.sourceforge.net/Europe/Berlin`. Such a name is one whatever the file adds to it.
pub fn area_names(name: &str) -> impl Iterator<Item = &str> {
    let name = if name.len() <= MAX_NAME { name } else { "" };
    let starts = std::iter::once(0).chain(name.match_indices('/').map(|(slash, _)| slash + 1));
    starts.map(|start| &name[start..]).filter(|rest| rest.contains('/') && may_be_iana(rest))
}

/// Whether each part begins with a capital, as IANA's do. What does not was made up by someone: a file is known that
/// defines `Europe/lisbon` with Berlin's rules beside `Europe/Lisbon`.
pub fn is_capitalised(name: &str) -> bool {
    name.split('/').all(|part| part.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// The name with a capital at the beginning of each part, if it has an area.
pub fn capitalised(mut name: String) -> String {
    let starts: Vec<usize> = name.match_indices('/').map(|(slash, _)| slash + 1).collect();
    for start in starts.iter().copied().chain((!starts.is_empty()).then_some(0)) {
        if let Some(first) = name.get_mut(start..start + 1) {
            first.make_ascii_uppercase();
        }
    }
    name
}

/// Other IANA names that it may stand for, best first: a name without an area (`CET`), Windows' name or display name,
/// an offset in whole hours. If the file defines the zone they count only as far as they agree with it.
pub fn other_names(name: &str) -> impl Iterator<Item = String> {
    let name = if name.len() <= MAX_NAME { name } else { "" };
    let last = name.rsplit('/').next().unwrap_or(name);
    let itself = (may_be_iana(last) && !last.is_empty()).then(|| last.to_owned());
    // Both are looked for once they are asked for: most names are known before.
    let windows = std::iter::once_with(move || WindowsTimezone::iter().find(|zone| is_windows(*zone, name)));
    let fixed = std::iter::once_with(move || {
        let hours = offset_in_name(name).filter(|seconds| seconds % 3600 == 0).map(|seconds| seconds / 3600);
        // POSIX' sign: positive is west.
        hours.filter(|hours| hours.abs() <= 12 && *hours != 0).map(|hours| format!("Etc/GMT{:+}", -hours))
    });
    itself.into_iter().chain(windows.flatten().flat_map(iana)).chain(fixed.flatten())
}

/// IANA's names for the zone, the newer first.
fn iana(zone: WindowsTimezone) -> impl Iterator<Item = String> {
    let name = zone.tzdb_id();
    let renamed = RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| *new);
    renamed.into_iter().chain([name]).map(str::to_owned)
}

/// Windows' zones by name, each with IANA's names for it.
pub fn windows_zones() -> impl Iterator<Item = (&'static str, String)> {
    WindowsTimezone::iter().flat_map(|zone| iana(zone).map(move |iana| (zone.name(), iana)))
}

/// One IANA zone for each set of rules that Windows knows: where a custom zone's rules are looked for.
pub fn common_zones() -> impl Iterator<Item = String> {
    WindowsTimezone::iter().flat_map(iana)
}

/// `W. Europe Standard Time`, or `(UTC+01:00) Amsterdam, Berlin, ...` where older versions wrote GMT for UTC.
fn is_windows(zone: WindowsTimezone, name: &str) -> bool {
    let place = |display: &str| display.split_once(") ").map(|(_, place)| place.to_ascii_lowercase());
    zone.name().eq_ignore_ascii_case(name)
        || (name.starts_with('(') && place(name).is_some() && place(name) == place(zone.description()))
}

/// Whether it is safe to ask for: PostgreSQL also takes POSIX' zone specifications, in which `GMT+2` is two hours
/// west of Greenwich and any word followed by digits is a zone.
fn may_be_iana(name: &str) -> bool {
    let plain = |allowed: &[u8]| name.bytes().all(|byte| byte.is_ascii_alphabetic() || allowed.contains(&byte));
    if name.len() > 5 && name.as_bytes()[..4].eq_ignore_ascii_case(b"Etc/") {
        return name[4..].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte));
    }
    WITH_DIGITS.iter().any(|known| name.eq_ignore_ascii_case(known)) || plain(b"/_-")
}

/// Seconds east of Greenwich that the name gives: `UTC+2`, `GMT-0530`, `+01:00`.
pub fn offset_in_name(name: &str) -> Option<i32> {
    let upper = name.trim_matches(['(', ')']).to_ascii_uppercase();
    let offset = upper.strip_prefix("UTC").or_else(|| upper.strip_prefix("GMT")).unwrap_or(&upper).trim();
    let (sign, digits) = match offset.split_at_checked(1)? {
        (sign @ ("+" | "-"), digits) => (sign, digits.replace(':', "")),
        _ => return None,
    };
    let padded = match digits.len() {
        1 => format!("{sign}0{digits}"),
        3 => format!("{sign}0{digits}"),
        2 | 4 => format!("{sign}{digits}"),
        _ => return None,
    };
    super::values::utc_offset(padded.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str) -> Vec<String> {
        area_names(name).map(str::to_owned).chain(other_names(name)).collect()
    }

    #[test]
    fn names_lead_to_iana_names() {
        for (name, expected) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
            ("/freeassociation.sourceforge.net/Tzfile/America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
            ("/citadel.org/20210210_1/America/New_York", "America/New_York"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("eastern standard time", "America/New_York"),
            ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
            ("(GMT-05:00) Eastern Time (US & Canada)", "America/New_York"),
            ("India Standard Time", "Asia/Kolkata"),
            ("CET", "CET"),
            ("GMT+0200", "Etc/GMT-2"),
            ("UTC-5", "Etc/GMT+5"),
            ("Etc/GMT+5", "Etc/GMT+5"),
        ] {
            assert!(all(name).iter().any(|found| found == expected), "{name}: {:?}", all(name));
        }
    }

    #[test]
    fn what_posix_would_take_as_a_zone_is_not_asked_for() {
        for name in ["GMT+2", "Customized Time Zone", "FOO5BAR", "<+03>-3", "X/y5", ""] {
            assert!(!all(name).iter().any(|found| found == name), "{name}");
        }
        assert_eq!(all(&"a/".repeat(10_000)), Vec::<String>::new());
    }

    #[test]
    fn names_with_an_area_get_their_capitals() {
        for (written, name) in
            [("europe/berlin", "Europe/Berlin"), ("America/port-au-Prince", "America/Port-au-Prince")]
        {
            assert_eq!(capitalised(written.to_owned()), name);
        }
        assert_eq!(capitalised("\u{fc}/\u{fc}".to_owned()), "\u{fc}/\u{fc}");
        assert_eq!(capitalised("cet".to_owned()), "cet");
    }

    #[test]
    fn offsets_in_names_are_read() {
        assert_eq!(offset_in_name("UTC+05:30"), Some(19_800));
        assert_eq!(offset_in_name("GMT-3"), Some(-10_800));
        assert_eq!(offset_in_name("(UTC-03:00)"), Some(-10_800));
        assert_eq!(offset_in_name("UTC"), None);
        assert_eq!(offset_in_name("Europe/Berlin"), None);
    }
}
