//! The properties of a VEVENT that are read (RFC 5545, 3.8; RFC 7986; Microsoft's and our own X- properties).

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    Attendee,
    Categories,
    Class,
    Description,
    DtEnd,
    DtStamp,
    DtStart,
    Duration,
    ExDate,
    ExRule,
    /// X-CALENDAR-SYNC-FLOATING
    Floating,
    LastModified,
    Location,
    MsBusyStatus,
    MsImportance,
    MsTeamsUrl,
    Organizer,
    Priority,
    RDate,
    RRule,
    RecurrenceId,
    Sequence,
    Status,
    Summary,
    Transp,
    Uid,
}

/// No name of a property that is read is longer.
const LONGEST: usize = 40;

impl Property {
    /// In any case; `None`: it is not read.
    pub fn named(name: &[u8]) -> Option<Self> {
        let mut upper = [0; LONGEST];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        Some(match &*upper {
            b"ATTENDEE" => Self::Attendee,
            b"CATEGORIES" => Self::Categories,
            b"CLASS" => Self::Class,
            b"DESCRIPTION" => Self::Description,
            b"DTEND" => Self::DtEnd,
            b"DTSTAMP" => Self::DtStamp,
            b"DTSTART" => Self::DtStart,
            b"DURATION" => Self::Duration,
            b"EXDATE" => Self::ExDate,
            b"EXRULE" => Self::ExRule,
            b"X-CALENDAR-SYNC-FLOATING" => Self::Floating,
            b"LAST-MODIFIED" => Self::LastModified,
            b"LOCATION" => Self::Location,
            b"X-MICROSOFT-CDO-BUSYSTATUS" => Self::MsBusyStatus,
            b"X-MICROSOFT-CDO-IMPORTANCE" => Self::MsImportance,
            b"X-MICROSOFT-SKYPETEAMSMEETINGURL" => Self::MsTeamsUrl,
            b"ORGANIZER" => Self::Organizer,
            b"PRIORITY" => Self::Priority,
            b"RDATE" => Self::RDate,
            b"RRULE" => Self::RRule,
            b"RECURRENCE-ID" => Self::RecurrenceId,
            b"SEQUENCE" => Self::Sequence,
            b"STATUS" => Self::Status,
            b"SUMMARY" => Self::Summary,
            b"TRANSP" => Self::Transp,
            b"UID" => Self::Uid,
            _ => return None,
        })
    }
}
