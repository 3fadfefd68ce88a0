-- What people write today: a PL/pgSQL row trigger with an exception block. It makes, changes and cancels an event and
-- logs it, as the extension does; it does not stamp the interaction.

create function crm.sync_row() returns trigger language plpgsql as $$
declare
    names text[];
    made uuid;
begin
    begin
        if tg_op = 'INSERT' and (new.interaction_date is null or new.subject is null or coalesce(new.archived, false)
                                 or new.interaction_date < now() - interval '30 days') then
            return null;
        end if;
        names := array_remove(array[
            (select name from crm.customer where customer_id = new.customer_id),
            (select first_name || ' ' || last_name from crm.contact where contact_id = new.contact_id)
        ], null);
        insert into calendar_events as e (
            event_id, user_id, title, description, location, event_type, event_status, show_as, event_date, event_end,
            all_day, time_zone, participants, related_table, related_id, synced_from, last_synced_at, created_by,
            updated_by, created_at, updated_at)
        values (
            gen_random_uuid(), new.created_by::text, new.subject, new.description, new.location, 'interaction',
            case when new.archived then 'cancelled' else 'scheduled' end,
            case when coalesce(new.duration_minutes, 0) = 0 then 'free' else 'busy' end, new.interaction_date,
            new.interaction_date + nullif(new.duration_minutes, 0) * interval '1 minute',
            coalesce(new.duration_minutes, 0) = 0, 'UTC', names, 'interaction', new.interaction_id, 'interaction', now(),
            new.created_by, new.updated_by, new.created_at, new.updated_at)
        on conflict (related_table, related_id) do update
        set title = excluded.title, description = excluded.description, location = excluded.location,
            event_status = excluded.event_status, event_date = excluded.event_date, event_end = excluded.event_end,
            participants = excluded.participants, last_synced_at = now(), changed_at = now(),
            updated_by = excluded.updated_by, updated_at = excluded.updated_at
        returning event_id into made;
        insert into calendar_sync_log (log_id, related_table, interaction_id, event_id, provider, user_id, action, status,
                                       created_by)
        values (gen_random_uuid(), 'interaction', new.interaction_id, made, 'interaction', new.created_by::text,
                case when tg_op = 'INSERT' then 'create' else 'update' end, 'success', new.created_by);
    exception when others then
        insert into calendar_sync_failures (related_table, interaction_id, action, error_message, error_stack)
        values ('interaction', new.interaction_id, lower(tg_op), sqlerrm, sqlstate);
    end;
    return null;
end
$$;

create trigger sync_insert after insert on crm.interaction for each row execute function crm.sync_row();
create trigger sync_update after update on crm.interaction for each row
    when (old.subject is distinct from new.subject or old.description is distinct from new.description
          or old.location is distinct from new.location or old.interaction_date is distinct from new.interaction_date
          or old.duration_minutes is distinct from new.duration_minutes or old.archived is distinct from new.archived
          or old.customer_id is distinct from new.customer_id or old.contact_id is distinct from new.contact_id)
    execute function crm.sync_row();
