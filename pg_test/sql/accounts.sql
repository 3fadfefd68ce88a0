-- Logins at providers and their calendars, as far as no provider is asked.

begin;
set local timezone = 'UTC';

-- Whoever asks for a login needs a registration, of this provider, with this redirect_uri letter by letter.
\set VERBOSITY default
savepoint here;
select calendar_oauth_begin('ada', 'microsoft', 'https://app.example.com/callback');
rollback to here;
select calendar_oauth_begin('ada', 'yahoo', 'https://app.example.com/callback');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', 'secret-1', '{"redirect_urls": []}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', 'secret-1', '{"endpoints": {"tokens": "https://example.com/"}}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', 'secret-1', '{"token_url": "ftp://example.com/"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', 'secret-1', '{"redirect_uris": ["callback"]}');
rollback to here;
select calendar_oauth_register('microsoft', '', 'secret-1');
rollback to here;
-- No secret is stored in plain or sent in clear, and users are sent back to addresses alone.
select calendar_oauth_register('microsoft', 'client-1', null, '{"authorize_url": "https://ada:pw@login.example.com/"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"token_url": "http://login.example.com/token"}');
rollback to here;
set local calendar_sync.http_allow_hosts = 'login.example.com';
select calendar_oauth_register('microsoft', 'client-1', null, '{"token_url": "http://login.example.com/token"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"redirect_uris": ["app:/back", "JavaScript:alert(1)"]}');
rollback to here;
select calendar_account_add('ada', 'microsoft', 'an access token');
rollback to here;
select calendar_account_add('ada', 'microsoft', 'token', E'refresh\r\nX-Other: token');
rollback to here;
\set VERBOSITY terse
select calendar_oauth_register('microsoft', 'client-1', 'secret-1', '[]');
rollback to here;
select calendar_oauth_register('microsoft', null, 'secret-1');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"api_url": "https://ada@graph.example.com/"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"token_url": "https://:pw@login.example.com/"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"endpoints": {"revoke": "https://ada:pw@login.example.com/"}}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"api_url": "http://graph.example.com/"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"revoke_url": "http://login.example.com/"}');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', null, '{"redirect_uris": "data:text/html,x"}');
rollback to here;

select calendar_oauth_register('microsoft', 'client-1', 'secret-1',
    '{"redirect_uris": ["https://app.example.com/callback"], "tenant": "contoso.com", "scopes": ["a", "b c"]}');
select calendar_oauth_begin('ada', 'microsoft', 'https://app.example.com/callback/');
rollback to here;
select calendar_oauth_register('microsoft', 'client-1', 'secret-1',
    '{"redirect_uris": ["https://app.example.com/callback"], "tenant": "contoso.com", "scopes": ["a", "b c"]}');
select calendar_oauth_begin('ada', 'microsoft', 'https://app.example.com/callback') as url \gset
select split_part(:'url', '?', 1) as sent_to;
select regexp_replace(parameter, '^(state|code_challenge)=[\w-]{43}$', '\1=...') as parameter
from regexp_split_to_table(split_part(:'url', '?', 2), '&') parameter
order by parameter;
select regexp_replace(:'url', '.*[?&]state=([\w-]+).*', '\1') as state \gset
select provider, user_id, redirect_uri, expires_at - now() between '9 minutes' and '11 minutes' as for_ten_minutes,
    state_hash = sha256(:'state') as by_its_hash, s::text like '%' || :'state' || '%' as in_plain
from calendar_oauth_states s;

-- Registered again, it is as it was said last; addresses may stand by themselves or together.
select calendar_oauth_register('microsoft', 'client-2', null,
    '{"endpoints": {"api": "https://graph.example.com/v1.0", "authorization_endpoint": "https://login.example.com/a?x=1"},
      "token_url": "https://login.example.com/t", "redirect_uris": ["app:/back"], "scopes": "a  b"}');
select client_id, client_secret, api_url, authorize_url, token_url, revoke_url, redirect_uris, scopes, options
from calendar_oauth_clients \gx
-- An API that is said to be at a server is where it is on the provider's own.
savepoint here;
select calendar_oauth_register('google', 'client', null, '{"endpoints": {"api": "https://google.example.com"}}');
select calendar_oauth_register('notion', 'client', null, '{"api_url": "https://notion.example.com/"}');
select provider, api_url from calendar_oauth_clients order by provider;
rollback to here;
select calendar_oauth_begin('ada', 'microsoft', 'app:/back') like 'https://login.example.com/a?x=1&%scope=a+b&%' as as_said;

-- A login is finished by who began it, in time; nobody else learns whether there is one.
\set VERBOSITY default
savepoint here;
select calendar_oauth_finish(:'state', 'code', 'bob');
rollback to here;
\set VERBOSITY terse
select calendar_oauth_finish('no such state', 'code', 'ada');
rollback to here;
update calendar_oauth_states set expires_at = now() - interval '1 second';
select calendar_oauth_finish(:'state', 'code', 'ada');
rollback to here;
-- What is over goes when the next one begins.
update calendar_oauth_states set expires_at = now() - interval '1 second';
select calendar_oauth_begin('bob', 'microsoft', 'app:/back') is not null;
select user_id from calendar_oauth_states;

