//! What a tracked table's columns mean, and where they stand in each of its relations (a partition may order them
//! otherwise than its root). Read once per backend, until something of it changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use calendar_sync_core::mapping::{Field, Mapping};
use pgrx::pg_sys;
use uuid::Uuid;

use super::check;
use crate::errors::{SqlResult, internal};
use crate::store::names::{LookUps, Sources};
use crate::store::raw::Storage;
use crate::store::tracked;
use crate::store::tuples::{attribute_form, attribute_named};
use crate::store::{Failure, raw, unbound, watch};

/// A tracked table.
pub struct Tracked {
    /// The table that was attached; of a partitioned one the root.
    pub root: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    /// What stands in `calendar_events.related_table`.
    pub name: String,
    /// The same as a datum that lives as long as the backend.
    pub name_text: pg_sys::Datum,
    pub time_zone: pg_sys::Datum,
    /// Microseconds; `None`: the setting's.
    pub window: Option<i64>,
    pub mapping: Mapping,
    pub sources: Sources,
}

/// A column of one relation.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Counted from 0.
    pub place: usize,
    /// Of a domain, the type beneath it.
    pub type_oid: pg_sys::Oid,
    pub storage: Storage,
}

/// Where a relation of a tracked table has its columns.
pub struct Layout {
    pub tracked: Rc<Tracked>,
    columns: [Option<Column>; Field::ALL.len()],
    /// The column that tells the owner.
    pub user: Option<Column>,
    pub event_type: Option<Column>,
    pub metadata: Vec<(String, Column)>,
    pub synced_at: Option<Column>,
    pub look_ups: LookUps,
    /// Why rows can't be mapped: a column that attach has found is gone, or of another type.
    pub misfit: Option<Failure>,
}

impl Layout {
    /// Where the field stands in these rows; `None` where the mapping doesn't have it.
    pub fn column(&self, field: Field) -> Option<Column> {
        self.columns[field as usize]
    }

    /// The layout of rows with that descriptor.
    ///
    /// # Safety
    /// `descriptor` is valid.
    pub unsafe fn of(tracked: Rc<Tracked>, descriptor: pg_sys::TupleDesc) -> Self {
        // SAFETY: the caller's.
        let find = |name: &str| unsafe {
            attribute_named(descriptor, name).map(|place| {
                let attribute = attribute_form(descriptor, place);
                let type_oid = pg_sys::getBaseType(attribute.atttypid);
                Column { place, type_oid, storage: Storage::of_attribute(attribute) }
            })
        };
        let mapping = &tracked.mapping;
        let gone = tracked.sources.columns.iter().find(|name| find(name).is_none());
        let mut misfit = gone.map(|name| lost(name));
        let mut columns = [None; Field::ALL.len()];
        for field in Field::ALL {
            let (name, _) = mapping.column(field);
            match find(name) {
                Some(column) if !check::fits(field, column.type_oid) => misfit = Some(mistyped(name)),
                column => columns[field as usize] = column,
            }
            if field.is_required() && columns[field as usize].is_none() && misfit.is_none() {
                misfit = Some(lost(name));
            }
        }
        let event_type = mapping.event_type.as_deref().and_then(find);
        if event_type.is_some_and(|column| !check::is_text(column.type_oid)) {
            misfit = Some(mistyped("event_type"));
        }
        let user = mapping.user.as_ref().and_then(|user| user.column.as_deref());
        let user = find(user.unwrap_or_else(|| mapping.column(Field::CreatedBy).0));
        let keys = [user, columns[Field::CustomerId as usize], columns[Field::ContactId as usize]];
        let key_types = keys.map(|column| column.map_or(pg_sys::TEXTOID, |column| column.type_oid));
        let stamp = (mapping.synced_at != Some(false)).then(|| find(SYNCED_AT)).flatten();
        Self {
            columns,
            user,
            event_type,
            misfit,
            look_ups: LookUps::new(tracked.sources.clone(), key_types),
            metadata: mapping.metadata.iter().filter_map(|name| Some((name.clone(), find(name)?))).collect(),
            synced_at: stamp.filter(|column| column.type_oid == pg_sys::TIMESTAMPTZOID),
            tracked: tracked.clone(),
        }
    }
}

