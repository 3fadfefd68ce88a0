#!/usr/bin/env bash
# Interaction sync against no trigger, a PL/pgSQL row trigger and a PL/pgSQL statement trigger: the same tables and
# indexes (the extension's), the same data. And the extension where every event is queued for a calendar that it is sent
# to, as each of the 50 users has one (at a server that says that it is there, and is told nothing).
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")/interactions
alternatives=(no_trigger row_trigger statement_trigger extension sending)
seconds=${BENCH_SECONDS:-8}
clients=4

rustc --edition 2024 -O "$here/../queue/google.rs" -o target/bench/google
exec {printed}< <(exec target/bench/google)
server=$!
trap 'kill "$server"' EXIT
read -r port <&"$printed"

for alternative in "${alternatives[@]}"; do
    createdb "$alternative"
    sql "$alternative" <"$here/crm.sql" >/dev/null
    sql "$alternative" --set port="$port" <"$here/$alternative.sql" >/dev/null
done

columns="customer_id, contact_id, subject, description, location, interaction_date, duration_minutes, created_by"
empty="truncate crm.interaction, calendar_events, calendar_event_links, calendar_sync_queue, calendar_sync_log,
    calendar_sync_failures; checkpoint"
load="insert into crm.interaction (interaction_id, $columns) select md5(i::text)::uuid, $columns from crm.load"
unrelated="update crm.interaction set internal_note = 'seen'"
archive="update crm.interaction set archived = true"
filled="$empty; $load; vacuum analyze crm.interaction; vacuum analyze calendar_events"

declare -A insert update cancel one note
measure() { # measure <alternative>
    insert[$1]=$(best_of 3 "$1" "$load" "$empty")
    update[$1]=$(best_of 3 "$1" "$unrelated" "$filled")
    cancel[$1]=$(best_of 3 "$1" "$archive" "$filled")
    sql "$1" <<<"$filled" >/dev/null
    note[$1]=$(transactions_per_second "$1" "$here/update_one_unrelated.pgbench" $clients "$seconds")
    sql "$1" <<<"$empty" >/dev/null
    one[$1]=$(transactions_per_second "$1" "$here/insert_one.pgbench" $clients "$seconds")
}
for alternative in "${alternatives[@]}"; do
    measure "$alternative"
done

printf '%-36s %12s %12s %12s %12s\n' "" "${alternatives[@]}"
row() { # row <what> <values by alternative>
    local -n values=$2
    printf '%-36s' "$1"
    for alternative in "${alternatives[@]}"; do printf ' %12.0f' "${values[$alternative]}"; done
    echo
}
row "100,000 in one INSERT, ms" insert
row "100,000 archived in one UPDATE, ms" cancel
row "100,000 unrelated in one UPDATE, ms" update
row "single-row INSERT, tps" one
row "single-row unrelated UPDATE, tps" note

ratio "bulk insert, time against the statement trigger" "${insert[extension]}" "${insert[statement_trigger]}" "at most 0.70"
ratio "bulk insert, time against the row trigger" "${insert[extension]}" "${insert[row_trigger]}" "at most 0.35"
ratio "single-row insert, tps against the row trigger" "${one[extension]}" "${one[row_trigger]}" "1.60, at least 1.30"
ratio "single-row insert, tps against the statement trigger" "${one[extension]}" "${one[statement_trigger]}" "-"
ratio "single-row unrelated update, tps against no trigger" "${note[extension]}" "${note[no_trigger]}" "at least 0.97"
ratio "bulk unrelated update, time against no trigger" "${update[extension]}" "${update[no_trigger]}" "at most 1.03"
ratio "bulk archive, time against the statement trigger" "${cancel[extension]}" "${cancel[statement_trigger]}" "-"
ratio "bulk archive, time against the row trigger" "${cancel[extension]}" "${cancel[row_trigger]}" "-"
ratio "bulk insert, each queued to be sent, time against none to be sent" "${insert[sending]}" "${insert[extension]}" "-"
ratio "bulk insert, each queued to be sent, time against the row trigger" "${insert[sending]}" "${insert[row_trigger]}" "-"
ratio "single-row insert, queued to be sent, tps against none to be sent" "${one[sending]}" "${one[extension]}" "-"
