//! Outlook's words for what is a word here, too. They are read in any case; one that is not known is the usual one.

use crate::event::{Importance, Sensitivity, ShowAs};

/// Of showAs.
pub fn show_as(word: &str) -> ShowAs {
    match word.to_ascii_lowercase().as_str() {
        "free" => ShowAs::Free,
        "tentative" => ShowAs::Tentative,
        "oof" => ShowAs::OutOfOffice,
        "workingelsewhere" => ShowAs::Elsewhere,
        _ => ShowAs::Busy,
    }
}

/// showAs, as Graph writes it.
pub const fn show_as_word(show_as: ShowAs) -> &'static str {
    match show_as {
        ShowAs::Busy => "busy",
        ShowAs::Free => "free",
        ShowAs::Tentative => "tentative",
        ShowAs::OutOfOffice => "oof",
        ShowAs::Elsewhere => "workingElsewhere",
    }
}

/// Of sensitivity. Graph's 'personal' is shown to nobody else, as 'private' is.
pub fn sensitivity(word: &str) -> Sensitivity {
    match word.to_ascii_lowercase().as_str() {
        "personal" | "private" => Sensitivity::Private,
        "confidential" => Sensitivity::Confidential,
        _ => Sensitivity::Public,
    }
}

/// sensitivity, as Graph writes it.
pub const fn sensitivity_word(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Public => "normal",
        Sensitivity::Private => "private",
        Sensitivity::Confidential => "confidential",
    }
}

/// Of importance.
pub fn importance(word: &str) -> Importance {
    match word.to_ascii_lowercase().as_str() {
        "low" => Importance::Low,
        "high" => Importance::High,
        _ => Importance::Normal,
    }
}

/// importance, as Graph writes it.
pub const fn importance_word(importance: Importance) -> &'static str {
    match importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    }
}

/// What somebody answered to an invitation, as PARTSTAT in lower case.
pub fn response(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "accepted" | "organizer" => Some("accepted"),
        "declined" => Some("declined"),
        "tentativelyaccepted" => Some("tentative"),
        "notresponded" => Some("needs-action"),
        _ => None,
    }
}
