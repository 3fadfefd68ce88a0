//! What roles without rights try: traps laid before the extension is made, default privileges, settings, many syncs.

use calendar_sync_e2e::{Cluster, FakeWeb, count, eventually};
use postgres::Client;

fn start() -> Cluster {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    cluster.connect("postgres").batch_execute("create role mallory").expect("a role");
    cluster
}

/// SQLSTATE, message, DETAIL and HINT of what a statement fails with.
fn refusal(client: &mut Client, statement: &str) -> [String; 4] {
    let error = client.batch_execute(statement).expect_err(statement);
    let error = error.as_db_error().unwrap_or_else(|| panic!("{statement}: {error:?}"));
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    [error.code().code().to_owned(), error.message().to_owned(), text(error.detail()), text(error.hint())]
}

/// Objects that a role with CREATE on the schema has laid out, to be adopted or called by the script. Each function
/// says so if it is.
const TRAPS: &[&str] = &[
    "create table calendar_events (event_id uuid)",
    "create view calendar_connection_status as select 1 as one",
    "create type calendar_importance as enum ('LOW')",
    "create sequence calendar_feeds",
    "create function calendar_uuid_v7() returns uuid language plpgsql as TRAP",
    "create function calendar_attach(regclass) returns void language plpgsql as TRAP",
    "create function calendar_grant(regrole, text, text) returns void language plpgsql as TRAP",
    "create function format(text, text, text, text) returns text language plpgsql as TRAP",
    "create function count(oid) returns int language plpgsql as TRAP",
    "create function trap(uuid, text) returns bool language plpgsql as TRAP;
     create operator = (leftarg = uuid, rightarg = text, function = trap)",
];

#[test]
fn what_others_have_put_into_the_schema_is_neither_adopted_nor_called() {
    let cluster = start();
    let body = "'begin raise exception ''sprung as %'', current_user; end'";
    for (number, trap) in TRAPS.iter().enumerate() {
        let database = format!("trap{number}");
        cluster.connect("postgres").batch_execute(&format!("create database {database}")).expect("create database");
        let mut client = cluster.connect(&database);
        let trap = trap.replace("TRAP", body);
        client
            .batch_execute(&format!(
                "create table interaction (interaction_id uuid, subject text, interaction_date date, created_by uuid);
                 grant create on schema public to mallory; set role mallory; {trap}; reset role"
            ))
            .expect("the trap");
        let [sqlstate, message, ..] = refusal(&mut client, "create extension calendar_sync");
        assert!(["42501", "42P07", "42710", "42723", "55000"].contains(&sqlstate.as_str()), "{trap}: {message}");
        client.batch_execute("create schema calendar; create extension calendar_sync schema calendar").expect(&trap);
    }
    // What a superuser has put there is taken for meant.
    let mut client = cluster.connect("postgres");
    client
        .batch_execute(
            "create function round(double precision, int) returns numeric return pg_catalog.round($1::numeric, $2);
             create extension calendar_sync",
        )
        .expect("an extension beside a function of a superuser's");
}

#[test]
fn default_privileges_give_nobody_a_right_to_anything_of_the_extensions() {
    let cluster = start();
    let mut client = cluster.connect("postgres");
    client
        .batch_execute(
            "create role \"Anon, too\";
             alter default privileges grant all on tables to public, mallory, \"Anon, too\";
             alter default privileges grant all on functions to mallory, \"Anon, too\";
             alter default privileges grant all on types to mallory, \"Anon, too\";
             create extension calendar_sync",
        )
        .expect("an extension where others have default privileges");
    let held = "
        select count(*)
        from pg_depend d
        left join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass
        left join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass
        left join pg_type t on t.oid = d.objid and d.classid = 'pg_type'::regclass and t.typtype = 'e'
        cross join lateral aclexplode(coalesce(c.relacl, p.proacl, t.typacl)) a
        where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
          and a.grantee <> 'postgres'::regrole";
    assert_eq!(count(&mut client, held), 0);
    client.batch_execute("create table other (); create function other() returns int return 1").expect("others");
    assert!(count(&mut client, "select count(*) from pg_class where relname = 'other' and relacl is not null") > 0);
}

