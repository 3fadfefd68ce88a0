//! Instances of series that were deleted, or given another status, one by one in `calendar_events`.

use calendar_sync_core::event::Event;
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::details::{self, selected};
use super::{Installation, Statement, events};
use crate::errors::SqlResult;

/// An instance that is not as its series says.
pub struct Deviation {
    pub series_id: Uuid,
    pub recurrence_id: DateTime<Utc>,
    /// `None`: deleted.
    pub event: Option<Event>,
}

thread_local! {
    static OF_SERIES: Statement = const { Statement::new(
        concat!(
            "select series_id, recurrence_id, sync_status = 'deleted', event_date, event_end, all_day, time_zone,
                floating, ",
            selected!(),
            " from (
                select e.*
                from @calendar_series s
                join @calendar_events e on e.series_id = s.series_id
                where s.series_id = any ($1)
                  and e.recurrence_id is not null
                  and (e.sync_status = 'deleted' or e.event_status <> s.event_status)
            ) e
            order by series_id, recurrence_id"
        ),
        &[pg_sys::UUIDARRAYOID],
    ) };
}

/// Those of some series, by series and occurrence.
pub fn of_series(installation: &Installation, series: &[Uuid]) -> SqlResult<Vec<Deviation>> {
    if series.is_empty() {
        return Ok(Vec::new());
    }
    within_scratch(|| {
        OF_SERIES.with(|statement| {
            statement.rows(installation, &[column(series, |id| uuid(*id))], |columns| {
                let series_id = columns.uuid()?.unwrap_or_default();
                let recurrence_id = columns.instant()?.unwrap_or_default();
                let deleted = columns.flag()?;
                let event = Event { timing: events::read_timing(columns)?, details: details::read(columns)? };
                Ok(Deviation { series_id, recurrence_id, event: (!deleted).then_some(event) })
            })
        })
    })
}
