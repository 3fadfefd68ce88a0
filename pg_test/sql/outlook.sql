-- Outlook calendars as those who come from Outlook look at them.

begin;
set local timezone = 'UTC';

insert into calendar_connections (connection_id, user_id, name, provider, external_calendar_id, calendar_name, delegate_email)
values
    ('c0000000-0000-4000-8000-000000000001', 'ada', 'Own', 'microsoft', 'a', 'Calendar', null),
    ('c0000000-0000-4000-8000-000000000002', 'ada', 'Room', 'microsoft', 'b', 'Room', 'room@example.com'),
    ('c0000000-0000-4000-8000-000000000003', 'ada', 'Other', 'google', 'c', 'Other', null);
insert into calendar_events (user_id, title, event_date, event_end, connection_id, external_source, external_id, importance,
    categories, teams_enabled, teams_meeting_url, conversation_id, event_status, sync_status)
values
    ('ada', 'Budget', '2030-01-01 09:00', '2030-01-01 10:00', 'c0000000-0000-4000-8000-000000000001', 'microsoft', '1', 'HIGH',
        '{Red,Travel}', true, 'https://teams.example.com/1', 'thread', 'scheduled', 'synced'),
    ('ada', 'Lunch', '2030-01-01 12:00', '2030-01-01 13:00', 'c0000000-0000-4000-8000-000000000002', 'microsoft', '2', 'NORMAL',
        null, false, null, null, 'scheduled', 'synced'),
    ('ada', 'Visit', '2030-01-01 14:00', '2030-01-01 15:00', 'c0000000-0000-4000-8000-000000000002', 'microsoft', '3', 'LOW',
        null, false, null, null, 'scheduled', 'synced'),
    ('ada', 'Called off', '2030-01-01 16:00', null, 'c0000000-0000-4000-8000-000000000001', 'microsoft', '4', 'NORMAL',
        null, true, null, null, 'cancelled', 'synced'),
    ('ada', 'Deleted', '2030-01-02 09:00', null, 'c0000000-0000-4000-8000-000000000001', 'microsoft', '5', 'NORMAL',
        null, true, null, null, 'cancelled', 'deleted'),
    ('ada', 'Elsewhere', '2030-01-02 09:00', null, 'c0000000-0000-4000-8000-000000000003', 'google', '6', 'NORMAL',
        null, false, null, null, 'scheduled', 'synced');

select title, calendar_name, delegate_email, start_time, end_time, importance, categories, conversation_id, teams_enabled,
    teams_meeting_url, event_status
from calendar_outlook_events
order by start_time;

-- What was called off is not counted.
select * from calendar_teams_usage order by day;

rollback;
