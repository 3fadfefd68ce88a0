//! Who is calling: read before anything switches to the extension's owner.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::errors::{SqlResult, error};
use crate::settings;
use crate::store::Installation;

/// Lets pass who may act for `user_id`: superusers, members of the extension's owner, and roles whose
/// `calendar_sync.user_id` names that user.
///
/// # Errors
/// 42501 (insufficient_privilege) for anybody else, whether that user exists or not.
pub fn authorize(user_id: &str) -> SqlResult<()> {
    if is_administrator()? || settings::USER_ID.get().is_some_and(|own| own.to_bytes() == user_id.as_bytes()) {
        return Ok(());
    }
    Err(error(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for the calendar of another user")
        .set_detail("The setting calendar_sync.user_id does not name the user whose calendar was asked for.")
        .set_hint("SET calendar_sync.user_id TO the user that this session acts for."))
}

/// Whether the caller is a superuser or a member of the extension's owner.
pub fn is_administrator() -> SqlResult<bool> {
    let installation = Installation::current()?;
    // SAFETY: look-ups in the catalog, within a transaction.
    Ok(unsafe { pg_sys::superuser() || pg_sys::has_privs_of_role(pg_sys::GetUserId(), installation.owner) })
}

/// Lets administrators pass; `what` they may do stands in the error.
///
/// # Errors
/// 42501 (insufficient_privilege) for anybody else.
pub fn administrators_only(what: &str) -> SqlResult<()> {
    if is_administrator()? {
        return Ok(());
    }
    Err(error(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, format!("permission denied to {what}"))
        .set_hint("Only a superuser or the extension's owner can."))
}
