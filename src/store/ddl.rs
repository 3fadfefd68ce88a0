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
const FLUSH: &str = "calendar_sync_3_flush";
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
    let statements = as_owner(|installation| {
        Ok(trigger_statements(table, triggers, &format!("{}.calendar_interaction", installation.schema)))
    })?;
    run(&statements)
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

fn trigger_statements(table: &Relation, triggers: &Triggers, function: &str) -> Vec<String> {
    let on = &table.qualified;
    let argument = quote_literal(triggers.tracked_id.to_string());
    let call = |what: &str| format!("execute function {function}_{what}({argument})");
    let columns: Vec<String> = triggers.watched.iter().map(quote_identifier).collect();
    let changed = |columns: &mut dyn Iterator<Item = &String>| -> String {
        columns.map(|column| format!("old.{column} is distinct from new.{column}")).collect::<Vec<_>>().join(" or ")
    };
    let any_changed = changed(&mut columns.iter());
    // A generated column has no value yet before the row is written.
    let settled_before =
        changed(&mut columns.iter().zip(triggers.watched).filter_map(|(quoted, name)| {
            table.column(name).is_some_and(|column| !column.is_generated).then_some(quoted)
        }));
    // Statement triggers only open and flush the batch: where they miss a change that a BEFORE trigger makes, rows are
    // written one by one. That much for UPDATE OF costs nothing to updates of other columns.
    let updates = format!("update of {}", columns.join(", "));
    let mut made = vec![
        (OPEN.to_owned(), format!("before insert or {updates} or delete on {on} for each statement {}", call("open"))),
        (format!("{COLLECT}_insert"), format!("after insert on {on} for each row {}", call("collect"))),
        (
            format!("{COLLECT}_update"),
            format!("after update on {on} for each row when ({any_changed}) {}", call("collect")),
        ),
        (format!("{COLLECT}_delete"), format!("after delete on {on} for each row {}", call("collect"))),
        (FLUSH.to_owned(), format!("after insert or {updates} or delete on {on} for each statement {}", call("flush"))),
        (
            "calendar_sync_4_truncate".to_owned(),
            format!("after truncate on {on} for each statement {}", call("truncate")),
        ),
    ];
    if triggers.stamps {
        made.push((format!("{STAMP}_insert"), format!("before insert on {on} for each row {}", call("stamp"))));
        made.push((
            format!("{STAMP}_update"),
            format!("before update on {on} for each row when ({settled_before}) {}", call("stamp")),
        ));
    }
    let always = made.iter().map(|(name, _)| format!("alter table {on} enable always trigger {name}"));
    let always: Vec<String> = if triggers.always { always.collect() } else { Vec::new() };
    made.into_iter().map(|(name, definition)| format!("create trigger {name} {definition}")).chain(always).collect()
}

fn run(statements: &[String]) -> SqlResult<()> {
    as_owner(|_| statements.iter().try_for_each(|statement| Spi::run(statement)).map_err(spi))
}
