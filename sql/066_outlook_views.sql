-- Outlook calendars as those who come from Outlook look at them.

create view calendar_outlook_events as
select
    e.event_id,
    e.connection_id,
    c.user_id,
    c.calendar_name,
    c.delegate_email,
    e.external_id,
    e.ical_uid,
    e.title,
    e.description,
    e.location,
    e.event_date as start_time,
    e.event_end as end_time,
    e.all_day,
    e.time_zone,
    e.event_status,
    e.show_as,
    e.sensitivity,
    e.importance,
    array_to_string(e.categories, ',') as categories,
    e.organizer,
    e.attendees,
    e.series_master_id,
    e.recurrence_id,
    e.conversation_id,
    e.teams_enabled,
    e.teams_meeting_url,
    e.teams_conference_id,
    e.teams_dial_in_url,
    e.sync_status,
    e.last_updated,
    e.last_synced_at
from calendar_events e
join calendar_connections c on c.connection_id = e.connection_id
where c.provider = 'microsoft' and e.sync_status <> 'deleted';
comment on view calendar_outlook_events is 'events of Microsoft 365 calendars; deleted ones are left out';
comment on column calendar_outlook_events.event_id is 'key of the event';
comment on column calendar_outlook_events.connection_id is 'the calendar that it is from';
comment on column calendar_outlook_events.user_id is 'owner of the connection';
comment on column calendar_outlook_events.calendar_name is 'what the calendar calls itself';
comment on column calendar_outlook_events.delegate_email is 'whose mailbox the calendar is in, where it is somebody else''s';
comment on column calendar_outlook_events.external_id is 'Graph''s immutable identifier; of an instance that of its series';
comment on column calendar_outlook_events.ical_uid is 'iCalUId';
comment on column calendar_outlook_events.title is 'subject';
comment on column calendar_outlook_events.description is 'the body''s text, without what Teams adds to it';
comment on column calendar_outlook_events.location is 'where';
comment on column calendar_outlook_events.start_time is 'start; of an all-day event 00:00 UTC of its date';
comment on column calendar_outlook_events.end_time is 'end, exclusive';
comment on column calendar_outlook_events.all_day is 'it is of days, not of times';
comment on column calendar_outlook_events.time_zone is 'IANA name of the zone that it is meant in';
comment on column calendar_outlook_events.event_status is 'scheduled, tentative, completed or cancelled';
comment on column calendar_outlook_events.show_as is 'busy, free, tentative, oof or elsewhere';
comment on column calendar_outlook_events.sensitivity is 'public, private or confidential';
comment on column calendar_outlook_events.importance is 'LOW, NORMAL or HIGH';
comment on column calendar_outlook_events.categories is 'comma-separated; NULL for none';
comment on column calendar_outlook_events.organizer is 'address, or name';
comment on column calendar_outlook_events.attendees is 'address, name and response of each';
comment on column calendar_outlook_events.series_master_id is 'Graph''s identifier of the series that it belongs to';
comment on column calendar_outlook_events.recurrence_id is 'of an instance, its original start';
comment on column calendar_outlook_events.conversation_id is 'thread of messages, where Graph says it';
comment on column calendar_outlook_events.teams_enabled is 'it is a Teams meeting';
comment on column calendar_outlook_events.teams_meeting_url is 'address to join';
comment on column calendar_outlook_events.teams_conference_id is 'number of the conference, for who dials in';
comment on column calendar_outlook_events.teams_dial_in_url is 'where to dial in';
comment on column calendar_outlook_events.sync_status is 'synced, pending or error';
comment on column calendar_outlook_events.last_updated is 'when it was last changed in Outlook';
comment on column calendar_outlook_events.last_synced_at is 'when it was last brought in line';

create view calendar_teams_usage as
select
    (e.event_date at time zone 'UTC')::date as day,
    count(*) as events,
    count(*) filter (where e.teams_enabled) as teams_meetings,
    round(100.0 * count(*) filter (where e.teams_enabled) / count(*), 1) as percentage
from calendar_events e
join calendar_connections c on c.connection_id = e.connection_id
where c.provider = 'microsoft' and e.sync_status <> 'deleted' and e.event_status <> 'cancelled'
group by 1;
comment on view calendar_teams_usage is 'Teams meetings among the events of Microsoft 365 calendars, by day';
comment on column calendar_teams_usage.day is 'date in UTC on which they start';
comment on column calendar_teams_usage.events is 'events that take place';
comment on column calendar_teams_usage.teams_meetings is 'those that are Teams meetings';
comment on column calendar_teams_usage.percentage is 'the same in percent of the events, to one digit';