/// A session may come before the library does: what it has set by then counts for no more than what it sets later.
#[test]
fn a_role_sets_whose_calendar_it_asks_for_and_nothing_else() {
    let cluster = Cluster::start_with(&[("shared_preload_libraries", "")]);
    let mut client = cluster.create_database("crm");
    client
        .batch_execute(
            "create role mallory; grant pg_read_all_settings to mallory;
             create table settings as
                 select name, reset_val as was from pg_settings where name like 'calendar\\_sync.%';
             grant select on settings to mallory;
             grant execute on function calendar_rrule_is_valid to mallory",
        )
        .expect("a role");
    drop(client);
    // The library is not loaded yet.
    let mut early = cluster.connect("crm");
    early.batch_execute("set session authorization mallory").expect("a session");
    for what in ["http_allow_private = on", "manual_sync_limit = 100000", "encryption_key_file = '/dev/null'"] {
        early.batch_execute(&format!("set calendar_sync.{what}")).expect(what);
    }
    early.batch_execute("set calendar_sync.user_id = 'ada@example.com'").expect("set");
    early.batch_execute("select calendar_rrule_is_valid('FREQ=DAILY')").expect("the library is loaded");
    let changed = early
        .query(
            "select s.name from settings w join pg_settings s using (name) where s.setting is distinct from coalesce(w.was, '')",
            &[],
        )
        .expect("the settings");
    let changed: Vec<&str> = changed.iter().map(|row| row.get(0)).collect();
    assert_eq!(changed, ["calendar_sync.user_id"]);
    let names = early
        .query("select name from pg_settings where name like 'calendar\\_sync.%' order by 1", &[])
        .expect("the settings");
    for name in names.iter().map(|row| row.get::<_, &str>(0)) {
        let allowed = early.batch_execute(&format!("set {name} = default")).is_ok();
        assert_eq!(allowed, name == "calendar_sync.user_id", "{name}");
    }
}

#[test]
fn manual_syncs_are_counted_for_the_user_whatever_the_session() {
    let web = FakeWeb::start();
    web.serve("/team.ics", include_str!("../../demo/team.ics"));
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "3")]);
    let mut client = cluster.create_database("crm");
    client
        .batch_execute("create role ada; create role shop; select calendar_grant('ada', 'user', 'ada@example.com'), calendar_grant('shop', 'user')")
        .expect("roles");
    for user in ["ada@example.com", "grace@example.com"] {
        client.execute("select calendar_subscribe($1, $2)", &[&user, &web.url("/team.ics")]).expect("subscribe");
    }
    // Another session each time, and another role.
    let sync = |role: &str, user: &str| -> String {
        let mut session = cluster.connect("crm");
        session
            .batch_execute(&format!("set session authorization {role}; set calendar_sync.user_id = '{user}'"))
            .expect("a session");
        session.query_one("select status from calendar_sync_now($1)", &[&user]).expect("a sync").get(0)
    };
    let statuses: Vec<String> =
        ["ada", "shop", "ada", "shop", "ada"].iter().map(|role| sync(role, "ada@example.com")).collect();
    assert_eq!(statuses, ["success", "success", "success", "rate_limited", "rate_limited"]);
    assert_eq!(sync("shop", "grace@example.com"), "success");
}

/// Nobody shares memory then; the session counts for itself.
#[test]
fn where_the_library_is_not_preloaded_a_session_pulls_and_counts_its_manual_syncs() {
    let web = FakeWeb::start();
    web.serve("/team.ics", include_str!("../../demo/team.ics"));
    let cluster = Cluster::start_with(&[("shared_preload_libraries", ""), ("calendar_sync.manual_sync_limit", "2")]);
    let mut client = cluster.create_database("crm");
    for user in ["ada@example.com", "grace@example.com"] {
        client.execute("select calendar_subscribe($1, $2)", &[&user, &web.url("/team.ics")]).expect("subscribe");
    }
    let mut sync = |user: &str| -> String {
        client.query_one("select status from calendar_sync_now($1)", &[&user]).expect("a sync").get(0)
    };
    let statuses = [(); 3].map(|()| sync("ada@example.com"));
    assert_eq!(statuses, ["success", "success", "rate_limited"]);
    assert_eq!(sync("grace@example.com"), "success");
    assert!(count(&mut client, "select count(*) from calendar_events") > 0);
}

