-- What is changed here and where it is queued to go: by applications, by plain SQL, by interactions. (Nothing is sent: the
-- worker is off. What has been sent already is said by hand, in the links.)

begin;
set local timezone = 'UTC';

-- Without a calendar that changes are sent to nothing is queued.
select action from calendar_upsert_event('ada', 'planner', 'before', '{"title": "Before", "start": "2031-01-01T09:00Z"}');
insert into calendar_events (user_id, title, event_date) values ('ada', 'Plain', '2031-01-01 10:00Z');
select count(*) from calendar_sync_queue;

insert into calendar_accounts (account_id, user_id, provider)
values ('a0000000-0000-4000-8000-000000000001', 'ada', 'google'), ('a0000000-0000-4000-8000-000000000002', 'bob', 'google');
insert into calendar_connections (connection_id, user_id, name, provider, account_id, external_calendar_id, direction, filter)
values
    ('c0000000-0000-4000-8000-000000000001', 'ada', 'Work', 'google', 'a0000000-0000-4000-8000-000000000001', 'w', 'both', '{}'),
    ('c0000000-0000-4000-8000-000000000002', 'ada', 'Visits', 'google', 'a0000000-0000-4000-8000-000000000001', 'v', 'push',
        '{"event_type": ["visit"]}'),
    ('c0000000-0000-4000-8000-000000000003', 'ada', 'Read', 'google', 'a0000000-0000-4000-8000-000000000001', 'r', 'pull', '{}'),
    ('c0000000-0000-4000-8000-000000000004', 'bob', 'Home', 'google', 'a0000000-0000-4000-8000-000000000002', 'h', 'push', '{}');

create temp view waiting as
select c.name as connection, q.operation, coalesce(e.title, s.title, '(gone)') as item, q.payload, q.priority
from calendar_sync_queue q
join calendar_connections c using (connection_id)
left join calendar_events e using (event_id)
left join calendar_series s on s.series_id = q.series_id
where q.status = 'pending'
order by 1, 2, 3;
-- All that waits has been sent, or deleted.
create function pg_temp.sent() returns void language sql as $$
    update calendar_event_links l
    set sync_status = 'deleted', deleted_at = now()
    from calendar_sync_queue q
    where q.status = 'pending' and q.operation = 'delete' and q.connection_id = l.connection_id
      and (q.event_id = l.event_id or q.series_id = l.series_id);
    delete from calendar_event_links l
    using calendar_sync_queue q
    where q.status = 'pending' and q.operation = 'create' and q.connection_id = l.connection_id
      and (q.event_id = l.event_id or q.series_id = l.series_id);
    insert into calendar_event_links (connection_id, event_id, series_id, external_id, etag, sync_status, last_sync_at)
    select q.connection_id, q.event_id, q.series_id, coalesce('series ' || s.title, e.title) || '@' || c.name, '"1"', 'synced', now()
    from calendar_sync_queue q
    join calendar_connections c using (connection_id)
    left join calendar_events e using (event_id)
    left join calendar_series s on s.series_id = q.series_id
    where q.status = 'pending' and q.operation = 'create';
    update calendar_sync_queue set status = 'completed', processed_at = now() where status = 'pending';
$$;

-- A new event goes to every calendar of its owner that is written to and whose filter it passes.
select action from calendar_upsert_event('ada', 'planner', '1', '{"title": "One", "start": "2031-01-02T09:00Z"}');
insert into calendar_events (user_id, title, event_type, event_date) values ('ada', 'Two', 'visit', '2031-01-02 10:00Z');
insert into calendar_events (user_id, title, event_date) values ('bob', 'Three', '2031-01-02 10:00Z');
table waiting;

-- Hardest point 15: while it waits further changes join it; what was never sent need not be deleted.
update calendar_events set title = 'Two, later', event_date = '2031-01-02 11:00Z' where title = 'Two';
select action from calendar_upsert_event('ada', 'planner', '1', '{"title": "One, again"}');
select calendar_delete_event('ada', 'planner', '1');
table waiting;
update calendar_events set event_status = 'cancelled' where title = 'Two, later';
table waiting;
update calendar_events set event_status = 'scheduled' where title = 'Two, later';
select action from calendar_upsert_event('ada', 'planner', '1', '{"title": "One"}');
table waiting;

-- What was sent is changed there, or deleted; a deleted one that comes back before that went out is changed.
select pg_temp.sent();
table waiting;
update calendar_events set title = 'Two' where title = 'Two, later';
select calendar_delete_event('ada', 'planner', '1');
table waiting;
select action from calendar_upsert_event('ada', 'planner', '1', '{"description": "back"}');
table waiting;
select calendar_delete_event('ada', 'planner', '1');
select pg_temp.sent();
select action from calendar_upsert_event('ada', 'planner', '1', '{"description": "back once more"}');
table waiting;
delete from calendar_events where title = 'Two';
table waiting;
select pg_temp.sent();

