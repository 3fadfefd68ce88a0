#!/usr/bin/env bash
# Calendar queries over EVENTS events (default a million; 10000000 for the figure that counts) of a thousandth as many
# users, against what an application would ask by hand: as loaded, with nothing known of the tables, and analyzed.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")/queries
events=${EVENTS:-1000000}
seconds=${BENCH_SECONDS:-5}
people=$((events / 1000))
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT

createdb queries
sql queries <<<"create extension calendar_sync" >/dev/null 2>&1
sql queries --set events="$events" --file "$here/fill.sql" >/dev/null

user="'user' || :person || '@example.com'"
users() { echo "array(select 'user' || 1 + (:person + 97 * i) % $people || '@example.com' from generate_series(1, $1) i)"; }
shown="sync_status <> 'deleted'"
busy="$shown and event_status <> 'cancelled' and show_as <> 'free'"

# script <name> <statement>
script() { printf '%s\n' "\\set person random(1, $people)" "$2" >"$scripts/$1.pgbench"; }
script agenda "select * from calendar_agenda($user, now(), now() + interval '1 month');"
script agenda_by_hand "select event_id, title, event_date, event_end, all_day, location, event_status, series_id,
    recurrence_id, external_source from calendar_events where user_id = $user and event_date >= now() - interval '1 day'
    and event_date < now() + interval '1 month' and coalesce(event_end, event_date) > now() and $shown order by event_date;"
script year "select * from calendar_agenda($user, now() - interval '1 year', now());"
script free_busy "select * from calendar_free_busy($(users 50), now(), now() + interval '14 days');"
script free_busy_by_hand "select user_id, range_agg(tstzrange(event_date, event_end)) from calendar_events
    where user_id = any ($(users 50)) and event_date >= now() - interval '1 day'
    and event_date < now() + interval '14 days' and event_end > now() and $busy group by user_id;"
script free_slots "select * from calendar_free_slots($(users 5), now(), now() + interval '14 days', '1 hour',
    '{\"MO\": [[\"09:00\", \"17:00\"]], \"TH\": [[\"09:00\", \"12:00\"]]}', 'Europe/Berlin');"
script overlaps "select * from calendar_overlaps($user, now(), now() + interval '1 month');"
script nobody "select * from calendar_agenda('nobody' || :person, now(), now() + interval '1 month');"

declare -A p50 p95
measure() { read -r "p50[$1]" "p95[$1]" <<<"$(latencies queries "$scripts/$1.pgbench" "$seconds")"; }
row() { printf '%-58s %8s ms %8s ms   %s\n' "$1" "${p50[$2]}" "${p95[$2]}" "${3:-}"; }
for state in "as loaded" analyzed; do
    [ "$state" = "as loaded" ] || sql queries <<<"vacuum analyze"
    for name in agenda agenda_by_hand year free_busy free_busy_by_hand free_slots overlaps nobody; do
        measure "$name"
    done
    printf '%-58s %11s %11s\n' "$events events, $state" p50 p95
    row "agenda of a month" agenda "goal at 10,000,000 events: p95 under 5 ms"
    row "  a plain range query by hand" agenda_by_hand
    row "agenda of a year" year
    row "agenda of nobody" nobody
    row "free/busy of 50 people, two weeks" free_busy "goal at 10,000,000 events: p95 under 50 ms"
    row "  range_agg by hand" free_busy_by_hand
    row "free slots of 5 people, two weeks, working hours" free_slots
    row "overlaps of a month" overlaps
    ratio "agenda, time against the plain range query" "${p50[agenda]}" "${p50[agenda_by_hand]}" "-"
    ratio "free/busy, time against range_agg" "${p50[free_busy]}" "${p50[free_busy_by_hand]}" "-"
done

# What an application asks in plain SQL goes by an index.
while IFS=$'\t' read -r what query; do
    [ -n "$query" ] || continue
    plan=$(sql queries <<<"explain (costs off) $query")
    printf '%-40s %s\n' "$what" "$(grep -oE 'calendar_events_[a-z_]+|Seq Scan on calendar_events' <<<"$plan" | head -1)"
done <"$here/plain.sql"
