//! What the pages say works as written.

mod logins;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use calendar_sync_e2e::{Cluster, FakeFlow, FakeLogin, FakeWeb, examples_of, repository};

use logins::Providers;

const TEAM_CALENDAR: &str = include_str!("../../demo/team.ics");

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(repository().join("docs")).expect("docs").map(|entry| entry.expect("a page").path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.push(repository().join("README.md"));
    pages.sort();
    pages
}

/// Each page's SQL is typed into psql, block by block, in a database of its own.
#[test]
fn every_sql_example_of_the_pages_runs_as_written() {
    let web = FakeWeb::start();
    web.serve("/team.ics", TEAM_CALENDAR);
    let flow = FakeFlow::start();
    let login = FakeLogin::start();
    login.grant_as("ada@contoso.com", "ACCESS-TOKEN", "REFRESH-TOKEN");
    let at_login = format!("'CLIENT-SECRET', '{{\"endpoints\": {},", login.options()["endpoints"]);
    let providers = Providers::start();
    let cluster = Cluster::start();
    let mut failures = Vec::new();
    for (number, page) in pages().iter().enumerate() {
        let text = fs::read_to_string(page).expect("a page");
        let database = format!("page{number}");
        cluster.connect("postgres").batch_execute(&format!("create database {database}")).expect("create database");
        for example in examples_of(&text) {
            let sql = example.sql.replace("https://calendar.example.com/", &web.url("/"));
            let sql = sql.replace("https://flow.example.com/invoke?sig=SECRET", &flow.url());
            let sql = sql.replace("'CLIENT-SECRET', '{", &at_login);
            let sql = providers.registered(&sql);
            let sql = providers.logged_in(&text, &sql, &mut cluster.connect(&database));
            if let Err(error) = type_into_psql(&cluster, &database, &sql) {
                failures.push(format!("{}, line {}:\n{error}", page.display(), example.line));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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
    let state = |client: &mut postgres::Client| -> Vec<String> {
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
