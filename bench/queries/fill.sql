-- :events events of :events / 1,000 users over three years, in the order in which they came about, as in life: the rows of
-- one user lie far apart. A tenth as many more: copies of meetings in a second calendar, and instances of series.

select setseed(0.5);
select date_trunc('day', now()) as today, :events / 1000 as people \gset

create table person as
select i as number,
       'user' || i || '@example.com' as user_id,
       calendar_uuid_v7() as calendar,
       calendar_uuid_v7() as second_calendar
from generate_series(1, :people) i;
create unique index on person (number);

insert into calendar_connections (connection_id, user_id, name, provider, direction)
select calendar, user_id, 'work', 'google', 'both' from person
union all
select second_calendar, user_id, 'team', 'ics', 'pull' from person;

-- What goes into a table that was emptied in the same transaction is not logged (wal_level = minimal).
begin;
truncate calendar_events;

-- Two of five are interactions, the others come from outside; by kind: of all days, of several days, without a length,
-- cancelled, free, deleted, waiting to be sent.
insert into calendar_events (
    user_id, title, location, event_type, event_status, show_as, event_date, event_end, all_day, related_table, related_id,
    connection_id, external_source, external_id, ical_uid, importance, conversation_id, teams_enabled, last_updated,
    synced_from, sync_status
)
select
    p.user_id,
    'Meeting ' || e.i,
    'Room ' || e.i % 40,
    case when e.interaction then 'interaction' else 'meeting' end,
    case when e.kind in (90, 92) then 'cancelled' else 'scheduled' end,
    case when e.kind = 91 then 'free' else 'busy' end,
    e.starts_at,
    e.starts_at + case
        when e.kind < 80 then interval '15 minutes' * (1 + e.i % 8)
        when e.kind < 85 then interval '1 day'
        when e.kind < 87 then interval '1 day' * (2 + e.i % 13)
        when e.kind < 89 then interval '1 hour'
        when e.kind = 89 then null
        else interval '30 minutes'
    end,
    e.kind between 80 and 86,
    case when e.interaction then 'interaction' end,
    case when e.interaction then gen_random_uuid() end,
    case when not e.interaction then p.calendar end,
    case when not e.interaction then 'google' end,
    case when not e.interaction then 'event-' || e.i end,
    case when not e.interaction then 'uid-' || e.i || '@example.com' end,
    case when e.kind = 87 then 'HIGH' else 'NORMAL' end::calendar_importance,
    case when e.kind between 60 and 65 then 'thread-' || e.i / 7 end,
    e.kind between 62 and 69,
    case when not e.interaction then e.starts_at - interval '7 days' end,
    case when e.interaction then 'interaction' else 'google' end,
    case e.kind when 92 then 'deleted' when 93 then 'pending' else 'synced' end
from (
    select i,
           kind,
           kind < 40 as interaction,
           1 + floor(random() * :people)::int as person,
           case
               when kind between 80 and 86 then day
               else day + interval '7 hours' + interval '15 minutes' * floor(random() * 44)
           end as starts_at
    from (
        select i,
               floor(random() * 100)::int as kind,
               date_trunc('day', :'today'::timestamptz - interval '730 days' + interval '1095 days' * (i::float8 / :events)) as day
        from generate_series(1, :events) i
    ) g
) e
join person p on p.number = e.person;

-- The same meeting in the second calendar.
insert into calendar_events (
    user_id, title, event_date, event_end, connection_id, external_source, external_id, ical_uid, synced_from
)
select e.user_id, e.title, e.event_date, e.event_end, p.second_calendar, 'ics', e.external_id, e.ical_uid, 'ics'
from calendar_events e
join person p on p.user_id = e.user_id
where e.external_source = 'google'
  and e.external_id like '%7'
  and not e.all_day;

commit;

-- A weekly series with a moved and a cancelled occurrence, and a birthday.
select count(*)
from person p
cross join lateral calendar_ics_import(p.user_id, format(
    E'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:weekly-%1$s\r\nDTSTART;TZID=Europe/Berlin:%2$sT090000\r\n'
    'DTEND;TZID=Europe/Berlin:%2$sT093000\r\nRRULE:FREQ=WEEKLY\r\nSUMMARY:Weekly\r\nEND:VEVENT\r\n'
    'BEGIN:VEVENT\r\nUID:weekly-%1$s\r\nRECURRENCE-ID;TZID=Europe/Berlin:%3$sT090000\r\n'
    'DTSTART;TZID=Europe/Berlin:%3$sT150000\r\nDTEND;TZID=Europe/Berlin:%3$sT160000\r\nSUMMARY:Weekly, later\r\nEND:VEVENT\r\n'
    'BEGIN:VEVENT\r\nUID:weekly-%1$s\r\nRECURRENCE-ID;TZID=Europe/Berlin:%4$sT090000\r\nSTATUS:CANCELLED\r\n'
    'DTSTART;TZID=Europe/Berlin:%4$sT090000\r\nDTEND;TZID=Europe/Berlin:%4$sT093000\r\nSUMMARY:Weekly\r\nEND:VEVENT\r\n'
    'BEGIN:VEVENT\r\nUID:birthday-%1$s\r\nDTSTART;VALUE=DATE:19800413\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Birthday\r\n'
    'TRANSP:TRANSPARENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n',
    p.number,
    to_char(:'today'::timestamptz - interval '70 days', 'YYYYMMDD'),
    to_char(:'today'::timestamptz + interval '7 days', 'YYYYMMDD'),
    to_char(:'today'::timestamptz + interval '14 days', 'YYYYMMDD')
));
