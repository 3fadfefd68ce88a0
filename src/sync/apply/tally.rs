//! Counting what becomes of items: a series with its instances and overrides is one, and so is what takes another form.

use uuid::Uuid;

use super::{Action, Applied};

/// created, updated, unchanged
pub type Counts = [i32; 3];

impl Applied {
    /// Where these are counted.
    pub fn count_of(&mut self, action: Action) -> &mut i32 {
        match action {
            Action::Created => &mut self.created,
            Action::Updated => &mut self.updated,
            Action::Unchanged => &mut self.unchanged,
        }
    }

    /// Counts an item, and says so of it.
    pub fn count(&mut self, index: usize, event_id: Option<Uuid>, action: Action) {
        *self.count_of(action) += 1;
        self.tell(index, event_id, action);
    }

    fn tell(&mut self, index: usize, event_id: Option<Uuid>, action: Action) {
        if let Some(outcome) = self.outcomes.get_mut(index) {
            outcome.event_id = event_id.or(outcome.event_id);
            outcome.action = Ok(action);
        }
    }

    /// All but what was deleted.
    pub const fn counted(&self) -> Counts {
        [self.created, self.updated, self.unchanged]
    }

    fn set_counted(&mut self, [created, updated, unchanged]: Counts) {
        self.created = created;
        self.updated = updated;
        self.unchanged = unchanged;
    }

    /// Whatever was counted since makes one item.
    pub fn count_as_one(&mut self, [created, updated, unchanged]: Counts) {
        let [now_created, now_updated, now_unchanged] = self.counted();
        let is_updated = now_updated > updated || (now_created > created && now_unchanged > unchanged);
        let is_created = !is_updated && now_created > created;
        self.set_counted([
            created + i32::from(is_created),
            updated + i32::from(is_updated),
            unchanged + i32::from(!is_updated && !is_created),
        ]);
    }

    /// Whatever was counted since: an item took another form.
    pub fn count_as_updated(&mut self, index: usize, [created, updated, unchanged]: Counts) {
        self.set_counted([created, updated + 1, unchanged]);
        self.tell(index, None, Action::Updated);
    }
}
