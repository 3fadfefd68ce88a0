//! What the pages say works as written.

mod logins;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use calendar_sync_e2e::{ADA, Cluster, FakeFlow, FakeLogin, FakeWeb, Hooks, eventually, examples_of, repository, text};
use postgres::Client;

use logins::Providers;

const TEAM_CALENDAR: &str = include_str!("../../demo/team.ics");

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(repository().join("docs")).expect("docs").map(|entry| entry.expect("a page").path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.push(repository().join("README.md"));
    pages.sort();
    pages
}

/// All that the pages speak of, as fakes, and a server to type into.
struct Stage {
    web: FakeWeb,
    flow: FakeFlow,
    login: FakeLogin,
    providers: Providers,
    cluster: Cluster,
}

impl Stage {
    fn set() -> Self {
        let web = FakeWeb::start();
        web.serve("/team.ics", TEAM_CALENDAR);
        let login = FakeLogin::start();
        login.grant_as("ada@contoso.com", "ACCESS-TOKEN", "REFRESH-TOKEN");
        Self { web, flow: FakeFlow::start(), login, providers: Providers::start(), cluster: Cluster::start() }
    }

    /// Types a page's SQL into psql, block by block, in a database of its own; gives a client of that.
    fn play(&self, page: &Path) -> Result<Client, String> {
        let text = fs::read_to_string(page).expect("a page");
        let name = page.file_stem().and_then(|name| name.to_str()).expect("its name");
        let database = format!("page_{}", name.replace('-', "_").to_lowercase());
        self.cluster
            .connect("postgres")
            .batch_execute(&format!("create database {database}"))
            .expect("create database");
        let mut client = self.cluster.connect(&database);
        let front_end = Hooks::start(self.cluster.config(&database));
        for example in examples_of(&text) {
            let sql = self.at_fakes(&example.sql, &front_end);
            let sql = self.providers.logged_in(&text, &sql, &mut client);
            type_into_psql(&self.cluster, &database, &sql)
                .map_err(|error| format!("{}, line {}:\n{error}", page.display(), example.line))?;
        }
        Ok(client)
    }

    /// An example with our addresses in place of those that a reader has.
    fn at_fakes(&self, sql: &str, front_end: &Hooks) -> String {
        let at_login = format!("'CLIENT-SECRET', '{{\"endpoints\": {},", self.login.options()["endpoints"]);
        let sql = sql.replace("https://calendar.example.com/", &self.web.url("/"));
        let sql = sql.replace("https://flow.example.com/invoke?sig=SECRET", &self.flow.url());
        let sql = sql.replace("https://crm.example.com/hooks/microsoft", &front_end.url("microsoft"));
        let sql = sql.replace("'CLIENT-SECRET', '{", &at_login);
        self.providers.registered(&sql)
    }
}

#[test]
fn every_sql_example_of_the_pages_runs_as_written() {
    let stage = Stage::set();
    let failures: Vec<String> = pages().iter().filter_map(|page| stage.play(page).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whoever has done what a provider's page says has a calendar there that is the same as the one here.
#[test]
fn each_providers_page_leads_from_nothing_to_two_way_sync() {
    let stage = Stage::set();
    for provider in ["google", "microsoft", "notion"] {
        let mut client = stage.play(&repository().join(format!("docs/{provider}.md"))).expect("the page");
        let errors = "select coalesce(string_agg(concat_ws(': ', name, last_error), ', '), '')
            from calendar_connection_status where last_error is not null";
        assert_eq!(text(&mut client, errors), "", "{provider}");
        let there = || stage.providers.titles(provider);
        assert!(there().contains(&"Night shift".to_owned()), "{provider}: {:?}", there());
        stage.providers.rename(provider, "Night shift", "Renamed there");
        client.execute("select calendar_sync_now($1)", &[&ADA]).expect("sync");
        let here = "select title from calendar_events where external_id = 'shift-17'";
        assert_eq!(text(&mut client, here), "Renamed there", "{provider}");
        client
            .execute("update calendar_events set title = 'Renamed here' where external_id = 'shift-17'", &[])
            .expect("edit");
        client.execute("select calendar_sync_now($1)", &[&ADA]).expect("sync");
        assert!(there().contains(&"Renamed here".to_owned()), "{provider}: {:?}", there());
    }
}

fn type_into_psql(cluster: &Cluster, database: &str, sql: &str) -> Result<(), String> {
    let mut psql = cluster.program("psql", database);
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]);
    let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("psql");
    let mut input = psql.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, sql.as_bytes()).expect("psql reads");
    drop(input);
    let output = psql.wait_with_output().expect("psql ends");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// As the user that the server runs as, and where this server keeps such things.
