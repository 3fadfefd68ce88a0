//! Attaching a table: checked, then its column, its triggers, and its row in calendar_tracked_tables.

use calendar_sync_core::mapping::{Field, Mapping, MappingError};
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, notice, warning};
use serde_json::Value as Json;
use uuid::Uuid;

use super::layout::SYNCED_AT;
use super::{check, settle};
use crate::errors::{KNOWN_ZONES, SqlResult, error, internal, invalid_argument};
use crate::settings;
use crate::store::catalog::{self, Relation};
use crate::store::ddl::{self, Triggers};
use crate::store::names::Sources;
use crate::store::tracked::{self, Row};
use crate::store::{as_owner, guarded, installation_row, related};

/// Starts to sync a table; called again, brings its mapping up to date.
///
/// # Errors
/// What is wrong with the table or with the mapping; nothing is changed then.
pub fn attach(oid: pg_sys::Oid, json: &Json) -> SqlResult<()> {
    let mapping = Mapping::parse(json).map_err(|error| refused(&error))?;
    check::kind(&check::own_table(oid)?)?;
    // Against other changes of the table, until the transaction ends. Read what it is only now.
    // SAFETY: within a transaction.
    unsafe { pg_sys::LockRelationOid(oid, pg_sys::ShareRowExclusiveLock as i32) };
    let table = check::own_table(oid)?;
    check::kind(&table)?;
    check::columns(&table, &mapping)?;
    let settled = Settled {
        time_zone: time_zone(&mapping)?,
        sources: settle::sources(&table, &mapping)?,
        name: name(&table, &mapping)?,
        stamps: stamps(&table, &mapping)?,
    };
    check_window(&mapping)?;
    let before = tracked::by_table(oid)?;
    put(&table, &mapping, json, &settled, before.as_ref())?;
    as_owner(installation_row::ensure)?;
    report(&table, &mapping, &settled, before.is_some());
    warn_of_owners(&mapping)
}

/// What attach decides.
struct Settled {
    time_zone: String,
    sources: Sources,
    name: String,
    stamps: bool,
}

fn refused(problem: &MappingError) -> ErrorReport {
    invalid_argument(problem.to_string()).set_hint(
        "Keys are name, columns, user, customer, contact, event_type, metadata, time_zone, window, synced_at and \
         replica; columns takes interaction_id, subject, description, location, interaction_date, duration_minutes, \
         archived, customer_id, contact_id, created_by, updated_by, created_at and updated_at.",
    )
}

fn time_zone(mapping: &Mapping) -> SqlResult<String> {
    let setting = settings::TIME_ZONE.get().map_or("UTC".into(), |zone| zone.to_string_lossy().into_owned());
    let wanted = mapping.time_zone.as_deref().unwrap_or(&setting);
    catalog::time_zone(wanted)?
        .ok_or_else(|| invalid_argument(format!("time zone {wanted:?} is not known")).set_hint(KNOWN_ZONES))
}

/// The name for `related_table`, which no other table has.
fn name(table: &Relation, mapping: &Mapping) -> SqlResult<String> {
    let name = mapping.name.clone().unwrap_or_else(|| table.name.clone());
    if name.is_empty() || name.len() > 255 {
        return Err(invalid_argument("the mapping's \"name\" is not between 1 and 255 bytes long"));
    }
    match tracked::by_name(&name)? {
        Some(other) if other.table != table.oid => {
            let other = catalog::relation(other.table)?.map_or_else(String::new, |other| other.qualified);
            Err(error(
                PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
                format!("another table is attached under the name \"{name}\": {other}"),
            )
            .set_hint("Give this one a name of its own: {\"name\": \"...\"}."))
        }
        _ => Ok(name),
    }
}

fn stamps(table: &Relation, mapping: &Mapping) -> SqlResult<bool> {
    let wants = mapping.synced_at != Some(false);
    match table.column(SYNCED_AT) {
        Some(column) if wants && column.type_oid != pg_sys::TIMESTAMPTZOID => Err(error(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            format!("column \"{SYNCED_AT}\" of {} is {}, not timestamptz", table.qualified, column.type_name),
        )
        .set_hint("Rename it, or attach with {\"synced_at\": false}.")),
        _ => Ok(wants),
    }
}

fn check_window(mapping: &Mapping) -> SqlResult<()> {
    let Some(window) = &mapping.window else { return Ok(()) };
    let bad = || {
        invalid_argument(format!("the mapping's \"window\" is no length of time: {window:?}"))
            .set_hint("Give an interval such as \"30 days\".")
    };
    // An error of the cast is one of the mapping's.
    let positive = guarded(|| {
        pgrx::Spi::get_one_with_args::<bool>(
            "select $1::pg_catalog.interval operator(pg_catalog.>=) '0'::pg_catalog.interval",
            &[window.as_str().into()],
        )
    });
    match positive {
        Ok(Ok(Some(true))) => Ok(()),
        _ => Err(bad()),
    }
}

