//! The pages that a DBA on call works from know every state, status, error and message there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use calendar_sync_e2e::{Cluster, repository};

/// Files whose errors a pull can end with.
const ERRORS: &[&str] = &[
    "src/http/error.rs",
    "src/providers",
    "src/secrets/keyring.rs",
    "src/sync/fetch.rs",
    "core/src/ics/read.rs",
    "src/providers/power_automate",
    "core/src/providers/power_automate/shape.rs",
];
/// Files that write to the server's log.
const MESSAGES: &[&str] =
    &["src/worker", "src/interaction/trigger.rs", "src/interaction/backfill.rs", "src/sync/webhooks"];

fn page(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// Rust sources at a path of the repository: the file, or all of the folder.
fn sources(path: &str) -> Vec<String> {
    let path = repository().join(path);
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.is_file() {
        return vec![read(&path)];
    }
    let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).map(|path| read(&path)).collect()
}

/// The string literals that stand behind `opening` in the sources, with their line continuations joined.
fn literals(paths: &[&str], opening: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in paths.iter().flat_map(|path| sources(path)) {
        for rest in source.split(opening).skip(1) {
            let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
            let joined = rest.replace("\\\"", "\u{1}");
            let literal = joined.split('"').next().expect("a literal's end").replace('\u{1}', "\"");
            let lines: Vec<&str> = literal.split("\\\n").map(str::trim_start).collect();
            found.insert(lines.concat());
        }
    }
    found
}

/// The longest piece of a message that is the same whatever is filled in, without the blanks around it.
fn fixed_part(message: &str) -> &str {
    let pieces = message.split(['{', '}']).step_by(2);
    pieces.max_by_key(|piece| piece.len()).unwrap_or_default().trim_matches([' ', ':', ';', ','])
}

#[test]
fn every_error_that_a_pull_can_end_with_stands_in_a_page() {
    let errors = literals(ERRORS, "#[error(");
    assert!(errors.len() > 30, "{errors:?}");
    let told = page("outside-feeds.md") + &page("power-automate.md") + &page("accounts.md");
    let missing: Vec<&str> =
        errors.iter().map(|error| fixed_part(error)).filter(|part| part.len() > 3 && !told.contains(part)).collect();
    assert!(missing.is_empty(), "the pages on outside calendars say nothing of: {missing:#?}");
}

#[test]
fn every_message_in_the_servers_log_stands_in_the_page_for_whoever_is_on_call() {
    let page = page("on-call.md");
    let messages: Vec<String> = ["warning!(", "log!("].iter().flat_map(|opening| literals(MESSAGES, opening)).collect();
    assert!(messages.len() > 8, "{messages:?}");
    let missing: Vec<&str> =
        messages.iter().map(|message| fixed_part(message)).filter(|part| !page.contains(part)).collect();
    assert!(missing.is_empty(), "docs/on-call.md says nothing of: {missing:#?}");
}

#[test]
fn the_tables_of_states_and_statuses_are_those_of_the_database() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    let page = page("outside-feeds.md");

    let mut said = |view: &str, column: &str| -> BTreeSet<String> {
        let comment = client.query_one(
            "select col_description(attrelid, attnum) from pg_attribute
             where attrelid = $1::text::regclass and attname = $2",
            &[&view, &column],
        );
        let mut comment: String = comment.expect("a comment").get(0);
        while let (Some(from), Some(to)) = (comment.find('('), comment.find(')')) {
            comment.replace_range(from..=to, "");
        }
        comment.split(',').map(|word| word.trim().to_owned()).collect()
    };
    assert_eq!(words_of(&page, "| state of a worker |"), said("calendar_worker_status", "state"));
    let shown = said("calendar_connection_status", "status");
    assert_eq!(words_of(&page, "| status of a connection |"), shown);

    let allowed = client
        .query(
            "select match[1] from pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''', 'g') match
             where conname = 'calendar_connections_status_check'",
            &[],
        )
        .expect("the statuses");
    let allowed: BTreeSet<String> = allowed.iter().map(|row| row.get(0)).collect();
    assert!(allowed.len() >= 5 && allowed.is_subset(&shown), "{allowed:?}");
}

/// The words in code in the first column of the table with that heading.
fn words_of(page: &str, heading: &str) -> BTreeSet<String> {
    let rows = page.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let first = rows.take_while(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_alert_leads_to_a_section_of_the_page_for_whoever_is_on_call() {
    let sections: BTreeSet<String> = page("on-call.md")
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let alerts = page("prometheus/alerts.yml");
    let runbooks: Vec<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook: docs/on-call.md#")).collect();
    assert_eq!(runbooks.len(), alerts.matches("- alert:").count(), "each alert has one");
    for section in runbooks {
        assert!(sections.contains(section), "docs/on-call.md has no section {section}");
    }
}
