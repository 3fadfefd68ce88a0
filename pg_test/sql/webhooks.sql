-- Webhooks: what a front end may pass on, what is answered, and that nothing but a right secret does anything.

begin;
set local timezone = 'UTC';

-- HMAC-SHA-256 (RFC 2104) of a text under a short key.
create function pg_temp.hmac(message text, key text) returns text language plpgsql as $$
declare
    padded bytea := key::bytea || decode(repeat('00', 64 - octet_length(key)), 'hex');
    inner_pad bytea := padded;
    outer_pad bytea := padded;
begin
    for place in 0..63 loop
        inner_pad := set_byte(inner_pad, place, get_byte(padded, place) # 54);
        outer_pad := set_byte(outer_pad, place, get_byte(padded, place) # 92);
    end loop;
    return encode(sha256(outer_pad || sha256(inner_pad || message::bytea)), 'hex');
end
$$;
create function pg_temp.of_notion(body text, token text, query jsonb default null) returns text language sql as $$
    select concat_ws(' ', status, body)
    from calendar_webhook_receive('notion',
        jsonb_build_object('x-notion-signature', array['sha256=' || pg_temp.hmac(body, token)]), query, body)
$$;
create temp view due as
select name, next_poll_at <= clock_timestamp() as now, next_poll_at > clock_timestamp() + interval '4 seconds'
    and next_poll_at < clock_timestamp() + interval '6 seconds' as soon
from calendar_connections
where next_poll_at < 'infinity';
create temp view refused as
select provider, user_id, error_message, details, count(*) from calendar_sync_log where action = 'webhook' group by 1, 2, 3, 4;

select from calendar_upsert_event('ada@example.com', 'planner', 'a', '{"title": "Makes the installation''s row", "start": "2030-01-01"}');
insert into calendar_accounts (account_id, user_id, provider, account_email)
values ('00000000-0000-7000-8000-00000000000a', 'ada@example.com', 'notion', 'ada@example.com'),
    ('00000000-0000-7000-8000-00000000000b', 'ada@example.com', 'google', 'ada@example.com');
insert into calendar_connections (connection_id, user_id, name, provider, account_id, external_calendar_id, direction, next_poll_at)
select format('00000000-0000-7000-8000-0000000000%s', number)::uuid, 'ada@example.com', name, provider,
    case provider when 'notion' then '00000000-0000-7000-8000-00000000000a'
        when 'google' then '00000000-0000-7000-8000-00000000000b' end::uuid,
    external_calendar_id, direction, 'infinity'
from (values
    ('01', 'tasks', 'notion', '11111111-1111-4111-8111-111111111111', 'both'),
    ('02', 'trips', 'notion', '22222222-2222-4222-8222-222222222222', 'pull'),
    ('03', 'sends', 'google', 'ada@example.com', 'push'),
    ('04', 'feed', 'ics', null, 'pull'),
    ('05', 'paused', 'google', 'b', 'pull')
) c (number, name, provider, external_calendar_id, direction);
update calendar_connections set status = 'paused' where name = 'paused';

-- Microsoft validates an address: its token comes back, and nothing else happens.
select * from calendar_webhook_receive('microsoft', null, '{"validationToken": "Validation: a+b <i>"}', '');
select * from calendar_webhook_receive('microsoft', '{}', '"validationToken=Validation%3A%20a%2Bb"', null);
select status, body from calendar_webhook_receive('microsoft', '{}', jsonb_build_object('validationToken', repeat('x', 5000)), '');

-- What is no notification.
select status, body from calendar_webhook_receive('microsoft', '{}', '{}', '{"value": 7}');
select status, body from calendar_webhook_receive('google', '{}', '{}', '');
select status, body from calendar_webhook_receive('google', '["X-Goog-Channel-ID"]', '{}', '');
select status, body from calendar_webhook_receive('google', '{}', '[]', '');
select status, body from calendar_webhook_receive('notion', '{}', '{}', '{"type": "page.created"}');
select status, body from calendar_webhook_receive('notion', '{"X-Notion-Signature": "sha256=zz"}', '{}', '{}');
select status, body from calendar_webhook_receive('notion', '{}', '{}', repeat('[', 60000));
select status, body from calendar_webhook_receive('microsoft', '{}', '{}', repeat('[', 1000000));
select status, body from calendar_webhook_receive('microsoft', '{}', '{}', repeat(' ', 1048577));
select status, body from calendar_webhook_receive('google', (repeat('[', 1000) || repeat(']', 1000))::jsonb, '{}', '');
select status, body from calendar_webhook_receive('caldav', '{}', '{}', '');
select status, body from calendar_webhook_receive(null, null, null, null);
select count(*) as logged from refused;

-- Channels that there are not.
select status, body from calendar_webhook_receive('google',
    '{"X-Goog-Channel-ID": "no-such-channel", "X-Goog-Resource-State": "exists", "X-Goog-Channel-Token": "secret"}', '{}', '');
select status, body from calendar_webhook_receive('microsoft', '{}', '{}',
    '{"value": [{"subscriptionId": "none", "clientState": "secret", "changeType": "updated"}]}');
select pg_temp.of_notion('{"type": "page.created"}', 'secret');
select status, body from calendar_webhook_receive('notion', '{}', '{}', '{"verification_token": "secret_of_somebody"}');
table refused order by provider, error_message;
table due;

-- Whoever calls again and again does not fill the log.
select count(status) as calls
from generate_series(1, 200) number, calendar_webhook_receive('google',
    jsonb_build_object('X-Goog-Channel-ID', number, 'X-Goog-Resource-State', 'exists'), '{}', '');
select sum(count) as logged from refused;
delete from calendar_sync_log;

-- Registering: what can't be.
\set VERBOSITY terse
savepoint here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'http://crm.example.com/hooks');
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'https://ada:secret@crm.example.com/hooks');
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'not an address');
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', null);
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000099', 'https://crm.example.com/hooks');
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000003', 'https://crm.example.com/hooks');
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000004', 'https://crm.example.com/hooks');
rollback to here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000005', 'https://crm.example.com/hooks');
rollback to here;
select calendar_webhook_stop('00000000-0000-7000-8000-000000000099');
rollback to here;

