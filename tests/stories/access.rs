//! What calendar_grant gives survives a dump and a restore.

use calendar_sync_e2e::{Cluster, count};
use postgres::Client;

const LEVELS: &str = "
    create role app_reader;
    create role app_ada;
    create role app_pool;
    create role app_web;
    create role app_admin;
    create role app_again;";

const GRANTS: &str = "
    select calendar_grant('app_reader', 'reader');
    select calendar_grant('app_ada', 'user', 'ada@example.com');
    select calendar_grant('app_pool', 'user');
    select calendar_grant('app_web', 'web');
    select calendar_grant('app_admin', 'admin');
    select calendar_grant('app_again', 'admin');
    drop owned by app_again;
    select calendar_grant('app_again', 'user', 'ada@example.com');";

const EVENTS: &str = r#"
    select calendar_upsert_events(person, 'shop', '[
        {"external_id": "1", "title": "Talk", "start": "2031-01-01T10:00:00Z"},
        {"external_id": "2", "title": "Daily", "start": "2031-01-02T10:00:00Z", "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}
    ]')
    from unnest(array['ada@example.com', 'grace@example.com']) person;
    create table links as select token from calendar_feed_create('ada@example.com', 'public');
    grant select on links to app_web;"#;

/// What somebody may try, each statement on its own.
const ATTEMPTS: &[&str] = &[
    "select from calendar_events",
    "select from calendar_series",
    "select from calendar_connection_status",
    "select from calendar_connections",
    "select feed_id from calendar_feeds",
    "select token_hash from calendar_feeds",
    "select calendar_agenda('ada@example.com', '2031-01-01', '2031-02-01')",
    "select calendar_agenda('grace@example.com', '2031-01-01', '2031-02-01')",
    "select calendar_free_busy(array['ada@example.com', 'grace@example.com'], '2031-01-01', '2031-02-01')",
    "insert into calendar_events (user_id, title, event_date) values ('ada@example.com', '', now())",
    "insert into calendar_events (user_id, title, event_date) values ('grace@example.com', '', now())",
    "select calendar_feed(token) from links",
    "select calendar_grant('app_ada', 'admin')",
    "select calendar_sync_request()",
];

/// What becomes of each attempt of each role: how many rows, or the SQLSTATE.
fn outcomes(cluster: &Cluster, database: &str) -> Vec<(String, &'static str, String)> {
    let mut outcomes = Vec::new();
    for role in ["app_reader", "app_ada", "app_pool", "app_web", "app_admin", "app_again"] {
        let mut client = cluster.connect(database);
        client
            .batch_execute(&format!(
                "set session authorization {role}; set calendar_sync.user_id = 'grace@example.com'"
            ))
            .expect("become the role");
        for attempt in ATTEMPTS {
            let mut transaction = client.transaction().expect("begin");
            let outcome = match transaction.execute(*attempt, &[]) {
                Ok(rows) => rows.to_string(),
                Err(error) => error.code().expect("an SQLSTATE").code().to_owned(),
            };
            outcomes.push((role.to_owned(), *attempt, outcome));
        }
    }
    outcomes
}

fn policies(client: &mut Client) -> Vec<String> {
    let rows = client
        .query(
            "select concat_ws(' | ', polrelid::regclass, polname, polroles::regrole[], pg_get_expr(polqual, polrelid),
                 pg_get_expr(polwithcheck, polrelid))
             from pg_policy order by 1",
            &[],
        )
        .expect("the policies");
    rows.iter().map(|row| row.get(0)).collect()
}

fn start() -> Cluster {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    cluster.connect("postgres").batch_execute(LEVELS).expect("the roles");
    cluster
}

#[test]
fn after_a_dump_and_restore_into_another_cluster_the_same_roles_may_do_the_same() {
    let original = start();
    let mut client = original.create_database("crm");
    client.batch_execute(GRANTS).expect("the grants");
    client.batch_execute(EVENTS).expect("events");
    let before = outcomes(&original, "crm");
    let refused = before.iter().filter(|(_, _, outcome)| outcome == "42501").count();
    assert!(refused > 15 && before.len() - refused > 15, "{before:#?}");

    let policies_before = policies(&mut client);
    assert_eq!(policies_before.len(), 8);
    let dump = dump(&original);
    for how in ["--exit-on-error", "--single-transaction"] {
        let copy = start();
        restore(&copy, how, &dump);
        assert_eq!(policies(&mut copy.connect("crm")), policies_before);
        assert_eq!(outcomes(&copy, "crm"), before);
        // The extension goes with its policies.
        let mut client = copy.connect("crm");
        client.batch_execute("drop table links; drop extension calendar_sync").expect("drop extension");
        assert_eq!(count(&mut client, "select count(*) from pg_policy"), 0);
    }
}

fn dump(cluster: &Cluster) -> String {
    let dump = cluster.folder().join("crm.dump");
    let file = dump.to_str().expect("a path in UTF-8").to_owned();
    cluster.run_program("pg_dump", "crm", &["--format=custom", "--file", &file]);
    file
}

fn restore(cluster: &Cluster, how: &str, dump: &str) {
    cluster.connect("postgres").batch_execute("create database crm").expect("create database");
    cluster.run_program("pg_restore", "crm", &[how, "--dbname=crm", dump]);
}

/// The privileges come with the dump, the policies not: then there must be no row to see.
#[test]
fn a_role_whose_policies_did_not_come_with_a_restore_may_act_for_nobody() {
    let original = start();
    let mut client = original.create_database("crm");
    client.batch_execute(GRANTS).expect("the grants");
    client.batch_execute(EVENTS).expect("events");
    client.batch_execute("alter role app_ada rename to app_eve").expect("another name");
    let dump = dump(&original);

    let copy = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    copy.connect("postgres").batch_execute(&LEVELS.replace("app_ada", "app_eve")).expect("the roles");
    restore(&copy, "--exit-on-error", &dump);
    let mut client = copy.connect("crm");
    client
        .batch_execute("set session authorization app_eve; set calendar_sync.user_id = 'grace@example.com'")
        .expect("become the role");
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 0);
    for user in ["ada@example.com", "grace@example.com"] {
        let agenda = client.query("select * from calendar_agenda($1, '2031-01-01', '2031-02-01')", &[&user]);
        let error = agenda.expect_err("an agenda");
        assert_eq!(error.code().map(|code| code.code()), Some("42501"));
    }
    client
        .batch_execute("reset session authorization; select calendar_grant('app_eve', 'user', 'ada@example.com')")
        .expect("granted again");
    client.batch_execute("set session authorization app_eve").expect("become the role");
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 1);
}
