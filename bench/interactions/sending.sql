-- calendar_sync, and each user has a calendar at the server on :port that changes are sent to.

set client_min_messages = error;
set calendar_sync.http_allow_private = on;
select calendar_attach('crm.interaction');
select calendar_oauth_register(
    'google',
    'bench',
    'secret',
    jsonb_build_object(
        'api_url', format('http://127.0.0.1:%s/calendar/v3', :port),
        'token_url', format('http://127.0.0.1:%s/token', :port)
    )
);
select count(calendar_connect(
    calendar_account_add(user_id, 'google', 'token', null, now() + interval '1 day', user_id),
    'calendar',
    'push'
))
from (select distinct created_by::text from crm.load) users (user_id);
