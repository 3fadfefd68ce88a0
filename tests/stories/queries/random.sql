-- Random calendars of 8 users, on a grid of quarters of an hour so that edges meet; what is handed to calendar_sync and
-- what is wanted of it side by side.

create table today as select date_trunc('day', now(), 'UTC') as at;

insert into calendar_connections (connection_id, user_id, name, provider, direction)
select calendar_uuid_v7(), 'user ' || u, direction, 'ics', direction
from generate_series(0, 7) u, unnest('{pull,push,both}'::text[]) direction;

-- Events of all kinds: timed, of days, without a length or of none, of several days; some seen in a second calendar.
create table drawn as
select i,
       'user ' || i % 8 as user_id,
       kind,
       'event ' || i as title,
       case when kind = 'date' then date_trunc('day', at, 'UTC') else at end as starts_at,
       case kind
           when 'point' then case when length % 2 = 0 then at end
           when 'timed' then at + interval '15 minutes' * (1 + length % 95)
           when 'long' then at + interval '15 minutes' * (96 + length)
           when 'date' then case when length % 5 > 0 then date_trunc('day', at, 'UTC') + interval '1 day' * (1 + length % 20) end
       end as ends_at,
       status, show_as, deleted, copied
from (
    select i,
           (array['point', 'timed', 'timed', 'timed', 'long', 'date', 'day'])[1 + floor(random() * 7)] as kind,
           today.at + interval '15 minutes' * floor((random() - 0.5) * 96 * 800) as at,
           floor(random() * 4000)::int as length,
           (array['scheduled', 'scheduled', 'tentative', 'completed', 'cancelled'])[1 + floor(random() * 5)] as status,
           (array['busy', 'busy', 'tentative', 'oof', 'elsewhere', 'free'])[1 + floor(random() * 6)] as show_as,
           random() < 0.1 as deleted,
           random() < 0.3 as copied
    from today, generate_series(1, 4000) i
) d;

-- The writable calendar's copy says something else, so that it shows which one was taken.
insert into calendar_events (
    user_id, title, event_date, event_end, all_day, time_zone, event_status, show_as, sync_status, connection_id,
    external_source, external_id, ical_uid, floating
)
select d.user_id,
       d.title || coalesce(' ' || c.direction, ''),
       d.starts_at,
       d.ends_at,
       d.kind in ('date', 'day'),
       case when d.kind = 'day' then 'Asia/Tokyo' end,
       d.status,
       case when d.kind = 'day' then 'free' else d.show_as end,
       case when d.deleted then 'deleted' else 'synced' end,
       c.connection_id,
       case when d.copied then 'ics' end,
       case when d.copied then d.title end,
       case when d.copied then 'uid ' || d.i end,
       d.i % 9 = 0
from drawn d
left join calendar_connections c on d.copied and c.user_id = d.user_id and (c.direction = 'pull' or c.direction = 'both')
order by md5(d.i::text || c.direction);

insert into wanted (user_id, title, starts_at, ends_at, all_day, own_day, busy)
select user_id,
       title || case when copied then ' both' else '' end,
       starts_at,
       ends_at,
       kind = 'date',
       case
           when kind = 'day' then tstzrange(
               (starts_at at time zone 'Asia/Tokyo')::date::timestamp at time zone 'Asia/Tokyo',
               ((starts_at at time zone 'Asia/Tokyo')::date + 1)::timestamp at time zone 'Asia/Tokyo'
           )
       end,
       show_as <> 'free' and status <> 'cancelled' and kind <> 'day'
from drawn
where not deleted;

-- Series: older and younger than what is stored of them, with and without an end, their instances up to seven weeks long.
create table drawn_series as
select i,
       'user ' || i % 8 as user_id,
       'series ' || i as title,
       case when all_day then date_trunc('day', at, 'UTC') else at end as dtstart,
       all_day,
       case
           when all_day then interval '1 day' * (1 + length % 49)
           when length % 4 = 0 then interval '1 hour' * length
           else interval '15 minutes' * (length % 80)
       end as length,
       rule || case floor(random() * 3)
           when 0 then ';COUNT=' || 1 + length % 90
           when 1 then ';UNTIL=' || to_char(at + interval '1 day' * (length * 3 - 200), 'YYYYMMDD')
               || case when all_day then '' else 'T000000Z' end
           else ''
       end as rule
from (
    select i,
           today.at + interval '15 minutes' * floor((random() - 0.6) * 96 * 1500) as at,
           random() < 0.3 as all_day,
           floor(random() * 1176)::int as length,
           (array['FREQ=DAILY;INTERVAL=3', 'FREQ=WEEKLY', 'FREQ=WEEKLY;INTERVAL=2', 'FREQ=MONTHLY', 'FREQ=YEARLY'])
               [1 + floor(random() * 5)] as rule
    from today, generate_series(1, 160) i
) d;

