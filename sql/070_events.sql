-- Functions over events.

comment on function calendar_upsert_event(text, text, text, jsonb) is
    'creates or changes an event of an application''s own: an absent key keeps, null clears; action is created, updated or unchanged';
comment on function calendar_upsert_events(text, text, jsonb) is
    'creates or changes many events (a JSON array, each element with its external_id) as one batch; a bad element gets its error in its row';
comment on function calendar_delete_event(text, text, text) is
    'marks an event or a series of an application''s own as deleted and keeps it as history; false if there was none';
comment on function calendar_agenda(text, timestamptz, timestamptz) is
    'everything of the user''s that overlaps the range, series expanded (event_id is NULL where an instance is not stored), one row per meeting';
