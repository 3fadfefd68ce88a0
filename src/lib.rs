//! calendar_sync: a PostgreSQL extension that makes a CRM's own database its calendar hub.
//!
//! Floors, from the top: `api` and `worker`; `sync` and `interaction`; `providers` and `store`; `http`, `secrets` and
//! `trigger_call`; `calendar_sync_core`, `settings`, `errors` and `zones`. A file imports only from floors below its own.

use pgrx::prelude::*;

mod api;
mod errors;
mod http;
mod interaction;
mod providers;
mod secrets;
mod settings;
mod store;
mod sync;
mod trigger_call;
mod worker;
mod zones;

::pgrx::pg_module_magic!(name, version);

// The script of the extension, one subject a file. What pgrx declares from Rust stands between them where it is needed.
extension_sql_file!("../sql/010_types.sql", name = "types", bootstrap);
extension_sql_file!("../sql/020_events.sql", name = "events", requires = ["types"]);
extension_sql_file!("../sql/030_series.sql", name = "series", requires = ["types"]);
extension_sql_file!("../sql/040_bookkeeping.sql", name = "bookkeeping", requires = ["types"]);
extension_sql_file!("../sql/050_connections.sql", name = "connections", requires = ["types"]);
extension_sql_file!("../sql/051_accounts.sql", name = "accounts", requires = ["types"]);
extension_sql_file!("../sql/052_links.sql", name = "links", requires = ["types"]);
extension_sql_file!("../sql/053_webhooks.sql", name = "webhooks", requires = ["types", "bookkeeping"]);
extension_sql_file!("../sql/054_unconfirmed.sql", name = "unconfirmed", requires = ["types"]);
extension_sql_file!("../sql/055_feeds.sql", name = "feeds", requires = ["types"]);
extension_sql_file!("../sql/060_interactions.sql", name = "interaction_triggers", requires = ["events", "bookkeeping"]);
extension_sql_file!(
    "../sql/061_interactions_api.sql",
    name = "interactions_api",
    requires =
        ["interaction_triggers", api::interactions::calendar_retry_failures, api::interactions::calendar_unsynced]
);
extension_sql_file!(
    "../sql/062_event_changes.sql",
    name = "event_changes",
    requires = ["events", "bookkeeping", "connections"]
);
extension_sql_file!(
    "../sql/063_connection_views.sql",
    name = "connection_views",
    requires = ["events", "series", "bookkeeping", "connections", "accounts", api::connections::calendar_worker_states]
);
extension_sql_file!(
    "../sql/064_metrics.sql",
    name = "metrics",
    requires = [
        "connection_views",
        "links",
        "webhooks",
        "feeds",
        api::metrics::calendar_worker_counters,
        api::keys::calendar_key_usable
    ]
);
extension_sql_file!("../sql/066_outlook_views.sql", name = "outlook_views", requires = ["events", "connections"]);
extension_sql_file!(
    "../sql/067_conflict_views.sql",
    name = "conflict_views",
    requires = ["events", "series", "connections", "links"]
);
extension_sql_file!("../sql/068_webhook_views.sql", name = "webhook_views", requires = ["webhooks"]);
extension_sql_file!("../sql/065_queue_views.sql", name = "queue_views", requires = ["connections", "links"]);
extension_sql_file!("../sql/069_account_views.sql", name = "account_views", requires = ["accounts", "connections"]);
extension_sql_file!(
    "../sql/070_events.sql",
    name = "events_api",
    requires = [
        api::events::calendar_upsert_event,
        api::events::calendar_upsert_events,
        api::events::calendar_delete_event,
        api::events::calendar_agenda,
        api::busy::calendar_busy_ranges,
        api::busy::calendar_free_slots,
        api::busy::calendar_overlaps
    ]
);
extension_sql_file!(
    "../sql/071_ics.sql",
    name = "ics",
    requires = [api::ics::calendar_ics_export, api::ics::calendar_ics_import]
);
extension_sql_file!("../sql/072_recurrence.sql", name = "recurrence", requires = ["types"]);
extension_sql_file!(
    "../sql/073_connection_functions.sql",
    name = "connection_functions",
    requires = [
        api::connections::calendar_subscribe,
        api::connections::calendar_unsubscribe,
        api::connections::calendar_pause,
        api::connections::calendar_continue,
        api::connections::calendar_sync_now,
        api::connections::calendar_sync_request,
        api::connections::calendar_sync_status,
        api::connections::calendar_resume,
        api::connections::calendar_worker_states,
        api::keys::calendar_rotate_key,
    ]
);
extension_sql_file!(
    "../sql/074_feed_functions.sql",
    name = "feed_functions",
    requires = [
        api::feeds::calendar_feed_create,
        api::feeds::calendar_feed,
        api::feeds::calendar_feed_rotate,
        api::feeds::calendar_feed_disable,
    ]
);
extension_sql_file!(
    "../sql/075_upkeep_functions.sql",
    name = "upkeep_functions",
    requires = [api::upkeep::calendar_cleanup]
);
extension_sql_file!(
    "../sql/076_account_functions.sql",
    name = "account_functions",
    requires = [
        api::accounts::calendar_oauth_register,
        api::accounts::calendar_oauth_begin,
        api::accounts::calendar_oauth_finish,
        api::accounts::calendar_account_add,
        api::accounts::calendar_account_remove,
        api::accounts::calendar_account_calendars,
        api::accounts::calendar_connect,
    ]
);
extension_sql_file!(
    "../sql/077_queue_functions.sql",
    name = "queue_functions",
    requires = [api::queue::calendar_queue_process, api::queue::calendar_queue_retry]
);
extension_sql_file!(
    "../sql/078_conflict_functions.sql",
    name = "conflict_functions",
    requires = [api::conflicts::calendar_conflict_resolve]
);
extension_sql_file!(
    "../sql/079_webhook_functions.sql",
    name = "webhook_functions",
    requires = [
        api::webhooks::calendar_webhook_register,
        api::webhooks::calendar_webhook_stop,
        api::webhooks::calendar_webhook_receive,
        api::webhooks::calendar_webhook_token,
    ]
);
extension_sql_file!(
    "../sql/080_access.sql",
    name = "access",
    requires = ["events", "series", api::access::calendar_grants_policies]
);
extension_sql_file!(
    "../sql/900_dump.sql",
    name = "dump",
    requires = ["events", "series", "bookkeeping", "connections", "accounts", "links", "webhooks", "feeds", "access"]
);
extension_sql_file!(
    "../sql/980_auto_attach.sql",
    name = "auto_attach",
    requires = ["interactions_api", "event_changes", "dump"]
);
extension_sql_file!("../sql/990_finish.sql", name = "finish", finalize);

#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::register();
    worker::register();
}

/// What pgrx' test framework asks for: how the server of the #[pg_test]s is set up.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec!["shared_preload_libraries = 'calendar_sync'", "calendar_sync.worker = off", "timezone = 'UTC'"]
    }
}
