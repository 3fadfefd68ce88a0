//! calendar_grant: what a role may do.

use pgrx::datum::TryFromDatumError;
use pgrx::heap_tuple::PgHeapTuple;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, WhoAllocated, pg_sys};

use super::arguments::{self, given};
use super::caller::administrators_only;
use super::levels::Level;
use crate::errors::{SqlResult, error, invalid_argument};
use crate::store::policies::{self, Condition, Role};
use crate::store::{self, Installation, catalog, grants};

/// The level that takes away what the others give.
const NONE: &str = "none";

/// Gives a role what a level needs; declared in `sql/080_access.sql`, since pgrx has no regrole.
#[pg_extern(sql = "")]
fn calendar_grant(role: Option<pg_sys::Oid>, level: Option<&str>, user_id: Option<&str>) -> SqlResult<()> {
    administrators_only("grant rights on calendars")?;
    let (role, level) = (given("role", role)?, given("level", level)?);
    let wanted = match level {
        NONE => None,
        level => Some(Level::named(level).ok_or_else(|| unknown(level))?),
    };
    if let Some(user_id) = user_id {
        arguments::identifier("user_id", user_id)?;
        if wanted != Some(Level::User) {
            return Err(invalid_argument(format!("level {level} is not of one user"))
                .set_hint("Leave user_id out, or grant the level user."));
        }
    }
    store::as_owner(|installation| {
        let role = grants::role(installation, role)?.ok_or_else(|| missing(role))?;
        match wanted {
            Some(level) => grant(installation, &role, level, user_id),
            None => revoke(installation, &role),
        }
    })
}

fn grant(installation: &Installation, role: &Role, level: Level, user_id: Option<&str>) -> SqlResult<()> {
    if matches!(level, Level::User | Level::Admin) {
        grants::remember(installation, role, level.name(), user_id)?;
    }
    grants::schema(installation, role)?;
    grants::functions(installation, role, level.functions())?;
    if level.has_views() {
        grants::views(installation, role)?;
    }
    level.tables().iter().try_for_each(|(privileges, table)| grants::table(installation, role, privileges, table))
}

fn revoke(installation: &Installation, role: &Role) -> SqlResult<()> {
    grants::revoke_all(installation, role)?;
    grants::forget(installation, role)?;
    [Level::User, Level::Admin].into_iter().try_for_each(|level| policies::remove(installation, role, level.name()))
}

/// Makes a role's policies of its row in calendar_grants: when it is granted, and when a dump is restored. (A trigger of the
/// script is there before the rows are. Others of ours stand aside then; but this one sends nothing anywhere.)
///
/// A role that a restored copy does not have gets none, and may do nothing, until calendar_grant.
#[pg_trigger]
fn calendar_grants_policies<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, TryFromDatumError> {
    let row = trigger.new();
    // Whoever may call this could put it on a table of their own.
    let is_ours = is_grants_table(trigger).unwrap_or_report();
    if let Some(row) = row.as_ref().filter(|_| is_ours) {
        let (role, level) = (row.get_by_name::<String>("role")?, row.get_by_name::<String>("level")?);
        let user_id = row.get_by_name::<String>("user_id")?;
        if let (Some(role), Some(level)) = (role, level.as_deref().and_then(Level::named)) {
            store::as_owner(|installation| make_policies(installation, &role, level, user_id.as_deref()))
                .unwrap_or_report();
        }
    }
    Ok(row)
}

fn is_grants_table(trigger: &PgTrigger) -> SqlResult<bool> {
    let grants = catalog::relation_in(Installation::current()?.schema_oid, "calendar_grants")?;
    Ok(grants.is_some() && trigger.relation().ok().map(|relation| relation.oid()) == grants)
}

fn make_policies(installation: &Installation, role: &str, level: Level, user_id: Option<&str>) -> SqlResult<()> {
    let Some(role) = grants::role_named(installation, role)? else { return Ok(()) };
    let put = |condition, keeps_origin| policies::put(installation, &role, level.name(), &condition, keeps_origin);
    match (level, user_id) {
        (Level::User, Some(user_id)) => put(Condition::of_user(user_id), true),
        (Level::User, None) => put(Condition::of_setting(), true),
        (Level::Admin, _) => put(Condition::everybody(), false),
        (Level::Reader | Level::Web, _) => Ok(()),
    }
}

fn unknown(level: &str) -> ErrorReport {
    invalid_argument(format!("level can't be \"{level}\""))
        .set_hint("It is reader, user, web or admin; none takes all of them away.")
}

fn missing(role: pg_sys::Oid) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no role {}", role.to_u32()))
        .set_hint("Pass the role's name: SELECT calendar_grant('app', 'user').")
}
