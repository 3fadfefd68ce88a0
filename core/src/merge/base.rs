//! What two sides last agreed on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::Body;

/// Earlier states of one item that are kept.
const MOST_EARLIER: usize = 8;

/// Both sides as they were when they last agreed: calendar_event_links.base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// What was here.
    pub local: Body,
    /// What was read from there, if that was not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote: Option<Body>,
    /// Occurrences of a series that have an identifier of their own there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub occurrences: Vec<Occurrence>,
    /// That side was told no more than when it takes place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_busy: bool,
    /// What is there is not known: it is what was sent, and nobody has heard what came of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unheard: bool,
    /// What both sides had agreed on before that: as they are, if it never arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Self>>,
}

/// An occurrence that has its own identifier and version there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Its original start.
    pub recurrence_id: DateTime<Utc>,
    pub external_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

impl Base {
    /// Both sides agree: this is here, and that was read from there.
    pub fn new(local: Body, remote: Body) -> Self {
        let remote = Some(remote).filter(|remote| *remote != local);
        Self { local, remote, occurrences: Vec::new(), only_busy: false, unheard: false, before: None }
    }

    /// What was sent, and nobody has heard what came of it. `only_busy`: no more of it than when it takes place.
    pub fn sent(body: Body, only_busy: bool) -> Self {
        Self { only_busy, unheard: true, ..Self::new(body.clone(), body) }
    }

    /// What was there.
    pub fn remote(&self) -> &Body {
        self.remote.as_ref().unwrap_or(&self.local)
    }

    /// The same, with what is known of occurrences.
    pub fn with_occurrences(self, occurrences: Vec<Occurrence>) -> Self {
        Self { occurrences, ..self }
    }

    /// The same; `only_busy`: that side was told no more than when it takes place.
    pub fn with_visibility(self, only_busy: bool) -> Self {
        Self { only_busy, ..self }
    }

    /// The same; `unheard`: nobody has heard what is there.
    pub fn with_answer_lost(self, unheard: bool) -> Self {
        Self { unheard, ..self }
    }

    /// The same; as it was `before` it was sent. Of very many tries the first and the last are known.
    pub fn with_before(self, mut before: Self) -> Self {
        if before.earlier().count() >= MOST_EARLIER {
            before.before = Some(Box::new(before.oldest().clone()));
        }
        Self { before: Some(Box::new(before)), ..self }
    }

    /// As both sides may still be, if what was sent since never arrived: the latest first.
    pub fn earlier(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(self.before.as_deref(), |base| base.before.as_deref())
    }

    /// What both sides had certainly agreed on.
    pub fn oldest(&self) -> &Self {
        self.earlier().last().unwrap_or(self)
    }

    /// Notes an occurrence's identifier and version, or its new ones.
    pub fn learn(&mut self, occurrence: Occurrence) {
        self.occurrences.retain(|known| known.recurrence_id != occurrence.recurrence_id);
        self.occurrences.push(occurrence);
    }

    /// Forgets the versions of occurrences that follow the rule again: what was there under them is no more.
    pub fn forget_ruled(&mut self) {
        let Body::Series(there) = self.remote.as_ref().unwrap_or(&self.local) else { return };
        self.occurrences.retain(|known| {
            there.exdates.contains(&known.recurrence_id)
                || there.overrides.iter().any(|one| one.recurrence_id == known.recurrence_id)
        });
    }

    /// What is known of an occurrence.
    pub fn occurrence(&self, recurrence_id: DateTime<Utc>) -> Option<&Occurrence> {
        self.occurrences.iter().find(|known| known.recurrence_id == recurrence_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Details, Event, Sensitivity, ShowAs, Timing};

    #[test]
    fn of_what_was_tried_very_often_the_beginning_and_the_end_are_known() {
        let titled = |title: usize| {
            let start = DateTime::UNIX_EPOCH;
            let timing = Timing { start, end: None, all_day: false, time_zone: None, floating: false };
            let body = Event { timing, details: Details { title: title.to_string(), ..Details::default() } };
            Base::sent(Body::Single(Box::new(body)), false)
        };
        for tries in [1, 2, MOST_EARLIER, 100] {
            let base = (1..=tries).fold(titled(0), |base, title| titled(title).with_before(base));
            assert_eq!(base.local, titled(tries).local);
            assert_eq!(base.oldest(), &titled(0));
            assert_eq!(base.earlier().next().map(|base| &base.local), Some(&titled(tries - 1).local));
            assert!(base.earlier().count() <= MOST_EARLIER.min(tries));
        }
    }

    #[test]
    fn what_is_as_with_most_events_is_not_written_and_is_read_as_it_was() {
        let start = DateTime::UNIX_EPOCH;
        let timing = Timing { start, end: None, all_day: false, time_zone: None, floating: false };
        let usual = Event { timing, details: Details { title: "Visit".into(), ..Details::default() } };
        let timing = Timing { all_day: true, floating: true, end: Some(start), ..usual.timing.clone() };
        let details =
            Details { show_as: ShowAs::Free, sensitivity: Sensitivity::Private, sequence: 2, ..Details::default() };
        let unusual = Event { timing, details };
        let written = json!({ "timing": { "start": "1970-01-01T00:00:00Z" }, "details": { "title": "Visit" } });
        assert_eq!(serde_json::to_value(&usual).unwrap(), written);
        let base = Base::new(Body::Single(Box::new(usual)), Body::Single(Box::new(unusual)));
        assert_eq!(serde_json::from_str::<Base>(&serde_json::to_string(&base).unwrap()).unwrap(), base);
    }
}
