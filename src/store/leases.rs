//! Who is at a connection: one lease covers its pulls and its pushes, so that they never run at once.

use std::time::Duration;

use pgrx::pg_sys;
use pgrx::spi::SpiTupleTable;
use uuid::Uuid;

use super::connections::{Connection, connection, pulled};
use super::datum::uuid;
use super::holder::{self, is_there, started_at};
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// Whether `d` can be leased at all: nobody is at it, and its account, if it has one, has tokens or may renew them now.
macro_rules! is_free {
    () => {
        concat!(
            "d.status in ('active', 'error')
         and (d.leased_until is null or d.leased_until < now())
         and (d.account_id is null or exists (
             select
             from @calendar_accounts a
             where a.account_id = d.account_id
               and a.status = 'active'
               and (a.rejected_generation is distinct from a.token_generation
                       and coalesce(a.token_expires_at > now(), true)
                   or coalesce(a.refresh_not_before <= now(), true)
                       and (coalesce(a.refresh_until <= now(), true)
                           or not ",
            is_there!("a.refreshed_by", "a.refreshed_by_start"),
            "))
         ))"
        )
    };
}

/// Whether `d` is to be polled.
macro_rules! is_polled {
    () => {
        "(d.account_id is null or d.direction <> 'push')"
    };
}

/// The connections that have operations, as `queued`: pending ones by one look-up in the index for each, however many there
/// are; those that nobody came to an end with; and those that are to be undone.
macro_rules! with_queued {
    () => {
        "with recursive pending as (
             (select q.connection_id
              from @calendar_sync_queue q
              where q.status = 'pending'
              order by q.connection_id
              limit 1)
             union all
             select (
                 select q.connection_id
                 from @calendar_sync_queue q
                 where q.status = 'pending' and q.connection_id > p.connection_id
                 order by q.connection_id
                 limit 1
             )
             from pending p
             where p.connection_id is not null
         ),
         queued as (
             select connection_id
             from pending
             where connection_id is not null
             union
             select connection_id
             from @calendar_sync_queue
             where status = 'processing'
             union
             select connection_id
             from @calendar_unconfirmed_pushes
         )
         "
    };
}

/// The connections `d` that something is to be sent to now. Where one has failed, also its pushes wait for its next try.
macro_rules! with_something_to_send {
    () => {
        "from queued
             join @calendar_connections d using (connection_id)
         where d.direction <> 'pull'
           and (d.consecutive_failures = 0 or d.next_poll_at is null or d.next_poll_at <= now())
           and exists (
               select
               from @calendar_sync_queue q
               where q.connection_id = d.connection_id and q.status = 'pending' and q.scheduled_for <= now()
               union all
               select
               from @calendar_sync_queue q
               where q.connection_id = d.connection_id and q.status = 'processing'
               union all
               select
               from @calendar_unconfirmed_pushes n
               where n.connection_id = d.connection_id
           )
           and "
    };
}

/// Leases to this process, for `$2` seconds, the connections whose ids a query gives, which comes next.
macro_rules! leased {
    () => {
        concat!(
            "update @calendar_connections c
             set leased_until = now() + make_interval(secs => $2),
                 leased_by = pg_backend_pid(),
                 leased_by_start = ",
            started_at!(),
            ",
                 lease_generation = c.lease_generation + 1
             where c.connection_id = any (array("
        )
    };
}

thread_local! {
    // What is due is looked up first and on its own, so that the plan never depends on how many the planner expects.
    static LEASE_POLLS: Statement = const { Statement::new(
        pulled!(
            concat!(
                leased!(), "
                     select d.connection_id
                     from @calendar_connections d
                     where d.next_poll_at <= now()
                       and (d.consecutive_failures = 0 or $3)
                       and (d.url_host is null or d.url_host <> all ($4))
                       and ", is_polled!(), "
                       and ", is_free!(), "
                     order by d.next_poll_at
                     limit $1
                     for update skip locked
                 ))
                 returning "
            ),
            "c.lease_generation",
            ""
        ),
        &[pg_sys::INT8OID, pg_sys::FLOAT8OID, pg_sys::BOOLOID, pg_sys::TEXTARRAYOID],
    ) };
    static LEASE_PUSHES: Statement = const { Statement::new(
        pulled!(
            concat!(
                leased!(), with_queued!(), "
                     select d.connection_id
                     ", with_something_to_send!(), is_free!(), "
                       and (d.url_host is null or d.url_host <> all ($3))
                     limit $1
                     for update of d skip locked
                 ))
                 returning "
            ),
            "c.lease_generation",
            ""
        ),
        &[pg_sys::INT8OID, pg_sys::FLOAT8OID, pg_sys::TEXTARRAYOID],
    ) };
    // Whatever the worker waits for before it tries them again.
    static WITH_DUE_OPERATIONS: Statement = const { Statement::new(
        pulled!(
            concat!(with_queued!(), "select "),
            "null::bigint",
            " from queued
                  join @calendar_connections c using (connection_id)
              where c.direction <> 'pull'
                and c.status in ('active', 'error')
                and exists (
                    select
                    from @calendar_sync_queue q
                    where q.connection_id = c.connection_id and q.status = 'pending' and q.scheduled_for <= now()
                )
              order by c.connection_id"
        ),
        &[],
    ) };
    static RELEASE_ALL: Statement = const { Statement::new(
        pulled!(
            "update @calendar_connections c
         set leased_until = null,
             lease_generation = c.lease_generation + 1
         where c.leased_until is not null
         returning ",
            "c.lease_generation",
            ""
        ),
        &[],
    ) };
    static END: Statement = const { Statement::new(
        "update @calendar_connections
         set leased_until = null,
             lease_generation = lease_generation + 1,
             next_poll_at = coalesce(clock_timestamp() + make_interval(secs => $2), next_poll_at)
         where connection_id = $1",
        &[pg_sys::UUIDOID, pg_sys::FLOAT8OID],
    ) };
    static IS_LEASED: Statement = const { Statement::new(
        concat!(
            "select
             from @calendar_connections
             where connection_id = $1
               and leased_until > clock_timestamp()
               and ", is_there!("leased_by", "leased_by_start")
        ),
        &[pg_sys::UUIDOID],
    ) };
    static DUE: Statement = const { Statement::new(
        concat!(
            with_queued!(),
            "select count(*)
             from (
                 select d.connection_id
                 from @calendar_connections d
                 where d.next_poll_at <= now() and ", is_polled!(), " and ", is_free!(), "
                 union
                 select d.connection_id
                 ", with_something_to_send!(), is_free!(), "
             ) due"
        ),
        &[],
    ) };
    static NEXT: Statement = const { Statement::new(
        concat!(
            with_queued!(),
            "select extract(epoch from least(
                 (select d.next_poll_at
                  from @calendar_connections d
                  where d.status in ('active', 'error') and d.next_poll_at > now() and ", is_polled!(), "
                  order by d.next_poll_at
                  limit 1),
                 (select min((
                      select min(q.scheduled_for)
                      from @calendar_sync_queue q
                      where q.connection_id = queued.connection_id and q.status = 'pending'
                  ))
                  from queued
                  where not exists (
                      select
                      from @calendar_sync_queue q
                      where q.connection_id = queued.connection_id and q.status = 'pending' and q.scheduled_for <= now()
                  ))
             ) - clock_timestamp())::float8"
        ),
        &[],
    ) };
}

