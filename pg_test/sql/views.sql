-- What a DBA looks at: connections, operations, failures.

begin;
set local timezone = 'UTC';

insert into calendar_connections (connection_id, user_id, name, provider, url, url_host, status, next_poll_at, last_synced_at,
    last_error, consecutive_failures)
values
    ('c0000000-0000-4000-8000-000000000001', 'ada', 'Team', 'ics', 'ciphertext', 'https://calendar.example.com', 'active',
        '2030-01-01 12:10', '2030-01-01 12:00', null, 0),
    ('c0000000-0000-4000-8000-000000000002', 'ada', 'Gone', 'ics', 'ciphertext', 'https://other.example.com', 'error',
        '2030-01-01 18:00', '2029-12-01 12:00', 'https://other.example.com/…: there is no such calendar (404)', 7),
    ('c0000000-0000-4000-8000-000000000003', 'bob', 'Flow', 'powerautomate', 'ciphertext', 'https://flow.example.com',
        'paused', '2030-01-01 12:10', null, null, 0),
    ('c0000000-0000-4000-8000-000000000004', 'bob', 'Old', 'ics', null, 'https://old.example.com', 'removed', null,
        '2029-06-01 12:00', null, 0);
insert into calendar_events (user_id, title, event_date, connection_id, external_source, external_id, sync_status)
select
    'ada',
    'Event ' || number,
    '2030-01-01',
    'c0000000-0000-4000-8000-000000000001',
    'ics',
    number::text,
    (array['synced', 'synced', 'error', 'deleted'])[number]
from generate_series(1, 4) number;

-- An event counts while it is not deleted; when it is polled next is said of those that are.
select name, provider, host, direction, delegate_email, status, last_synced_at, next_poll_at, events, last_error,
    consecutive_failures
from calendar_connection_status
order by user_id, name;
select name, status, events, errors, next_poll_at from calendar_sync_status('ada');

-- No view shows an address or a hash.
select c.relname, a.attname
from pg_class c
join pg_depend d on d.objid = c.oid and d.deptype = 'e'
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
where c.relkind = 'v'
  and (a.atttypid = 'bytea'::regtype or a.attname in ('url', 'url_hash', 'token', 'salt'));

-- Pulls of two days, one of them in a zone where it is the other day; two interactions, and one that failed.
insert into calendar_sync_log (connection_id, provider, user_id, action, status, error_message, fetched, created, updated,
    deleted, unchanged, duration_ms, created_at)
select
    'c0000000-0000-4000-8000-000000000001', 'ics', 'ada', 'pull', status, error, 10, created, 1, 0, 7, duration,
    created_at::timestamptz
from (
    values
        ('success', null, 2, 100, '2030-01-01 00:30+00'),
        ('success', null, 1, 200, '2030-01-02 01:30+02'),
        ('retry', 'no', null, 900, '2030-01-01 12:00+00'),
        ('success', null, 0, 50, '2030-01-02 00:00+00')
) pulls (status, error, created, duration, created_at);
insert into calendar_sync_log (related_table, interaction_id, event_id, provider, user_id, action, status, created_at)
select 'visits', gen_random_uuid(), event_id, 'interaction', 'ada', 'create', status, '2030-01-02'
from (values ('success', gen_random_uuid()), ('success', gen_random_uuid()), ('failed', null)) rows (status, event_id);
insert into calendar_sync_log (related_table, provider, action, status, deleted, created_at)
values ('visits', 'interaction', 'truncate', 'success', 42, '2030-01-02');
select * from calendar_sync_stats where day >= '2030-01-01';

-- The newest first, at most a hundred of them.
select user_id, provider, action, connection, status, created, duration_ms, error_message
from calendar_sync_recent
where provider = 'ics'
limit 4;
insert into calendar_sync_log (action, status) select 'backfill', 'success' from generate_series(1, 120);
select action, count(*) from calendar_sync_recent group by 1;

-- What is not resolved.
insert into calendar_sync_failures (related_table, interaction_id, action, error_message, error_stack, next_retry_at, resolved)
values
    ('visits', gen_random_uuid(), 'create', 'value out of range', '22008', '2030-01-01', false),
    ('visits', gen_random_uuid(), 'update', 'given up', '22008', null, false),
    ('visits', gen_random_uuid(), 'create', 'mended', '22008', null, true);
select related_table, action, error_message, error_stack, retry_count, next_retry_at
from calendar_failures_pending
order by failure_id;

rollback;
