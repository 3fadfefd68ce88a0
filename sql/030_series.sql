-- calendar_series: the rules. Instances within the window stand in calendar_events.

create table calendar_series (
    series_id uuid not null default calendar_uuid_v7() primary key,
    user_id text collate "C" not null,
    connection_id uuid,
    external_source text collate "C" not null,
    external_id text collate "C" not null,
    external_id_full text,
    ical_uid text,
    sequence int,
    series_master_id text,

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
    participants text[],
    organizer text,
    attendees jsonb,
    importance calendar_importance not null default 'NORMAL',
    categories text[],
    conversation_id text,
    teams_enabled boolean not null default false,
    teams_meeting_url text,
    teams_conference_id text,
    teams_dial_in_url text,

    dtstart timestamptz not null,
    local_start timestamp,
    duration interval,
    nominal_duration text,
    time_zone text,
    all_day boolean not null default false,
    floating boolean not null default false,
    rrule text,
    exrule text,
    rdates timestamptz[],
    rdate_ends jsonb,
    exdates timestamptz[],
    overrides jsonb,
    expanded_from timestamptz not null,
    expanded_until timestamptz not null,
    expand_at timestamptz not null,
    ends_at timestamptz not null,

    synced_from text not null default 'manual'
        check (synced_from in ('manual', 'ics', 'powerautomate', 'google', 'microsoft', 'notion')),

    sync_status text not null default 'synced'
        check (sync_status in ('synced', 'pending', 'error', 'deleted')),
    last_updated timestamptz,
    last_synced_at timestamptz,
    content_hash bytea,
    source_hash bytea,
    changed_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create unique index calendar_series_external_key on calendar_series
    (user_id, external_source, connection_id, external_id) nulls not distinct;
create index calendar_series_connection_idx on calendar_series (connection_id, external_id)
    where connection_id is not null;
create index calendar_series_expand_idx on calendar_series (expand_at)
    where sync_status <> 'deleted' and expand_at < 'infinity';

comment on table calendar_series is 'recurring events: the rule and the template of their instances';
comment on column calendar_series.series_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_series.user_id is 'owner, as the application names its users';
comment on column calendar_series.connection_id is 'the outside calendar that it came from; NULL for what an application upserts';
comment on column calendar_series.external_source is 'ics, powerautomate, google, microsoft, notion or the application''s own word';
comment on column calendar_series.external_id is 'the origin''s identifier; over 1,024 bytes it is sha256:<hex> of it';
comment on column calendar_series.external_id_full is 'the origin''s identifier as it came, where external_id is a hash of it';
comment on column calendar_series.ical_uid is 'RFC 5545 UID';
comment on column calendar_series.sequence is 'RFC 5545 SEQUENCE: revision count of the organizer';
comment on column calendar_series.series_master_id is 'the provider''s identifier of the series';
comment on column calendar_series.title is 'template: subject';
comment on column calendar_series.description is 'template: body text';
comment on column calendar_series.location is 'template: where it takes place';
comment on column calendar_series.event_type is 'template: interaction, task, meeting, reminder or the application''s own word';
comment on column calendar_series.event_status is 'template: scheduled, tentative, completed or cancelled';
comment on column calendar_series.show_as is 'template: busy, free, tentative, oof or elsewhere';
comment on column calendar_series.sensitivity is 'template: public, private or confidential';
comment on column calendar_series.metadata is 'template: for filters';
comment on column calendar_series.participants is 'template: names or addresses of who takes part';
comment on column calendar_series.organizer is 'template: address or name of the organizer';
comment on column calendar_series.attendees is 'template: list of objects with address, name and response';
comment on column calendar_series.importance is 'template: LOW, NORMAL or HIGH';
comment on column calendar_series.categories is 'template: labels';
comment on column calendar_series.conversation_id is 'template: the provider''s identifier of the thread of messages';
comment on column calendar_series.teams_enabled is 'template: is a Teams meeting';
comment on column calendar_series.teams_meeting_url is 'template: address to join the Teams meeting';
comment on column calendar_series.teams_conference_id is 'template: conference number of the Teams meeting';
comment on column calendar_series.teams_dial_in_url is 'template: page with the dial-in numbers of the Teams meeting';
comment on column calendar_series.dtstart is 'DTSTART; an all-day series starts at 00:00 UTC of its date';
comment on column calendar_series.local_start is 'DTSTART as it was written, where a clock change leaves that time out: it is when the later instances are; else NULL';
comment on column calendar_series.duration is 'length of the first instance, as time passes; NULL where none is known';
comment on column calendar_series.nominal_duration is 'DURATION (RFC 5545, 3.3.6), of which days are counted on the clock, where the origin gave that and no DTEND';
comment on column calendar_series.time_zone is 'IANA name of the zone that the rule is evaluated in; NULL for UTC and for all-day series';
comment on column calendar_series.all_day is 'instances take whole days';
comment on column calendar_series.floating is 'the origin gave local times without a zone';
comment on column calendar_series.rrule is 'RRULE values (RFC 5545, 3.3.10), one a line';
comment on column calendar_series.exrule is 'EXRULE values (RFC 2445), one a line';
comment on column calendar_series.rdates is 'additional occurrences (RDATE)';
comment on column calendar_series.rdate_ends is 'ends of those RDATEs that are periods: list of [start, end]';
comment on column calendar_series.exdates is 'occurrences that do not take place (EXDATE)';
comment on column calendar_series.overrides is 'occurrences that differ from the rule, also those that came before their series';
comment on column calendar_series.expanded_from is 'instances that start from here on stand in calendar_events; -infinity: there are no earlier ones';
comment on column calendar_series.expanded_until is 'instances that start before this stand in calendar_events; infinity: there are no later ones';
comment on column calendar_series.expand_at is 'when its instances are to be stored further ahead; infinity: never';
comment on column calendar_series.synced_from is 'origin: manual (an application) or a provider';
comment on column calendar_series.ends_at is 'end of the last instance; infinity for a series without an end';
comment on column calendar_series.sync_status is 'synced, pending, error (last good data, see the log) or deleted (kept as history)';
comment on column calendar_series.last_updated is 'when it last changed, as the origin says';
comment on column calendar_series.last_synced_at is 'when it was last written by a sync';
comment on column calendar_series.content_hash is 'hash of the content, its first byte the version of the hash';
comment on column calendar_series.source_hash is 'hash of what it was read from in a calendar file and of all else that decides how that is read: where it is the same the file need not be read; NULL where it does not come from a file alone';
comment on column calendar_series.changed_at is 'when its content last changed here';
comment on column calendar_series.created_at is 'when it was first stored';
comment on column calendar_series.updated_at is 'when it was last written';
