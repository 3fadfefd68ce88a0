-- An application's own events: created, changed and deleted by its own key.

begin;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';

-- Created, then the same again, then changed; an absent key keeps, null clears.
select action
from calendar_upsert_event('ada@example.com', 'shop', 'order-1', '{
    "title": "Delivery", "start": "2031-03-10T09:00:00+01:00", "end": "2031-03-10T10:00:00+01:00",
    "location": "Gate 2", "show_as": "oof", "categories": ["a \"quoted\" one", "back\\slash"],
    "attendees": [{"address": "bob@example.com", "response": "accepted"}],
    "metadata": {"project": "north", "site": {"hall": 3, "row": 7}}
}');
select action from calendar_upsert_event('ada@example.com', 'shop', 'order-1', '{"title": "Delivery"}');
select action
from calendar_upsert_event('ada@example.com', 'shop', 'order-1', '{"location": null, "show_as": null, "metadata": {"site": {"row": null}}}');

select title, event_date, event_end, location, show_as, categories, attendees, metadata, synced_from, sync_status
from calendar_events;

-- Three ways to say when: an offset, a time zone, a date. The end of an all-day event is exclusive.
select external_id, action, error
from calendar_upsert_events('ada@example.com', 'shop', '[
    {"external_id": "zone", "title": "Zone", "start": "2031-07-01T09:00", "end": "2031-07-01T09:30", "time_zone": "Europe/Berlin"},
    {"external_id": "day", "title": "Day", "start": "2031-07-01"},
    {"external_id": "days", "title": "Days", "start": "2031-07-01", "end": "2031-07-04"}
]');
select external_id, event_date, event_end, all_day, time_zone, start_time, end_time
from calendar_events
where external_id <> 'order-1'
order by 1;

-- An element that can't be taken gets its error and does not stop the others; the same key twice is two changes.
select external_id, event_id is not null as stored, action, error
from calendar_upsert_events('ada@example.com', 'shop', '[
    {"title": "No key", "start": "2031-07-01"},
    {"external_id": "late", "title": "Ends too early", "start": "2031-07-01T09:00Z", "end": "2031-07-01T08:00Z"},
    {"external_id": "twice", "title": "First", "start": "2031-07-02"},
    {"external_id": "twice", "title": "Second"},
    "no object"
]');

savepoint before;
select calendar_upsert_event('ada@example.com', 'shop', 'order-1', '{"titel": "Delivery"}');
rollback to before;
select calendar_upsert_event('ada@example.com', 'shop', 'order-1', '{"event_status": "moved"}');
rollback to before;
select calendar_upsert_event('ada@example.com', 'shop', 'order-9', '{"title": "When?"}');
rollback to before;
select calendar_upsert_event('ada@example.com', 'shop', 'order-9', '{"title": "x", "start": "2031-01-01T09:00:00"}');
rollback to before;
select calendar_upsert_event('ada@example.com', 'shop', 'order-9', '{"title": "x", "start": "2031-01-01", "recurrence": ["RRULE:FREQ=SOMETIMES"]}');
rollback to before;
select calendar_upsert_event('ada@example.com', 'shop', 'order-9', '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["RRULE:FREQ=SECONDLY"]}');
rollback to before;
select calendar_upsert_events('ada@example.com', 'shop', '{"external_id": "no list"}');
rollback to before;
select calendar_upsert_event('', 'shop', 'order-9', '{"title": "x", "start": "2031-01-01"}');
rollback to before;

-- A recurring event has its series_id for an id; its instances stand in the window that is stored.
select action
from calendar_upsert_event('ada@example.com', 'shop', 'weekly', jsonb_build_object(
    'title', 'Count the stock', 'start', (now() + interval '1 day')::text, 'end', (now() + interval '25 hours')::text,
    'recurrence', '["RRULE:FREQ=WEEKLY;COUNT=5"]'::jsonb
));
select u.action, u.event_id = s.series_id as is_its_series
from calendar_upsert_event('ada@example.com', 'shop', 'weekly', '{"title": "Count the stock"}') u, calendar_series s;
select count(*), count(distinct recurrence_id), bool_and(series_id = (select series_id from calendar_series)) as of_the_series
from calendar_events
where external_id = 'weekly';

-- A changed rule rewrites the instances to come.
select action
from calendar_upsert_event('ada@example.com', 'shop', 'weekly', '{"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3"], "location": "Hall 3"}');
select count(*), min(location), max(location) from calendar_events where external_id = 'weekly';

-- Deleted events are kept as history; a later change brings them back.
select calendar_delete_event('ada@example.com', 'shop', 'order-1') as first, calendar_delete_event('ada@example.com', 'shop', 'order-1') as again;
select calendar_delete_event('ada@example.com', 'shop', 'weekly') as series, calendar_delete_event('ada@example.com', 'shop', 'no such') as missing;
select external_id, event_status, sync_status, count(*)
from calendar_events
where external_id in ('order-1', 'weekly')
group by 1, 2, 3
order by 1;
select action from calendar_upsert_event('ada@example.com', 'shop', 'order-1', '{"title": "Delivery after all"}');
select action from calendar_upsert_event('ada@example.com', 'shop', 'weekly', '{}');
select external_id, title, event_status, sync_status, count(*)
from calendar_events
where external_id in ('order-1', 'weekly')
group by 1, 2, 3, 4
order by 1;

-- What is not a series any more is a single event.
select action from calendar_upsert_event('ada@example.com', 'shop', 'weekly', '{"recurrence": null}');
select series_id is null as single, sync_status, count(*)
from calendar_events
where external_id = 'weekly'
group by 1, 2
order by 1 desc;

-- What did not change was not written: the row is the same version.
create temporary table before_that as select event_id, ctid::text as version from calendar_events;
select distinct action
from calendar_upsert_events('ada@example.com', 'shop', '[
    {"external_id": "zone", "title": "Zone"},
    {"external_id": "day", "start": "2031-07-01"},
    {"external_id": "order-1", "title": "Delivery after all"}
]');
select count(*) as written from calendar_events e join before_that b using (event_id) where e.ctid::text <> b.version;

-- An identifier that an index could not hold is kept by its digest.
select action from calendar_upsert_event('ada@example.com', 'shop', repeat('long', 2000), '{"title": "Long", "start": "2031-01-01"}');
select action from calendar_upsert_event('ada@example.com', 'shop', repeat('long', 2000), '{"title": "Long"}');
select external_id ~ '^sha256:[0-9a-f]{64}$' as by_digest from calendar_events where title = 'Long';

-- Another user's calendar is none of a role's business.
create role shop;
grant usage on schema public to shop;
grant execute on function calendar_upsert_event, calendar_delete_event, calendar_agenda to shop;
set local role shop;
savepoint before;
select calendar_delete_event('ada@example.com', 'shop', 'zone');
rollback to before;
set local calendar_sync.user_id = 'ada@example.com';
select calendar_delete_event('ada@example.com', 'shop', 'zone');

rollback;
