//! What the words and numbers of a VEVENT's properties mean (RFC 5545, 3.8; Microsoft's X- properties).

use crate::event::{EventStatus, Importance, Sensitivity, ShowAs};

/// STATUS; a word that is not known says nothing (3.8.1.11).
pub fn status(value: &[u8]) -> EventStatus {
    match &*value.to_ascii_uppercase() {
        b"TENTATIVE" => EventStatus::Tentative,
        b"CANCELLED" | b"CANCELED" => EventStatus::Cancelled,
        b"COMPLETED" => EventStatus::Completed,
        _ => EventStatus::Scheduled,
    }
}

/// CLASS; a word that is not known must be treated as PRIVATE (3.8.1.3).
pub fn sensitivity(value: &[u8]) -> Sensitivity {
    match &*value.to_ascii_uppercase() {
        b"PUBLIC" => Sensitivity::Public,
        b"CONFIDENTIAL" => Sensitivity::Confidential,
        _ => Sensitivity::Private,
    }
}

/// PRIORITY: 1 to 4 high, 5 normal, 6 to 9 low, 0 undefined (3.8.1.9).
pub fn priority(value: &[u8]) -> Option<Importance> {
    match value {
        [b'1'..=b'4'] => Some(Importance::High),
        [b'5'] => Some(Importance::Normal),
        [b'6'..=b'9'] => Some(Importance::Low),
        _ => None,
    }
}

/// X-MICROSOFT-CDO-IMPORTANCE (MS-OXCICAL 2.1.3.1.1.20.28).
pub fn importance(value: &[u8]) -> Option<Importance> {
    match value {
        b"0" => Some(Importance::Low),
        b"1" => Some(Importance::Normal),
        b"2" => Some(Importance::High),
        _ => None,
    }
}

/// X-MICROSOFT-CDO-BUSYSTATUS (MS-OXCICAL 2.1.3.1.1.20.31).
pub fn busy_status(value: &[u8]) -> Option<ShowAs> {
    match &*value.to_ascii_uppercase() {
        b"FREE" => Some(ShowAs::Free),
        b"TENTATIVE" => Some(ShowAs::Tentative),
        b"BUSY" => Some(ShowAs::Busy),
        b"OOF" => Some(ShowAs::OutOfOffice),
        b"WORKINGELSEWHERE" => Some(ShowAs::Elsewhere),
        _ => None,
    }
}

/// The word that [`busy_status`] reads.
pub const fn busy_word(show_as: ShowAs) -> &'static str {
    match show_as {
        ShowAs::Busy => "BUSY",
        ShowAs::Free => "FREE",
        ShowAs::Tentative => "TENTATIVE",
        ShowAs::OutOfOffice => "OOF",
        ShowAs::Elsewhere => "WORKINGELSEWHERE",
    }
}

/// How an event blocks time where only TRANSP and STATUS say so: a tentative one as FBTYPE=BUSY-TENTATIVE does
/// (RFC 5545, 3.6.4).
pub fn implied_show_as(transparent: bool, status: EventStatus) -> ShowAs {
    match status {
        _ if transparent => ShowAs::Free,
        EventStatus::Tentative => ShowAs::Tentative,
        _ => ShowAs::Busy,
    }
}
