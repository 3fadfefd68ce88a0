//! The end of a connection: what goes with it, and what stays.

use pgrx::pg_sys;

use super::datum::uuid_of;
use super::{Installation, Statement, channels, queue, senders};
use crate::errors::SqlResult;

thread_local! {
    static REMOVE: Statement = const { Statement::new(
        "update @calendar_connections
         set status = 'removed',
             url = null,
             pending_location = null,
             pending_since = null,
             cursor = null,
             etag = null,
             last_modified = null,
             body_hash = null,
             refresh_hint = null,
             held_back = null,
             held_back_polls = 0,
             last_error = null,
             next_poll_at = null,
             leased_until = null,
             lease_generation = lease_generation + 1,
             updated_at = clock_timestamp()
         where connection_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    static DELETE_EVENTS: Statement = const { Statement::new(
        "delete from @calendar_events
         where connection_id = $1
           and (not $2 or event_date > clock_timestamp())",
        &[pg_sys::UUIDOID, pg_sys::BOOLOID],
    ) };
    // Of what was never more than an image of that calendar, to be stored as new when it is connected again; what was sent
    // there is known then.
    static FORGET: Statement = const { Statement::new(
        "delete from @calendar_event_links l
         where l.connection_id = $1
           and not exists (select from @calendar_events e where e.event_id = l.event_id)
           and not exists (
               select
               from @calendar_series s
               where s.series_id = l.series_id
                 and s.connection_id is distinct from $1
           )",
        &[pg_sys::UUIDOID],
    ) };
    // With what is kept, a series stays as the name of its past instances; it is found again when it is revived.
    static END_SERIES: Statement = const { Statement::new(
        "update @calendar_series
         set sync_status = 'deleted',
             content_hash = null,
             changed_at = clock_timestamp()
         where connection_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    static DELETE_SERIES: Statement = const { Statement::new(
        "delete from @calendar_series where connection_id = $1",
        &[pg_sys::UUIDOID],
    ) };
}

/// Ends a connection: its URL is wiped, its upcoming events go, also from calendars that mirror it; past ones stay if they
/// are to be kept. Nothing more is sent to it.
pub fn remove(installation: &Installation, id: pgrx::Uuid, keep_events: bool) -> SqlResult<()> {
    let connection = uuid_of(id);
    queue::drop_pending(installation, connection)?;
    let sends = senders::are_there(installation)?;
    let mirrored = if sends { queue::known_of_connection(installation, connection)? } else { Vec::new() };
    REMOVE.with(|statement| statement.execute(installation, &[id.into()]))?;
    DELETE_EVENTS.with(|statement| statement.execute(installation, &[id.into(), keep_events.into()]))?;
    let series = if keep_events { &END_SERIES } else { &DELETE_SERIES };
    series.with(|statement| statement.execute(installation, &[id.into()]))?;
    FORGET.with(|statement| statement.execute(installation, &[id.into()]))?;
    channels::stop_all(installation, connection, false)?;
    queue::changed(installation, &mirrored, Some(connection))
}
