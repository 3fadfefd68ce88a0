-- What a role tries that stands for one user: ids of others, functions and operators of its own in front of PostgreSQL's,
-- SQL in what it says, code that runs as somebody else. One transaction; nothing stays.

begin;
set local client_min_messages = error;
set local timezone = 'UTC';
create role attack_ada;
create role attack_grace;
select calendar_grant('attack_ada', 'user', 'ada@example.com');
select calendar_grant('attack_grace', 'user', 'grace@example.com');
grant create on database regress to attack_ada;

-- Everything that an error says, without the id that was asked for.
create function pg_temp.says(who text, statement text) returns text language plpgsql as $$
declare
    details text;
    todo text;
    rows bigint;
begin
    execute format('set local role %I', who);
    execute statement;
    get diagnostics rows = row_count;
    reset role;
    return rows || ' rows';
exception when others then
    get stacked diagnostics details = pg_exception_detail, todo = pg_exception_hint;
    return regexp_replace(concat_ws(' | ', sqlstate, sqlerrm, details, todo), '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g');
end
$$;

-- A connection, a feed and an account of Grace's.
create temporary table things as
select calendar_subscribe('grace@example.com', 'https://calendar.example.com/grace.ics') as connection_id,
    (select feed_id from calendar_feed_create('grace@example.com', 'hers')) as feed_id,
    calendar_account_add('grace@example.com', 'microsoft', 'token') as account_id;

select action from calendar_upsert_event('grace@example.com', 'shop', 'x', '{"title": "Surprise party", "start": "2031-01-01T10:00:00Z"}');

-- Her event, and an operation of hers that failed.
alter table things add event_id uuid, add queue_id uuid;
update things set event_id = (select event_id from calendar_events where user_id = 'grace@example.com');
with failed as (
    insert into calendar_sync_queue (operation, event_id, connection_id, status)
    select 'create', event_id, connection_id, 'failed' from things
    returning queue_id
)
update things set queue_id = (select queue_id from failed);

-- Foreign and missing are told alike, by every function that takes an id.
with statements (function, statement) as (
    select p.proname, format('select %s(%L%s)', p.proname, id.id, (
        select string_agg(case t.type when 'uuid'::regtype then format(', %L', connection_id) else ', ''x''' end,
            '' order by t.place)
        from unnest(p.proargtypes::oid[]) with ordinality t (type, place)
        where t.place between 2 and p.pronargs - p.pronargdefaults
    ))
    from things
    cross join lateral (values (connection_id, 'connection_id'), (feed_id, 'feed_id'),
        (account_id, 'account_id'), (event_id, 'event_id'), (queue_id, 'queue_id'), (gen_random_uuid(), null))
        as id (id, kind)
    join pg_depend d on d.deptype = 'e' and d.classid = 'pg_proc'::regclass
        and d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
    join pg_proc p on p.oid = d.objid and p.proargtypes[0] = 'uuid'::regtype and p.proname <> 'calendar_keeps_origin'
    where id.kind is null or p.proargnames[1] = id.kind
)
select function, count(*) as attempts, count(distinct pg_temp.says('attack_ada', statement)) as answers,
    min(pg_temp.says('attack_ada', statement)) as answer
from statements
group by 1
order by 1;
-- They are as they were.
select status from calendar_connections join things using (connection_id);
select enabled from calendar_feeds join things using (feed_id);
select status from calendar_accounts join things using (account_id);
select status from calendar_sync_queue join things using (queue_id);

-- A user who is there and one who is not are told alike, by every function that takes one.
with statements (function, statement) as (
    select p.proname, format('select %s(%L%s)', p.proname, u.user_id, (
        select string_agg(
            case t.type when 'jsonb'::regtype then ', ''{}'''
                when 'timestamptz'::regtype then format(', ''2031-01-0%s''', t.place)
                else ', ''x''' end,
            '' order by t.place)
        from unnest(p.proargtypes::oid[]) with ordinality t (type, place)
        where t.place between 2 and p.pronargs - p.pronargdefaults
    ))
    from (values ('grace@example.com'), ('nobody@example.com')) u (user_id)
    join pg_depend d on d.deptype = 'e' and d.classid = 'pg_proc'::regclass
        and d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
    join pg_proc p on p.oid = d.objid and p.proargtypes[0] = 'text'::regtype and p.proargnames[1] = 'user_id'
)
select function, count(distinct pg_temp.says('attack_ada', statement)) as answers,
    min(pg_temp.says('attack_ada', statement)) ~ '^42501 . permission denied for the calendar of another user' as refused
