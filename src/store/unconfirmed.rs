//! What a session sends in a transaction that may come to nothing: calendar_unconfirmed_pushes.
//!
//! A note is committed by somebody else ([`keep`]) before its operation is sent, and deleted by the session itself, in the
//! transaction that sends it ([`forget`]). So it is there exactly where that transaction, or the savepoint in which that was
//! done, came to nothing, also with its process or the server; while that is open the note is locked.

use std::sync::OnceLock;

use calendar_sync_core::event::Body;
use pgrx::{JsonB, pg_sys};
use serde_json::{Value, json};
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::links::ItemId;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// An operation that is about to be sent, or was.
#[derive(Debug)]
pub struct Note {
    pub note_id: Uuid,
    pub item: ItemId,
    pub operation: Operation,
    /// Of its link.
    pub revision: i32,
    /// Of an update: what is here, as both sides had agreed on it.
    pub before: Option<Body>,
    /// The item, unless it is deleted.
    pub sent: Option<Body>,
    /// No more is sent than when it takes place.
    pub only_busy: bool,
}

/// What was to be done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    /// Of what was deleted there.
    Return,
    Delete,
}

impl Operation {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Return => "return",
            Self::Delete => "delete",
        }
    }

    fn named(word: &str) -> Self {
        [Self::Create, Self::Update, Self::Return].into_iter().find(|one| one.word() == word).unwrap_or(Self::Delete)
    }
}

impl Note {
    /// Its row, for [`keep`].
    pub fn row(&self, connection: Uuid) -> Value {
        json!({
            "note_id": self.note_id.to_string(),
            "connection_id": connection.to_string(),
            "event_id": self.item.event().map(|id| id.to_string()),
            "series_id": self.item.series().map(|id| id.to_string()),
            "operation": self.operation.word(),
            "revision": self.revision,
            "before": self.before,
            "sent": self.sent,
            "only_busy": self.only_busy,
        })
    }
}

static WAKE: OnceLock<fn()> = OnceLock::new();

/// What is called in a transaction that has noted something: it is to be looked at once that is over.
pub fn when_noted(wake: fn()) {
    WAKE.get_or_init(|| wake);
}

thread_local! {
    // All or none: what could not be undone is not noted, since nobody else knows its calendar, or the item there.
    static KEEP: Statement = const { Statement::new(
        "with given as materialized (
             select g.*,
                 exists (
                     select
                     from @calendar_connections c
                     where c.connection_id = g.connection_id
                 )
                 and (
                     g.operation = 'create'
                     or exists (
                         select
                         from @calendar_event_links l
                         where l.connection_id = g.connection_id
                           and (l.event_id = g.event_id or l.series_id = g.series_id)
                     )
                     or exists (
                         select
                         from @calendar_unconfirmed_pushes n
                         where n.connection_id = g.connection_id
                           and (n.event_id = g.event_id or n.series_id = g.series_id)
                     )
                 ) as can_be_undone
             from jsonb_populate_recordset(null::@calendar_unconfirmed_pushes, $1) g
         )
         insert into @calendar_unconfirmed_pushes
             (note_id, connection_id, event_id, series_id, operation, revision, before, sent, only_busy)
         select note_id, connection_id, event_id, series_id, operation, revision, before, sent, only_busy
         from given
         where (select bool_and(can_be_undone) from given)
         returning 1",
        &[pg_sys::JSONBOID],
    ) };
    static FORGET: Statement = const { Statement::new(
        "delete from @calendar_unconfirmed_pushes where note_id = any ($1) returning note_id",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static ARE_THERE: Statement = const { Statement::new(
        "select distinct connection_id from @calendar_unconfirmed_pushes where connection_id = any ($1)",
        &[pg_sys::UUIDARRAYOID],
    ) };
    static TAKE: Statement = const { Statement::new(
        "with taken as (
             delete from @calendar_unconfirmed_pushes
             where note_id = any (array(
                 select note_id
                 from @calendar_unconfirmed_pushes
                 where connection_id = $1
                 for update skip locked
             ))
             returning *
         )
         select note_id, event_id, series_id, operation, revision, before::text, sent::text, only_busy
         from taken
         order by note_id",
        &[pg_sys::UUIDOID],
    ) };
}

/// Writes notes ([`Note::row`]), or none of them where one could not be undone. Whether they are written.
pub fn keep(installation: &Installation, rows: Vec<Value>) -> SqlResult<bool> {
    let count = rows.len() as u64;
    let kept = KEEP.with(|statement| statement.execute(installation, &[JsonB(Value::Array(rows)).into()]))?;
    Ok(kept == count)
}

/// Deletes notes that somebody else has committed just now. Whether they were there.
pub fn forget(installation: &Installation, notes: &[Note]) -> SqlResult<bool> {
    if let Some(wake) = WAKE.get() {
        wake();
    }
    let forgotten = within_scratch(|| {
        let arguments = [column(notes, |note| uuid(note.note_id))];
        FORGET.with(|statement| statement.change_now(installation, &arguments, |_| Ok(())))
    })?;
    Ok(forgotten.len() == notes.len())
}

/// Those of the connections of which there are notes, maybe of transactions that are open.
pub fn connections(installation: &Installation, among: &[Uuid]) -> SqlResult<Vec<Uuid>> {
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let found = within_scratch(|| {
        let arguments = [column(among, |id| uuid(*id))];
        ARE_THERE.with(|statement| statement.rows_now(installation, &arguments, Columns::uuid))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Takes the notes of a connection that the caller has to itself, in the order in which they were made.
pub fn take(installation: &Installation, connection: Uuid) -> SqlResult<Vec<Note>> {
    TAKE.with(|statement| {
        statement.change_now(installation, &[uuid(connection).into()], |columns| {
            Ok(Note {
                note_id: columns.uuid()?.unwrap_or_default(),
                item: ItemId::read(columns)?,
                operation: Operation::named(&columns.word()?),
                revision: columns.int()?.unwrap_or_default(),
                before: columns.json()?,
                sent: columns.json()?,
                only_busy: columns.flag()?,
            })
        })
    })
}
