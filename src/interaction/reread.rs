//! Interactions as they stand in their table now.

use std::rc::Rc;

use calendar_sync_core::mapping::Field;
use pgrx::pg_sys;
use uuid::Uuid;

use super::layout::{Layout, Tracked};
use super::row::{Change, Deformed, Row};
use crate::errors::{SqlResult, internal};
use crate::store::crm::Selection;
use crate::store::tuples::attribute_named;

/// Rows that were read, and the layout that they were read by.
pub struct Reread {
    pub layout: Layout,
    pub rows: Vec<Row>,
}

/// That rows can be mapped at all.
///
/// # Errors
/// What does not fit, with its SQLSTATE.
pub fn check_fit(tracked: &Rc<Tracked>) -> SqlResult<()> {
    match root_layout(tracked)?.misfit {
        Some(misfit) => Err(misfit.into_error()),
        None => Ok(()),
    }
}

/// Reads those interactions and locks them; one that is gone is a `Change::Deleted`.
///
/// # Errors
/// Raises what the table raises.
pub fn reread(tracked: &Rc<Tracked>, ids: &[Uuid]) -> SqlResult<Reread> {
    check_fit(tracked)?;
    let columns = columns(tracked)?;
    let mut layout: Option<Layout> = None;
    let mut rows = Vec::with_capacity(ids.len());
    selection(tracked, &columns).by_ids(ids, true, |tuple, descriptor| {
        // SAFETY: a row that was just read, with its descriptor.
        unsafe { collect(tracked, tuple, descriptor, &mut layout, &mut rows) };
    })?;
    let found: std::collections::HashSet<Uuid> = rows.iter().map(|row: &Row| row.id).collect();
    let gone = ids.iter().filter(|id| !found.contains(id));
    rows.extend(gone.map(|id| Row::of_id(Change::Deleted, *id)));
    let layout = match layout {
        Some(layout) => layout,
        None => root_layout(tracked)?,
    };
    Ok(Reread { layout, rows })
}

/// Adds a row that was read to `rows`; the layout is made at the first one.
///
/// # Safety
/// `tuple` is of that descriptor.
pub unsafe fn collect(
    tracked: &Rc<Tracked>,
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    layout: &mut Option<Layout>,
    rows: &mut Vec<Row>,
) {
    // SAFETY: the caller's.
    unsafe {
        let layout = layout.get_or_insert_with(|| Layout::of(tracked.clone(), descriptor));
        rows.extend(Row::copy(Change::Present, layout, &Deformed::new(tuple, descriptor)));
    }
}

/// What is read of the rows of an attached table; `columns` by name.
pub fn selection<'a>(tracked: &'a Tracked, columns: &'a [String]) -> Selection<'a> {
    Selection {
        owner: tracked.owner,
        table: tracked.root,
        columns,
        id_column: tracked.mapping.column(Field::InteractionId).0,
    }
}

/// The table's columns that the sync reads.
pub fn columns(tracked: &Tracked) -> SqlResult<Vec<String>> {
    let mapping = &tracked.mapping;
    let user = mapping.user.as_ref().and_then(|user| user.column.as_deref());
    let mut columns: Vec<String> = Field::ALL
        .iter()
        .map(|field| mapping.column(*field).0)
        .chain(user)
        .chain(mapping.event_type.as_deref())
        .chain(mapping.metadata.iter().map(String::as_str))
        .map(str::to_owned)
        .collect();
    columns.sort_unstable();
    columns.dedup();
    with_root(tracked, |descriptor| {
        // SAFETY: the open relation's descriptor.
        columns.retain(|column| unsafe { attribute_named(descriptor, column) }.is_some());
        Ok(columns)
    })
}

/// The layout of rows as the attached table itself has them, whatever its partitions have.
pub fn root_layout(tracked: &Rc<Tracked>) -> SqlResult<Layout> {
    // SAFETY: the open relation's descriptor.
    with_root(tracked, |descriptor| Ok(unsafe { Layout::of(tracked.clone(), descriptor) }))
}

fn with_root<T>(tracked: &Tracked, work: impl FnOnce(pg_sys::TupleDesc) -> SqlResult<T>) -> SqlResult<T> {
    // SAFETY: opened with a lock that keeps its definition, closed after; on an error, by the transaction.
    unsafe {
        let relation = pg_sys::try_relation_open(tracked.root, pg_sys::AccessShareLock as i32);
        if relation.is_null() {
            return Err(internal(format!("calendar_sync: the attached table {} is gone", tracked.name)));
        }
        let result = work((*relation).rd_att);
        pg_sys::relation_close(relation, pg_sys::AccessShareLock as i32);
        result
    }
}
