-- What is changed in calendar_events by plain SQL: noted, and queued for the calendars that it is sent to. An instance that
-- is deleted is taken out of its series. What the extension itself writes it queues itself.

create function calendar_event_stamp() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_event_stamp';
comment on function calendar_event_stamp() is
    'trigger of calendar_events: what plain SQL changes has changed now';

create function calendar_event_changed() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_event_changed';
comment on function calendar_event_changed() is
    'trigger of calendar_events: plain SQL has changed a row';

create function calendar_events_changed() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_events_changed';
comment on function calendar_events_changed() is
    'trigger of calendar_events: a statement ends, what it has changed is queued';

create function calendar_events_truncate() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_events_truncate';
comment on function calendar_events_truncate() is
    'trigger of calendar_events: it is about to be emptied';

create function calendar_senders_changed() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_senders_changed';
comment on function calendar_senders_changed() is
    'trigger of what says whether changes are sent anywhere: sessions look again';

create trigger calendar_events_stamp
    before update on calendar_events
    for each row
    when (
        new.changed_at = old.changed_at
        and (
            new.title, new.description, new.location, new.event_type, new.event_status, new.show_as, new.sensitivity,
            new.metadata, new.event_date, new.event_end, new.all_day, new.time_zone, new.floating, new.participants,
            new.organizer, new.attendees, new.importance, new.categories, new.teams_enabled, new.sync_status = 'deleted'
        ) is distinct from (
            old.title, old.description, old.location, old.event_type, old.event_status, old.show_as, old.sensitivity,
            old.metadata, old.event_date, old.event_end, old.all_day, old.time_zone, old.floating, old.participants,
            old.organizer, old.attendees, old.importance, old.categories, old.teams_enabled, old.sync_status = 'deleted'
        )
    )
    execute function calendar_event_stamp();
create trigger calendar_events_inserted_or_deleted
    after insert or delete on calendar_events
    for each row execute function calendar_event_changed();
-- What came from a calendar and was cancelled there is none of ours to change.
create trigger calendar_events_updated
    after update on calendar_events
    for each row
    when (
        (
            new.title, new.description, new.location, new.event_type, new.event_status, new.show_as, new.sensitivity,
            new.metadata, new.event_date, new.event_end, new.all_day, new.time_zone, new.floating, new.participants,
            new.organizer, new.attendees, new.importance, new.categories, new.teams_enabled, new.sync_status = 'deleted',
            new.user_id, new.connection_id, new.external_source, new.series_id
        ) is distinct from (
            old.title, old.description, old.location, old.event_type, old.event_status, old.show_as, old.sensitivity,
            old.metadata, old.event_date, old.event_end, old.all_day, old.time_zone, old.floating, old.participants,
            old.organizer, old.attendees, old.importance, old.categories, old.teams_enabled, old.sync_status = 'deleted',
            old.user_id, old.connection_id, old.external_source, old.series_id
        )
        and not (
            new.connection_id is not null
            and new.event_status = 'cancelled'
            and old.event_status = 'cancelled'
            and new.sync_status <> 'deleted'
        )
    )
    execute function calendar_event_changed();
create trigger calendar_events_changed
    after insert or update or delete on calendar_events
    for each statement execute function calendar_events_changed();
create trigger calendar_events_truncate
    before truncate on calendar_events
    for each statement execute function calendar_events_truncate();
create trigger calendar_events_truncated
    after truncate on calendar_events
    for each statement execute function calendar_events_changed();

-- Connections are updated at every poll: that says nothing.
create trigger calendar_connections_senders
    after update on calendar_connections
    for each row
    when (
        (old.account_id is not null, old.direction, old.status = 'removed')
        is distinct from (new.account_id is not null, new.direction, new.status = 'removed')
    )
    execute function calendar_senders_changed();
create trigger calendar_connections_new_sender
    after insert on calendar_connections
    for each row
    when (new.account_id is not null)
    execute function calendar_senders_changed();
create trigger calendar_connections_no_sender
    after delete on calendar_connections
    for each row
    when (old.account_id is not null)
    execute function calendar_senders_changed();
create trigger calendar_installation_senders
    after insert or update or delete on calendar_installation
    for each row execute function calendar_senders_changed();
