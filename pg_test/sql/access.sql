-- calendar_grant: what each level may do, and what it may not. One transaction; nothing stays.

begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
create role grant_reader;
create role grant_ada;
create role grant_pool;
create role grant_web;
create role grant_admin;
create role grant_nobody;

-- What a statement comes to as a role: how many rows, or the error's SQLSTATE and message.
create function pg_temp.attempt(who text, statement text) returns text language plpgsql as $$
declare
    rows bigint;
begin
    execute format('set local role %I', who);
    execute statement;
    get diagnostics rows = row_count;
    reset role;
    return rows;
exception when others then
    return sqlstate || ' ' || sqlerrm;
end
$$;

select calendar_grant('grant_reader', 'reader');
select calendar_grant('grant_ada', 'user', 'ada@example.com');
select calendar_grant('grant_pool', 'user');
select calendar_grant('grant_web', 'web');
select calendar_grant('grant_admin', 'admin');

-- Who may call which function. A new one has to be decided on (src/api/levels.rs).
select p.proname as function,
    concat_ws(' ',
        case when has_function_privilege('grant_reader', p.oid, 'execute') then 'reader' end,
        case when has_function_privilege('grant_ada', p.oid, 'execute') then 'user' end,
        case when has_function_privilege('grant_web', p.oid, 'execute') then 'web' end,
        case when has_function_privilege('grant_admin', p.oid, 'execute') then 'admin' end,
        case when has_function_privilege('grant_nobody', p.oid, 'execute') then 'PUBLIC' end) as may_call
from pg_depend d
join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync') and d.deptype = 'e'
order by 1;

-- Who may do what with which table and view. A column that is not for all: see below.
select c.oid::regclass as relation,
    concat_ws(' ',
        case when has_table_privilege('grant_reader', c.oid, 'select') then 'reader' end,
        case when has_table_privilege('grant_ada', c.oid, 'select') then 'user' end,
        case when has_table_privilege('grant_web', c.oid, 'select') then 'web' end,
        case when has_table_privilege('grant_admin', c.oid, 'select') then 'admin' end,
        case when has_table_privilege('grant_nobody', c.oid, 'select') then 'PUBLIC' end) as may_select,
    concat_ws(' ',
        case when has_table_privilege('grant_reader', c.oid, 'insert, update, delete, truncate, trigger, references') then 'reader' end,
        case when has_table_privilege('grant_ada', c.oid, 'insert, update, delete, truncate, trigger, references') then 'user' end,
        case when has_table_privilege('grant_web', c.oid, 'insert, update, delete, truncate, trigger, references') then 'web' end,
        case when has_table_privilege('grant_admin', c.oid, 'insert, update, delete, truncate, trigger, references') then 'admin' end,
        case when has_table_privilege('grant_nobody', c.oid, 'insert, update, delete, truncate, trigger, references') then 'PUBLIC' end) as may_write
from pg_depend d
join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync') and d.deptype = 'e'
    and c.relkind in ('r', 'p', 'v', 'm', 'S')
order by c.relkind, c.relname;

-- Nothing for PUBLIC, nor for anybody that is not named above; no privilege that can be handed on.
select distinct a.grantee::regrole, a.is_grantable
from pg_depend d
left join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass
left join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass
left join pg_type t on t.oid = d.objid and d.classid = 'pg_type'::regclass and t.typtype <> 'c' and t.typelem = 0
cross join lateral aclexplode(coalesce(c.relacl, p.proacl, t.typacl, acldefault('T', t.typowner))) a
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync') and d.deptype = 'e'
    and a.grantee::regrole::text not like 'grant\_%' and a.grantee <> coalesce(c.relowner, p.proowner, t.typowner);

-- No secret for anybody: not even its ciphertext, or a hash of it.
select count(*) > 4 as has_secrets,
    count(*) filter (where has_column_privilege('grant_admin', a.attrelid, a.attnum, 'select')) as admin,
    count(*) filter (where has_column_privilege('grant_reader', a.attrelid, a.attnum, 'select')) as reader
from pg_depend d
join pg_attribute a on a.attrelid = d.objid and d.classid = 'pg_class'::regclass
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync') and d.deptype = 'e'
    and a.attnum > 0 and a.atttypid = 'bytea'::regtype and a.attname not in ('content_hash', 'source_hash');
select count(feed_id) as feeds, bool_or(has_any_column_privilege('grant_admin', 'calendar_installation', 'select')) as salt
from calendar_feeds;

