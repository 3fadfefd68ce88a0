//! Connections that a provider says have changed, until they are due.
//!
//! The first notification makes its connection due at once; what comes within the next seconds makes it due once more,
//! when these are over. Nobody is waited for: where a connection's row is locked, a notice stays behind for the worker.

use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::uuid;
use super::transaction::can_write_in_passing;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// Whether pulling `c` again is of use now. One that fails keeps its pause; deletes that are held back are confirmed by
/// polls, and by no number of notifications.
macro_rules! can_be_announced {
    () => {
        "c.status = 'active'
           and c.direction <> 'push'
           and c.consecutive_failures = 0
           and c.held_back is null"
    };
}

/// Makes those of the statement's `announced` connections due whose rows it can lock.
///
/// `announced_for` is the moment that was given out last: while that lies ahead, it is what is waited for; then the next
/// one is five seconds later at the earliest. What waits for its turn is left as it is. Where somebody is at the connection
/// already, another time is written than that for which it was due: so they see that it was called for meanwhile
/// (`Connection::due_at`).
macro_rules! make_due {
    ($announced:expr, $further:expr) => {
        concat!(
            "with free as (
                 select c.connection_id, c.announced_for, clock_timestamp() as at
                 from @calendar_connections c
                 where c.connection_id in (",
            $announced,
            ")
                   and ",
            can_be_announced!(),
            "
                 for update skip locked
             ),
             moments as (
                 select connection_id, at,
                     case
                         when announced_for > at then least(announced_for, at + interval '5 seconds')
                         else greatest(at, announced_for + interval '5 seconds')
                     end as moment
                 from free
             ),
             due as (
                 update @calendar_connections c
                 set announced_for = m.moment,
                     next_poll_at = case
                         when c.next_poll_at > m.at then least(c.next_poll_at - interval '1 microsecond', m.moment)
                         when c.next_poll_at <= m.at and coalesce(c.leased_until < m.at, true) then c.next_poll_at
                         else m.moment
                     end
                 from moments m
                 where c.connection_id = m.connection_id
                 returning c.connection_id
             )
             ",
            $further
        )
    };
}

thread_local! {
    // One notice is enough for all that is to be pulled once it is taken.
    static ANNOUNCE: Statement = const { Statement::new(
        make_due!(
            "select unnest($1)",
            concat!(
                "insert into @calendar_webhook_notices (connection_id)
                 select c.connection_id
                 from @calendar_connections c
                 where c.connection_id = any ($1)
                   and ", can_be_announced!(), "
                   and c.connection_id not in (select connection_id from due)
                   and not exists (select from @calendar_webhook_notices n where n.connection_id = c.connection_id)"
            )
        ),
        &[pg_sys::UUIDARRAYOID],
    ) };
    static LEAVE: Statement = const { Statement::new(
        concat!(
            "insert into @calendar_webhook_notices (connection_id)
             select c.connection_id
             from @calendar_connections c
             where c.connection_id = any ($1)
               and ", can_be_announced!(), "
               and not exists (select from @calendar_webhook_notices n where n.connection_id = c.connection_id)"
        ),
        &[pg_sys::UUIDARRAYOID],
    ) };
    static ANY: Statement = const { Statement::new(
        "select exists (select from @calendar_webhook_notices)",
        &[],
    ) };
    // Also those go that are of no use any more.
    static TAKE: Statement = const { Statement::new(
        make_due!(
            "select connection_id from @calendar_webhook_notices",
            concat!(
                "delete from @calendar_webhook_notices n
                 where n.connection_id in (select connection_id from due)
                    or not exists (
                        select
                        from @calendar_connections c
                        where c.connection_id = n.connection_id
                          and ", can_be_announced!(), "
                    )"
            )
        ),
        &[],
    ) };
}

/// Something has changed in these connections' calendars. Never waits.
pub fn announce(installation: &Installation, connections: &[Uuid]) -> SqlResult<()> {
    if connections.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = connections.iter().map(|id| uuid(*id)).collect();
    // Under a snapshot for the whole transaction others' writes of these rows would be an error.
    let statement = if can_write_in_passing() { &ANNOUNCE } else { &LEAVE };
    statement.with(|statement| statement.execute(installation, &[ids.into()]))?;
    Ok(())
}

/// Makes those due that notices were left of, as far as their rows are free by now.
pub fn take(installation: &Installation) -> SqlResult<()> {
    let any = ANY.with(|any| any.run(installation, &[], |rows| rows.first().get_one::<bool>()))?;
    if any == Some(true) {
        TAKE.with(|take| take.execute(installation, &[]))?;
    }
    Ok(())
}
