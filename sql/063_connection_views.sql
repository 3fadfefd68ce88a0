-- What a DBA looks at: connections, their pulls, the worker.

create view calendar_connection_status as
select
    c.connection_id,
    c.user_id,
    c.name,
    c.provider,
    c.url_host as host,
    c.calendar_name,
    c.direction,
    c.delegate_email,
    case
        when c.status in ('active', 'error') and a.status = 'reauth_required' then a.status
        when c.status = 'active' and c.pending_location is not null then 'pending'
        else c.status
    end as status,
    c.last_synced_at,
    case when c.status in ('active', 'error') and a.status is distinct from 'reauth_required' then c.next_poll_at end
        as next_poll_at,
    (
        select count(*)
        from calendar_events e
        where e.connection_id = c.connection_id
          and e.sync_status <> 'deleted'
    ) as events,
    coalesce(c.last_error, a.last_error) as last_error,
    c.consecutive_failures
from calendar_connections c
left join calendar_accounts a on a.account_id = c.account_id;
comment on view calendar_connection_status is 'every connection to an outside calendar, and how it is';
comment on column calendar_connection_status.connection_id is 'the connection';
comment on column calendar_connection_status.user_id is 'owner of what is pulled, and of what is sent';
comment on column calendar_connection_status.name is 'the owner''s name for it';
comment on column calendar_connection_status.provider is 'ics, powerautomate, google, microsoft or notion';
comment on column calendar_connection_status.host is 'scheme, host and port of its address; the rest is a secret';
comment on column calendar_connection_status.calendar_name is 'what the calendar calls itself';
comment on column calendar_connection_status.direction is 'pull, push or both';
comment on column calendar_connection_status.delegate_email is 'owner of a shared or delegated mailbox';
comment on column calendar_connection_status.status is 'active, pending (a flow is still running), paused, error, reauth_required, removed';
comment on column calendar_connection_status.last_synced_at is 'when it was last pulled, or found unchanged';
comment on column calendar_connection_status.next_poll_at is 'when it is polled next; NULL: not by itself';
comment on column calendar_connection_status.events is 'events held, without deleted ones';
comment on column calendar_connection_status.last_error is 'what went wrong last; NULL after a success';
comment on column calendar_connection_status.consecutive_failures is 'failures in a row';

create view calendar_sync_recent as
select
    l.created_at,
    l.user_id,
    l.provider,
    l.action,
    c.name as connection,
    l.related_table,
    l.interaction_id,
    l.event_id,
    l.status,
    l.fetched,
    l.created,
    l.updated,
    l.deleted,
    l.unchanged,
    l.duration_ms,
    l.error_message
from (select * from calendar_sync_log order by log_id desc limit 100) l
left join calendar_connections c on c.connection_id = l.connection_id
order by l.log_id desc;
comment on view calendar_sync_recent is 'the newest 100 operations';
comment on column calendar_sync_recent.created_at is 'when';
comment on column calendar_sync_recent.user_id is 'owner of the event or of the connection';
comment on column calendar_sync_recent.provider is 'interaction, or the outside calendar''s provider';
comment on column calendar_sync_recent.action is 'create, update, cancel, delete, truncate, backfill, pull, push, refresh, webhook, ...';
comment on column calendar_sync_recent.connection is 'name of the connection';
comment on column calendar_sync_recent.related_table is 'the attached table, for an interaction';
comment on column calendar_sync_recent.interaction_id is 'the interaction; NULL for operations on many';
comment on column calendar_sync_recent.event_id is 'the event';
comment on column calendar_sync_recent.status is 'success, failed, retry (a further try failed, too) or skipped';
comment on column calendar_sync_recent.fetched is 'events that the origin gave';
comment on column calendar_sync_recent.created is 'events made';
comment on column calendar_sync_recent.updated is 'events changed';
comment on column calendar_sync_recent.deleted is 'events deleted';
comment on column calendar_sync_recent.unchanged is 'events that were as they are here';
comment on column calendar_sync_recent.duration_ms is 'how long it took, in milliseconds';
comment on column calendar_sync_recent.error_message is 'what went wrong';

-- Durations are those of pulls alone, and are sorted; most rows of a log are interactions', and only counted.
create view calendar_sync_stats as
with counted as (
    select
        (created_at at time zone 'UTC')::date as day,
        coalesce(provider, 'interaction') as provider,
        action,
        count(*) as operations,
        count(*) filter (where status in ('failed', 'retry')) as failures,
        sum(
            case
                when event_id is not null and status = 'success' then 1
                else coalesce(created, 0) + coalesce(updated, 0) + coalesce(deleted, 0)
            end
        ) as events_changed
    from calendar_sync_log
    group by 1, 2, 3
),
timed as (
    select
        (created_at at time zone 'UTC')::date as day,
        coalesce(provider, 'interaction') as provider,
        action,
        percentile_cont(array[0.5, 0.95]) within group (order by duration_ms) as durations
    from calendar_sync_log
    where duration_ms is not null
    group by 1, 2, 3
)
select
    day,
    provider,
    action,
    c.operations,
    c.failures,
    c.events_changed,
    t.durations[1] as p50_duration_ms,
    t.durations[2] as p95_duration_ms
from counted c
left join timed t using (day, provider, action)
order by day desc, provider, action;
comment on view calendar_sync_stats is 'operations by day, provider and action';
comment on column calendar_sync_stats.day is 'date in UTC';
comment on column calendar_sync_stats.provider is 'interaction, or the outside calendar''s provider';
comment on column calendar_sync_stats.action is 'create, update, cancel, delete, truncate, backfill, pull, push, refresh, webhook, ...';
comment on column calendar_sync_stats.operations is 'how many; an outside calendar that was unchanged is not logged';
comment on column calendar_sync_stats.failures is 'how many of them failed';
comment on column calendar_sync_stats.events_changed is 'events made, changed and deleted';
comment on column calendar_sync_stats.p50_duration_ms is 'half of them took no longer, in milliseconds; NULL where the time was the CRM''s own statement''s';
comment on column calendar_sync_stats.p95_duration_ms is '95 % of them took no longer, in milliseconds';

create view calendar_worker_status as
select
    d.datname as database,
    w.pid,
    w.state,
    w.last_loop,
    w.connections_due,
    w.in_flight,
    w.last_error
from calendar_worker_states() w
left join pg_catalog.pg_database d on d.oid = w.database_oid;
comment on view calendar_worker_status is 'the background worker of every database of this server that has, or should have, one';
comment on column calendar_worker_status.database is 'the database';
comment on column calendar_worker_status.pid is 'process of its worker; NULL: none';
comment on column calendar_worker_status.state is
    'running, failing (see last_error), starting, stopped, does not start: see the server''s log, off, standby, none, held off (a DROP DATABASE or the like), no worker slot (raise max_worker_processes), stands aside: restored copy (see calendar_resume), waits: nothing attached or subscribed yet, not in shared_preload_libraries';
comment on column calendar_worker_status.last_loop is 'when it last looked for work; at most some seconds ago';
comment on column calendar_worker_status.connections_due is 'connections whose time has come and that are not under way';
comment on column calendar_worker_status.in_flight is 'connections that are being fetched';
comment on column calendar_worker_status.last_error is 'what its last round failed with; NULL after one that did not';
