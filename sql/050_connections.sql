-- calendar_connections: outside calendars, each mapped to one user and pulled on its own schedule.

create table calendar_connections (
    connection_id uuid not null default calendar_uuid_v7() primary key,
    user_id text not null,
    name text not null,
    provider text not null
        check (provider in ('ics', 'powerautomate', 'google', 'microsoft', 'notion')),
    account_id uuid,
    external_calendar_id text,
    url bytea,
    url_host text,
    url_hash bytea,
    calendar_name text,
    time_zone text,
    delegate_email text,
    direction text not null default 'pull'
        check (direction in ('pull', 'push', 'both')),
    visibility text not null default 'details'
        check (visibility in ('details', 'busy')),
    conflict_policy text not null default 'last_write'
        check (conflict_policy in ('last_write', 'local', 'remote', 'manual')),
    filter jsonb not null default '{}',
    options jsonb not null default '{}',
    pending_location bytea,
    pending_since timestamptz,
    poll_interval interval,
    next_poll_at timestamptz,
    announced_for timestamptz,
    cursor text,
    etag text,
    last_modified text,
    body_hash bytea,
    refresh_hint interval,
    held_back text,
    held_back_polls int not null default 0,
    status text not null default 'active'
        check (status in ('active', 'paused', 'error', 'reauth_required', 'removed')),
    consecutive_failures int not null default 0,
    last_synced_at timestamptz,
    last_error text,
    leased_until timestamptz,
    leased_by int,
    leased_by_start timestamptz,
    lease_generation bigint not null default 0,
    compared_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint calendar_connections_name_key unique (user_id, name)
);

create unique index calendar_connections_calendar_key on calendar_connections (account_id, external_calendar_id)
    where account_id is not null;
create index calendar_connections_due_idx on calendar_connections (next_poll_at)
    where status in ('active', 'error');
-- Those that changes are sent to, by owner. Identifiers of owners are compared as calendar_events has them.
create index calendar_connections_senders_idx on calendar_connections (user_id collate "C")
    where account_id is not null and direction <> 'pull' and status <> 'removed';

comment on table calendar_connections is 'outside calendars of one user each, by URL or by an account: pulled on their own schedule, and sent to by direction';
comment on column calendar_connections.connection_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_connections.user_id is 'owner of what is pulled, and of what is sent';
comment on column calendar_connections.name is 'the owner''s name for it';
comment on column calendar_connections.provider is 'ics, powerautomate, google, microsoft or notion';
comment on column calendar_connections.account_id is 'the login that it is reached by; NULL for a plain URL';
comment on column calendar_connections.external_calendar_id is 'the provider''s identifier of the calendar';
comment on column calendar_connections.url is 'address of the calendar, AES-256-GCM ciphertext; NULL for one that is reached by an account';
comment on column calendar_connections.url_host is 'scheme, host and port of what is asked, for views and logs';
comment on column calendar_connections.url_hash is 'keyed hash of the address, to find it again';
comment on column calendar_connections.calendar_name is 'what the calendar calls itself';
comment on column calendar_connections.time_zone is 'zone of times that the calendar gives without one';
comment on column calendar_connections.delegate_email is 'owner of a shared or delegated mailbox';
comment on column calendar_connections.direction is 'pull, push or both';
comment on column calendar_connections.visibility is 'what is sent out: details, or busy (time only)';
comment on column calendar_connections.conflict_policy is 'who wins where both sides changed: last_write, local, remote or manual';
comment on column calendar_connections.filter is 'which events are sent out';
comment on column calendar_connections.options is 'mirror_from, properties (Notion), and what was learned of the calendar';
comment on column calendar_connections.pending_location is 'where the answer of a flow that is still running will be, AES-256-GCM ciphertext; NULL for none';
comment on column calendar_connections.pending_since is 'when that flow was started';
comment on column calendar_connections.poll_interval is 'time between polls; NULL for the setting''s, or refresh_hint where that is longer';
comment on column calendar_connections.next_poll_at is 'when it is polled next';
comment on column calendar_connections.announced_for is 'the moment that a notification, or calendar_sync_request, last made it due for';
comment on column calendar_connections.cursor is 'what the provider gave to ask what changed since';
comment on column calendar_connections.etag is 'ETag of the last answer';
comment on column calendar_connections.last_modified is 'Last-Modified of the last answer';
comment on column calendar_connections.body_hash is 'hash of the last answer''s calendar, without what changes at every fetch';
comment on column calendar_connections.refresh_hint is 'how long its feed asks to be left alone (REFRESH-INTERVAL, X-PUBLISHED-TTL, max-age), a day at most; counts where poll_interval is NULL';
comment on column calendar_connections.held_back is 'digest of the deletes that the last pull held back because they were too many; NULL for none';
comment on column calendar_connections.held_back_polls is 'pulls in a row that held back the same deletes';
comment on column calendar_connections.status is 'active, paused, error, reauth_required or removed';
comment on column calendar_connections.consecutive_failures is 'failures in a row';
comment on column calendar_connections.last_synced_at is 'when it was last pulled, or found unchanged';
comment on column calendar_connections.last_error is 'what went wrong last; NULL after a success';
comment on column calendar_connections.leased_until is 'a worker is at it until then at the latest';
comment on column calendar_connections.leased_by is 'the worker''s process; once it is no more, nobody is at it';
comment on column calendar_connections.leased_by_start is 'when that was started';
comment on column calendar_connections.lease_generation is 'counts leases; a pull whose lease was taken over changes nothing';
comment on column calendar_connections.compared_at is 'when all that stands here was last compared with what was sent there';
comment on column calendar_connections.created_at is 'when it was made';
comment on column calendar_connections.updated_at is 'when it was last changed by its owner';
