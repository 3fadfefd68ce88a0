-- A filter over series: an occurrence that is not shown leaves no trace of what it replaces.

begin;
set local timezone = 'UTC';

-- A daily series of four, the second moved to another category, and everything from the third on to a third one.
create temporary table file as
select replace(format($$BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//story//story//EN
BEGIN:VEVENT
UID:daily@example.com
DTSTART:%1$sT090000Z
DTEND:%1$sT100000Z
RRULE:FREQ=DAILY;COUNT=4
SUMMARY:Daily
CATEGORIES:plain
END:VEVENT
BEGIN:VEVENT
UID:daily@example.com
RECURRENCE-ID:%2$sT090000Z
DTSTART:%2$sT140000Z
DTEND:%2$sT150000Z
SUMMARY:Moved
CATEGORIES:moved
END:VEVENT
%3$sEND:VCALENDAR
$$, to_char(current_date + 1, 'YYYYMMDD'), to_char(current_date + 2, 'YYYYMMDD'), later), E'\n', E'\r\n') as ics, name
from (
    values
        ('simple', ''),
        ('later', format($$BEGIN:VEVENT
UID:daily@example.com
RECURRENCE-ID;RANGE=THISANDFUTURE:%1$sT090000Z
DTSTART:%1$sT160000Z
DTEND:%1$sT170000Z
SUMMARY:Later
CATEGORIES:later
END:VEVENT
$$, to_char(current_date + 3, 'YYYYMMDD')))
) f (name, later);
select count(*) filter (where error is null) as read
from file, calendar_ics_import(name || '@example.com', ics);

-- Each feed, read by somebody else as a calendar of his own.
create function pg_temp.shown(user_id text, filter jsonb) returns text
    language plpgsql as
$$
declare
    reader text := user_id || ' ' || filter;
    file text;
begin
    select calendar_feed(token) into file from calendar_feed_create(user_id, filter::text, filter => filter);
    perform calendar_ics_import(reader, file);
    return (
        select string_agg((starts_at::date - current_date) || ' ' || to_char(starts_at, 'HH24:MI') || ' ' || title, ', '
            order by starts_at)
        from calendar_agenda(reader, current_date, current_date + 10)
    );
end
$$;
select name, wanted as category,
    pg_temp.shown(name || '@example.com', jsonb_build_object('categories', jsonb_build_array(wanted))) as shown
from file, unnest(array['plain', 'moved', 'later', 'none']) wanted
order by name desc, wanted;
select name, pg_temp.shown(name || '@example.com', '{}') as shown from file order by name desc;

-- A deleted occurrence stays away from what only overrides are shown of, too.
update calendar_events set sync_status = 'deleted' where title = 'Moved';
update calendar_feeds set name = name || ' before';
select name, wanted as category,
    pg_temp.shown(name || '@example.com', jsonb_build_object('categories', jsonb_build_array(wanted))) as shown
from file, unnest(array['plain', 'moved', 'later']) wanted
order by name desc, wanted;

rollback;