-- Notion: the channel waits for the call that brings its token, which nothing proves: for ten minutes, and for one.
create temp table made as
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'https://crm.example.com/hooks?of=ada') as webhook_id;
select provider, is_active, notification_url, client_state is null as no_secret from calendar_webhook_subscriptions;
select calendar_webhook_token(webhook_id) from made;
select status, body from calendar_webhook_receive('notion', '{}', '{"of": "bob"}', '{"verification_token": "secret_of_bob"}');
update calendar_webhook_subscriptions set created_at = now() - interval '11 minutes';
select status, body from calendar_webhook_receive('notion', '{}', '{"of": "ada"}', '{"verification_token": "secret_too_late"}');
update made set webhook_id =
    calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'https://crm.example.com/hooks?of=ada');
select status, body from calendar_webhook_receive('notion', '{}', '{"of": "ada"}', '{"verification_token": "secret_of_ada"}');
select status, body from calendar_webhook_receive('notion', '{}', '{"of": "ada"}', '{"verification_token": "secret_of_eve"}');
select is_active, client_state is not null and position('secret_of_ada'::bytea in client_state) = 0 as sealed
from calendar_webhook_subscriptions;
select calendar_webhook_token(webhook_id) from made;

-- Another connection of the same integration shares address and token. Whose it was sees it alone.
create temp table also_made as
select calendar_webhook_register('00000000-0000-7000-8000-000000000002', 'https://crm.example.com/hooks?of=ada') as webhook_id;
select calendar_webhook_token(webhook_id) is null as hidden from also_made;
select provider, total, active, expiring_within_hour, expired, failing, last_notification_at is null as silent
from calendar_webhook_health;

-- A forged notification does nothing; a signed one makes its connection due, and a burst once more after five seconds.
select pg_temp.of_notion('{"type": "page.created"}', 'secret_of_eve', '{"of": "ada"}');
select pg_temp.of_notion('{"type": "page.created"}', 'secret_of_ada', '{"of": "eve"}');
table due;
select pg_temp.of_notion('{"entity": {"id": "p"}, "data": {"parent": {"data_source_id": "11111111111141118111111111111111"}}}',
    'secret_of_ada', '{"of": "ada"}');
