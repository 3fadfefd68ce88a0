//! The names that a batch of interactions needs, each looked up once.

use std::collections::HashMap;

use calendar_sync_core::mapping::Field;
use pgrx::pg_sys;

use super::event::Names;
use super::layout::{Column, Layout};
use super::row::{Change, Row};
use crate::errors::SqlResult;
use crate::store::names::Whose;
use crate::store::raw::Value;

/// Names by their keys; they live in the memory context in which they were looked up.
#[derive(Default)]
pub struct NameBook {
    /// Of each kind: a key's place in `names`.
    places: [HashMap<Key, usize>; 3],
    names: [Vec<Value>; 3],
}

/// A key's bytes. A uuid or a number, which most keys are, needs no memory of its own.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Short([u8; 16], usize),
    Long(Vec<u8>),
}

impl Key {
    fn new(bytes: &[u8]) -> Self {
        let mut short = [0; 16];
        match short.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self::Short(short, bytes.len())
            }
            None => Self::Long(bytes.to_vec()),
        }
    }
}

impl NameBook {
    /// Looks up what `rows` need and is not known yet, and notes in each row where its names stand.
    ///
    /// # Errors
    /// Raises what the look-ups raise.
    pub fn look_up(&mut self, layout: &Layout, rows: &mut [Row]) -> SqlResult<()> {
        let owner = layout.tracked.owner;
        if let [row] = rows {
            let keys = Whose::ALL.map(|whose| key_of(layout, row, whose));
            let names = layout.look_ups.one(owner, keys)?;
            for whose in Whose::ALL {
                row.names[whose as usize] = keys[whose as usize].map(|_| self.add(whose, names[whose as usize]));
            }
            return Ok(());
        }
        for whose in Whose::ALL.into_iter().filter(|whose| layout.look_ups.has(*whose)) {
            let first = self.names[whose as usize].len();
            let mut missing = self.note_places(layout, rows, whose);
            let Some(column) = column_of(layout, whose).filter(|_| !missing.is_empty()) else { continue };
            let keys = array_of(column, &mut missing);
            for (place, name) in layout.look_ups.many(owner, whose, keys)? {
                self.names[whose as usize][first + place] = name;
            }
        }
        Ok(())
    }

    fn add(&mut self, whose: Whose, name: Value) -> usize {
        self.names[whose as usize].push(name);
        self.names[whose as usize].len() - 1
    }

    /// Gives each row's key a place; the keys that are new, in the order of their places.
    fn note_places(&mut self, layout: &Layout, rows: &mut [Row], whose: Whose) -> Vec<pg_sys::Datum> {
        let mut new = Vec::new();
        let Some(column) = column_of(layout, whose) else { return new };
        let (places, names) = (&mut self.places[whose as usize], &mut self.names[whose as usize]);
        for row in rows {
            row.names[whose as usize] = key_of(layout, row, whose).map(|key| {
                // SAFETY: the key is of the column's type.
                let bytes = unsafe { column.storage.with_bytes(key, Key::new) };
                *places.entry(bytes).or_insert_with(|| {
                    new.push(key);
                    names.push(None);
                    names.len() - 1
                })
            });
        }
        new
    }

    /// The names of one interaction, in the order of `Whose::ALL`.
    pub fn of(&self, row: &Row) -> Names {
        Whose::ALL.map(|whose| self.names[whose as usize].get(row.names[whose as usize]?).copied().flatten())
    }
}

fn column_of(layout: &Layout, whose: Whose) -> Option<Column> {
    match whose {
        Whose::User => layout.user,
        Whose::Customer => layout.column(Field::CustomerId),
        Whose::Contact => layout.column(Field::ContactId),
    }
}

/// The key by which a name is to be looked up.
fn key_of(layout: &Layout, row: &Row, whose: Whose) -> Value {
    match whose {
        _ if !layout.look_ups.has(whose) => None,
        Whose::User => row.user,
        _ if row.change == (Change::Updated { names_changed: false }) => None,
        Whose::Customer => row.value(Field::CustomerId),
        Whose::Contact => row.value(Field::ContactId),
    }
}

fn array_of(column: Column, keys: &mut [pg_sys::Datum]) -> pg_sys::Datum {
    // SAFETY: the keys are of the column's type.
    unsafe {
        let (mut length, mut by_value, mut align) = (0i16, false, 0);
        pg_sys::get_typlenbyvalalign(column.type_oid, &mut length, &mut by_value, &mut align);
        let array = pg_sys::construct_array(
            keys.as_mut_ptr(),
            keys.len() as i32,
            column.type_oid,
            i32::from(length),
            by_value,
            align,
        );
        pg_sys::Datum::from(array)
    }
}
