//! What each level of calendar_grant is given.

use Level::{Admin, Reader, User, Web};

/// What a role may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Sees how things stand: the views.
    Reader,
    /// Acts for one user.
    User,
    /// Hands out what is published to whoever knows a token, and takes providers' calls.
    Web,
    /// Acts for everybody. Sees no secret, grants nothing.
    Admin,
}

impl Level {
    /// The level of that name, as calendar_grant takes it.
    pub fn named(name: &str) -> Option<Self> {
        [Reader, User, Web, Admin].into_iter().find(|level| level.name() == name)
    }

    /// As calendar_grant takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Reader => "reader",
            User => "user",
            Web => "web",
            Admin => "admin",
        }
    }

    /// The functions that it may call. Many check besides whose calendar they are asked for ([`super::caller`]).
    pub fn functions(self) -> Vec<&'static str> {
        FUNCTIONS.iter().filter(|(_, levels)| levels.contains(&self)).map(|(name, _)| *name).collect()
    }

    /// Whether the views on how things stand are among what it gives.
    pub const fn has_views(self) -> bool {
        matches!(self, Reader | Admin)
    }

    /// Its privileges on tables: (privileges, table). Never a column with a secret, be it encrypted or a hash.
    pub const fn tables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Reader | Web => &[],
            User => CALENDAR,
            Admin => EVERYTHING,
        }
    }
}

const CALENDAR: &[(&str, &str)] =
    &[("select, insert, update, delete", "calendar_events"), ("select", "calendar_series")];

const EVERYTHING: &[(&str, &str)] = &[
    CALENDAR[0],
    CALENDAR[1],
    ("select", "calendar_tracked_tables"),
    ("select", "calendar_sync_log"),
    ("select", "calendar_sync_failures"),
    (
        "select (feed_id, user_id, name, visibility, filter, days_back, days_ahead, enabled, last_read_at, created_at, \
         updated_at)",
        "calendar_feeds",
    ),
];

const VIEWERS: &[Level] = &[Reader, Admin];
const ACTORS: &[Level] = &[User, Admin];
const ADMINS: &[Level] = &[Admin];
const OUTSIDE: &[Level] = &[Web, Admin];
/// A superuser and the extension's owner.
const OWNER: &[Level] = &[];

/// Every function of the extension, and who may call it.
pub const FUNCTIONS: &[(&str, &[Level])] = &[
    // Interactions. attach, detach and backfill are for the owner of the interaction table alone, whoever may call them.
    ("calendar_attach", ADMINS),
    ("calendar_detach", ADMINS),
    ("calendar_backfill", ADMINS),
    ("calendar_retry_failures", ADMINS),
    ("calendar_unsynced", VIEWERS),
    ("calendar_interaction_open", OWNER),
    ("calendar_interaction_collect", OWNER),
    ("calendar_interaction_flush", OWNER),
    ("calendar_interaction_truncate", OWNER),
    ("calendar_interaction_stamp", OWNER),
    ("calendar_interaction_ddl", OWNER),
    ("calendar_event_stamp", OWNER),
    ("calendar_event_changed", OWNER),
    ("calendar_events_changed", OWNER),
    ("calendar_events_truncate", OWNER),
    ("calendar_senders_changed", OWNER),
    // Events.
    ("calendar_uuid_v7", ACTORS),
    ("calendar_keeps_origin", ACTORS),
    ("calendar_upsert_event", ACTORS),
    ("calendar_upsert_events", ACTORS),
    ("calendar_delete_event", ACTORS),
    ("calendar_agenda", ACTORS),
    ("calendar_busy_ranges", ACTORS),
    ("calendar_free_busy", ACTORS),
    ("calendar_free_slots", ACTORS),
    ("calendar_overlaps", ACTORS),
    // Recurrence: rules alone, nobody's data.
    ("calendar_rrule_occurrences", ACTORS),
    ("calendar_rrule_occurrences_each", ACTORS),
    ("calendar_rrule_dates", ACTORS),
    ("calendar_rrule_dates_each", ACTORS),
    ("calendar_rrule_next", ACTORS),
    ("calendar_rrule_is_valid", ACTORS),
    ("calendar_rrule_text", ACTORS),
    // Calendar files and published feeds.
    ("calendar_ics_export", ACTORS),
    ("calendar_ics_import", ACTORS),
    ("calendar_feed_create", ACTORS),
    ("calendar_feed_rotate", ACTORS),
    ("calendar_feed_disable", ACTORS),
    ("calendar_feed", OUTSIDE),
    // Outside calendars.
    ("calendar_subscribe", ACTORS),
    ("calendar_unsubscribe", ACTORS),
    ("calendar_pause", ACTORS),
    ("calendar_continue", ACTORS),
    ("calendar_sync_now", ACTORS),
    ("calendar_sync_request", ACTORS),
    ("calendar_sync_status", ACTORS),
    // Accounts.
    ("calendar_oauth_register", OWNER),
    ("calendar_oauth_begin", ACTORS),
    ("calendar_oauth_finish", ACTORS),
    ("calendar_account_add", ACTORS),
    ("calendar_account_remove", ACTORS),
    ("calendar_account_calendars", ACTORS),
    ("calendar_connect", ACTORS),
    // Conflicts.
    ("calendar_conflict_resolve", ACTORS),
    // Webhooks.
    ("calendar_webhook_register", ACTORS),
    ("calendar_webhook_stop", ACTORS),
    ("calendar_webhook_token", ACTORS),
    ("calendar_webhook_receive", OUTSIDE),
    ("calendar_queue_process", ACTORS),
    ("calendar_queue_retry", ACTORS),
    // Upkeep.
    ("calendar_worker_states", VIEWERS),
    ("calendar_key_usable", VIEWERS),
    ("calendar_worker_counters", VIEWERS),
    ("calendar_cleanup", OWNER),
    ("calendar_resume", OWNER),
    ("calendar_rotate_key", OWNER),
    ("calendar_grant", OWNER),
    ("calendar_grants_policies", OWNER),
];

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::FUNCTIONS;

    #[pg_test]
    fn it_is_decided_of_every_function_who_may_call_it() {
        let members = Spi::get_one::<Vec<String>>(
            "select array_agg(distinct p.proname::text order by p.proname::text)
             from pg_depend d join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass
             where d.deptype = 'e' and p.pronamespace <> 'tests'::regnamespace
               and d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')",
        );
        let mut decided: Vec<String> = FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
        decided.sort();
        assert_eq!(members, Ok(Some(decided)), "src/api/levels.rs says for each function once who may call it");
    }
}
