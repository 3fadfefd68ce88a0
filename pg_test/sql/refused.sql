-- What functions over events do not take, and what they say: SQLSTATE, message, DETAIL, HINT.

\set VERBOSITY verbose
\set SHOW_CONTEXT never
begin;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';

-- Says how a statement fails, or that it does not.
create function pg_temp.says(statement text) returns text
    language plpgsql
as $$
declare
    message text;
    details text;
    todo text;
begin
    execute statement;
    return 'taken';
exception when others then
    get stacked diagnostics message = message_text, details = pg_exception_detail, todo = pg_exception_hint;
    return concat_ws(e'\n', sqlstate || ' ' || message, nullif(details, ''), nullif(todo, ''));
end
$$;
\pset format unaligned
\pset tuples_only on

-- NULL is no answer to "whose?", "which?" or "when?": the argument is named.
select s || e'\n    ' || split_part(pg_temp.says(s), e'\n', 1)
from unnest(array[
    'select calendar_upsert_event(null, ''app'', ''1'', ''{}'')',
    'select calendar_upsert_event(''ada'', null, ''1'', ''{}'')',
    'select calendar_upsert_event(''ada'', ''app'', null, ''{}'')',
    'select calendar_upsert_event(''ada'', ''app'', ''1'', null)',
    'select calendar_upsert_events(null, ''app'', ''[]'')',
    'select calendar_upsert_events(''ada'', null, ''[]'')',
    'select calendar_upsert_events(''ada'', ''app'', null)',
    'select calendar_delete_event(null, ''app'', ''1'')',
    'select calendar_delete_event(''ada'', null, ''1'')',
    'select calendar_delete_event(''ada'', ''app'', null)',
    'select calendar_agenda(null, ''2031-01-01'', ''2031-01-02'')',
    'select calendar_agenda(''ada'', null, ''2031-01-02'')',
    'select calendar_agenda(''ada'', ''2031-01-01'', null)',
    'select calendar_free_busy(null, ''2031-01-01'', ''2031-01-02'')',
    'select calendar_free_busy(''{}'', null, ''2031-01-02'')',
    'select calendar_free_slots(null, ''2031-01-01'', ''2031-01-02'', ''1 hour'')',
    'select calendar_free_slots(''{ada}'', ''2031-01-01'', null, ''1 hour'')',
    'select calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', null)',
    'select calendar_overlaps(null, ''2031-01-01'', ''2031-01-02'')',
    'select calendar_ics_export(null)',
    'select calendar_ics_export(''ada'', null)',
    'select calendar_ics_export(''ada'', visibility => null)',
    'select calendar_ics_import(null, ''BEGIN:VCALENDAR'')',
    'select calendar_ics_import(''ada'', null)',
    'select calendar_ics_import(''ada'', ''BEGIN:VCALENDAR'', null)',
    'select calendar_subscribe(null, ''https://example.com/a.ics'')',
    'select calendar_subscribe(''ada'', null)',
    'select calendar_subscribe(''ada'', ''https://example.com/a.ics'', null)',
    'select calendar_unsubscribe(null)',
    'select calendar_pause(null)',
    'select calendar_continue(null)',
    'select calendar_sync_now(null)',
    'select calendar_sync_now(''ada'', null)',
    'select calendar_sync_status(null)',
    'select calendar_attach(to_regclass(''no_such_table''))',
    'select calendar_attach(''calendar_events'', null)',
    'select calendar_detach(null)',
    'select calendar_retry_failures(null)'
]) s;

-- An event's keys and values.
select patch || e'\n    ' || replace(pg_temp.says(format('select calendar_upsert_event(%L, %L, %L, %L)', 'ada', 'app', '1', patch)), e'\n', e'\n    ')
from unnest(array[
    '[]',
    '"title"',
    'null',
    '{"title": "x"}',
    '{"title": "x", "start": "2031-01-01", "event_date": "2031-01-02"}',
    '{"title": "x", "start": "2031-01-01", "end": "2031-01-02", "event_end": "2031-01-02"}',
    '{"title": null, "start": "2031-01-01"}',
    '{"title": 5, "start": "2031-01-01"}',
    '{"title": "x", "start": 1735689600}',
    '{"title": "x", "start": ""}',
    '{"title": "x", "start": "infinity"}',
    '{"title": "x", "start": "12026-01-01"}',
    '{"title": "x", "start": "+12026-01-01"}',
    '{"title": "x", "start": "2031-02-30"}',
    '{"title": "x", "start": "2031-01-01T25:00Z"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "time_zone": "Europe/Berln"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "time_zone": "UTC+2"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "all_day": true}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "all_day": "yes"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "sequence": 1.5}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "sequence": "1"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "sequence": 3000000000}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "categories": "red"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "categories": [1]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "attendees": {"address": "bob"}}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "attendees": ["bob"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "metadata": []}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "importance": "high"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "last_updated": "2031-01-01"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": "RRULE:FREQ=DAILY"}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": {}}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": [null]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["FREQ=DAILY"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["RRULE"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["RRULE:"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["EXDATE:yesterday"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["EXDATE:20310101T090000Z"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "recurrence": ["RRULE:FREQ=DAILY\r\nATTACH:x"]}',
    '{"title": "x", "start": "2031-01-01T09:00Z", "user_id": "bob"}'
]) patch;

