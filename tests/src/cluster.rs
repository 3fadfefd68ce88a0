//! A scratch cluster of one story: made by `bin/cluster`, removed when it goes out of scope.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postgres::{Client, Config, NoTls};

use crate::{eventually, repository, script};

/// A running PostgreSQL with `shared_preload_libraries = 'calendar_sync'`, a key file, and private addresses allowed
/// (the fake web server is on loopback).
pub struct Cluster {
    name: String,
    connection: BTreeMap<String, String>,
}

impl Cluster {
    /// With the worker on.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// `settings`: further lines of postgresql.conf, such as `("calendar_sync.worker", "off")`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::launch(Command::new(script("cluster")), settings)
    }

    /// By another program that runs what its last arguments say, in an environment of its own: `env`, `unshare`.
    pub fn start_through(mut launcher: Command, settings: &[(&str, &str)]) -> Self {
        launcher.arg(script("cluster"));
        Self::launch(launcher, settings)
    }

    fn launch(mut start: Command, settings: &[(&str, &str)]) -> Self {
        let name = new_name();
        start.args(["start", &name, "calendar_sync.http_allow_private=on"]);
        start.args(settings.iter().map(|(setting, value)| format!("{setting}={value}")));
        run(&mut start);
        Self::started(name)
    }

    /// Makes a hot standby that follows it.
    pub fn standby(&self) -> Self {
        let name = new_name();
        run(Command::new(script("cluster")).args(["standby", &name, &self.name]));
        Self::started(name)
    }

    fn started(name: String) -> Self {
        let connection = std::fs::read_to_string(folder_of(&name).join("env"))
            .expect("bin/cluster writes how to connect")
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        Self { name, connection }
    }

    /// Makes a database with the extension in it, and connects to it as the superuser.
    pub fn create_database(&self, database: &str) -> Client {
        self.connect("postgres").batch_execute(&format!("create database {database}")).expect("create database");
        let mut client = self.connect(database);
        client.batch_execute("create extension calendar_sync").expect("create extension");
        client
    }

    /// Connects as the superuser; to a server that one of its processes was killed of once it has recovered.
    pub fn connect(&self, database: &str) -> Client {
        let mut tries = 0;
        loop {
            match self.config(database).connect(NoTls) {
                Ok(client) => return client,
                Err(error) if error.is_closed() && tries < 100 => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) => panic!("connect to {database}: {error:?}"),
            }
        }
    }

    /// For a connection with other properties: another user, an application_name, a notice callback.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.connection["PGHOST"])
            .port(self.connection["PGPORT"].parse().expect("a port"))
            .user(&self.connection["PGUSER"])
            .password(&self.connection["PGPASSWORD"])
            .dbname(database);
        config
    }

    /// The same for libpq: a subscription, dblink.
    pub fn connection_string(&self, database: &str) -> String {
        let of = |key: &str| &self.connection[key];
        format!(
            "host={} port={} user={} password={} dbname={database}",
            of("PGHOST"),
            of("PGPORT"),
            of("PGUSER"),
            of("PGPASSWORD")
        )
    }

    /// One of PostgreSQL's client programs (psql, pg_dump, pg_restore, pgbench, ...), set to connect to `database`.
    pub fn program(&self, program: &str, database: &str) -> Command {
        let bin = build_setting("PG_BIN");
        let mut command = Command::new(PathBuf::from(bin).join(program));
        command.envs(&self.connection).env("PGDATABASE", database);
        command
    }

    /// Runs one of PostgreSQL's client programs and returns what it prints.
    pub fn run_program(&self, program: &str, database: &str, arguments: &[&str]) -> String {
        run(self.program(program, database).args(arguments))
    }

    /// Sets a setting for the whole cluster, and has its processes read it, which each does a moment later.
    pub fn set(&self, setting: &str, value: &str) {
        let mut client = self.connect("postgres");
        client.batch_execute(&format!("alter system set {setting} = '{value}'")).expect("alter system");
        client.batch_execute("select pg_reload_conf()").expect("reload");
    }

    /// Stops and starts it. `mode` as pg_ctl's: fast, smart, immediate.
    pub fn restart(&self, mode: &str) {
        run(Command::new(script("cluster")).args(["restart", &self.name, mode]));
    }

    /// Kills a server process, as the kernel would for want of memory. The postmaster then ends every other one and
    /// recovers; waits until that is done. Connections made before are gone.
    pub fn kill(&self, pid: i32) {
        const RECOVERED: &str = "all server processes terminated; reinitializing";
        const READY: &str = "database system is ready to accept connections";
        let recoveries = |log: &str| log.matches(RECOVERED).count();
        let before = recoveries(&self.log());
        run(Command::new("kill").args(["-KILL", &pid.to_string()]));
        eventually("the server has recovered", || {
            let log = self.log();
            recoveries(&log) > before && log.rfind(READY) > log.rfind(RECOVERED)
        });
    }

    /// Kills the first of the server's processes, and starts it again as soon as the others have noticed.
    pub fn kill_server(&self) {
        let file = std::fs::read_to_string(self.folder().join("data/postmaster.pid")).expect("a running server");
        run(Command::new("kill").args(["-KILL", file.lines().next().expect("its pid")]));
        eventually("the server starts again", || {
            Command::new(script("cluster")).args(["restart", &self.name]).output().is_ok_and(|it| it.status.success())
        });
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder().join("log")).expect("the server's log")).into_owned()
    }

    /// A folder of its own, with its data, its log and its key; removed with it.
    pub fn folder(&self) -> PathBuf {
        folder_of(&self.name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            println!("--- the server's last words\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = Command::new(script("cluster")).args(["remove", &self.name]).status();
    }
}

fn new_name() -> String {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    format!("e2e-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

fn folder_of(name: &str) -> PathBuf {
    repository().join("target/scratch").join(name)
}

/// A line of target/build.env, which bin/setup writes.
fn build_setting(key: &str) -> String {
    let settings = std::fs::read_to_string(repository().join("target/build.env")).expect("run bin/setup test first");
    settings
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {key} in target/build.env"))
        .trim_matches('\'')
        .to_string()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
