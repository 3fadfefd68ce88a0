-- What the extension knows of itself: where it is installed, what it follows, what it did, what failed.

create table calendar_installation (
    only_row boolean not null default true primary key check (only_row),
    system_identifier bigint not null,
    database_oid oid not null,
    salt bytea not null,
    installed_at timestamptz not null default now()
);
comment on table calendar_installation is
    'one row that names the server and the database this calendar belongs to; where it differs, this is a restored copy: nothing is pulled, and nothing sent out';
comment on column calendar_installation.only_row is 'allows one row';
comment on column calendar_installation.system_identifier is 'pg_control_system().system_identifier of the server';
comment on column calendar_installation.database_oid is 'oid of the database';
comment on column calendar_installation.salt is 'random, never changed; keys hashes of what must not be guessed';
comment on column calendar_installation.installed_at is 'when the first table was attached, calendar subscribed to, imported or published, application registered, account added or event handed in';

create table calendar_tracked_tables (
    tracked_id uuid not null default calendar_uuid_v7() primary key,
    table_id regclass not null unique,
    name text not null unique,
    mapping jsonb not null,
    time_zone text not null,
    sync_window interval,
    names jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table calendar_tracked_tables is 'the attached interaction tables';
comment on column calendar_tracked_tables.tracked_id is 'key; the table''s triggers carry it';
comment on column calendar_tracked_tables.table_id is 'the attached table (of a partitioned one the root)';
comment on column calendar_tracked_tables.name is 'what stands in calendar_events.related_table';
comment on column calendar_tracked_tables.mapping is 'the mapping as given to calendar_attach';
comment on column calendar_tracked_tables.time_zone is 'the zone of wall-clock columns, settled at attach';
comment on column calendar_tracked_tables.sync_window is 'how old an interaction may be and still get an event; NULL for the setting''s';
comment on column calendar_tracked_tables.names is 'where names of owners, customers and contacts are looked up, settled at attach';
comment on column calendar_tracked_tables.created_at is 'when it was first attached';
comment on column calendar_tracked_tables.updated_at is 'when it was last attached';

create table calendar_sync_log (
    log_id uuid not null default calendar_uuid_v7() primary key,
    related_table text,
    interaction_id uuid,
    event_id uuid,
    connection_id uuid,
    provider text,
    user_id text,
    action text not null,
    status text not null check (status in ('success', 'failed', 'retry', 'skipped')),
    error_message text,
    details jsonb,
    fetched int,
    created int,
    updated int,
    deleted int,
    unchanged int,
    duration_ms int,
    created_at timestamptz not null default now(),
    created_by uuid
);
comment on table calendar_sync_log is 'what was synced, when, with what result; kept for calendar_sync.log_retention';
comment on column calendar_sync_log.log_id is 'key; time-ordered (UUIDv7), newest last';
comment on column calendar_sync_log.related_table is 'the attached table, for an interaction';
comment on column calendar_sync_log.interaction_id is 'the interaction; NULL for operations on many';
comment on column calendar_sync_log.event_id is 'the event, once there is one';
comment on column calendar_sync_log.connection_id is 'the outside calendar';
comment on column calendar_sync_log.provider is 'interaction, or the outside calendar''s provider';
comment on column calendar_sync_log.user_id is 'owner of the event or of the connection';
comment on column calendar_sync_log.action is 'create, update, cancel, delete, truncate, backfill, pull, push, refresh, webhook, ...';
comment on column calendar_sync_log.status is 'success, failed, retry (a further try failed, too) or skipped';
comment on column calendar_sync_log.error_message is 'what went wrong';
comment on column calendar_sync_log.details is 'more about it: events that could not be read, the fields of a conflict, whether what a session had sent for nothing is undone, ...';
comment on column calendar_sync_log.fetched is 'events that the origin gave';
comment on column calendar_sync_log.created is 'events made';
comment on column calendar_sync_log.updated is 'events changed';
comment on column calendar_sync_log.deleted is 'events deleted';
comment on column calendar_sync_log.unchanged is 'events that were as they are here';
comment on column calendar_sync_log.duration_ms is 'how long it took, in milliseconds';
comment on column calendar_sync_log.created_at is 'when';
comment on column calendar_sync_log.created_by is 'the CRM''s user, for an interaction';

create index calendar_sync_log_interaction_idx on calendar_sync_log (interaction_id)
    where status <> 'success';

create table calendar_sync_failures (
    failure_id uuid not null default calendar_uuid_v7() primary key,
    related_table text not null,
    interaction_id uuid not null,
    action text not null,
    error_message text not null,
    error_stack text,
    retry_count int not null default 0,
    last_retry_at timestamptz,
    next_retry_at timestamptz,
    resolved boolean not null default false,
    created_at timestamptz not null default now()
);
comment on table calendar_sync_failures is 'interactions whose event could not be made, changed or deleted, with their next try';
comment on column calendar_sync_failures.failure_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_sync_failures.related_table is 'the attached table';
comment on column calendar_sync_failures.interaction_id is 'the interaction';
comment on column calendar_sync_failures.action is 'what failed: create, update or delete';
comment on column calendar_sync_failures.error_message is 'what went wrong';
comment on column calendar_sync_failures.error_stack is 'SQLSTATE, detail, hint and context of the error';
comment on column calendar_sync_failures.retry_count is 'tries since the failure';
comment on column calendar_sync_failures.last_retry_at is 'when it was last tried again';
comment on column calendar_sync_failures.next_retry_at is 'when it is tried next; NULL once calendar_sync.max_retries tries have failed';
comment on column calendar_sync_failures.resolved is 'a later try, or a later change of the interaction, went well';
comment on column calendar_sync_failures.created_at is 'when it first failed';

create unique index calendar_sync_failures_open_key on calendar_sync_failures (related_table, interaction_id)
    where not resolved;
create index calendar_sync_failures_interaction_idx on calendar_sync_failures (interaction_id);
create index calendar_sync_failures_due_idx on calendar_sync_failures (next_retry_at)
    where not resolved;
