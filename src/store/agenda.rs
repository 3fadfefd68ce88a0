//! Events by time, whatever their origin.

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::pg_sys;
use pgrx::spi::SpiResult;
use uuid::Uuid;

use super::datum::{column, stamp, uuid, within_scratch};
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// One meeting in an agenda.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `None` for an instance that is not stored.
    pub event_id: Option<Uuid>,
    pub title: String,
    /// An all-day event from outside starts at midnight of its date in the agenda's zone.
    pub starts_at: DateTime<Utc>,
    pub ends_at: Option<DateTime<Utc>>,
    pub all_day: bool,
    pub location: Option<String>,
    pub event_status: String,
    /// Whether it takes its time away: neither cancelled nor shown as free.
    pub busy: bool,
    pub series_id: Option<Uuid>,
    pub recurrence_id: Option<DateTime<Utc>>,
    pub external_source: Option<String>,
    pub connection_id: Option<Uuid>,
    /// Its connection takes changes.
    pub writable: bool,
    pub ical_uid: Option<String>,
}

/// An all-day event may lie this much elsewhere than its instants say: at the date's place in another zone.
pub const SLACK: TimeDelta = TimeDelta::days(2);

thread_local! {
    // Two index scans: what starts in the window or up to a day before, and the few long events that reach into it.
    // No join with the connections: where nothing is known of the tables, the planner may read all of these for it.
    // A date is placed in the agenda's zone; an interaction without a duration takes its day in its own zone.
    static OVERLAPPING: Statement = const { Statement::new(
        "select e.event_id, e.title, e.starts_at, e.ends_at, e.all_day, e.location, e.event_status,
            e.show_as <> 'free' and e.event_status <> 'cancelled', e.series_id,
            e.recurrence_id, e.external_source, e.connection_id, coalesce(e.connection_id = any ($7), false), e.ical_uid
         from (
             select f.*,
                 case
                     when not f.all_day or f.time_zone is not null then f.event_date
                     else (f.event_date at time zone 'UTC') at time zone $6
                 end as starts_at,
                 case
                     when not f.all_day or f.time_zone is not null then f.event_end
                     else (coalesce(f.event_end, f.event_date + interval '1 day') at time zone 'UTC') at time zone $6
                 end as ends_at
             from (
                 select * from @calendar_events
                 where user_id = $1
                   and event_date >= $4
                   and event_date < $5
                   and sync_status <> 'deleted'
                 union all
                 select * from @calendar_events
                 where user_id = $1
                   and event_end > $4
                   and event_end - event_date > interval '24 hours'
                   and event_date < $4
                   and sync_status <> 'deleted'
             ) f
         ) e
         where case
             when e.all_day and e.time_zone is not null then
                 tstzrange(
                     date_trunc('day', e.event_date, e.time_zone),
                     (date_trunc('day', e.event_date at time zone e.time_zone) + interval '1 day')
                         at time zone e.time_zone
                 ) && tstzrange($2, $3)
             when e.ends_at > e.starts_at then e.starts_at < $3 and e.ends_at > $2
             else e.starts_at >= $2 and e.starts_at < $3
         end",
        &[
            pg_sys::TEXTOID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TIMESTAMPTZOID,
            pg_sys::TEXTOID,
            pg_sys::UUIDARRAYOID,
        ],
    ) };
    static WRITABLE: Statement = const { Statement::new(
        "select connection_id from @calendar_connections where user_id = $1 and direction <> 'pull'",
        &[pg_sys::TEXTOID],
    ) };
}

/// The user's stored events that overlap the window, in no order. Deleted ones are not among them.
///
/// `writable`: the connections that take changes.
pub fn overlapping(
    installation: &Installation,
    user_id: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    zone: &str,
    writable: &[Uuid],
) -> SqlResult<Vec<Entry>> {
    within_scratch(|| {
        let long_before = from.checked_sub_signed(SLACK).unwrap_or(from);
        let long_after = to.checked_add_signed(SLACK).unwrap_or(to);
        let arguments = [
            user_id.into(),
            stamp(from).into(),
            stamp(to).into(),
            stamp(long_before).into(),
            stamp(long_after).into(),
            zone.into(),
            column(writable, |id| uuid(*id)),
        ];
        OVERLAPPING.with(|statement| statement.rows(installation, &arguments, read))
    })
}

fn read(columns: &mut Columns) -> SpiResult<Entry> {
    Ok(Entry {
        event_id: columns.uuid()?,
        title: columns.word()?,
        starts_at: columns.instant()?.unwrap_or_default(),
        ends_at: columns.instant()?,
        all_day: columns.flag()?,
        location: columns.text()?,
        event_status: columns.word()?,
        busy: columns.flag()?,
        series_id: columns.uuid()?,
        recurrence_id: columns.instant()?,
        external_source: columns.text()?,
        connection_id: columns.uuid()?,
        writable: columns.flag()?,
        ical_uid: columns.text()?,
    })
}

/// The user's connections that take changes.
pub fn writable_connections(installation: &Installation, user_id: &str) -> SqlResult<Vec<Uuid>> {
    let found = WRITABLE.with(|statement| statement.rows(installation, &[user_id.into()], Columns::uuid))?;
    Ok(found.into_iter().flatten().collect())
}
