-- The sync never fails the CRM's statement: what can't be mapped is recorded and tried again.

set timezone = 'UTC';
set client_min_messages = error;

create schema crm;
create table crm.interaction (
    interaction_id uuid primary key,
    customer_id int,
    subject text,
    description text,
    interaction_date timestamptz,
    duration_minutes int,
    archived boolean default false,
    created_by uuid
);
select calendar_attach('crm.interaction');
create function id(n int) returns uuid language sql immutable as
    $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;

-- Bad rows among good ones: the good ones have their events.
insert into crm.interaction (interaction_id, subject, interaction_date, duration_minutes, created_by)
values (id(1), 'Good', '2040-01-01 10:00', 30, id(9)),
       (id(2), 'Negative', '2040-01-01 10:00', -5, id(9)),
       (id(3), 'In the year 9999', '9999-12-31 23:30', 60, id(9)),
       (id(4), 'Infinite', 'infinity', 60, id(9)),
       (id(5), 'Before everything', '-infinity', 60, id(9)),
       (id(6), 'Nobody''s', '2040-01-01 10:00', 30, null),
       (id(7), 'At the end of time', '294276-12-31 23:00', 2147483647, id(9)),
       (id(8), repeat('Long', 60), '2040-01-01 10:00', 30, id(9)),
       (id(9), 'Robert''); drop table crm.interaction;--', '2040-01-01 10:00', 30, id(9));
select count(*) from crm.interaction;
select substr(related_id::text, 34) as i, left(title, 45) as title, event_date, event_end from calendar_events order by related_id;
select substr(interaction_id::text, 34) as i, action, error_message, retry_count, resolved,
       round(extract(epoch from next_retry_at - now()) / 60) as in_minutes
from calendar_sync_failures order by interaction_id;
select error_stack from calendar_failures_pending where interaction_id = id(6);
select substr(interaction_id::text, 34) as i, action, status from calendar_sync_log where status = 'failed' order by interaction_id;

-- A 10 MB description.
insert into crm.interaction (interaction_id, subject, description, interaction_date, duration_minutes, created_by)
values (id(10), 'Much to say', repeat('0123456789', 1000000), '2040-01-01 10:00', 30, id(9));
select length(description) from calendar_events where related_id = id(10);
update crm.interaction set subject = 'Much to say again' where interaction_id = id(10);
select title, length(description) from calendar_events where related_id = id(10);

-- Nothing is due yet; then everything is. What has been mended in the table resolves, the rest is tried later and later.
select count(*) from calendar_retry_failures();
alter table crm.interaction disable trigger user;
update crm.interaction set duration_minutes = 5 where interaction_id = id(2);
alter table crm.interaction enable trigger user;
update calendar_sync_failures set next_retry_at = now();
select substr(interaction_id::text, 34) as i, action, resolved, error from calendar_retry_failures() order by 1;
select substr(interaction_id::text, 34) as i, action, count(*) from calendar_sync_log where status = 'retry'
group by 1, 2 order by 1;
select substr(interaction_id::text, 34) as i, retry_count, resolved, round(extract(epoch from next_retry_at - now()) / 60) as in_minutes
from calendar_sync_failures order by interaction_id;
select count(*) from calendar_events where related_id = id(2);

-- After max_retries it is left to people.
update calendar_sync_failures set next_retry_at = now() where not resolved;
select count(*) from calendar_retry_failures();
update calendar_sync_failures set next_retry_at = now() where not resolved;
select count(*) from calendar_retry_failures(1);
select count(*) from calendar_retry_failures(10);
select substr(interaction_id::text, 34) as i, retry_count, next_retry_at from calendar_failures_pending order by interaction_id;
select calendar_retry_failures(0);

-- A later change that goes well resolves; a delete forgets.
update crm.interaction set created_by = id(9), subject = 'Somebody''s' where interaction_id = id(6);
delete from crm.interaction where interaction_id = id(7);
select substr(interaction_id::text, 34) as i, resolved from calendar_sync_failures order by interaction_id;

-- A trigger of the DBA's on calendar_events that refuses one row, in the middle of a batch and alone.
create function picky() returns trigger language plpgsql as $$
begin
    if new.title = 'Unwanted' then
        raise exception 'not this one' using errcode = 'P0001', detail = 'It is unwanted.';
    end if;
    return new;
end
$$;
create trigger picky before insert or update on calendar_events for each row execute function picky();
insert into crm.interaction (interaction_id, subject, interaction_date, duration_minutes, created_by)
select id(100 + i), case i when 42 then 'Unwanted' else 'Wanted ' || i end, '2040-01-01 10:00', 30, id(9)
from generate_series(1, 100) i;
select count(*) from calendar_events where related_id > id(100);
insert into crm.interaction (interaction_id, subject, interaction_date, duration_minutes, created_by)
values (id(300), 'Unwanted', '2040-01-01 10:00', 30, id(9));
select substr(interaction_id::text, 34) as i, error_message, error_stack from calendar_failures_pending where interaction_id > id(100) order by 1;
drop trigger picky on calendar_events;
update calendar_sync_failures set next_retry_at = now() where interaction_id > id(100);
select substr(interaction_id::text, 34) as i, action, resolved, error from calendar_retry_failures() order by 1;

-- What belongs to the transaction is not swallowed.
create function full_disk() returns trigger language plpgsql as $$
begin
    raise exception 'disk full' using errcode = '53100';
end
$$;
create trigger full_disk before insert on calendar_events for each row execute function full_disk();
insert into crm.interaction (interaction_id, subject, interaction_date, created_by) values (id(400), 'x', '2040-01-01', id(9));
select count(*) from crm.interaction where interaction_id = id(400);
drop function full_disk cascade;

drop schema crm cascade;
drop function picky, id;
truncate calendar_events, calendar_sync_log, calendar_sync_failures, calendar_tracked_tables;
