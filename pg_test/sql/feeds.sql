-- Published feeds: who may make and read them, what they show.

begin;
set local timezone = 'UTC';

-- The day after tomorrow at nine, so that the feed's moving window holds it.
create function pg_temp.day(days int) returns text
    language sql
    return to_char(current_date + days, 'YYYY-MM-DD');
create function pg_temp.lines(file text, pattern text) returns setof text
    language sql
    begin atomic
        select line
        from regexp_split_to_table(regexp_replace(file, E'\r\n ', '', 'g'), E'\r\n') with ordinality as l (line, place)
        where line ~ pattern
        order by place;
    end;

-- A line with its date as days from today.
create function pg_temp.relative(line text) returns text
    language sql
    return coalesce(
        regexp_replace(line, '\d{8}', (to_date(substring(line from '\d{8}'), 'YYYYMMDD') - current_date)::text),
        line
    );

select action
from calendar_upsert_events('ada@example.com', 'planner', jsonb_build_array(
    jsonb_build_object('external_id', 'visit', 'title', 'Visit to Acme', 'event_type', 'visit',
        'description', 'secret-description', 'location', 'secret-location', 'organizer', 'boss@secret.example',
        'attendees', '[{"address": "guest@secret.example"}]'::jsonb, 'categories', '["north", "new"]'::jsonb,
        'metadata', '{"project": {"id": 7}}'::jsonb, 'teams_meeting_url', 'https://secret.example/join',
        'ical_uid', 'visit@secret.example',
        'start', pg_temp.day(2) || 'T09:00:00Z', 'end', pg_temp.day(2) || 'T10:00:00Z'),
    jsonb_build_object('external_id', 'standup', 'title', 'Stand-up', 'event_type', 'meeting',
        'start', pg_temp.day(1) || 'T09:00:00', 'end', pg_temp.day(1) || 'T09:15:00', 'time_zone', 'Europe/Berlin',
        'recurrence', '["RRULE:FREQ=DAILY;COUNT=5"]'::jsonb),
    jsonb_build_object('external_id', 'fair', 'title', 'Fair', 'event_type', 'trip', 'categories', '["north"]'::jsonb,
        'start', pg_temp.day(3), 'end', pg_temp.day(5)),
    jsonb_build_object('external_id', 'gone', 'title', 'Gone', 'start', pg_temp.day(3) || 'T12:00:00Z'),
    jsonb_build_object('external_id', 'off', 'title', 'Called off', 'event_status', 'cancelled',
        'start', pg_temp.day(4) || 'T12:00:00Z', 'end', pg_temp.day(4) || 'T13:00:00Z'),
    jsonb_build_object('external_id', 'later', 'title', 'Next year', 'start', pg_temp.day(365) || 'T12:00:00Z')
));
select calendar_delete_event('ada@example.com', 'planner', 'gone');

-- A token is shown once, and kept as its hash alone.
create temporary table made as
select * from calendar_feed_create('ada@example.com', 'Ada; all of it');
select token ~ '^[A-Za-z0-9_-]{43}$' as is_a_token from made;
select f.name, f.visibility, f.filter, f.days_back, f.days_ahead, f.enabled, f.last_read_at is null as unread,
    f.token_hash = sha256(m.token::bytea) as hashed
from calendar_feeds f join made m using (feed_id);

-- What it shows: what lies in its window, cancelled events as such, deleted ones not.
select line from made, pg_temp.lines(calendar_feed(token), '^(NAME|X-WR|REFRESH|X-PUB|METHOD|SUMMARY|STATUS|RRULE)') line;
select last_read_at = now() as noted from calendar_feeds;
select calendar_feed(token) = calendar_feed(token) as the_same_bytes from made;

-- The same events as in the export.
select count(*) as differences
from made,
    lateral (
        select pg_temp.lines(calendar_feed(token), '^(UID|DTSTART|SEQUENCE|DTSTAMP)')
        except all
        select pg_temp.lines(
            calendar_ics_export('ada@example.com', current_date - 30, current_date + 181), '^(UID|DTSTART|SEQUENCE|DTSTAMP)')
    ) d;

-- That it was read is noted once an hour.
update calendar_feeds set last_read_at = now() - interval '59 minutes';
select length(calendar_feed(token)) > 0 as read from made;
select last_read_at < now() as kept_for_an_hour from calendar_feeds;
update calendar_feeds set last_read_at = now() - interval '61 minutes';
select length(calendar_feed(token)) > 0 as read from made;
select last_read_at = now() as noted_again from calendar_feeds;

-- One and the same error whatever is wrong with a token.
create function pg_temp.attempt(token text) returns text
    language plpgsql as
$$
declare
    detail text;
    hint text;
begin
    return 'opened ' || (length(calendar_feed(token)) > 0);
exception when others then
    get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
    return concat_ws(' | ', sqlstate, sqlerrm, detail, hint);
end
$$;
create temporary table rotated as select feed_id, calendar_feed_rotate(feed_id) as token from made;
select pg_temp.attempt(token) as rotated from rotated;
select distinct pg_temp.attempt(token) as refused
from (
    values (null), (''), ('x'), (repeat('A', 43)), (repeat('A', 1000000)), (E'\x01''; drop table x; --')
    union all select token from made
) t (token);
select calendar_feed_disable(feed_id) from made;
select count(distinct pg_temp.attempt(token)) as errors, bool_or(pg_temp.attempt(token) like '%' || token || '%') as told
from (select token from made union all select token from rotated) t;

