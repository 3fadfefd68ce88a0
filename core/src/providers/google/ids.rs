//! Identifiers of events: base32hex in lower case (RFC 4648, 7), 5 to 1024 characters, unique in a calendar.

use chrono::{DateTime, Utc};

/// Digits of base32hex.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Tells our identifiers from Google's own and from those of other programs.
const PREFIX: &str = "crm0";

/// The identifier that an event of ours has, whoever makes it how often: it follows from its key.
pub fn event_id(key: u128) -> String {
    let digit = |shift: u32| char::from(DIGITS[(key >> shift & 31) as usize]);
    PREFIX.chars().chain((0..26).rev().map(|place| digit(place * 5))).collect()
}

/// The key that an identifier follows from, if it is one of ours.
pub fn key_of(id: &str) -> Option<u128> {
    let digits = id.strip_prefix(PREFIX).filter(|digits| digits.len() == 26)?;
    digits.bytes().try_fold(0_u128, |key, digit| {
        let value = DIGITS.iter().position(|known| *known == digit)? as u128;
        // The first of 26 digits has no more than three bits.
        (key >> 123 == 0).then_some(key << 5 | value)
    })
}

/// The identifier of one occurrence of a series, by its original start (in an all-day series its date).
pub fn instance_id(series: &str, original: DateTime<Utc>, all_day: bool) -> String {
    let form = if all_day { "%Y%m%d" } else { "%Y%m%dT%H%M%SZ" };
    format!("{series}_{}", original.format(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_leads_back_to_its_key() {
        for key in [0, 1, 31, 32, u128::MAX, u128::MAX - 1, 0x0190_a1b2_c3d4_7e5f_8899_aabb_ccdd_eeff] {
            let id = event_id(key);
            assert!(id.len() == 30 && id.bytes().all(|byte| DIGITS.contains(&byte)), "{id}");
            assert_eq!(key_of(&id), Some(key), "{id}");
        }
    }

    #[test]
    fn other_identifiers_have_no_key() {
        let too_large = format!("{PREFIX}{}", "v".repeat(26));
        for id in ["", "crm0", "0123456789abcdefghijklmnop", "_60q30c1g60o30e1i60o4ac1g60", too_large.as_str()] {
            assert_eq!(key_of(id), None, "{id}");
        }
    }
}
