//! What was done to a user's events on every side, and what must therefore stand there once all are at rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::there::{Field, Shown};

/// Where something was done: in the database, or in one of the calendars that it is connected with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Here,
    There,
    /// Another calendar, which mirrors that one.
    Elsewhere,
}

impl Side {
    pub const ALL: [Self; 3] = [Self::Here, Self::There, Self::Elsewhere];
    /// With one calendar.
    pub const BOTH: [Self; 2] = [Self::Here, Self::There];
}

/// Whose word counts for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An application, plain SQL, or a user of another calendar: all sides count the same.
    Either,
    /// The CRM's interactions: what they say stands, whatever is edited there; and what is deleted there stays so until
    /// the interaction changes.
    Interaction,
}

#[derive(Debug, Clone)]
struct Edit {
    field: Field,
    value: String,
    /// Nobody listens to that side: it may be written over.
    unheard: bool,
}

/// An event's history since all sides were last at rest. Every value that is ever written is written once.
#[derive(Debug)]
struct Item {
    origin: Origin,
    /// Where it was made.
    home: Side,
    /// What stood on all sides then; nothing of what is new.
    agreed: Shown,
    edits: BTreeMap<Side, Vec<Edit>>,
    /// Values that were to be seen on a side when something was done there.
    seen: BTreeMap<Side, BTreeSet<String>>,
    /// Values in whose place somebody who saw them has put others.
    replaced: BTreeSet<String>,
    /// Edits of a side that it has deleted the event after: they may have come over before, and need not.
    moot: Vec<Edit>,
    /// The last delete on a side, with what was to be seen there.
    deleted: BTreeMap<Side, BTreeSet<String>>,
    /// What was to be seen by those who have deleted it, also where it was back later.
    given_up: Vec<BTreeSet<String>>,
    /// It was deleted here; the calendar that brings it back may be the one that it counts as coming from afterwards.
    is_uprooted: bool,
    /// Whether it is there afterwards nobody can say: it was deleted by two who knew nothing of each other.
    is_doubtful: bool,
}

/// Every event by its number, which stands in its description for good.
#[derive(Debug, Default)]
pub struct Ledger {
    items: BTreeMap<usize, Item>,
    /// Calendars that nothing is pulled from.
    unheard: BTreeSet<Side>,
    /// Something was broken off: it may stand there, and nobody here has heard of it.
    is_broken_off: bool,
}

/// What the log says of conflicts.
pub struct Noted {
    /// All values that have lost one.
    pub lost: String,
    /// Events of which it says that an edit beat a delete.
    pub outlived: BTreeSet<usize>,
}

impl Ledger {
    pub fn created(&mut self, number: usize, side: Side, origin: Origin, shown: &Shown) {
        let edit = |(field, value): (&Field, &String)| Edit { field: *field, value: value.clone(), unheard: false };
        let item = Item {
            origin,
            home: side,
            agreed: Shown::new(),
            edits: BTreeMap::from([(side, shown.iter().map(edit).collect())]),
            seen: BTreeMap::new(),
            replaced: BTreeSet::new(),
            moot: Vec::new(),
            deleted: BTreeMap::new(),
            given_up: Vec::new(),
            is_uprooted: false,
            is_doubtful: false,
        };
        self.items.insert(number, item);
    }

    /// `before`: what was to be seen of it on that side.
    pub fn edited(&mut self, number: usize, side: Side, before: &Shown, field: Field, value: &str) {
        let unheard = self.unheard.contains(&side);
        let item = self.item(number);
        item.seen.entry(side).or_default().extend(before.values().cloned());
        item.replaced.extend(before.get(&field).cloned());
        // It was there to be edited.
        item.deleted.remove(&side);
        item.edits.entry(side).or_default().push(Edit { field, value: value.to_owned(), unheard });
    }

    pub fn deleted(&mut self, number: usize, side: Side, before: &Shown) {
        let item = self.item(number);
        let seen = item.seen.entry(side).or_default();
        seen.extend(before.values().cloned());
        item.deleted.insert(side, seen.clone());
        item.given_up.push(seen.clone());
        item.moot.extend(item.edits.remove(&side).unwrap_or_default());
    }

    /// Which of several calendars it comes from is left open; so is, for good, what a delete in one of them means.
    pub fn uproot(&mut self, number: usize) {
        self.item(number).is_uprooted = true;
    }

    fn item(&mut self, number: usize) -> &mut Item {
        self.items.get_mut(&number).expect("an event of the ledger")
    }

    /// From now on nothing is pulled from that calendar, and what is sent there goes over what was edited there.
    pub fn stop_listening(&mut self, side: Side) {
        self.unheard.insert(side);
        let edits = self.items.values_mut().flat_map(|item| item.edits.entry(side).or_default());
        edits.for_each(|edit| edit.unheard = true);
    }

