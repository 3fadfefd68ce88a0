-- One statement, one batch: and the same outcome per row whatever else fires, whoever writes, wherever the row lies.

set timezone = 'UTC';
set client_min_messages = error;

create function id(n int) returns uuid language sql immutable as
    $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create schema crm;
create table crm.interaction (
    interaction_id uuid,
    subject text,
    interaction_date timestamptz,
    duration_minutes int,
    note text,
    created_by uuid default id(9)
) partition by range (interaction_date);
-- A partition whose columns stand in another order.
create table crm.y2040 (
    created_by uuid default id(9), note text, dropped int, subject text, duration_minutes int, interaction_id uuid,
    interaction_date timestamptz
);
alter table crm.y2040 drop column dropped;
alter table crm.interaction attach partition crm.y2040 for values from ('2040-01-01') to ('2041-01-01');
create table crm.y2041 partition of crm.interaction for values from ('2041-01-01') to ('2042-01-01');
select calendar_attach('crm.interaction');
create view seen as
select substr(related_id::text, 34) as i, title, event_date, related_table from calendar_events order by related_id;

-- Through the root, and straight into a partition.
insert into crm.interaction (interaction_id, subject, interaction_date)
values (id(1), 'In 2040', '2040-05-01'), (id(2), 'In 2041', '2041-05-01');
insert into crm.y2040 (interaction_id, subject, interaction_date) values (id(3), 'Straight', '2040-06-01'), (id(4), 'Straight, too', '2040-07-01');
update crm.y2040 set subject = subject || '!' where interaction_id = id(4);
delete from crm.y2040 where interaction_id = id(3);
select * from seen;

-- A row that moves to another partition keeps its event.
create table before as select event_id, related_id from calendar_events;
update crm.interaction set interaction_date = interaction_date + interval '1 year' where interaction_id = id(1);
select s.*, i.tableoid::regclass as lies_in from seen s join crm.interaction i on substr(i.interaction_id::text, 34) = s.i order by 1;
select count(*) as same_events from before b join calendar_events e using (event_id, related_id);
select action from calendar_sync_log where interaction_id = id(1) order by log_id;

-- The same by a column that the calendar knows nothing of, through the root and through a partition with partitions.
create table crm.regional (
    interaction_id uuid, subject text, interaction_date timestamptz, region text, district int, created_by uuid default id(9)
) partition by list (region);
create table crm.north partition of crm.regional for values in ('north') partition by list (district);
create table crm.north_1 partition of crm.north for values in (1);
create table crm.north_2 partition of crm.north for values in (2);
create table crm.south partition of crm.regional for values in ('south');
select calendar_attach('crm.regional');
insert into crm.regional values (id(1), 'one', '2040-01-01', 'north', 1), (id(2), 'two', '2040-01-01', 'north', 1);
create table regional_before as select event_id, related_id from calendar_events where related_table = 'regional';
update crm.regional set region = 'south' where interaction_id = id(1);
update crm.north set district = 2, subject = 'two, moved' where interaction_id = id(2);
select i.tableoid::regclass as lies_in, subject, title, e.event_id = b.event_id as same_event
from crm.regional i
join calendar_events e on e.related_id = i.interaction_id and e.related_table = 'regional'
join regional_before b on b.related_id = i.interaction_id
order by i.interaction_id;
drop table crm.regional, regional_before;

-- What no trigger sees: listed, and mended.
truncate crm.y2041;
insert into crm.interaction (interaction_id, subject, interaction_date) values (id(5), 'Late partition', '2041-01-01');
alter table crm.interaction detach partition crm.y2041;
select related_table, substr(interaction_id::text, 34) as i, action from calendar_unsynced_interactions order by 2;
select calendar_backfill('crm.interaction');
select count(*) from calendar_unsynced_interactions;
select * from seen;

-- Other triggers that change the row again: before ours and after ours, in ways that matter or not; ours sees the last.
create table crm.visit (interaction_id uuid primary key, subject text, interaction_date timestamptz, note text, created_by uuid default id(9));
select calendar_attach('crm.visit');
create function crm.meddle() returns trigger language plpgsql as $$
begin
    if pg_trigger_depth() = 1 then
        if new.note = 'delete' then
            delete from crm.visit where interaction_id = new.interaction_id;
        elsif new.note = 'note' then
            update crm.visit set note = 'noted' where interaction_id = new.interaction_id;
        elsif new.note = 'undo' then
            begin
                update crm.visit set subject = 'never' where interaction_id = new.interaction_id;
                insert into crm.visit values (gen_random_uuid(), 'never', '2040-01-01');
                raise exception 'undone';
            exception when others then
                null;
            end;
        else
            update crm.visit set subject = subject || ' by ' || tg_name where interaction_id = new.interaction_id;
        end if;
    end if;
    return null;