fn lost(column: &str) -> Failure {
    Failure {
        hint: Some("Say what it is called now: SELECT calendar_attach(...) with \"columns\" in the mapping.".into()),
        ..Failure::new("42703", format!("the attached table has lost its column \"{column}\""))
    }
}

fn mistyped(column: &str) -> Failure {
    Failure {
        hint: Some("Attach the table again: SELECT calendar_attach(...) says what its type may be.".into()),
        ..Failure::new("42804", format!("column \"{column}\" of the attached table has another type now"))
    }
}

/// The column that attach adds.
pub const SYNCED_AT: &str = "calendar_synced_at";

#[derive(Default)]
struct Cache {
    made_at: u64,
    tracked: HashMap<Uuid, Option<Rc<Tracked>>>,
    layouts: HashMap<pg_sys::Oid, Option<Rc<Layout>>>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

impl Cache {
    fn forget_what_changed(&mut self) {
        if self.made_at != watch::changes() {
            *self = Self { made_at: watch::changes(), ..Self::default() };
        }
    }
}

impl Tracked {
    /// The tracked table of that id, or `None` if there is none (any more).
    pub fn find(id: Uuid) -> SqlResult<Option<Rc<Self>>> {
        let known = CACHE.with_borrow_mut(|cache| {
            cache.forget_what_changed();
            cache.tracked.get(&id).cloned()
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let found = match tracked::read(id)? {
            Some(row) => {
                watch::watch(row.table);
                // A mapping that was changed by hand to what is none.
                Self::from_row(row).ok().map(Rc::new)
            }
            None => None,
        };
        CACHE.with_borrow_mut(|cache| cache.tracked.insert(id, found.clone()));
        Ok(found)
    }

    fn from_row(row: tracked::Row) -> SqlResult<Self> {
        Ok(Self {
            root: row.table,
            owner: row.owner,
            name_text: raw::kept_text(&row.name),
            time_zone: raw::kept_text(&row.time_zone),
            window: row.window,
            mapping: Mapping::parse(&row.mapping).map_err(internal)?,
            sources: serde_json::from_value(row.names).map_err(internal)?,
            name: row.name,
        })
    }
}

/// The layout of a relation that one of our triggers fires on; `None` if `tracked_id` is not tracked, or is another
/// table's.
///
/// # Safety
/// `relation` is open.
pub unsafe fn of_relation(tracked_id: Uuid, relation: pg_sys::Relation) -> SqlResult<Option<Rc<Layout>>> {
    // SAFETY: the caller's.
    let (oid, descriptor) = unsafe { ((*relation).rd_id, (*relation).rd_att) };
    let known = CACHE.with_borrow_mut(|cache| {
        cache.forget_what_changed();
        cache.layouts.get(&oid).cloned()
    });
    if let Some(known) = known {
        return Ok(known);
    }
    watch::watch(oid);
    let tracked = Tracked::find(tracked_id)?.filter(|tracked| is_same_or_partition(oid, tracked.root));
    // SAFETY: the relation's own descriptor.
    let layout = tracked.map(|tracked| Rc::new(unsafe { Layout::of(tracked, descriptor) }));
    CACHE.with_borrow_mut(|cache| cache.layouts.insert(oid, layout.clone()));
    Ok(layout)
}

fn is_same_or_partition(relation: pg_sys::Oid, root: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in the catalog, within a transaction; the list holds oids.
    unsafe {
        relation == root
            || pg_sys::get_rel_relispartition(relation)
                && pg_sys::list_member_oid(unbound::get_partition_ancestors(relation), root)
    }
}