-- DTSTART is an instance whatever the rule says.
create table occurrence as
select s.i, o.at
from drawn_series s
cross join today
cross join lateral (
    select s.dtstart as at
    union
    select calendar_rrule_occurrences(s.rule, s.dtstart, 'UTC', null, today.at + interval '5000 days')
) o;

-- Occurrences are moved, some over the edges of what is stored and beyond, or cancelled, or do not take place.
create table changed as
select c.*,
       c.at + case
           when c.far then interval '1 day' * floor((random() - 0.5) * 1600)
           when s.all_day then interval '1 day' * floor((random() - 0.5) * 5)
           else interval '15 minutes' * floor((random() - 0.5) * 300)
       end as starts_at,
       case when s.all_day then interval '2 days' else interval '15 minutes' * floor(random() * 5000) end as length
from (
    select o.*,
           (array['moved', 'moved', 'cancelled', 'excluded'])[1 + floor(random() * 4)] as how,
           random() < 0.4 as far,
           row_number() over (partition by o.i order by random()) as nth
    from occurrence o
    cross join today
    where o.at between today.at - interval '900 days' and today.at + interval '900 days'
) c
join drawn_series s using (i)
where c.nth <= 6;

create function ics_time(name text, at timestamptz, all_day boolean) returns text
    language sql stable
return name || case when all_day then to_char(at at time zone 'UTC', '";VALUE=DATE:"YYYYMMDD')
                    else to_char(at at time zone 'UTC', '":"YYYYMMDD"T"HH24MISS"Z"') end || E'\r\n';

create function ics_event(uid text, title text, at timestamptz, length interval, all_day boolean, more text) returns text
    language sql stable
return E'BEGIN:VEVENT\r\nUID:' || uid || E'\r\nSUMMARY:' || title || E'\r\n' || ics_time('DTSTART', at, all_day)
    || ics_time('DTEND', at + length, all_day) || more || E'END:VEVENT\r\n';

create table imported as
select s.user_id, r.*
from (
    select user_id, string_agg(ics, '' order by md5(ics)) as ics
    from (
        select s.user_id,
               ics_event('series ' || s.i, s.title, s.dtstart, s.length, s.all_day, 'RRULE:' || s.rule || E'\r\n' || coalesce(
                   (
                       select string_agg(ics_time('EXDATE', c.at, s.all_day), '')
                       from changed c
                       where c.i = s.i and c.how = 'excluded'
                   ),
                   ''
               )) as ics
        from drawn_series s
        union all
        select s.user_id,
               ics_event('series ' || s.i, s.title || ' ' || c.how, c.starts_at, c.length, s.all_day,
                   ics_time('RECURRENCE-ID', c.at, s.all_day)
                   || case when c.how = 'cancelled' then E'STATUS:CANCELLED\r\n' else '' end)
        from changed c
        join drawn_series s using (i)
        where c.how <> 'excluded'
    ) events
    group by user_id
) s
cross join lateral calendar_ics_import(s.user_id, E'BEGIN:VCALENDAR\r\nVERSION:2.0\r\n' || s.ics || E'END:VCALENDAR\r\n') r;

insert into wanted (user_id, title, starts_at, ends_at, all_day, busy, ical_uid, recurrence_id)
select s.user_id, s.title, o.at, o.at + s.length, s.all_day, true, 'series ' || s.i, o.at
from occurrence o
join drawn_series s using (i)
where not exists (select from changed c where c.i = o.i and c.at = o.at)
union all
select s.user_id, s.title || ' ' || c.how, c.starts_at, c.starts_at + c.length, s.all_day, c.how = 'moved', 'series ' || s.i, c.at
from changed c
join drawn_series s using (i)
where c.how <> 'excluded';

create index on wanted (user_id);
analyze;

-- Windows of all sizes: around today, at the edges of what is stored, decades away.
create table asked as
select 'user ' || i % 8 as user_id, tstzrange(at, at + length) as range
from (
    select i,
           today.at
           + case i % 5
               when 0 then interval '-30 days'
               when 1 then interval '365 days'
               when 2 then interval '1 day' * floor((random() - 0.5) * 9000)
               else interval '1 day' * floor((random() - 0.5) * 400)
           end
           + interval '15 minutes' * floor((random() - 0.5) * 500) as at,
           case i % 3
               when 0 then interval '15 minutes' * (1 + floor(random() * 20))
               when 1 then interval '15 minutes' * (1 + floor(random() * 96 * 40))
               else interval '15 minutes' * (1 + floor(random() * 96 * 200))
           end as length
    from today, generate_series(1, 90) i
) w;
