-- Functions over events.

comment on function calendar_upsert_event(text, text, text, jsonb) is
    'creates or changes an event of an application''s own: an absent key keeps, null clears; action is created, updated or unchanged';
comment on function calendar_upsert_events(text, text, jsonb) is
    'creates or changes many events (a JSON array, each element with its external_id) as one batch; a bad element gets its error in its row';
comment on function calendar_delete_event(text, text, text) is
    'marks an event or a series of an application''s own as deleted and keeps it as history; false if there was none';
comment on function calendar_agenda(text, timestamptz, timestamptz) is
    'everything of the user''s that overlaps the range, series expanded (event_id is NULL where an instance is not stored), one row per meeting';

-- pgrx has no multiranges; a body that is parsed here does not depend on anybody's search_path.
create function calendar_free_busy(user_ids text[], range_start timestamptz, range_end timestamptz)
    returns table (user_id text, busy tstzmultirange)
    language sql stable parallel restricted
begin atomic
    select b.user_id, coalesce(range_agg(b.busy) filter (where b.busy is not null), '{}'::tstzmultirange)
    from calendar_busy_ranges(user_ids, range_start, range_end) b
    group by b.user_id
    order by b.user_id;
end;

comment on function calendar_busy_ranges(text[], timestamptz, timestamptz) is
    'when each user is busy, one range a row, NULL for one who is not; what calendar_free_busy is made of';
comment on function calendar_free_busy(text[], timestamptz, timestamptz) is
    'when each user is busy within the range, one row a user (NULLs in the list are nobody): events that are neither cancelled, deleted nor shown as free';
comment on function calendar_free_slots(text[], timestamptz, timestamptz, interval, jsonb, text) is
    'the longest ranges of at least that duration in which all users are free; working_hours such as {"MO": [["09:00", "17:00"]]} are in time_zone';
comment on function calendar_overlaps(text, timestamptz, timestamptz) is
    'what is booked twice: pairs of events (of a recurring one its series_id) and the time that they share';
