-- Attaching: what is refused, with every complaint at once; mappings; who may.

set timezone = 'UTC';
set client_min_messages = error;

create schema crm;
create table crm.interaction (
    interaction_id uuid primary key,
    subject text,
    interaction_date timestamptz,
    duration_minutes int,
    created_by uuid
);
create function id(n int) returns uuid language sql immutable as
    $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;

-- No columns, wrong types, both.
create table crm.empty ();
select calendar_attach('crm.empty');
create table crm.mistyped (interaction_id bigint, subject text, interaction_date date, duration_minutes text, archived int, created_by uuid);
select calendar_attach('crm.mistyped');
create table crm.half (interaction_id uuid, subject bytea, created_by uuid);
select calendar_attach('crm.half');
select calendar_attach('crm.half', '{"columns": {"location": "where", "subject": "title"}, "event_type": "kind", "metadata": ["project"]}');

-- What is no table of rows.
create view crm.a_view as select * from crm.interaction;
select calendar_attach('crm.a_view');
create materialized view crm.a_matview as select * from crm.interaction;
select calendar_attach('crm.a_matview');
create temporary table a_temp (like crm.interaction);
select calendar_attach('a_temp');
select calendar_attach('calendar_events');
select calendar_attach('pg_class');
create table crm.parted (like crm.interaction) partition by range (interaction_date);
create table crm.parted_2040 partition of crm.parted for values from ('2040-01-01') to ('2041-01-01');
select calendar_attach('crm.parted_2040');
select calendar_attach('crm.nowhere');

-- Mappings that can't be.
select calendar_attach('crm.interaction', '{"colums": {}}');
select calendar_attach('crm.interaction', '{"columns": {"subjekt": "subject"}}');
select calendar_attach('crm.interaction', '{"time_zone": "Europe/Entenhausen"}');
select calendar_attach('crm.interaction', '{"window": "a while"}');
select calendar_attach('crm.interaction', '{"window": "-1 day"}');
select calendar_attach('crm.interaction', '{"user": {"column": "created_by", "table": "app.users", "key": "id", "name": "email"}}');
select calendar_attach('crm.interaction', '{"user": {"table": "app.users"}}');
select calendar_attach('crm.interaction', '{"name": ""}');
select calendar_attach('crm.interaction', '{"customer": {"table": "crm.interaction"}}');
create table crm.numbered (customer_id int primary key, name int);
alter table crm.interaction add column customer_id int;
select calendar_attach('crm.interaction', '{"customer": {"table": "crm.numbered"}}');
select count(*) from calendar_tracked_tables;
select count(*) from pg_trigger where tgrelid = 'crm.interaction'::regclass;

-- Names as hostile as they come.
create table crm."inter'action; --" (
    "id""; drop" uuid primary key,
    "sub'ject" text,
    "da""te" timestamp,
    "länge" smallint,
    "own er" text,
    "kind'" text,
    "pro""ject" int,
    "cust'omer" text
);
create table crm."cust""omer" ("ke'y" text primary key, "na""me" text);
insert into crm."cust""omer" values ('k', 'O''Hara; drop table');
select calendar_attach('crm."inter''action; --"', '{
    "name": "it''s; --",
    "columns": {"interaction_id": "id\"; drop", "subject": "sub''ject", "interaction_date": "da\"te",
                "duration_minutes": "länge", "customer_id": "cust''omer"},
    "user": {"column": "own er"},
    "customer": {"table": "crm.\"cust\"\"omer\"", "key": "ke''y", "name": ["na\"me", " ''\" ", "\\"]},
    "event_type": "kind''", "metadata": ["pro\"ject"], "time_zone": "europe/berlin", "window": "400 years"}');
insert into crm."inter'action; --" values (id(1), 'Hi', '2024-03-31 01:30', 60, 'ada', 'visit', 7, 'k');
select user_id, title, event_type, metadata, event_date, start_time, end_time, time_zone, participants, related_table from calendar_events;
-- A wall clock that does not exist is read as PostgreSQL reads it.
update crm."inter'action; --" set "da""te" = '2024-03-31 02:30';
select event_date, event_date = '2024-03-31 02:30'::timestamp at time zone 'Europe/Berlin' as as_postgres from calendar_events;
select name, time_zone, sync_window from calendar_tracked_tables;

-- Attached twice: still one set of triggers. A second table of the same name needs a name of its own.
select calendar_attach('crm.interaction');
select calendar_attach('crm.interaction');
select tgname, tgenabled from pg_trigger where tgrelid = 'crm.interaction'::regclass order by tgname;
create schema other;
create table other.interaction (like crm.interaction);
select calendar_attach('other.interaction');
select calendar_attach('other.interaction', '{"name": "other interactions"}');
select table_id, name from calendar_tracked_tables order by name;

