-- calendar_metrics: what a monitoring system asks for every few seconds; cheap however large the calendar is.

comment on function calendar_worker_counters() is
    'what this database''s worker has done since the server started; behind the view calendar_metrics';
comment on function calendar_key_usable() is
    'whether calendar_sync.encryption_key_file names a file with a key that can be used; behind the view calendar_metrics';

create view calendar_metrics as
with connections as (
    select
        provider,
        status,
        count(*) as connections,
        count(*) filter (where consecutive_failures > 0) as failing,
        count(*) filter (where held_back is not null) as held_back,
        count(*) filter (where leased_until > now()) as in_flight,
        count(*) filter (where is_due) as due,
        extract(epoch from now() - min(next_poll_at) filter (where is_due)) as waiting
    from (
        select
            provider,
            case when status = 'active' and pending_location is not null then 'pending' else status end as status,
            consecutive_failures,
            held_back,
            leased_until,
            next_poll_at,
            status in ('active', 'error')
            and next_poll_at <= now()
            and (leased_until is null or leased_until < now()) as is_due
        from calendar_connections
    ) c
    group by provider, status
),
worker as (
    select w.*
    from calendar_worker_states() w
    join pg_catalog.pg_database d on d.oid = w.database_oid
    where d.datname = current_database()
),
definitions (name, type, help) as (
    values
        ('calendar_sync_info', 'gauge', 'Always 1; its label is the version of the extension.'),
        ('calendar_sync_connections', 'gauge', 'Outside calendars, by provider and status.'),
        ('calendar_sync_connections_failing', 'gauge', 'Outside calendars whose last pull failed, by provider.'),
        ('calendar_sync_connections_held_back', 'gauge', 'Outside calendars with deletes that wait for a confirmation.'),
        ('calendar_sync_connections_in_flight', 'gauge', 'Outside calendars that are leased to the worker.'),
        ('calendar_sync_connections_due', 'gauge', 'Outside calendars whose time has come and that are not under way.'),
        ('calendar_sync_oldest_due_seconds', 'gauge', 'How long the one that has waited longest has been due.'),
        ('calendar_sync_accounts', 'gauge', 'Logins at providers, by provider and status.'),
        ('calendar_sync_events_unsynced', 'gauge', 'Events by sync_status, where that is error or pending.'),
        ('calendar_sync_series_due', 'gauge', 'Recurring events whose instances are to be stored further ahead.'),
        ('calendar_sync_queue_operations', 'gauge', 'Changes on their way to other calendars, by status; failed ones are not tried again.'),
        ('calendar_sync_queue_overdue_seconds', 'gauge', 'How long the change that has waited longest could have been sent.'),
        ('calendar_sync_failures', 'gauge', 'Interactions without their event, by whether they are tried again.'),
        ('calendar_sync_webhooks', 'gauge', 'Channels of notifications: working, expired, or failing to be registered or renewed.'),
        ('calendar_sync_feeds', 'gauge', 'Published calendars, by whether they can be read.'),
        ('calendar_sync_log_age_seconds', 'gauge', 'Age of the oldest row of the log.'),
        ('calendar_sync_table_rows', 'gauge', 'Rows of the large tables, as of their last VACUUM or ANALYZE.'),
        ('calendar_sync_table_bytes', 'gauge', 'Size of the large tables with their indexes.'),
        ('calendar_sync_key_usable', 'gauge', '1 where the key file can be used: secrets can be stored and opened.'),
        ('calendar_sync_worker_up', 'gauge', '1 where this database has a worker.'),
        ('calendar_sync_worker_state', 'gauge', 'Always 1; its label is the worker''s state, as in calendar_worker_status.'),
        ('calendar_sync_worker_loop_age_seconds', 'gauge', 'How long ago the worker last looked for work.'),
        ('calendar_sync_pulls_total', 'counter', 'Pulls by the worker since the server started, by result.'),
        ('calendar_sync_network_seconds_total', 'counter', 'Time that servers took to answer the worker.'),
        ('calendar_sync_events_changed_total', 'counter', 'Events that the worker''s pulls made, changed and deleted.')
),
samples (name, labels, value) as (
    select 'calendar_sync_info', jsonb_build_object('version', extversion), 1
    from pg_catalog.pg_extension
    where extname = 'calendar_sync'
    union all
    select 'calendar_sync_connections', jsonb_build_object('provider', provider, 'status', status), connections
    from connections
    union all
    select 'calendar_sync_connections_failing', jsonb_build_object('provider', provider), sum(failing)
    from connections
    group by provider
    union all
    select 'calendar_sync_connections_held_back', '{}', coalesce(sum(held_back), 0)
    from connections
    union all
    select 'calendar_sync_connections_in_flight', '{}', coalesce(sum(in_flight), 0)
    from connections
    union all
    select 'calendar_sync_connections_due', '{}', coalesce(sum(due), 0)
    from connections
    union all
    select 'calendar_sync_oldest_due_seconds', '{}', coalesce(max(waiting), 0)
    from connections
    union all
    select 'calendar_sync_accounts', jsonb_build_object('provider', provider, 'status', status), count(*)
    from calendar_accounts
    where status <> 'disabled'
    group by provider, status
    union all
    select 'calendar_sync_events_unsynced', jsonb_build_object('sync_status', s.sync_status), count(e.sync_status)
    from (values ('error'), ('pending')) s (sync_status)
    left join calendar_events e on e.sync_status = s.sync_status and e.sync_status <> 'synced'
    group by s.sync_status
    union all
    select 'calendar_sync_series_due', '{}', count(*)
    from calendar_series
    where sync_status <> 'deleted'
      and expand_at < now()
    union all
    select 'calendar_sync_queue_operations', jsonb_build_object('status', s.status), s.operations
    from (
        values
            ('pending', (select count(*) from calendar_sync_queue where status = 'pending')),
            ('processing', (select count(*) from calendar_sync_queue where status = 'processing')),
            ('failed', (select count(*) from calendar_sync_queue where status = 'failed'))
    ) s (status, operations)
    union all
    select 'calendar_sync_queue_overdue_seconds', '{}', greatest(extract(epoch from now() - min(scheduled_for)), 0)
    from calendar_sync_queue
    where status = 'pending'
    union all
    select
        'calendar_sync_failures',
        jsonb_build_object('retried', s.retried),
        count(f.failure_id)
    from (values (true), (false)) s (retried)
    left join calendar_sync_failures f on not f.resolved and (f.next_retry_at is not null) = s.retried
    group by s.retried
    union all
    select 'calendar_sync_webhooks', jsonb_build_object('state', s.state), s.channels
    from (
        select
            count(*) filter (where is_active and coalesce(expiration > now(), true)) as working,
            count(*) filter (where is_active and expiration <= now()) as expired,
            count(*) filter (where failures > 0) as failing
        from calendar_webhook_subscriptions
    ) w
    cross join lateral (
        values ('working', w.working), ('expired', w.expired), ('failing', w.failing)
    ) s (state, channels)
    union all
    select 'calendar_sync_feeds', jsonb_build_object('enabled', enabled), count(*)
    from calendar_feeds
    group by enabled
    union all
    (
        select 'calendar_sync_log_age_seconds', '{}', extract(epoch from now() - created_at)
        from calendar_sync_log
        order by log_id
        limit 1
    )
    union all
    select 'calendar_sync_table_rows', jsonb_build_object('table', relname), reltuples
    from pg_catalog.pg_class
    where oid in ('calendar_events'::regclass, 'calendar_series'::regclass, 'calendar_sync_log'::regclass)
      and reltuples >= 0
    union all
    select 'calendar_sync_table_bytes', jsonb_build_object('table', relname), pg_total_relation_size(oid)
    from pg_catalog.pg_class
    where oid in ('calendar_events'::regclass, 'calendar_series'::regclass, 'calendar_sync_log'::regclass)
    union all
    select 'calendar_sync_key_usable', '{}', calendar_key_usable()::int
    union all
    select 'calendar_sync_worker_up', '{}', (pid is not null)::int
    from worker
    union all
    select 'calendar_sync_worker_state', jsonb_build_object('state', state), 1
    from worker
    union all
    select 'calendar_sync_worker_loop_age_seconds', '{}', greatest(extract(epoch from now() - last_loop), 0)
    from worker
    where last_loop is not null
    union all
    select 'calendar_sync_pulls_total', jsonb_build_object('result', s.result), s.pulls
    from calendar_worker_counters() w
    cross join lateral (
        values ('unchanged', w.pulls_unchanged), ('applied', w.pulls_applied), ('failed', w.pulls_failed)
    ) s (result, pulls)
    union all
    select 'calendar_sync_network_seconds_total', '{}', network_seconds
    from calendar_worker_counters()
    union all
    select 'calendar_sync_events_changed_total', jsonb_build_object('change', s.change), s.events
    from calendar_worker_counters() w
    cross join lateral (
        values ('created', w.events_created), ('updated', w.events_updated), ('deleted', w.events_deleted)
    ) s (change, events)
)
select
    s.name,
    jsonb_build_object('database', current_database()) || s.labels as labels,
    s.value::float8 as value,
    d.type,
    d.help
from samples s
join definitions d on d.name = s.name;

comment on view calendar_metrics is
    'what a monitoring system wants to know of this database''s calendar, as Prometheus has it; cheap, without names of users or hosts';
comment on column calendar_metrics.name is 'name of the metric';
comment on column calendar_metrics.labels is 'labels of the sample and their values; database is in all';
comment on column calendar_metrics.value is 'the value now';
comment on column calendar_metrics.type is 'gauge, or counter: grows until the server restarts';
comment on column calendar_metrics.help is 'what it says';
