-- What the recurrence benchmark measures with.

create extension calendar_sync;

-- Seconds that the fastest of some runs of `select count(*) from <call>` takes, planned once; its rows.
create function fastest(call text, runs int, out seconds double precision, out rows bigint)
    language plpgsql
as $$
begin
    execute format(
        $function$
        create or replace function run(runs int, out seconds double precision, out rows bigint)
            language plpgsql
        as $body$
        declare
            before timestamptz;
        begin
            for i in 1..runs loop
                before := clock_timestamp();
                select count(*) into rows from %s;
                seconds := least(seconds, extract(epoch from clock_timestamp() - before));
            end loop;
        end
        $body$
        $function$,
        call
    );
    select r.seconds, r.rows into seconds, rows from run(runs) r;
end
$$;

-- Milliseconds that a statement takes to end, well or with an error.
create function milliseconds_to_end(statement text) returns double precision
    language plpgsql
as $$
declare
    before timestamptz := clock_timestamp();
begin
    begin
        execute statement;
    exception when others then
        null;
    end;
    return 1000 * extract(epoch from clock_timestamp() - before);
end
$$;

-- Seconds that one call of calendar_rrule_occurrences for two days takes, from the average of 20,000 over a year.
create function seconds_of_a_window(rule text, year int) returns double precision
    language plpgsql
as $$
declare
    before timestamptz := clock_timestamp();
    rows bigint;
begin
    select count(*) into rows
    from generate_series(0, 19999) i
    cross join lateral calendar_rrule_occurrences(
        rule,
        '1970-01-01 09:00+00',
        'America/New_York',
        make_timestamptz(year, 1, 1, 0, 0, 0) + i * interval '26 minutes',
        make_timestamptz(year, 1, 3, 0, 0, 0) + i * interval '26 minutes'
    );
    return extract(epoch from clock_timestamp() - before) / 20000;
end
$$;
