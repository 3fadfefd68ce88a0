-- calendar_metrics: what a monitoring system asks for.

begin;
set local timezone = 'UTC';

create view pg_temp.samples as
select name, labels - 'database' as labels, value
from calendar_metrics
where name not in ('calendar_sync_info', 'calendar_sync_table_bytes', 'calendar_sync_table_rows', 'calendar_sync_log_age_seconds')
order by name, labels::text;

-- An installation in which nothing has happened yet.
select * from pg_temp.samples;

-- Each sample has its type and help, names its database, and stands there once; names are as Prometheus wants them.
select name, labels, value, type, help
from calendar_metrics
where value is null
   or type not in ('gauge', 'counter')
   or help !~ '^[A-Z1].*\.$'
   or (labels ->> 'database') is distinct from current_database()
   or name !~ '^calendar_sync(_[a-z]+)+$'
   or (type = 'counter') <> (name like '%\_total');
select name, labels, count(*) from calendar_metrics group by 1, 2 having count(*) > 1;

-- Two that are due, one of them for a minute, the other fails; one under way, one whose flow is still running, one that
-- holds deletes back, and two that are not asked.
insert into calendar_connections (user_id, name, provider, status, next_poll_at, leased_until, consecutive_failures, held_back,
    pending_location)
values
    ('ada', 'due', 'ics', 'active', now() - interval '1 minute', null, 0, null, null),
    ('ada', 'due again', 'ics', 'error', now() - interval '30 seconds', now() - interval '1 second', 9, null, null),
    ('ada', 'under way', 'powerautomate', 'active', now() - interval '2 minutes', now() + interval '1 minute', 0, null, null),
    ('ada', 'running', 'powerautomate', 'active', now() + interval '1 minute', null, 0, null, 'ciphertext'),
    ('ada', 'later', 'ics', 'error', now() + interval '1 hour', null, 0, 'digest', null),
    ('ada', 'paused', 'ics', 'paused', now() - interval '1 hour', null, 0, null, null),
    ('ada', 'removed', 'ics', 'removed', null, null, 0, null, null);
insert into calendar_events (user_id, title, event_date, sync_status)
values
    ('ada', 'good', now(), 'synced'),
    ('ada', 'no longer readable', now(), 'error'),
    ('ada', 'waits', now(), 'pending'),
    ('ada', 'gone', now(), 'deleted');
insert into calendar_sync_failures (related_table, interaction_id, action, error_message, next_retry_at, resolved)
values
    ('visits', gen_random_uuid(), 'create', 'no', now() + interval '1 minute', false),
    ('visits', gen_random_uuid(), 'create', 'no', null, false),
    ('visits', gen_random_uuid(), 'create', 'no', null, true);
insert into calendar_feeds (user_id, name, token_hash, enabled)
values ('ada', 'one', sha256('1'), true), ('ada', 'other', sha256('2'), false);
insert into calendar_sync_log (action, status, created_at) values ('pull', 'success', now() - interval '90 seconds');
select * from pg_temp.samples;
select labels - 'database' as labels, value from calendar_metrics where name = 'calendar_sync_log_age_seconds';

-- The tables that grow.
select name, labels ->> 'table' as "table", value > 0 as has_a_size
from calendar_metrics
where name = 'calendar_sync_table_bytes'
order by 2;

rollback;
