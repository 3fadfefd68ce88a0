"""Measures the worker over the feeds that fill.sql made. Usage: measure.py <seconds a phase> <pid of the server> <port> ..."""

import os
import random
import subprocess
import sys
import time
import urllib.request

from measuring import cpu, cursor, one, show, wait

SECONDS, SERVER, PORTS = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
FEEDS = 10_000
PER_SECOND = 300
HERE = os.path.dirname(__file__)


def ask(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORTS[0]}/{path}") as answer:
        return int(answer.read())


def size():
    """Private memory of the worker in MB, its threads and its descriptors."""
    with open(f"/proc/{WORKER}/status") as status:
        memory = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
    return f"{memory / 1024:.1f} MB, {len(os.listdir(f'/proc/{WORKER}/task'))} threads, {len(os.listdir(f'/proc/{WORKER}/fd'))} fds"


def counters():
    return one("""
        select c.n_tup_upd, c.n_tup_hot_upd, e.n_tup_upd, pg_current_wal_lsn() - '0/0'::pg_lsn
        from pg_stat_user_tables c, pg_stat_user_tables e
        where c.relname = 'calendar_connections' and e.relname = 'calendar_events'
    """)


def relations():
    return one("""
        select format('%s kB, indexes %s kB', pg_relation_size('calendar_connections') / 1024,
            pg_indexes_size('calendar_connections') / 1024)
    """)


def lateness(which="true"):
    """Of the polls noted: how many, and p50, p95, p99 and most of how late their outcome was written."""
    row = one(f"""
        select count(*), percentile_cont(array[0.5, 0.95, 0.99, 1]) within group (order by extract(epoch from late))
        from polls where {which}
    """)
    return row[0], [f"{seconds:.3f}" for seconds in row[1] or []]


def spread(seconds, settle=15):
    """Makes the feeds due one after the other over so many seconds, again and again; what was left over is caught up with."""
    cursor.execute("call spread(make_interval(secs => %s))", (seconds,))
    time.sleep(settle)
    cursor.execute("truncate polls")


def first_pulls():
    start = time.monotonic()
    wait("all feeds are pulled once", "select count(*) >= %s from calendar_events", FEEDS)
    show("first pull of all feeds, a second", f"{FEEDS / (time.monotonic() - start):.0f}")
    cursor.execute("analyze calendar_connections")


def flat_out():
    """More is due than can be done."""
    spread(2)
    before, asked, start = counters(), ask("requests"), time.monotonic()
    ours, servers = cpu(WORKER), cpu(SERVER)
    sizes = [size()]
    for _ in range(2):
        time.sleep(SECONDS / 2)
        sizes.append(size())
    taken, polls = time.monotonic() - start, ask("requests") - asked
    ours, servers = cpu(WORKER) - ours, cpu(SERVER) - servers
    time.sleep(1)
    after = counters()
    updates, hot, events, wal = (int(b - a) for a, b in zip(before, after))
    show("polls a second, sustained (goal 1,000 or more)", f"{polls / taken:.0f}")
    show("CPU of the worker, ms a poll", f"{1000 * ours / polls:.3f}")
    show("CPU of the server of feeds, ms a poll", f"{1000 * servers / polls:.3f}")
    for when, value in zip(("start", "middle", "end"), sizes):
        show(f"worker at the {when}", value)
    show("updates of calendar_events (goal 0)", events)
    show("updates of calendar_connections, a poll; HOT share", f"{updates / polls:.2f}, {hot / updates:.2f}")
    show("WAL, bytes a poll", f"{wal / polls:.0f}")
    show("calendar_connections", relations())
    waiting = one("select extract(epoch from max(clock_timestamp() - next_poll_at))::float8 from calendar_connections")
    show("longest overdue at the end, s", f"{waiting:.2f}")
    return 1000 * ours / polls, polls / taken


def below_the_limit():
    """PER_SECOND polls a second are due; now and then a feed has changed."""
    cursor.execute("alter table calendar_connections enable trigger note_poll")
    spread(FEEDS / PER_SECOND)
    ours, start = cpu(WORKER), time.monotonic()
    changed, latencies = [], []
    while time.monotonic() - start < SECONDS:
        feed = random.randrange(1, FEEDS)
        ask(f"change/{feed}")
        changed.append(feed)
        time.sleep(0.5)
    ours = cpu(WORKER) - ours
    count, late = lateness()
    show(f"at {PER_SECOND} due a second: polls a second", f"{count / SECONDS:.0f}")
    show("due to outcome written, s: p50 p95 p99 most (goal: p99 under 2)", " ".join(late))
    show("CPU of the worker, ms a poll", f"{1000 * ours / count:.3f}")
    time.sleep(FEEDS / PER_SECOND * 1.2)
    for feed in set(changed):
        wait(
            f"feed {feed} is up to date",
            "select count(*) > 0 from calendar_events where external_id = %s and title not like '%% version 1'",
            f"{feed}@feeds",
        )
        visible = one(
            "select extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from calendar_events where external_id = %s",
            f"{feed}@feeds",
        )
        latencies.append(visible - ask(f"told/{feed}") / 1e6)
    latencies.sort()
    middle, most = latencies[len(latencies) // 2], latencies[-1]
    show(f"{len(latencies)} changes, answered to visible, s: p50 most (goal: under 2)", f"{middle:.3f} {most:.3f}")


def with_stalls():
    """One feed of fifty never answers, the name of another one is not known."""
    cursor.execute(
        """
        select count(calendar_subscribe(user_id, name => name, url => case
            when number %% 100 in (17, 67) then format('http://127.0.0.1:%%s/stall/%%s', ports[1 + number %% 16], number)
            else format('http://n%%s.invalid/', number)
        end))
        from (select user_id, name, substr(name, 6)::int as number, %s::text[] as ports from calendar_connections) it
        where number %% 100 in (17, 67, 33, 83)
        """,
        (PORTS,),
    )
    spread(FEEDS / PER_SECOND)
    time.sleep(SECONDS)
    good = "right(name, 2) not in ('17', '67', '33', '83')"
    count, late = lateness(good)
    show("4 % stall or have no name: good polls a second", f"{count / SECONDS:.0f}")
    show("  good ones, due to outcome, s: p50 p95 p99 most", " ".join(late))
    _, late = lateness(f"not ({good})")
    show("  the others", " ".join(late))
    waiting = one(f"""
        select extract(epoch from max(clock_timestamp() - next_poll_at))::float8 from calendar_connections where {good}
    """)
    show("  longest overdue good one at the end, s", f"{waiting:.2f}")
    show("  worker", size())


def by_hand(cost, rate):
    cursor.execute("update calendar_connections set status = 'paused'")
    time.sleep(2)
    command = [sys.executable, os.path.join(HERE, "by_hand.py"), "10", *PORTS]
    theirs, their_cost = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    show("a loop by hand (Python, requests, 8 threads): polls a second", f"{theirs:.0f}")
    show("CPU, ms a poll", f"{their_cost:.3f}")
    show("polls a second, against by hand", f"{rate / theirs:.2f}")
    show("CPU a poll, against by hand", f"{cost / their_cost:.2f}")


wait("there is a worker", "select count(*) > 0 from calendar_worker_status where pid is not null")
WORKER = one("select pid from calendar_worker_status where database = current_database()")
first_pulls()
measured = flat_out()
below_the_limit()
with_stalls()
by_hand(*measured)