-- What no JSON of PostgreSQL holds, or nobody can read.
select replace(pg_temp.says(s), e'\n', e'\n    ')
from unnest(array[
    'select calendar_upsert_event(''ada'', ''app'', ''1'', ''{"title": "a\u0000b"}'')',
    'select calendar_upsert_event(''ada'', ''app'', ''1'', ''{"title": "a\ud800b"}'')',
    'select calendar_upsert_event(''ada'', ''app'', ''1'', ''{"title": NaN}'')',
    format('select calendar_upsert_event(''ada'', ''app'', ''1'', ''{"metadata": %s}'')', repeat('[', 200) || repeat(']', 200)),
    'select calendar_upsert_event(''ada'', ''app'', '''', ''{}'')',
    'select calendar_upsert_event(''ada'', '''', ''1'', ''{}'')',
    'select calendar_delete_event(''ada'', ''app'', '''')',
    format('select calendar_upsert_event(''ada'', %L, ''1'', ''{}'')', repeat('x', 513)),
    'select calendar_sync_now(''ada'', name => ''no such'')'
]) s;

-- In a list, only that element.
select external_id, action, error
from calendar_upsert_events('ada', 'app', '[
    {"external_id": "", "title": "x", "start": "2031-01-01"},
    {"external_id": 7, "title": "x", "start": "2031-01-01"},
    {"external_id": null, "title": "x", "start": "2031-01-01"},
    {"external_id": "good", "title": "x", "start": "2031-01-01"},
    {"external_id": "bad", "title": "x", "start": "2031-01-01", "event_date": "2031-01-01"},
    [], null, 7
]');

-- Taken as they are: the last of two equal keys, a title of a megabyte, numbers of any length.
select pg_temp.says($$select calendar_upsert_event('ada', 'app', 'odd', jsonb_build_object(
    'title', repeat('ä', 1000000), 'start', '2031-01-01', 'metadata',
    '{"a": 1, "a": 12345678901234567890123, "b": 1e400, "c": 1.50}'::jsonb
))$$);
select length(title), metadata ->> 'a', length(metadata ->> 'b'), metadata ->> 'c' from calendar_events where external_id = 'odd';

-- Ranges, durations, working hours.
select c || e'\n    ' || replace(pg_temp.says('select count(*) from ' || c), e'\n', e'\n    ')
from unnest(array[
    'calendar_agenda(''ada'', ''2031-01-01'', ''2031-01-01'')',
    'calendar_agenda(''ada'', ''infinity'', ''-infinity'')',
    'calendar_agenda(''ada'', ''-infinity'', ''infinity'')',
    'calendar_agenda(''ada'', ''4713-01-01 BC'', ''294276-12-31'')',
    'calendar_free_busy(''{ada}'', ''-infinity'', ''infinity'')',
    'calendar_overlaps(''ada'', ''-infinity'', ''infinity'')',
    'calendar_free_slots(''{ada}'', ''-infinity'', ''infinity'', ''1 hour'')',
    'calendar_free_slots(''{ada}'', ''-infinity'', ''infinity'', ''1 hour'', ''{}'')',
    'calendar_free_slots(''{ada}'', ''294000-01-01'', ''294000-01-02'', ''1 hour'', ''{}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''-1 hour'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''-170000000 years'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''170000000 years'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-03-01'', ''1 month'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''[]'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"mo": []}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": null}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": ["09:00", "17:00"]}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": [["09:00"]]}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": [["9 am", "17:00"]]}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": [["+9:00", "17:00"]]}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": [["09:00", "24:01"]]}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{"MO": [["22:00", "06:00"]]}'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{}'', ''Mars/Base'')',
    'calendar_free_slots(''{ada}'', ''2031-01-01'', ''2031-01-02'', ''1 hour'', ''{}'', null)'
]) c;

-- A row of plain SQL that no query could place.
select replace(pg_temp.says(s), e'\n', e'\n    ')
from unnest(array[
    'insert into calendar_events (user_id, title, event_date, all_day, time_zone) values (''ada'', ''x'', ''2031-01-01'', true, ''Mars/Base'')',
    'insert into calendar_events (user_id, title, event_date, all_day, time_zone) values (''ada'', ''x'', ''2031-01-01'', false, ''Mars/Base'')'
]) s;

-- A list with nobody in it, with NULLs, with somebody twice.
select * from calendar_free_busy('{}', '2031-01-01', '2031-01-02');
select * from calendar_free_busy('{null}', '2031-01-01', '2031-01-02');
select * from calendar_free_busy('{ada, null, bob, ada}', '2031-01-01', '2031-01-02');

rollback;
