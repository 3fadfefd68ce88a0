//! What attach does to the CRM's table: one column, and the triggers.
//!
//! Run as the extension's owner, after the caller's right to the table has been checked: trigger functions are nobody
//! else's to use.

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::{quote_identifier, quote_literal};
use uuid::Uuid;

use super::catalog::Relation;
use super::{Statement, as_owner};
use crate::errors::{SqlResult, spi};

/// The triggers' names. PostgreSQL fires triggers of one kind by name: the stamp comes after what the CRM's own triggers
/// do to the row, the flush before what its own triggers want to see.
const OPEN: &str = "calendar_sync_1_open";
const COLLECT: &str = "calendar_sync_2_collect";
const COLLECT_UPDATE: &str = "calendar_sync_2_collect_update";
const FLUSH: &str = "calendar_sync_3_flush";
const TRUNCATE: &str = "calendar_sync_4_truncate";
const STAMP: &str = "zz_calendar_sync_stamp";

/// What the triggers of a table depend on.
pub struct Triggers<'a> {
    pub tracked_id: Uuid,
    /// Columns a change of which changes the event.
    pub watched: &'a [String],
    pub stamps: bool,
    /// Fire in logical replication apply, too.
    pub always: bool,
}

thread_local! {
    // BEFORE UPDATE row triggers (ROW 1, BEFORE 2, UPDATE 16) that are not the extension's, on the table or on any of
    // its partitions.
    static REWRITTEN: Statement = const {
        Statement::new(
            "select exists (
                 select from pg_trigger t
                 where t.tgrelid in (select relid from pg_partition_tree($1) union all select $1)
                   and t.tgtype & 19 = 19 and not t.tgisinternal
                   and not exists (
                       select from pg_depend d
                       where d.classid = 'pg_proc'::regclass and d.objid = t.tgfoid and d.deptype = 'e'
                         and d.refclassid = 'pg_extension'::regclass and d.refobjid = $2
                   )
             )",
            &[pg_sys::OIDOID, pg_sys::OIDOID],
        )
    };
    // Attached tables whose row trigger for updates looks at the columns that statements name.
    static BY_NAMED_COLUMNS: Statement = const {
        Statement::new(
            "select k.table_id::oid from @calendar_tracked_tables k
             join pg_trigger t on t.tgrelid = k.table_id and t.tgname = $1 and t.tgattr <> ''",
            &[pg_sys::TEXTOID],
        )
    };
    static EXISTING: Statement = const {
        Statement::new(
            "select t.tgname::text
             from pg_trigger t
             join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = t.tgfoid and d.deptype = 'e'
             where t.tgrelid = $1 and t.tgparentid = 0
               and d.refclassid = 'pg_extension'::regclass and d.refobjid = $2
             order by t.tgname",
            &[pg_sys::OIDOID, pg_sys::OIDOID],
        )
    };
}

/// Adds the column that the stamp goes into.
pub fn add_stamp_column(table: &Relation, column: &str) -> SqlResult<()> {
    let column = quote_identifier(column);
    run(&[
        format!("alter table {} add column {column} timestamptz", table.qualified),
        format!(
            "comment on column {}.{column} is 'when this row was last handed to the calendar (calendar_sync)'",
            table.qualified
        ),
    ])
}

/// Puts the triggers on a table, in place of those that are there.
pub fn make_triggers(table: &Relation, triggers: &Triggers) -> SqlResult<()> {
    drop_triggers(table)?;
    let is_rewritten = is_rewritten(table.oid)?;
    let statements = as_owner(|installation| {
        let function = format!("{}.calendar_interaction", installation.schema);
        Ok(trigger_statements(table, triggers, &function, is_rewritten))
    })?;
    run(&statements)
}

/// Whether triggers of others may change columns that an UPDATE does not name.
pub fn is_rewritten(table: pg_sys::Oid) -> SqlResult<bool> {
    as_owner(|installation| {
        let arguments = [table.into(), installation.extension.into()];
        REWRITTEN.with(|rewritten| rewritten.run(installation, &arguments, |rows| rows.first().get_one::<bool>()))
    })
    .map(|found| found.unwrap_or(false))
}

