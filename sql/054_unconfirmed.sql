-- What sessions have sent in transactions that may come to nothing.

-- Not dumped: a transaction that is open meanwhile is in no dump, and may yet be committed. A copy would take back there what it
-- does not know of.
create table calendar_unconfirmed_pushes (
    note_id uuid not null primary key,
    connection_id uuid not null,
    event_id uuid,
    series_id uuid,
    operation text not null
        check (operation in ('create', 'update', 'return', 'delete')),
    revision int not null,
    before jsonb,
    sent jsonb,
    only_busy boolean not null,
    created_at timestamptz not null default clock_timestamp(),
    check (num_nonnulls(event_id, series_id) = 1)
);

create index calendar_unconfirmed_pushes_connection_idx on calendar_unconfirmed_pushes (connection_id);

comment on table calendar_unconfirmed_pushes is 'what a session is about to send, committed before it does, and deleted in the transaction that sends it: what is left here was sent by one that came to nothing, and is undone with the next sync';
comment on column calendar_unconfirmed_pushes.note_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_unconfirmed_pushes.connection_id is 'where it went';
comment on column calendar_unconfirmed_pushes.event_id is 'the event, maybe one that there never was for anybody else';
comment on column calendar_unconfirmed_pushes.series_id is 'or the series';
comment on column calendar_unconfirmed_pushes.operation is 'create, update, return (of what had been deleted there) or delete';
comment on column calendar_unconfirmed_pushes.revision is 'of a create: how often it was created there before';
comment on column calendar_unconfirmed_pushes.before is 'of an update: what both sides had agreed on before, as it was here';
comment on column calendar_unconfirmed_pushes.sent is 'the item as it was sent; NULL for a delete';
comment on column calendar_unconfirmed_pushes.only_busy is 'no more was sent than when it takes place';
comment on column calendar_unconfirmed_pushes.created_at is 'when it was noted';
