-- What the functions on outside calendars do.

comment on function calendar_subscribe(text, text, text, text, interval) is
    'subscribes a user to an outside calendar by its URL (http, https, webcal; provider ics for a calendar file, powerautomate for a flow); returns the connection. Without a name: the user''s connection with that URL, else a new one named after the host. A name that exists is re-pointed; what was unsubscribed from revives';
comment on function calendar_unsubscribe(uuid, boolean) is
    'ends a connection: its URL is wiped and its upcoming events are deleted; keep_events keeps the past ones';
comment on function calendar_pause(uuid) is 'stops pulling from a connection and sending to it until calendar_continue';
comment on function calendar_continue(uuid) is 'takes a paused connection up again, at once';
comment on function calendar_sync_now(text, boolean, text) is
    'syncs a user''s connections (or the one of that name) now, in this session and transaction: pulls them, then sends what is queued for them; one row each, status success, pending (a flow is still running), error, busy or rate_limited; a name that is none of theirs is an error. force asks for everything again and confirms deletes that were held back. If the transaction is rolled back, what it had changed itself and sent is undone there with the next sync. Can be cancelled at any time';
comment on function calendar_sync_request(text) is
    'makes a user''s connections due (NULL: everybody''s) and wakes the worker at commit; returns how many';
comment on function calendar_sync_status(text) is 'a user''s connections: when they were pulled, how many events they hold, what is wrong';
comment on function calendar_resume() is 'this restored copy is the real one now: its worker pulls, and changes are sent out, from here';
comment on function calendar_rotate_key() is
    'encrypts every stored secret anew with the first key of calendar_sync.encryption_key_file, all or none; returns how many; for the extension''s owner alone';
comment on function calendar_worker_states() is 'what the view calendar_worker_status shows, by oid of the database';
