-- What is where: each item of a connection's calendar and its like here; and changes on their way out.

create table calendar_event_links (
    link_id uuid not null default calendar_uuid_v7() primary key,
    connection_id uuid not null,
    event_id uuid,
    series_id uuid,
    external_id text collate "C",
    etag text,
    sync_status text not null default 'pending'
        check (sync_status in ('synced', 'pending', 'error', 'conflict', 'deleted')),
    local_version bytea,
    remote_version text,
    base jsonb,
    revision int not null default 0,
    last_sync_at timestamptz,
    last_sync_error text,
    retry_count int not null default 0,
    conflict_data jsonb,
    conflict_at timestamptz,
    deleted_at timestamptz,
    is_unseen boolean not null default false,
    let_go boolean not null default false,
    created_at timestamptz not null default now(),
    check (num_nonnulls(event_id, series_id) = 1)
);

create unique index calendar_event_links_event_key on calendar_event_links (event_id, connection_id)
    where event_id is not null;
create unique index calendar_event_links_series_key on calendar_event_links (series_id, connection_id)
    where series_id is not null;
create unique index calendar_event_links_external_key on calendar_event_links (connection_id, external_id)
    where external_id is not null;
create index calendar_event_links_conflict_idx on calendar_event_links (conflict_at)
    where conflict_at is not null;
create index calendar_event_links_deleted_idx on calendar_event_links (deleted_at)
    where deleted_at is not null;
-- Set with external_id, when other indexes get an entry, too, and taken away by the next pull: it holds a few rows of many.
create index calendar_event_links_unseen_idx on calendar_event_links (connection_id, link_id)
    where is_unseen;

comment on table calendar_event_links is 'pairs of an event (or series) here and one in a connection''s calendar, as they last agreed';
comment on column calendar_event_links.link_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_event_links.connection_id is 'whose calendar';
comment on column calendar_event_links.event_id is 'the event here; a link outlives it';
comment on column calendar_event_links.series_id is 'or the series';
comment on column calendar_event_links.external_id is 'the provider''s identifier of it (sha256:<hex> where that is over 1,024 bytes); NULL until it has been sent';
comment on column calendar_event_links.etag is 'the provider''s version that was last seen or written';
comment on column calendar_event_links.sync_status is 'synced, pending, error (see last_sync_error), conflict (calendar_conflict_resolve settles it) or deleted';
comment on column calendar_event_links.local_version is 'content hash of the item here when both sides last agreed';
comment on column calendar_event_links.remote_version is 'version of the item there when both sides last agreed';
comment on column calendar_event_links.base is 'what both sides last agreed on: {"local": item here, "remote": item as it was read from there, if it differs, "occurrences": those of a series that have identifiers of their own there, "only_busy": true where that side was told no more than when it takes place, "unheard": true where it is what was sent, and nobody has heard what came of that, "before": what they had agreed on before that, if it may never have arrived}';
comment on column calendar_event_links.revision is 'counts the times that it was created there';
comment on column calendar_event_links.last_sync_at is 'when it was last found or brought in line; -infinity: to be compared and sent anew';
comment on column calendar_event_links.last_sync_error is 'why it could not be; NULL after a success';
comment on column calendar_event_links.retry_count is 'tries that failed in a row';
comment on column calendar_event_links.conflict_data is 'both versions of the last conflict, which fields it was about, and who won by what policy';
comment on column calendar_event_links.conflict_at is 'when that was';
comment on column calendar_event_links.deleted_at is 'when it was confirmed that it is there no more; the link goes 30 days after';
comment on column calendar_event_links.is_unseen is 'no pull has shown what is there, as we made it or somebody changed it: the next one asks for it by its identifier (of providers alone whose changes do not tell of everything)';
comment on column calendar_event_links.let_go is 'it was deleted there and stays here; it is not made there again before it changes';
comment on column calendar_event_links.created_at is 'when the two were first linked';

create table calendar_sync_queue (
    queue_id uuid not null default calendar_uuid_v7() primary key,
    operation text not null
        check (operation in ('create', 'update', 'delete')),
    event_id uuid,
    series_id uuid,
    connection_id uuid not null,
    payload jsonb,
    status text not null default 'pending'
        check (status in ('pending', 'processing', 'completed', 'failed')),
    priority int not null default 0,
    retry_count int not null default 0,
    max_retries int not null default 3,
    last_error text,
    scheduled_for timestamptz not null default now(),
    processed_at timestamptz,
    created_at timestamptz not null default now(),
    check (num_nonnulls(event_id, series_id) = 1)
);

create unique index calendar_sync_queue_event_key on calendar_sync_queue (event_id, connection_id)
    where event_id is not null and status = 'pending';
create unique index calendar_sync_queue_series_key on calendar_sync_queue (series_id, connection_id)
    where series_id is not null and status = 'pending';
create index calendar_sync_queue_due_idx on calendar_sync_queue (connection_id, priority desc, scheduled_for)
    where status = 'pending';
create index calendar_sync_queue_processing_idx on calendar_sync_queue (connection_id)
    where status = 'processing';
create index calendar_sync_queue_failed_idx on calendar_sync_queue (connection_id)
    where status = 'failed';
create index calendar_sync_queue_done_idx on calendar_sync_queue (processed_at)
    where status in ('completed', 'failed');

comment on table calendar_sync_queue is 'changes on their way out, at most one pending for an item and connection';
comment on column calendar_sync_queue.queue_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_sync_queue.operation is 'create, update or delete';
comment on column calendar_sync_queue.event_id is 'the event';
comment on column calendar_sync_queue.series_id is 'or the series';
comment on column calendar_sync_queue.connection_id is 'where it goes';
comment on column calendar_sync_queue.payload is 'what is needed when the item is here no more: a delete''s external_id and etag, or what was about to be created; NULL once it is completed';
comment on column calendar_sync_queue.status is 'pending, processing, completed or failed (a dead letter: calendar_queue_retry tries it again)';
comment on column calendar_sync_queue.priority is 'higher goes first: a user''s change before a backfill';
comment on column calendar_sync_queue.retry_count is 'tries that failed';
comment on column calendar_sync_queue.max_retries is 'tries after the first until it fails for good';
comment on column calendar_sync_queue.last_error is 'why the last try failed';
comment on column calendar_sync_queue.scheduled_for is 'not tried before then';
comment on column calendar_sync_queue.processed_at is 'when it was completed, or failed';
comment on column calendar_sync_queue.created_at is 'when the first of the changes that it stands for was made';
