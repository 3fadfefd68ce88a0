//! The installation's salt: the key of hashes that nobody outside may compute.

use super::datum::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

thread_local! {
    static SALT: Statement = const { Statement::new("select salt from @calendar_installation", &[]) };
}

/// The salt; `None` before the first table is attached or the first calendar subscribed to.
pub fn salt(installation: &Installation) -> SqlResult<Option<Vec<u8>>> {
    SALT.with(|statement| {
        statement.run(installation, &[], |mut rows| match rows.next() {
            Some(_) => Columns::of(&rows).bytes(),
            None => Ok(None),
        })
    })
}
