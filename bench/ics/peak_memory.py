"""Watches a process until it ends: peak_memory.py <pid> <file> keeps in the file how many kB of anonymous memory it has
had at the most, beyond what it had at first."""

import sys
import time


def anonymous(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


pid, path = sys.argv[1:]
first = most = None
try:
    while True:
        now = anonymous(pid)
        first = now if first is None else first
        if most is None or now > most:
            most = now
            with open(path, "w") as file:
                print(most - first, file=file)
        time.sleep(0.002)
except (FileNotFoundError, ProcessLookupError, StopIteration):
    pass