-- Nothing is said of what is no change, nor of what nobody else sees.
update calendar_events set title = title, last_synced_at = now(), updated_at = now(), sync_status = 'error' where title = 'One';
select action from calendar_upsert_event('ada', 'planner', '1', '{"title": "One"}');
table waiting;

-- What no longer passes a filter is deleted there; what now does is made.
insert into calendar_events (user_id, title, event_type, event_date) values ('ada', 'Four', 'visit', '2031-01-04 10:00Z');
select pg_temp.sent();
update calendar_events set event_type = 'meeting' where title = 'Four';
update calendar_events set event_type = 'visit' where title = 'One';
table waiting;
select pg_temp.sent();

-- Another owner: deleted at the one's, made at the other's.
update calendar_events set user_id = 'bob' where title = 'One';
table waiting;
select pg_temp.sent();

-- changed_at says when content changed, however it did.
update calendar_events set changed_at = '2030-01-01Z' where title = 'Four';
update calendar_events set updated_at = '2030-02-02Z' where title = 'Four' returning changed_at;
update calendar_events set location = 'Room 4' where title = 'Four' returning changed_at = now() as now;
update calendar_events set location = 'Room 5', changed_at = '2030-03-03Z' where title = 'Four' returning changed_at;
select pg_temp.sent();

-- A series is one item, whichever of its instances is changed.
select action from calendar_upsert_event('ada', 'planner', 'weekly',
    '{"title": "Weekly", "start": "2031-01-06T09:00Z", "end": "2031-01-06T10:00Z", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3"]}');
insert into calendar_events (user_id, series_id, recurrence_id, external_source, external_id, title, event_date)
select 'ada', series_id, '2031-01-13 09:00Z', 'planner', 'weekly', 'Weekly', '2031-01-13 09:00Z' from calendar_series;
table waiting;
select pg_temp.sent();
update calendar_events set event_date = '2031-01-13 11:00Z' where recurrence_id = '2031-01-13 09:00Z';
table waiting;
delete from calendar_events where series_id is not null;
table waiting;
-- It becomes a single event, and a series again.
select action from calendar_upsert_event('ada', 'planner', 'weekly', '{"title": "Once", "recurrence": null}');
table waiting;
select pg_temp.sent();
select action from calendar_upsert_event('ada', 'planner', 'weekly', '{"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=2"]}');
table waiting;
select pg_temp.sent();

-- What came from a calendar goes back there and nowhere else, whatever its filter; from one that is only read, nowhere.
insert into calendar_events (event_id, user_id, connection_id, external_source, external_id, title, event_date, synced_from)
values
    ('e0000000-0000-4000-8000-000000000001', 'ada', 'c0000000-0000-4000-8000-000000000002', 'google', 'g1', 'From Visits',
        '2031-02-01 09:00Z', 'google'),
    ('e0000000-0000-4000-8000-000000000002', 'ada', 'c0000000-0000-4000-8000-000000000003', 'google', 'g2', 'From Read',
        '2031-02-01 09:00Z', 'google');
table waiting;
insert into calendar_event_links (connection_id, event_id, external_id, etag, sync_status)
select connection_id, event_id, external_id, '"7"', 'synced' from calendar_events where connection_id is not null;
update calendar_events set title = title || ', changed' where connection_id is not null;
table waiting;
update calendar_events set event_status = 'cancelled' where connection_id is not null;
table waiting;
select pg_temp.sent();
-- Cancelled there: none of ours to change.
update calendar_event_links set sync_status = 'synced' where external_id = 'g1';
update calendar_events set title = 'Cancelled, changed' where event_id = 'e0000000-0000-4000-8000-000000000001';
table waiting;

-- One calendar mirrors another.
update calendar_connections set options = '{"mirror_from": ["Read"]}' where name = 'Work';
update calendar_events set event_status = 'scheduled', title = 'Mirrored' where title = 'From Read, changed';
table waiting;
select pg_temp.sent();
delete from calendar_events where title = 'Mirrored';
table waiting;
select pg_temp.sent();

-- What is long over is not sent; what was sent is kept right however old it is.
insert into calendar_events (user_id, title, event_date, event_end)
values ('bob', 'Long over', now() - interval '60 days', null), ('bob', 'Just over', now() - interval '2 days', null),
    ('bob', 'Under way', now() - interval '60 days', now() + interval '1 day');
table waiting;
select pg_temp.sent();
update calendar_events set event_date = '2011-01-01Z', event_end = null where title = 'Just over';
table waiting;
select pg_temp.sent();

