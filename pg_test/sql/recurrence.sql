-- Recurrence rules in SQL: what a user asks of a rule.

set timezone = 'UTC';
set datestyle = 'ISO, YMD';

-- A daily stand-up keeps its hour over the clock change of 2024-03-31.
select o, o at time zone 'Europe/Berlin' as in_berlin
from calendar_rrule_occurrences('FREQ=DAILY;COUNT=3', '2024-03-30 08:00+00', 'Europe/Berlin') o;

-- 02:30 does not exist in New York on 2024-03-10 and exists twice on 2024-11-03: offset before the gap; the first.
select calendar_rrule_occurrences('RRULE:FREQ=DAILY;COUNT=2', '2024-03-09 02:30-05', 'America/New_York');
select calendar_rrule_occurrences('FREQ=DAILY;COUNT=2', '2024-11-02 01:30-04', 'America/New_York');

-- An hourly rule gives each instant once, in order, where an hour is left out.
select calendar_rrule_occurrences('FREQ=HOURLY', '2024-03-10 05:30+00', 'America/New_York', max_count => 4);

-- The rules of the zone go on after 2037.
select o at time zone 'America/New_York' as in_new_york
from calendar_rrule_occurrences(
    'FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=4', '1970-01-04 12:00-05', 'America/New_York', '2150-01-01', '2150-12-31'
) o;

-- Noon stays noon in every zone of the server, but for names that "at time zone" takes for an abbreviation (CET).
select count(*) > 100000 as asked, count(*) filter (where (o at time zone name)::time <> '12:00') as wrong
from pg_timezone_names
cross join lateral calendar_rrule_occurrences(
    'FREQ=YEARLY;BYMONTH=1,7', timestamp '1950-01-16 12:00' at time zone name, name, range_end => '2150-01-01'
) o
where name not in (select abbrev from pg_timezone_abbrevs);

-- The day that Samoa left out, 2011-12-30, is counted, but its instant is that of the day after it; clocks before zones.
select o at time zone 'Pacific/Apia' as in_apia
from calendar_rrule_occurrences('FREQ=DAILY;COUNT=4', '2011-12-28 09:00-10', 'Pacific/Apia') o;
select calendar_rrule_occurrences('FREQ=DAILY;COUNT=3', '1883-11-17 12:00-04:56:02', 'America/New_York');
select calendar_rrule_occurrences('FREQ=YEARLY', '9998-06-01 12:00+02', 'Europe/Berlin');
select calendar_rrule_occurrences('FREQ=YEARLY;COUNT=2', '0044-03-15 12:00+00 BC');

-- Both ends of a range are in it; far from the start; the rule's own end; no end at all.
select calendar_rrule_occurrences('FREQ=DAILY', '1970-01-01 09:00+00', 'UTC', '2040-02-28 09:00+00', '2040-03-01 09:00+00');
select calendar_rrule_occurrences('FREQ=WEEKLY;COUNT=3', '2024-01-01 09:00+00', range_start => '2024-01-02');
select calendar_rrule_occurrences('FREQ=WEEKLY', '2024-01-01 09:00+00', 'UTC', '-infinity', 'infinity', max_count => 2);
select count(*), max(o) from calendar_rrule_occurrences('FREQ=MONTHLY;BYMONTHDAY=31', '2024-01-31 09:00+00', max_count => null) o;
select count(*) from calendar_rrule_occurrences('FREQ=SECONDLY', '2024-01-01') o;

-- COUNT is counted wherever the range begins: 25 hours meet nine o'clock every 25 days, the 1000th time on 2038-05-19.
select calendar_rrule_occurrences('FREQ=HOURLY;INTERVAL=25;BYHOUR=9;COUNT=1000', '1970-01-01 09:00+00', range_start => '2038-05-01');
select calendar_rrule_next('FREQ=HOURLY;INTERVAL=25;BYHOUR=9;COUNT=1000', '1970-01-01 09:00+00', 'UTC', '9990-01-01') is null as over;

-- UNTIL as an instant, and before the start.
select calendar_rrule_occurrences('FREQ=DAILY;UNTIL=20240102T080000Z', '2024-01-01 09:00+01', 'Europe/Berlin');
select calendar_rrule_occurrences('FREQ=DAILY;UNTIL=20231231T000000Z', '2024-01-01 09:00+00');

-- DTSTART counts only if the rule gives it.
select calendar_rrule_occurrences('FREQ=WEEKLY;BYDAY=MO;COUNT=2', '2024-01-03 09:00+00');

-- Dates added and taken away; a fraction of a second stays.
select calendar_rrule_occurrences(
    'FREQ=DAILY;COUNT=3', '2024-01-01 09:00:00.25+00',
    exdates => array['2024-01-02 09:00:00.25+00', null, 'infinity']::timestamptz[],
    rdates => array['2024-01-05 12:00+00', '2023-12-31 00:00+00', '2024-01-01 09:00:00.25+00', '-infinity', null]::timestamptz[]
);
select calendar_rrule_occurrences(
    'FREQ=DAILY', '2024-01-01 09:00:00.25+00', 'UTC', '2024-01-02 09:00:00.25+00', '2024-01-03 09:00:00.2+00'
);

