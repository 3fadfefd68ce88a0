-- Calendar files in and out.

begin;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';

create temporary table file as select replace($$BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//story//story//EN
BEGIN:VEVENT
UID:single@example.com
DTSTAMP:20310101T000000Z
LAST-MODIFIED:20310101T120000Z
DTSTART:20310310T090000Z
DTEND:20310310T100000Z
SUMMARY:Grüße\; aus Köln
END:VEVENT
BEGIN:VEVENT
UID:bad@example.com
DTSTAMP:20310101T000000Z
LAST-MODIFIED:20310101T120000Z
DTSTART:not a time
SUMMARY:Can't be read
END:VEVENT
BEGIN:VEVENT
UID:weekly@example.com
DTSTAMP:20310101T000000Z
LAST-MODIFIED:20310101T120000Z
RECURRENCE-ID;TZID=Europe/Berlin:20310317T090000
DTSTART;TZID=Europe/Berlin:20310318T140000
DTEND;TZID=Europe/Berlin:20310318T150000
SUMMARY:Moved
END:VEVENT
BEGIN:VEVENT
UID:weekly@example.com
DTSTAMP:20310101T000000Z
LAST-MODIFIED:20310101T120000Z
DTSTART;TZID=Europe/Berlin:20310310T090000
DTEND;TZID=Europe/Berlin:20310310T100000
RRULE:FREQ=WEEKLY;COUNT=4
EXDATE;TZID=Europe/Berlin:20310324T090000
SUMMARY:Weekly
END:VEVENT
BEGIN:VEVENT
UID:day@example.com
DTSTAMP:20310101T000000Z
LAST-MODIFIED:20310101T120000Z
DTSTART;VALUE=DATE:20310312
SUMMARY:All day
END:VEVENT
END:VCALENDAR
$$, E'\n', E'\r\n') as ics;

-- One that can't be read is reported and does not stop the rest; a series and its override are one.
select uid, event_id is not null as stored, action, error from file, calendar_ics_import('ada@example.com', ics);
select title, starts_at, ends_at, all_day, recurrence_id
from calendar_agenda('ada@example.com', '2031-03-01', '2031-05-01');

-- The same file again: nothing is written. Under another name it is another calendar.
create temporary table before_that as select event_id, ctid::text as version from calendar_events;
select uid, action from file, calendar_ics_import('ada@example.com', ics) where error is null;
select count(*) as written from calendar_events e join before_that b using (event_id) where e.ctid::text <> b.version;
select uid, action from file, calendar_ics_import('ada@example.com', ics, name => 'other') where error is null;

-- Only what changed is written.
select uid, action
from file, calendar_ics_import('ada@example.com', replace(ics, 'All day', 'Whole day'))
where error is null;
select count(*) as written from calendar_events e join before_that b using (event_id) where e.ctid::text <> b.version;

-- What is no calendar, and what is an empty one.
savepoint before;
select * from calendar_ics_import('ada@example.com', '<html>Please sign in</html>');
rollback to before;
select * from calendar_ics_import('ada@example.com', E' \n');
rollback to before;
select count(*) from calendar_ics_import('ada@example.com', E'BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n');

-- Out again; both names of it are one meeting each.
select replace(calendar_ics_export('ada@example.com', '2031-01-01', '2032-01-01'), E'\r', '') as ics;
select calendar_ics_export('ada@example.com', '2031-01-01', '2032-01-01')
     = calendar_ics_export('ada@example.com', '2031-01-01', '2032-01-01') as the_same_bytes;

-- Read by another user, it is the same calendar.
select count(*)
from calendar_ics_import('bob@example.com', calendar_ics_export('ada@example.com', '2031-01-01', '2032-01-01'));
select count(*) as differences
from (
    select title, starts_at, ends_at, all_day from calendar_agenda('ada@example.com', '2031-01-01', '2032-01-01')
    except
    select title, starts_at, ends_at, all_day from calendar_agenda('bob@example.com', '2031-01-01', '2032-01-01')
) d;

-- Times alone.
select line
from regexp_split_to_table(calendar_ics_export('ada@example.com', '2031-01-01', '2032-01-01', 'busy'), '\r\n') line
where line ~ '^(SUMMARY|DESCRIPTION|LOCATION|UID:.*@)'
group by line;
savepoint before;
select calendar_ics_export('ada@example.com', visibility => 'secret');
rollback to before;
select calendar_ics_export('ada@example.com', '2031-01-02', '2031-01-01');
rollback to before;

-- Every range that there is.
select count(distinct length(calendar_ics_export('ada@example.com', range_start, range_end))) as files
from (
    values
        ('-infinity'::timestamptz, 'infinity'::timestamptz),
        ('4714-11-24 00:00:00+00 BC', '294276-12-31 00:00:00+00')
) ranges (range_start, range_end);

