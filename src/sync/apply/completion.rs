//! Items that say only a part, and are completed by what is stored of them: cancellations, overrides without their series,
//! a series some of whose overrides can't be read or came before it.

use calendar_sync_core::cancellation::{self, is_bare};
use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Item, Override, Series};
use uuid::Uuid;

use super::batch::Batch;
use super::known::{Key, Slot, event_key};
use super::pending::Mark;
use crate::errors::SqlResult;
use crate::store::{events, series};

impl Batch<'_> {
    /// Cancels what is stored as it stands, where that is more than the cancellation says. Returns whether it is.
    pub fn complete_cancellation(&self, key: Key, item: &mut Item, cancels: bool) -> SqlResult<bool> {
        let by = match &item.body {
            Body::Single(event) if cancels || is_bare(event) => &event.details,
            Body::Series(series) if cancels => &series.template.details,
            _ => return Ok(false),
        };
        let is_stored = |slot: &&Slot| !slot.deleted;
        let stored = if let Some(slot) = self.known.series.get(&key).filter(is_stored) {
            series::find(self.installation, &[slot.id])?.pop().map(|stored| Body::Series(Box::new(stored.series)))
        } else if let Some(slot) = self.known.events.get(&key).filter(is_stored) {
            events::find(self.installation, &[slot.id])?.pop().map(|stored| Body::Single(Box::new(stored.event)))
        } else {
            None
        };
        let Some(stored) = stored else { return Ok(false) };
        item.body = cancellation::of_body(stored, by);
        Ok(true)
    }

    /// Which of its overrides could not be read nobody knows: what is stored of those that it does not hold stays.
    pub fn keep_overrides(&self, key: Key, series: &mut Series) -> SqlResult<()> {
        let Some(slot) = self.known.series.get(&key).filter(|slot| !slot.deleted) else { return Ok(()) };
        let Some(stored) = series::find(self.installation, &[slot.id])?.pop() else { return Ok(()) };
        for one in stored.series.overrides {
            let is_given = series.overrides.iter().any(|other| other.recurrence_id == one.recurrence_id);
            if !is_given && !series.exdates.contains(&one.recurrence_id) {
                series.overrides.push(one);
            }
        }
        Ok(())
    }

    /// Overrides that came before their series join it.
    pub fn adopt(&mut self, key: Key, series: &mut Series) -> SqlResult<()> {
        let Some(orphans) = self.known.orphans.remove(&key) else { return Ok(()) };
        let mut wanted = Vec::new();
        for orphan in orphans {
            let given = series.overrides.iter().any(|one| one.recurrence_id == orphan.recurrence_id);
            if given || !self.terms.complete {
                // Its row becomes the instance's.
                self.known.events.remove(&event_key(key, Some(orphan.recurrence_id)));
            }
            if !given && !self.terms.complete {
                wanted.push(orphan);
            }
        }
        let ids: Vec<Uuid> = wanted.iter().map(|orphan| orphan.event_id).collect();
        for stored in events::find(self.installation, &ids)? {
            let Some(orphan) = wanted.iter().find(|orphan| orphan.event_id == stored.event_id) else { continue };
            let recurrence_id = orphan.recurrence_id;
            series.overrides.push(Override {
                recurrence_id,
                this_and_future: false,
                duration: None,
                event: stored.event,
            });
        }
        Ok(())
    }

    /// Overrides without their series: they join the one that is stored, or stand for themselves.
    pub fn overrides(&mut self, mark: Mark, overrides: Vec<Override>, cancels: bool) -> SqlResult<()> {
        let Mark { index, key, external_id, .. } = mark;
        let stored =
            self.known.series.get(&key).filter(|slot| !slot.deleted && !self.terms.complete).map(|slot| slot.id);
        if let Some(series_id) = stored
            && let Some(stored) = series::find(self.installation, &[series_id])?.pop()
        {
            let mut series = Box::new(stored.series);
            for mut one in overrides {
                if cancels || is_bare(&one.event) {
                    if cancellation::is_of_earlier_version(&one, &series) {
                        continue;
                    }
                    cancellation::complete(&mut one, &series);
                }
                // A change of one occurrence leaves what holds from it on for the others.
                let stays = |other: &Override| {
                    other.recurrence_id != one.recurrence_id || other.this_and_future && !one.this_and_future
                };
                series.overrides.retain(stays);
                series.overrides.push(one);
            }
            let body = Body::Series(series);
            let hash = content::of_body(&body);
            let Body::Series(series) = body else { return Ok(()) };
            return self.series(Mark::new(index, key, external_id, hash, None), series);
        }
        let counted = self.applied.counted();
        for one in overrides {
            let mark = Mark::new(index, key, external_id.clone(), content::of_event(&one.event), None);
            self.event(mark, Some(one.recurrence_id), one.event);
        }
        self.applied.count_as_one(counted);
        Ok(())
    }
}
