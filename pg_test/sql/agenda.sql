-- The agenda: everything that overlaps a range, whatever its origin.

begin;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';

select external_id, action, error
from calendar_upsert_events('ada@example.com', 'app', '[
    {"external_id": "before", "title": "Ends as the range starts", "start": "2031-05-31T22:00Z", "end": "2031-06-01T00:00Z"},
    {"external_id": "into", "title": "Reaches into it", "start": "2031-05-31T23:00Z", "end": "2031-06-01T01:00Z"},
    {"external_id": "long", "title": "Around all of it", "start": "2031-04-01T00:00Z", "end": "2031-08-01T00:00Z"},
    {"external_id": "point", "title": "No length", "start": "2031-06-01T00:00Z"},
    {"external_id": "day", "title": "All day", "start": "2031-06-02", "location": "Room 5"},
    {"external_id": "gone", "title": "Deleted", "start": "2031-06-02T09:00Z"},
    {"external_id": "off", "title": "Cancelled", "start": "2031-06-02T10:00Z", "event_status": "cancelled"},
    {"external_id": "after", "title": "Starts as the range ends", "start": "2031-06-08T00:00Z"},
    {"external_id": "series", "title": "Stand-up", "start": "2031-05-05T09:00", "end": "2031-05-05T09:15", "time_zone": "Europe/Berlin",
     "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR", "EXDATE:20310604T090000"]}
]');
select calendar_delete_event('ada@example.com', 'app', 'gone');

select title, starts_at, ends_at, all_day, location, event_status, external_source
from calendar_agenda('ada@example.com', '2031-06-01', '2031-06-08');

-- Instances beyond what is stored are computed: they have a series and an occurrence, and no event.
select title, starts_at, event_id is null as computed, series_id is not null as recurring, recurrence_id
from calendar_agenda('ada@example.com', '2099-12-28', '2100-01-02');

-- Those that are stored are events.
select action
from calendar_upsert_event('bob@example.com', 'app', 'daily', jsonb_build_object(
    'title', 'Daily', 'start', date_trunc('day', now()) + interval '9 hours',
    'recurrence', '["RRULE:FREQ=DAILY"]'::jsonb
));
select count(*), count(event_id) as stored
from calendar_agenda('bob@example.com', date_trunc('day', now()), date_trunc('day', now()) + interval '10 days');
-- Nothing twice and nothing missing where the stored window ends.
select count(*), count(distinct starts_at), count(event_id) between 364 and 366 as a_year_is_stored
from calendar_agenda('bob@example.com', date_trunc('day', now()), date_trunc('day', now()) + interval '500 days');

-- A date is a day where the agenda is.
select set_config('calendar_sync.time_zone', 'America/New_York', true);
select title, starts_at, ends_at
from calendar_agenda('ada@example.com', '2031-06-02 00:00-04', '2031-06-02 01:00-04')
where all_day;
select title from calendar_agenda('ada@example.com', '2031-06-02 00:00Z', '2031-06-02 01:00Z') where all_day;
select set_config('calendar_sync.time_zone', 'UTC', true);

-- One meeting in two calendars is one row, that of the calendar that takes changes.
insert into calendar_connections (connection_id, user_id, name, provider, direction)
values ('00000000-0000-0000-0000-000000000001', 'eve@example.com', 'read', 'ics', 'pull'),
       ('00000000-0000-0000-0000-000000000002', 'eve@example.com', 'write', 'google', 'both');
insert into calendar_events (user_id, title, event_date, connection_id, external_source, external_id, ical_uid)
values ('eve@example.com', 'Seen in the feed', '2031-06-03 09:00Z', '00000000-0000-0000-0000-000000000001', 'ics', '1', 'uid'),
       ('eve@example.com', 'Seen at Google', '2031-06-03 09:00Z', '00000000-0000-0000-0000-000000000002', 'google', '2', 'uid');
