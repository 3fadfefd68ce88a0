-- calendar_cleanup: what goes, and what stays.

begin;
set local timezone = 'UTC';
create temp view days_ago as select now() - interval '100 days' as long, now() - interval '80 days' as short;
create temp view left_over as
select (select count(*) from calendar_sync_log) as log,
    (select string_agg(title, ', ' order by title) from calendar_events) as events,
    (select string_agg(title, ', ' order by title) from calendar_series) as series,
    (select count(*) from calendar_sync_failures) as failures,
    (select string_agg(name, ', ' order by name) from calendar_tracked_tables) as tables,
    (select string_agg(name, ', ' order by name) from calendar_connections) as connections,
    (select string_agg(account_email, ', ' order by account_email) from calendar_accounts) as accounts,
    (select string_agg(status || ' ' || max_retries, ', ' order by status, max_retries) from calendar_sync_queue) as operations,
    (select string_agg(external_id, ', ' order by external_id) from calendar_event_links) as links,
    (select string_agg(concat_ws(' ', name, revision), ', ' order by name, revision)
     from calendar_unconfirmed_pushes left join calendar_connections using (connection_id)) as notes;

insert into calendar_sync_log (action, status, created_at)
select 'pull', 'success', at from days_ago, unnest(array[long, short, now()]) at;

-- History: what was deleted before it started goes; what took place stays, and so does what was deleted lately.
insert into calendar_connections (connection_id, user_id, name, provider, status, updated_at)
select gen_random_uuid(), 'ada', name, 'ics', status, at
from days_ago, (values ('empty', 'removed', 'long'), ('lately', 'removed', 'short'), ('holds', 'removed', 'long'),
    ('lives', 'active', 'long')) c (name, status, age), lateral (select case age when 'long' then long else short end) a (at);
create temp view holds as select connection_id from calendar_connections where name = 'holds';
insert into calendar_events (user_id, external_source, connection_id, external_id, title, event_type, event_date,
    event_status, synced_from, sync_status, changed_at)
select 'ada', 'ics', h.connection_id, e.title, e.title, 'meeting', d.long + e.starts, 'cancelled', 'ics', e.status,
    case age when 'long' then long else short end
from holds h, days_ago d, (values
    ('never took place', interval '1 day', 'deleted', 'long'),
    ('had begun', interval '-1 hour', 'deleted', 'long'),
    ('deleted lately', interval '200 days', 'deleted', 'short'),
    ('is there', interval '1 day', 'synced', 'long')) e (title, starts, status, age);

-- Accounts that were removed, and one that the row of a calendar still names.
insert into calendar_accounts (account_id, user_id, provider, account_email, status, updated_at)
select gen_random_uuid(), 'ada', 'google', email, status, case age when 'long' then long else short end
from days_ago, (values ('removed', 'disabled', 'long'), ('removed lately', 'disabled', 'short'), ('held', 'disabled', 'long'),
    ('in use', 'active', 'long')) a (email, status, age);
update calendar_connections
set account_id = (select account_id from calendar_accounts where account_email = 'held'), external_calendar_id = 'x'
where name = 'holds';

-- An instance that does not take place says so for as long as its series lives; a series, as long as it has instances.
insert into calendar_series (user_id, external_source, connection_id, external_id, title, dtstart, rrule, expanded_from,
    expanded_until, expand_at, ends_at, synced_from, sync_status, changed_at, event_type)
select 'ada', 'ics', h.connection_id, s.title, s.title, d.long, 'FREQ=DAILY', d.long, d.long, 'infinity', 'infinity',
    'ics', s.status, d.long, 'meeting'
from holds h, days_ago d, (values ('series lives', 'synced'), ('series is gone', 'deleted'),
    ('series had instances', 'deleted')) s (title, status);
insert into calendar_events (user_id, external_source, connection_id, external_id, series_id, recurrence_id, title,
    event_type, event_date, synced_from, sync_status, changed_at)
select s.user_id, 'ics', s.connection_id, s.external_id, s.series_id, at, 'instance of ' || s.title, 'meeting', at, 'ics',
    'deleted', d.long
from calendar_series s, days_ago d, lateral (select d.long + interval '1 day' * case s.title
    when 'series had instances' then -1 else 1 end) i (at);

insert into calendar_sync_failures (related_table, interaction_id, action, error_message, resolved, created_at)
select 'visits', gen_random_uuid(), 'create', 'x', resolved, long
from days_ago, unnest(array[true, false]) resolved;
create temp table visits (interaction_id uuid);
insert into calendar_tracked_tables (table_id, name, mapping, time_zone, names)
values ('visits', 'visits', '{}', 'UTC', '{}'), (4294967295, 'dropped', '{}', 'UTC', '{}');

-- Operations that are over, by how long ago (here in max_retries); links of what is elsewhere no more, or of no connection.
insert into calendar_sync_queue (operation, event_id, connection_id, status, max_retries, processed_at)
select 'update', gen_random_uuid(), (table holds), status, days, case when status <> 'pending' then now() - days * interval '1 day' end
from unnest(array['pending', 'completed', 'failed']) status, unnest(array[29, 31]) days;
insert into calendar_event_links (connection_id, event_id, external_id, sync_status, deleted_at, created_at)
select coalesce(c.connection_id, gen_random_uuid()), gen_random_uuid(), l.external_id, l.status, l.at, d.short
from days_ago d, (values
    ('deleted long ago', 'deleted', now() - interval '31 days', 'lives'),
    ('deleted lately', 'deleted', now() - interval '29 days', 'lives'),
    ('synced', 'synced', null, 'lives'),
    ('of none', 'synced', null, null)) l (external_id, status, at, name)
left join calendar_connections c using (name);

-- Notes of what was sent for nothing to a connection that is no more, by how long ago (here in revision).
insert into calendar_unconfirmed_pushes (note_id, connection_id, event_id, operation, revision, only_busy, created_at)
select gen_random_uuid(), coalesce(c.connection_id, gen_random_uuid()), gen_random_uuid(), 'create', days, false,
    now() - days * interval '1 day'
from unnest(array['lives', null]) n (name)
left join calendar_connections c using (name), unnest(array[29, 31]) days;

select * from left_over \gx
select * from calendar_cleanup();
select * from left_over \gx

-- With what was left of it, a connection goes the next time.
delete from calendar_events where connection_id = (table holds);
delete from calendar_series where connection_id = (table holds);
select * from calendar_cleanup(2147483647);
select * from calendar_cleanup(log_days => 0, queue_days => 0);
select * from left_over \gx

-- Nothing is guessed, and not everybody may.
\set VERBOSITY terse
savepoint here;
select * from calendar_cleanup(-1);
rollback to here;
select * from calendar_cleanup(90, -1);
rollback to here;
select * from calendar_cleanup(null);
rollback to here;
create role cleanup_someone;
grant execute on function calendar_cleanup to cleanup_someone;
set local role cleanup_someone;
select * from calendar_cleanup();
rollback;
