\echo 'The worker has pulled it in the background. What a DBA looks at:'
\x on
select * from calendar_connection_status;
select * from calendar_worker_status;
\x off
\echo 'Series are stored as rules; their instances stand in calendar_events for the next year:'
select title, rrule, time_zone from calendar_series order by title;
select title, count(*) as instances, min(event_date) as first, max(event_date) as last
from calendar_events
where series_id is not null
group by title
order by title;

\echo 'Ada''s agenda for the next days, whatever it came from:'
select title, starts_at at time zone 'Europe/Berlin' as starts, ends_at at time zone 'Europe/Berlin' as ends, event_status, coalesce(external_source, 'CRM') as source
from calendar_agenda('ada@example.com', date_trunc('day', now()), date_trunc('day', now()) + interval '5 days')
order by starts_at
limit 12;

\echo 'Asked again, the web server says "not modified", and nothing is written:'
select name, status, fetched, created, updated, deleted, unchanged from calendar_sync_now('ada@example.com');

\echo 'Recurrence is plain SQL as well; nine o''clock in Berlin stays nine o''clock over the clock change:'
select occurrence, occurrence at time zone 'Europe/Berlin' as in_berlin
from calendar_rrule_occurrences('FREQ=WEEKLY;COUNT=3', '2026-03-16 09:00 Europe/Berlin', 'Europe/Berlin') as occurrence;