from statements
group by 1
order by 1;
select split_part(pg_temp.says('attack_ada', format('select %s', call)), ' | ', 2) as answer, call
from unnest(array[
    $$calendar_free_busy(array['ada@example.com', 'grace@example.com'], '2031-01-01', '2031-01-02')$$,
    $$calendar_busy_ranges(array['grace@example.com'], '2031-01-01', '2031-01-02')$$,
    $$calendar_free_slots(array['nobody@example.com'], '2031-01-01', '2031-01-02', '1 hour')$$,
    $$calendar_sync_request()$$
]) call;

-- A schema of its own in front of everything: functions, operators and a type that say who called them.
set local role attack_ada;
create schema attack;
create function attack.sprung() returns void language plpgsql as $$
begin
    raise exception 'sprung as %', current_user;
end
$$;
create function attack.eq(text, text) returns boolean language plpgsql as $$ begin perform attack.sprung(); return true; end $$;
create function attack.eq(uuid, uuid) returns boolean language plpgsql as $$ begin perform attack.sprung(); return true; end $$;
create function attack.eq(timestamptz, timestamptz) returns boolean language plpgsql as $$ begin perform attack.sprung(); return true; end $$;
create operator attack.= (leftarg = text, rightarg = text, function = attack.eq);
create operator attack.= (leftarg = uuid, rightarg = uuid, function = attack.eq);
create operator attack.< (leftarg = timestamptz, rightarg = timestamptz, function = attack.eq);
create operator attack.<> (leftarg = text, rightarg = text, function = attack.eq);
create function attack.now() returns timestamptz language plpgsql as $$ begin perform attack.sprung(); return null; end $$;
create function attack.clock_timestamp() returns timestamptz language plpgsql as $$ begin perform attack.sprung(); return null; end $$;
create function attack.unnest(uuid[]) returns setof uuid language plpgsql as $$ begin perform attack.sprung(); end $$;
create function attack.concat(text, text) returns text language plpgsql as $$ begin perform attack.sprung(); end $$;
create function attack.calendar_uuid_v7() returns uuid language plpgsql as $$ begin perform attack.sprung(); end $$;
create function attack.calendar_busy_ranges(text[], timestamptz, timestamptz) returns setof text language plpgsql as $$ begin perform attack.sprung(); end $$;
create table attack.calendar_events (event_id uuid, user_id text);
create table attack.calendar_tracked_tables ();
create domain attack.timestamptz as text check (attack.eq(value, ''));
reset role;
grant usage on schema attack to attack_grace;
create table public.attack_interaction (interaction_id uuid primary key, subject text, interaction_date timestamptz, created_by text);
create temporary table pg_class (oid oid, relname name, relowner oid, relnamespace oid);
create temporary table pg_policy (polrelid oid);
create temporary table calendar_events (event_id uuid);
create temporary table calendar_connections (connection_id uuid);
create domain pg_temp.jsonb as text check (attack.eq(value, ''));
set local search_path = attack, pg_temp, pg_catalog, public;
savepoint before;
select 'a'::text = 'b'::text as is_sprung;
rollback to before;
-- A superuser who has walked into it.
select public.calendar_attach('public.attack_interaction', '{"user": {"column": "created_by"}}');
insert into public.attack_interaction
values (gen_random_uuid(), $$Robert'); drop table calendar_events; --$$, pg_catalog.now() + '1 day', 'ada@example.com');
update public.attack_interaction set subject = subject || ' $1 %s {{7*7}}';
select title from public.calendar_events where related_table operator(pg_catalog.=) 'attack_interaction';
select public.calendar_backfill('public.attack_interaction');
select count(*) from public.calendar_retry_failures();
select action from public.calendar_upsert_event('ada@example.com', 'shop', $$x'); drop table calendar_events; --$$,
    '{"title": "''; select attack.sprung(); --", "start": "2031-01-01T10:00:00Z", "end": "2031-01-01T11:00:00Z"}');
select count(*) from public.calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02');
select count(*) from public.calendar_free_busy(array['ada@example.com'], '2031-01-01', '2031-01-02');
select public.calendar_ics_export('ada@example.com', '2031-01-01', '2031-01-02') like '%BEGIN:VEVENT%' as has_event;
select status from public.calendar_sync_status($$grace@example.com$$);
select public.calendar_pause(connection_id) from things;
select public.calendar_feed(public.calendar_feed_rotate(feed_id)) like '%BEGIN:VCALENDAR%' as is_calendar from things;
select count(*) > 0 from public.calendar_cleanup();
select public.calendar_grant('attack_grace', 'reader');
select public.calendar_grant('attack_grace', 'user', 'grace@example.com');
select count(*) from public.calendar_connection_status;
select public.calendar_detach('public.attack_interaction');
insert into public.calendar_events (user_id, title, event_date) values ('ada@example.com', 'by default', '2031-01-01');
set local search_path = public;
drop table pg_temp.pg_class, pg_temp.pg_policy, pg_temp.calendar_events, pg_temp.calendar_connections;
drop domain pg_temp.jsonb;
drop table attack_interaction;

-- A function that runs as its owner acts for whom that one may, and gives nobody else's rights away.
set local role attack_grace;
select pg_temp.says('attack_grace', 'create function public.f() returns int return 1');
reset role;
create function hers() returns bigint language sql security definer
    as $$ select count(*) from calendar_agenda('grace@example.com', '2000-01-01', '2100-01-01') $$;
create function his() returns bigint language sql security definer
    as $$ select count(*) from calendar_agenda('ada@example.com', '2000-01-01', '2100-01-01') $$;
alter function hers owner to attack_grace;
alter function his owner to attack_grace;
select pg_temp.says('attack_ada', 'select hers()'), pg_temp.says('attack_ada', 'select his()');
select pg_temp.says('attack_ada', $$select calendar_agenda('ada@example.com', 'x', '2031-01-01')$$);
set local role attack_ada;
select count(*) > 0 as rows, current_user from calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02');
savepoint before;
select calendar_agenda('grace@example.com', '2031-01-01', '2031-01-02');
rollback to before;
select current_user, current_setting('search_path');
reset role;

-- What looks at rows before row-level security does learns nothing: neither by a function that is cheap nor by an error.
set local role attack_ada;
create function attack.leak(text) returns boolean cost 0.0000001 language plpgsql as $$
begin
    if $1 = 'Surprise party' then
        raise exception 'saw %', $1;
    end if;
    return true;
end
$$;
select count(*) from calendar_events where attack.leak(title);
select count(*) from calendar_events where 1 / (case when user_id = 'grace@example.com' then 0 else 1 end) > 0;
reset role;
select count(*) from calendar_events where title = 'Surprise party';

-- Names with quotes, newlines and SQL in them, of tables and of columns.
create schema "cr""m; drop table x; --";
create table "cr""m; drop table x; --"."inter'act""ion
$1" (interaction_id uuid primary key, "sub""ject'; --" text, interaction_date timestamptz, created_by text, "custo""mer" int);
create table "cr""m; drop table x; --"."na""mes" ("k'ey" int, "na""me" text);
insert into "cr""m; drop table x; --"."na""mes" values (1, $$O'Hara"; --$$);
select calendar_attach($$"cr""m; drop table x; --"."inter'act""ion
$1"$$, $${"columns": {"subject": "sub\"ject'; --", "customer_id": "custo\"mer"}, "user": {"column": "created_by"},
    "customer": {"table": "\"cr\"\"m; drop table x; --\".\"na\"\"mes\"", "key": "k'ey", "name": ["na\"me", " '); drop table x; -- "]}}$$);
