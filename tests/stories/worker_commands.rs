//! Commands on databases whose workers are busy: none is kept waiting, and whatever becomes of the command, each
//! database has its worker afterwards, if it may.

use std::process::Command;

use calendar_sync_e2e::{
    Cluster, FakeWeb, Fault, activity_of, count, eventually, numbered_calendar, repository, subscribe_to, worker_of,
    worker_state,
};
use postgres::Client;

const EVENTS: &str = "select count(*) from calendar_events";

/// Two databases: `other` waits for servers that do not answer; so does `crm`, which also applies a large calendar.
fn busy() -> (Cluster, FakeWeb) {
    let (cluster, web) = (Cluster::start(), FakeWeb::start());
    web.serve("/large.ics", numbered_calendar(6_000));
    for stall in 0..5 {
        let path = format!("/stall-{stall}.ics");
        web.serve(&path, "");
        web.set_fault(&path, Fault::Stall);
    }
    for database in ["other", "crm"] {
        let mut client = cluster.create_database(database);
        for stall in 0..5 {
            subscribe_to(&mut client, &web, &format!("/stall-{stall}.ics"));
        }
    }
    let mut client = cluster.connect("crm");
    subscribe_to(&mut client, &web, "/large.ics");
    applies(&mut client, "crm");
    (cluster, web)
}

fn applies(client: &mut Client, database: &str) {
    eventually("its worker applies", || activity_of(client, database).contains("applying"));
}

fn has_worker(client: &mut Client, database: &str) {
    eventually("it has a worker", || worker_of(client, database).is_some());
}

#[test]
fn a_busy_database_is_renamed_copied_moved_and_dropped_and_the_others_notice_nothing() {
    let (cluster, _web) = busy();
    let folder = cluster.folder().join("space");
    let made = Command::new(repository().join("bin/as-server-user")).arg("mkdir").arg(&folder).status();
    assert!(made.is_ok_and(|status| status.success()), "a folder of the server's user");
    let mut postgres = cluster.connect("postgres");
    let other = worker_of(&mut postgres, "other");
    postgres.batch_execute(&format!("create tablespace space location '{}'", folder.display())).expect("tablespace");

    postgres.batch_execute("alter database crm rename to crm2").expect("rename");
    applies(&mut postgres, "crm2");
    postgres.batch_execute("create database copy template crm2").expect("copy");
    applies(&mut postgres, "crm2");
    postgres.batch_execute("alter database crm2 set tablespace space").expect("move");
    applies(&mut postgres, "crm2");
    let mut copy = cluster.connect("copy");
    eventually("the copy stands aside", || worker_state(&mut copy) == "stands aside: restored copy");
    drop(copy);
    postgres.batch_execute("drop database crm2").expect("drop");
    postgres.batch_execute("drop database copy with (force)").expect("drop with force");

    assert_eq!(worker_of(&mut postgres, "other"), other, "the other database's worker went on");
    assert_eq!(count(&mut cluster.connect("other"), "select count(*) from calendar_worker_status"), 1);
    assert!(!cluster.log().contains("FATAL:  database"), "no worker was sent to a database that is gone");
}

#[test]
fn a_command_that_fails_or_is_undone_gives_the_database_its_worker_back() {
    let (cluster, web) = busy();
    let mut postgres = cluster.connect("postgres");
    postgres.batch_execute("alter database crm rename to other").expect_err("the name is taken");
    has_worker(&mut postgres, "crm");
    let visitor = cluster.connect("crm");
    // PostgreSQL waits five seconds for the visitor to go.
    postgres.batch_execute("drop database crm").expect_err("somebody is in it");
    has_worker(&mut postgres, "crm");
    drop(visitor);
    postgres.batch_execute("begin; alter database crm rename to crm2").expect("rename");
    assert_eq!(worker_of(&mut postgres, "crm"), None);
    let state = "select state from calendar_worker_status w join pg_database d on d.datname = w.database
                 where d.oid = (select oid from pg_database where datname = 'crm')";
    let mut other = cluster.connect("other");
    assert_eq!(other.query_one(state, &[]).expect("a row").get::<_, String>(0), "held off");
    postgres.batch_execute("rollback").expect("rollback");
    let mut client = cluster.connect("crm");
    eventually("the large calendar is pulled", || count(&mut client, EVENTS) == 6_000);
    web.serve("/team.ics", numbered_calendar(3));
    subscribe_to(&mut client, &web, "/team.ics");
    eventually("and others", || count(&mut client, EVENTS) == 6_003);
}
