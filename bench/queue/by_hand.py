"""What people write: a loop in eight threads that takes an operation, sends it, and writes down what came.

Usage: by_hand.py <seconds> <port> <operations>      makes its queue of the events in the database of the environment;
prints operations per second and milliseconds of CPU for each, those of its sessions in the server included.
"""

import os
import sys
import threading
import time

import psycopg2
import requests

from measuring import cpu, cursor

THREADS = 8
TAKE = """
    select q.queue_id, q.token, e.event_id, e.title, e.description, e.location, e.event_date, e.event_end, e.time_zone
    from queue_by_hand q
    join calendar_events e on e.event_id = q.event_id
    where q.status = 'pending'
    order by q.queue_id
    limit 1
    for update of q skip locked
"""
DONE = """
    update queue_by_hand set status = 'completed', external_id = %s, etag = %s, processed_at = now() where queue_id = %s
"""


def work(url, until, done, index):
    # As the worker does.
    database = psycopg2.connect("", options="-c synchronous_commit=off")
    cursor = database.cursor()
    session = requests.Session()
    backend = database.info.backend_pid
    while time.monotonic() < until:
        cursor.execute(TAKE)
        row = cursor.fetchone()
        if row is None:
            break
        queue, token, event, title, description, location, start, end, zone = row
        body = {
            "id": event.replace("-", ""),
            "summary": title,
            "description": description,
            "location": location,
            "start": {"dateTime": start.isoformat(), "timeZone": zone},
            "end": {"dateTime": end.isoformat(), "timeZone": zone},
        }
        answer = session.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        answer.raise_for_status()
        there = answer.json()
        cursor.execute(DONE, (there["id"], there["etag"], queue))
        database.commit()
        done[index] += 1
    done[THREADS + index] = cpu(backend)


def main():
    seconds, port, operations = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    cursor.execute("drop table if exists queue_by_hand")
    cursor.execute("""
        create table queue_by_hand (
            queue_id bigint generated always as identity primary key, event_id uuid, token text,
            status text default 'pending', external_id text, etag text, processed_at timestamptz
        )
    """)
    cursor.execute(
        "insert into queue_by_hand (event_id, token) select event_id, 'token' from calendar_events limit %s", (operations,)
    )
    cursor.execute("create index on queue_by_hand (queue_id) where status = 'pending'; analyze queue_by_hand")
    done = [0] * (2 * THREADS)
    url = f"http://127.0.0.1:{port}/calendar/v3/calendars/calendar/events"
    before, start = cpu(os.getpid()), time.monotonic()
    threads = [threading.Thread(target=work, args=(url, start + seconds, done, index)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.monotonic() - start
    sent, used = sum(done[:THREADS]), cpu(os.getpid()) - before + sum(done[THREADS:])
    print(f"{sent / taken:.0f} {1000 * used / sent:.3f}")


main()