table due;
update calendar_connections set next_poll_at = 'infinity';
select pg_temp.of_notion('{"entity": {"id": "p"}, "data": {"parent": {"data_source_id": "11111111111141118111111111111111"}}}',
    'secret_of_ada', '{"of": "ada"}')
from generate_series(1, 20);
table due;
select calendar_webhook_token(webhook_id) is null as hidden from made;
select count(*) as channels, count(last_notification_at) as heard from calendar_webhook_subscriptions;

-- What stands in a data source that is none of ours concerns nobody; what names none may be about any calendar.
update calendar_connections set next_poll_at = 'infinity', announced_for = null;
select pg_temp.of_notion('{"entity": {"id": "p"}, "data": {"parent": {"data_source_id": "33333333333341338333333333333333"}}}',
    'secret_of_ada', '{"of": "ada"}');
table due;
update calendar_connections set next_poll_at = 'infinity', announced_for = null;
select pg_temp.of_notion('{"entity": {"id": "elsewhere", "type": "page"}}', 'secret_of_ada', '{"of": "ada"}');
table due order by name;

-- One that fails keeps its pause; what holds deletes back confirms them by polls; a paused one stays so.
update calendar_connections set next_poll_at = 'infinity', announced_for = null;
update calendar_connections set consecutive_failures = 1 where name = 'tasks';
update calendar_connections set held_back = 'x' where name = 'trips';
select pg_temp.of_notion('{}', 'secret_of_ada', '{"of": "ada"}');
table due;
select count(*) as notices from calendar_webhook_notices;
update calendar_connections set consecutive_failures = 0, held_back = null;

-- Registered again, the old channel counts until the new one does.
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'https://crm.example.com/hooks?of=ada') is not null as again;
select is_active, count(*) from calendar_webhook_subscriptions group by 1 order by 1;
select status from calendar_webhook_receive('notion', '{}', '{"of": "ada"}', '{"verification_token": "secret_of_ada_2"}');
select c.name, w.is_active, w.client_state is not null as has_secret, count(*)
from calendar_webhook_subscriptions w
join calendar_connections c using (connection_id)
group by 1, 2, 3
order by 1, 2;
select pg_temp.of_notion('{}', 'secret_of_ada_2', '{"of": "ada"}');

-- Ended.
select calendar_webhook_stop(webhook_id) from calendar_webhook_subscriptions;
select pg_temp.of_notion('{}', 'secret_of_ada', '{"of": "ada"}'), pg_temp.of_notion('{}', 'secret_of_ada_2', '{"of": "ada"}');
select total, active from calendar_webhook_health;
select count(*) as secrets from calendar_webhook_subscriptions where client_state is not null or client_state_hash is not null;

-- A front end needs no more than the level web; nobody acts for others.
create role webhooks_web;
create role webhooks_bob;
select calendar_grant('webhooks_web', 'web');
select calendar_grant('webhooks_bob', 'user', 'bob@example.com');
set local role webhooks_web;
select status, body from calendar_webhook_receive('microsoft', '{}', '{"validationToken": "x"}', '');
select status, body from calendar_webhook_receive('google', '{"X-Goog-Channel-ID": "x", "X-Goog-Resource-State": "exists"}', '{}', '');
savepoint here;
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'https://crm.example.com/hooks');
rollback to here;
select count(*) from calendar_webhook_subscriptions;
rollback to here;
set local role webhooks_bob;
select calendar_webhook_register('00000000-0000-7000-8000-000000000001', 'https://crm.example.com/hooks');
rollback to here;
set local role webhooks_bob;
select status from calendar_webhook_receive('google', '{}', '{}', '');
rollback;

-- A standby, or whoever may only read, takes none; the provider calls again.
begin read only;
select status, body from calendar_webhook_receive('google', '{"X-Goog-Channel-ID": "x", "X-Goog-Resource-State": "exists"}', '{}', '');
select status, body from calendar_webhook_receive('microsoft', '{}', '{"validationToken": "x"}', '');
rollback;