    pub fn listen(&mut self, side: Side) {
        self.unheard.remove(&side);
    }

    pub fn is_deleted(&self, number: usize, side: Side) -> bool {
        self.items.get(&number).is_some_and(|item| item.deleted.contains_key(&side))
    }

    /// Since then an edit may have come over without being known to have. Who saw it and deleted the event meant both; but
    /// what is known here is an edit and a delete.
    pub fn broken_off(&mut self) {
        self.is_broken_off = true;
    }

    /// Whether it is there afterwards is left open.
    pub fn doubt(&mut self, number: usize) {
        self.item(number).is_doubtful = true;
    }

    /// Likewise of all that a side has deleted.
    pub fn doubt_deleted(&mut self, side: Side) {
        let deleted = self.items.values_mut().filter(|item| item.deleted.contains_key(&side));
        deleted.for_each(|item| item.is_doubtful = true);
    }

    /// What is wrong with what stands on all sides at rest, `here` and in the calendars; `noted`: what the log says since.
    /// What is right is what all agree on from now on.
    pub fn settle(
        &mut self,
        here: &BTreeMap<usize, Shown>,
        calendars: &[(Side, BTreeMap<usize, Shown>)],
        noted: &Noted,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let everywhere = calendars.iter().flat_map(|(_, events)| events.keys()).chain(here.keys());
        let strangers: BTreeSet<&usize> = everywhere.filter(|number| !self.items.contains_key(number)).collect();
        wrong.extend(strangers.iter().map(|number| format!("event {number} came back, or from nowhere")));
        let mut gone = Vec::new();
        for (number, item) in &mut self.items {
            let shown: Vec<_> = calendars.iter().map(|(side, events)| (*side, events.get(number))).collect();
            item.is_doubtful |= self.is_broken_off && noted.outlived.contains(number);
            let trouble = item.judge(here.get(number), &shown, &noted.lost);
            wrong.extend(trouble.map(|why| format!("event {number}: {why}: {item:?}")));
            match here.get(number) {
                Some(shown) => item.rest(shown),
                None => gone.push(*number),
            }
        }
        gone.iter().for_each(|number| drop(self.items.remove(number)));
        self.is_broken_off = false;
        wrong
    }
}

impl Item {
    fn rest(&mut self, shown: &Shown) {
        self.agreed = shown.clone();
        self.edits.clear();
        self.seen.clear();
        self.replaced.clear();
        self.moot.clear();
        self.given_up.clear();
        self.is_doubtful = false;
        // What concerned that calendar alone stays as it is.
        let let_go: Vec<Side> = self.deleted.keys().copied().filter(|side| self.is_of_copy(*side)).collect();
        self.deleted = let_go.into_iter().map(|side| (side, BTreeSet::new())).collect();
    }

    /// Whether a delete on that side is one of the event. The CRM keeps its own; and a copy is no more than that.
    fn ends_with(&self, side: Side) -> bool {
        match self.origin {
            Origin::Interaction => side == Side::Here,
            Origin::Either => side == Side::Here || self.home == Side::Here || side == self.home,
        }
    }

    /// Whether a delete on that side may be one of a copy.
    fn is_of_copy(&self, side: Side) -> bool {
        !self.ends_with(side) || self.is_uprooted && side != Side::Here
    }

    fn judge(&self, here: Option<&Shown>, calendars: &[(Side, Option<&Shown>)], noted: &str) -> Option<String> {
        let must = self.must_be_there(noted);
        let Some(here) = here else {
            let left = calendars.iter().find(|(_, shown)| shown.is_some());
            return match (must, left) {
                (Some(true), _) => Some("it is gone, and must not be".to_owned()),
                (_, Some((side, _))) => Some(format!("it is gone, but not from {side:?}")),
                _ => None,
            };
        };
        if must == Some(false) {
            return Some("it is there, and must not be".to_owned());
        }
        for (side, shown) in calendars {
            match shown {
                Some(shown) if *shown != here => return Some(format!("here {here:?}, {side:?} {shown:?}")),
                None if !self.is_let_go(*side) => return Some(format!("it is here, and not {side:?}")),
                _ => {}
            }
        }
        Field::ALL.into_iter().find_map(|field| match self.origin {
            Origin::Either => self.judge_field(field, here.get(&field)?, noted),
            Origin::Interaction => self.judge_field_of_interaction(field, here.get(&field)?, noted),
        })
    }

