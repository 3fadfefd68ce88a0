-- What the owner of an attached table tries by what its mapping names: the "customer" is a view of theirs, and calls a
-- function of theirs whenever anybody reads it. One transaction; nothing stays.

begin;
set local client_min_messages = error;
set local timezone = 'UTC';
create role mapping_owner;
create schema crm;
grant usage, create on schema crm to mapping_owner;
grant execute on function calendar_attach, calendar_backfill to mapping_owner;
create function id(n int) returns uuid language sql immutable
    as $$ select lpad(n::text, 32, '0')::uuid $$;

set local role mapping_owner;
create table crm.visit (interaction_id uuid primary key, subject text, interaction_date timestamptz, created_by text, customer_id int);
create function crm.hostile() returns text language plpgsql as $$ begin return current_user; end $$;
create view crm.customer as select 1 as customer_id, crm.hostile() as name;
select calendar_attach('crm.visit', '{"name": "visits", "user": {"column": "created_by"}, "customer": {"table": "crm.customer", "key": "customer_id", "name": "name"}}');
reset role;

-- A superuser writes: one row, many, and catching up on rows that no trigger saw.
insert into crm.visit values (id(1), 'one', now() + interval '1 day', 'ada', 1);
insert into crm.visit select id(n), 'many', now() + interval '1 day', 'ada', 1 from generate_series(2, 4) n;
set local session_replication_role = replica;
insert into crm.visit values (id(5), 'unseen', now() + interval '1 day', 'ada', 1);
reset session_replication_role;
select action from calendar_unsynced_interactions;
select calendar_backfill('crm.visit');
select title, participants, count(*) from calendar_events where related_table = 'visits' group by 1, 2 order by 1;

-- A failure that is tried again.
create or replace function crm.hostile() returns text language plpgsql as $$ begin raise exception 'later'; end $$;
insert into crm.visit values (id(6), 'later', now() + interval '1 day', 'ada', 1);
create or replace function crm.hostile() returns text language plpgsql as $$ begin return 'retried as ' || current_user; end $$;
update calendar_sync_failures set next_retry_at = now();
select resolved, error from calendar_retry_failures();
select participants from calendar_events where related_id = id(6);

-- What it might do with the session of a superuser: each is a failure of that interaction, and no more.
set local role mapping_owner;
create table crm.deferred (n int);
create function crm.sprung() returns trigger language plpgsql as $$ begin raise exception 'sprung as %', current_user; end $$;
create constraint trigger sprung after insert on crm.deferred deferrable initially deferred
    for each row execute function crm.sprung();
reset role;
create table crm.attempts (n serial, what text);
insert into crm.attempts (what) values
    ('set role postgres'),
    ('reset session authorization'),
    ('set session authorization postgres'),
    ('create temporary table left_behind ()'),
    ('insert into crm.deferred values (1)'),
    ('listen calendar'),
    ('prepare left_behind as select 1'),
    ('declare left_behind cursor with hold for select 1'),
    ('alter role mapping_owner superuser'),
    ('set session_replication_role = replica'),
    ('set calendar_sync.http_allow_private = on'),
    ('insert into public.calendar_events (user_id, title, event_date) values (''grace'', '''', now())'),
    ('select count(*) from public.calendar_connections'),
    ('select public.calendar_grant(''mapping_owner'', ''admin'')'),
    ('select public.calendar_upsert_event(''grace'', ''x'', ''x'', ''{"title": "x", "start": "2031-01-01"}'')');
grant select on crm.attempts to mapping_owner;
create or replace function crm.hostile() returns text language plpgsql as $$
begin
    execute (select what from crm.attempts where n = current_setting('crm.attempt')::int);
    return 'done';
end
$$;
do $$
begin
    for i in 1..15 loop
        perform set_config('crm.attempt', i::text, true);
        insert into crm.visit values (id(100 + i), 'attempt', now() + interval '1 day', 'ada', 1);
    end loop;
end
$$;
-- Until PostgreSQL 15 the attributes of a role had messages of their own.
select a.what, regexp_replace(f.error_message, '^must be superuser to alter .*', 'permission denied to alter role') error_message
from crm.attempts a
left join calendar_failures_pending f on f.interaction_id = id(100 + a.n)
order by a.n;
set constraints all immediate;
select current_user, session_user, current_setting('session_replication_role'), rolsuper
from pg_roles where rolname = 'mapping_owner';

-- What it sets does not outlast it, what it makes of its own does not run as anybody else.
create or replace function crm.hostile() returns text language plpgsql as $$
begin
    set search_path = crm, public;
    set calendar_sync.user_id = 'grace';
    set timezone = 'Asia/Tokyo';
    perform set_config('crm.mine', 'set', true);
    begin
        set local datestyle = 'SQL';
        perform set_config('row_security', 'off', false);
    exception when others then
        null;
    end;
    return 'set';
end
$$;
insert into crm.visit values (id(7), 'sets', now() + interval '1 day', 'ada', 1);
insert into crm.visit select id(n), 'set often', now() + interval '1 day', 'ada', 1 from generate_series(8, 9) n;
select count(*) from calendar_unsynced_interactions;
select distinct participants from calendar_events where related_id in (id(7), id(8), id(9));
select name, setting from pg_settings
where name in ('search_path', 'calendar_sync.user_id', 'TimeZone', 'DateStyle', 'row_security') order by 1;
select current_setting('crm.mine', true) as mine;

-- It must be allowed to read what it names, and names nothing of ours.
savepoint before;
set local role mapping_owner;
select calendar_attach('crm.visit', '{"name": "visits", "customer": {"table": "pg_catalog.pg_authid", "key": "rolname", "name": "rolpassword"}}');
rollback to before;
set local role mapping_owner;
select calendar_attach('crm.visit', '{"name": "visits", "customer": {"table": "public.calendar_connections", "key": "connection_id", "name": "name"}}');
rollback to before;
set local role mapping_owner;
select calendar_attach('public.calendar_events');
rollback to before;
set local role mapping_owner;
select calendar_attach('pg_catalog.pg_class');
rollback to before;
-- Not another's table, whatever the mapping.
create table crm.others (like crm.visit);
set local role mapping_owner;
select calendar_attach('crm.others');
rollback to before;

rollback;