end
$$;
create view visits as
select v.subject, e.title, v.subject is not distinct from e.title as same
from crm.visit v full join calendar_events e on e.related_id = v.interaction_id and e.related_table = 'visit'
where e.related_table = 'visit' or v.interaction_id is not null
order by 1, 2;
create trigger a_before_ours after insert or update on crm.visit for each row execute function crm.meddle();
insert into crm.visit values (id(1), 'one', '2040-01-01', null), (id(2), 'two', '2040-01-01', 'note'),
    (id(3), 'three', '2040-01-01', 'delete'), (id(4), 'four', '2040-01-01', 'undo');
select * from visits;
update crm.visit set subject = upper(subject);
select * from visits;
alter trigger a_before_ours on crm.visit rename to z_after_ours;
truncate crm.visit;
insert into crm.visit values (id(1), 'one', '2040-01-01', null), (id(2), 'two', '2040-01-01', 'note'),
    (id(3), 'three', '2040-01-01', 'delete'), (id(4), 'four', '2040-01-01', 'undo');
select * from visits;
update crm.visit set subject = upper(subject);
select * from visits;
select action, count(*) from calendar_sync_log where related_table = 'visit' and status = 'failed' group by 1;
drop trigger z_after_ours on crm.visit;

-- A BEFORE trigger that changes a column that the statement does not name.
truncate crm.visit;
create function crm.retitle() returns trigger language plpgsql as $$
begin
    new.subject := 'Retitled';
    return new;
end
$$;
insert into crm.visit values (id(1), 'one', '2040-01-01');
create trigger retitle before update on crm.visit for each row execute function crm.retitle();
update crm.visit set note = 'only the note';
select * from visits;
drop trigger retitle on crm.visit;

-- Data-modifying CTEs, and the same table twice in one statement.
with moved as (delete from crm.visit where interaction_id = id(1) returning *),
     made as (insert into crm.visit select id(2), 'from ' || subject, interaction_date from moved returning *)
insert into crm.visit select id(3), 'and ' || subject, interaction_date from made;
select * from visits;

-- Rows deleted by a cascade.
create table crm.account (account_id int primary key);
insert into crm.account values (1);
alter table crm.visit add column account_id int references crm.account on delete cascade;
update crm.visit set account_id = 1;
delete from crm.account;
select * from visits;

-- Savepoints: what is rolled back has not happened.
begin;
insert into crm.visit values (id(1), 'kept', '2040-01-01');
savepoint s;
insert into crm.visit values (id(2), 'dropped', '2040-01-01');
update crm.visit set subject = 'dropped, too' where interaction_id = id(1);
rollback to s;
insert into crm.visit values (id(3), 'kept, too', '2040-01-01');
commit;
select * from visits;

-- The same data again writes nothing.
truncate calendar_sync_log;
update crm.visit set subject = subject || '', interaction_date = interaction_date;
select calendar_backfill('crm.visit', '-infinity');
select count(*) from calendar_sync_log;

-- A batch of many, with a bad one here and there.
truncate crm.visit;
insert into crm.visit
select id(i), 'Visit ' || i, case when i % 1000 = 7 then timestamptz 'infinity' else '2040-01-01' end, null, id(9)
from generate_series(1, 30000) i;
select count(*) from calendar_events where related_table = 'visit';
select count(*) from calendar_failures_pending where related_table = 'visit';
select count(*) from calendar_sync_log where related_table = 'visit' and action = 'create' and status = 'success';

-- Ids that come twice (a table without a key): one event, the last row's.
create table crm.loose (interaction_id uuid, subject text, interaction_date timestamptz, created_by uuid default id(9));
select calendar_attach('crm.loose');
insert into crm.loose values (id(1), 'first', '2040-01-01'), (id(1), 'second', '2040-01-01'), (null, 'none', '2040-01-01');
insert into crm.loose values (id(1), 'third', '2040-01-01');
select title from calendar_events where related_table = 'loose';

-- Backfill: what was there before, by the window or all; what it would do is listed.
create table crm.old (interaction_id uuid primary key, subject text, interaction_date timestamptz, archived boolean, created_by uuid default id(9));
insert into crm.old values (id(1), 'long ago', '2001-01-01', false), (id(2), 'in the window', now(), null), (id(3), 'archived', now(), true);
select calendar_attach('crm.old');
select substr(interaction_id::text, 34) as i, action from calendar_unsynced_interactions where related_table = 'old';
select calendar_backfill('crm.old');
select calendar_backfill('crm.old', '-infinity');
select calendar_backfill('crm.old', '-infinity');
select title from calendar_events where related_table = 'old' order by 1;
select action, status, updated from calendar_sync_log where action = 'backfill' and related_table = 'old' order by log_id;
alter table crm.old disable trigger user;
update crm.old set subject = 'changed unseen' where interaction_id = id(2);
delete from crm.old where interaction_id = id(1);
alter table crm.old enable trigger user;
select substr(interaction_id::text, 34) as i, event_id is not null as has_event, action from calendar_unsynced_interactions where related_table = 'old' order by 1;
select calendar_backfill();
select title from calendar_events where related_table = 'old' order by 1;
create table crm.never (like crm.old);
select calendar_backfill('crm.never');

drop schema crm cascade;
drop view seen;
drop table before;
drop function id;
truncate calendar_events, calendar_sync_log, calendar_sync_failures, calendar_tracked_tables;
