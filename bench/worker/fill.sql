-- :feeds connections of a fiftieth as many users, over the ports :ports (an array) by name and by number, and a note of
-- each poll: how late it was done, from the time that it was due to the time that its outcome was written.

create extension calendar_sync;

select count(calendar_subscribe(
    'user' || n % (:feeds / 50) || '@example.com',
    format(
        'http://%s:%s/feed/%s',
        case when n % 4 = 0 then 'localhost' else '127.0.0.1' end,
        (:'ports'::int[])[1 + n % cardinality(:'ports'::int[])],
        n
    ),
    name => 'feed ' || n
))
from generate_series(1, :feeds) n;

create unlogged table polls (
    at timestamptz not null default clock_timestamp(),
    name text not null,
    late interval not null
);

create function note_poll() returns trigger language plpgsql as $$
begin
    insert into public.polls (name, late) values (old.name, clock_timestamp() - old.next_poll_at);
    return null;
end
$$;

-- For what is measured below the limit; disabled where the limit is.
create trigger note_poll after update on calendar_connections
for each row when (old.next_poll_at is distinct from new.next_poll_at and old.leased_until is not null)
execute function note_poll();
alter table calendar_connections disable trigger note_poll;

-- Spreads the polls over `every` from now on, and wakes the worker.
create procedure spread(every interval) language sql as $$
    update calendar_connections set poll_interval = every, next_poll_at = clock_timestamp() + every * random();
    select calendar_sync_request('nobody@example.com');
$$;
