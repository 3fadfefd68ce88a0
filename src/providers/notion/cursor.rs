//! From where on changes are asked for.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A cursor of another form is none.
const FORM: u32 = 2;
/// What was changed so long before the newest change that was seen is asked for again: it may have been shown late.
const OVERLAP: TimeDelta = TimeDelta::minutes(2);
/// So long after it was seen first, nothing more happens in that minute.
const SETTLED: TimeDelta = TimeDelta::minutes(3);
/// Of pulls in a row that find no newer change, and that nobody has called for, so many leave the trash out. At the usual
/// two minutes a row is gone here ten minutes after it went there, and a pull costs 1.2 requests on the average.
const TRASH_LEFT_OUT: u32 = 4;
/// All rows are listed so often.
const LISTED_EVERY: TimeDelta = TimeDelta::hours(24);

/// What a pull leaves for the next one. No clock of ours is compared with Notion's: times of theirs are compared with
/// each other, and times of ours with each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    form: u32,
    /// The newest change that was seen, by Notion's clock; in whole minutes.
    newest: Option<DateTime<Utc>>,
    /// When it was seen first, by ours.
    seen_at: DateTime<Utc>,
    /// When all rows are listed again, by ours.
    list_at: DateTime<Utc>,
    /// Pulls since the trash was looked at, and from which minute on they have left it out.
    trash_left_out: u32,
    trash_since: Option<DateTime<Utc>>,
    /// [`Mapping::fingerprint`](calendar_sync_core::providers::notion::Mapping::fingerprint) of what was read by.
    pub mapping: String,
}

impl Cursor {
    /// After all rows were listed. Connections do so at different times of the day.
    pub fn after_listing(mapping: String, newest: Option<DateTime<Utc>>, connection: Uuid, now: DateTime<Utc>) -> Self {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(connection);
        let earlier = TimeDelta::minutes(i64::try_from(hash % 240).unwrap_or_default());
        Self {
            form: FORM,
            newest,
            seen_at: now,
            list_at: now + LISTED_EVERY - earlier,
            trash_left_out: 0,
            trash_since: None,
            mapping,
        }
    }

    /// As [`Cursor::render`] wrote it; `None` for one of another form, which means a listing of everything.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|cursor: &Self| cursor.form == FORM)
    }

    /// For calendar_connections.cursor.
    pub fn render(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Whether all rows are to be listed: nothing but that tells what was deleted for good.
    pub fn is_listing_due(&self, now: DateTime<Utc>) -> bool {
        // A clock of ours that was put back must not keep it from being due.
        self.newest.is_none() || now >= self.list_at || self.list_at - now > LISTED_EVERY
    }

    /// Changes from this minute on are wanted; `None` before anything was seen.
    pub fn since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_settled = now - self.seen_at >= SETTLED;
        self.newest.map(|newest| if is_settled { newest + TimeDelta::minutes(1) } else { newest - OVERLAP })
    }

    /// Whether the trash is to be looked at, too: it is a list of its own, and most pulls would find nothing in it. Where
    /// something was changed up to `newest`, somebody is at work there.
    pub fn is_trash_due(&self, newest: Option<DateTime<Utc>>) -> bool {
        newest > self.newest || self.trash_left_out >= TRASH_LEFT_OUT
    }

    /// Rows are wanted that went into the trash in this minute or later, where `since` is the one for changes.
    pub fn trash_since(&self, since: DateTime<Utc>) -> DateTime<Utc> {
        self.trash_since.map_or(since, |left_out| left_out.min(since))
    }

    /// After a pull at `now` (when it began) that saw changes up to `newest`.
    pub fn after(self, newest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let looked = Self { trash_left_out: 0, trash_since: None, ..self };
        match newest.max(looked.newest) {
            newest if newest == looked.newest => looked,
            newest => Self { newest, seen_at: now, ..looked },
        }
    }

    /// After a pull that saw no newer changes from `since` on, and did not look at the trash.
    pub fn without_trash(self, since: DateTime<Utc>) -> Self {
        Self { trash_left_out: self.trash_left_out + 1, trash_since: Some(self.trash_since(since)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_040 / 60 * 60 + minute * 60, 0).unwrap()
    }

    #[test]
    fn a_minute_is_asked_for_again_until_nothing_more_can_happen_in_it() {
        // Our clock is an hour ahead of theirs.
        let cursor = Cursor::after_listing("m".into(), Some(at(0)), Uuid::nil(), at(60));
        assert_eq!(cursor.since(at(61)), Some(at(-2)));
        assert_eq!(cursor.since(at(63)), Some(at(1)));
        let idle = cursor.clone().after(None, at(70));
        assert_eq!(idle, cursor);
        let moved = cursor.after(Some(at(10)), at(70));
        assert_eq!(moved.since(at(71)), Some(at(8)));
        assert_eq!(moved.since(at(80)), Some(at(11)));
        assert_eq!(Cursor::parse(&moved.render().unwrap()), Some(moved));
        assert_eq!(Cursor::parse("2026-01-01T00:00:00Z"), None);
    }

    #[test]
    fn the_trash_is_left_out_for_a_few_idle_pulls_and_nothing_in_it_is_missed() {
        let mut cursor = Cursor::after_listing("m".into(), Some(at(0)), Uuid::nil(), at(0));
        // The minute of the newest change is settled meanwhile: what went into the trash in it was not seen yet.
        for minute in 1..=4 {
            assert!(!cursor.is_trash_due(Some(at(0))));
            cursor = cursor.clone().without_trash(cursor.since(at(minute)).unwrap());
        }
        assert_eq!(cursor.since(at(5)), Some(at(1)));
        assert!(cursor.is_trash_due(None));
        assert_eq!(cursor.trash_since(at(1)), at(-2));
        let looked = cursor.after(Some(at(3)), at(5));
        assert!(!looked.is_trash_due(Some(at(3))));
        assert!(looked.is_trash_due(Some(at(4))));
        assert_eq!(looked.trash_since(at(1)), at(1));
    }

    #[test]
    fn all_rows_are_listed_once_a_day_and_while_none_was_seen() {
        let cursor = Cursor::after_listing("m".into(), Some(at(0)), Uuid::from_u128(7), at(0));
        assert!(!cursor.is_listing_due(at(60)));
        assert!(cursor.is_listing_due(at(24 * 60)));
        assert!(cursor.is_listing_due(at(-60 * 24)));
        assert!(Cursor::after_listing("m".into(), None, Uuid::nil(), at(0)).is_listing_due(at(1)));
    }
}
