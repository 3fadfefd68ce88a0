-- Subscribing, pausing and ending, as far as no server is asked. (The worker is off; what is pulled is told by the
-- end-to-end stories.)

begin;
set local timezone = 'UTC';
set local calendar_sync.manual_sync_limit = 1000;
create temp view mine as
select name, url_host, status, poll_interval, next_poll_at <= clock_timestamp() as due, lease_generation as generation
from calendar_connections
where user_id = 'ada'
order by connection_id;

-- Without a name it is called after its host; the same URL again is the same connection, whatever is written before it.
select calendar_subscribe('ada', 'webcal://calendar.example.com/team.ics') as team \gset
select calendar_subscribe('ada', ' https://calendar.example.com/team.ics') = :'team' as same;
select calendar_subscribe('ada', 'https://calendar.example.com/other.ics') = :'team' as same;
select calendar_subscribe('ada', 'https://calendar.example.com/team.ics', name => 'Tëam "1"; drop') = :'team' as same;
select calendar_subscribe('bob', 'https://calendar.example.com/team.ics') = :'team' as same;
table mine;

-- A name that exists is given the URL; what was known of the old one is dropped, and its events are not.
update calendar_connections
set etag = '"1"', last_modified = 'then', body_hash = '\x01', refresh_hint = '2 hours', cursor = 'c',
    held_back = 'digest', held_back_polls = 2, consecutive_failures = 7, last_error = 'no', status = 'error',
    next_poll_at = now() + interval '6 hours'
where connection_id = :'team';
select calendar_subscribe('ada', 'https://calendar.example.com/team.ics', poll_interval => '1 hour') = :'team' as same;
select etag, last_modified, body_hash, refresh_hint, held_back, held_back_polls, consecutive_failures, last_error, status,
    next_poll_at <= clock_timestamp() as due, poll_interval
from calendar_connections where connection_id = :'team' \gx
select calendar_subscribe('ada', 'https://www.example.org/a?b=c', name => 'calendar.example.com') = :'team' as same;
select etag, last_modified, body_hash, refresh_hint, url_host, poll_interval
from calendar_connections where connection_id = :'team' \gx

-- Paused, it is not pulled by itself, nor with all others; asked for by its name or subscribed to again, it is.
select calendar_pause(:'team');
select calendar_sync_request('ada'), calendar_sync_request();
select name, status, next_poll_at is null as not_by_itself from calendar_sync_status('ada');
select calendar_continue(:'team');
select calendar_pause(:'team');
select calendar_subscribe('ada', 'https://www.example.org/a?b=c') = :'team' as same;
table mine;

-- Unsubscribed from, it is not there any more, for nobody; its URL is wiped. The URL, or its name, revives it.
select calendar_unsubscribe(:'team');
select url is null as wiped, etag, refresh_hint, next_poll_at, status from calendar_connections where connection_id = :'team';
select count(*) from calendar_sync_status('ada') where connection_id = :'team';
\set VERBOSITY sqlstate
savepoint here;
select calendar_unsubscribe(:'team');
rollback to here;
select calendar_pause(:'team');
rollback to here;
select calendar_continue(:'team');
rollback to here;
select * from calendar_sync_now('ada', name => 'calendar.example.com');
rollback to here;
\set VERBOSITY terse
select calendar_subscribe('ada', 'https://www.example.org/a?b=c') = :'team' as same;
select calendar_unsubscribe(:'team', keep_events => false);
select calendar_subscribe('ada', 'https://www.example.net/', name => 'calendar.example.com') = :'team' as same;
table mine;

-- A name may be given a calendar of another provider; what it holds is compared with what that gives.
insert into calendar_events (user_id, external_source, connection_id, external_id, title, event_type, event_date, synced_from)
values ('ada', 'ics', :'team', '1', 'Meeting', 'meeting', '2031-01-01', 'ics');
insert into calendar_series (user_id, external_source, connection_id, external_id, title, dtstart, rrule, expanded_from,
    expanded_until, expand_at, ends_at, synced_from)
values ('ada', 'ics', :'team', '2', 'Weekly', '2031-01-01', 'FREQ=WEEKLY', '-infinity', '2031-01-01', 'infinity', 'infinity',
    'ics');
select calendar_subscribe('ada', 'https://flow.example.org/?sig=x', 'powerautomate', 'calendar.example.com') = :'team' as same;
select provider, external_source, e.synced_from, title
from calendar_connections
join (
    select connection_id, external_source, synced_from, title from calendar_events
    union all
    select connection_id, external_source, synced_from, title from calendar_series
) e using (connection_id);

-- Bounds.
savepoint here;
select calendar_subscribe('ada', 'https://example.com/a', poll_interval => '0.9 seconds');
rollback to here;
select calendar_subscribe('ada', 'https://example.com/a', poll_interval => '-1 hour');
rollback to here;
select calendar_subscribe('ada', 'https://example.com/a', poll_interval => '13 months');
rollback to here;
select calendar_subscribe('ada', 'https://example.com/a', name => '  ');
rollback to here;
select calendar_subscribe('ada', 'https://example.com/a', name => repeat('x', 513));
rollback to here;
select calendar_subscribe(repeat('x', 513), 'https://example.com/a');
rollback to here;
select calendar_subscribe('ada', 'https://example.com/' || repeat('x', 100000));
rollback to here;
select calendar_subscribe('ada', 'https://example.com/a', 'caldav');
rollback to here;
insert into calendar_connections (user_id, name, provider, url_host) select 'many', n, 'ics', 'https://example.com'
from generate_series(1, 20000) n;
\set VERBOSITY default
select calendar_subscribe('many', 'https://example.com/a');
rollback to here;

-- Nobody pulls where nothing may be written.
savepoint here;
set transaction read only;
select * from calendar_sync_now('ada');
rollback to here;
select calendar_sync_request('ada');
rollback;
