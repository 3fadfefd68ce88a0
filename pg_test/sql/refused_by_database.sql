-- What the database refuses, since somebody has put a constraint or a trigger on the calendar's table, is one bad event:
-- it is named, and the others are taken.

begin;
set local timezone = 'UTC';
alter table calendar_events add constraint no_lunch check (title !~ 'Lunch');
create temp view stored as
select external_id, title, sync_status, count(*) as events
from calendar_events
group by external_id, title, sync_status
order by external_id, title, sync_status;

create function pg_temp.meeting(uid text, title text, rule text default '') returns text
    language sql
as $$
    select format(e'BEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:%s\r\n%sSUMMARY:%s\r\nEND:VEVENT\r\n',
        uid, to_char(now() + interval '1 day', 'YYYYMMDD"T"HH24MISS"Z"'), rule, title)
$$;
create function pg_temp.file(variadic meetings text[]) returns text
    language sql
as $$
    select e'BEGIN:VCALENDAR\r\nVERSION:2.0\r\n' || string_agg(m, '' order by place) || e'END:VCALENDAR\r\n'
    from unnest(meetings) with ordinality f (m, place)
$$;

-- A file: single events and series, new and known.
select uid, action, event_id is null as none, error
from calendar_ics_import('ada', pg_temp.file(
    pg_temp.meeting('a', 'Standup'),
    pg_temp.meeting('b', 'Lunch'),
    pg_temp.meeting('c', 'Lunch every day', e'RRULE:FREQ=DAILY;COUNT=3\r\n'),
    pg_temp.meeting('d', 'Standup every day', e'RRULE:FREQ=DAILY;COUNT=3\r\n')));
table stored;
select uid, action, event_id is null as none, error
from calendar_ics_import('ada', pg_temp.file(
    pg_temp.meeting('a', 'Lunch'),
    pg_temp.meeting('b', 'Brunch'),
    pg_temp.meeting('d', 'Lunch every day', e'RRULE:FREQ=DAILY;COUNT=3\r\n')));
table stored;

-- A list of an application's own; alone, it is the caller's error as the database says it.
select external_id, action, error
from calendar_upsert_events('ada', 'app', '[
    {"external_id": "3", "title": "Standup", "start": "2031-01-01T09:00Z"},
    {"external_id": "2", "title": "Lunch", "start": "2031-01-01T12:00Z"},
    {"external_id": "1", "title": "Standup", "start": "2031-01-02T09:00Z"}]');
\set VERBOSITY terse
savepoint here;
select calendar_upsert_event('ada', 'app', '3', '{"title": "Lunch"}');
rollback to here;

-- One that is among very many is found; where too many are refused, it is the database that is to be looked at.
select count(*) filter (where action = 'created') as created, string_agg(external_id || ': ' || error, ', ') as errors
from calendar_upsert_events('ada', 'many', (
    select jsonb_agg(jsonb_build_object('external_id', n::text, 'start', '2031-01-01',
        'title', case n when 777 then 'Lunch' else 'Standup' end))
    from generate_series(1, 3000) n));
savepoint here;
select count(*)
from calendar_upsert_events('ada', 'many', (
    select jsonb_agg(jsonb_build_object('external_id', n::text, 'start', '2031-01-01', 'title', 'Lunch'))
    from generate_series(3001, 3200) n));
rollback to here;

-- A trigger that suppresses rows refuses them without a word.
create function pg_temp.no_siesta() returns trigger
    language plpgsql
as $$
begin
    return case when new.title <> 'Siesta' then new end;
end
$$;
create trigger no_siesta before insert or update on calendar_events for each row execute function pg_temp.no_siesta();
select uid, action, error
from calendar_ics_import('ada', pg_temp.file(pg_temp.meeting('s', 'Siesta'), pg_temp.meeting('t', 'Standup')));
select calendar_upsert_event('ada', 'app', 's', '{"title": "Siesta", "start": "2031-01-01"}');
rollback;