/// The extension's owner need not be a superuser any more: row-level security does not hide its own rows from it.
#[test]
fn an_owner_that_is_no_superuser_grants_and_sees_all_rows() {
    let cluster = start();
    let mut client = cluster.connect("postgres");
    client
        .batch_execute(
            "create role boss superuser; set role boss; create extension calendar_sync; reset role; alter role boss nosuperuser;
             create role ada; set role boss;
             select calendar_grant('ada', 'user', 'ada@example.com');
             select calendar_upsert_event('grace@example.com', 'shop', 'x', '{\"title\": \"x\", \"start\": \"2031-01-01\"}')",
        )
        .expect("a grant by its owner");
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 1);
    client.batch_execute("reset role; set role ada").expect("become ada");
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), 0);
    assert_eq!(
        refusal(&mut client, "select calendar_agenda('grace@example.com', '2031-01-01', '2031-01-02')")[0],
        "42501"
    );
}

/// Advisory locks are anybody's to take, and pg_locks shows which ones are taken: a pull must not go by one.
#[test]
fn what_keeps_two_pulls_apart_is_no_lock_that_others_could_take() {
    let web = FakeWeb::start();
    web.serve("/team.ics", include_str!("../../demo/team.ics"));
    let cluster = start();
    let mut client = cluster.create_database("crm");
    client.execute("select calendar_subscribe('ada@example.com', $1)", &[&web.url("/team.ics")]).expect("subscribe");
    let mut other = cluster.connect("crm");
    let sync = "select status from calendar_sync_now('ada@example.com')";

    let mut pull = client.transaction().expect("begin");
    pull.batch_execute("select calendar_subscribe('grace@example.com', 'https://calendar.example.com/')")
        .expect("a secret");
    assert_eq!(pull.query_one(sync, &[]).expect("a sync").get::<_, &str>(0), "success");
    assert_eq!(count(&mut other, "select count(*) from pg_locks where locktype = 'advisory'"), 0);
    assert_eq!(other.query_one(sync, &[]).expect("a sync").get::<_, &str>(0), "busy");
    pull.rollback().expect("rollback");
    assert_eq!(other.query_one(sync, &[]).expect("a sync").get::<_, &str>(0), "success");
}

/// The worker is a superuser; what a mapping names runs as the owner of the interaction table there, too.
#[test]
fn the_worker_looks_names_up_as_the_tables_owner() {
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    client
        .batch_execute(
            "create role mallory; create schema crm authorization mallory;
             grant execute on function calendar_attach to mallory;
             set role mallory;
             create function crm.name() returns text language plpgsql as 'begin raise exception ''not now''; end';
             create view crm.customer as select 1 as customer_id, crm.name() as name;
             create table crm.visit
                 (interaction_id uuid primary key, subject text, interaction_date timestamptz, created_by text, customer_id int);
             select calendar_attach('crm.visit', '{\"user\": {\"column\": \"created_by\"},
                 \"customer\": {\"table\": \"crm.customer\", \"key\": \"customer_id\", \"name\": \"name\"}}');
             reset role;
             insert into crm.visit values (gen_random_uuid(), 'Visit', now() + interval '1 day', 'ada', 1);
             create or replace function crm.name() returns text language plpgsql as
                 'begin set search_path = crm; return session_user || '' as '' || current_user; end';
             update calendar_sync_failures set next_retry_at = now()",
        )
        .expect("a failure that is due");
    eventually("the worker has tried again", || {
        count(&mut client, "select count(*) from calendar_sync_failures where not resolved") == 0
    });
    let participants = "select participants[1] from calendar_events";
    assert_eq!(client.query_one(participants, &[]).expect("the event").get::<_, &str>(0), "postgres as mallory");
}
