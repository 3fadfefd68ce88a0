//! The event model: what every origin is turned into before it is stored, and what is written out again.
//!
//! Field names are the columns' names of `calendar_events` and `calendar_series`.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

/// What an outside calendar holds under one UID: a single event, or a series with its overrides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The origin's identifier (an ICS UID, a provider's event id), as it came. What came without one has one derived
    /// from its content, and no `ical_uid`.
    pub external_id: String,
    pub body: Body,
}

/// What stands under one UID.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    Single(Box<Event>),
    Series(Box<Series>),
    /// Overrides whose series is not there: it comes later, or is not shared (an invitation to one occurrence).
    /// Each stands for itself until its series comes; never empty.
    Overrides(Vec<Override>),
}

impl Body {
    /// Whether it does not take place; of a series, none of what follows its rule.
    pub fn is_cancelled(&self) -> bool {
        let event = match self {
            Self::Single(event) => Some(&**event),
            Self::Series(series) => Some(&series.template),
            Self::Overrides(overrides) => overrides.first().map(|one| &one.event),
        };
        event.is_some_and(|event| event.details.event_status == EventStatus::Cancelled)
    }
}

/// One dated event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub timing: Timing,
    pub details: Details,
}

/// When an event takes place, resolved to instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// For an all-day event 00:00 UTC of its date.
    pub start: DateTime<Utc>,
    /// Exclusive; `None` for an event without a length.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub end: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "is_usual")]
    pub all_day: bool,
    /// IANA name; `None` for UTC instants and for all-day events.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub time_zone: Option<String>,
    /// The origin gave local time without a zone; `start` was resolved in the calendar's zone.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub floating: bool,
}

/// What an event says, apart from when it takes place. As JSON it is kept with each link: what is not there, or is as with
/// most events, is not written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    pub title: String,
    #[serde(skip_serializing_if = "is_usual")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub event_type: EventType,
    #[serde(skip_serializing_if = "is_usual")]
    pub event_status: EventStatus,
    #[serde(skip_serializing_if = "is_usual")]
    pub show_as: ShowAs,
    #[serde(skip_serializing_if = "is_usual")]
    pub sensitivity: Sensitivity,
    #[serde(skip_serializing_if = "is_usual")]
    pub importance: Importance,
    #[serde(skip_serializing_if = "is_usual")]
    pub categories: Vec<String>,
    /// Mail address, or name where there is no address.
    #[serde(skip_serializing_if = "is_usual")]
    pub organizer: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub attendees: Vec<Attendee>,
    /// Names or addresses, for readers who want no more than that.
    #[serde(skip_serializing_if = "is_usual")]
    pub participants: Vec<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub ical_uid: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub sequence: i32,
    /// When the origin says that it last changed.
    #[serde(skip_serializing_if = "is_usual")]
    pub last_updated: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "is_usual")]
    pub metadata: Option<serde_json::Value>,
    /// The provider's identifier of the series that it belongs to.
    #[serde(skip_serializing_if = "is_usual")]
    pub series_master_id: Option<String>,
    /// The provider's identifier of the thread of messages.
    #[serde(skip_serializing_if = "is_usual")]
    pub conversation_id: Option<String>,
    /// `Some` for a Teams meeting, even if no address to join it is known.
    #[serde(skip_serializing_if = "is_usual")]
    pub teams: Option<TeamsMeeting>,
}

/// Whether it need not be written.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How to join a Teams meeting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TeamsMeeting {
    pub url: Option<String>,
    pub conference_id: Option<String>,
    pub dial_in_url: Option<String>,
}

/// Free text by contract ('meeting', 'task', ...); what outside calendars give is a meeting unless they say more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventType(pub String);

impl Default for EventType {
    fn default() -> Self {
        Self("meeting".into())
    }
}

/// A recurring event: the template of its instances and the rules that date them (RFC 5545, 3.8.5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The first instance: `template.timing.start` is DTSTART. Unless there is a `duration`, the others are as long.
    pub template: Event,
    /// DTSTART as the clock of its zone would show it, where a clock change leaves that time out: the first instance is
    /// later then, the others are not.
    #[serde(default)]
    pub local_start: Option<NaiveDateTime>,
    /// DURATION of a timed series; `None` where DTEND gives its length (RFC 5545, 3.8.5.3).
    #[serde(default)]
    pub duration: Option<Duration>,
    /// RRULE values without the property name. Usually one; RFC 5545 allows several.
    pub rrules: Vec<String>,
    /// EXRULE values (RFC 2445; still found in old data).
    pub exrules: Vec<String>,
    pub rdates: Vec<DateTime<Utc>>,
    /// Ends of those RDATEs that are PERIODs: (start, end).
    pub rdate_ends: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    pub exdates: Vec<DateTime<Utc>>,
    pub overrides: Vec<Override>,
}

/// A length of time (RFC 5545, 3.3.6): days are counted on the clock, and have 23 or 25 hours where that changes; seconds
/// are counted as they pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Duration {
    pub days: i64,
    pub seconds: i64,
}

/// As a DURATION value. The days must not be less than none where the seconds are more, and the other way round.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.days < 0 || self.seconds < 0 { "-" } else { "" };
        write!(f, "{sign}P")?;
        if self.days != 0 {
            write!(f, "{}D", self.days.unsigned_abs())?;
        }
        if self.seconds != 0 || self.days == 0 {
            write!(f, "T{}S", self.seconds.unsigned_abs())?;
        }
        Ok(())
    }
}

/// One occurrence that differs from its rule (RFC 5545, 3.8.4.4). A cancelled occurrence has `EventStatus::Cancelled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// The occurrence's original start; for an all-day series 00:00 UTC of its date.
    pub recurrence_id: DateTime<Utc>,
    /// RANGE=THISANDFUTURE: the change (its shift in time and its details) holds for all later occurrences, too.
    pub this_and_future: bool,
    /// DURATION of a timed override for all later occurrences, as [`Series::duration`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    pub event: Event,
}

/// Somebody who is invited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attendee {
    #[serde(default)]
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// PARTSTAT in lower case: 'accepted', 'declined', 'tentative', 'needs-action'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
}

/// An enum that is stored as the lower-case (or given) word of its column.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$default:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub enum $name { $($(#[$default])* $variant),+ }

        impl $name {
            /// Every value, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands in the column.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What that word of the column stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(EventStatus {
    #[default]
    Scheduled = "scheduled",
    Tentative = "tentative",
    Completed = "completed",
    Cancelled = "cancelled",
});
words!(ShowAs {
    #[default]
    Busy = "busy",
    Free = "free",
    Tentative = "tentative",
    OutOfOffice = "oof",
    Elsewhere = "elsewhere",
});
words!(Sensitivity {
    #[default]
    Public = "public",
    Private = "private",
    Confidential = "confidential",
});
words!(Importance {
    Low = "LOW",
    #[default]
    Normal = "NORMAL",
    High = "HIGH",
});