-- Without the stamp's column; with replica.
create table crm.quiet (like crm.interaction);
alter table crm.quiet drop column calendar_synced_at;
select calendar_attach('crm.quiet', '{"synced_at": false, "replica": true}');
select attname from pg_attribute where attrelid = 'crm.quiet'::regclass and attname = 'calendar_synced_at';
select tgname, tgenabled from pg_trigger where tgrelid = 'crm.quiet'::regclass order by tgname;

-- A new name moves what is there.
insert into other.interaction values (id(2), 'Elsewhere', '2040-01-01', 30, id(9));
select calendar_attach('other.interaction', '{"name": "elsewhere"}');
select related_table from calendar_events where related_id = id(2);
select distinct related_table from calendar_sync_log where interaction_id = id(2);

-- Detached: nothing is synced any more, events and history stay.
select calendar_detach('other.interaction');
insert into other.interaction values (id(3), 'Unseen', '2040-01-01', 30, id(9));
select title from calendar_events where related_table = 'elsewhere';
select count(*) from pg_trigger where tgrelid = 'other.interaction'::regclass;
set client_min_messages = notice;
select calendar_detach('other.interaction');
set client_min_messages = error;

-- Only the owner or a superuser; a CRM role that only writes needs no grant at all.
create role crm_owner;
create role crm_writer;
grant usage, create on schema crm to crm_owner;
grant usage on schema crm to crm_writer;
grant execute on function calendar_attach, calendar_detach, calendar_backfill to crm_owner, crm_writer;
create table crm.owned (like crm.interaction);
alter table crm.owned owner to crm_owner;
grant insert, update, delete on crm.owned to crm_writer;
set role crm_writer;
select calendar_attach('crm.owned');
select calendar_detach('crm.interaction');
select calendar_backfill('crm.owned');
reset role;
set role crm_owner;
select calendar_attach('crm.owned', '{"customer": {"table": "crm.numbered", "name": "name"}}');
create table crm.customer (customer_id int primary key, name text);
insert into crm.customer values (1, 'Acme');
select calendar_attach('crm.owned');
reset role;
set role crm_writer;
insert into crm.owned values (id(4), 'By a writer', '2040-01-01', 30, id(9), 1);
reset role;
select title, participants from calendar_events where related_table = 'owned';

-- A "table" that is a view with a hostile function: it runs as the table's owner, restricted, and may fail at will.
create function crm.hostile() returns text language plpgsql as $$
begin
    return current_user || (select ', superuser: ' || rolsuper from pg_roles where rolname = current_user);
end
$$;
create view crm.hostile_view as select 1 as customer_id, crm.hostile() as name;
alter view crm.hostile_view owner to crm_owner;
set role crm_owner;
select calendar_attach('crm.owned', '{"customer": {"table": "crm.hostile_view", "key": "customer_id", "name": "name"}}');
reset role;
insert into crm.owned values (id(5), 'Looked up', '2040-01-01', 30, id(9), 1);
select participants from calendar_events where related_id = id(5);
create or replace function crm.hostile() returns text language plpgsql as $$
begin
    set session_replication_role = 'replica';
    return 'set';
end
$$;
insert into crm.owned values (id(6), 'Fails', '2040-01-01', 30, id(9), 1);
create or replace function crm.hostile() returns text language plpgsql as $$
begin
    create temp table left_behind ();
    return 'made';
end
$$;
insert into crm.owned values (id(7), 'Fails, too', '2040-01-01', 30, id(9), 1);
select substr(interaction_id::text, 34) as i, error_message from calendar_failures_pending order by 1;
select count(*) from crm.owned;

-- A right that is taken away later is a failure, not an error.
set role crm_owner;
select calendar_attach('crm.owned');
revoke select on crm.customer from crm_owner;
select calendar_attach('crm.owned', '{"customer": {"table": "crm.customer"}}');
reset role;
insert into crm.owned select id(n), 'Without its customer', '2040-01-01', 30, id(9), 1 from generate_series(21, 23) n;
select substr(interaction_id::text, 34) as i, error_message from calendar_failures_pending where interaction_id > id(20) order by 1;
set role crm_owner;
select calendar_attach('crm.owned', '{"customer": false}');
reset role;
update calendar_sync_failures set next_retry_at = now();
select substr(interaction_id::text, 34) as i, resolved from calendar_retry_failures() order by 1;

-- Trigger functions are nobody's to call or to use.
set role crm_owner;
create trigger mine after insert on crm.owned for each row execute function calendar_interaction_collect('x');
reset role;
select calendar_interaction_collect();
create table crm.forged (like crm.interaction);
create trigger forged after insert on crm.forged for each row
    execute function calendar_interaction_collect('00000000-0000-4000-8000-000000000000');
set client_min_messages = warning;
insert into crm.forged values (id(11), 'Forged', '2040-01-01', 30, id(9));
set client_min_messages = error;
select count(*) from calendar_events where related_id = id(11);

drop schema crm, other cascade;
drop function id;
drop owned by crm_writer, crm_owner;
drop role crm_writer, crm_owner;
truncate calendar_events, calendar_sync_log, calendar_sync_failures, calendar_tracked_tables;
