-- calendar_events: every event of every origin, one row each, only real dated events.

-- Identifiers are compared by their bytes (collate "C"): in an index that costs a fraction of what a language's order does,
-- and no one sorts by them.
create table calendar_events (
    event_id uuid not null default calendar_uuid_v7() primary key,
    user_id text collate "C" not null,

    title text not null,
    description text,
    location text,
    event_type text not null default 'meeting',
    event_status text not null default 'scheduled'
        check (event_status in ('scheduled', 'tentative', 'completed', 'cancelled')),
    show_as text not null default 'busy'
        check (show_as in ('busy', 'free', 'tentative', 'oof', 'elsewhere')),
    sensitivity text not null default 'public'
        check (sensitivity in ('public', 'private', 'confidential')),
    metadata jsonb,

    event_date timestamptz not null,
    event_end timestamptz,
    all_day boolean not null default false,
    time_zone text,
    floating boolean not null default false,
    start_time time generated always as (
        case when not all_day then (event_date at time zone coalesce(time_zone, 'UTC'))::time end
    ) stored,
    end_time time generated always as (
        case when not all_day then (event_end at time zone coalesce(time_zone, 'UTC'))::time end
    ) stored,

    participants text[],
    organizer text,
    attendees jsonb,

    related_table text collate "C",
    related_id uuid,

    connection_id uuid,
    external_source text collate "C",
    external_id text collate "C",
    ical_uid text,
    sequence int,

    series_id uuid,
    series_master_id text,
    recurrence_id timestamptz,
    recurrence jsonb,
    is_override boolean not null default false,

    importance calendar_importance not null default 'NORMAL',
    categories text[],
    conversation_id text,
    teams_enabled boolean not null default false,
    teams_meeting_url text,
    teams_conference_id text,
    teams_dial_in_url text,

    synced_from text not null default 'manual'
        check (synced_from in ('interaction', 'manual', 'ics', 'powerautomate', 'google', 'microsoft', 'notion')),
    sync_status text not null default 'synced'
        check (sync_status in ('synced', 'pending', 'error', 'deleted')),
    last_updated timestamptz,
    last_synced_at timestamptz,
    content_hash bytea,
    source_hash bytea,
    changed_at timestamptz not null default now(),

    created_by uuid,
    updated_by uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),

    constraint calendar_events_related_key unique (related_table, related_id),
    constraint calendar_events_ends_after_start check (event_end >= event_date),
    -- Else one row would make every query fail that places it; where there is a start_time, that has asked already.
    constraint calendar_events_time_zone_is_known
        check (not all_day or time_zone is null or event_date at time zone time_zone is not null)
);

-- An interaction's event pays for the primary key, the related key and this one; what only provider rows need is partial.
create index calendar_events_user_date_idx on calendar_events (user_id, event_date);

create unique index calendar_events_external_key on calendar_events
    (user_id, external_source, connection_id, external_id, recurrence_id) nulls not distinct
    where external_id is not null;
-- With the start, so that a window of long ago does not visit each row that ends after it.
create index calendar_events_long_idx on calendar_events (user_id, event_end, event_date)
    where event_end - event_date > interval '24 hours';
create index calendar_events_outside_date_idx on calendar_events (event_date)
    where related_table is null;
-- With sync_status, so that a connection's events are counted without being looked at.
create index calendar_events_connection_idx on calendar_events (connection_id, external_id) include (sync_status)
    where connection_id is not null;
create index calendar_events_series_idx on calendar_events (series_id, recurrence_id)
    where series_id is not null;
create index calendar_events_unsynced_idx on calendar_events (sync_status, event_date)
    where sync_status <> 'synced';
create index calendar_events_last_updated_idx on calendar_events (last_updated)
    where related_table is null and last_updated is not null;
create index calendar_events_important_idx on calendar_events (user_id, event_date)
    where importance = 'HIGH';
create index calendar_events_conversation_idx on calendar_events (conversation_id)
    where conversation_id is not null;
create index calendar_events_teams_idx on calendar_events (connection_id, event_date)
    where teams_enabled;

