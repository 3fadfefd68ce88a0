-- What both sides have changed, and what became of it.

create view calendar_sync_conflicts as
select
    coalesce(l.series_id, l.event_id) as event_id,
    l.connection_id,
    c.user_id,
    c.name as connection,
    c.provider,
    coalesce(e.title, s.title) as title,
    l.sync_status <> 'conflict' as resolved,
    l.conflict_data ->> 'policy' as policy,
    l.conflict_data ->> 'winner' as winner,
    array(
        select field ->> 'name'
        from jsonb_array_elements(l.conflict_data -> 'fields') with ordinality f (field, place)
        order by place
    ) as fields,
    l.conflict_data -> 'local' as local_version,
    l.conflict_data -> 'remote' as remote_version,
    (l.conflict_data ->> 'local_changed_at')::timestamptz as local_changed_at,
    (l.conflict_data ->> 'remote_updated')::timestamptz as remote_updated,
    l.conflict_at
from calendar_event_links l
join calendar_connections c on c.connection_id = l.connection_id
left join calendar_events e on e.event_id = l.event_id
left join calendar_series s on s.series_id = l.series_id
where l.conflict_at is not null
  and (l.sync_status = 'conflict' or l.conflict_at > now() - interval '30 days');
comment on view calendar_sync_conflicts is
    'items that both sides had changed since they last agreed: those that wait for calendar_conflict_resolve, and those that were settled within 30 days';
comment on column calendar_sync_conflicts.event_id is 'the event; of a recurring one its series';
comment on column calendar_sync_conflicts.connection_id is 'whose calendar the other version is in';
comment on column calendar_sync_conflicts.user_id is 'owner';
comment on column calendar_sync_conflicts.connection is 'the owner''s name for the connection';
comment on column calendar_sync_conflicts.provider is 'google, microsoft or notion';
comment on column calendar_sync_conflicts.title is 'what it says here now';
comment on column calendar_sync_conflicts.resolved is 'false: calendar_conflict_resolve is awaited, and nothing is overwritten on either side until then';
comment on column calendar_sync_conflicts.policy is 'last_write, local, remote or manual, as the connection has it; interaction: what is the CRM''s is not changed elsewhere; edit beats delete';
comment on column calendar_sync_conflicts.winner is 'local or remote; NULL: not decided';
comment on column calendar_sync_conflicts.fields is 'what both sides had changed, and differently; of an occurrence with its original start before the name';
comment on column calendar_sync_conflicts.local_version is 'the item as it was here; NULL: deleted';
comment on column calendar_sync_conflicts.remote_version is 'the item as it was there; NULL: deleted';
comment on column calendar_sync_conflicts.local_changed_at is 'when it had last changed here';
comment on column calendar_sync_conflicts.remote_updated is 'when it had last changed there, by that side''s clock';
comment on column calendar_sync_conflicts.conflict_at is 'when it was found';
