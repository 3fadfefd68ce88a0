//! Whether a table can be attached: every complaint at once, each with what to do.

use calendar_sync_core::mapping::{Field, Mapping};
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::errors::{SqlResult, error};
use crate::store::catalog::{self, Relation};

/// The table, if the caller may attach (or detach) it.
///
/// # Errors
/// 42P01 where there is none, 42501 for another's table, 42809 for what is no ordinary or partitioned table.
pub fn own_table(oid: pg_sys::Oid) -> SqlResult<Relation> {
    let Some(table) = catalog::relation(oid)? else {
        return Err(error(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("there is no table with oid {}", oid.to_u32()),
        ));
    };
    // SAFETY: look-ups in the catalog, within a transaction.
    if !unsafe { pg_sys::superuser() || pg_sys::has_privs_of_role(pg_sys::GetUserId(), table.owner) } {
        return Err(error(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("must be owner of table {}", table.qualified),
        )
        .set_hint("Only the table's owner or a superuser can attach or detach it."));
    }
    Ok(table)
}

/// Refuses what has no rows of its own to follow.
pub fn kind(table: &Relation) -> SqlResult<()> {
    let refusal = |what: &str, hint: &str| {
        let message = format!("{} can't be attached: it is {what}", table.qualified);
        Err(error(PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE, message).set_hint(hint.to_owned()))
    };
    let base = "Attach the table that holds the rows.";
    if table.is_internal {
        return refusal("a table of the system or of this extension", "Attach the CRM's interaction table.");
    }
    match table.kind {
        'r' | 'p' if table.is_partition => {
            refusal("a partition", "Attach the partitioned table above it; its partitions follow.")
        }
        'r' | 'p' if table.is_temporary => refusal("a temporary table", "Attach a table that outlives the session."),
        'r' | 'p' => Ok(()),
        'v' => refusal("a view", base),
        'm' => refusal("a materialized view", base),
        'f' => refusal("a foreign table", "Attach it in the database where its rows are written."),
        _ => refusal("no table", base),
    }
}

/// Refuses a table that lacks columns, or has them of a type that can't be mapped; names every one.
///
/// # Errors
/// 42703 (undefined_column) where any is missing, else 42804 (datatype_mismatch).
pub fn columns(table: &Relation, mapping: &Mapping) -> SqlResult<()> {
    let (mut missing, mut mistyped) = (Vec::new(), Vec::new());
    for field in Field::ALL {
        let (name, is_mapped) = mapping.column(field);
        let is_owner = field == Field::CreatedBy && mapping.user.as_ref().is_none_or(|user| user.column.is_none());
        match table.column(name) {
            None if is_mapped || is_owner || field.is_required() => {
                missing.push(format!("\"{name}\" ({})", wanted_type(field)));
            }
            Some(column) if !fits(field, column.type_oid) => {
                mistyped.push(format!("\"{name}\" is {}, not {}", column.type_name, wanted_type(field)));
            }
            _ => {}
        }
    }
    let user = mapping.user.as_ref().and_then(|user| user.column.as_ref());
    for name in user.into_iter().chain(&mapping.event_type).chain(&mapping.metadata) {
        if table.column(name).is_none() {
            missing.push(format!("\"{name}\""));
        }
    }
    if let Some(column) = mapping.event_type.as_ref().and_then(|name| table.column(name))
        && !is_text(column.type_oid)
    {
        mistyped.push(format!("\"{}\" is {}, not text or varchar", column.name, column.type_name));
    }
    complain(table, missing, mistyped)
}

fn complain(table: &Relation, missing: Vec<String>, mistyped: Vec<String>) -> SqlResult<()> {
    if missing.is_empty() && mistyped.is_empty() {
        return Ok(());
    }
    let mut complaints = Vec::new();
    if !missing.is_empty() {
        let columns = if missing.len() == 1 { "column" } else { "columns" };
        complaints.push(format!("lacks {columns} {}", missing.join(", ")));
    }
    if !mistyped.is_empty() {
        complaints.push(format!("has a column of a wrong type: {}", mistyped.join("; ")));
    }
    let code = if missing.is_empty() {
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH
    } else {
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN
    };
    Err(error(code, format!("interaction table {} {}", table.qualified, complaints.join("; it ")))
        .set_detail(format!("Its columns are: {}.", described(table)))
        .set_hint(format!(
            "Where columns have other names, say so: \
             SELECT calendar_attach('{}', '{{\"columns\": {{\"subject\": \"title\", \"interaction_date\": \"starts_at\"}}}}').",
            table.qualified.replace('\'', "''")
        )))
}

fn described(table: &Relation) -> String {
    table.columns.iter().map(|column| format!("{} {}", column.name, column.type_name)).collect::<Vec<_>>().join(", ")
}

const fn wanted_type(field: Field) -> &'static str {
    match field {
        Field::InteractionId => "uuid",
        Field::Subject | Field::Description | Field::Location => "text or varchar",
        Field::InteractionDate | Field::CreatedAt | Field::UpdatedAt => "timestamptz or timestamp",
        Field::DurationMinutes => "integer",
        Field::Archived => "boolean",
        Field::CustomerId | Field::ContactId | Field::CreatedBy | Field::UpdatedBy => "any type",
    }
}

/// Whether a column of that type can be mapped.
pub fn fits(field: Field, type_oid: pg_sys::Oid) -> bool {
    let is = |types: &[pg_sys::Oid]| types.contains(&type_oid);
    match field {
        Field::InteractionId => is(&[pg_sys::UUIDOID]),
        Field::Subject | Field::Description | Field::Location => is_text(type_oid),
        Field::InteractionDate | Field::CreatedAt | Field::UpdatedAt => {
            is(&[pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID])
        }
        Field::DurationMinutes => is(&[pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID]),
        Field::Archived => is(&[pg_sys::BOOLOID]),
        Field::CustomerId | Field::ContactId | Field::CreatedBy | Field::UpdatedBy => true,
    }
}

/// Whether values of a type can be taken as text.
pub fn is_text(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the catalog, within a transaction.
    type_oid == pg_sys::BPCHAROID || unsafe { pg_sys::IsBinaryCoercible(type_oid, pg_sys::TEXTOID) }
}