    /// An edit that was not seen where it was deleted beats the delete; not one that had lost to another before. `None`: it
    /// may be there, and need not.
    fn must_be_there(&self, noted: &str) -> Option<bool> {
        if self.origin == Origin::Interaction {
            return Some(!self.deleted.contains_key(&Side::Here));
        }
        let mut must = Some(true);
        for (side, seen) in self.deleted.iter().filter(|(side, _)| self.ends_with(**side) || self.is_uprooted) {
            let has_lost = |value: &String| self.replaced.contains(value) || is_noted(noted, value);
            let beats = |edit: &&Edit| !seen.contains(&edit.value) && !has_lost(&edit.value);
            let others = Side::ALL.into_iter().filter(|other| other != side && !self.deleted.contains_key(other));
            let edits: Vec<&Edit> = others.flat_map(|other| self.lasts(other)).filter(beats).collect();
            let is_doubtful = self.is_doubtful || self.is_uprooted && *side != Side::Here;
            if is_doubtful || !edits.is_empty() && edits.iter().all(|edit| edit.unheard) {
                must = None;
            } else if edits.is_empty() {
                return Some(false);
            }
        }
        must
    }

    /// Whether it was deleted in that calendar, which ends nothing, and has not been changed since.
    fn is_let_go(&self, side: Side) -> bool {
        let Some(seen) = self.deleted.get(&side).filter(|_| self.is_of_copy(side)) else { return false };
        if self.is_doubtful {
            return true;
        }
        let counts = |other: &Side| *other != side && (self.origin == Origin::Either || *other == Side::Here);
        let others = Side::ALL.into_iter().filter(counts);
        let is_news = |edit: &Edit| !seen.contains(&edit.value) && !self.replaced.contains(&edit.value);
        !others.flat_map(|other| self.lasts(other)).any(is_news)
    }

    fn edits_of(&self, side: Side) -> &[Edit] {
        self.edits.get(&side).map_or(&[], Vec::as_slice)
    }

    fn last(&self, side: Side, field: Field) -> Option<&Edit> {
        self.edits_of(side).iter().rev().find(|edit| edit.field == field)
    }

    /// The last edit of each field.
    fn lasts(&self, side: Side) -> impl Iterator<Item = &Edit> {
        Field::ALL.into_iter().filter_map(move |field| self.last(side, field))
    }

    fn judge_field(&self, field: Field, value: &str, noted: &str) -> Option<String> {
        if self.moot.iter().any(|edit| edit.field == field && edit.value == value) {
            return None;
        }
        let last: Vec<(Side, &Edit)> =
            Side::ALL.into_iter().filter_map(|side| Some((side, self.last(side, field)?))).collect();
        if last.is_empty() {
            let agreed = self.agreed.get(&field).map_or("nothing", String::as_str);
            return (agreed != value).then(|| format!("{field:?} was {agreed}, and it is {value}"));
        }
        let may_be_lost = |(side, edit): &&(Side, &Edit)| {
            edit.unheard
                || self.replaced.contains(&edit.value)
                || is_noted(noted, &edit.value)
                || self.is_given_up(*side, edit)
        };
        if last.iter().all(|(_, edit)| edit.value != value) {
            // What was known before stands again.
            let was_known =
                self.agreed.get(&field).is_some_and(|agreed| agreed == value) || self.replaced.contains(value);
            return (!was_known || !last.iter().all(|one| may_be_lost(&one))).then(|| {
                let all: Vec<&str> = last.iter().map(|(_, edit)| edit.value.as_str()).collect();
                format!("{field:?} is {value}, and was made {}: an edit was lost", all.join(" and "))
            });
        }
        let lost = last.iter().find(|one| one.1.value != value && !may_be_lost(one));
        lost.map(|(_, lost)| format!("{field:?} is {value}, and {} was lost silently", lost.value))
    }

    /// Whether it went with the event, deleted by somebody who saw it; another calendar, which did not have it, brought the
    /// event back.
    fn is_given_up(&self, side: Side, edit: &Edit) -> bool {
        let all_seen = |seen: &&BTreeSet<String>| self.lasts(side).all(|edit| seen.contains(&edit.value));
        self.given_up.iter().filter(all_seen).any(|seen| seen.contains(&edit.value))
    }

    fn judge_field_of_interaction(&self, field: Field, value: &str, noted: &str) -> Option<String> {
        let last = self.last(Side::Here, field).map(|edit| &edit.value);
        if let Some(said) = last.or(self.agreed.get(&field)).filter(|said| *said != value) {
            return Some(format!("{field:?} is {value}, and the interaction says {said}"));
        }
        let calendars = Side::ALL.into_iter().filter(|side| *side != Side::Here && !self.deleted.contains_key(side));
        let lost = calendars
            .filter_map(|side| self.last(side, field))
            .find(|edit| !edit.unheard && !is_noted(noted, &edit.value));
        lost.map(|edit| format!("{} was overwritten there, and nothing says so", edit.value))
    }
}

/// Whether a value stands there, an instant in either of its forms.
fn is_noted(noted: &str, value: &str) -> bool {
    noted.contains(value) || noted.contains(&value.replace("+00:00", "Z"))
}
