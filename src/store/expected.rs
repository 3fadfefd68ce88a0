//! What is to be in a connection's calendar, as far as is known: what a complete listing of it is compared with.

use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{stamp, uuid};
use super::{Installation, Statement};
use crate::errors::SqlResult;

thread_local! {
    // What a complete listing is to hold: what is not over, or deleted here. Occurrences of series are part of these.
    static IDENTIFIERS: Statement = const { Statement::new(
        "select l.external_id
         from @calendar_event_links l
         left join @calendar_events e on e.event_id = l.event_id
         left join @calendar_series s on s.series_id = l.series_id
         where l.connection_id = $1
           and l.external_id is not null
           and l.sync_status <> 'deleted'
           and case
               when l.series_id is null then
                   e.event_id is null
                   or e.series_id is null
                      and (e.sync_status = 'deleted'
                          or coalesce(e.event_end, e.event_date) > $2
                             and e.event_date >= coalesce($3, e.event_date)
                             and e.event_date < coalesce($4, 'infinity'))
               else
                   s.series_id is null
                   or s.sync_status = 'deleted'
                   or s.ends_at > $2
                      and ($3 is null or exists (
                          select
                          from @calendar_events i
                          where i.series_id = s.series_id
                            and i.event_date >= $3
                            and i.event_date < $4
                            and i.sync_status <> 'deleted'
                      ))
           end",
        &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID],
    ) };
    static UPCOMING: Statement = const { Statement::new(
        "select count(*)
         from @calendar_event_links l
         left join @calendar_events e on e.event_id = l.event_id
         left join @calendar_series s on s.series_id = l.series_id
         where l.connection_id = $1
           and l.external_id is not null
           and l.sync_status <> 'deleted'
           and (
               e.series_id is null and e.sync_status <> 'deleted' and coalesce(e.event_end, e.event_date) > $2
               or s.sync_status <> 'deleted' and s.ends_at > $2
           )",
        &[pg_sys::UUIDOID, pg_sys::TIMESTAMPTZOID],
    ) };
}

/// Hands out the identifiers ([`super::links::key`]) of all that a complete listing of what starts within `window` is to hold.
pub fn identifiers(
    installation: &Installation,
    connection: Uuid,
    window: Option<(DateTime<Utc>, DateTime<Utc>)>,
    now: DateTime<Utc>,
    mut take: impl FnMut(String),
) -> SqlResult<()> {
    let (from, to) = window.unzip();
    let arguments = [uuid(connection).into(), stamp(now).into(), from.map(stamp).into(), to.map(stamp).into()];
    IDENTIFIERS.with(|statement| {
        statement.stream(installation, &arguments, |columns| {
            take(columns.word()?);
            Ok(())
        })
    })
}

/// How many of a connection's items are neither deleted nor over; a series is one.
pub fn count_upcoming(installation: &Installation, connection: Uuid, now: DateTime<Utc>) -> SqlResult<i64> {
    let arguments = [uuid(connection).into(), stamp(now).into()];
    let count =
        UPCOMING.with(|statement| statement.run(installation, &arguments, |rows| rows.first().get_one::<i64>()))?;
    Ok(count.unwrap_or_default())
}
