#!/usr/bin/env bash
# The worker over 10,000 feeds that answer 304, in a cluster of its own, with autovacuum and checkpoints as in life (but
# no disk is waited for: fsync is off, for the loop by hand as well), the feeds' server beside it on the same cores: how
# many polls a second it manages and what one costs, against the loop that people write; how late polls and changes are,
# also when some servers never answer. BENCH_SECONDS (60) for each phase.
. "$(dirname "$0")/lib.sh"
here=bench/worker
cluster=bench-worker-$$

[ -x target/bench/venv/bin/python ] || {
    echo "no Python with psycopg2: run make bench"
    exit 0
}
rustc --edition 2024 -O "$here/feeds.rs" -o target/bench/feeds
target/bench/feeds 16 >target/bench/ports &
server=$!
trap 'kill "$server"; bin/cluster remove "$cluster"' EXIT
bin/cluster start "$cluster" shared_buffers=256MB track_commit_timestamp=on calendar_sync.http_allow_private=on
set -a
. "target/scratch/$cluster/env"
set +a
createdb worker
mapfile -t ports <target/bench/ports
sql worker --set feeds=10000 --set ports="{$(IFS=, && echo "${ports[*]}")}" --file "$here/fill.sql" >/dev/null
PYTHONPATH=bench PGDATABASE=worker target/bench/venv/bin/python "$here/measure.py" "${BENCH_SECONDS:-60}" "$server" "${ports[@]}"
