//! What a pull is told of a calendar whose changes do not tell of everything: links of what we made there and no pull has
//! shown yet, or of what has changed there and none may ever show.
//!
//! Set when it is known that it is there ([`super::agreement::agree`]), or another version than ours, taken away in the
//! transaction of the pull that knows of it: what rolls back is asked for again. Connections that are never pulled have
//! none.

use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::outside::execute_on;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

thread_local! {
    static FIND: Statement = const { Statement::new(
        "select external_id
         from @calendar_event_links
         where connection_id = $1
           and is_unseen
         order by link_id",
        &[pg_sys::UUIDOID],
    ) };
    // A round that is a little behind may tell of it once more.
    static GONE: Statement = const { Statement::new(
        "select l.external_id
         from @calendar_event_links l
         join @calendar_connections c on c.connection_id = l.connection_id
         where l.connection_id = $1
           and l.external_id is not null
           and l.deleted_at > coalesce(c.last_synced_at, '-infinity') - interval '1 hour'",
        &[pg_sys::UUIDOID],
    ) };
    static LOOK_AT: Statement = const { Statement::new(
        "update @calendar_event_links set is_unseen = true where link_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static SEEN: Statement = const { Statement::new(
        "update @calendar_event_links l
         set is_unseen = false
         from unnest($2) r (external_id)
         where l.connection_id = $1
           and l.external_id = r.external_id
           and l.is_unseen",
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID],
    ) };
}

/// Their identifiers, oldest first.
pub fn find(installation: &Installation, connection: Uuid) -> SqlResult<Vec<String>> {
    FIND.with(|statement| statement.rows(installation, &[uuid(connection).into()], Columns::word))
}

/// Identifiers of what was deleted there, as is known here, since the last pull.
pub fn gone(installation: &Installation, connection: Uuid) -> SqlResult<Vec<String>> {
    GONE.with(|statement| statement.rows(installation, &[uuid(connection).into()], Columns::word))
}

/// The next pull asks for what these links stand for, whatever it shows by itself.
pub fn look_at(installation: &Installation, links: &[Uuid]) -> SqlResult<()> {
    LOOK_AT.with(|statement| execute_on(installation, statement, links, Vec::new))?;
    Ok(())
}

/// A pull knows of these.
pub fn seen(installation: &Installation, connection: Uuid, external_ids: &[String]) -> SqlResult<()> {
    if external_ids.is_empty() {
        return Ok(());
    }
    within_scratch(|| {
        let arguments = [uuid(connection).into(), column(external_ids, |id| id.as_str())];
        SEEN.with(|statement| statement.execute(installation, &arguments))
    })?;
    Ok(())
}
