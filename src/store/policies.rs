//! Row-level security on the calendar tables: for whom it lets a role act.
//!
//! The functions ask the policies as PostgreSQL itself does for plain SQL: so both always agree. Policies go with their
//! role when it is renamed or dropped, but not into a dump: that carries calendar_grants, from which they are made again.

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::quote_identifier;

use super::{Identity, Installation, Statement};
use crate::errors::{SqlResult, spi};

/// Whose rows a policy lets through, as PostgreSQL writes a policy's condition ([`Identity::with_plain_quoting`]).
#[derive(Debug, PartialEq, Eq)]
pub struct Condition(String);

impl Condition {
    /// Of all rows.
    pub fn everybody() -> Self {
        Self("true".to_owned())
    }

    /// Of the rows of one user.
    pub fn of_user(user_id: &str) -> Self {
        Self(format!("(user_id = '{}'::text)", user_id.replace('\'', "''")))
    }

    /// Of whom the setting calendar_sync.user_id names; nobody where it is empty.
    pub fn of_setting() -> Self {
        Self("(user_id = NULLIF(current_setting('calendar_sync.user_id'::text, true), ''::text))".to_owned())
    }
}

/// A role that is granted something.
pub struct Role {
    pub oid: pg_sys::Oid,
    /// Not quoted.
    pub name: String,
}

impl Role {
    /// Its name as SQL has it.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.name)
    }
}

/// A policy's (quoted) name, its USING and its WITH CHECK.
type Policy = (String, String, Option<String>);

thread_local! {
    // Those for SELECT alone do not let a role act.
    static APPLYING: Statement = const { Statement::new(
        "select pg_get_expr(p.polqual, p.polrelid)
         from pg_policy p
         join pg_class c on c.oid = p.polrelid
         where c.relnamespace = $1
           and c.relname = 'calendar_events'
           and p.polpermissive
           and p.polcmd = '*'
           and p.polqual is not null
           and exists (select from unnest(p.polroles) r where r = 0 or pg_has_role($2, r, 'usage'))",
        &[pg_sys::OIDOID, pg_sys::OIDOID],
    ) };
    static OF_ROLE: Statement = const { Statement::new(
        "select quote_ident(p.polname), pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
         from pg_policy p
         join pg_class c on c.oid = p.polrelid
         where c.relnamespace = $1
           and c.relname = $2
           and starts_with(p.polname, $3)
           and p.polroles = array[$4]",
        &[pg_sys::OIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::OIDOID],
    ) };
    // A role that was renamed since leaves its old name on its policy.
    static FREE_NAME: Statement = const { Statement::new(
        "select quote_ident(candidate)
         from generate_series(1, 1000) n
         cross join lateral (select concat($3, case when n > 1 then n || '_' end, $4)::name as candidate) c
         where not exists (
             select
             from pg_policy p
             join pg_class c on c.oid = p.polrelid
             where c.relnamespace = $1
               and c.relname = $2
               and p.polname = candidate
         )
         order by n
         limit 1",
        &[pg_sys::OIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static MAY_USE: Statement = const { Statement::new(
        "select has_any_column_privilege($2, c.oid, 'select, insert, update')
         from pg_class c
         where c.relnamespace = $1
           and c.relname = 'calendar_events'",
        &[pg_sys::OIDOID, pg_sys::OIDOID],
    ) };
}

/// The conditions under which row-level security lets a role act on calendar_events.
pub fn applying_to(installation: &Installation, role: pg_sys::Oid) -> SqlResult<Vec<Condition>> {
    let _identity = Identity::assume(installation.owner, 0).with_plain_quoting();
    APPLYING.with(|applying| {
        applying.run(installation, &[installation.schema_oid.into(), role.into()], |rows| {
            rows.map(|row| Ok(Condition(row.get(1)?.unwrap_or_default()))).collect()
        })
    })
}

/// Whether a role has any right to calendar_events, on rows that a policy lets through.
pub fn may_use(installation: &Installation, role: pg_sys::Oid) -> SqlResult<bool> {
    let arguments = [installation.schema_oid.into(), role.into()];
    let may = MAY_USE.with(|may| may.run(installation, &arguments, |rows| rows.first().get_one::<bool>()))?;
    Ok(may == Some(true))
}

/// Lets a role act on the rows of `condition`, in place of those that `level` let it act on before. `keeps_origin`: it
/// can't make its rows part of an interaction, connection or series. Changes nothing, and so locks nothing, where it is so already.
pub fn put(
    installation: &Installation,
    role: &Role,
    level: &str,
    condition: &Condition,
    keeps_origin: bool,
) -> SqlResult<()> {
    let _identity = Identity::assume(installation.owner, 0).with_plain_quoting();
    let qual = &condition.0;
    let check = if keeps_origin {
        format!(
            "({qual} AND {}.calendar_keeps_origin(event_id, related_table, related_id, connection_id, series_id))",
            installation.schema
        )
    } else {
        qual.clone()
    };
    put_on(installation, role, level, "calendar_events", qual, Some(&check))?;
    put_on(installation, role, level, "calendar_series", qual, None)
}

fn put_on(
    installation: &Installation,
    role: &Role,
    level: &str,
    table: &str,
    qual: &str,
    check: Option<&str>,
) -> SqlResult<()> {
    let found = of_role(installation, role, level, table)?;
    if let [(_, old_qual, old_check)] = found.as_slice()
        && old_qual == qual
        && old_check.as_deref() == check
    {
        return Ok(());
    }
    drop_all(installation, table, found)?;
    let arguments = [installation.schema_oid.into(), table.into(), prefix(level).into(), role.name.as_str().into()];
    let name = FREE_NAME.with(|free| free.run(installation, &arguments, |rows| rows.first().get_one::<String>()))?;
    let (name, schema, to) = (name.unwrap_or_default(), &installation.schema, role.quoted());
    let what = match check {
        Some(check) => format!("for all to {to} using ({qual}) with check ({check})"),
        None => format!("for select to {to} using ({qual})"),
    };
    run(&format!("create policy {name} on {schema}.{table} {what}"))
}

/// Takes away what `level` lets a role act on.
pub fn remove(installation: &Installation, role: &Role, level: &str) -> SqlResult<()> {
    for table in ["calendar_events", "calendar_series"] {
        let found = of_role(installation, role, level, table)?;
        drop_all(installation, table, found)?;
    }
    Ok(())
}

fn prefix(level: &str) -> String {
    format!("calendar_{level}_")
}

fn of_role(installation: &Installation, role: &Role, level: &str, table: &str) -> SqlResult<Vec<Policy>> {
    let arguments = [installation.schema_oid.into(), table.into(), prefix(level).into(), role.oid.into()];
    OF_ROLE.with(|policies| {
        policies.run(installation, &arguments, |rows| {
            rows.map(|row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default(), row.get(3)?)))
                .collect()
        })
    })
}

fn drop_all(installation: &Installation, table: &str, policies: Vec<Policy>) -> SqlResult<()> {
    policies.iter().try_for_each(|(name, ..)| run(&format!("drop policy {name} on {}.{table}", installation.schema)))
}

fn run(statement: &str) -> SqlResult<()> {
    Spi::run(statement).map_err(spi)
}
