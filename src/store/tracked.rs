//! calendar_tracked_tables: the attached tables.

use pgrx::{JsonB, pg_sys};
use serde_json::Value as Json;
use uuid::Uuid;

use super::datum::uuid;
use super::{Statement, as_owner};
use crate::errors::SqlResult;

/// A tracked table as it is stored.
pub struct Row {
    pub id: Uuid,
    pub table: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub name: String,
    pub mapping: Json,
    pub time_zone: String,
    /// Microseconds.
    pub window: Option<i64>,
    pub names: Json,
}

thread_local! {
    static READ: Statement = const {
        Statement::new(
            "select t.tracked_id, t.table_id::oid, c.relowner, t.name, t.mapping, t.time_zone,
                    (extract(epoch from t.sync_window) * 1000000)::int8, t.names
             from @calendar_tracked_tables t
             join pg_class c on c.oid = t.table_id
             where t.tracked_id = $1 or $1 is null and ($2 is null or t.table_id = $2) and ($3 is null or t.name = $3)
             order by t.name",
            &[pg_sys::UUIDOID, pg_sys::OIDOID, pg_sys::TEXTOID],
        )
    };
    static FORGET_DROPPED: Statement = const {
        Statement::new(
            "delete from @calendar_tracked_tables t where not exists (select from pg_class c where c.oid = t.table_id)",
            &[],
        )
    };
    static WRITE: Statement = const {
        Statement::new(
            "insert into @calendar_tracked_tables as t (table_id, name, mapping, time_zone, sync_window, names)
             values ($1, $2, $3, $4, $5::interval, $6)
             on conflict (table_id) do update
             set name = excluded.name, mapping = excluded.mapping, time_zone = excluded.time_zone,
                 sync_window = excluded.sync_window, names = excluded.names, updated_at = now()
             returning t.tracked_id",
            &[pg_sys::OIDOID, pg_sys::TEXTOID, pg_sys::JSONBOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID],
        )
    };
    static DELETE: Statement =
        const { Statement::new("delete from @calendar_tracked_tables where table_id = $1", &[pg_sys::OIDOID]) };
}

/// The tracked table of that id.
pub fn read(id: Uuid) -> SqlResult<Option<Row>> {
    Ok(select(Some(id), None, None)?.pop())
}

/// The tracked table that is this relation.
pub fn by_table(table: pg_sys::Oid) -> SqlResult<Option<Row>> {
    Ok(select(None, Some(table), None)?.pop())
}

/// The tracked table of that name.
pub fn by_name(name: &str) -> SqlResult<Option<Row>> {
    Ok(select(None, None, Some(name))?.pop())
}

/// All tracked tables that still exist, by name.
pub fn all() -> SqlResult<Vec<Row>> {
    select(None, None, None)
}

fn select(id: Option<Uuid>, table: Option<pg_sys::Oid>, name: Option<&str>) -> SqlResult<Vec<Row>> {
    let id = id.map(uuid);
    as_owner(|installation| {
        READ.with(|read| {
            read.run(installation, &[id.into(), table.into(), name.into()], |rows| {
                rows.filter_map(|row| from_row(&row).transpose()).collect()
            })
        })
    })
}

fn from_row(row: &pgrx::spi::SpiHeapTupleData) -> Result<Option<Row>, pgrx::spi::Error> {
    let (Some(id), Some(table), Some(owner), Some(name), Some(JsonB(mapping)), Some(time_zone), Some(JsonB(names))) = (
        row.get::<pgrx::Uuid>(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get::<JsonB>(5)?,
        row.get(6)?,
        row.get::<JsonB>(8)?,
    ) else {
        return Ok(None);
    };
    let id = Uuid::from_bytes(*id.as_bytes());
    Ok(Some(Row { id, table, owner, name, mapping, time_zone, window: row.get(7)?, names }))
}

/// Stores a tracked table, or what has changed of it. `window`: an interval in PostgreSQL's notation.
pub fn write(
    table: pg_sys::Oid,
    name: &str,
    mapping: Json,
    time_zone: &str,
    window: Option<&str>,
    names: Json,
) -> SqlResult<Uuid> {
    forget_dropped()?;
    as_owner(|installation| {
        let arguments =
            [table.into(), name.into(), JsonB(mapping).into(), time_zone.into(), window.into(), JsonB(names).into()];
        WRITE
            .with(|write| write.run(installation, &arguments, |rows| rows.first().get_one::<pgrx::Uuid>()))?
            .map(|id| Uuid::from_bytes(*id.as_bytes()))
            .ok_or_else(|| crate::errors::internal("calendar_sync: a tracked table was not stored"))
    })
}

/// Forgets tables that are no more.
pub fn forget_dropped() -> SqlResult<()> {
    as_owner(|installation| FORGET_DROPPED.with(|statement| statement.execute(installation, &[]).map(|_| ())))
}

/// Forgets a tracked table; whether there was one.
pub fn delete(table: pg_sys::Oid) -> SqlResult<bool> {
    as_owner(|installation| Ok(DELETE.with(|statement| statement.execute(installation, &[table.into()]))? > 0))
}