#[test]
fn the_command_that_makes_a_key_makes_one_that_the_server_takes() {
    for page in ["install.md", "outside-feeds.md"] {
        let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
        let mut client = cluster.create_database("crm");
        let key = cluster.folder().join("key_of_the_page").display().to_string();
        cluster.set("calendar_sync.encryption_key_file", &key);
        let subscribe = "select calendar_subscribe('ada@example.com', 'https://calendar.example.com/team.ics')";
        eventually("the key is looked for there", || client.batch_execute(subscribe).is_err());
        let text = fs::read_to_string(repository().join("docs").join(page)).expect("a page");
        let command = text.lines().map(str::trim).find(|line| line.contains("/dev/urandom")).expect("the command");
        let command = command.replace("/etc/postgresql/calendar_sync.key", &key);
        let mut shell = Command::new(repository().join("bin/as-server-user"));
        assert!(shell.args(["sh", "-c", &command]).status().expect("a shell").success(), "{command}");
        client.batch_execute(subscribe).unwrap_or_else(|error| panic!("{page}: {error:?}"));
    }
}

/// The first page's undo leaves nothing behind: no trigger, no column, no table of ours.
#[test]
fn the_first_pages_undo_leaves_the_crms_table_as_it_was() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.connect("postgres");
    let page = fs::read_to_string(repository().join("README.md")).expect("README.md");
    let mut examples = examples_of(&page).into_iter();
    client.batch_execute(&examples.next().expect("the CRM's tables").sql).expect("the CRM's tables");
    let what_there_is = "
        select c.relname || ' ' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0
        where c.relnamespace = 'public'::regnamespace and not a.attisdropped
        union all select tgname from pg_trigger
        union all select proname from pg_proc where pronamespace = 'public'::regnamespace
        order by 1";
    let state = |client: &mut Client| -> Vec<String> {
        client.query(what_there_is, &[]).expect("the catalog").iter().map(|row| row.get(0)).collect()
    };
    let before = state(&mut client);
    for example in examples {
        client.batch_execute(&example.sql).unwrap_or_else(|error| panic!("line {}: {error:?}", example.line));
    }
    assert_eq!(state(&mut client), before);
}

/// docs/settings.md holds the table that the server's own list of settings gives.
#[test]
fn the_page_of_settings_says_what_the_server_says() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.connect("postgres");
    let rows = client
        .query(
            "select name, coalesce(boot_val, ''), coalesce(unit, ''), context, short_desc
             from pg_settings
             where name like 'calendar\\_sync.%'
             order by name",
            &[],
        )
        .expect("pg_settings");
    let lines = rows.iter().map(|row| {
        let [name, default, unit, context, what] = [0, 1, 2, 3, 4].map(|column| row.get::<_, &str>(column));
        let who = match context {
            "user" => "any user",
            "superuser" => "superuser",
            _ => "server",
        };
        format!("| `{name}` | {} | {who} | {what} |", readable(default, unit))
    });
    let table = lines.collect::<Vec<String>>().join("\n");
    assert!(rows.len() > 20, "{table}");
    let page = fs::read_to_string(repository().join("docs/settings.md")).expect("docs/settings.md");
    assert!(page.contains(&table), "docs/settings.md should hold these lines:\n{table}");
}

/// A default as a person would write it.
fn readable(default: &str, unit: &str) -> String {
    const DAY: i64 = 86_400;
    let number = || default.parse::<i64>().expect("a setting with a unit is a number");
    match unit {
        "s" if number() % DAY == 0 => format!("{} days", number() / DAY),
        "s" => format!("{} min", number() / 60),
        "ms" => format!("{} s", number() / 1000),
        "kB" => format!("{} MB", number() / 1024),
        _ if default.is_empty() => "none".to_string(),
        _ => default.to_string(),
    }
}