-- A feed that was switched off is on again with a new token.
select pg_temp.attempt(calendar_feed_rotate(feed_id)) as switched_on from made;
select enabled from calendar_feeds;

-- What is refused when one is made.
savepoint before;
\set VERBOSITY terse
select * from calendar_feed_create('ada@example.com', 'Ada; all of it');
\set VERBOSITY default
rollback to before;
select * from calendar_feed_create('ada@example.com', null);
rollback to before;
select * from calendar_feed_create('ada@example.com', '');
rollback to before;
select * from calendar_feed_create('ada@example.com', 'f', 'none');
rollback to before;
select * from calendar_feed_create('ada@example.com', 'f', 'busy', '{"kind": ["visit"]}');
rollback to before;
select * from calendar_feed_create('ada@example.com', 'f', 'busy', '{"event_type": "visit"}');
rollback to before;
select * from calendar_feed_create('ada@example.com', 'f', 'busy', '[]');
rollback to before;

-- Filters: all parts together. An event of an interaction, or of plain SQL, has its origin as its source.
insert into calendar_events (user_id, title, event_date, event_end, synced_from, external_source)
values ('ada@example.com', 'By hand', current_date + time '15:00', current_date + time '16:00', 'manual', null);
select filter, string_agg(line, ', ') as titles
from (
    values
        ('{"event_type": ["visit", "trip"]}'::jsonb),
        ('{"categories": ["north"]}'),
        ('{"categories": ["north", "new"]}'),
        ('{"external_source": ["manual"]}'),
        ('{"metadata": {"project": {"id": 7}}}'),
        ('{"event_type": ["meeting"], "external_source": ["planner"]}'),
        ('{"event_type": ["trip"], "metadata": {"project": {"id": 7}}}')
) f (filter)
cross join lateral calendar_feed_create('ada@example.com', filter::text, 'details', filter) c
cross join lateral (select calendar_feed(c.token)) as r (file)
left join lateral pg_temp.lines(r.file, '^SUMMARY') line on true
group by filter
order by filter::text;

-- Times alone: nothing of what an event says, not even under another name.
create temporary table busy as select * from calendar_feed_create('ada@example.com', 'Times', 'busy');
select line, count(*) as times
from busy, pg_temp.lines(calendar_feed(token), '^(NAME|SUMMARY|STATUS|TRANSP|UID)') line
where line !~ '^UID:[0-9a-f]{64}$'
group by line
order by line;
select distinct split_part(line, ':', 1) as property
from busy, pg_temp.lines(calendar_feed(token), '^[A-Z]') line
where line ~ '^(DT|UID|SEQ|RRULE|EX|REC|CLASS|PRIO|DESC|LOC|CAT|ORG|ATT|URL|X-|LAST)' and line !~ '^DT(START|END);TZID'
order by 1;
select calendar_feed(token) ~* 'secret|acme|visit|stand-up|north|fair|planner' as leaks from busy;

-- A day is a date: that of its own zone for an interaction without a length, wherever its instant lies in UTC.
insert into calendar_events (user_id, title, event_date, all_day, time_zone, show_as, synced_from)
select 'ada@example.com', zone, current_date + time '20:30', true, zone, 'free', 'interaction'
from unnest(array['Pacific/Auckland', 'America/New_York']) zone;
select pg_temp.relative(line) as line
from calendar_feed_create('ada@example.com', 'Days', filter => '{"external_source": ["interaction"]}'),
    pg_temp.lines(calendar_feed(token), '^(DTSTART|DTEND|TRANSP|SUMMARY)') line
where line !~ '^DTSTART:';

-- The window goes from midnight to midnight, so that the bytes hold through a day.
insert into calendar_events (user_id, title, event_type, event_date, event_end)
select 'ada@example.com', title, 'edge', starts, starts + interval '30 minutes'
from (
    values
        ('before', current_date - 30 - interval '1 hour'),
        ('first', current_date - 30 + interval '0 hours'),
        ('last', current_date + 180 + interval '23 hours'),
        ('after', current_date + 181 + interval '0 hours')
) e (title, starts);
select line
from calendar_feed_create('ada@example.com', 'Edges', filter => '{"event_type": ["edge"]}'),
    pg_temp.lines(calendar_feed(token), '^SUMMARY') line;

-- Each of a series' instances can be deleted and cancelled: gone, and called off.
update calendar_events set sync_status = 'deleted', event_status = 'cancelled'
where title = 'Stand-up' and event_date::date = current_date + 2;
update calendar_events set event_status = 'cancelled'
where title = 'Stand-up' and event_date::date = current_date + 3;
select pg_temp.relative(line) as line
from rotated,
    pg_temp.lines(calendar_feed(calendar_feed_rotate(feed_id)), '^(EXDATE|RECURRENCE-ID|STATUS:CANC)') line;

-- Nobody else's: a foreign feed and a missing one are told alike.
create role feeds_reader;
grant execute on all functions in schema public to feeds_reader;
grant select on pg_temp.made to feeds_reader;
set local role feeds_reader;
set local calendar_sync.user_id = 'grace@example.com';
select pg_temp.attempt('x') like '42704%' as may_read;
savepoint before;
select calendar_feed_disable('00000000-0000-4000-8000-000000000000');
rollback to before;
do $$
begin
    perform calendar_feed_rotate((select feed_id from pg_temp.made));
exception when others then
    raise notice '%', regexp_replace(sqlerrm, '[0-9a-f-]{36}', '...');
end
$$;
select * from calendar_feed_create('ada@example.com', 'mine now');
rollback to before;
reset role;

rollback;