-- Every view can be read by those who may: with all that it calls.
select v.view, pg_temp.attempt('grant_reader', format('select * from %s', v.view)) !~ '[^0-9]' as reader,
    pg_temp.attempt('grant_admin', format('select * from %s', v.view)) !~ '[^0-9]' as admin,
    pg_temp.attempt('grant_ada', format('select * from %s', v.view)) ~ '^42501' as not_user
from pg_depend d
join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass and c.relkind = 'v'
cross join lateral (select c.oid::regclass::text as view) v
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync') and d.deptype = 'e'
order by 1;

-- Some events, of three users.
select action from calendar_upsert_event('ada@example.com', 'shop', 'a', '{"title": "Ada''s", "start": "2031-01-01T10:00:00Z", "end": "2031-01-01T11:00:00Z"}');
select action from calendar_upsert_event('ada@example.com', 'shop', 'daily', '{"title": "Daily", "start": "2031-01-02T10:00:00Z", "end": "2031-01-02T11:00:00Z", "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}');
select action from calendar_upsert_event('grace@example.com', 'shop', 'g', '{"title": "Grace''s", "start": "2031-01-01T10:00:00Z", "end": "2031-01-01T12:00:00Z"}');
select action from calendar_upsert_event('alan@example.com', 'shop', 'd', '{"title": "Alan''s", "start": "2031-01-01T10:00:00Z", "end": "2031-01-01T12:00:00Z"}');

-- A role that stands for one user does so whatever the setting says.
set local role grant_ada;
select user_id, title from calendar_events order by title;
select user_id, title from calendar_series;
set local calendar_sync.user_id = 'grace@example.com';
select user_id, title from calendar_events order by title;
select title from calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02');
savepoint before;
select title from calendar_agenda('grace@example.com', '2031-01-01', '2031-01-02');
rollback to before;
select title from calendar_agenda('nobody@example.com', '2031-01-01', '2031-01-02');
rollback to before;
select * from calendar_free_busy(array['ada@example.com'], '2031-01-01', '2031-01-02');
select * from calendar_free_busy(array['ada@example.com', 'grace@example.com'], '2031-01-01', '2031-01-02');
rollback to before;
reset role;

-- Row-level security costs no index: its condition is one of the index's.
reset role;
set local enable_seqscan = off;
set local enable_bitmapscan = off;
set local role grant_ada;
explain (costs off) select title from calendar_events where event_date >= '2031-01-01' and event_date < '2031-02-01';
reset role;
set local role grant_pool;
explain (costs off) select title from calendar_events where event_date >= '2031-01-01' and event_date < '2031-02-01';
reset role;
reset enable_seqscan;
reset enable_bitmapscan;

-- One that names its user itself; empty, the setting names nobody.
set local role grant_pool;
set local calendar_sync.user_id = 'alan@example.com';
select user_id, title from calendar_events order by title;
select title from calendar_agenda('alan@example.com', '2031-01-01', '2031-01-02');
savepoint before;
select title from calendar_agenda('grace@example.com', '2031-01-01', '2031-01-02');
rollback to before;
set local calendar_sync.user_id = '';
select count(*) from calendar_events;
select calendar_agenda('', '2031-01-01', '2031-01-02');
rollback to before;
reset role;

-- One that acts for everybody.
set local role grant_admin;
select user_id, count(*) from calendar_events group by 1 order by 1;
select user_id, busy from calendar_free_busy(array['ada@example.com', 'grace@example.com'], '2031-01-01', '2031-01-02');
select calendar_sync_request();
savepoint before;
select calendar_resume();
rollback to before;
select calendar_grant('grant_admin', 'user', 'ada@example.com');
rollback to before;
select url from calendar_connections;
rollback to before;
select token_hash from calendar_feeds;
rollback to before;
reset role;

-- Plain SQL on one's own rows: written, read, changed, deleted.
set local role grant_ada;
set local calendar_sync.user_id = '';
insert into calendar_events (user_id, title, event_date, importance, created_at)
values ('ada@example.com', 'Plain', '2031-02-01', 'HIGH', '2020-01-01')
returning title, importance;
update calendar_events set title = 'Changed' where title = 'Plain' returning title;
insert into calendar_events as e (event_id, user_id, title, event_date)
select event_id, user_id, title, event_date from calendar_events where title = 'Changed'
on conflict (event_id) do update set title = 'Merged' returning title;
merge into calendar_events e using (values ('Merged')) v (title) on e.title = v.title
when matched then update set location = 'Room 1';
create temporary table copied as select * from calendar_events where title = 'Merged';
delete from calendar_events where title = 'Merged' returning location;
drop table copied;
reset role;

