//! calendar_metrics, and what docs/ holds for Prometheus and Grafana.

use std::collections::BTreeSet;
use std::fs;

use calendar_sync_e2e::{Cluster, FakeWeb, count, eventually, examples_of, repository};
use postgres::{Client, NoTls};
use serde_json::Value;

/// A database in which each metric has a sample.
pub fn busy(cluster: &Cluster, web: &FakeWeb) -> Client {
    web.serve("/team.ics", include_str!("../../demo/team.ics"));
    let mut client = cluster.connect("postgres");
    client.batch_execute("create database crm").expect("create database");
    let mut client = cluster.connect("crm");
    client
        .batch_execute(&format!(
            "create schema crm;
             create extension calendar_sync schema crm;
             select crm.calendar_subscribe('ada@example.com', '{}'), crm.calendar_subscribe('ada@example.com', '{}');
             select crm.calendar_feed_create('ada@example.com', 'feed');
             select crm.calendar_account_add('ada@example.com', 'notion', 'token');",
            web.url("/team.ics"),
            web.url("/none.ics")
        ))
        .expect("a calendar of each kind");
    eventually("both are pulled", || {
        count(
            &mut client,
            "select sum(value)::bigint from crm.calendar_metrics where name = 'calendar_sync_pulls_total'",
        ) == 2
    });
    client.batch_execute("analyze").expect("analyze");
    client
}

pub fn page(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// Connects as the role that docs/monitoring.md makes.
pub fn monitor(cluster: &Cluster, client: &mut Client) -> Client {
    client.batch_execute(&example("create role")).expect("the role");
    client.batch_execute("alter role calendar_monitor password 'monitor'").expect("its password");
    cluster.config("crm").user("calendar_monitor").password("monitor").connect(NoTls).expect("the role connects")
}

/// The samples as the page's query prints them.
pub fn exposition(client: &mut Client) -> String {
    let rows = client.query(example("# HELP").trim().trim_end_matches(';'), &[]).expect("the samples");
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

/// The example of docs/monitoring.md that holds these words.
fn example(words: &str) -> String {
    let examples = examples_of(&page("monitoring.md"));
    examples.into_iter().find(|it| it.sql.contains(words)).unwrap_or_else(|| panic!("no example with {words}")).sql
}

fn texts(client: &mut Client, query: &str) -> BTreeSet<String> {
    client.query(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}")).iter().map(|row| row.get(0)).collect()
}

/// The metrics that an expression, or a file of them, names.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_word(c)).filter(|word| word.starts_with("calendar_sync_"));
    words.map(str::to_owned).collect()
}

pub fn board() -> Value {
    serde_json::from_str(&page("grafana/calendar_sync.json")).expect("the board is JSON")
}

pub fn expressions(board: &Value) -> Vec<String> {
    let panels = board["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets.map(|target| target["expr"].as_str().expect("an expression").to_owned()).collect()
}

#[test]
fn the_page_the_board_and_the_alerts_say_what_the_view_gives() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = busy(&cluster, &web);

    let table = texts(
        &mut client,
        "select format('| `%s` | %s | %s |', name, type, help) from crm.calendar_metrics group by name, type, help",
    );
    let lines: BTreeSet<String> =
        page("monitoring.md").lines().filter(|line| line.starts_with("| `calendar_sync_")).map(str::to_owned).collect();
    assert_eq!(lines, table, "docs/monitoring.md");

    let metrics = texts(&mut client, "select name from crm.calendar_metrics");
    let expressions = expressions(&board());
    assert!(expressions.len() > 15, "{expressions:?}");
    for expression in &expressions {
        let used = named(expression);
        assert!(!used.is_empty() && used.is_subset(&metrics), "{expression}");
    }
    let alerts = page("prometheus/alerts.yml");
    let rules: String = alerts.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let rules = rules.replace("name: calendar_sync", "");
    assert!(named(&rules).len() > 5 && named(&rules).is_subset(&metrics), "{:?}", named(&rules));

    let queries = page("prometheus/queries.yml");
    for label in texts(&mut client, "select jsonb_object_keys(labels) from crm.calendar_metrics") {
        assert!(queries.contains(&format!("labels ->> '{label}' as {label}")), "queries.yml leaves out {label}");
        assert!(queries.contains(&format!("- {label}: {{usage: LABEL}}")), "queries.yml leaves out {label}");
    }
}

#[test]
fn the_workers_counters_say_what_its_pulls_came_to() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    let event = |number: u8| {
        format!("BEGIN:VEVENT\r\nUID:{number}\r\nDTSTART:2030010{number}T090000Z\r\nSUMMARY:{number}\r\nEND:VEVENT\r\n")
    };
    let calendar = |numbers: &[u8]| {
        let events: String = numbers.iter().map(|number| event(*number)).collect();
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stories//EN\r\n{events}END:VCALENDAR\r\n")
    };
    let counted = |client: &mut Client, counters: [i64; 6]| {
        eventually(&format!("{counters:?}"), || {
            let row = client
                .query_one(
                    "select pulls_applied, pulls_unchanged, pulls_failed, events_created, events_updated, events_deleted
                     from calendar_worker_counters()",
                    &[],
                )
                .expect("the counters");
            (0..6).map(|place| row.get::<_, i64>(place)).eq(counters)
        });
    };
    web.serve("/team.ics", calendar(&[1, 2, 3]));
    client.execute("select calendar_subscribe('ada@example.com', $1)", &[&web.url("/team.ics")]).expect("subscribe");
    counted(&mut client, [1, 0, 0, 3, 0, 0]);
    let request = |client: &mut Client| client.batch_execute("select calendar_sync_request()").expect("request");
    request(&mut client);
    counted(&mut client, [1, 1, 0, 3, 0, 0]);
    web.serve("/team.ics", calendar(&[2, 3, 4]).replace("SUMMARY:3", "SUMMARY:Three"));
    request(&mut client);
    counted(&mut client, [2, 1, 0, 4, 1, 1]);
    web.remove("/team.ics");
    request(&mut client);
    counted(&mut client, [2, 1, 1, 4, 1, 1]);
}

#[test]
fn the_board_has_what_grafana_wants_and_no_panel_covers_another() {
    let board = board();
    for field in ["uid", "title", "schemaVersion", "templating", "time"] {
        assert!(!board[field].is_null(), "{field}");
    }
    let variables = board["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["type"] == "datasource" && variable["query"] == "prometheus"));
    let panels = board["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_i64().expect("an id")), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_i64().expect("a place"));
        assert!(x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(places.insert(place), "{} covers another", panel["title"]);
        }
    }
}

#[test]
fn a_role_with_the_rights_that_the_page_gives_prints_samples_as_prometheus_reads_them() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = busy(&cluster, &web);
    let text = exposition(&mut monitor(&cluster, &mut client));
    let mut typed = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(matches!(kind, "gauge" | "counter"), "{line}");
            assert!(typed.insert(name.to_owned()), "{line}: a metric's samples stand together");
        } else if !line.starts_with("# HELP ") {
            let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
            let (labels, value) = rest.split_once("} ").unwrap_or_else(|| panic!("{line}"));
            assert!(typed.contains(name), "{line}");
            assert!(labels.contains("database=\"crm\""), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert_eq!(typed, texts(&mut client, "select name from crm.calendar_metrics"));
    assert!(!text.contains("ada@example.com") && !text.contains("127.0.0.1"), "{text}");
}
