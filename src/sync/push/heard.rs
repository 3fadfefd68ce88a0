//! What a provider has made of what was sent, where its answer was not heard: as it is there now, compared in its own form.

use calendar_sync_core::event::{Body, Event, EventStatus, Override, Series};
use calendar_sync_core::merge::{Base, Rules, Treatment, three_way};
use chrono::{DateTime, Utc};

use super::payload::Writer;
use crate::errors::SqlResult;
use crate::store::connections::Connection;
use crate::sync::account_pull::provider_of;

/// The base once it is known what is there: what makes no difference in the provider's form was there when it was sent, what
/// does was changed since. It is to be kept as heard of, whatever comes of the comparison.
pub fn heard(connection: &Connection, mut base: Base, there: &Body) -> SqlResult<Base> {
    let options = connection.options.clone().unwrap_or_default();
    let writer = Writer { provider: provider_of(connection)?, options: &options, busy_only: base.only_busy };
    let mut before = base.before.take();
    while let Some(mut earlier) = before {
        before = earlier.before.take();
        base = writer.as_arrived(there, base, &earlier);
    }
    let sent = writer.as_there(there, base.remote());
    let heard = Base::new(base.local, sent).with_occurrences(base.occurrences);
    Ok(heard.with_visibility(base.only_busy).with_answer_lost(true))
}

impl Writer<'_> {
    /// What was sent, without fields that are there as they were before that, and not as they were sent.
    fn as_arrived(&self, there: &Body, sent: Base, before: &Base) -> Base {
        let [there, then, earlier] = [there, sent.remote(), before.remote()].map(without_occurrences);
        let is_missing =
            |field: &str| self.is_otherwise(field, &there, &then) && !self.is_otherwise(field, &there, &earlier);
        let [local, remote] = [(&sent.local, &before.local), (sent.remote(), before.remote())]
            .map(|(sent, before)| with_fields(sent, before, &is_missing));
        Base::new(local, remote).with_occurrences(sent.occurrences).with_visibility(sent.only_busy)
    }

    /// What was sent, with what is there of it that would be written in the same way.
    fn as_there(&self, there: &Body, sent: &Body) -> Body {
        // Occurrences are written beside their series: whether their fields would be is a question of its own.
        let mut body = self.fields_as_there(&without_occurrences(there), &without_occurrences(sent));
        if let (Body::Series(body), Body::Series(sent)) = (&mut body, sent) {
            body.exdates.clone_from(&sent.exdates);
            body.overrides.clone_from(&sent.overrides);
            if let Body::Series(there) = there {
                self.occurrences_as_there(there, body);
            }
        }
        body
    }

    /// With fields as they are there that would be written in the same way.
    fn fields_as_there(&self, there: &Body, sent: &Body) -> Body {
        with_fields(there, sent, &|field| self.is_otherwise(field, there, sent))
    }

    /// Whether a field of what is known would be written otherwise than it is there.
    fn is_otherwise(&self, field: &str, there: &Body, known: &Body) -> bool {
        // Where no zone is kept a time is written by the clock of the one that it was given.
        let is_zoneless = || main_event(there).is_some_and(|event| event.timing.time_zone.is_none());
        match field {
            "time" if is_same_time(main_event(there), main_event(known)) => false,
            "time_zone" if is_zoneless() => false,
            _ => {
                let written = |body: &Body| self.whole(body).ok();
                written(&with_fields(there, known, &|other| other == field)) != written(there)
            }
        }
    }

    fn occurrences_as_there(&self, there: &Series, sent: &mut Series) {
        let of_there = |sent: &Override| there.overrides.iter().find(|one| one.recurrence_id == sent.recurrence_id);
        for one in &mut sent.overrides {
            let Some(there) = of_there(one) else { continue };
            let [now, then] = [there, &*one].map(|one| Body::Single(Box::new(one.event.clone())));
            if let Body::Single(event) = self.fields_as_there(&now, &then) {
                *one = Override { event: *event, ..there.clone() };
            }
        }
        // What does not take place is either excluded or cancelled.
        let is_cancelled = |one: &&Override| one.event.details.event_status == EventStatus::Cancelled;
        let cancelled =
            there.overrides.iter().filter(is_cancelled).filter(|one| sent.exdates.contains(&one.recurrence_id));
        let cancelled: Vec<Override> = cancelled.cloned().collect();
        sent.exdates.retain(|date| !cancelled.iter().any(|one| one.recurrence_id == *date));
        sent.overrides.extend(cancelled);
    }
}

/// An item with some fields of another one.
fn with_fields(body: &Body, other: &Body, takes: &dyn Fn(&str) -> bool) -> Body {
    let treatment = |field: &str| if takes(field) { Treatment::Merge } else { Treatment::Ignore };
    let base = Base::new(body.clone(), body.clone());
    three_way(&base, body, other, &Rules { treatment: &treatment, ..Rules::MERGE }).body
}

fn without_occurrences(body: &Body) -> Body {
    let mut body = body.clone();
    if let Body::Series(series) = &mut body {
        series.exdates.clear();
        series.overrides.clear();
    }
    body
}

fn main_event(body: &Body) -> Option<&Event> {
    match body {
        Body::Single(event) => Some(event),
        Body::Series(series) => Some(&series.template),
        Body::Overrides(_) => None,
    }
}

/// Providers keep times to the second, or to the minute.
fn is_same_time(there: Option<&Event>, sent: Option<&Event>) -> bool {
    let Some((there, sent)) = there.map(|event| &event.timing).zip(sent.map(|event| &event.timing)) else {
        return false;
    };
    let is_same = |there: DateTime<Utc>, sent: DateTime<Utc>| {
        let seconds = sent.timestamp();
        [seconds, seconds.div_euclid(60) * 60]
            .map(|seconds| DateTime::from_timestamp(seconds, 0))
            .contains(&Some(there))
    };
    let is_same_end = there.end.zip(sent.end).is_some_and(|(there, sent)| is_same(there, sent));
    there.all_day == sent.all_day && is_same(there.start, sent.start) && is_same_end
}
