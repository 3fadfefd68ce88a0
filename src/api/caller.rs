//! Who is calling: read before anything switches to the extension's owner.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::errors::{SqlResult, error};
use crate::settings;
use crate::store::policies::{self, Condition};
use crate::store::{self, Installation};

/// For whom a caller may act.
pub enum Caller {
    /// For everybody: a superuser, a member of the extension's owner, a role of the level admin.
    Everybody,
    /// For whom one of these conditions names.
    Under(Vec<Condition>),
}

impl Caller {
    /// Whoever has called the function that runs now; before it acts as the extension's owner.
    pub fn current() -> SqlResult<Self> {
        if is_administrator()? {
            return Ok(Self::Everybody);
        }
        // SAFETY: reads a variable.
        let role = unsafe { pg_sys::GetUserId() };
        let mut conditions = store::reading(|installation| policies::applying_to(installation, role))?;
        if conditions.contains(&Condition::everybody()) {
            return Ok(Self::Everybody);
        }
        let goes_by_policies = || store::reading(|installation| policies::may_use(installation, role));
        if conditions.is_empty() && !goes_by_policies()? {
            // It was granted no level, but EXECUTE: whoever did that trusts it to say for whom it acts.
            conditions.push(Condition::of_setting());
        }
        Ok(Self::Under(conditions))
    }

    /// # Errors
    /// 42501 (insufficient_privilege) where it may not act for `user_id`, whether that user exists or not.
    pub fn authorize(&self, user_id: &str) -> SqlResult<()> {
        let Self::Under(conditions) = self else { return Ok(()) };
        let by_setting = conditions.contains(&Condition::of_setting());
        if by_setting && is_set(user_id) || conditions.contains(&Condition::of_user(user_id)) {
            return Ok(());
        }
        let report =
            error(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for the calendar of another user");
        Err(if conditions.is_empty() {
            report
                .set_detail("No policy on calendar_events lets this role act for anybody.")
                .set_hint("SELECT calendar_grant(role, 'user', user_id), also after a restore that lacked the role.")
        } else if by_setting {
            report
                .set_detail("The setting calendar_sync.user_id does not name the user whose calendar was asked for.")
                .set_hint("SET calendar_sync.user_id TO the user that this session acts for.")
        } else {
            report
                .set_detail("This role may act for its own user only, whatever the setting calendar_sync.user_id says.")
                .set_hint("The policies on calendar_events, which calendar_grant makes, say for whom a role may act.")
        })
    }
}

/// Whether calendar_sync.user_id names that user. Empty, it names nobody.
fn is_set(user_id: &str) -> bool {
    !user_id.is_empty() && settings::USER_ID.get().is_some_and(|own| own.to_bytes() == user_id.as_bytes())
}

/// Lets pass who may act for `user_id`.
///
/// # Errors
/// As [`Caller::authorize`].
pub fn authorize(user_id: &str) -> SqlResult<()> {
    Caller::current()?.authorize(user_id)
}

/// Whether the caller is a superuser or a member of the extension's owner.
fn is_administrator() -> SqlResult<bool> {
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