-- All-day series are dates.
select calendar_rrule_dates('FREQ=MONTHLY;BYDAY=-1FR', '2024-01-26', '2024-03-01', '2024-05-31');
select calendar_rrule_dates('FREQ=DAILY;COUNT=4', '2024-02-28', exdates => '{2024-02-29}', rdates => '{2024-03-09}');
select calendar_rrule_dates('FREQ=DAILY;UNTIL=20240102', '2024-01-01', '-infinity', 'infinity');
select calendar_rrule_dates('FREQ=HOURLY', '2024-01-01');

-- The next one after a time.
select calendar_rrule_next('FREQ=WEEKLY;BYDAY=MO', '2024-01-01 09:00+01', 'Europe/Berlin', '2024-07-01 07:00+00');
select calendar_rrule_next('FREQ=WEEKLY;BYDAY=MO', '2024-01-01 09:00+01', 'Europe/Berlin', '2024-07-01 06:59:59.999999+00');
select calendar_rrule_next('FREQ=DAILY;COUNT=2', '2024-01-01', 'UTC', '2024-01-02') is null as over;
select calendar_rrule_next('FREQ=DAILY', '2024-01-01', 'UTC', 'infinity') is null as over;
select calendar_rrule_next('FREQ=DAILY', '2024-01-01 09:00+00', null, '-infinity');

-- Nothing asked, nothing given; no count, no end.
select calendar_rrule_occurrences(null, '2024-01-01');
select calendar_rrule_occurrences('FREQ=DAILY', null);
select calendar_rrule_dates(null, '2024-01-01');
select calendar_rrule_next('FREQ=DAILY', '2024-01-01', 'UTC', null) is null as unknown;
select calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', max_count => 0);
select calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', max_count => -1);
select calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', 'UTC', 'infinity');
select calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', 'UTC', null, '-infinity');
select calendar_rrule_dates('FREQ=DAILY', '2024-01-01', 'infinity', '-infinity', '{NULL,infinity}', '{NULL,-infinity}');
select calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', 'europe/berlin', null, null, null, null, null) limit 1;

-- Is it a rule, and what does it say?
select rule, calendar_rrule_is_valid(rule)
from unnest(array['FREQ=DAILY', 'rrule:freq=weekly;byday=mo', 'FREQ=DAILY;X-A=1', 'FREQ=WEEKLY;BYMONTHDAY=1', 'daily', null]) rule;
select calendar_rrule_text('FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=10');
select calendar_rrule_text('FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1');

-- Errors say which part is wrong and what to do.
do $$
declare
    call text;
    code text;
    message text;
    detail text;
    hint text;
begin
    foreach call in array array[
        $c$ calendar_rrule_occurrences('FREQ=WEEKLY;BYDAY=XX', '2024-01-01') $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY;COUNT=2;UNTIL=20300101', '2024-01-01') $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', 'Europe/Berlinn') $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', 'UTC+2') $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY', '2024-01-01', repeat('Mars/', 100000)) $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY;COUNT=9223372036854775808', '2024-01-01') $c$,
        $c$ calendar_rrule_dates('FREQ=DAILY', '5874897-12-31') $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY', 'infinity') $c$,
        $c$ calendar_rrule_occurrences('FREQ=DAILY', '10000-01-01') $c$,
        $c$ calendar_rrule_occurrences('FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', '2024-01-01') $c$,
        $c$ calendar_rrule_next('FREQ=MINUTELY;BYHOUR=5;BYSETPOS=2', '2024-01-01', 'UTC', '2024-01-01') $c$,
        $c$ calendar_rrule_dates('FREQ=DAILY', '-infinity') $c$,
        $c$ calendar_rrule_text('FREQ=SOMETIMES') $c$
    ] loop
        begin
            execute 'select ' || call;
            raise info 'no error:%', call;
        exception when others then
            get stacked diagnostics code = returned_sqlstate, message = message_text,
                detail = pg_exception_detail, hint = pg_exception_hint;
            raise info '%', concat_ws(E'\n  ', code || ' ' || message, nullif(detail, ''), nullif(hint, ''));
        end;
    end loop;
end
$$;

-- In FROM, the functions are inlined and stream: no Function Scan, which would hold the whole set.
explain (costs off)
select * from calendar_rrule_occurrences('FREQ=SECONDLY', '2024-01-01', max_count => null) limit 1;
explain (costs off) select * from calendar_rrule_dates('FREQ=DAILY', '2024-01-01') limit 1;
select * from calendar_rrule_occurrences('FREQ=SECONDLY', '2024-01-01', max_count => null) limit 1;

-- And they can be cancelled.
set statement_timeout = '50ms';
select count(*) from calendar_rrule_occurrences('FREQ=SECONDLY', '0001-01-01', max_count => null);
reset statement_timeout;

-- A rule beside each row, as a query would have it.
select name, o
from (values
    ('rent', 'FREQ=MONTHLY;BYMONTHDAY=-1', timestamptz '2024-01-31 12:00+00'),
    ('gym', 'FREQ=WEEKLY;BYDAY=TU,TH', timestamptz '2024-01-02 18:00+00')
) s (name, rule, dtstart)
cross join lateral calendar_rrule_occurrences(rule, dtstart, 'UTC', '2024-02-28', '2024-03-06') o
order by o;
