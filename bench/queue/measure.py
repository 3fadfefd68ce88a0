"""Measures the worker sending. Usage: measure.py <operations> <seconds a phase> <pid of the server> <port>"""

import json
import os
import subprocess
import sys
import time
import urllib.request

from measuring import cpu, cursor, one, show, wait

OPERATIONS, SECONDS, SERVER, PORT = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
USERS = 20
IDLE = int(os.environ.get("BENCH_IDLE", "500"))
HERE = os.path.dirname(__file__)
POLLED = "select not exists (select from calendar_connections where last_synced_at is null)"
SENT = """
    select not exists (select from calendar_sync_queue where status = 'pending')
        and not exists (select from calendar_sync_queue where status = 'processing')
"""


def requests():
    """Creates and changes so far, and polls."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/requests") as answer:
        return json.load(answer)


def wal():
    return int(one("select pg_current_wal_lsn() - '0/0'::pg_lsn"))


def connections(status):
    """Nothing is sent while they are paused."""
    cursor.execute("update calendar_connections set status = %s", (status,))
    one("select calendar_sync_request('nobody@example.com')")


def drain(what):
    """The worker sends all that is queued; operations a second, and its milliseconds for each."""
    queued = one("select count(*) from calendar_sync_queue where status = 'pending'")
    cursor.execute("vacuum analyze calendar_sync_queue, calendar_event_links, calendar_events")
    before, logged, servers = requests()[0], wal(), cpu(SERVER)
    start, ours = time.monotonic(), cpu(WORKER)
    connections("active")
    wait("all is sent", SENT)
    taken, ours, servers = time.monotonic() - start, cpu(WORKER) - ours, cpu(SERVER) - servers
    sent, logged = requests()[0] - before, wal() - logged
    if sent != queued or one("select count(*) from calendar_sync_queue where status = 'failed'"):
        sys.exit(f"{queued} operations were queued, {sent} requests came")
    show(f"{queued} {what}: operations a second", f"{sent / taken:.0f}")
    show("  CPU of the worker, ms an operation", f"{1000 * ours / sent:.3f}")
    show("  CPU of the server of the API, ms an operation", f"{1000 * servers / sent:.3f}")
    show("  WAL, bytes an operation", f"{logged / sent:.0f}")
    connections("paused")
    return sent / taken, 1000 * ours / sent


def by_hand():
    command = [sys.executable, os.path.join(HERE, "by_hand.py"), str(SECONDS), PORT, str(OPERATIONS)]
    rate, cost = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    show("a loop by hand (Python, requests, 8 threads): operations a second", f"{rate:.0f}")
    show("  CPU, ms an operation", f"{cost:.3f}")
    return rate, cost


def idle():
    """Calendars without news, and more of them due than can be polled."""
    one("select connect(%s, %s)", USERS + 1, IDLE)
    connections("active")
    wait("all have been polled", POLLED)
    cursor.execute("vacuum analyze calendar_connections")
    cursor.execute("""
        update calendar_connections
        set poll_interval = '0.1 s', next_poll_at = clock_timestamp()
    """)
    one("select calendar_sync_request('nobody@example.com')")
    time.sleep(2)
    polls, ours, start = requests()[1], cpu(WORKER), time.monotonic()
    time.sleep(SECONDS)
    polls, ours, taken = requests()[1] - polls, cpu(WORKER) - ours, time.monotonic() - start
    show(f"polls a second of {IDLE} calendars without news", f"{polls / taken:.0f}")
    show("  CPU of the worker, ms a poll", f"{1000 * ours / polls:.3f}")


fill = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", f"users={USERS}", "-v", f"port={PORT}", "-f", f"{HERE}/fill.sql"]
subprocess.run(fill, check=True, stdout=subprocess.DEVNULL)
wait("there is a worker", "select count(*) > 0 from calendar_worker_status where pid is not null")
WORKER = one("select pid from calendar_worker_status where database = current_database()")
# Nothing is sent before the calendars were pulled once.
wait("all calendars are pulled once", POLLED)
connections("paused")

begun = time.monotonic()
cursor.execute("call make(%s, %s)", (OPERATIONS, USERS))
show(f"{OPERATIONS} events by one INSERT, each queued: ms", f"{1000 * (time.monotonic() - begun):.0f}")
created = drain("creates")
hand = by_hand()
show("operations a second, against by hand", f"{created[0] / hand[0]:.2f}")
show("CPU an operation, against by hand", f"{created[1] / hand[1]:.2f}")
cursor.execute("update calendar_events set title = title || ', moved', event_date = event_date + interval '1 minute'")
drain("updates")
# One after the other, and nothing is written while it is waited for an answer.
cursor.execute("call make(%s, 1)", (OPERATIONS // 5,))
drain("creates in one calendar")
idle()
