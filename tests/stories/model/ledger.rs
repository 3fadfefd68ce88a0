//! What was done to the events of one calendar on both sides, and what must therefore stand there once both are at rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::there::{Field, Shown};

/// Where something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Here,
    There,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Here, Self::There];

    pub fn other(self) -> Self {
        match self {
            Self::Here => Self::There,
            Self::There => Self::Here,
        }
    }
}

/// Whose word counts for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An application, plain SQL, or a user of the other calendar: both sides count the same.
    Either,
    /// The CRM's interactions: what they say stands, whatever is edited there; and what is deleted there stays so until
    /// the interaction changes.
    Interaction,
}

#[derive(Debug, Clone)]
struct Edit {
    field: Field,
    value: String,
}

/// An event's history since both sides were last at rest. Every value that is ever written is written once.
#[derive(Debug)]
struct Item {
    origin: Origin,
    /// What stood on both sides then; nothing of what is new.
    agreed: Shown,
    edits: BTreeMap<Side, Vec<Edit>>,
    /// Values of the other side that were to be seen on this one when something was done here.
    seen: BTreeMap<Side, BTreeSet<String>>,
    /// Edits of a side that it has deleted the event after: they may have come over before, and need not.
    moot: Vec<Edit>,
    /// The last delete on a side, with what was to be seen there.
    deleted: BTreeMap<Side, BTreeSet<String>>,
}

/// Every event by its number, which stands in its description for good.
#[derive(Debug, Default)]
pub struct Ledger {
    items: BTreeMap<usize, Item>,
}

impl Ledger {
    pub fn created(&mut self, number: usize, side: Side, origin: Origin, shown: &Shown) {
        let edits = shown.iter().map(|(field, value)| Edit { field: *field, value: value.clone() }).collect();
        let item = Item {
            origin,
            agreed: Shown::new(),
            edits: BTreeMap::from([(side, edits)]),
            seen: BTreeMap::new(),
            moot: Vec::new(),
            deleted: BTreeMap::new(),
        };
        self.items.insert(number, item);
    }

    /// `before`: what was to be seen of it on that side.
    pub fn edited(&mut self, number: usize, side: Side, before: &Shown, field: Field, value: &str) {
        let item = self.items.get_mut(&number).expect("an event of the ledger");
        item.seen.entry(side).or_default().extend(before.values().cloned());
        // It was there to be edited.
        item.deleted.remove(&side);
        item.edits.entry(side).or_default().push(Edit { field, value: value.to_owned() });
    }

    pub fn deleted(&mut self, number: usize, side: Side, before: &Shown) {
        let item = self.items.get_mut(&number).expect("an event of the ledger");
        let seen = item.seen.entry(side).or_default();
        seen.extend(before.values().cloned());
        item.deleted.insert(side, seen.clone());
        item.moot.extend(item.edits.remove(&side).unwrap_or_default());
    }

    /// What is wrong with what stands on both sides at rest; `conflicts`: all values that have lost a conflict since.
    /// What is right is what both agree on from now on.
    pub fn settle(
        &mut self,
        here: &BTreeMap<usize, Shown>,
        there: &BTreeMap<usize, Shown>,
        conflicts: &str,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let strangers = here.keys().chain(there.keys()).filter(|number| !self.items.contains_key(number));
        wrong.extend(strangers.map(|number| format!("event {number} came back, or from nowhere")));
        let mut gone = Vec::new();
        for (number, item) in &mut self.items {
            let shown = Sides { here: here.get(number), there: there.get(number) };
            wrong.extend(
                item.judge(&shown, conflicts).into_iter().map(|why| format!("event {number}: {why}: {item:?}")),
            );
            match here.get(number) {
                Some(shown) => item.rest(shown),
                None => gone.push(*number),
            }
        }
        gone.iter().for_each(|number| drop(self.items.remove(number)));
        wrong
    }
}

/// An event as it stands on both sides.
#[derive(Debug)]
struct Sides<'a> {
    here: Option<&'a Shown>,
    there: Option<&'a Shown>,
}

impl Item {
    fn rest(&mut self, shown: &Shown) {
        self.agreed = shown.clone();
        self.edits.clear();
        self.seen.clear();
        self.moot.clear();
        // An interaction's event that was deleted there stays so.
        if self.origin != Origin::Interaction {
            self.deleted.clear();
        } else if self.deleted.remove(&Side::There).is_some() {
            self.deleted.insert(Side::There, BTreeSet::new());
        }
    }

    fn judge(&self, shown: &Sides, noted: &str) -> Option<String> {
        match self.origin {
            Origin::Interaction => self.judge_interaction(shown, noted),
            Origin::Either => self.judge_event(shown, noted),
        }
    }