-- One at a time, many at once, and all.
copy calendar_events (user_id, title, event_date) from stdin with (format csv);
bob,Copied,2031-03-01Z
eve,Not his,2031-03-01Z
\.
table waiting;
select pg_temp.sent();
create temp table numbers as select n from generate_series(1, 101) n;
insert into calendar_events (user_id, title, event_date) select 'bob', 'Number ' || n, '2031-03-01Z' from numbers;
select operation, priority, count(*) from waiting group by 1, 2;
merge into calendar_events e
using (select 'Number ' || n as title, n from numbers) m on e.title = m.title
when matched and n <= 50 then delete
when matched then update set location = 'here';
select operation, priority, count(*) from waiting group by 1, 2;
select pg_temp.sent();
insert into calendar_events (event_id, user_id, title, event_date)
select event_id, user_id, title, event_date from calendar_events where title = 'Number 101'
on conflict (event_id) do update set location = 'there';
table waiting;
select pg_temp.sent();

-- What is rolled back has not happened.
savepoint here;
delete from calendar_events where title = 'Number 101';
select count(*) from waiting;
rollback to here;
select count(*) from waiting;
do $$
begin
    begin
        update calendar_events set title = 'no' where title = 'Number 101';
        raise exception 'no';
    exception when others then
        update calendar_events set title = 'Number 102' where title = 'Number 101';
    end;
end
$$;
table waiting;
select pg_temp.sent();

-- An interaction is made, changed, archived and deleted; its table is emptied.
create table interaction_queue (
    interaction_id uuid primary key default gen_random_uuid(), subject text, interaction_date timestamptz,
    duration_minutes int, archived boolean default false, created_by text
);
select calendar_attach('interaction_queue', '{"user": {"column": "created_by"}, "time_zone": "UTC"}');
insert into interaction_queue (subject, interaction_date, created_by)
values ('Call', '2031-04-01Z', 'bob'), ('Visit', '2031-04-01Z', 'bob'), ('Not his', '2031-04-01Z', 'eve');
table waiting;
update interaction_queue set subject = 'Call Eve' where subject = 'Call';
delete from interaction_queue where subject = 'Visit';
table waiting;
select pg_temp.sent();
update interaction_queue set archived = true where subject = 'Call Eve';
table waiting;
update interaction_queue set archived = false where subject = 'Call Eve';
table waiting;
delete from interaction_queue where subject = 'Call Eve';
table waiting;
select pg_temp.sent();
insert into interaction_queue (subject, interaction_date, created_by) values ('Mail', '2031-04-01Z', 'bob');
select pg_temp.sent();
insert into interaction_queue (subject, interaction_date, created_by) values ('Fax', '2031-04-01Z', 'bob');
truncate interaction_queue;
table waiting;

-- Changes that no trigger has seen go out when all is compared: here, when a copy becomes the real one. Until then a copy
-- queues nothing.
select pg_temp.sent();
select system_identifier as original from calendar_installation \gset
update calendar_installation set system_identifier = 1;
insert into calendar_events (user_id, title, event_date) values ('bob', 'Made in the copy', '2031-05-01Z');
update calendar_events set title = 'Changed in the copy', changed_at = clock_timestamp() where title = 'Under way';
select calendar_delete_event('ada', 'planner', 'weekly');
table waiting;
select calendar_resume();
select connection, operation, item from waiting;
select status, provider, operations, oldest = now() as now, next_due = now() as due from calendar_queue_status;
select name, labels - 'database' as labels, value from calendar_metrics where name like 'calendar_sync_queue%' order by 1, 2;

-- What was refused for good is not tried again by itself.
select pg_temp.sent();
update calendar_event_links l set sync_status = 'error' from calendar_events e
where e.event_id = l.event_id and e.title = 'Changed in the copy';
update calendar_events set location = 'No', changed_at = clock_timestamp() where title = 'Changed in the copy';
delete from calendar_sync_queue where status = 'pending';
select calendar_resume();
table waiting;

-- Unsubscribed from: nothing more is sent there, and its mirror is emptied.
insert into calendar_events (event_id, user_id, connection_id, external_source, external_id, title, event_date, synced_from)
values ('e0000000-0000-4000-8000-000000000003', 'ada', 'c0000000-0000-4000-8000-000000000003', 'google', 'g3', 'Read again',
    '2031-02-01 09:00Z', 'google');
table waiting;
select pg_temp.sent();
update calendar_events set title = 'One more' where title = 'Four';
select calendar_unsubscribe('c0000000-0000-4000-8000-000000000003');
table waiting;
select calendar_unsubscribe('c0000000-0000-4000-8000-000000000001');
table waiting;

-- Emptying the whole calendar here empties it where it was sent to.
select pg_temp.sent();
truncate calendar_events;
select connection, operation, count(*) from waiting group by 1, 2 order by 1, 2;
rollback;

-- A trigger function is called by its trigger alone.
\set VERBOSITY terse
create table queue_misplaced (event_id uuid);
create trigger misplaced after insert on queue_misplaced for each row execute function calendar_events_changed();
insert into queue_misplaced values (null);
drop table queue_misplaced;
