# Sourced by the subjects in this folder, which bench/run starts with a connection to its cluster in the environment.
set -euo pipefail

# sql <database> [psql option ...]: runs standard input
sql() {
    local database=$1
    shift
    psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --dbname "$database" "$@"
}

# best_of <n> <database> <statement> [statement to run before each]: milliseconds of the fastest run
best_of() {
    local n=$1 database=$2 statement=$3 before=${4:-}
    for _ in $(seq "$n"); do
        [ -z "$before" ] || sql "$database" <<<"$before" >/dev/null
        printf '%s\n' '\timing on' "$statement" | sql "$database" | sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' | tail -1
    done | sort -n | head -1
}

# transactions_per_second <database> <pgbench script> <clients> <seconds>
transactions_per_second() {
    pgbench --no-vacuum --protocol=prepared --file="$2" --client="$3" --jobs="$3" --time="$4" "$1" 2>/dev/null |
        sed -nE 's/^tps = ([0-9.]+).*/\1/p'
}

# latencies <database> <pgbench script> <seconds> [pgbench option ...]: "p50 p95" of one client's transactions, in milliseconds
latencies() {
    local database=$1 script=$2 seconds=$3 logs
    shift 3
    logs=$(mktemp -d)
    pgbench --no-vacuum --protocol=prepared --file="$script" --time="$seconds" --log --log-prefix="$logs/log" "$@" \
        "$database" >/dev/null 2>"$logs/errors" || die_with "$logs/errors"
    sort -n -k3,3 "$logs"/log.* | awk '{ us[NR] = $3 } END { printf "%.2f %.2f\n", us[int((NR + 1) / 2)] / 1000, us[int(NR * 0.95 + 0.999)] / 1000 }'
    rm -rf "$logs"
}
die_with() {
    cat "$1" >&2
    exit 1
}

# ratio <what> <ours> <theirs> <goal, as text>
ratio() { awk -v what="$1" -v ours="$2" -v theirs="$3" -v goal="$4" 'BEGIN { printf "%-70s %8.2f   goal %s\n", what, ours / theirs, goal }'; }
