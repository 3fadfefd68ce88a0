//! Every column that holds sealed secrets: what calendar_rotate_key goes through, and the only way to a [`Place`].

use std::thread::LocalKey;

use pgrx::pg_sys;
use pgrx::spi::SpiTupleTable;
use uuid::Uuid;

use super::datum::{uuid, uuid_of};
use super::{Installation, Statement, catalog};
use crate::errors::{SqlResult, internal};
use crate::secrets::Place;

/// A column of sealed secrets in a table whose key is a UUID.
pub struct Column {
    table: &'static str,
    column: &'static str,
    key: &'static str,
    lock: &'static LocalKey<Statement>,
    count: &'static LocalKey<Statement>,
    replace: &'static LocalKey<Statement>,
}

/// A row's key and its sealed secret.
pub type Secret = (Uuid, Vec<u8>);

macro_rules! column {
    ($name:ident, $table:literal, $key:literal, $column:literal) => {
        pub static $name: Column = {
            thread_local! {
                static LOCK: Statement = const { Statement::new(
                    concat!(
                        "select ", $key, ", ", $column, " from @", $table,
                        " where ", $column, " is not null order by ", $key, " for no key update skip locked"
                    ),
                    &[],
                ) };
                static COUNT: Statement = const { Statement::new(
                    concat!("select count(*) from @", $table, " where ", $column, " is not null"),
                    &[],
                ) };
                static REPLACE: Statement = const { Statement::new(
                    concat!("update @", $table, " set ", $column, " = $2 where ", $key, " = $1"),
                    &[pg_sys::UUIDOID, pg_sys::BYTEAOID],
                ) };
            }
            Column { table: $table, column: $column, key: $key, lock: &LOCK, count: &COUNT, replace: &REPLACE }
        };
    };
}

column!(CONNECTION_URL, "calendar_connections", "connection_id", "url");
column!(PENDING_LOCATION, "calendar_connections", "connection_id", "pending_location");
column!(CLIENT_STATE, "calendar_webhook_subscriptions", "webhook_id", "client_state");
column!(CLIENT_SECRET, "calendar_oauth_clients", "oauth_client_id", "client_secret");
column!(CODE_VERIFIER, "calendar_oauth_states", "state_id", "code_verifier");
column!(ACCESS_TOKEN, "calendar_accounts", "account_id", "access_token");
column!(REFRESH_TOKEN, "calendar_accounts", "account_id", "refresh_token");

/// A column of secrets that is not here keeps the old key for ever.
pub static COLUMNS: [&Column; 7] =
    [&CONNECTION_URL, &PENDING_LOCATION, &CLIENT_STATE, &CLIENT_SECRET, &CODE_VERIFIER, &ACCESS_TOKEN, &REFRESH_TOKEN];

/// Before a secret is sealed that this transaction will store: a rotation that does not see it yet waits for it, and
/// one that is under way is waited for, so that no secret stays behind under an old key.
pub fn begin_to_store(installation: &Installation) -> SqlResult<()> {
    let table = locked_table(installation)?;
    // SAFETY: within a transaction.
    unsafe { pg_sys::LockRelationOid(table, pg_sys::RowShareLock as i32) };
    Ok(())
}

/// Whether no other transaction is storing secrets now; until the end of this one, none begins to.
pub fn try_to_rotate(installation: &Installation) -> SqlResult<bool> {
    let table = locked_table(installation)?;
    // SAFETY: within a transaction.
    Ok(unsafe { pg_sys::ConditionalLockRelationOid(table, pg_sys::ExclusiveLock as i32) })
}

/// The table whose lock says who stores secrets: one that no other role has a right to, and so none can lock. (An advisory
/// lock is anybody's to take.) Its row is read all the time and hardly ever written.
fn locked_table(installation: &Installation) -> SqlResult<pg_sys::Oid> {
    catalog::relation_in(installation.schema_oid, "calendar_installation")?
        .ok_or_else(|| internal("calendar_sync: the table calendar_installation is gone"))
}

impl Column {
    /// What a secret of that row is sealed for.
    pub fn place(&self, row: Uuid) -> Place {
        Place { table: self.table, column: self.column, row }
    }

    /// How an error names a row.
    pub fn describe(&self, row: Uuid) -> String {
        format!("{}.{} of {} {row}", self.table, self.column, self.key)
    }

    /// Locks all rows with a secret and returns their secrets; `None` while others have some of them locked.
    pub fn lock(&self, installation: &Installation) -> SqlResult<Option<Vec<Secret>>> {
        let locked = self.lock.with(|lock| {
            lock.run(installation, &[], |rows| {
                let mut locked = Vec::with_capacity(rows.len());
                for row in rows {
                    if let (Some(id), Some(sealed)) = (row.get::<pgrx::Uuid>(1)?, row.get(2)?) {
                        locked.push((uuid_of(id), sealed));
                    }
                }
                Ok(locked)
            })
        })?;
        let count = |rows: SpiTupleTable| rows.first().get_one::<i64>();
        let all = self.count.with(|statement| statement.run(installation, &[], count))?.unwrap_or_default();
        Ok((locked.len() >= usize::try_from(all).unwrap_or(usize::MAX)).then_some(locked))
    }

    /// Replaces the secret of a row that is locked.
    pub fn replace(&self, installation: &Installation, row: Uuid, sealed: &[u8]) -> SqlResult<()> {
        self.replace.with(|replace| replace.execute(installation, &[uuid(row).into(), sealed.into()]))?;
        Ok(())
    }
}
