-- An application's recurring events: made, changed, ended; the agenda right after each.

begin;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';

-- Days from today, so that instances stand in the stored window; one far day, where they are computed.
create function pg_temp.day(days int) returns date
    language sql
return current_date + days;
create function pg_temp.upsert(id text, patch jsonb) returns text
    language sql
as $$ select action from calendar_upsert_event('ada', 'app', id, patch) $$;
create view pg_temp.ahead as
select title, starts_at::date - current_date as day, starts_at::time as at, ends_at - starts_at as length, all_day,
       event_id is not null as stored
from calendar_agenda('ada', pg_temp.day(-3), pg_temp.day(8));
create view pg_temp.far as
select title, extract(isodow from starts_at) as weekday, starts_at::time as at, event_id is not null as stored
from calendar_agenda('ada', '2061-03-07', '2061-03-14');

-- A series with days that are left out and one that is added.
select pg_temp.upsert('daily', jsonb_build_object(
    'title', 'Daily', 'start', pg_temp.day(1) || 'T09:00', 'end', pg_temp.day(1) || 'T09:30', 'time_zone', 'UTC',
    'recurrence', jsonb_build_array(
        'RRULE:FREQ=DAILY',
        'EXDATE:' || to_char(pg_temp.day(2), 'YYYYMMDD') || 'T090000,' || to_char(pg_temp.day(4), 'YYYYMMDD') || 'T090000Z',
        'RDATE:' || to_char(pg_temp.day(4), 'YYYYMMDD') || 'T150000'
    )
));
select * from pg_temp.ahead;
select count(*), min(at), max(at), bool_or(stored) as stored from pg_temp.far;

-- What a patch leaves out stays: the rule, the days left out.
select pg_temp.upsert('daily', '{"title": "Renamed", "metadata": {"project": "north", "hall": 3}}');
select pg_temp.upsert('daily', '{"title": "Renamed", "metadata": {"hall": 3}}');
select pg_temp.upsert('daily', '{"metadata": {"hall": null}}');
select distinct title, metadata from calendar_events where external_id = 'daily';

-- Another rule.
select pg_temp.upsert('daily', '{"recurrence": ["RRULE:FREQ=DAILY;INTERVAL=3;COUNT=3"], "location": "Room 5"}');
select * from pg_temp.ahead;
select count(*) from pg_temp.far;

-- Moved: the whole series.
select pg_temp.upsert('daily', jsonb_build_object('start', pg_temp.day(2) || 'T10:00', 'end', pg_temp.day(2) || 'T11:00'));
select * from pg_temp.ahead;

-- Of whole days, and back.
select pg_temp.upsert('daily', jsonb_build_object(
    'start', pg_temp.day(1), 'end', pg_temp.day(3), 'time_zone', null, 'all_day', true,
    'recurrence', jsonb_build_array('RRULE:FREQ=DAILY;INTERVAL=3', 'EXDATE;VALUE=DATE:' || to_char(pg_temp.day(4), 'YYYYMMDD'))
));
select * from pg_temp.ahead;
-- Every third day: on which of these days it is depends on today.
select count(*) between 2 and 3 as is_right, bool_or(stored) as stored from pg_temp.far;
select pg_temp.upsert('daily', jsonb_build_object(
    'start', pg_temp.day(1) || 'T09:00Z', 'end', null, 'all_day', false, 'recurrence', '["RRULE:FREQ=DAILY;COUNT=2"]'::jsonb
));
select * from pg_temp.ahead;

-- A single event again, by null or by an empty list; and a series of that.
select pg_temp.upsert('daily', '{"recurrence": null}');
select * from pg_temp.ahead;
select pg_temp.upsert('daily', '{"recurrence": null}');
select pg_temp.upsert('daily', '{"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=2"]}');
select * from pg_temp.ahead;
select pg_temp.upsert('daily', '{"recurrence": []}');
select * from pg_temp.ahead;

