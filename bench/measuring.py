"""What measurements of the worker, and of loops by hand, have in common: a session in the database of the environment."""

import os
import sys
import time

import psycopg2

database = psycopg2.connect("")
database.autocommit = True
cursor = database.cursor()


def one(query, *values):
    """The row that a query gives; of one column its value."""
    cursor.execute(query, values or None)
    row = cursor.fetchone()
    return row[0] if len(row) == 1 else row


def cpu(pid):
    """Seconds of a process so far."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait(what, query, *values):
    """Until the query is true; for ten minutes."""
    until = time.monotonic() + 600
    while not one(query, *values):
        if time.monotonic() > until:
            sys.exit(f"did not come about: {what}")
        time.sleep(0.1)


def show(what, value):
    print(f"{what:<66} {value}", flush=True)
