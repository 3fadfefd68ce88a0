//! Which databases have a worker, and what it says where one has none.

use calendar_sync_e2e::{
    Cluster, FakeWeb, count, eventually, numbered_calendar, subscribe_to, worker_of, worker_state,
};
use postgres::Client;

fn databases_with_worker(client: &mut Client) -> Vec<String> {
    let rows = client
        .query(
            // From PostgreSQL 18 on a worker is listed before it has connected to its database.
            "select datname::text from pg_stat_activity
             where backend_type = 'calendar_sync worker' and datname is not null
             order by 1",
            &[],
        )
        .expect("pg_stat_activity");
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn every_database_with_the_extension_gets_a_worker_and_no_other_one() {
    let web = FakeWeb::start();
    web.serve("/one.ics", numbered_calendar(3));
    web.serve("/two.ics", numbered_calendar(5));
    let cluster = Cluster::start();
    let mut postgres = cluster.connect("postgres");
    for database in ["one", "two", "plain", "undone", "model", "shut", "narrow"] {
        postgres.batch_execute(&format!("create database {database}")).expect("create database");
    }
    cluster.connect("one").batch_execute("create extension calendar_sync").expect("create extension");
    cluster
        .connect("two")
        .batch_execute("create schema \"Kalender\"; create extension calendar_sync schema \"Kalender\"")
        .expect("create extension");
    cluster
        .connect("undone")
        .batch_execute("begin; create extension calendar_sync; rollback")
        .expect("create extension and undo it");
    for database in ["model", "shut", "narrow"] {
        cluster.connect(database).batch_execute("create extension calendar_sync").expect("create extension");
    }
    postgres
        .batch_execute(
            "alter database model is_template true;
             alter database narrow connection limit 0",
        )
        .expect("alter database");
    postgres.batch_execute("alter database shut allow_connections false").expect("alter database");
    let wanted = ["narrow", "one", "two"];
    eventually("each that may have one has a worker", || databases_with_worker(&mut postgres) == wanted);

    // Both pull, each by its own schema.
    let mut one = cluster.connect("one");
    let mut two = cluster.connect("two");
    two.batch_execute("set search_path = \"Kalender\"").expect("set");
    subscribe_to(&mut one, &web, "/one.ics");
    subscribe_to(&mut two, &web, "/two.ics");
    let events = "select count(*) from calendar_events";
    eventually("both are pulled", || count(&mut one, events) == 3 && count(&mut two, events) == 5);

    // Those that were there before the server started are found as well.
    drop((postgres, one, two));
    cluster.restart("fast");
    let mut postgres = cluster.connect("postgres");
    eventually("each has a worker again", || databases_with_worker(&mut postgres) == wanted);
    let mut one = cluster.connect("one");
    let shown = "select count(*) from calendar_worker_status where database in ('plain', 'undone', 'model', 'shut')";
    assert_eq!(count(&mut one, shown), 0);
}

#[test]
fn a_list_of_databases_holds_from_its_reload_on() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker_databases", "one, two")]);
    let (mut one, mut three) = (cluster.create_database("one"), cluster.create_database("three"));
    cluster.create_database("two");
    let mut postgres = cluster.connect("postgres");
    eventually("those of the list have a worker", || databases_with_worker(&mut postgres) == ["one", "two"]);
    eventually("another one says that it has none", || worker_state(&mut three) == "none");
    cluster.set("calendar_sync.worker_databases", "three");
    eventually("the new list holds", || databases_with_worker(&mut postgres) == ["three"]);
    eventually("the others say so", || worker_state(&mut one) == "none");
    cluster.set("calendar_sync.worker_databases", "*");
    eventually("all have one", || databases_with_worker(&mut postgres) == ["one", "three", "two"]);
}

#[test]
fn a_database_for_which_there_is_no_slot_says_so_once_and_gets_the_next_one_that_is_free() {
    const WARNING: &str = "no free worker slot for database";
    // One for the launcher, two for workers.
    let cluster = Cluster::start_with(&[("max_worker_processes", "3"), ("max_logical_replication_workers", "0")]);
    let mut clients: Vec<Client> = (1..=6).map(|number| cluster.create_database(&format!("crm{number}"))).collect();
    let shown = "select count(*) from calendar_worker_status where state = 'no worker slot' and pid is null";
    eventually("all others say why they have none", || count(&mut clients[0], shown) == 4);
    // Each call has the launcher look again.
    for _ in 0..3 {
        for client in &mut clients {
            client.batch_execute("select calendar_sync_request()").expect("request");
        }
    }
    let mut postgres = cluster.connect("postgres");
    let lucky = databases_with_worker(&mut postgres);
    assert_eq!(lucky.len(), 2);
    assert_eq!(cluster.log().matches(WARNING).count(), 4, "a warning for each of them, and no more");
    drop(clients);
    postgres.batch_execute(&format!("drop database {}", lucky[0])).expect("drop database");
    eventually("another one has its slot", || {
        let now = databases_with_worker(&mut postgres);
        now.len() == 2 && !now.contains(&lucky[0])
    });
}

#[test]
fn a_database_in_which_no_process_can_start_keeps_no_other_from_its_worker() {
    let cluster = Cluster::start();
    let mut crm = cluster.create_database("crm");
    let mut postgres = cluster.connect("postgres");
    postgres.batch_execute("create database damaged").expect("create database");
    eventually("it was looked at", || worker_of(&mut postgres, "crm").is_some());
    let folder =
        format!("select '{}/data/base/' || oid from pg_database where datname = 'damaged'", cluster.folder().display());
    let folder: String = postgres.query_one(&folder, &[]).expect("its folder").get(0);
    // Its worker ends at each start.
    std::fs::remove_file(format!("{folder}/PG_VERSION")).expect("a file of the database");
    cluster.restart("fast");
    let mut crm2 = cluster.create_database("crm2");
    drop(crm);
    crm = cluster.connect("crm");
    eventually("the others have theirs", || {
        worker_state(&mut crm).starts_with("waits") && worker_state(&mut crm2).starts_with("waits")
    });
    let status = "select state from calendar_worker_status where database = 'damaged'";
    eventually("the damaged one says where to look", || {
        crm.query_opt(status, &[]).expect("status").is_some_and(|row| row.get::<_, String>(0).contains("server's log"))
    });
}
