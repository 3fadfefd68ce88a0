#!/usr/bin/env bash
# Changes on their way out to Google's API, on a server of it that answers at once: how many operations a second the worker
# sends and what one costs, against the loop that people write; and how many calendars without news it polls. In a cluster
# of its own, with autovacuum and checkpoints as in life (but no disk is waited for: fsync is off, for the loop by hand as
# well), the server beside it on the same cores. BENCH_OPERATIONS (50,000), BENCH_IDLE (500) calendars, BENCH_SECONDS (20)
# for what has no end.
. "$(dirname "$0")/lib.sh"
here=bench/queue
cluster=bench-queue-$$

[ -x target/bench/venv/bin/python ] || {
    echo "no Python with psycopg2: run make bench"
    exit 0
}
rustc --edition 2024 -O "$here/google.rs" -o target/bench/google
exec {printed}< <(exec target/bench/google)
server=$!
trap 'kill "$server"; bin/cluster remove "$cluster"' EXIT
bin/cluster start "$cluster" shared_buffers=256MB calendar_sync.http_allow_private=on
set -a
. "target/scratch/$cluster/env"
set +a
createdb queue
read -r port <&"$printed"
PYTHONPATH=bench PGDATABASE=queue target/bench/venv/bin/python "$here/measure.py" \
    "${BENCH_OPERATIONS:-50000}" "${BENCH_SECONDS:-20}" "$server" "$port"
