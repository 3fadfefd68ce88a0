//! What the catalog says of the CRM's tables.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::{Statement, as_owner};
use crate::errors::{SqlResult, internal};

/// A table, as far as attach asks.
pub struct Relation {
    pub oid: pg_sys::Oid,
    pub name: String,
    /// Schema and table, quoted.
    pub qualified: String,
    pub schema: pg_sys::Oid,
    pub kind: char,
    pub is_partition: bool,
    pub is_temporary: bool,
    /// Of the system's, or one of this extension's own.
    pub is_internal: bool,
    pub owner: pg_sys::Oid,
    pub owner_name: String,
    pub columns: Vec<Column>,
}

/// A column of a table, as the catalog has it.
pub struct Column {
    pub name: String,
    /// Of a domain, the type beneath it.
    pub type_oid: pg_sys::Oid,
    pub type_name: String,
    pub is_generated: bool,
}

impl Column {
    /// Whether it is of a text type that is PostgreSQL's own.
    pub fn is_builtin_text(&self) -> bool {
        [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::NAMEOID].contains(&self.type_oid)
    }
}

impl Relation {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

thread_local! {
    static RELATION: Statement = const {
        Statement::new(
            r#"select c.relname::text, case c.relpersistence when 't' then 'pg_temp' else quote_ident(n.nspname) end || '.' || quote_ident(c.relname), n.oid, c.relkind::text,
                      c.relispartition, c.relpersistence = 't',
                      n.nspname in ('pg_catalog', 'information_schema') or n.nspname like 'pg\_toast%' or exists (
                          select from pg_depend d
                          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
                            and d.refclassid = 'pg_extension'::regclass and d.refobjid = $2
                      ),
                      c.relowner, pg_get_userbyid(c.relowner)::text
               from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where c.oid = $1"#,
            &[pg_sys::OIDOID, pg_sys::OIDOID],
        )
    };
    static COLUMNS: Statement = const {
        Statement::new(
            "select a.attname::text, a.atttypid, format_type(a.atttypid, a.atttypmod), a.attgenerated <> ''
             from pg_attribute a
             where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
             order by a.attnum",
            &[pg_sys::OIDOID],
        )
    };
    static ZONE: Statement = const {
        Statement::new("select name from pg_timezone_names where lower(name) = lower($1) limit 1", &[pg_sys::TEXTOID])
    };
    static MAY_READ: Statement = const {
        Statement::new(
            "select coalesce(bool_and(has_column_privilege($1, $2, column_name, 'select')), true)
                    and has_schema_privilege($1, (select relnamespace from pg_class where oid = $2), 'usage')
             from unnest($3) as column_name",
            &[pg_sys::OIDOID, pg_sys::OIDOID, pg_sys::TEXTARRAYOID],
        )
    };
}

/// Reads a relation; `None` where there is none of that oid.
pub fn relation(oid: pg_sys::Oid) -> SqlResult<Option<Relation>> {
    as_owner(|installation| {
        let found = RELATION.with(|statement| {
            statement.run(installation, &[oid.into(), installation.extension.into()], |rows| {
                if rows.is_empty() { Ok(None) } else { from_row(oid, &rows.first()).map(Some) }
            })
        })?;
        let Some(mut relation) = found else { return Ok(None) };
        relation.columns = COLUMNS.with(|statement| {
            statement.run(installation, &[oid.into()], |rows| {
                rows.map(|row| {
                    let type_oid: pg_sys::Oid = row.get(2)?.unwrap_or(pg_sys::InvalidOid);
                    Ok(Column {
                        name: row.get(1)?.unwrap_or_default(),
                        // SAFETY: a look-up in the catalog, within a transaction.
                        type_oid: unsafe { pg_sys::getBaseType(type_oid) },
                        type_name: row.get(3)?.unwrap_or_default(),
                        is_generated: row.get(4)?.unwrap_or_default(),
                    })
                })
                .collect()
            })
        })?;
        Ok(Some(relation))
    })
}

fn from_row(oid: pg_sys::Oid, row: &pgrx::spi::SpiTupleTable) -> Result<Relation, pgrx::spi::Error> {
    Ok(Relation {
        oid,
        name: row.get(1)?.unwrap_or_default(),
        qualified: row.get(2)?.unwrap_or_default(),
        schema: row.get(3)?.unwrap_or(pg_sys::InvalidOid),
        kind: row.get::<String>(4)?.and_then(|kind| kind.chars().next()).unwrap_or_default(),
        is_partition: row.get(5)?.unwrap_or_default(),
        is_temporary: row.get(6)?.unwrap_or_default(),
        is_internal: row.get(7)?.unwrap_or_default(),
        owner: row.get(8)?.unwrap_or(pg_sys::InvalidOid),
        owner_name: row.get(9)?.unwrap_or_default(),
        columns: Vec::new(),
    })
}

/// The zone of that name, as the time-zone database writes it.
pub fn time_zone(name: &str) -> SqlResult<Option<String>> {
    as_owner(|installation| {
        ZONE.with(|zone| {
            zone.run(installation, &[name.into()], |rows| {
                if rows.is_empty() { Ok(None) } else { rows.first().get_one::<String>() }
            })
        })
    })
}

/// Whether a role may read those columns of a table.
pub fn may_read(role: pg_sys::Oid, table: pg_sys::Oid, columns: Vec<String>) -> SqlResult<bool> {
    as_owner(|installation| {
        MAY_READ.with(|may| {
            may.run(installation, &[role.into(), table.into(), columns.into()], |rows| rows.first().get_one())
        })
    })
    .map(|may| may.unwrap_or(false))
}

/// The relation of that name as the caller writes it, by the caller's search_path.
pub fn relation_by_name(name: &str) -> SqlResult<Option<pg_sys::Oid>> {
    Spi::get_one_with_args::<pg_sys::Oid>("select pg_catalog.to_regclass($1)::pg_catalog.oid", &[name.into()])
        .map_err(crate::errors::spi)
}

/// The relation of that name in that schema.
pub fn relation_in(schema: pg_sys::Oid, name: &str) -> SqlResult<Option<pg_sys::Oid>> {
    let name = std::ffi::CString::new(name).map_err(internal)?;
    // SAFETY: a look-up in the catalog, within a transaction.
    let oid = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
    Ok((oid != pg_sys::InvalidOid).then_some(oid))
}
