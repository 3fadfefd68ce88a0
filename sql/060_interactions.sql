-- The functions behind calendar_attach's triggers. They take the table's tracked_id and are for nobody else to call.

create function calendar_interaction_open() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_interaction_open';
comment on function calendar_interaction_open() is
    'trigger of an attached table: a statement begins, its rows will be synced as one batch';

create function calendar_interaction_collect() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_interaction_collect';
comment on function calendar_interaction_collect() is
    'trigger of an attached table: a row has changed';

create function calendar_interaction_flush() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_interaction_flush';
comment on function calendar_interaction_flush() is
    'trigger of an attached table: a statement ends, its rows are synced';

create function calendar_interaction_truncate() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_interaction_truncate';
comment on function calendar_interaction_truncate() is
    'trigger of an attached table: it was emptied, and so is its calendar';

create function calendar_interaction_stamp() returns trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_interaction_stamp';
comment on function calendar_interaction_stamp() is
    'trigger of an attached table: stamps calendar_synced_at into the row as it passes';

create function calendar_interaction_ddl() returns event_trigger
    volatile
    language c as 'MODULE_PATHNAME', 'calendar_interaction_ddl';
comment on function calendar_interaction_ddl() is
    'event trigger: where a trigger of the CRM''s own changes rows on their way, the sync looks at more than what statements name';

create event trigger calendar_sync_ddl on ddl_command_end
    when tag in ('CREATE TRIGGER', 'ALTER TABLE')
    execute function calendar_interaction_ddl();
comment on event trigger calendar_sync_ddl is
    'keeps the triggers of attached tables right when the CRM''s own triggers change';

create event trigger calendar_sync_drop on sql_drop
    when tag in ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
    execute function calendar_interaction_ddl();
comment on event trigger calendar_sync_drop is
    'forgets attached tables that are dropped';
