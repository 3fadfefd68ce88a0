#!/usr/bin/env bash
# Recurrence rules: occurrences per second of one call through SQL (planned before, the best of three), against libical
# and DAViCal's PL/pgSQL in the same database, and python-dateutil and the rrule crate outside of it. Then what must not
# cost much: far windows, hostile rules, the first of many. A peer that is absent, or gives another number of
# occurrences, shows as "-". The crate's figure is criterion's mean, from core's own benchmark.
#
# BENCH_SKIP_CRATE=1 takes for the crate what that benchmark measured last, if it ever ran.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")/recurrence
peers=$(pwd)/target/bench
database=recurrence

createdb "$database"
sql "$database" <"$here/functions.sql" 2>/dev/null

has_libical= has_davical=
if [ -f /usr/include/libical/ical.h ]; then
    mkdir -p "$peers/libical"
    make -s -C "$peers/libical" -f "$(pwd)/$here/libical/Makefile" VPATH="$(pwd)/$here/libical" PG_CONFIG="$PG_BIN/pg_config" \
        with_llvm=no
    sql "$database" --set library="$peers/libical/libical_occurrences.so" <"$here/libical.sql"
    has_libical=yes
fi
if [ -f "$peers/davical/rrule_functions.sql" ]; then
    PGOPTIONS="--client-min-messages=error" sql "$database" <"$peers/davical/rrule_functions.sql" >/dev/null
    has_davical=yes
fi
[ -n "$has_libical" ] || echo "skipped: libical (bin/setup test installs libical-dev)"
[ -n "$has_davical" ] || echo "skipped: DAViCal's functions (bench/setup fetches them)"

names=("daily" "weekly" "monthly" "yearly" "until" "daily in New York")
declare -A rule=(
    [daily]="FREQ=DAILY;COUNT=1000"
    [weekly]="FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=1000"
    [monthly]="FREQ=MONTHLY;BYDAY=-1FR;COUNT=500"
    [yearly]="FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=100"
    [until]="FREQ=DAILY;INTERVAL=10;UNTIL=27760101T000000Z"
    ["daily in New York"]="FREQ=DAILY;COUNT=1000"
)
declare -A share=([daily]=0.50 [weekly]=0.50 [monthly]=0.33 [yearly]=0.20 [until]=0.50)
start="'2026-01-01 09:00+00'"

# rate <call> [rows]: occurrences per second; nothing if the call does not give as many rows
rate() {
    sql "$database" --field-separator=' ' <<<"select seconds, rows from fastest(\$call\$$1\$call\$, 3)" 2>/dev/null |
        awk -v rows="${2:-}" 'rows == "" || $2 == rows { printf "%.0f\n", $2 / $1 }'
}
per_second() { awk -v seconds="$1" -v rows="$2" 'BEGIN { if (seconds > 0) printf "%.0f\n", rows / seconds }'; }

# The crate's seconds by rule, from core's own benchmark.
crate=$(
    # Without it there are no figures, rather than those of an earlier run.
    [ -n "${BENCH_SKIP_CRATE:-}" ] || cargo bench --quiet -p calendar_sync_core --bench recurrence -- rrule \
        --warm-up-time 0.2 --measurement-time 1 --sample-size 10 >/dev/null 2>&1 || exit 0
    for name in "${names[@]}"; do
        file="target/criterion/$name/rrule/new/estimates.json"
        [ ! -f "$file" ] ||
            python3 -c 'import json, sys; print(sys.argv[2], json.load(open(sys.argv[1]))["mean"]["point_estimate"] / 1e9, sep="\t")' \
                "$file" "$name"
    done
)

