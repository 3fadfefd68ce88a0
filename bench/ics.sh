#!/usr/bin/env bash
# Calendar files: a first import, the same again, a hundredth changed, memory; parsing and exporting against Python's
# icalendar. CPU time of the backend, and of Python, is what is compared: it says the same on a busy machine.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")/ics
python=target/venv/bin/python
# Where the server can read them.
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
chmod 755 "$files"

generate() { "$python" "$here/generate.py" "$files/$1.ics" "${@:2}"; }
generate first
generate again --stamp 20260202T000000Z
generate changed --stamp 20260203T000000Z --changed 0.01
generate small --events 10000 --plain
bytes=$(stat -c %s "$files/first.ics")

createdb ics
sql ics <<<'create extension calendar_sync' >/dev/null 2>&1

# run <statement>: sets cpu (ms of the backend), elapsed (ms), result, and memory (kB of anonymous memory at the most,
# beyond what an idle backend has)
run() {
    local log=$files/log
    sql ics >"$log" <<END
select pg_backend_pid() as pid \gset
\setenv PID :pid
\setenv OUT $files/memory
\! $python $here/peak_memory.py "\$PID" "\$OUT" & sleep 0.5
\! awk '{ print "cpu", (\$14 + \$15) * 10 }' "/proc/\$PID/stat"
\timing on
$1;
\timing off
\! awk '{ print "cpu", (\$14 + \$15) * 10 }' "/proc/\$PID/stat"
END
    cpu=$(awk '/^cpu/ { if (seen++) print $2 - before; before = $2 }' "$log")
    elapsed=$(sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' "$log" | tail -1)
    result=$(grep -vE '^(cpu|Time:)' "$log")
    memory=$(cat "$files/memory")
}
import() { run "select string_agg(format('%s %s', n, action), ', ') from (select action, count(*) as n from calendar_ics_import('u', pg_read_file('$files/$1.ics')) group by action) t"; }

printf '%-36s %9s %9s %12s  %s\n' "$((bytes / 1000000)) MB, 50,000 events" "CPU ms" "ms" "memory MB" "result"
row() { printf '%-36s %9.0f %9.0f %12.1f  %s\n' "$1" "$cpu" "$elapsed" "$(awk -v kb="$memory" 'BEGIN { print kb / 1024 }')" "$result"; }

import first
row "first import"
first_cpu=$cpu first_elapsed=$elapsed first_memory=$memory
import again
row "the same again (DTSTAMP is new)"
again_cpu=$cpu again_elapsed=$elapsed again_memory=$memory
import changed
row "a hundredth has changed"
changed_cpu=$cpu

sql ics >/dev/null <<<"select count(*) from calendar_ics_import('small', pg_read_file('$files/small.ics')); vacuum analyze calendar_events"
# Ten times, since CPU time is counted in steps of 10 ms.
run "select max(octet_length(calendar_ics_export('small', '-infinity', 'infinity'))) || ' bytes' from generate_series(1, 10)"
cpu=$((cpu / 10)) elapsed=$(awk -v ms="$elapsed" 'BEGIN { print ms / 10 }')
row "export of 10,000 events"
export_cpu=$cpu
read -r python_parse python_write <<<"$("$python" "$here/python_icalendar.py" "$files/small.ics")"
sql ics >/dev/null <<<"delete from calendar_events where user_id = 'small'"
run "select count(*) from calendar_ics_import('small', pg_read_file('$files/small.ics'))"
row "import of 10,000 events"
printf '%-36s %9.0f\n' "icalendar: parse 10,000 events" "$python_parse"
printf '%-36s %9.0f\n' "icalendar: write 10,000 events" "$python_write"

ratio "first import, seconds" "$first_elapsed" 1000 "at most 4.00"
ratio "unchanged import, CPU against the first" "$again_cpu" "$first_cpu" "at most 0.15"
ratio "unchanged import, time against the first" "$again_elapsed" "$first_elapsed" "at most 0.15"
ratio "a hundredth changed, CPU against the first" "$changed_cpu" "$first_cpu" "-"
ratio "memory of the first import against the file" "$((first_memory * 1024))" "$bytes" "at most 3.00"
ratio "memory of an unchanged import against the file" "$((again_memory * 1024))" "$bytes" "at most 3.00"
ratio "icalendar's CPU to write 10,000 events, against the export" "$python_write" "$export_cpu" "at least 20.00"
ratio "icalendar's CPU to parse 10,000 events, against the import" "$python_parse" "$cpu" "-"
