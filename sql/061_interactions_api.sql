-- Interactions: which tables are followed, and catching up.

create function calendar_attach(interaction regclass, mapping jsonb default '{}') returns void
    volatile strict parallel unsafe
    language c as 'MODULE_PATHNAME', 'calendar_attach_wrapper';
comment on function calendar_attach(regclass, jsonb) is
    'starts syncing a table''s rows to calendar events; called again, changes its mapping';

create function calendar_detach(interaction regclass) returns void
    volatile strict parallel unsafe
    language c as 'MODULE_PATHNAME', 'calendar_detach_wrapper';
comment on function calendar_detach(regclass) is
    'stops syncing a table; its events and their history stay';
