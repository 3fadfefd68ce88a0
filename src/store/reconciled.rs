//! What a pull of an account's calendar writes beside new items: events by their ids, and what the next pull starts from.

use calendar_sync_core::content::Hash;
use calendar_sync_core::event::{Details, Timing};
use chrono::{DateTime, Utc};
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{stamp, uuid, within_scratch};
use super::kind::{Kind, columns};
use super::{Installation, Statement, details};
use crate::errors::SqlResult;

/// An event as it is to be from now on.
pub struct Row<'a> {
    pub event_id: Uuid,
    pub timing: &'a Timing,
    pub details: &'a Details,
    pub hash: Hash,
}

columns! {
    row: Row<'a>;
    "event_id" => uuid(row.event_id),
    "event_date" => stamp(row.timing.start),
    "event_end" => row.timing.end.map(stamp),
    "all_day" => row.timing.all_day,
    "time_zone" => row.timing.time_zone.as_deref(),
    "floating" => row.timing.floating,
    "content_hash" => row.hash.as_slice(),
}

const KIND: Kind = Kind {
    table: "calendar_events",
    id: "event_id",
    columns: COLUMNS,
    keys: &["event_id"],
    rows: "true",
    known: "",
    conflict: "",
};

thread_local! {
    static WRITE: Statement = const { Statement::of_kind(write_text, &KIND) };
    static WRITE_OF_INTERACTION: Statement = const { Statement::of_kind(write_of_interaction_text, &KIND) };
    static REMEMBER: Statement = const { Statement::new(
        "update @calendar_connections
         set cursor = $2,
             time_zone = coalesce(time_zone, $3)
         where connection_id = $1
           and (cursor, time_zone) is distinct from ($2, coalesce(time_zone, $3))",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static WAS_INTERACTION: Statement = const { Statement::new(
        "select exists (
             select
             from @calendar_sync_log
             where event_id = $1
               and action = 'delete'
               and interaction_id is not null
         )",
        &[pg_sys::UUIDOID],
    ) };
}

/// The columns of an interaction's event that are not the CRM's.
const NOT_OF_CRM: [&str; 8] =
    ["show_as", "sensitivity", "organizer", "attendees", "importance", "categories", "conversation_id", "last_updated"];

fn write_text(kind: &Kind) -> String {
    update_text(kind, ", sync_status = 'synced'", |column| column != kind.id)
}

fn write_of_interaction_text(kind: &Kind) -> String {
    update_text(kind, "", |column| NOT_OF_CRM.contains(&column))
}

fn update_text(kind: &Kind, also: &str, is_written: impl Fn(&str) -> bool) -> String {
    let columns = || kind.columns.iter().chain(details::COLUMNS);
    let names: Vec<&str> = columns().map(|column| column.name).collect();
    let arrays: Vec<String> = (0..names.len()).map(|place| format!("${}", place + 2)).collect();
    let changes: Vec<String> = columns()
        .filter(|column| is_written(column.name))
        .map(|column| {
            let own = || format!("r.{}", column.name);
            format!("{} = {}", column.name, column.value.map_or_else(own, str::to_owned))
        })
        .collect();
    format!(
        "update @calendar_events t
         set {}{also}, last_synced_at = $1, changed_at = $1, updated_at = $1
         from unnest({}) as r ({})
         where t.event_id = r.event_id",
        changes.join(", "),
        arrays.join(", "),
        names.join(", "),
    )
}

/// Writes events that are there, whatever their origin; what was deleted is there again. `of_interactions`: only what is
/// not the CRM's.
pub fn write(installation: &Installation, rows: &[Row], of_interactions: bool, now: DateTime<Utc>) -> SqlResult<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = if of_interactions { &WRITE_OF_INTERACTION } else { &WRITE };
    let all: Vec<&Details> = rows.iter().map(|row| row.details).collect();
    within_scratch(|| {
        let mut given = vec![stamp(now).into()];
        given.extend(arguments(rows));
        given.extend(details::arguments(&all));
        statement.with(|statement| statement.execute(installation, &given))
    })
}

/// Keeps what the next pull starts from.
pub fn remember(
    installation: &Installation,
    connection: Uuid,
    cursor: Option<&str>,
    time_zone: Option<&str>,
) -> SqlResult<()> {
    let given = [uuid(connection).into(), cursor.into(), time_zone.into()];
    REMEMBER.with(|statement| statement.execute(installation, &given))?;
    Ok(())
}

/// Whether an event that is here no more was an interaction's.
pub fn was_of_interaction(installation: &Installation, event: Uuid) -> SqlResult<bool> {
    let found = WAS_INTERACTION
        .with(|statement| statement.run(installation, &[uuid(event).into()], |rows| rows.first().get_one::<bool>()))?;
    Ok(found == Some(true))
}