-- Tokens that an application has. The same login is the same account, whatever its capitals; it gets the new tokens.
select calendar_account_add('ada', 'microsoft', 'token-1', 'refresh-1', '2030-01-01', 'Ada@example.com') as ada \gset
select calendar_account_add('ada', 'microsoft', 'token-2', account_email => 'ada@example.com') = :'ada' as same;
select calendar_account_add('ada', 'microsoft', 'token-3', account_email => 'work@example.com') = :'ada' as same;
select calendar_account_add('bob', 'microsoft', 'token-4', account_email => 'ada@example.com') = :'ada' as same;
select calendar_account_add('ada', 'microsoft', 'token-5') as nameless \gset
select calendar_account_add('ada', 'microsoft', 'token-6') = :'nameless' as same;
select user_id, provider, account_email, status, token_expires_at, scopes, connections, last_error
from calendar_account_status order by account_id;
select token_generation, access_token is not null as sealed, refresh_token is not null as kept
from calendar_accounts where account_id = :'ada';
select count(*) from calendar_accounts a where a::text ~ 'token-|refresh-|746f6b656e2d|726566726573682d';
savepoint here;
select calendar_account_add('ada', 'yahoo', 'token');
rollback to here;
select calendar_account_add('ada', 'microsoft', ' ');
rollback to here;
select calendar_account_add('', 'microsoft', 'token');
rollback to here;
select calendar_account_add('ada', 'microsoft', null);
rollback to here;

-- What can't be asked for is refused before anybody is asked.
\set VERBOSITY default
select calendar_connect(:'ada', 'cal', 'sideways');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"conflict_policies": "local"}');
rollback to here;
\set VERBOSITY terse
select calendar_connect(:'ada', 'cal', visibility => 'all');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"conflict_policy": "mine"}');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"mirror_from": "other"}');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"poll_interval": "0 s"}');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"poll_interval": "often"}');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"time_zone": "Mars/Olympus"}');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '{"filter": {"colour": "red"}}');
rollback to here;
select calendar_connect(:'ada', 'cal', options => '[]');
rollback to here;
select calendar_connect(:'ada', 'cal', name => '');
rollback to here;

-- A foreign account is as one that is not there, whatever is asked of it.
create role accounts_bob;
select calendar_grant('accounts_bob', 'user', 'bob');
set local role accounts_bob;
savepoint here;
select regexp_replace(:'ada', '.', 'f') as nobody \gset
\set VERBOSITY sqlstate
select calendar_account_remove(:'ada');
rollback to here;
select calendar_account_remove(:'nobody');
rollback to here;
select calendar_account_calendars(:'ada');
rollback to here;
select calendar_account_calendars(:'nobody');
rollback to here;
select calendar_connect(:'ada', 'cal');
rollback to here;
select calendar_connect(:'nobody', 'cal');
rollback to here;
-- Nor does a user register an application, or act for another.
select calendar_oauth_register('microsoft', 'client-3', 'secret');
rollback to here;
select calendar_oauth_begin('ada', 'microsoft', 'app:/back');
rollback to here;
select calendar_oauth_finish(:'state', 'code', 'ada');
rollback to here;
select calendar_account_add('ada', 'microsoft', 'token');
rollback to here;
select * from calendar_accounts;
rollback to here;
select calendar_account_add('bob', 'microsoft', 'token-7', account_email => 'bob@example.com') is not null as own;
\set VERBOSITY terse
reset role;

-- An account that needs a new login: so do its connections, and go on with it. (The connection is made by hand here.)
insert into calendar_connections (user_id, name, provider, account_id, external_calendar_id, direction, status, last_error)
values ('ada', 'Work', 'microsoft', :'ada', 'cal', 'both', 'reauth_required', 'the provider refuses the tokens'),
    ('ada', 'Home', 'microsoft', :'ada', 'cal2', 'both', 'paused', null);
update calendar_accounts set status = 'reauth_required' where account_id = :'ada';
select name, status, last_error from calendar_sync_status('ada');
select calendar_continue(connection_id) from calendar_connections where name = 'Home';
select calendar_account_add('ada', 'microsoft', 'token-8', account_email => 'ada@example.com') = :'ada' as same;
select name, status, last_error, next_poll_at <= clock_timestamp() as due from calendar_sync_status('ada');

-- The end of an account: no token is left, its connections end, and with them what they show of the future.
insert into calendar_events (user_id, title, event_type, event_status, event_date, all_day, connection_id, external_source, external_id, synced_from)
select 'ada', title, 'meeting', 'scheduled', at, false, connection_id, 'microsoft', title, 'microsoft'
from calendar_connections, (values ('past', now() - interval '1 day'), ('upcoming', now() + interval '1 day')) event (title, at)
where name = 'Work';
select calendar_account_remove(:'ada');
select status, access_token, refresh_token, token_expires_at from calendar_accounts where account_id = :'ada';
select name, status from calendar_connections where account_id = :'ada' order by name;
select title from calendar_events where external_source = 'microsoft';
\set VERBOSITY sqlstate
savepoint here;
select calendar_account_remove(:'ada');
rollback to here;
\set VERBOSITY terse
-- Added again it is the same one, as are its calendars once they are connected again.
select calendar_account_add('ada', 'microsoft', 'token-9', account_email => 'ada@example.com') = :'ada' as same;
select count(*) from calendar_sync_status('ada');
select calendar_rotate_key() as sealed_anew;

rollback;
