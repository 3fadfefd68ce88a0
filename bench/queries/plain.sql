-- What applications ask of calendar_events in plain SQL, a question a line: what it is, a tab, the query.
by user and time range	select * from calendar_events where user_id = 'user7@example.com' and event_date >= now() and event_date < now() + interval '1 month'
by user, newest first	select * from calendar_events where user_id = 'user7@example.com' order by event_date desc limit 20
by date range	select * from calendar_events where related_table is null and event_date >= date_trunc('day', now()) and event_date < date_trunc('day', now()) + interval '1 hour'
by local key	select * from calendar_events where related_table = 'interaction' and related_id = '00000000-0000-0000-0000-000000000001'
by external key	select * from calendar_events where user_id = 'user7@example.com' and external_source = 'google' and external_id = 'event-7'
by connection and external key	select * from calendar_events where connection_id = '00000000-0000-0000-0000-000000000001' and external_id = 'event-7'
by series	select * from calendar_events where series_id = '00000000-0000-0000-0000-000000000001' order by recurrence_id
not synced	select * from calendar_events where sync_status <> 'synced'
waiting	select * from calendar_events where sync_status = 'pending' order by event_date limit 100
in error	select * from calendar_events where sync_status = 'error'
changed outside lately	select * from calendar_events where related_table is null and last_updated > now() - interval '1 day'
changed outside, newest first	select * from calendar_events where related_table is null and last_updated is not null order by last_updated desc limit 100
important to a user	select * from calendar_events where user_id = 'user7@example.com' and importance = 'HIGH' and event_date >= now()
important, of anybody	select * from calendar_events where importance = 'HIGH' and event_date >= now() order by event_date limit 100
by conversation	select * from calendar_events where conversation_id = 'thread-7'
Teams meetings of a connection	select * from calendar_events where connection_id = '00000000-0000-0000-0000-000000000001' and teams_enabled and event_date >= now() order by event_date
