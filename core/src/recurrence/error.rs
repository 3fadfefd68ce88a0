//! What can be wrong with a rule, and with its expansion.

use super::civil::{DAY, LAST_SECOND, date_of};

/// A rule that is not valid by RFC 5545, 3.3.10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid recurrence rule: {part}: {problem}")]
pub struct RuleError {
    /// The part of the rule that is to blame, as it is named in the RFC ("BYDAY"), or "rule".
    pub part: String,
    /// What is wrong with it: a sentence without its first capital and full stop.
    pub problem: String,
    /// What to do about it: whole sentences.
    pub hint: &'static str,
}

/// Why a rule gives nothing, or no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// There is no occurrence, or the search for it was given up: a rule that (almost) never matches.
    #[error("the recurrence rule gives no occurrence within the search limit")]
    LimitExceeded,
    /// A zone's name that the [`Zones`](crate::zones::Zones) in use does not know.
    #[error("time zone {} is not known", quoted(.0))]
    UnknownZone(String),
    /// DTSTART lies before 4714 BC or after 9999.
    #[error("the start of the series is out of range: years up to {} can be expanded", date_of(LAST_SECOND / DAY).0)]
    StartOutOfRange,
}

/// What the user wrote, short enough for a message.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("\"{}...\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}