    fn judge_event(&self, shown: &Sides, noted: &str) -> Option<String> {
        let (here, there) = match (shown.here, shown.there, self.must_be_there(noted)) {
            (Some(here), Some(there), true) => (here, there),
            (None, None, false) => return None,
            (here, there, must) => {
                let [here, there] = [here, there].map(|side| if side.is_some() { "is" } else { "is not" });
                return Some(format!(
                    "it {here} here and {there} there, and must {}be",
                    if must { "" } else { "not " }
                ));
            }
        };
        if here != there {
            return Some(format!("here {here:?}, there {there:?}"));
        }
        Field::ALL.into_iter().find_map(|field| self.judge_field(field, here.get(&field)?, noted))
    }

    /// An edit that was not seen where it was deleted beats the delete; not one that had lost to another before.
    fn must_be_there(&self, noted: &str) -> bool {
        Side::BOTH.into_iter().all(|side| match self.deleted.get(&side) {
            None => true,
            Some(seen) => {
                let other = side.other();
                let counts = |value: &str| !seen.contains(value) && !is_noted(noted, value);
                !self.deleted.contains_key(&other)
                    && Field::ALL.into_iter().any(|field| self.last(other, field).is_some_and(counts))
            }
        })
    }

    fn edits_of(&self, side: Side) -> &[Edit] {
        self.edits.get(&side).map_or(&[], Vec::as_slice)
    }

    fn last(&self, side: Side, field: Field) -> Option<&str> {
        self.edits_of(side).iter().rev().find(|edit| edit.field == field).map(|edit| edit.value.as_str())
    }

    fn judge_field(&self, field: Field, value: &str, noted: &str) -> Option<String> {
        if self.moot.iter().any(|edit| edit.field == field && edit.value == value) {
            return None;
        }
        let last = Side::BOTH.map(|side| (side, self.last(side, field)));
        match last {
            [(_, None), (_, None)] => {
                let agreed = self.agreed.get(&field).map_or("nothing", String::as_str);
                (agreed != value).then(|| format!("{field:?} was {agreed}, and it is {value}"))
            }
            [(_, Some(only)), (_, None)] | [(_, None), (_, Some(only))] => {
                (only != value).then(|| format!("{field:?} is {value}, not {only}: an edit was lost"))
            }
            [(_, Some(one)), (_, Some(other))] => {
                let Some((winner, _)) = last.into_iter().find(|(_, last)| *last == Some(value)) else {
                    return Some(format!("{field:?} is {value}, neither {one} nor {other}"));
                };
                let loser = self.last(winner.other(), field).unwrap_or_default();
                let knew = self.seen.get(&winner).is_some_and(|seen| seen.contains(loser));
                (!knew && loser != value && !is_noted(noted, loser))
                    .then(|| format!("{field:?} is {value}, and {loser} was lost silently"))
            }
        }
    }

    fn judge_interaction(&self, shown: &Sides, noted: &str) -> Option<String> {
        if self.deleted.contains_key(&Side::Here) {
            return (shown.here.is_some() || shown.there.is_some())
                .then(|| "the interaction was deleted, and its event is left".to_owned());
        }
        let Some(here) = shown.here else { return Some("the interaction's event is gone".to_owned()) };
        for field in Field::ALL {
            let said = self.last(Side::Here, field).or(self.agreed.get(&field).map(String::as_str));
            if let (Some(said), Some(value)) = (said, here.get(&field))
                && said != value
            {
                return Some(format!("{field:?} is {value}, and the interaction says {said}"));
            }
        }
        let unseen = |seen: &BTreeSet<String>| {
            let last = |field| self.last(Side::Here, field);
            Field::ALL.into_iter().any(|field| last(field).is_some_and(|value| !seen.contains(value)))
        };
        match (shown.there, self.deleted.get(&Side::There)) {
            (Some(there), _) if there != here => Some(format!("here {here:?}, there {there:?}")),
            (None, None) => Some("it is not there, though nobody deleted it there".to_owned()),
            (None, Some(seen)) if unseen(seen) => {
                Some("it was deleted there, and is not back though the interaction changed".to_owned())
            }
            _ => {
                let lost = self.edits_of(Side::There).iter().rev().find(|edit| {
                    self.last(Side::There, edit.field) == Some(&edit.value)
                        && !is_noted(noted, &edit.value)
                        && !self.deleted.contains_key(&Side::There)
                });
                lost.map(|edit| format!("{} was overwritten there, and nothing says so", edit.value))
            }
        }
    }
}

/// Whether a value stands there, an instant in either of its forms.
fn is_noted(noted: &str, value: &str) -> bool {
    noted.contains(value) || noted.contains(&value.replace("+00:00", "Z"))
}
