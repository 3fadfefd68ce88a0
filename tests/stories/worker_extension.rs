//! DROP and ALTER EXTENSION while the worker is busy.

use calendar_sync_e2e::{
    Cluster, FakeWeb, Fault, activity_of, count, eventually, numbered_calendar, subscribe_to, worker_of, worker_state,
};
use postgres::Client;

const EVENTS: &str = "select count(*) from calendar_events";
/// Takes some seconds to apply, of which none is waited for.
const MANY: usize = 6_000;

/// A database whose worker is amid applying a large calendar, beside a server that does not answer.
fn applying(cluster: &Cluster, web: &FakeWeb) -> Client {
    web.serve("/stall.ics", "");
    web.set_fault("/stall.ics", Fault::Stall);
    web.serve("/large.ics", numbered_calendar(MANY));
    let mut client = cluster.create_database("crm");
    subscribe_to(&mut client, web, "/stall.ics");
    subscribe_to(&mut client, web, "/large.ics");
    eventually("the worker applies", || activity_of(&mut client, "crm").contains("applying"));
    client
}

#[test]
fn a_drop_amid_a_large_pull_undoes_it_and_the_extension_comes_back_in_another_schema() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = applying(&cluster, &web);
    client.batch_execute("drop extension calendar_sync").expect("drop extension");
    assert!(cluster.log().contains("terminating background worker"), "the worker was stopped, not waited for");
    client
        .batch_execute("create schema other; set search_path = other; create extension calendar_sync schema other")
        .expect("create extension");
    web.serve("/team.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/team.ics");
    eventually("the new one is pulled", || count(&mut client, EVENTS) == 3);
    assert_eq!(count(&mut client, "select count(*) from calendar_sync_log where status <> 'success'"), 0);
}

#[test]
fn a_drop_that_is_undone_gives_the_worker_back() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = applying(&cluster, &web);
    client.batch_execute("begin; savepoint before; drop extension calendar_sync").expect("drop extension");
    assert_eq!(worker_of(&mut client, "crm"), None);
    client.batch_execute("rollback to before").expect("rollback");
    assert_eq!(worker_state(&mut client), "held off");
    client.batch_execute("commit").expect("commit");
    eventually("the large calendar is pulled", || count(&mut client, EVENTS) == MANY as i64);
}

#[test]
fn an_update_amid_a_large_pull_is_not_kept_waiting_and_the_pull_is_made_again() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let folder = cluster
        .connect("postgres")
        .query_one("select setting || '/extension' from pg_config where name = 'SHAREDIR'", &[])
        .expect("pg_config")
        .get::<_, String>(0);
    // From this version to one that there is not yet.
    let script =
        format!("{folder}/calendar_sync--{}--{}.next.sql", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_VERSION"));
    std::fs::write(&script, "alter table @extschema@.calendar_events add column mood text;\n").expect("a script");
    let mut client = applying(&cluster, &web);
    let update = format!("alter extension calendar_sync update to '{}.next'", env!("CARGO_PKG_VERSION"));
    let updated = client.batch_execute(&update);
    std::fs::remove_file(&script).expect("the script");
    updated.expect("alter extension");
    assert!(cluster.log().contains("terminating background worker"), "the worker was stopped, not waited for");
    eventually("the large calendar is pulled", || count(&mut client, EVENTS) == MANY as i64);
    assert_eq!(count(&mut client, "select count(*) from calendar_events where mood is null"), MANY as i64);
    assert_eq!(count(&mut client, "select count(distinct external_id) from calendar_events"), MANY as i64);
}

#[test]
fn a_drop_of_its_schema_waits_for_no_more_than_a_round_and_the_worker_steps_aside_until_it_is_undone() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut other = cluster.create_database("other");
    cluster.connect("postgres").batch_execute("create database crm").expect("create database");
    let mut client = cluster.connect("crm");
    client
        .batch_execute("create schema crm; create extension calendar_sync schema crm; set search_path = crm")
        .expect("create extension");
    web.serve("/team.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/team.ics");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
    let worker = worker_of(&mut client, "crm");
    client.batch_execute("begin; drop schema crm cascade").expect("drop schema");
    let held = "select count(*) from calendar_worker_status where database = 'crm' and state = 'held off'";
    eventually("it steps aside", || count(&mut other, held) == 1);
    client.batch_execute("rollback").expect("rollback");
    eventually("it goes on", || worker_state(&mut client) == "running");
    assert_eq!(worker_of(&mut client, "crm"), worker);
}

