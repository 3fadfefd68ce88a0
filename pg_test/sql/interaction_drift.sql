-- An attached table that is altered: the CRM's writes go on, what can't be mapped is recorded, nothing is taken for gone.

set timezone = 'UTC';
set client_min_messages = error;

create function id(n int) returns uuid language sql immutable as
    $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create schema crm;
create table crm.interaction (
    interaction_id uuid primary key deferrable,
    subject text,
    interaction_date timestamptz default '2040-01-01',
    duration_minutes int,
    details json,
    amount numeric,
    created_by uuid default id(9)
);
select calendar_attach('crm.interaction', '{"metadata": ["details", "amount"]}');
create view failed as
select substr(interaction_id::text, 34) as i, error_message from calendar_failures_pending order by interaction_id;

insert into crm.interaction (interaction_id, subject, duration_minutes, details, amount)
values (id(1), 'one', 30, '{"z": 1}', 1.50), (id(2), 'two', 30, null, null), (id(3), 'three', 30, null, null);
select metadata from calendar_events where related_id = id(1);

-- Ids that swap and shift within one statement: each event stays with its interaction.
update crm.interaction set interaction_id = case interaction_id when id(1) then id(2) else id(1) end where interaction_id <> id(3);
select i.subject, e.title from crm.interaction i join calendar_events e on e.related_id = i.interaction_id order by 1;
update crm.interaction set interaction_id = id(right(interaction_id::text, 1)::int + 1);
select i.subject, e.title from crm.interaction i join calendar_events e on e.related_id = i.interaction_id order by 1;
select count(*) from failed;

-- Columns that are renamed, required or not: recorded, until the mapping says so.
alter table crm.interaction rename column subject to title;
insert into crm.interaction (interaction_id, title, duration_minutes) values (id(11), 'eleven', 30);
alter table crm.interaction rename column duration_minutes to minutes;
insert into crm.interaction (interaction_id, title, minutes) values (id(12), 'twelve', 30);
update crm.interaction set title = 'eleven again' where interaction_id = id(11);
select * from failed;
select calendar_backfill('crm.interaction');
set client_min_messages = warning;
select count(*) from calendar_unsynced_interactions;
set client_min_messages = error;
select calendar_attach('crm.interaction', '{"columns": {"subject": "title", "duration_minutes": "minutes"}}');
update calendar_sync_failures set next_retry_at = now();
select substr(interaction_id::text, 34) as i, resolved from calendar_retry_failures() order by 1;
select title, event_end - event_date as length from calendar_events where related_id > id(10) order by related_id;

-- Columns that are gone, or are of another type now; the stamp's, the id's.
alter table crm.interaction alter column calendar_synced_at type text;
insert into crm.interaction (interaction_id, title, minutes) values (id(13), 'thirteen', 30);
select calendar_synced_at is null as not_stamped from crm.interaction where interaction_id = id(13);
alter table crm.interaction drop column minutes cascade;
alter table crm.interaction add column minutes text;
insert into crm.interaction (interaction_id, title, minutes) values (id(14), 'fourteen', 'many');
alter table crm.interaction drop column title cascade;
insert into crm.interaction (interaction_id) values (id(15));
select * from failed;
alter table crm.interaction rename column interaction_id to iid;
alter table crm.interaction add column interaction_id int default 5;
set client_min_messages = warning;
insert into crm.interaction (iid) values (id(16));
set client_min_messages = error;
select count(*) from crm.interaction where iid > id(12);

-- A failure whose interaction is gone without a trigger: it goes, and the others are tried.
create table crm.visit (interaction_id uuid primary key, subject text, interaction_date timestamptz default '2040-01-01', duration_minutes int, created_by uuid default id(9));
select calendar_attach('crm.visit');
truncate calendar_sync_failures;
insert into crm.visit (interaction_id, subject, duration_minutes) values (id(1), 'gone', -1), (id(2), 'stays', -1);
alter table crm.visit disable trigger user;
delete from crm.visit where interaction_id = id(1);
alter table crm.visit enable trigger user;
update calendar_sync_failures set next_retry_at = now();
select substr(interaction_id::text, 34) as i, resolved, error from calendar_retry_failures() order by 1;

-- Policies that hide rows even from their owner: an error, not an empty calendar.
create role policy_owner;
grant usage on schema crm to policy_owner;
update crm.visit set duration_minutes = 5;
alter table crm.visit owner to policy_owner;
alter table crm.visit enable row level security;
alter table crm.visit force row level security;
select calendar_backfill('crm.visit');
select title from calendar_events where related_table = 'visit';

-- A look-up that fails for some rows leaves the others alone.
create table crm.customer (customer_id int primary key, name text);
insert into crm.customer values (1, 'Acme');
create table crm.call (interaction_id uuid primary key, customer_id int, subject text, interaction_date timestamptz default '2040-01-01', created_by uuid default id(9));
select calendar_attach('crm.call');
alter table crm.customer rename column name to company;
insert into crm.call (interaction_id, customer_id, subject) values (id(1), 1, 'with'), (id(2), null, 'without');
select title from calendar_events where related_table = 'call';
select * from failed where i in ('001', '002');

-- A hostile search_path of the session, whose types stand before PostgreSQL's own.
create schema evil;
create domain evil.text as pg_catalog.text check (false);
\c -
set search_path = evil, pg_catalog, public;
insert into crm.call (interaction_id, subject, created_by)
values ('00000000-0000-4000-8000-000000000003', 'under a hostile path', '00000000-0000-4000-8000-000000000009');
set search_path = public;
select title from calendar_events where related_id = id(3) and related_table = 'call';

-- Triggers that stand where attach would not put them.
create trigger misplaced after insert on crm.call for each statement execute function calendar_interaction_collect('00000000-0000-4000-8000-000000000000');
insert into crm.call (interaction_id, subject) values (id(4), 'x');
drop trigger misplaced on crm.call;

-- Dropped: forgotten.
set client_min_messages = error;
drop table crm.call;
select name from calendar_tracked_tables order by name;

drop schema crm, evil cascade;
select count(*) from calendar_tracked_tables;
drop function id;
drop view failed;
drop role policy_owner;
truncate calendar_events, calendar_sync_log, calendar_sync_failures, calendar_tracked_tables;