-- Deleted, and back.
select pg_temp.upsert('daily', '{"recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]}');
select calendar_delete_event('ada', 'app', 'daily');
select * from pg_temp.ahead;
select pg_temp.upsert('daily', '{}');
select * from pg_temp.ahead;
select calendar_delete_event('ada', 'app', 'daily');

-- One that has begun: what was stays, what comes follows the change.
select pg_temp.upsert('begun', jsonb_build_object(
    'title', 'Begun', 'start', pg_temp.day(-2) || 'T00:00Z', 'end', pg_temp.day(-2) || 'T00:10Z',
    'recurrence', '["RRULE:FREQ=DAILY"]'::jsonb
));
select pg_temp.upsert('begun', '{"title": "Changed", "recurrence": ["RRULE:FREQ=DAILY;INTERVAL=2"]}');
select * from pg_temp.ahead where day <> 0;
-- The single event takes the place of its own occurrence.
select pg_temp.upsert('begun', '{"recurrence": null}');
select * from pg_temp.ahead where day <> 0;
select calendar_delete_event('ada', 'app', 'begun');

-- Two changes of one series in one batch, each on what the one before left.
select external_id, action, error
from calendar_upsert_events('ada', 'app', jsonb_build_array(
    jsonb_build_object('external_id', 'twice', 'title', 'Twice', 'start', pg_temp.day(1),
        'recurrence', '["RRULE:FREQ=DAILY;COUNT=5"]'::jsonb),
    jsonb_build_object('external_id', 'twice', 'recurrence', '["RRULE:FREQ=DAILY;COUNT=2"]'::jsonb),
    jsonb_build_object('external_id', 'twice', 'location', 'Hall')
));
select * from pg_temp.ahead where title = 'Twice';

-- Single occurrences: one is changed, one deleted, one cancelled; the series goes on around them.
select pg_temp.upsert('single', jsonb_build_object(
    'title', 'Single', 'start', pg_temp.day(1) || 'T09:00Z', 'end', pg_temp.day(1) || 'T10:00Z',
    'recurrence', '["RRULE:FREQ=DAILY;COUNT=6"]'::jsonb
));
create view pg_temp.single as
select title, location, event_status, recurrence_id::date - current_date as day, event_date::time as at, is_override
from calendar_events
where external_id = 'single' and sync_status <> 'deleted'
order by recurrence_id;
update calendar_events set location = 'Room 5', event_date = event_date + interval '10 minutes'
where external_id = 'single' and recurrence_id::date = pg_temp.day(2);
delete from calendar_events where external_id = 'single' and recurrence_id::date = pg_temp.day(3);
update calendar_events set event_status = 'cancelled'
where external_id = 'single' and recurrence_id::date = pg_temp.day(4);
select pg_temp.upsert('single', '{"title": "Single"}');
select pg_temp.upsert('single', '{"title": "Renamed"}');
select * from pg_temp.single;
-- What the new rule does not give goes, and stands in the log.
select pg_temp.upsert('single', '{"recurrence": ["RRULE:FREQ=DAILY;INTERVAL=3;COUNT=3"]}');
select * from pg_temp.single;
select action, status, o #>> '{event,details,location}' as location
from calendar_sync_log, jsonb_array_elements(details -> 'dropped_occurrences') o;
-- Without any occurrence there is no series.
delete from calendar_events where external_id = 'single';
select sync_status, cardinality(exdates) from calendar_series where external_id = 'single';

-- The series' zone is where its rule counts: nine o'clock in Berlin, whatever UTC shows.
select pg_temp.upsert('zone', '{"title": "Zone", "start": "2031-03-28T09:00", "end": "2031-03-28T10:00", "time_zone": "Europe/Berlin",
    "recurrence": ["RRULE:FREQ=DAILY;COUNT=4"]}');
select starts_at from calendar_agenda('ada', '2031-03-01', '2031-04-30');
select pg_temp.upsert('zone', '{"time_zone": "UTC"}');
select starts_at from calendar_agenda('ada', '2031-03-01', '2031-04-30');

rollback;