-- Nobody else's: not seen, not made, not given away, not touched.
select pg_temp.attempt('grant_ada', statement), statement
from unnest(array[
    $$insert into calendar_events (user_id, title, event_date) values ('grace@example.com', 'Forged', '2031-01-01')$$,
    $$update calendar_events set user_id = 'grace@example.com'$$,
    $$update calendar_events set title = 'Hers' where user_id = 'grace@example.com'$$,
    $$delete from calendar_events where user_id <> 'ada@example.com'$$,
    $$select from calendar_events where user_id <> 'ada@example.com' for update$$,
    $$insert into calendar_events (event_id, user_id, title, event_date) select gen_random_uuid(), 'grace@example.com', '', now() on conflict do nothing$$,
    $$insert into calendar_series (user_id) values ('ada@example.com')$$,
    $$update calendar_series set title = 'x'$$,
    $$truncate calendar_events$$,
    $$create trigger t after insert on calendar_events for each row execute function suppress_redundant_updates_trigger()$$,
    $$create policy mine on calendar_events using (true)$$,
    $$alter table calendar_events disable row level security$$,
    $$set row_security = off; select from calendar_events$$,
    $$select from calendar_connections$$,
    $$select from calendar_sync_log$$,
    $$select calendar_grant('grant_ada', 'admin')$$
]) with ordinality s (statement, n)
order by n;

-- Nor made a part of what is another's, or not of this origin at all.
insert into calendar_events (user_id, title, event_date, related_table, related_id)
values ('ada@example.com', 'Interaction', '2031-03-01', 'interaction', '00000000-0000-4000-8000-000000000001');
select pg_temp.attempt('grant_ada', statement), statement
from unnest(array[
    $$insert into calendar_events (user_id, title, event_date, connection_id) values ('ada@example.com', 'Forged', '2031-01-01', gen_random_uuid())$$,
    $$insert into calendar_events (user_id, title, event_date, related_table, related_id) values ('ada@example.com', 'Forged', '2031-01-01', 'interaction', gen_random_uuid())$$,
    $$update calendar_events set series_id = gen_random_uuid()$$,
    $$update calendar_events set connection_id = gen_random_uuid() where title = 'Interaction'$$,
    $$update calendar_events set related_id = gen_random_uuid() where title = 'Interaction'$$,
    $$update calendar_events set event_id = gen_random_uuid() where title = 'Interaction'$$,
    $$update calendar_events set event_status = 'completed' where title in ('Interaction', 'Daily')$$,
    $$update calendar_events set related_table = null, related_id = null where title = 'Interaction'$$,
    $$delete from calendar_events where title = 'Interaction'$$
]) with ordinality s (statement, n)
order by n;

