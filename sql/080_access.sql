-- Who may do what. Nobody but the extension's owner, until calendar_grant says so.

create function calendar_grant(role regrole, level text, user_id text default null) returns void
    volatile parallel unsafe
    language c as 'MODULE_PATHNAME', 'calendar_grant_wrapper';
comment on function calendar_grant(regrole, text, text) is
    'gives a role what a level needs: reader (the status views), user (one user''s own calendar; user_id says whose, else the role''s calendar_sync.user_id does), web (published feeds, providers'' calls) or admin (everybody''s calendars); none takes all of it away. Levels add up; a role called user again stands for that user from then on';

-- An event that a statement changes is still as it was for a query inside that statement: so this compares the two. By
-- the rights of who asks, hence none but the rows that it may see.
create function calendar_keeps_origin(
    event_id uuid,
    related_table text,
    related_id uuid,
    connection_id uuid,
    series_id uuid
) returns boolean
    stable parallel restricted
    language sql
begin atomic
    select num_nonnulls(related_table, related_id, connection_id, series_id) = 0
        or exists (
            select
            from calendar_events e
            where e.event_id = calendar_keeps_origin.event_id
              and e.related_table is not distinct from calendar_keeps_origin.related_table
              and e.related_id is not distinct from calendar_keeps_origin.related_id
              and e.connection_id is not distinct from calendar_keeps_origin.connection_id
              and e.series_id is not distinct from calendar_keeps_origin.series_id
        );
end;
comment on function calendar_keeps_origin(uuid, text, uuid, uuid, uuid) is
    'whether an event is of no interaction, connection or series, or of those that it is of already; what the policies of calendar_grant''s level user check, so that nobody''s row passes for a part of another''s calendar';

-- On from the start, so that a right to these tables is never one to all their rows: neither one that was given by hand,
-- nor one that a dump brings along. (pg_dump carries privileges on what belongs to an extension, but no policies.)
alter table calendar_events enable row level security;
alter table calendar_series enable row level security;

create table calendar_grants (
    role text not null,
    level text not null
        check (level in ('user', 'admin')),
    user_id text,
    granted_at timestamptz not null default now(),
    primary key (role, level)
);
comment on table calendar_grants is
    'for whom calendar_grant lets a role act: what its policies are made from again when a dump is restored. Nothing else goes by it';
comment on column calendar_grants.role is 'the role, by the name that it had';
comment on column calendar_grants.level is 'user or admin; other levels need no policy';
comment on column calendar_grants.user_id is 'whom it acts for at level user; NULL: whom its calendar_sync.user_id names';
comment on column calendar_grants.granted_at is 'when it was last granted';

comment on function calendar_grants_policies() is
    'trigger of calendar_grants: a row''s policies are made, when it is granted and when a dump is restored';

create trigger calendar_grants_policies after insert or update on calendar_grants
    for each row execute function calendar_grants_policies();
