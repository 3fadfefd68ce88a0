-- What an expert writes: a PL/pgSQL statement trigger over the transition tables. One bad row fails the whole batch,
-- which the extension does not allow; it does not stamp the interaction.

create function crm.sync_statement() returns trigger language plpgsql as $$
begin
    begin
        with made as (
            insert into calendar_events as e (
                event_id, user_id, title, description, location, event_type, event_status, show_as, event_date, event_end,
                all_day, time_zone, participants, related_table, related_id, synced_from, last_synced_at, created_by,
                updated_by, created_at, updated_at)
            select gen_random_uuid(), n.created_by::text, n.subject, n.description, n.location, 'interaction',
                   case when n.archived then 'cancelled' else 'scheduled' end,
                   case when coalesce(n.duration_minutes, 0) = 0 then 'free' else 'busy' end, n.interaction_date,
                   n.interaction_date + nullif(n.duration_minutes, 0) * interval '1 minute',
                   coalesce(n.duration_minutes, 0) = 0, 'UTC',
                   array_remove(array[c.name, k.first_name || ' ' || k.last_name], null), 'interaction', n.interaction_id,
                   'interaction', now(), n.created_by, n.updated_by, n.created_at, n.updated_at
            from changed n
            left join crm.customer c on c.customer_id = n.customer_id
            left join crm.contact k on k.contact_id = n.contact_id
            where tg_op = 'UPDATE'
               or n.interaction_date >= now() - interval '30 days' and n.subject is not null
                  and not coalesce(n.archived, false)
            on conflict (related_table, related_id) do update
            set title = excluded.title, description = excluded.description, location = excluded.location,
                event_status = excluded.event_status, event_date = excluded.event_date, event_end = excluded.event_end,
                participants = excluded.participants, last_synced_at = now(), changed_at = now(),
                updated_by = excluded.updated_by, updated_at = excluded.updated_at
            where (e.title, e.description, e.location, e.event_status, e.event_date, e.event_end, e.participants)
                  is distinct from
                  (excluded.title, excluded.description, excluded.location, excluded.event_status, excluded.event_date,
                   excluded.event_end, excluded.participants)
            returning e.event_id, e.related_id, e.user_id, e.created_by
        )
        insert into calendar_sync_log (log_id, related_table, interaction_id, event_id, provider, user_id, action, status,
                                       created_by)
        select gen_random_uuid(), 'interaction', related_id, event_id, 'interaction', user_id,
               case when tg_op = 'INSERT' then 'create' else 'update' end, 'success', created_by
        from made;
    exception when others then
        raise warning 'calendar: %', sqlerrm;
    end;
    return null;
end
$$;

create trigger sync_insert after insert on crm.interaction referencing new table as changed
    for each statement execute function crm.sync_statement();
create trigger sync_update after update on crm.interaction referencing new table as changed
    for each statement execute function crm.sync_statement();