-- Levels add up, for members too, and are taken away together.
grant grant_ada to grant_nobody;
select pg_temp.attempt('grant_nobody', 'select from calendar_events');
select pg_temp.attempt('grant_nobody', $$select calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02')$$);
select pg_temp.attempt('grant_nobody', $$select calendar_agenda('grace@example.com', '2031-01-01', '2031-01-02')$$);
-- From PostgreSQL 16 on it is the grant that inherits or not, as the role did when it was made.
revoke grant_ada from grant_nobody;
alter role grant_nobody noinherit;
grant grant_ada to grant_nobody;
select pg_temp.attempt('grant_nobody', 'select from calendar_events');
alter role grant_nobody inherit;
revoke grant_ada from grant_nobody;
select calendar_grant('grant_ada', 'reader');
select pg_temp.attempt('grant_ada', 'select from calendar_connection_status');

-- Granted again, the same is no change, and another user takes the place of the first.
create temporary view policies as
select p.oid, polrelid::regclass as relation, polname, pg_get_expr(polqual, polrelid) as condition,
    pg_get_expr(polwithcheck, polrelid) as checked
from pg_policy p;
create temporary table before_that as select * from policies;
select calendar_grant('grant_ada', 'user', 'ada@example.com'), calendar_grant('grant_pool', 'user'), calendar_grant('grant_admin', 'admin');
select count(*) as same from policies join before_that using (oid);
select relation, polname, condition, checked from policies order by relation::text, polname;
select calendar_grant('grant_ada', 'user', E'o\'hara\\"; drop table calendar_events; --');
select condition from policies where polname = 'calendar_user_grant_ada';
select pg_temp.attempt('grant_ada', $$select calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02')$$);
select pg_temp.attempt('grant_ada', $$select calendar_agenda(E'o\'hara\\"; drop table calendar_events; --', '2031-01-01', '2031-01-02')$$);
select pg_temp.attempt('grant_ada', $$insert into calendar_events (user_id, title, event_date) values (E'o\'hara\\"; drop table calendar_events; --', '', now())$$);

set local escape_string_warning = off;
set local standard_conforming_strings = off;
select calendar_grant('grant_ada', 'user', 'o''hara\\\\"; drop table calendar_events; --');
select condition from policies where polname = 'calendar_user_grant_ada';
select pg_temp.attempt('grant_ada', $$select calendar_agenda(E'o\'hara\\"; drop table calendar_events; --', '2031-01-01', '2031-01-02')$$);
select pg_temp.attempt('grant_ada', $$select calendar_agenda(E'o\'hara\\\\"; drop table calendar_events; --', '2031-01-01', '2031-01-02')$$);
set local standard_conforming_strings = on;

-- Nor does it matter how the caller has names written.
set local quote_all_identifiers = on;
select pg_temp.attempt('grant_ada', $$select calendar_agenda(E'o\'hara\\\\"; drop table calendar_events; --', '2031-01-01', '2031-01-02')$$);
set local quote_all_identifiers = off;

-- A name that was given up is no hindrance, one that needs quotes neither.
alter role grant_ada rename to grant_old;
create role grant_ada;
create role "grant ""quoted"" and long enough that a policy's name has no room";
select calendar_grant('grant_ada', 'user', 'grace@example.com');
select calendar_grant('"grant ""quoted"" and long enough that a policy''s name has no room"', 'user', 'alan@example.com');
select polrelid::regclass as relation, polname, polroles::regrole[] as roles, pg_get_expr(polqual, polrelid) as condition
from pg_policy where polname like 'calendar\_user%grant%' order by polrelid::regclass::text, polname;
select pg_temp.attempt('grant_ada', 'select from calendar_events');

select calendar_grant(role, 'none')
from unnest(array['grant_reader', 'grant_old', 'grant_ada', 'grant_pool', 'grant_web', 'grant_admin']::regrole[]) role;
select calendar_grant('"grant ""quoted"" and long enough that a policy''s name has no room"', 'none');
select count(*) as policies from pg_policy;
select count(*) as remembered from calendar_grants;
select pg_temp.attempt('grant_old', 'select from calendar_events');
select pg_temp.attempt('grant_admin', $$select calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02')$$);
-- Nothing holds on to them.
drop role grant_reader, grant_old, grant_ada, grant_pool, grant_web, grant_admin, "grant ""quoted"" and long enough that a policy's name has no room";

-- Rights that were given by hand: with EXECUTE alone a role acts for whom it says; with a right to the rows it is under
-- the policies, of which there is none.
grant execute on function calendar_agenda to grant_nobody;
set local calendar_sync.user_id = 'ada@example.com';
select pg_temp.attempt('grant_nobody', $$select calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02')$$);
select pg_temp.attempt('grant_nobody', $$select from calendar_events$$);
grant select (title) on calendar_events to grant_nobody;
select pg_temp.attempt('grant_nobody', $$select calendar_agenda('ada@example.com', '2031-01-01', '2031-01-02')$$);
select pg_temp.attempt('grant_nobody', $$select from calendar_events$$);

-- What can't be granted.
select pg_temp.attempt(current_user, statement), statement
from unnest(array[
    $$select calendar_grant('grant_nobody', 'owner')$$,
    $$select calendar_grant('grant_nobody', 'Reader')$$,
    $$select calendar_grant('grant_nobody', null)$$,
    $$select calendar_grant(null, 'reader')$$,
    $$select calendar_grant('grant_gone', 'reader')$$,
    $$select calendar_grant('-', 'reader')$$,
    $$select calendar_grant(4294967295::oid::regrole, 'reader')$$,
    $$select calendar_grant('grant_nobody', 'admin', 'ada@example.com')$$,
    $$select calendar_grant('grant_nobody', 'none', 'ada@example.com')$$,
    $$select calendar_grant('grant_nobody', 'user', '')$$
]) with ordinality s (statement, n)
order by n;
grant execute on function calendar_grant to grant_nobody;
select pg_temp.attempt('grant_nobody', $$select calendar_grant('grant_nobody', 'admin')$$);
\set VERBOSITY default
select calendar_grant('grant_nobody', 'owner');

rollback;
