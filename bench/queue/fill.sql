-- :users users with a calendar at the server on :port, connected both ways; what connects more, and what makes events.

create extension calendar_sync;

select calendar_oauth_register(
    'google',
    'bench',
    'secret',
    jsonb_build_object(
        'api_url', format('http://127.0.0.1:%s/calendar/v3', :port),
        'token_url', format('http://127.0.0.1:%s/token', :port)
    )
);

create function connect(first int, last int) returns bigint language sql as $$
    select count(calendar_connect(
        calendar_account_add(
            user_id => 'user' || n || '@example.com',
            provider => 'google',
            access_token => 'token-' || n,
            expires_at => now() + interval '1 day',
            account_email => 'user' || n || '@example.com'
        ),
        'calendar'
    ))
    from generate_series(first, last) n
$$;

select connect(1, :users);

-- Each user has the same number of events, made by what knows nothing of this extension.
create procedure make(events int, users int) language sql as $$
    insert into calendar_events (user_id, title, description, location, event_date, event_end, time_zone)
    select
        'user' || 1 + n % users || '@example.com',
        'Visit ' || n,
        'What was said and agreed at visit ' || n,
        'Office ' || n % 100,
        now() + n % 5000 * interval '1 hour',
        now() + n % 5000 * interval '1 hour' + interval '30 minutes',
        'Europe/Berlin'
    from generate_series(1, events) n
$$;