select title from calendar_agenda('eve@example.com', '2031-06-03', '2031-06-04');
-- By mistake the feed has two events of one UID: all of the feed's are copies then; without the other calendar both are seen.
insert into calendar_events (user_id, title, event_date, connection_id, external_source, external_id, ical_uid)
values ('eve@example.com', 'Seen in the feed again', '2031-06-03 11:00Z', '00000000-0000-0000-0000-000000000001', 'ics', '3', 'uid');
select title from calendar_agenda('eve@example.com', '2031-06-03', '2031-06-04');
delete from calendar_events where external_id = '2';
select title from calendar_agenda('eve@example.com', '2031-06-03', '2031-06-04');

-- Busy: neither cancelled, nor shown as free, nor without a length; what touches is one range.
select external_id, action, error
from calendar_upsert_events('ann@example.com', 'app', '[
    {"external_id": "1", "title": "One", "start": "2031-06-02T09:00Z", "end": "2031-06-02T10:00Z"},
    {"external_id": "2", "title": "Touches", "start": "2031-06-02T10:00Z", "end": "2031-06-02T10:30Z"},
    {"external_id": "3", "title": "Overlaps", "start": "2031-06-02T10:15Z", "end": "2031-06-02T11:00Z"},
    {"external_id": "4", "title": "Free", "start": "2031-06-02T12:00Z", "end": "2031-06-02T13:00Z", "show_as": "free"},
    {"external_id": "5", "title": "Off", "start": "2031-06-02T14:00Z", "end": "2031-06-02T15:00Z", "event_status": "cancelled"},
    {"external_id": "6", "title": "Over midnight", "start": "2031-06-02T23:00Z", "end": "2031-06-03T01:00Z"}
]');
select action
from calendar_upsert_event('tom@example.com', 'app', '1', '{"title": "Daily", "start": "2031-06-01T15:00Z", "end": "2031-06-01T16:00Z", "recurrence": ["RRULE:FREQ=DAILY"]}');
select * from calendar_free_busy('{ann@example.com, tom@example.com, nobody@example.com}', '2031-06-02', '2031-06-03');

-- Free slots of all together, in working hours on the clock of a zone.
select *
from calendar_free_slots('{ann@example.com, tom@example.com}', '2031-06-02', '2031-06-03', '90 minutes');
select *
from calendar_free_slots(
    '{ann@example.com, tom@example.com}', '2031-06-01', '2031-06-04', '1 hour',
    '{"MO": [["08:00", "12:00"], ["13:00", "17:00"]], "TU": [["22:00", "24:00"]]}', 'Europe/Berlin'
);

select o.title, p.title as other, v.overlap
from calendar_overlaps('ann@example.com', '2031-06-01', '2031-06-08') v
join calendar_events o on o.event_id = v.event_id
join calendar_events p on p.event_id = v.other_event_id;
-- Of a series it is the series_id, whether the instance is stored or not.
select action
from calendar_upsert_event('bob@example.com', 'app', 'review', jsonb_build_object(
    'title', 'Review', 'start', date_trunc('day', now()) + interval '9 hours 30 minutes',
    'end', date_trunc('day', now()) + interval '10 hours 30 minutes', 'recurrence', '["RRULE:FREQ=DAILY"]'::jsonb
));
select action
from calendar_upsert_event('bob@example.com', 'app', 'daily', jsonb_build_object(
    'end', date_trunc('day', now()) + interval '10 hours'
));
select o.title, p.title as other, count(*)
from calendar_overlaps('bob@example.com', date_trunc('day', now()) + interval '1 day', date_trunc('day', now()) + interval '501 days') v
join calendar_series o on o.series_id = v.event_id
join calendar_series p on p.series_id = v.other_event_id
group by 1, 2;

savepoint before;
select * from calendar_agenda('ada@example.com', '2031-06-08', '2031-06-01');
rollback to before;
select * from calendar_free_slots('{ann@example.com}', '2031-06-02', '2031-06-03', '0');
rollback to before;
select * from calendar_free_slots('{ann@example.com}', '2031-06-02', '2031-06-03', '1 hour', '{"MONDAY": []}');
rollback to before;
select * from calendar_free_slots('{ann@example.com}', '2031-06-02', '2031-06-03', '1 hour', '{"MO": [["9", "17:00"]]}');
rollback to before;
select * from calendar_free_slots('{ann@example.com}', '2031-06-02', '2031-06-03', '1 hour', time_zone => 'Mars');
rollback to before;

rollback;
