-- Interactions: which tables are followed, and catching up.

create function calendar_attach(interaction regclass, mapping jsonb default '{}') returns void
    volatile parallel unsafe
    language c as 'MODULE_PATHNAME', 'calendar_attach_wrapper';
comment on function calendar_attach(regclass, jsonb) is
    'starts syncing a table''s rows to calendar events; called again, changes its mapping';

create function calendar_detach(interaction regclass) returns void
    volatile parallel unsafe
    language c as 'MODULE_PATHNAME', 'calendar_detach_wrapper';
comment on function calendar_detach(regclass) is
    'stops syncing a table; its events and their history stay';

create function calendar_backfill(interaction regclass default null, since timestamptz default null) returns bigint
    volatile parallel unsafe
    language c as 'MODULE_PATHNAME', 'calendar_backfill_wrapper';
comment on function calendar_backfill(regclass, timestamptz) is
    'syncs interactions that no trigger saw and removes events whose interaction is gone; returns how many events were written';

comment on function calendar_retry_failures(int) is
    'tries failed interactions whose next try is due';

comment on function calendar_unsynced() is
    'what a backfill would do; behind the view calendar_unsynced_interactions';

create view calendar_unsynced_interactions as
select related_table,
       interaction_id,
       event_id,
       action
from calendar_unsynced();
comment on view calendar_unsynced_interactions is
    'interactions of the window without the event that they should have, and events whose interaction is gone: what calendar_backfill would do';
comment on column calendar_unsynced_interactions.related_table is 'the attached table';
comment on column calendar_unsynced_interactions.interaction_id is 'the interaction';
comment on column calendar_unsynced_interactions.event_id is 'its event, where there is one';
comment on column calendar_unsynced_interactions.action is 'what a backfill would do: create, update or delete';

create view calendar_failures_pending as
select failure_id,
       related_table,
       interaction_id,
       action,
       error_message,
       error_stack,
       retry_count,
       last_retry_at,
       next_retry_at,
       created_at
from calendar_sync_failures
where not resolved;
comment on view calendar_failures_pending is
    'interactions whose event could not be written: what failed, why, and when it is tried next';
comment on column calendar_failures_pending.failure_id is 'key of the failure';
comment on column calendar_failures_pending.related_table is 'the attached table';
comment on column calendar_failures_pending.interaction_id is 'the interaction';
comment on column calendar_failures_pending.action is 'what failed: create, update or delete';
comment on column calendar_failures_pending.error_message is 'what went wrong';
comment on column calendar_failures_pending.error_stack is 'SQLSTATE, detail, hint and context of the error';
comment on column calendar_failures_pending.retry_count is 'tries since the failure';
comment on column calendar_failures_pending.last_retry_at is 'when it was last tried again';
comment on column calendar_failures_pending.next_retry_at is 'when it is tried next; NULL: not by itself any more';
comment on column calendar_failures_pending.created_at is 'when it first failed';
