//! The names that a batch of interactions needs, each looked up once.

use std::collections::{HashMap, HashSet};

use calendar_sync_core::mapping::Field;
use pgrx::pg_sys;

use super::event::Names;
use super::layout::{Column, Layout};
use super::row::{Change, Row};
use crate::errors::SqlResult;
use crate::store::names::Whose;
use crate::store::raw::Value;

/// Names by their keys' bytes; they live in the memory context in which they were looked up.
#[derive(Default)]
pub struct NameBook {
    known: HashMap<(Whose, Vec<u8>), Value>,
}

impl NameBook {
    /// Looks up what `rows` need and is not known yet.
    ///
    /// # Errors
    /// Raises what the look-ups raise.
    pub fn look_up(&mut self, layout: &Layout, rows: &[Row]) -> SqlResult<()> {
        let owner = layout.tracked.owner;
        if let [row] = rows {
            let keys = Whose::ALL.map(|whose| key_of(layout, row, whose).map(|(key, _)| key));
            let names = layout.look_ups.one(owner, keys)?;
            for (whose, name) in Whose::ALL.into_iter().zip(names) {
                if let Some((_, bytes)) = key_of(layout, row, whose) {
                    self.known.insert((whose, bytes), name);
                }
            }
            return Ok(());
        }
        for whose in Whose::ALL {
            if layout.look_ups.has(whose) {
                self.look_up_many(layout, rows, whose, owner)?;
            }
        }
        Ok(())
    }

    fn look_up_many(&mut self, layout: &Layout, rows: &[Row], whose: Whose, owner: pg_sys::Oid) -> SqlResult<()> {
        let mut seen = HashSet::new();
        let (mut keys, mut bytes) = (Vec::new(), Vec::new());
        for row in rows {
            if let Some((key, key_bytes)) = key_of(layout, row, whose)
                && !self.known.contains_key(&(whose, key_bytes.clone()))
                && seen.insert(key_bytes.clone())
            {
                keys.push(key);
                bytes.push(key_bytes);
            }
        }
        let Some(column) = column_of(layout, whose).filter(|_| !keys.is_empty()) else { return Ok(()) };
        let array = array_of(column, &mut keys);
        for (place, name) in layout.look_ups.many(owner, whose, array)? {
            if let Some(bytes) = bytes.get_mut(place) {
                self.known.insert((whose, std::mem::take(bytes)), name);
            }
        }
        for missing in bytes.into_iter().filter(|bytes| !bytes.is_empty()) {
            self.known.entry((whose, missing)).or_insert(None);
        }
        Ok(())
    }

    /// The names of one interaction, in the order of `Whose::ALL`.
    pub fn of(&self, layout: &Layout, row: &Row) -> Names {
        Whose::ALL.map(|whose| {
            let (_, bytes) = key_of(layout, row, whose)?;
            self.known.get(&(whose, bytes)).copied().flatten()
        })
    }
}

fn column_of(layout: &Layout, whose: Whose) -> Option<Column> {
    match whose {
        Whose::User => layout.user,
        Whose::Customer => layout.column(Field::CustomerId),
        Whose::Contact => layout.column(Field::ContactId),
    }
}

/// The key by which a name is to be looked up, and its bytes.
fn key_of(layout: &Layout, row: &Row, whose: Whose) -> Option<(pg_sys::Datum, Vec<u8>)> {
    if !layout.look_ups.has(whose) {
        return None;
    }
    let key = match whose {
        Whose::User => row.user,
        _ if row.change == (Change::Updated { names_changed: false }) => None,
        Whose::Customer => row.value(Field::CustomerId),
        Whose::Contact => row.value(Field::ContactId),
    }?;
    let storage = column_of(layout, whose)?.storage;
    // SAFETY: the key is of the column's type.
    Some((key, unsafe { storage.bytes(key) }))
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
