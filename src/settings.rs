//! The settings `calendar_sync.*`.
//!
//! All but `user_id` can be set by a superuser, also for one database or role (`ALTER DATABASE`), so that sessions and
//! the worker see the same; those of the server process alone come from its configuration file (SIGHUP).

use std::ffi::{CStr, CString};
use std::ops::RangeInclusive;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

const HOUR: i32 = 3_600;
const DAY: i32 = 24 * HOUR;

type Text = GucSetting<Option<CString>>;

/// Whose calendar rows the caller may see and change.
pub static USER_ID: Text = Text::new(None);
/// File with the keys that secrets are encrypted with: 32 bytes in base64, one key a line, newest first.
pub static ENCRYPTION_KEY_FILE: Text = Text::new(None);
/// Pulls due calendars, and sends what is queued, in the background.
pub static WORKER: GucSetting<bool> = GucSetting::<bool>::new(true);
/// Databases that get a worker: * or a comma-separated list.
pub static WORKER_DATABASES: Text = Text::new(Some(c"*"));
/// Network requests under way at once in each database's worker; slow ones count for a tenth of a second.
pub static WORKER_THREADS: GucSetting<i32> = GucSetting::<i32>::new(8);
/// Time between two polls of a calendar that has no interval of its own, nor its provider, in seconds.
pub static POLL_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(600);
/// How far polls are spread around their interval, in percent.
pub static JITTER: GucSetting<i32> = GucSetting::<i32>::new(10);
/// Longest time for one request, from name resolution to the last byte, in milliseconds.
pub static HTTP_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30000);
/// Largest answer taken, counted after decompression, in kilobytes.
pub static HTTP_MAX_BYTES: GucSetting<i32> = GucSetting::<i32>::new(65536);
/// Allows calendars on loopback, private and link-local addresses, and providers over http.
pub static HTTP_ALLOW_PRIVATE: GucSetting<bool> = GucSetting::<bool>::new(false);
/// Hosts that may be asked, providers over http, too; comma-separated; a leading dot takes all below; none: all.
pub static HTTP_ALLOW_HOSTS: Text = Text::new(None);
/// Hosts and addresses that must not be asked, comma-separated; a leading dot takes all below.
pub static HTTP_DENY_HOSTS: Text = Text::new(None);
/// User-Agent of requests; none: calendar_sync/<version>.
pub static HTTP_USER_AGENT: Text = Text::new(None);
/// File with the certificates (PEM) to trust instead of the platform's.
pub static HTTP_CA_FILE: Text = Text::new(None);
/// Proxy for requests; none: no proxy, whatever the environment says. May hold a password: a superuser alone sees it.
pub static HTTP_PROXY: Text = Text::new(None);
/// How far back instances of a series are stored when it is first seen, in seconds.
pub static EXPAND_BACK: GucSetting<i32> = GucSetting::<i32>::new(30 * DAY);
/// How far ahead instances of a series are stored, in seconds.
pub static EXPAND_AHEAD: GucSetting<i32> = GucSetting::<i32>::new(365 * DAY);
/// How old an interaction may be and still get an event, and an event and still be sent for the first time, in seconds.
pub static SYNC_WINDOW: GucSetting<i32> = GucSetting::<i32>::new(30 * DAY);
/// Zone of dates and of times without a zone, where nothing else says it.
pub static TIME_ZONE: Text = Text::new(Some(c"UTC"));
/// How often a failed interaction is tried again by itself.
pub static MAX_RETRIES: GucSetting<i32> = GucSetting::<i32>::new(3);
/// Calls of calendar_sync_now in a minute for one user.
pub static MANUAL_SYNC_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(10);
/// How long the log, and what was deleted, is kept, in seconds.
pub static LOG_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(90 * DAY);
/// How long finished operations of the queue are kept, in seconds.
pub static QUEUE_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(30 * DAY);
/// Sends NOTIFY calendar_sync after each pull that changed something.
pub static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Defines the settings; called once, when the library is loaded.
pub fn register() {
    text(
        c"calendar_sync.user_id",
        c"Whose calendar rows the caller may see and change.",
        &USER_ID,
        GucContext::Userset,
        GucFlags::default(),
    );
    text(
        c"calendar_sync.encryption_key_file",
        c"File with the keys that secrets are encrypted with: 32 bytes in base64, one key a line, newest first.",
        &ENCRYPTION_KEY_FILE,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    flag(
        c"calendar_sync.worker",
        c"Pulls due calendars, and sends what is queued, in the background.",
        &WORKER,
        GucContext::Sighup,
    );
    text(
        c"calendar_sync.worker_databases",
        c"Databases that get a worker: * or a comma-separated list.",
        &WORKER_DATABASES,
        GucContext::Sighup,
        GucFlags::default(),
    );
    int(
        c"calendar_sync.worker_threads",
        c"Network requests under way at once in each database's worker; slow ones count for a tenth of a second.",
        &WORKER_THREADS,
        1..=64,
        GucContext::Sighup,
        GucFlags::default(),
    );
    int(
        c"calendar_sync.poll_interval",
        c"Time between two polls of a calendar that has no interval of its own; a flow is run every six hours.",
        &POLL_INTERVAL,
        10..=30 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    int(
        c"calendar_sync.jitter",
        c"How far polls are spread around their interval, in percent.",
        &JITTER,
        0..=50,
        GucContext::Suset,
        GucFlags::default(),
    );
    int(
        c"calendar_sync.http_timeout",
        c"Longest time for one request, from name resolution to the last byte.",
        &HTTP_TIMEOUT,
        100..=HOUR * 1000,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    int(
        c"calendar_sync.http_max_bytes",
        c"Largest answer taken, counted after decompression.",
        &HTTP_MAX_BYTES,
        1..=1024 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    flag(
        c"calendar_sync.http_allow_private",
        c"Allows calendars on loopback, private and link-local addresses, and providers over http.",
        &HTTP_ALLOW_PRIVATE,
        GucContext::Suset,
    );
    text(
        c"calendar_sync.http_allow_hosts",
        c"Hosts that may be asked, providers over http, too; comma-separated; a leading dot takes all below; none: all.",
        &HTTP_ALLOW_HOSTS,
        GucContext::Suset,
        GucFlags::default(),
    );
    text(
        c"calendar_sync.http_deny_hosts",
        c"Hosts and addresses that must not be asked, comma-separated; a leading dot takes all below.",
        &HTTP_DENY_HOSTS,
        GucContext::Suset,
        GucFlags::default(),
    );
    text(
        c"calendar_sync.http_user_agent",
        c"User-Agent of requests; none: calendar_sync/<version>.",
        &HTTP_USER_AGENT,
        GucContext::Suset,
        GucFlags::default(),
    );
    text(
        c"calendar_sync.http_ca_file",
        c"File with the certificates (PEM) to trust instead of the platform's.",
        &HTTP_CA_FILE,
        GucContext::Suset,
        GucFlags::default(),
    );
    text(
        c"calendar_sync.http_proxy",
        c"Proxy for requests; none: no proxy, whatever the environment says.",
        &HTTP_PROXY,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
    int(
        c"calendar_sync.expand_back",
        c"How far back instances of a series are stored when it is first seen.",
        &EXPAND_BACK,
        0..=40 * 366 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    int(
        c"calendar_sync.expand_ahead",
        c"How far ahead instances of a series are stored.",
        &EXPAND_AHEAD,
        DAY..=40 * 366 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    int(
        c"calendar_sync.sync_window",
        c"How old an interaction may be and still get an event, and an event and still be sent for the first time.",
        &SYNC_WINDOW,
        0..=68 * 365 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    text(
        c"calendar_sync.time_zone",
        c"Zone of dates and of times without a zone, where nothing else says it.",
        &TIME_ZONE,
        GucContext::Suset,
        GucFlags::default(),
    );
    int(
        c"calendar_sync.max_retries",
        c"How often a failed interaction, or an operation of the queue, is tried again by itself.",
        &MAX_RETRIES,
        0..=20,
        GucContext::Suset,
        GucFlags::default(),
    );
    int(
        c"calendar_sync.manual_sync_limit",
        c"Calls of calendar_sync_now in a minute for one user.",
        &MANUAL_SYNC_LIMIT,
        1..=100_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    int(
        c"calendar_sync.log_retention",
        c"How long the log, and what was deleted, is kept.",
        &LOG_RETENTION,
        DAY..=68 * 365 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    int(
        c"calendar_sync.queue_retention",
        c"How long finished operations of the queue are kept.",
        &QUEUE_RETENTION,
        DAY..=68 * 365 * DAY,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    flag(
        c"calendar_sync.notify",
        c"Sends NOTIFY calendar_sync after each pull that changed something.",
        &NOTIFY,
        GucContext::Suset,
    );
}

fn int(
    name: &'static CStr,
    what: &'static CStr,
    setting: &'static GucSetting<i32>,
    range: RangeInclusive<i32>,
    context: GucContext,
    flags: GucFlags,
) {
    GucRegistry::define_int_guc(name, what, c"", setting, *range.start(), *range.end(), context, flags);
}

fn flag(name: &'static CStr, what: &'static CStr, setting: &'static GucSetting<bool>, context: GucContext) {
    GucRegistry::define_bool_guc(name, what, c"", setting, context, GucFlags::default());
}

fn text(name: &'static CStr, what: &'static CStr, setting: &'static Text, context: GucContext, flags: GucFlags) {
    GucRegistry::define_string_guc(name, what, c"", setting, context, flags);
}
