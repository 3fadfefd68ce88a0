-- What waits to be sent to other calendars, and what could not be.

create view calendar_queue_status as
select
    q.status,
    c.provider,
    count(*) as operations,
    min(q.created_at) as oldest,
    min(q.scheduled_for) filter (where q.status = 'pending') as next_due
from calendar_sync_queue q
left join calendar_connections c on c.connection_id = q.connection_id
group by q.status, c.provider
order by q.status, c.provider;
comment on view calendar_queue_status is 'changes on their way to other calendars, by status and provider';
comment on column calendar_queue_status.status is 'pending, processing, completed or failed (dead letters: calendar_queue_retry)';
comment on column calendar_queue_status.provider is 'google, microsoft or notion; NULL where the connection is gone';
comment on column calendar_queue_status.operations is 'how many';
comment on column calendar_queue_status.oldest is 'when the oldest of them was queued';
comment on column calendar_queue_status.next_due is 'when the next of those that wait may be sent';
