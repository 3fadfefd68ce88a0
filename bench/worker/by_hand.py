"""What people write: a loop in eight threads that takes a due feed, asks for it with what it knows, and writes down what came.

Usage: by_hand.py <seconds> <port> ...      makes its table in the database of the environment; prints polls per second
and milliseconds of CPU for each, those of its sessions in the server included.
"""

import os
import sys
import threading
import time

import psycopg2
import requests

from measuring import cpu, cursor

FEEDS = 10_000
THREADS = 8
TAKE = """
    update feeds_by_hand set next_poll_at = now() + interval '5 minutes'
    where feed_id = (
        select feed_id from feeds_by_hand where next_poll_at <= now() order by next_poll_at limit 1 for update skip locked
    )
    returning feed_id, url, etag
"""
DONE = """
    update feeds_by_hand set etag = %s, last_synced_at = now(), next_poll_at = now() + interval '5 seconds'
    where feed_id = %s
"""


def work(until, done, index):
    # As the worker does.
    database = psycopg2.connect("", options="-c synchronous_commit=off")
    database.autocommit = True
    cursor = database.cursor()
    session = requests.Session()
    backend = database.info.backend_pid
    while time.monotonic() < until:
        cursor.execute(TAKE)
        row = cursor.fetchone()
        if row is None:
            time.sleep(0.01)
            continue
        feed, url, etag = row
        answer = session.get(url, headers={"If-None-Match": etag} if etag else {}, timeout=30)
        cursor.execute(DONE, (answer.headers.get("ETag", etag), feed))
        done[index] += 1
    done[THREADS + index] = cpu(backend)


def main():
    seconds, ports = float(sys.argv[1]), sys.argv[2:]
    cursor.execute("""
        create table feeds_by_hand (
            feed_id int primary key, url text, etag text, next_poll_at timestamptz, last_synced_at timestamptz
        )
    """)
    cursor.execute(
        """
        insert into feeds_by_hand (feed_id, url, etag, next_poll_at)
        select n, format('http://127.0.0.1:%%s/feed/%%s', (%s::text[])[1 + n %% %s], n), '"1"', now()
        from generate_series(1, %s) n
        """,
        (ports, len(ports), FEEDS),
    )
    cursor.execute("create index on feeds_by_hand (next_poll_at); analyze feeds_by_hand")
    done = [0] * (2 * THREADS)
    before = cpu(os.getpid())
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(until, done, index)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    polls, used = sum(done[:THREADS]), cpu(os.getpid()) - before + sum(done[THREADS:])
    print(f"{polls / seconds:.0f} {1000 * used / polls:.3f}")


main()
