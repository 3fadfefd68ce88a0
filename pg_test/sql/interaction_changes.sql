-- What becomes of an interaction's event, change by change.

set timezone = 'UTC';
set client_min_messages = warning;

create schema crm;
create table crm.customer (customer_id int primary key, name text);
create table crm.contact (contact_id int primary key, first_name text, last_name text);
create table crm.interaction (
    interaction_id uuid primary key,
    customer_id int,
    contact_id int,
    subject varchar(255),
    description text,
    location text,
    interaction_date timestamptz,
    duration_minutes int,
    archived boolean,
    note text,
    created_by uuid,
    updated_by uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
insert into crm.customer values (1, 'Acme'), (2, '  '), (3, null);
insert into crm.contact values (1, 'Ada', 'Lovelace'), (2, null, 'Hopper');

set client_min_messages = error;
select calendar_attach('crm.interaction');
set client_min_messages = warning;

create function id(n int) returns uuid language sql immutable as
    $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create view seen as
select substr(related_id::text, 34) as i, title, event_status as status, show_as, all_day, participants as who,
       event_end - event_date as length
from calendar_events
order by related_id;
create view logged as
select substr(interaction_id::text, 34) as i, action, status, error_message from calendar_sync_log order by log_id;

-- Insert: an event if there is a date in the window, a subject, and it is not archived.
begin;
insert into crm.interaction (interaction_id, customer_id, contact_id, subject, interaction_date, duration_minutes, archived, created_by)
values (id(1), 1, 1, 'Visit', now() + interval '1 hour', 45, false, id(9)),
       (id(2), null, null, 'Call of unknown length', now(), null, null, id(9)),
       (id(3), 2, 2, 'Zero length', now() - interval '29 days', 0, false, id(9)),
       (id(4), 3, null, 'Too old', now() - interval '31 days', 30, false, id(9)),
       (id(5), 1, null, null, now(), 30, false, id(9)),
       (id(6), 1, null, 'No date', null, 30, false, id(9)),
       (id(7), 1, null, 'Archived', now(), 30, true, id(9));
select * from seen;
select * from logged;
select user_id, event_type, time_zone, related_table, synced_from, sync_status, created_by, event_date = now() as is_now,
       start_time is null as without_clock
from calendar_events where related_id = id(2);
select substr(interaction_id::text, 34) as i, calendar_synced_at = now() as stamped from crm.interaction order by 1;
rollback;

-- A rollback leaves nothing behind.
select count(*) from calendar_events;

-- Update: what matters is followed, also out of the window; what does not matter is not even looked at.
insert into crm.interaction (interaction_id, customer_id, subject, interaction_date, duration_minutes, created_by, calendar_synced_at)
values (id(1), 1, 'Visit', '2040-01-01 10:00', 45, id(9), null);
update crm.interaction set calendar_synced_at = null;
update crm.interaction set note = 'x', updated_at = now();
select calendar_synced_at is null as not_stamped from crm.interaction;
update crm.interaction set subject = 'Visit';
update crm.interaction set subject = 'Long visit', duration_minutes = 90, updated_by = id(8);
update crm.interaction set interaction_date = '2001-01-01 10:00';
select * from seen;
select calendar_synced_at is not null as stamped from crm.interaction;
select updated_by = id(8) as by_whom, event_date from calendar_events;
select * from logged;

-- A customer's new name is not followed; another customer is.
update crm.customer set name = 'Acme International' where customer_id = 1;
update crm.interaction set subject = 'Longer visit';
select title, who from seen;
update crm.interaction set contact_id = 2;
select title, who from seen;

-- An event that is missing is made by an update, if the conditions hold then.
insert into crm.interaction (interaction_id, customer_id, subject, interaction_date, duration_minutes, created_by)
values (id(2), 1, null, '2040-01-02 10:00', 10, id(9));
update crm.interaction set subject = 'Subject came later' where interaction_id = id(2);
select i, title, who from seen;

-- Archived: cancelled, and back. What an application has completed stays completed.
truncate calendar_sync_log;
update crm.interaction set archived = true where interaction_id = id(2);
select i, title, status from seen;
update crm.interaction set archived = false, subject = 'Back' where interaction_id = id(2);
update calendar_events set event_status = 'completed' where related_id = id(1);
update crm.interaction set subject = 'Done' where interaction_id = id(1);
select i, title, status from seen;
select * from logged;

-- A subject or a date that goes: the event is cancelled, and scheduled again when it is back.
update crm.interaction set interaction_date = null where interaction_id = id(2);
select i, title, status from seen;
update crm.interaction set interaction_date = '2040-01-03 10:00' where interaction_id = id(2);
select i, title, status from seen;

-- Another id: still the same event.
create table before as select event_id, related_id from calendar_events where related_id = id(2);
update crm.interaction set interaction_id = id(3) where interaction_id = id(2);
select e.event_id = b.event_id as same_event, e.related_id = id(3) as moved
from before b join calendar_events e using (event_id);

-- Upsert, MERGE, DELETE ... RETURNING.
truncate calendar_sync_log;
insert into crm.interaction (interaction_id, subject, interaction_date, duration_minutes, created_by)
values (id(1), 'Upserted', '2040-01-01 10:00', 45, id(9)), (id(4), 'Inserted', '2040-01-04 10:00', 45, id(9))
on conflict (interaction_id) do update set subject = excluded.subject, interaction_date = excluded.interaction_date;
select i, title, status from seen;
merge into crm.interaction i
using (values (id(1), 'Merged'), (id(4), null), (id(5), 'New by merge')) v (id, subject) on v.id = i.interaction_id
when matched and v.subject is null then delete
when matched then update set subject = v.subject
when not matched then insert (interaction_id, subject, interaction_date, duration_minutes, created_by)
    values (v.id, v.subject, '2040-01-05 10:00', 45, id(9));
select i, title, status from seen;
delete from crm.interaction where interaction_id = id(5);
select * from logged order by i, action;

-- COPY.
copy crm.interaction (interaction_id, subject, interaction_date, duration_minutes, created_by) from stdin;
00000000-0000-4000-8000-000000000006	Copied	2040-01-06 10:00	20	00000000-0000-4000-8000-000000000009
\.
select i, title from seen where i = '006';

-- TRUNCATE: all events of this table, logged once.
insert into calendar_events (user_id, title, event_date) values ('somebody', 'Not of this table', '2040-01-01');
truncate calendar_sync_log;
truncate crm.interaction;
select user_id, title from calendar_events;
select action, status, deleted from calendar_sync_log;

set client_min_messages = error;
drop schema crm cascade;
drop view seen, logged;
drop table before;
drop function id;
truncate calendar_events, calendar_sync_log, calendar_sync_failures, calendar_tracked_tables;
