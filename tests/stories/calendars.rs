//! Calendars as programs write them (`tests/calendars`): beside each file stands what it is read as, through SQL. What is
//! exported of it is read as the same by ourselves, by icalendar with recurring_ical_events, and by libical.
//!
//! ACCEPT=1 takes what is found as expected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use calendar_sync_e2e::{Cluster, FakeWeb, Occurrence, read_occurrences, read_with_libical, repository};
use libtest_mimic::{Arguments, Failed, Trial};
use postgres::Client;

const FROM: &str = "2025-01-01T00:00:00+00:00";
const TO: &str = "2026-01-01T00:00:00+00:00";

/// What the other readers read otherwise than RFC 5545 has it.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("exrule", "icalendar", "does not know EXRULE, which RFC 5545 has dropped (A.2)"),
    ("exrule", "libical", "knows EXRULE, but takes only its first date"),
    ("lotus", "libical", "leaves RDATEs out that are PERIODs (3.8.5.2)"),
    ("this_and_future", "libical", "does not know RANGE=THISANDFUTURE (3.8.4.4)"),
    (
        "periods_and_rules",
        "libical",
        "takes a DTSTART that the clock leaves out as the time that it shows for all instances",
    ),
];

fn main() {
    let arguments = Arguments::from_args();
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join("tests/calendars"))
        .expect("tests/calendars")
        .map(|entry| entry.expect("its entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ics"))
        .collect();
    files.sort();
    let name = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if arguments.list {
        let trials = files.iter().map(|file| Trial::test(name(file), || Ok(()))).collect();
        libtest_mimic::run(&arguments, trials).exit();
    }
    let cluster = Arc::new(Cluster::start_with(&[("calendar_sync.worker", "off")]));
    cluster.create_database("crm");
    let trials = files.into_iter().map(|file| {
        let cluster = cluster.clone();
        Trial::test(name(&file), move || Story { client: cluster.connect("crm"), name: name(&file), file }.run())
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(cluster);
    conclusion.exit();
}

/// Of everything in an agenda: start and title, and all of it in a line.
type Agenda = Vec<((String, String), String)>;

struct Story {
    client: Client,
    name: String,
    file: PathBuf,
}

impl Story {
    fn run(mut self) -> Result<(), Failed> {
        let first = self.name.clone();
        let bytes = std::fs::read(&self.file)?;
        let mut found = match String::from_utf8(bytes) {
            Ok(ics) => self.imported(&first, &ics)?,
            Err(other) => self.pulled(&first, other.into_bytes())?,
        };
        let agenda = self.agenda(&first)?;
        found.extend(agenda.iter().map(|(_, line)| line.clone()));
        self.compare_with_file(&found.join("\n"))?;
        let exported = self.exported(&first)?;
        self.compare_readers(&agenda, &exported)?;
        let again = format!("{first}, again");
        same("importing the export", &self.imported(&again, &exported)?, &vec![])?;
        same("the agenda of the export", &self.agenda(&again)?, &agenda)?;
        same("the export of the export", &unstamped(&self.exported(&again)?), &unstamped(&exported))
    }

    /// Imports a file, twice; returns what could not be read.
    fn imported(&mut self, user: &str, ics: &str) -> Result<Vec<String>, Failed> {
        let import =
            "select coalesce(uid, ''), coalesce(action, ''), coalesce(error, '') from calendar_ics_import($1, $2)";
        let first = self.client.query(import, &[&user, &ics])?;
        let again = self.client.query(import, &[&user, &ics])?;
        let changed: Vec<String> =
            again.iter().filter(|row| !["unchanged", ""].contains(&row.get(1))).map(|row| row.get(0)).collect();
        same("importing the same again", &changed, &vec![])?;
        let bad = first.iter().filter(|row| !row.get::<_, &str>(2).is_empty());
        Ok(bad.map(|row| format!("{}! {}", row.get::<_, &str>(0), row.get::<_, &str>(2))).collect())
    }

    /// A file that is no text for a database comes over HTTP.
    fn pulled(&mut self, user: &str, body: Vec<u8>) -> Result<Vec<String>, Failed> {
        let web = FakeWeb::start();
        web.serve("/calendar.ics", body);
        self.client.execute("select calendar_subscribe($1, $2)", &[&user, &web.url("/calendar.ics")])?;
        let rows = self.client.query("select error from calendar_sync_now($1)", &[&user])?;
        Ok(rows.iter().filter_map(|row| row.get(0)).collect())
    }

    fn agenda(&mut self, user: &str) -> Result<Agenda, Failed> {
        let rows = self.client.query(
            r#"select to_char(starts_at at time zone 'UTC', f), coalesce(to_char(ends_at at time zone 'UTC', f), '-'),
                  event_status, replace(title, e'\n', '\n'), coalesce(' @ ' || replace(location, e'\n', '\n'), '')
              from calendar_agenda($1, $2::text::timestamptz, $3::text::timestamptz),
                   lateral (select case when all_day then 'YYYYMMDD' else 'YYYYMMDD"T"HH24MISS"Z"' end) as format (f)"#,
            &[&user, &FROM, &TO],
        )?;
        let line = |row: &postgres::Row| -> ((String, String), String) {
            let [start, end, status, title, place] = [0, 1, 2, 3, 4].map(|column| row.get::<_, String>(column));
            let line = format!("{start} {end} {status} {title}{place}");
            ((start, title), line)
        };
        Ok(rows.iter().map(line).collect())
    }

    fn exported(&mut self, user: &str) -> Result<String, Failed> {
        let export = "select calendar_ics_export($1, $2::text::timestamptz, $3::text::timestamptz)";
        Ok(self.client.query_one(export, &[&user, &FROM, &TO])?.get(0))
    }

    fn compare_with_file(&self, found: &str) -> Result<(), Failed> {
        let beside = self.file.with_extension("agenda");
        let found = format!("{found}\n");
        if std::env::var_os("ACCEPT").is_some() {
            return Ok(std::fs::write(beside, found)?);
        }
        same("the agenda", &found, &std::fs::read_to_string(beside)?)
    }

    fn compare_readers(&self, agenda: &Agenda, exported: &str) -> Result<(), Failed> {
        let mut expected: Vec<(String, String)> = agenda.iter().map(|(known, _)| known.clone()).collect();
        expected.sort();
        for (reader, read) in
            [("icalendar", read_occurrences as fn(&str, &str, &str) -> Vec<Occurrence>), ("libical", read_with_libical)]
        {
            if OTHERWISE.iter().any(|(file, other, _)| (*file, *other) == (&self.name, reader)) {
                continue;
            }
            let occurrences = read(exported, FROM, TO).into_iter();
            let mut found: Vec<_> = occurrences.map(|it| (it.start, it.summary.replace('\n', "\\n"))).collect();
            found.sort();
            same(&format!("{reader}'s reading of the export\n{exported}\n"), &found, &expected)?;
        }
        Ok(())
    }
}

/// A file without what says when it was written: most programs leave the time of the last change out.
fn unstamped(ics: &str) -> String {
    let is_stamp = |line: &&str| line.starts_with("DTSTAMP:") || line.starts_with("LAST-MODIFIED:");
    ics.lines().filter(|line| !is_stamp(line)).collect::<Vec<_>>().join("\n")
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, found: &T, expected: &T) -> Result<(), Failed> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n{found:#?}\nexpected:\n{expected:#?}").into())
}