comment on table calendar_events is 'every event of every origin (interactions, applications, outside calendars), one row each';
comment on column calendar_events.event_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_events.user_id is 'owner, as the application names its users';
comment on column calendar_events.title is 'subject of the meeting';
comment on column calendar_events.description is 'body text';
comment on column calendar_events.location is 'where it takes place';
comment on column calendar_events.event_type is 'interaction, task, meeting, reminder or the application''s own word';
comment on column calendar_events.event_status is 'scheduled, tentative, completed or cancelled';
comment on column calendar_events.show_as is 'how it counts in free/busy: busy, free, tentative, oof or elsewhere';
comment on column calendar_events.sensitivity is 'public, private or confidential';
comment on column calendar_events.metadata is 'what filters and applications want to find again (project, technician, ...)';
comment on column calendar_events.event_date is 'start; an all-day event from outside starts at 00:00 UTC of its date';
comment on column calendar_events.event_end is 'end, exclusive; NULL where no length is known';
comment on column calendar_events.all_day is 'takes whole days rather than hours';
comment on column calendar_events.time_zone is 'IANA name of the zone that it was made in; NULL for UTC and for all-day events from outside';
comment on column calendar_events.floating is 'the origin gave a local time without a zone';
comment on column calendar_events.start_time is 'wall clock of event_date in time_zone (UTC without one); NULL for all-day events';
comment on column calendar_events.end_time is 'wall clock of event_end in time_zone (UTC without one); NULL for all-day events';
comment on column calendar_events.participants is 'names or addresses of who takes part';
comment on column calendar_events.organizer is 'address or name of the organizer';
comment on column calendar_events.attendees is 'list of objects with address, name and response';
comment on column calendar_events.related_table is 'the attached table that the event''s interaction stands in (the root table, never a partition)';
comment on column calendar_events.related_id is 'interaction_id of the event''s interaction';
comment on column calendar_events.connection_id is 'the outside calendar that it came from; NULL for what is of here: interactions, what an application upserts or plain SQL writes';
comment on column calendar_events.external_source is 'ics, powerautomate, google, microsoft, notion or the application''s own word; NULL for interactions and plain SQL';
comment on column calendar_events.external_id is 'the origin''s identifier; over 1,024 bytes it is sha256:<hex> of it';
comment on column calendar_events.ical_uid is 'RFC 5545 UID, the same for one meeting in every calendar that shows it';
comment on column calendar_events.sequence is 'RFC 5545 SEQUENCE: revision count of the organizer';
comment on column calendar_events.series_id is 'the series that this is an instance of';
comment on column calendar_events.series_master_id is 'the provider''s identifier of the series';
comment on column calendar_events.recurrence_id is 'the original start of this occurrence of its series';
comment on column calendar_events.recurrence is 'the series'' rule, for readers of this table alone; rdate and exdate are null where these are lists of over 1000 dates (calendar_series has them)';
comment on column calendar_events.is_override is 'this occurrence differs from its rule';
comment on column calendar_events.importance is 'LOW, NORMAL or HIGH';
comment on column calendar_events.categories is 'labels';
comment on column calendar_events.conversation_id is 'the provider''s identifier of the thread of messages';
comment on column calendar_events.teams_enabled is 'is a Teams meeting';
comment on column calendar_events.teams_meeting_url is 'address to join the Teams meeting';
comment on column calendar_events.teams_conference_id is 'conference number of the Teams meeting';
comment on column calendar_events.teams_dial_in_url is 'page with the dial-in numbers of the Teams meeting';
comment on column calendar_events.synced_from is 'origin: interaction, manual (an application or plain SQL) or a provider';
comment on column calendar_events.sync_status is 'synced, pending, error (last good data, see the log) or deleted (kept as history)';
comment on column calendar_events.last_updated is 'when it last changed, as the origin says';
comment on column calendar_events.last_synced_at is 'when it was last written by a sync';
comment on column calendar_events.content_hash is 'hash of the content, its first byte the version of the hash; NULL for interactions, whose fields are compared';
comment on column calendar_events.source_hash is 'hash of what it was read from in a calendar file and of all else that decides how that is read: where it is the same the file need not be read; NULL where it does not come from a file alone';
comment on column calendar_events.changed_at is 'when its content last changed here';
comment on column calendar_events.created_by is 'the CRM''s user who made the interaction; NULL for what comes from outside';
comment on column calendar_events.updated_by is 'the CRM''s user who last changed the interaction; NULL for what comes from outside';
comment on column calendar_events.created_at is 'when it was made (an interaction''s event: when the interaction was)';
comment on column calendar_events.updated_at is 'when it was last updated (an interaction''s event: when the interaction was)';
