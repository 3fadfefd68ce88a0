//! calendar_feeds: calendars that are published under a secret token.

use pgrx::pg_sys;
use serde_json::Value;
use uuid::Uuid;

use super::datum::uuid;
use super::rows::Columns;
use super::{Installation, Statement};
use crate::errors::SqlResult;

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// A feed to be made.
pub struct NewFeed<'a> {
    pub user_id: &'a str,
    pub name: &'a str,
    pub token_hash: TokenHash,
    /// Everything, or times alone.
    pub details: bool,
    pub filter: &'a Value,
}

/// A feed that somebody has opened.
pub struct Feed {
    pub feed_id: Uuid,
    pub user_id: String,
    pub name: String,
    pub details: bool,
    pub filter: Value,
    /// Days before today at which it begins.
    pub days_back: i32,
    /// Days after today at which it ends.
    pub days_ahead: i32,
    /// It was last noted as read an hour ago or longer.
    pub is_to_be_noted: bool,
}

thread_local! {
    static ADD: Statement = const { Statement::new(
        "insert into @calendar_feeds (feed_id, user_id, name, token_hash, visibility, filter)
         values ($1, $2, $3, $4, case when $5 then 'details' else 'busy' end, $6::jsonb)
         on conflict (user_id, name) do nothing",
        &[
            pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::BYTEAOID, pg_sys::BOOLOID, pg_sys::TEXTOID,
        ],
    ) };
    static OWNER: Statement = const { Statement::new(
        "select user_id from @calendar_feeds where feed_id = $1",
        &[pg_sys::UUIDOID],
    ) };
    static BY_NAME: Statement = const { Statement::new(
        "select feed_id from @calendar_feeds where user_id = $1 and name = $2",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID],
    ) };
    static OPEN: Statement = const { Statement::new(
        "select feed_id, user_id, name, visibility = 'details', filter::text, days_back, days_ahead,
             coalesce(last_read_at <= now() - interval '1 hour', true)
         from @calendar_feeds
         where token_hash = $1
           and enabled",
        &[pg_sys::BYTEAOID],
    ) };
    static ROTATE: Statement = const { Statement::new(
        "update @calendar_feeds
         set token_hash = $2, enabled = true, updated_at = now()
         where feed_id = $1",
        &[pg_sys::UUIDOID, pg_sys::BYTEAOID],
    ) };
    static DISABLE: Statement = const { Statement::new(
        "update @calendar_feeds
         set enabled = false, updated_at = now()
         where feed_id = $1
           and enabled",
        &[pg_sys::UUIDOID],
    ) };
    // Whoever reads it at the same moment notes it as well: nobody waits for that.
    static NOTE_READING: Statement = const { Statement::new(
        "update @calendar_feeds
         set last_read_at = now()
         where feed_id = (
             select feed_id
             from @calendar_feeds
             where feed_id = $1
               and (last_read_at is null or last_read_at <= now() - interval '1 hour')
             for no key update skip locked
         )",
        &[pg_sys::UUIDOID],
    ) };
}

/// Makes a feed; `None` where the user has one of that name.
pub fn add(installation: &Installation, feed: &NewFeed) -> SqlResult<Option<Uuid>> {
    let feed_id = super::new_id();
    let filter = feed.filter.to_string();
    let arguments = [
        uuid(feed_id).into(),
        feed.user_id.into(),
        feed.name.into(),
        feed.token_hash.as_slice().into(),
        feed.details.into(),
        filter.into(),
    ];
    let added = ADD.with(|add| add.execute(installation, &arguments))?;
    Ok((added > 0).then_some(feed_id))
}

/// Whose feed it is; `None` where there is none.
pub fn owner(installation: &Installation, feed_id: Uuid) -> SqlResult<Option<String>> {
    OWNER.with(|owner| owner.first(installation, &[uuid(feed_id).into()], Columns::word))
}

/// The user's feed of that name.
pub fn by_name(installation: &Installation, user_id: &str, name: &str) -> SqlResult<Option<Uuid>> {
    let found = BY_NAME.with(|by_name| by_name.first(installation, &[user_id.into(), name.into()], Columns::uuid))?;
    Ok(found.flatten())
}

/// The feed whose token has that hash, unless it is switched off.
pub fn open(installation: &Installation, token_hash: TokenHash) -> SqlResult<Option<Feed>> {
    OPEN.with(|open| {
        open.first(installation, &[token_hash.as_slice().into()], |columns| {
            Ok(Feed {
                feed_id: columns.uuid()?.unwrap_or_default(),
                user_id: columns.word()?,
                name: columns.word()?,
                details: columns.flag()?,
                filter: columns.json()?,
                days_back: columns.int()?.unwrap_or_default(),
                days_ahead: columns.int()?.unwrap_or_default(),
                is_to_be_noted: columns.flag()?,
            })
        })
    })
}

/// Another token from now on; a feed that was switched off is on again.
pub fn rotate(installation: &Installation, feed_id: Uuid, token_hash: TokenHash) -> SqlResult<()> {
    ROTATE.with(|rotate| rotate.execute(installation, &[uuid(feed_id).into(), token_hash.as_slice().into()]))?;
    Ok(())
}

/// Switches a feed off.
pub fn disable(installation: &Installation, feed_id: Uuid) -> SqlResult<()> {
    DISABLE.with(|disable| disable.execute(installation, &[uuid(feed_id).into()]))?;
    Ok(())
}

/// Notes that a feed was read, at most once an hour.
pub fn note_reading(installation: &Installation, feed_id: Uuid) -> SqlResult<()> {
    NOTE_READING.with(|note| note.execute(installation, &[uuid(feed_id).into()]))?;
    Ok(())
}
