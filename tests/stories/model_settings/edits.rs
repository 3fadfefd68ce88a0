//! What people do to events, here and in their calendars.

use std::collections::BTreeMap;

use calendar_sync_e2e::Random;

use super::calendar::Entry;
use super::{MOST_EVENTS, Model, World};
use crate::model::here::{Here, Way};
use crate::model::ledger::{Origin, Side};
use crate::there::{Field, Shown};

impl Model {
    fn new_event(&mut self) -> (usize, Shown) {
        self.number += 1;
        (self.number, Field::ALL.into_iter().map(|field| (field, self.value(field))).collect())
    }

    pub fn add_here(&mut self, world: usize) {
        let way = *self.random.one_of(&Way::ALL);
        let (number, shown) = self.new_event();
        self.worlds[world].note(format!("{number} is made here: {way:?}, {shown:?}"));
        let World { user, ledger, .. } = &mut self.worlds[world];
        Here { client: &mut self.client, user }.add(number, way, &shown);
        ledger.created(number, Side::Here, way.origin(), &shown);
    }

    pub fn add_there(&mut self, world: usize, calendar: usize) {
        let (number, shown) = self.new_event();
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &calendars[calendar];
        if calendar.there.entries().len() < MOST_EVENTS {
            calendar.there.add(number, &shown);
            ledger.created(number, calendar.side, Origin::Either, &shown);
            let side = calendar.side;
            self.worlds[world].note(format!("{number} is made {side:?}: {shown:?}"));
        }
    }

    pub fn edit_here(&mut self, world: usize) {
        let field = *self.random.one_of(&Field::ALL);
        let value = self.value(field);
        let all = self.here(world);
        let Some((number, (_, way, before))) = pick(&mut self.random, all) else { return };
        self.worlds[world].note(format!("{number} is given {value} here ({way:?}), was {before:?}"));
        let World { user, ledger, .. } = &mut self.worlds[world];
        Here { client: &mut self.client, user }.edit(number, way, field, &value);
        ledger.edited(number, Side::Here, &before, field, &value);
    }

    /// Here, where nobody will know of it.
    pub fn change_in_vain(&mut self, world: usize) {
        let (number, shown) = self.new_event();
        let way = *self.random.one_of(&Way::ALL);
        let is_deleted = self.random.chance(0.3);
        let all = if self.random.chance(0.3) { BTreeMap::new() } else { self.here(world) };
        let what = pick(&mut self.random, all).map(|(number, (_, way, _))| (number, way, is_deleted));
        self.worlds[world].note(format!("in vain: {what:?}, {shown:?}"));
        let mut here = Here { client: &mut self.client, user: &self.worlds[world].user };
        match what {
            None => here.add(number, way, &shown),
            // With an interaction what was edited there goes without a word, and comes back as the CRM has it.
            Some((number, way, true)) if way.origin() != Origin::Interaction => {
                here.delete(number, way, &mut self.random);
            }
            Some((number, way, _)) => here.edit(number, way, Field::Title, &shown[&Field::Title]),
        }
    }

    /// Whatever somebody scribbles on a block of busy time, it is none of the event's.
    pub fn edit_there(&mut self, world: usize, calendar: usize) {
        let field = *self.random.one_of(&Field::ALL);
        let value = self.value(field);
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &mut calendars[calendar];
        let Some(entry) = pick(&mut self.random, calendar.entries(&mut self.client)) else { return };
        let Entry { number: Some(number), id, shown } = &entry else { return };
        match field {
            Field::Title if entry.is_block() => {}
            Field::Location if entry.is_block() => return,
            _ => ledger.edited(*number, calendar.side, shown, field, &value),
        }
        calendar.there.edit(id, field, &value);
        let side = calendar.side;
        self.worlds[world].note(format!("{number} is given {value} {side:?}, was {shown:?}"));
    }

    pub fn delete_here(&mut self, world: usize) {
        let all = self.here(world);
        let Some((number, (_, way, before))) = pick(&mut self.random, all) else { return };
        self.worlds[world].note(format!("{number} is deleted here ({way:?}), was {before:?}"));
        let World { user, ledger, calendars, .. } = &mut self.worlds[world];
        Here { client: &mut self.client, user }.delete(number, way, &mut self.random);
        ledger.deleted(number, Side::Here, &before);
        if calendars.len() > 1 {
            ledger.uproot(number);
        }
    }

    pub fn delete_there(&mut self, world: usize, calendar: usize) {
        let here = self.all_here(world);
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &mut calendars[calendar];
        let Some(entry) = pick(&mut self.random, calendar.entries(&mut self.client)) else { return };
        let Some(number) = entry.number else { return };
        calendar.there.delete(&entry.id);
        ledger.deleted(number, calendar.side, &entry.shown);
        // It was to go from there anyway; or nobody knows what was to be seen of it.
        if entry.is_block() || here.get(&number).is_some_and(|event| !calendar.takes(event)) {
            ledger.doubt(number);
        }
        let side = calendar.side;
        self.worlds[world].note(format!("{number} is deleted {side:?}, was {:?}", entry.shown));
    }
}

fn pick<T>(random: &mut Random, all: impl IntoIterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    (!all.is_empty()).then(|| all.swap_remove(random.below(all.len())))
}
