//! An upgraded database equals a fresh one.
//!
//! Released install scripts are kept as they were, in sql/released/. Each is installed again, with today's library, and
//! brought up to date by the upgrade scripts sql/calendar_sync--A--B.sql; the catalogs must then say the same, line by
//! line, as after a fresh CREATE EXTENSION.

use std::fs;
use std::path::{Path, PathBuf};

use calendar_sync_e2e::{Cluster, repository};

const SCHEMA: &str = include_str!("../src/schema.sql");
const EXTENSION: &str = "calendar_sync";

/// Scripts put beside the installed ones for one story.
struct Scripts {
    folder: PathBuf,
    added: Vec<PathBuf>,
}

impl Scripts {
    fn new(cluster: &Cluster) -> Self {
        let folder = cluster
            .connect("postgres")
            .query_one("select setting || '/extension' from pg_config where name = 'SHAREDIR'", &[])
            .expect("pg_config")
            .get::<_, String>(0);
        Self { folder: folder.into(), added: Vec::new() }
    }

    fn add(&mut self, versions: &str, text: &str) {
        let path = self.folder.join(format!("{EXTENSION}--{versions}.sql"));
        fs::write(&path, text).expect("a script of the private PostgreSQL");
        self.added.push(path);
    }

    /// The install script of today's version.
    fn current(&self) -> String {
        fs::read_to_string(self.folder.join(format!("{EXTENSION}--{}.sql", current_version()))).expect("the script")
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        for path in &self.added {
            let _ = fs::remove_file(path);
        }
    }
}

fn current_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// What the extension is made of, a line for each property.
fn schema(cluster: &Cluster, database: &str) -> Vec<String> {
    let rows = cluster.connect(database).query(SCHEMA, &[]).expect("the schema's query");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The lines in which the upgrade from `version` differs from a fresh installation.
fn drift(cluster: &Cluster, version: &str) -> Vec<String> {
    for database in ["fresh", "upgraded"] {
        let mut client = cluster.connect("postgres");
        client.batch_execute(&format!("drop database if exists {database} with (force)")).expect("drop database");
        client.batch_execute(&format!("create database {database}")).expect("create database");
    }
    cluster.connect("fresh").batch_execute("create extension calendar_sync").expect("create extension");
    cluster
        .connect("upgraded")
        .batch_execute(&format!("create extension calendar_sync version '{version}'"))
        .unwrap_or_else(|error| panic!("today's library does not serve version {version}: {error:?}"));
    cluster
        .connect("upgraded")
        .batch_execute("alter extension calendar_sync update")
        .unwrap_or_else(|error| panic!("version {version} can't be brought up to date: {error:?}"));
    let (fresh, upgraded) = (schema(cluster, "fresh"), schema(cluster, "upgraded"));
    assert!(fresh.len() > 100, "the schema's query sees the extension: {fresh:?}");
    let missing = fresh.iter().filter(|line| !upgraded.contains(line)).map(|line| format!("missing: {line}"));
    let surplus = upgraded.iter().filter(|line| !fresh.contains(line)).map(|line| format!("surplus: {line}"));
    missing.chain(surplus).collect()
}

#[test]
fn a_database_upgraded_from_any_released_version_equals_a_fresh_one() {
    let released = released(&repository().join("sql/released"));
    if released.is_empty() {
        println!("skipped: no version is released yet");
        return;
    }
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut scripts = Scripts::new(&cluster);
    for (version, text) in released {
        scripts.add(&version, &text);
        let drift = drift(&cluster, &version);
        assert!(drift.is_empty(), "upgraded from {version}:\n{}", drift.join("\n"));
    }
}

/// Version and text of each released install script.
fn released(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("sql/released").map(|entry| entry.expect("a folder's entry").path());
    entries
        .filter_map(|path| {
            let version =
                path.file_name()?.to_str()?.strip_prefix("calendar_sync--")?.strip_suffix(".sql")?.to_string();
            Some((version, fs::read_to_string(path).expect("a released script")))
        })
        .collect()
}

#[test]
fn a_drifted_upgrade_is_noticed() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut scripts = Scripts::new(&cluster);
    let before = scripts.current();
    let without_column = "\nalter table calendar_series drop column updated_at;\n\
                          drop index calendar_events_user_date_idx;\n";
    let column = "alter table calendar_series add column updated_at timestamptz not null default now();\n";
    let comment = "comment on column calendar_series.updated_at is 'something else';\n";
    let index = "create index calendar_events_user_date_idx on calendar_events (user_id, event_date);\n";
    let actual = before
        .lines()
        .find(|line| line.starts_with("comment on column calendar_series.updated_at is"))
        .expect("the column's comment in the install script");

    scripts.add("drift.base", &format!("{before}{without_column}"));
    scripts.add(&format!("drift.base--{}", current_version()), &format!("{column}{index}{actual}\n"));
    assert_eq!(drift(&cluster, "drift.base"), [""; 0], "an upgrade that does it right");

    scripts.add(&format!("drift.base--{}", current_version()), &format!("{column}{index}{comment}"));
    let noticed = drift(&cluster, "drift.base");
    assert_eq!(noticed.len(), 2, "another comment: {noticed:?}");
    assert!(noticed.iter().all(|line| line.contains("calendar_series column") && line.contains("updated_at")));

    scripts.add(&format!("drift.base--{}", current_version()), &format!("{column}{actual}\n"));
    let noticed = drift(&cluster, "drift.base");
    assert_eq!(noticed.len(), 1, "a forgotten index: {noticed:?}");
    assert!(noticed[0].starts_with("missing: calendar_events index:"));
}