-- A cancellation names what it cancels and need say no more; one of an earlier version does nothing.
create temporary table cancelled as select E'BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nUID:single@example.com\nSEQUENCE:2
DTSTART:20310310T090000Z\nEND:VEVENT\nBEGIN:VEVENT\nUID:weekly@example.com\nSEQUENCE:1\nRECURRENCE-ID:20310331T070000Z
END:VEVENT\nEND:VCALENDAR' as ics;
select uid, action from cancelled, calendar_ics_import('ada@example.com', ics);
select uid, action from cancelled, calendar_ics_import('ada@example.com', ics);
select title, starts_at, ends_at, event_status
from calendar_agenda('ada@example.com', '2031-03-01', '2031-05-01')
where external_source = 'import';
select uid, action
from cancelled, calendar_ics_import('ada@example.com', replace(replace(ics, 'RECURRENCE-ID:20310331T', 'DTSTART:20310310T'), 'SEQUENCE:2', 'SEQUENCE:1'));
select title, starts_at, event_status
from calendar_agenda('ada@example.com', '2031-03-01', '2031-05-01')
where external_source = 'import';

-- It keeps the title that is known, however it is titled itself, goes by its SEQUENCE for one occurrence, too, and need
-- not say when what it cancels is.
create function cancel(event text) returns table (uid text, action text, error text)
    language sql as $$
    select uid, action, error
    from calendar_ics_import('eve@example.com', format(E'BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\n%s\nEND:VEVENT\nEND:VCALENDAR', event));
$$;
select uid, action
from calendar_ics_import('eve@example.com', E'BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:dinner\nSEQUENCE:5\nDTSTART:20310301T190000Z
SUMMARY:Dinner\nEND:VEVENT\nBEGIN:VEVENT\nUID:run\nSEQUENCE:5\nDTSTART:20310302T070000Z\nRRULE:FREQ=DAILY;COUNT=3
SUMMARY:Run\nEND:VEVENT\nEND:VCALENDAR');
select *
from cancel(E'UID:dinner\nSEQUENCE:4\nDTSTART:20310301T190000Z\nSUMMARY:Cancelled: Dinner')
union all
select *
from cancel(E'UID:run\nSEQUENCE:4\nRECURRENCE-ID:20310303T070000Z');
select *
from cancel(E'UID:dinner\nSEQUENCE:6\nDTSTART:20310301T190000Z\nSUMMARY:Cancelled: Dinner')
union all
select *
from cancel(E'UID:run\nSEQUENCE:6\nRECURRENCE-ID:20310303T070000Z\nDTSTART:20310303T070000Z\nSUMMARY:Cancelled: Run');
select title, starts_at, event_status
from calendar_agenda('eve@example.com', '2031-03-01', '2031-04-01');
select *
from cancel(E'UID:run\nSEQUENCE:7')
union all
select *
from cancel(E'UID:unheard of\nSEQUENCE:7');
select title, starts_at, event_status
from calendar_agenda('eve@example.com', '2031-03-01', '2031-04-01');

-- A change from some occurrence on stays for the others where one of them, also the first, is changed on its own.
select action
from (
    values
        (1, E'DTSTART:20310502T070000Z\nRRULE:FREQ=DAILY;COUNT=4\nSTATUS:TENTATIVE\nSUMMARY:Swim'),
        (2, E'RECURRENCE-ID;RANGE=THISANDFUTURE:20310503T070000Z\nDTSTART:20310503T090000Z\nSUMMARY:Swim late'),
        (3, E'RECURRENCE-ID:20310503T070000Z\nDTSTART:20310503T120000Z\nSUMMARY:Swim at noon')
) parts (part, event)
cross join lateral calendar_ics_import('eve@example.com', format(E'BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:swim\n%s\nEND:VEVENT\nEND:VCALENDAR', event))
order by part;
select title, starts_at, event_status
from calendar_agenda('eve@example.com', '2031-05-01', '2031-06-01');

-- What it says of the status of all that follow makes no event of its own of each of those in a file.
select uid, action
from to_char(now() + interval '3 days', 'YYYYMMDD') as from_day
cross join lateral calendar_ics_import('fay@example.com', format(E'BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:swim\nDTSTART:%sT070000Z
RRULE:FREQ=DAILY;COUNT=9\nSTATUS:TENTATIVE\nSUMMARY:Swim\nEND:VEVENT\nBEGIN:VEVENT\nUID:swim
RECURRENCE-ID;RANGE=THISANDFUTURE:%1$sT070000Z\nDTSTART:%1$sT080000Z\nSUMMARY:Swim\nEND:VEVENT\nEND:VCALENDAR', from_day));
select count(*) as vevents
from string_to_table(calendar_ics_export('fay@example.com'), E'\r\n') as line
where line = 'BEGIN:VEVENT';

rollback;