/// Which due connections are to be leased.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub limit: usize,
    /// Each lease has a generation of its own and ends by itself after this.
    pub lease: Duration,
    /// Also those whose last pull failed.
    pub failed_too: bool,
    /// None of these hosts (`url_host`).
    pub but_hosts: &'a [String],
}

impl Wanted<'_> {
    fn hosts(&self) -> Vec<&str> {
        self.but_hosts.iter().map(String::as_str).collect()
    }
}

/// Leases connections that are to be polled, those first that have been due for longest.
pub fn lease_polls(installation: &Installation, wanted: &Wanted) -> SqlResult<Vec<Connection>> {
    let (limit, lease) = (wanted.limit as i64, wanted.lease.as_secs_f64());
    let arguments = [limit.into(), lease.into(), wanted.failed_too.into(), wanted.hosts().into()];
    LEASE_POLLS.with(|statement| statement.run(installation, &arguments, connections))
}

/// Leases connections that something is to be sent to.
pub fn lease_pushes(installation: &Installation, wanted: &Wanted) -> SqlResult<Vec<Connection>> {
    let arguments = [(wanted.limit as i64).into(), wanted.lease.as_secs_f64().into(), wanted.hosts().into()];
    LEASE_PUSHES.with(|statement| statement.run(installation, &arguments, connections))
}

/// The connections that something is to be sent to now.
pub fn with_due_operations(installation: &Installation) -> SqlResult<Vec<Connection>> {
    WITH_DUE_OPERATIONS.with(|statement| statement.run(installation, &[], connections))
}

/// Ends all leases there are; returns what was leased.
pub fn release_all(installation: &Installation) -> SqlResult<Vec<Connection>> {
    RELEASE_ALL.with(|statement| statement.run(installation, &[], connections))
}

/// Ends a lease without a word about what it came to. `poll`: what changed there is to be looked at now.
pub fn end(installation: &Installation, connection: Uuid, poll: bool) -> SqlResult<()> {
    end_and_poll(installation, connection, poll.then_some(Duration::ZERO))
}

/// The same; it is polled after that time.
pub fn put_off(installation: &Installation, connection: Uuid, time: Duration) -> SqlResult<()> {
    end_and_poll(installation, connection, Some(time))
}

fn end_and_poll(installation: &Installation, connection: Uuid, after: Option<Duration>) -> SqlResult<()> {
    let after = after.map(|time| time.as_secs_f64());
    END.with(|statement| statement.execute(installation, &[uuid(connection).into(), after.into()]))?;
    Ok(())
}

/// Whether a worker is at it, and not just was before it ended.
pub fn is_leased(installation: &Installation, connection: Uuid) -> SqlResult<bool> {
    holder::look_again();
    let found = IS_LEASED.with(|statement| statement.rows_now(installation, &[uuid(connection).into()], |_| Ok(())))?;
    Ok(!found.is_empty())
}

fn connections(rows: SpiTupleTable) -> Result<Vec<Connection>, pgrx::spi::Error> {
    rows.map(|row| connection(&row)).collect()
}

/// How many connections are due and not under way.
pub fn count_due(installation: &Installation) -> SqlResult<i64> {
    DUE.with(|statement| statement.run(installation, &[], |rows| rows.first().get_one::<i64>()))
        .map(Option::unwrap_or_default)
}

/// How long it is until another connection becomes due than those that were so when this transaction began.
pub fn until_next(installation: &Installation) -> SqlResult<Option<Duration>> {
    let seconds = NEXT.with(|statement| statement.run(installation, &[], |rows| rows.first().get_one::<f64>()))?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}
