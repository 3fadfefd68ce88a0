//! An answer: which events it holds, each once, and whether these are all.

use std::collections::HashMap;
use std::ops::Range;

use super::fields::{Field, Fields};
use super::recurrence;
use super::shape::{Around, ReadError, unwrap};
use super::times::written;
use crate::content::{self, ByDigest};

/// One answer with its further pages: their texts, and where in these each event stands.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    texts: Vec<String>,
    pub(super) entries: Vec<Entry>,
    by_id: HashMap<u128, usize, ByDigest>,
    around: Around,
    is_single: bool,
    tells_changes: bool,
    unnamed: usize,
}

/// An event of an answer.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Index of its text.
    page: usize,
    within: Range<usize>,
    /// Digest of its identifier; `None` without one.
    pub id: Option<u128>,
    /// Digest of the identifier of the series that it is an occurrence of.
    pub series: Option<u128>,
    /// It recurs, or is said to.
    pub recurs: bool,
    pub deleted: bool,
}

impl Answer {
    /// Reads one page.
    ///
    /// # Errors
    /// For what is no list of events; see [`ReadError`]. A single event that can't be read is none.
    pub fn read(body: &[u8], max_events: usize) -> Result<Self, ReadError> {
        let shape = unwrap(body, max_events)?;
        let mut answer = Self { around: shape.around, is_single: shape.single, ..Self::default() };
        for within in shape.events {
            answer.add(&shape.text, within);
        }
        answer.texts.push(shape.text);
        Ok(answer)
    }

    fn add(&mut self, text: &str, within: Range<usize>) {
        let fields = Fields::read(&text[within.clone()]);
        let digest = |id: String| content::digest(id.as_bytes());
        let page = self.texts.len();
        let mut entry = Entry { page, within, id: None, series: None, recurs: false, deleted: false };
        if let Some(fields) = fields {
            let action = fields.word(Field::ActionType);
            self.tells_changes |= action.is_some();
            entry.deleted = action.is_some_and(|action| action.eq_ignore_ascii_case("deleted"));
            entry.id = external_id(&fields).map(digest);
            entry.series = series_of(&fields).map(digest);
            entry.recurs = entry.series.is_none() && recurrence::recurs(&fields);
        }
        let Some(id) = entry.id else {
            self.unnamed += 1;
            self.entries.push(entry);
            return;
        };
        // Of two with an identifier the later counts.
        let place = *self.by_id.entry(id).or_insert(self.entries.len());
        match self.entries.get_mut(place) {
            Some(earlier) => *earlier = entry,
            None => self.entries.push(entry),
        }
    }

    /// Takes the events of a further page, and whether there is one after it.
    ///
    /// # Errors
    /// Where they are more than `max_events` together.
    pub fn join(&mut self, next: Self, max_events: usize) -> Result<(), ReadError> {
        if self.entries.len() + next.entries.len() > max_events {
            return Err(ReadError::TooMany(max_events));
        }
        self.around.next_link = next.around.next_link;
        for (entry, text) in next.entries.iter().filter_map(|entry| Some((entry, next.texts.get(entry.page)?))) {
            self.add(text, entry.within.clone());
        }
        self.texts.extend(next.texts);
        Ok(())
    }

    /// Where the next page is, as it is written.
    pub fn next_link(&self) -> Option<&str> {
        self.around.next_link.as_deref()
    }

    /// How many events stand in it, good and bad.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Why it does not hold all events, if it does not: that one is not in it means nothing then.
    pub fn partial(&self) -> Option<String> {
        let held = self.entries.len() as u64;
        if self.around.next_link.is_some() {
            Some("it names a further page that was not asked for".into())
        } else if let Some(count) = self.around.count.filter(|count| *count > held) {
            Some(format!("it says that there are {count} events and holds {held}"))
        } else if self.tells_changes {
            Some("it tells of changes (actionType)".into())
        } else if self.is_single {
            Some("it is one event and no list".into())
        } else if self.unnamed > 0 {
            Some(format!("{} of its events have neither id nor iCalUId", self.unnamed))
        } else {
            None
        }
    }

    /// The events that it says are deleted.
    pub fn deleted(&self) -> Vec<String> {
        let deleted = self.entries.iter().filter(|entry| entry.deleted);
        deleted.filter_map(|entry| external_id(&self.fields(entry)?)).collect()
    }

    /// An event's fields; `None` for what is no object.
    pub(super) fn fields(&self, entry: &Entry) -> Option<Fields<'_>> {
        Fields::read(self.texts.get(entry.page)?.get(entry.within.clone())?)
    }
}

/// The identifier that an event is known by: its id, else its iCalUId (which occurrences may share) with its start.
pub(super) fn external_id(fields: &Fields) -> Option<String> {
    if let Some(id) = fields.word(Field::Id) {
        return Some(id);
    }
    let uid = fields.word(Field::ICalUid)?;
    let times = [written(fields, Field::StartWithTimeZone), written(fields, Field::Start)];
    let exact = times.iter().flatten().find_map(|time| time.instant.map(|instant| instant.naive_utc()));
    let start = exact.filter(|_| !fields.flag(Field::IsAllDay)).or_else(|| Some(times.iter().flatten().last()?.local));
    Some(match start {
        Some(start) => format!("{uid}|{}Z", start.format("%Y-%m-%dT%H:%M:%S")),
        None => uid,
    })
}

/// The identifier of the series that an event is an occurrence of.
pub(super) fn series_of(fields: &Fields) -> Option<String> {
    let series = fields.word(Field::SeriesMasterId)?;
    (fields.word(Field::Id).as_ref() != Some(&series)).then_some(series)
}
