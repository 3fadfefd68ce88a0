//! A real calendar client: vdirsyncer, which fetches a calendar by its URL, and khal, which shows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::repository;

/// A user's own copy of a published calendar.
pub struct Khal {
    folder: PathBuf,
}

/// One occurrence as the client shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// `2026-03-29 09:00` in UTC, or a date for an all-day event.
    pub start: String,
    /// Of an all-day event the last date.
    pub end: String,
    pub title: String,
    pub status: String,
}

impl Khal {
    /// Subscribes to the calendar; what it keeps goes into `folder`.
    pub fn subscribe(url: &str, folder: &Path) -> Self {
        for name in ["status", "calendar"] {
            fs::create_dir_all(folder.join(name)).expect("the client's folder");
        }
        let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
        let vdirsyncer = format!(
            "[general]\nstatus_path = {status:?}\n\
             [pair feed]\na = \"published\"\nb = \"here\"\ncollections = null\n\
             [storage published]\ntype = \"http\"\nurl = {url:?}\n\
             [storage here]\ntype = \"filesystem\"\npath = {calendar:?}\nfileext = \".ics\"\n",
            status = path("status"),
            calendar = path("calendar"),
        );
        let khal = format!(
            "[calendars]\n[[feed]]\npath = {calendar}\n\
             [sqlite]\npath = {cache}\n\
             [locale]\nlocal_timezone = UTC\ndefault_timezone = UTC\ntimeformat = %H:%M\n\
             dateformat = %Y-%m-%d\nlongdateformat = %Y-%m-%d\n\
             datetimeformat = %Y-%m-%d %H:%M\nlongdatetimeformat = %Y-%m-%d %H:%M\n",
            calendar = path("calendar"),
            cache = path("khal.db"),
        );
        fs::write(folder.join("vdirsyncer.conf"), vdirsyncer).expect("vdirsyncer's configuration");
        fs::write(folder.join("khal.conf"), khal).expect("khal's configuration");
        let client = Self { folder: folder.to_owned() };
        client.run("vdirsyncer", &["discover"]);
        client
    }

    /// Fetches what is published now.
    pub fn sync(&self) {
        // An empty calendar is what was published, too.
        self.run("vdirsyncer", &["sync", "--force-delete"]);
    }

    /// What starts on a date from `from` on and before `to`, or reaches into these days.
    pub fn list(&self, from: &str, to: &str) -> BTreeSet<Shown> {
        let mut arguments = vec!["list".to_owned()];
        for field in ["start-long", "end-long", "title", "status"] {
            arguments.extend(["--json".to_owned(), field.to_owned()]);
        }
        arguments.extend([from.to_owned(), to.to_owned()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // One list of events a day; what takes several days is in each of theirs.
        let listed = self.run("khal", &arguments);
        listed
            .lines()
            .flat_map(|day| serde_json::from_str::<Vec<Value>>(day).expect("a day's events"))
            .map(shown)
            .collect()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(repository().join("target/venv/bin").join(program))
            .arg("-c")
            .arg(self.folder.join(format!("{program}.conf")))
            .args(arguments)
            .stdin(Stdio::null())
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("target/venv is there: run bin/setup test");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn shown(event: Value) -> Shown {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    Shown { start: text("start-long"), end: text("end-long"), title: text("title"), status: text("status") }
}