fn put(table: &Relation, mapping: &Mapping, json: &Json, settled: &Settled, before: Option<&Row>) -> SqlResult<()> {
    if settled.stamps && table.column(SYNCED_AT).is_none() {
        ddl::add_stamp_column(table, SYNCED_AT)?;
    }
    let sources = serde_json::to_value(&settled.sources).map_err(internal)?;
    let window = mapping.window.as_deref();
    let tracked_id = tracked::write(table.oid, &settled.name, json.clone(), &settled.time_zone, window, sources)?;
    if let Some(before) = before.filter(|before| before.name != settled.name) {
        related::rename_table(&before.name, &settled.name)?;
    }
    triggers(table, mapping, tracked_id, settled.stamps)
}

fn triggers(table: &Relation, mapping: &Mapping, tracked_id: Uuid, stamps: bool) -> SqlResult<()> {
    let watched = watched(table, mapping);
    ddl::make_triggers(table, &Triggers { tracked_id, watched: &watched, stamps, always: mapping.replica })
}

/// A trigger was made, or a table altered or dropped: where a trigger of the CRM's own now changes rows on their way, ours must no
/// longer go by the columns that a statement names.
pub fn follow_ddl() -> SqlResult<()> {
    tracked::forget_dropped()?;
    for oid in ddl::tables_by_named_columns()? {
        if ddl::is_rewritten(oid)?
            && let (Some(table), Some(row)) = (catalog::relation(oid)?, tracked::by_table(oid)?)
        {
            let mapping = Mapping::parse(&row.mapping).map_err(internal)?;
            triggers(&table, &mapping, row.id, stamps(&table, &mapping)?)?;
        }
    }
    Ok(())
}

/// Columns a change of which changes the event.
fn watched(table: &Relation, mapping: &Mapping) -> Vec<String> {
    let fields = Field::ALL.iter().filter(|field| field.matters()).map(|field| mapping.column(*field).0);
    let user = mapping.user.as_ref().and_then(|user| user.column.as_deref());
    let mut watched: Vec<String> = fields
        .chain([user.unwrap_or_else(|| mapping.column(Field::CreatedBy).0)])
        .chain(mapping.event_type.as_deref())
        .chain(mapping.metadata.iter().map(String::as_str))
        .filter(|name| table.column(name).is_some())
        .map(str::to_owned)
        .collect();
    watched.sort_unstable();
    watched.dedup();
    watched
}

/// Says what was settled. Inside CREATE EXTENSION only INFO reaches the user.
fn report(table: &Relation, mapping: &Mapping, settled: &Settled, again: bool) {
    // SAFETY: a global of the backend.
    let level = if unsafe { pg_sys::creating_extension } { PgLogLevel::INFO } else { PgLogLevel::NOTICE };
    let names = [
        ("user", &settled.sources.user),
        ("customer", &settled.sources.customer),
        ("contact", &settled.sources.contact),
    ];
    let names: Vec<String> =
        names.iter().filter_map(|(who, source)| Some(format!("{who} from {}", source.as_ref()?.table))).collect();
    let missing: Vec<&str> =
        Field::ALL.iter().map(|field| mapping.column(*field).0).filter(|name| table.column(name).is_none()).collect();
    let mut detail = format!("Times without a zone are taken in {}.", settled.time_zone);
    if !names.is_empty() {
        detail.push_str(&format!(" Names are looked up: {}.", names.join(", ")));
    }
    if !missing.is_empty() {
        detail.push_str(&format!(" It has no column {}: events lack what these say.", missing.join(", ")));
    }
    let what = if again { "is attached anew" } else { "is attached" };
    let hint = format!(
        "For rows that are there already: SELECT calendar_backfill('{}');",
        table.qualified.replace('\'', "''")
    );
    error(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("calendar_sync: {} {what} as \"{}\"", table.qualified, settled.name),
    )
    .set_detail(detail)
    .set_hint(hint)
    .report(level);
}

/// A UUID as owner here and an e-mail address there would never meet.
fn warn_of_owners(mapping: &Mapping) -> SqlResult<()> {
    if mapping.user.is_none() && !related::owners_are_uuids_elsewhere()? {
        warning!(
            "calendar_sync: events will belong to created_by as text, and no connection, account or feed has an owner \
             of that form; if the application knows its users otherwise, give \"user\" in the mapping"
        );
    }
    Ok(())
}

/// Stops to sync a table; its events and their history stay.
pub fn detach(oid: pg_sys::Oid) -> SqlResult<()> {
    let table = check::own_table(oid)?;
    let had_triggers = ddl::drop_triggers(&table)?;
    let was_tracked = tracked::delete(oid)?;
    if !had_triggers && !was_tracked {
        notice!("calendar_sync: {} is not attached, nothing to do", table.qualified);
    }
    Ok(())
}
