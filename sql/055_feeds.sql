-- calendar_feeds: calendars that this database publishes, each under a secret token.

create table calendar_feeds (
    feed_id uuid not null default calendar_uuid_v7() primary key,
    user_id text collate "C" not null,
    name text not null,
    token_hash bytea not null check (octet_length(token_hash) = 32),
    visibility text not null default 'details'
        check (visibility in ('details', 'busy')),
    filter jsonb not null default '{}'
        check (jsonb_typeof(filter) = 'object'),
    days_back int not null default 30
        check (days_back between 0 and 36500),
    days_ahead int not null default 180
        check (days_ahead between 0 and 36500),
    enabled boolean not null default true,
    last_read_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint calendar_feeds_name_key unique (user_id, name),
    constraint calendar_feeds_token_key unique (token_hash)
);

comment on table calendar_feeds is 'calendars that this database publishes, each to whoever knows its token';
comment on column calendar_feeds.feed_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_feeds.user_id is 'whose events it shows';
comment on column calendar_feeds.name is 'the owner''s name for it, which its readers see as the calendar''s';
comment on column calendar_feeds.token_hash is 'SHA-256 of the token; the token itself is nowhere';
comment on column calendar_feeds.visibility is 'details, or busy: times alone';
comment on column calendar_feeds.filter is 'which events it shows: event_type, categories, external_source, metadata; all parts together';
comment on column calendar_feeds.days_back is 'how many days before today (UTC) it begins';
comment on column calendar_feeds.days_ahead is 'how many days after today (UTC) it ends';
comment on column calendar_feeds.enabled is 'false: its token opens nothing';
comment on column calendar_feeds.last_read_at is 'when it was last read, to the hour; readings on a standby and in read-only transactions are not noted';
comment on column calendar_feeds.created_at is 'when it was made';
comment on column calendar_feeds.updated_at is 'when it was made, given its token or switched off';