#[test]
fn who_does_not_own_the_extension_can_not_stop_the_worker() {
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    eventually("it has a worker", || worker_of(&mut client, "crm").is_some());
    let worker = worker_of(&mut client, "crm");
    client.batch_execute("create role mallory; set role mallory").expect("a role");
    for command in [
        "drop extension calendar_sync",
        "alter extension calendar_sync update",
        "drop database crm",
        "alter database crm rename to other",
        "alter database crm set work_mem = '4MB'",
    ] {
        client.batch_execute(command).expect_err(command);
    }
    client.batch_execute("reset role").expect("reset");
    assert_eq!(worker_of(&mut client, "crm"), worker);
    assert!(!cluster.log().contains("terminating background worker"));
}

#[test]
fn under_another_name_of_its_schema_worker_and_sessions_go_on() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    cluster.connect("postgres").batch_execute("create database crm").expect("create database");
    let mut client = cluster.connect("crm");
    client
        .batch_execute("create schema before; create extension calendar_sync schema before; set search_path = before")
        .expect("create extension");
    web.serve("/one.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/one.ics");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
    let worker = worker_of(&mut client, "crm");
    client.batch_execute("alter schema before rename to \"Kalender\"; set search_path = \"Kalender\"").expect("rename");
    web.serve("/two.ics", numbered_calendar(4));
    subscribe_to(&mut client, &web, "/two.ics");
    eventually("the worker pulls on", || count(&mut client, EVENTS) == 7);
    assert_eq!(worker_of(&mut client, "crm"), worker);
    assert!(!cluster.log().contains("does not exist"), "no statement was sent to the old name");
}

/// The role that made the extension leaves, and its things become another's.
#[test]
fn under_another_owner_worker_and_sessions_go_on() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    cluster.connect("postgres").batch_execute("create database crm").expect("create database");
    let mut client = cluster.connect("crm");
    client
        .batch_execute(
            "create role old superuser; create role new superuser; set role old; create extension calendar_sync; reset role",
        )
        .expect("create extension");
    web.serve("/one.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/one.ics");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
    let worker = worker_of(&mut client, "crm");
    client.batch_execute("reassign owned by old to new; drop owned by old; drop role old").expect("another owner");
    web.serve("/two.ics", numbered_calendar(4));
    subscribe_to(&mut client, &web, "/two.ics");
    eventually("the worker pulls on", || count(&mut client, EVENTS) == 7);
    assert_eq!(worker_of(&mut client, "crm"), worker);
    assert!(!cluster.log().contains("permission denied"), "nobody acts for the one who left");
}

#[test]
fn an_extension_whose_tables_are_not_as_the_library_knows_them_fails_with_one_warning_and_a_reason() {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    let mut client = cluster.create_database("crm");
    web.serve("/team.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/team.ics");
    eventually("it is pulled", || count(&mut client, EVENTS) == 3);
    client
        .batch_execute(
            "update pg_extension set extversion = '9.9' where extname = 'calendar_sync';
             alter table calendar_connections rename column lease_generation to lease_count;
             update calendar_connections set next_poll_at = now()",
        )
        .expect("a newer extension");
    let status =
        "select state, coalesce(last_error, '') from calendar_worker_status where database = current_database()";
    let mut said = String::new();
    for _ in 0..3 {
        client.batch_execute("select calendar_sync_request()").expect("request");
        eventually("it says what is wrong", || {
            let row = client.query_one(status, &[]).expect("a row");
            said = row.get(1);
            row.get::<_, String>(0) == "failing"
        });
    }
    assert!(said.contains("lease_generation") && said.contains("9.9"), "{said}");
    assert_eq!(cluster.log().matches("lease_generation does not exist (").count(), 1, "one warning");
    client
        .batch_execute("alter table calendar_connections rename column lease_count to lease_generation")
        .expect("the older one again");
    client.batch_execute("select calendar_sync_request()").expect("request");
    eventually("it goes on", || worker_state(&mut client) == "running");
}
