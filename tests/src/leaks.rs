//! What is secret is planted wherever it may come along, and then looked for wherever somebody may look.
//!
//! A place more: add it to [`Looker::places`]. A form more that a secret may take: to [`forms_of`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use postgres::{Client, NoTls};
use url::form_urlencoded;

use crate::Cluster;

/// The server says as much as it can; only what statements were given as parameters is kept out, as the docs tell.
/// PostgreSQL 15 warns of the setting of auto_explain that it does not have yet, and goes on.
pub const TALKATIVE: [(&str, &str); 17] = [
    ("shared_preload_libraries", "calendar_sync,pg_stat_statements,auto_explain"),
    ("log_min_messages", "debug5"),
    ("log_min_error_statement", "debug5"),
    ("log_error_verbosity", "verbose"),
    ("log_statement", "all"),
    ("log_min_duration_statement", "0"),
    ("log_parameter_max_length", "0"),
    ("log_connections", "on"),
    ("log_lock_waits", "on"),
    ("track_functions", "all"),
    ("pg_stat_statements.track", "all"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_nested_statements", "on"),
    ("auto_explain.log_parameter_max_length", "0"),
    ("calendar_sync.manual_sync_limit", "1000"),
    ("calendar_sync.http_timeout", "1s"),
    ("calendar_sync.notify", "on"),
];

/// A text as it stands, as PostgreSQL shows bytes, in addresses, and in base64 wherever it may stand in what is encoded.
fn forms_of(text: &str) -> Vec<String> {
    let mut forms = vec![
        text.to_owned(),
        text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        form_urlencoded::byte_serialize(text.as_bytes()).collect(),
    ];
    for before in 0..3_usize {
        // Six bits a letter: those that other bytes have a part in are left out.
        let bytes = [&vec![0; before], text.as_bytes()].concat();
        let whole = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        forms
            .extend([&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&bytes)[whole.clone()].to_owned()));
    }
    forms.sort();
    forms.dedup();
    forms
}

/// Looks at everything, and keeps what must not be there: where, and what.
pub struct Looker<'a> {
    cluster: &'a Cluster,
    forms: AhoCorasick,
    pub found: BTreeMap<String, String>,
}

impl<'a> Looker<'a> {
    /// `secrets`: looked for in every form.
    ///
    /// # Panics
    /// Where one is so short that it may stand anywhere by chance.
    pub fn new(cluster: &'a Cluster, secrets: &[impl AsRef<str>]) -> Self {
        let secrets: Vec<&str> = secrets.iter().map(AsRef::as_ref).collect();
        assert!(secrets.iter().all(|secret| secret.len() >= 6), "{secrets:?}");
        let forms = AhoCorasick::new(secrets.into_iter().flat_map(forms_of)).expect("some thousand words");
        Self { cluster, forms, found: BTreeMap::new() }
    }

    pub fn look(&mut self, place: &str, text: &str) {
        let Some(found) = self.forms.find(text) else { return };
        let around: String =
            text[..found.start()].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
        self.found.entry(place.to_owned()).or_insert(format!("…{around}{}", &text[found.range()]));
    }

    fn query(&mut self, client: &mut Client, place: &str, query: &str) {
        let shown = format!("select coalesce(string_agg(shown::text, ' '), '') from ({query}) shown");
        let text: String = client.query_one(&shown, &[]).unwrap_or_else(|error| panic!("{place}: {error:?}")).get(0);
        self.look(place, &text);
    }

    /// Log, dumps, tables and views, and what a superuser can ask for beside.
    pub fn places(&mut self, client: &mut Client) {
        let cluster = self.cluster;
        self.look("the server's log", &cluster.log());
        self.look("a dump", &cluster.run_program("pg_dump", "crm", &["--inserts"]));
        self.look("a dump of roles and settings", &cluster.run_program("pg_dumpall", "crm", &["--globals-only"]));
        for name in members(client) {
            self.query(client, &name, &format!("select * from {name}"));
        }
        for query in [
            "select * from calendar_sync_status('ada')",
            "select * from calendar_worker_states()",
            "select calendar_ics_export('ada')",
            "select * from calendar_agenda('ada', '2029-01-01', '2031-01-01')",
            "select * from pg_stat_statements",
            "select * from pg_settings",
            "select * from pg_prepared_statements",
            "select * from pg_stat_activity where pid <> pg_backend_pid()",
            "select * from pg_stats",
            "select * from pg_locks",
        ] {
            self.query(client, query, query);
        }
    }
}

/// Tables and views of the extension.
fn members(client: &mut Client) -> Vec<String> {
    let members = client
        .query(
            "select c.oid::regclass::text
             from pg_depend d
             join pg_class c on c.oid = d.objid
             where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
               and d.classid = 'pg_class'::regclass
               and c.relkind in ('r', 'v', 'p', 'm')",
            &[],
        )
        .expect("tables and views");
    assert!(members.len() > 10, "tables and views");
    members.iter().map(|member| member.get(0)).collect()
}

/// A session that hears everything that a session can be told, while somebody watches pg_stat_activity.
pub struct Overheard {
    pub session: Client,
    heard: Arc<Mutex<String>>,
    done: Arc<AtomicBool>,
    activity: JoinHandle<String>,
}

impl Overheard {
    /// `name`: the session's application_name. Makes pg_stat_statements.
    pub fn start(cluster: &Cluster, client: &mut Client, name: &str) -> Self {
        client.batch_execute("create extension pg_stat_statements").expect("create extension");
        let heard = Arc::new(Mutex::new(String::new()));
        let mut config = cluster.config("crm");
        config.application_name(name);
        let hearing = heard.clone();
        config.notice_callback(move |notice| hearing.lock().expect("notices").push_str(&format!("{notice:?}")));
        let mut session = config.connect(NoTls).expect("connect");
        session.batch_execute("set client_min_messages = debug5").expect("set");
        let done = Arc::new(AtomicBool::new(false));
        Self { session, heard, activity: watch_activity(cluster, done.clone()), done }
    }

    /// Looks at all of that, and everywhere else.
    pub fn look(self, looker: &mut Looker, client: &mut Client) {
        looker.places(client);
        self.done.store(true, Ordering::Relaxed);
        looker.look("pg_stat_activity all the while", &self.activity.join().expect("activity"));
        let heard = self.heard.lock().expect("notices");
        assert!(!heard.is_empty(), "a session is told something");
        looker.look("what a session is told", &heard);
    }
}

/// What pg_stat_activity shows while things go on.
fn watch_activity(cluster: &Cluster, done: Arc<AtomicBool>) -> JoinHandle<String> {
    let mut client = cluster.connect("crm");
    let query = client.prepare("select a::text from pg_stat_activity a").expect("prepare");
    std::thread::spawn(move || {
        let mut seen = String::new();
        while !done.load(Ordering::Relaxed) {
            let rows = client.query(&query, &[]).expect("activity");
            for row in rows {
                let line: String = row.get(0);
                if !seen.contains(&line) {
                    seen.push_str(&line);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    })
}
