-- What the calendar queries should answer, from a table in which every occurrence stands for itself: by ranges and
-- multiranges over all of it, without an index, a stored window or an expansion.

create table wanted (
    id bigint generated always as identity primary key,
    user_id text not null,
    title text not null,
    starts_at timestamptz not null,
    ends_at timestamptz,
    -- A date: it lies where the asker is.
    all_day boolean not null default false,
    -- The day that an interaction without a length takes, wherever the asker is.
    own_day tstzrange,
    busy boolean not null default true,
    ical_uid text,
    recurrence_id timestamptz,
    writable boolean not null default false
);

create function agenda_wanted(who text, asked tstzrange, zone text)
    returns table (id bigint, title text, starts_at timestamptz, ends_at timestamptz, busy boolean)
    language sql stable
as $$
    with placed as (
        select w.*,
               case when w.all_day then w.starts_at at time zone 'UTC' at time zone zone else w.starts_at end as s,
               case
                   when w.all_day then coalesce(w.ends_at, w.starts_at + interval '1 day') at time zone 'UTC' at time zone zone
                   else w.ends_at
               end as e
        from wanted w
        where w.user_id = who
    ),
    seen as (
        select p.*,
               row_number() over (
                   partition by coalesce(p.ical_uid, p.id::text), p.recurrence_id order by p.writable desc
               ) as copy
        from placed p
        where case
            when p.own_day is not null then p.own_day && asked
            when p.e > p.s then tstzrange(p.s, p.e) && asked
            else asked @> p.s
        end
    )
    select id, title, s, e, busy
    from seen
    where copy = 1
$$;

create function busy_wanted(who text[], asked tstzrange, zone text) returns tstzmultirange
    language sql stable
as $$
    select coalesce(range_agg(tstzrange(a.starts_at, a.ends_at) * asked), '{}')
    from unnest(who) w
    cross join lateral agenda_wanted(w, asked, zone) a
    where a.busy
      and a.ends_at > a.starts_at
$$;

-- Working hours from :30 to :30, so that no edge lies in the hour that a clock change leaves out or repeats.
create function slots_wanted(who text[], asked tstzrange, zone text, duration interval, hours_zone text)
    returns setof tstzrange
    language sql stable
as $$
    select slot
    from unnest(
        (
            select range_agg(tstzrange(
                (day + time '00:30') at time zone hours_zone, (day + time '04:30') at time zone hours_zone
            ) * asked)
            from generate_series(
                (lower(asked) - interval '2 days')::date::timestamp, (upper(asked) + interval '2 days')::date::timestamp,
                interval '1 day'
            ) day
            where extract(isodow from day) = 7
        )
        - busy_wanted(who, asked, zone)
    ) slot
    where upper(slot) - lower(slot) >= duration
$$;

-- What differs between answer and wanted, a line each; none where all is well.
create function differences(who text, asked tstzrange, zone text) returns setof text
    language sql stable
as $$
    with
    agenda as (select title, starts_at, ends_at from calendar_agenda(who, lower(asked), upper(asked))),
    entries as materialized (select * from agenda_wanted(who, asked, zone)),
    pairs as (
        select tstzrange(a.starts_at, a.ends_at) * tstzrange(b.starts_at, b.ends_at) * asked as overlap
        from entries a
        join entries b on a.id < b.id
        where a.busy
          and b.busy
          and a.ends_at > a.starts_at
          and b.ends_at > b.starts_at
          and not isempty(tstzrange(a.starts_at, a.ends_at) * tstzrange(b.starts_at, b.ends_at) * asked)
    ),
    others(who) as (select array[who, who, null, 'user 0', 'nobody'])
    select 'too much in the agenda: ' || x::text
    from (select * from agenda except all select title, starts_at, ends_at from entries) x
    union all
    select 'missing in the agenda: ' || x::text
    from (select title, starts_at, ends_at from entries except all select * from agenda) x
    union all
    select format('busy: %s, wanted %s', b.busy, busy_wanted(array[who], asked, zone))
    from calendar_free_busy(array[who], lower(asked), upper(asked)) b
    where b.busy <> busy_wanted(array[who], asked, zone)
    union all
    select format('overlap %s: %s times, wanted %s', coalesce(o.overlap, p.overlap), o.count, p.count)
    from (select overlap, count(*) from calendar_overlaps(who, lower(asked), upper(asked)) group by 1) o
    full join (select overlap, count(*) from pairs group by 1) p on p.overlap = o.overlap
    where o.count is distinct from p.count
    union all
    select 'free slots: ' || x::text
    from (
        select f.slot, count(*)
        from others
        cross join lateral (
            select slot
            from calendar_free_slots(
                others.who, lower(asked), upper(asked), '90 minutes', '{"SU": [["00:30", "02:15"], ["01:45", "04:30"]]}',
                'America/New_York'
            )
            union all
            select * from slots_wanted(others.who, asked, zone, '90 minutes', 'America/New_York')
        ) f
        where upper(asked) - lower(asked) < interval '3000 days'
        group by f.slot
        having count(*) <> 2
    ) x
$$;
