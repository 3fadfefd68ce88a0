//! Where names come from: what the mapping says, or what stands where it usually does, checked against the catalog.

use calendar_sync_core::mapping::{Field, LookUp, Mapping, Name, Names};
use pgrx::PgSqlErrorCode;

use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::catalog::{self, Relation};
use crate::store::guarded;
use crate::store::names::{Part, Source, Sources};

/// Settles the sources of owners', customers' and contacts' names.
///
/// # Errors
/// 42P01, 42703, 42804 or 42501 for a table that the mapping names and that can't serve; what is only usual is left
/// out then.
pub fn sources(table: &Relation, mapping: &Mapping) -> SqlResult<Sources> {
    let user = match mapping.user.as_ref().and_then(|user| Some((user, user.table.as_ref()?))) {
        Some((user, name)) => {
            let look_up = LookUp { table: name.clone(), key: user.key.clone(), name: user.name.clone() };
            Some(given(table, "user", &look_up)?)
        }
        None => None,
    };
    let used = Field::ALL.iter().map(|field| mapping.column(*field).0);
    let user_column = mapping.user.as_ref().and_then(|user| user.column.as_deref());
    let columns = used
        .chain(user_column)
        .chain(mapping.event_type.as_deref())
        .chain(mapping.metadata.iter().map(String::as_str))
        .filter(|name| table.column(name).is_some())
        .map(str::to_owned)
        .collect();
    Ok(Sources {
        columns,
        user,
        customer: of(table, mapping, "customer", &mapping.customer, Field::CustomerId)?,
        contact: of(table, mapping, "contact", &mapping.contact, Field::ContactId)?,
    })
}

fn of(table: &Relation, mapping: &Mapping, who: &str, names: &Names, key: Field) -> SqlResult<Option<Source>> {
    let column = mapping.column(key).0;
    match names {
        Names::Off => Ok(None),
        Names::Usual if table.column(column).is_none() => Ok(None),
        Names::Usual => usual(table, who),
        Names::In(_) if table.column(column).is_none() => Err(error(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("the mapping looks up \"{who}\", but {} has no column \"{column}\"", table.qualified),
        )
        .set_hint(format!("Name the column that holds its key: {{\"columns\": {{\"{}\": \"...\"}}}}.", key.name()))),
        Names::In(look_up) => given(table, who, look_up).map(Some),
    }
}

/// A table of that name, beside the interaction table or on the caller's search_path, if it is of the usual form.
fn usual(table: &Relation, who: &str) -> SqlResult<Option<Source>> {
    let found = match catalog::relation_in(table.schema, who)? {
        Some(oid) => Some(oid),
        None => catalog::relation_by_name(who)?,
    };
    let Some(found) = found.map(catalog::relation).transpose()?.flatten() else { return Ok(None) };
    let look_up = LookUp { table: found.qualified.clone(), key: None, name: None };
    Ok(settle(table, who, &look_up, &found).ok())
}

fn given(table: &Relation, who: &str, look_up: &LookUp) -> SqlResult<Source> {
    // A name that is none (42602) is a table that is not there.
    let oid = guarded(|| catalog::relation_by_name(&look_up.table)).unwrap_or(Ok(None))?;
    let Some(found) = oid.map(catalog::relation).transpose()?.flatten() else {
        return Err(error(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("the mapping's \"{who}\" names the table {:?}, which does not exist", look_up.table),
        )
        .set_hint("Give it with its schema."));
    };
    settle(table, who, look_up, &found)
}

fn settle(table: &Relation, who: &str, look_up: &LookUp, found: &Relation) -> SqlResult<Source> {
    if !matches!(found.kind, 'r' | 'p' | 'v' | 'm' | 'f') {
        return Err(invalid_argument(format!("the mapping's \"{who}\" names {}, which is no table", found.qualified)));
    }
    let key = key(who, look_up, found)?;
    let name = name(who, look_up, found)?;
    let columns = name.iter().filter_map(|part| match part {
        Part::Column(column) => Some(column.clone()),
        Part::Literal(_) => None,
    });
    let columns: Vec<String> = columns.chain([key.clone()]).collect();
    if !catalog::may_read(table.owner, found.oid, columns)? {
        return Err(error(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("{}, owner of {}, may not read {}", table.owner_name, table.qualified, found.qualified),
        )
        .set_detail("Names are looked up as the owner of the interaction table.")
        .set_hint(format!("GRANT SELECT ON {} TO {};", found.qualified, table.owner_name)));
    }
    Ok(Source { table: found.qualified.clone(), key, name })
}

fn key(who: &str, look_up: &LookUp, found: &Relation) -> SqlResult<String> {
    let usual = [format!("{who}_id"), "id".to_owned()];
    let candidates = look_up.key.as_ref().map_or(&usual[..], std::slice::from_ref);
    candidates
        .iter()
        .find(|name| found.column(name).is_some())
        .cloned()
        .ok_or_else(|| lacks(who, found, &candidates.join("\" or \"")))
}

fn name(who: &str, look_up: &LookUp, found: &Relation) -> SqlResult<Vec<Part>> {
    let usual = ["name", "full_name"].into_iter().find(|name| found.column(name).is_some());
    let name = match (&look_up.name, usual) {
        (Some(name), _) => name.clone(),
        (None, Some(usual)) => Name::Column(usual.to_owned()),
        (None, None) => Name::Parts(["first_name", " ", "last_name"].map(str::to_owned).to_vec()),
    };
    if let Name::Column(column) = &name
        && found.column(column).is_none()
    {
        return Err(lacks(who, found, column));
    }
    let parts: Vec<Part> = name
        .parts()
        .iter()
        .map(|part| match found.column(part) {
            Some(_) => Part::Column(part.clone()),
            None => Part::Literal(part.clone()),
        })
        .collect();
    let columns: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Column(column) => found.column(column),
            Part::Literal(_) => None,
        })
        .collect();
    if columns.is_empty() {
        return Err(lacks(who, found, &name.parts().join("\", \"")));
    }
    match columns.iter().find(|column| !column.is_builtin_text()) {
        Some(column) => Err(error(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            format!(
                "column \"{}\" of {}, looked up for \"{who}\", is {}, not text or varchar",
                column.name, found.qualified, column.type_name
            ),
        )),
        None => Ok(parts),
    }
}

fn lacks(who: &str, found: &Relation, columns: &str) -> pgrx::pg_sys::panic::ErrorReport {
    error(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("{}, looked up for \"{who}\", has no column \"{columns}\"", found.qualified),
    )
    .set_hint(format!("Say which columns: {{\"{who}\": {{\"table\": \"...\", \"key\": \"...\", \"name\": \"...\"}}}}."))
}
