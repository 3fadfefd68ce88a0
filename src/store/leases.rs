//! Who is at a connection: one lease covers its pulls and its pushes, so that they never run at once.

use std::time::Duration;

use pgrx::pg_sys;
use pgrx::spi::SpiTupleTable;

use super::connections::{Connection, connection, pulled};
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// Whether `d` can be leased at all: nobody is at it, and its account, if it has one, has tokens or may renew them now.
macro_rules! is_free {
    () => {
        "d.status in ('active', 'error')
         and (d.leased_until is null or d.leased_until < now())
         and (d.account_id is null or exists (
             select
             from @calendar_accounts a
             where a.account_id = d.account_id
               and a.status = 'active'
               and (a.token_expires_at > now() + interval '1 minute'
                   or coalesce(greatest(a.refresh_until, a.refresh_not_before) <= now(), true))
         ))"
    };
}

/// Whether `d` is to be polled.
macro_rules! is_polled {
    () => {
        "(d.account_id is null or d.direction <> 'push')"
    };
}

/// The connections that have operations pending, as `queued`: one look-up in the index for each, however many operations
/// there are.
macro_rules! with_queued {
    () => {
        "with recursive queued as (
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
             from queued p
             where p.connection_id is not null
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
           )
           and "
    };
}

thread_local! {
    // What is due is looked up first and on its own, so that the plan never depends on how many the planner expects.
    static LEASE_POLLS: Statement = const { Statement::new(
        pulled!(
            concat!(
                "update @calendar_connections c
                 set leased_until = now() + make_interval(secs => $2),
                     lease_generation = c.lease_generation + 1
                 where c.connection_id = any (array(
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
                "update @calendar_connections c
                 set leased_until = now() + make_interval(secs => $2),
                     lease_generation = c.lease_generation + 1
                 where c.connection_id = any (array(
                     ", with_queued!(), "
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
                      where q.connection_id = queued.connection_id and q.status = 'pending' and q.scheduled_for > now()
                  ))
                  from queued)
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

/// Ends all leases there are; returns what was leased.
pub fn release_all(installation: &Installation) -> SqlResult<Vec<Connection>> {
    RELEASE_ALL.with(|statement| statement.run(installation, &[], connections))
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