insert into "cr""m; drop table x; --"."inter'act""ion
$1" values (gen_random_uuid(), 'Quoted', now() + interval '1 day', 'ada@example.com', 1);
update "cr""m; drop table x; --"."inter'act""ion
$1" set "sub""ject'; --" = 'Quoted twice';
select title, participants, related_table from calendar_events where title like 'Quoted%';
select calendar_backfill();
select calendar_detach($$"cr""m; drop table x; --"."inter'act""ion
$1"$$);

-- What the event triggers call is nobody's to call, and whoever changes a table of their own needs no right for it.
set local role attack_ada;
create table attack.mine (a int);
create trigger mine before update on attack.mine for each row execute function suppress_redundant_updates_trigger();
alter table attack.mine add column b int;
drop table attack.mine;
savepoint before;
create trigger mine after insert on attack.calendar_tracked_tables for each row execute function calendar_grants_policies();
rollback to before;
create event trigger mine on ddl_command_end execute function calendar_interaction_ddl();
rollback to before;
drop event trigger calendar_sync_ddl;
rollback to before;
alter extension calendar_sync drop function calendar_agenda;
rollback to before;
reset role;

-- Even who was given EXECUTE on all there is makes no policy, and no event, from a table of their own.
grant execute on all functions in schema public to attack_ada;
set local role attack_ada;
create table attack.calendar_grants (role text, level text, user_id text);
create trigger mine after insert on attack.calendar_grants for each row execute function calendar_grants_policies();
insert into attack.calendar_grants values ('attack_ada', 'admin', null), ('attack_ada', 'user', 'grace@example.com');
select count(*) from calendar_events where user_id <> 'ada@example.com';
create trigger mine before insert on attack.calendar_events for each row execute function calendar_interaction_stamp('x');
insert into attack.calendar_events values (gen_random_uuid(), 'grace@example.com');
savepoint armed;
select calendar_grant('attack_ada', 'admin');
rollback to armed;
select calendar_resume();
rollback to armed;
select calendar_rotate_key();
rollback to armed;
select calendar_cleanup();
rollback to armed;
reset role;

rollback;
