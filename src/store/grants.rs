//! GRANT and REVOKE on what belongs to the extension. Names come from the catalog, quoted.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::policies::Role;
use super::{Installation, Statement};
use crate::errors::{SqlResult, error, spi};

thread_local! {
    static ROLE: Statement = const { Statement::new(
        "select oid, rolname::text from pg_roles where oid = $1 or rolname = $2",
        &[pg_sys::OIDOID, pg_sys::TEXTOID],
    ) };
    static REMEMBER: Statement = const { Statement::new(
        "insert into @calendar_grants (role, level, user_id)
         values ($1, $2, $3)
         on conflict (role, level) do update set user_id = excluded.user_id, granted_at = now()",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static FORGET: Statement = const { Statement::new(
        "delete from @calendar_grants where role = $1",
        &[pg_sys::TEXTOID],
    ) };
    static FUNCTIONS: Statement = const { Statement::new(
        "select string_agg(p.oid::regprocedure::text, ', ')
         from pg_depend d
         join pg_proc p on p.oid = d.objid
         where d.classid = 'pg_proc'::regclass
           and d.refclassid = 'pg_extension'::regclass
           and d.refobjid = $1
           and d.deptype = 'e'
           and ($2 is null or p.proname = any ($2))",
        &[pg_sys::OIDOID, pg_sys::TEXTARRAYOID],
    ) };
    static RELATIONS: Statement = const { Statement::new(
        "select string_agg(c.oid::regclass::text, ', ')
         from pg_depend d
         join pg_class c on c.oid = d.objid
         where d.classid = 'pg_class'::regclass
           and d.refclassid = 'pg_extension'::regclass
           and d.refobjid = $1
           and d.deptype = 'e'
           and c.relkind::text = any ($2)",
        &[pg_sys::OIDOID, pg_sys::TEXTARRAYOID],
    ) };
    static HAS_SCHEMA: Statement = const { Statement::new(
        "select has_schema_privilege($1, $2, 'usage')",
        &[pg_sys::OIDOID, pg_sys::OIDOID],
    ) };
}

/// The role of that oid; `None` where there is none.
pub fn role(installation: &Installation, oid: pg_sys::Oid) -> SqlResult<Option<Role>> {
    find(installation, Some(oid), None)
}

/// The role of that name; `None` where there is none.
pub fn role_named(installation: &Installation, name: &str) -> SqlResult<Option<Role>> {
    find(installation, None, Some(name))
}

fn find(installation: &Installation, oid: Option<pg_sys::Oid>, name: Option<&str>) -> SqlResult<Option<Role>> {
    ROLE.with(|role| {
        role.run(installation, &[oid.into(), name.into()], |mut rows| match rows.next() {
            Some(row) => Ok(row.get(1)?.zip(row.get(2)?).map(|(oid, name)| Role { oid, name })),
            None => Ok(None),
        })
    })
}

/// Remembers for whom a role acts at a level; its policies are made of that (calendar_grants_policies).
pub fn remember(installation: &Installation, role: &Role, level: &str, user_id: Option<&str>) -> SqlResult<()> {
    let arguments = [role.name.as_str().into(), level.into(), user_id.into()];
    REMEMBER.with(|remember| remember.execute(installation, &arguments)).map(|_| ())
}

/// Takes back what [`remember`] has noted of a role.
pub fn forget(installation: &Installation, role: &Role) -> SqlResult<()> {
    FORGET.with(|forget| forget.execute(installation, &[role.name.as_str().into()])).map(|_| ())
}

/// USAGE on the extension's schema, and on its types.
///
/// # Errors
/// 42501 where the extension's owner can't give it.
pub fn schema(installation: &Installation, role: &Role) -> SqlResult<()> {
    let (schema, to) = (&installation.schema, role.quoted());
    if !may_use_schema(installation, role)? {
        run(&format!("grant usage on schema {schema} to {to}"))?;
        if !may_use_schema(installation, role)? {
            return Err(error(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("the extension's owner can't let others use the schema {schema}"),
            )
            .set_hint(format!(
                "GRANT USAGE ON SCHEMA {schema} TO {to}; as the schema's owner, then call this again."
            )));
        }
    }
    run(&format!("grant usage on type {schema}.calendar_importance to {to}"))
}

fn may_use_schema(installation: &Installation, role: &Role) -> SqlResult<bool> {
    let arguments = [role.oid.into(), installation.schema_oid.into()];
    let may = HAS_SCHEMA.with(|has| has.run(installation, &arguments, |rows| rows.first().get_one::<bool>()))?;
    Ok(may == Some(true))
}

/// EXECUTE on the extension's functions of these names.
pub fn functions(installation: &Installation, role: &Role, names: Vec<&str>) -> SqlResult<()> {
    match member_functions(installation, Some(names))? {
        Some(functions) => run(&format!("grant execute on function {functions} to {}", role.quoted())),
        None => Ok(()),
    }
}

/// SELECT on all views of the extension.
pub fn views(installation: &Installation, role: &Role) -> SqlResult<()> {
    match member_relations(installation, vec!["v"])? {
        Some(views) => run(&format!("grant select on {views} to {}", role.quoted())),
        None => Ok(()),
    }
}

/// `privileges`, such as `select (name)`, on a table of the extension.
pub fn table(installation: &Installation, role: &Role, privileges: &str, table: &str) -> SqlResult<()> {
    run(&format!("grant {privileges} on {}.{table} to {}", installation.schema, role.quoted()))
}

/// Takes away all that a role has of the extension's. USAGE on the schema stays: others may have given it.
pub fn revoke_all(installation: &Installation, role: &Role) -> SqlResult<()> {
    let from = role.quoted();
    if let Some(functions) = member_functions(installation, None)? {
        run(&format!("revoke all on function {functions} from {from}"))?;
    }
    if let Some(relations) = member_relations(installation, vec!["r", "p", "v"])? {
        run(&format!("revoke all on {relations} from {from}"))?;
    }
    run(&format!("revoke all on type {}.calendar_importance from {from}", installation.schema))
}

fn member_functions(installation: &Installation, names: Option<Vec<&str>>) -> SqlResult<Option<String>> {
    let arguments = [installation.extension.into(), names.into()];
    FUNCTIONS.with(|functions| functions.run(installation, &arguments, |rows| rows.first().get_one()))
}

fn member_relations(installation: &Installation, kinds: Vec<&str>) -> SqlResult<Option<String>> {
    let arguments = [installation.extension.into(), kinds.into()];
    RELATIONS.with(|relations| relations.run(installation, &arguments, |rows| rows.first().get_one()))
}

fn run(statement: &str) -> SqlResult<()> {
    Spi::run(statement).map_err(spi)
}