series=$(rate "(select generate_series(timestamptz '1970-01-01', '4707-11-28', interval '1 day')) s")
declare -A ours libical davical
printf '%-20s %14s %14s %14s %14s %14s\n' "occurrences/s" calendar_sync libical "DAViCal" dateutil "rrule crate"
for name in "${names[@]}"; do
    zone=UTC
    [ "$name" != "daily in New York" ] || zone=America/New_York
    call="calendar_rrule_occurrences('${rule[$name]}', $start, '$zone', max_count => null)"
    rows=$(sql "$database" <<<"select count(*) from $call")
    ours[$name]=$(rate "$call" "$rows")
    [ -z "$has_libical" ] || libical[$name]=$(rate "libical_occurrences('${rule[$name]}', $start, '$zone')" "$rows")
    # It expands in the session's time zone.
    [ -z "$has_davical" ] || davical[$name]=$(
        PGTZ=$zone rate "rrule_event_instances_range($start, '${rule[$name]}', $start, '9999-01-01', 1000000)" "$rows"
    )
    dateutil=$(per_second "$(target/venv/bin/python "$here/dateutil_seconds.py" "$zone" "${rule[$name]}" 2>/dev/null || echo 0)" "$rows")
    outside=$(per_second "$(awk -F'\t' -v name="$name" '$1 == name { print $2 }' <<<"$crate")" "$rows")
    printf '%-20s %14s %14s %14s %14s %14s\n' "$name" "${ours[$name]}" "${libical[$name]:--}" "${davical[$name]:--}" \
        "${dateutil:--}" "${outside:--}"
done
printf '%-20s %14s   (in the select list, where it streams)\n\n' generate_series "$series"

for name in "${names[@]}"; do
    best=$(printf '%s\n' "${libical[$name]:-}" "${davical[$name]:-}" | sort -n | tail -1)
    [ -z "$best" ] || ratio "$name: against the best in the database" "${ours[$name]}" "$best" "at least 3"
    [ -z "${share[$name]:-}" ] || ratio "$name: share of generate_series" "${ours[$name]}" "$series" "at least ${share[$name]}"
done
ratio "daily in New York: against UTC" "${ours[daily in New York]}" "${ours[daily]}" "at least 0.80"

# figure <what> <value> <unit> <goal>
figure() { printf '%-70s %8.1f %s   goal under %s\n' "$@"; }

far() { # far <rule> <year>
    local seconds
    seconds=$(sql "$database" <<<"select min(seconds_of_a_window('$1', $2)) from generate_series(1, 3)")
    figure "two days of $2, $1" "$(awk -v s="$seconds" 'BEGIN { print s * 1e6 }')" "us" "100"
}
far "FREQ=DAILY" 2040
far "FREQ=DAILY" 9990
far "FREQ=MONTHLY;BYDAY=-1FR;COUNT=100000" 9990
far "FREQ=YEARLY;BYWEEKNO=20;COUNT=100000" 2040
far "FREQ=MINUTELY;INTERVAL=90;BYHOUR=9,10" 2040
far "FREQ=MINUTELY;INTERVAL=7;BYDAY=MO;COUNT=100000000" 2040

for hostile in "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" "FREQ=MINUTELY;BYHOUR=5;BYSETPOS=2" "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30" \
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2" "FREQ=HOURLY;INTERVAL=7;BYDAY=SU;BYHOUR=0,8,15" "FREQ=SECONDLY;INTERVAL=7;BYDAY=MO;COUNT=4294967295"; do
    milliseconds=$(sql "$database" <<<"select milliseconds_to_end(\$\$select calendar_rrule_next('$hostile', '1970-01-01', 'UTC', '2030-01-01')\$\$)")
    figure "the end of $hostile" "$milliseconds" "ms" "100"
done

whole=$(sql "$database" <<<"select seconds from fastest(\$\$calendar_rrule_occurrences('FREQ=SECONDLY', $start, max_count => 1000000)\$\$, 3)")
first=$(sql "$database" <<<"select seconds from fastest(\$\$(select * from calendar_rrule_occurrences('FREQ=SECONDLY', $start, max_count => 1000000) limit 1) s\$\$, 3)")
ratio "the first of a million occurrences, time against all" "$first" "$whole" "at most 0.01"
