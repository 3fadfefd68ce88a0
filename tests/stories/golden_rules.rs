//! The golden cases of recurrence rules, asked through SQL: what Rust's tests of the core find with zones of their own,
//! PostgreSQL's zones and functions give, too.

use std::path::PathBuf;

use calendar_sync_e2e::{Cluster, golden_folder, repository};
use postgres::Client;

/// The cases of a file as a JSON array.
fn cases(file: PathBuf) -> String {
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    format!("[{}]", text.lines().collect::<Vec<_>>().join(","))
}

/// The same of a file that is kept with the core's own tests.
fn own(file: &str) -> String {
    cases(repository().join("core/tests/golden").join(file))
}

/// Asks all cases of a file at once. `found` and `expected` are arrays of text made from the case `r`, whose start and
/// zone are `dtstart` and `tz`.
fn compare(client: &mut Client, file: &str, cases: &str, expected: &str, found: &str) {
    let query = format!(
        "select r ->> 'id', r ->> 'rule', e.expected::text, f.found::text
         from jsonb_array_elements($1::text::jsonb) r
         cross join lateral (select coalesce(nullif(r ->> 'tz', 'floating'), 'UTC') as tz) z
         cross join lateral (select (r ->> 'dtstart')::timestamp at time zone tz as dtstart) s
         cross join lateral (select ({expected})::text[] as expected) e
         cross join lateral (select ({found})::text[] as found) f
         where f.found is distinct from e.expected"
    );
    assert_ne!(cases, "[]", "{file} has no cases");
    let wrong = client.query(&query, &[&cases]).unwrap_or_else(|error| panic!("{file}: {error:?}"));
    let say = |row: &postgres::Row| {
        let [id, rule, expected, found] = [0, 1, 2, 3].map(|column| row.get::<_, String>(column));
        format!("{id} {rule}\n  expected {expected}\n  found    {found}")
    };
    let first: Vec<String> = wrong.iter().take(3).map(say).collect();
    assert!(wrong.is_empty(), "{} cases of {file} are wrong, such as:\n{}", wrong.len(), first.join("\n"));
}

#[test]
fn every_golden_rule_gives_through_sql_what_is_expected() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("rules");
    let instants = "to_char(o at time zone 'UTC', 'YYYYMMDD\"T\"HH24MISS')";
    let list = |field: &str| format!("array(select rtrim(jsonb_array_elements_text({field}), 'Z'))");

    // Where the server's zone data are newer than those that the cases were made with, the local time counts, up to UNTIL.
    let expected = "array(
        select to_char(instant, 'YYYYMMDD\"T\"HH24MISS')
        from rows from (
            jsonb_array_elements_text(case r ->> 'tz' when 'floating' then r -> 'expected_local' else r -> 'expected_utc' end),
            jsonb_array_elements_text(r -> 'expected_local')
        ) with ordinality as pair (utc_text, local_text, n)
        cross join lateral (select rtrim(utc_text, 'Z')::timestamp as utc, local_text::timestamp as local) times
        cross join lateral (
            select case
                when utc at time zone 'UTC' at time zone tz = local then utc
                else local at time zone tz at time zone 'UTC'
            end as instant
        ) as given
        where instant <= coalesce(substring(r ->> 'rule' from 'UNTIL=([0-9T]+)')::timestamp, 'infinity')
        order by n
    )";
    let found = format!(
        "array(select {instants} from calendar_rrule_occurrences(
            r ->> 'rule', dtstart, tz,
            max_count => jsonb_array_length(r -> 'expected_local') + (r ->> 'complete')::boolean::int
        ) o)"
    );
    compare(&mut client, "rrule_golden", &own("rrule_golden.jsonl"), expected, &found);

    // What a gap shifts on to a later occurrence counts once.
    let expected = "array(select distinct rtrim(jsonb_array_elements_text(r -> 'expected_utc_shift'), 'Z') order by 1)";
    let found = format!(
        "array(select {instants} from calendar_rrule_occurrences(
            r ->> 'rule', dtstart, tz, max_count => cardinality(e.expected)
        ) o)"
    );
    compare(&mut client, "rrule_dst", &own("rrule_dst.jsonl"), expected, &found);

    let dates =
        |field: &str| format!("array(select jsonb_array_elements_text(r -> '{field}')::timestamp at time zone tz)");
    let found = format!(
        "array(select {instants} from calendar_rrule_occurrences(
            r ->> 'rule', dtstart, tz, null, (r ->> 'up_to')::timestamp at time zone tz, {}, {}, null
        ) o)",
        dates("exdate"),
        dates("rdate")
    );
    let expected = "array(
        select to_char(local::timestamp at time zone tz at time zone 'UTC', 'YYYYMMDD\"T\"HH24MISS')
        from jsonb_array_elements_text(r -> 'expected_local') local
    )";
    compare(&mut client, "rrule_sets", &own("rrule_sets.jsonl"), expected, &found);

    let found = "array(select to_char(o, 'YYYYMMDD') from calendar_rrule_dates(
        r ->> 'rule', (r ->> 'dtstart')::date,
        max_count => jsonb_array_length(r -> 'expected') + (r ->> 'complete')::boolean::int
    ) o)";
    compare(&mut client, "rrule_dates", &own("rrule_dates.jsonl"), &list("r -> 'expected'"), found);

    let Some(libical) = golden_folder().map(|folder| folder.join("rrule_libical.jsonl")) else {
        println!("skipped: rrule_libical, name the folder of the golden data in CALENDAR_SYNC_GOLDEN");
        return;
    };
    let found = "array(select to_char(o at time zone tz, 'YYYYMMDD\"T\"HH24MISS') from calendar_rrule_occurrences(
        r ->> 'rule', dtstart, tz, max_count => jsonb_array_length(r -> 'expected_local')
    ) o)";
    compare(&mut client, "rrule_libical", &cases(libical), &list("r -> 'expected_local'"), found);
}