/// Attached tables whose triggers rely on the columns that an UPDATE names.
pub fn tables_by_named_columns() -> SqlResult<Vec<pg_sys::Oid>> {
    as_owner(|installation| {
        BY_NAMED_COLUMNS.with(|tables| {
            tables.run(installation, &[COLLECT_UPDATE.into()], |rows| {
                rows.filter_map(|row| row.get::<pg_sys::Oid>(1).transpose()).collect()
            })
        })
    })
}

/// Takes the triggers off; whether there were any.
pub fn drop_triggers(table: &Relation) -> SqlResult<bool> {
    let names: Vec<String> = as_owner(|installation| {
        EXISTING.with(|existing| {
            existing.run(installation, &[table.oid.into(), installation.extension.into()], |rows| {
                rows.map(|row| Ok(row.get::<String>(1)?.unwrap_or_default())).collect()
            })
        })
    })?;
    let statements: Vec<String> =
        names.iter().map(|name| format!("drop trigger {} on {}", quote_identifier(name), table.qualified)).collect();
    run(&statements)?;
    Ok(!names.is_empty())
}

/// `is_rewritten`: an UPDATE may change columns that it does not name.
///
/// WHEN is what says whether a change matters. Alone it is dear for one row at a time: PostgreSQL reads and compiles it
/// anew for every statement, some 15 us for a dozen columns. UPDATE OF in front of it costs next to nothing, but goes by
/// the columns that the statement names, and so stands only where nobody else changes rows on their way.
fn trigger_statements(table: &Relation, triggers: &Triggers, function: &str, is_rewritten: bool) -> Vec<String> {
    let on = &table.qualified;
    let argument = quote_literal(triggers.tracked_id.to_string());
    let call = |what: &str| format!("execute function {function}_{what}({argument})");
    let columns: Vec<String> = triggers.watched.iter().map(quote_identifier).collect();
    let named = format!("update of {}", columns.join(", "));
    let update = if is_rewritten { "update" } else { named.as_str() };
    let any_changed = changed(table, triggers.watched.iter());
    // A generated column has no value yet before the row is written.
    let settled = |name: &&String| table.column(name).is_some_and(|column| !column.is_generated);
    let settled_changed = changed(table, triggers.watched.iter().filter(settled));
    let mut made = vec![
        (OPEN.to_owned(), format!("before insert or {named} or delete on {on} for each statement {}", call("open"))),
        (COLLECT.to_owned(), format!("after insert or delete on {on} for each row {}", call("collect"))),
        (
            COLLECT_UPDATE.to_owned(),
            format!("after {update} on {on} for each row when ({any_changed}) {}", call("collect")),
        ),
        (FLUSH.to_owned(), format!("after insert or {named} or delete on {on} for each statement {}", call("flush"))),
        (TRUNCATE.to_owned(), format!("after truncate on {on} for each statement {}", call("truncate"))),
    ];
    if triggers.stamps {
        made.push((format!("{STAMP}_insert"), format!("before insert on {on} for each row {}", call("stamp"))));
        made.push((
            format!("{STAMP}_update"),
            format!("before {update} on {on} for each row when ({settled_changed}) {}", call("stamp")),
        ));
    }
    let always = made.iter().map(|(name, _)| format!("alter table {on} enable always trigger {name}"));
    let always: Vec<String> = if triggers.always { always.collect() } else { Vec::new() };
    made.into_iter().map(|(name, definition)| format!("create trigger {name} {definition}")).chain(always).collect()
}

/// "Any of these columns has changed", as a condition of a trigger.
fn changed<'a>(table: &Relation, columns: impl Iterator<Item = &'a String>) -> String {
    let conditions: Vec<String> = columns
        .map(|name| {
            // json has no equality.
            let cast =
                if table.column(name).is_some_and(|column| column.type_oid == pg_sys::JSONOID) { "::text" } else { "" };
            let column = quote_identifier(name);
            format!("old.{column}{cast} is distinct from new.{column}{cast}")
        })
        .collect();
    conditions.join(" or ")
}

fn run(statements: &[String]) -> SqlResult<()> {
    as_owner(|_| statements.iter().try_for_each(|statement| Spi::run(statement)).map_err(spi))
}
