//! What is changed here is queued for the calendars that it is sent to: with two sessions at once, in subtransactions, by
//! roles that may do little, in copies; and nobody's statement fails for it.

use std::sync::{Arc, Mutex};
use std::thread;

use calendar_sync_e2e::{ADA, Cluster, INSERT_INTERACTIONS, count, create_crm, eventually, text};
use postgres::{Client, NoTls};

/// What waits, in the order of its events: operation, title.
const WAITING: &str =
    "select coalesce(string_agg(q.operation || ' ' || coalesce(e.title, '(gone)'), ', ' order by e.title), '')
    from calendar_sync_queue q
    left join calendar_events e using (event_id)
    where q.status = 'pending'";

/// A calendar of hers that changes are sent to, as calendar_connect would leave it.
const CONNECT: &str = "
    insert into calendar_accounts (account_id, user_id, provider)
    values ('a0000000-0000-4000-8000-000000000001', 'ada@example.com', 'google');
    insert into calendar_connections (connection_id, user_id, name, provider, account_id, external_calendar_id, direction)
    values ('c0000000-0000-4000-8000-000000000001', 'ada@example.com', 'Work', 'google',
        'a0000000-0000-4000-8000-000000000001', 'w', 'both');";

/// All that waits has been sent.
const SENT: &str = "
    insert into calendar_event_links (connection_id, event_id, external_id, sync_status, last_sync_at)
    select connection_id, event_id, event_id::text, 'synced', clock_timestamp()
    from calendar_sync_queue
    where status = 'pending' and operation = 'create';
    update calendar_sync_queue set status = 'completed', processed_at = now() where status = 'pending';";

fn start() -> (Cluster, Client) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("max_prepared_transactions", "5")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    (cluster, client)
}

fn insert(client: &mut Client, title: &str) {
    client
        .execute(
            "insert into calendar_events (user_id, title, event_date) values ($1, $2, now() + interval '1 day')",
            &[&ADA, &title],
        )
        .expect("an event");
}

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Waits until a session waits for another's lock.
fn until_blocked(client: &mut Client) {
    eventually("a session waits", || {
        count(
            client,
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and backend_type = 'client backend'",
        ) > 0
    });
}

#[test]
fn every_session_hears_of_the_first_calendar_that_changes_are_sent_to_and_of_the_last() {
    let (cluster, mut client) = start();
    let mut other = cluster.connect("crm");
    insert(&mut client, "Before");
    // One that keeps its snapshot does not remember what it saw by it.
    run(&mut client, "begin isolation level repeatable read; select count(*) from calendar_connections");
    run(&mut other, CONNECT);
    insert(&mut client, "Meanwhile");
    run(&mut client, "commit");
    insert(&mut client, "After");
    assert_eq!(text(&mut client, WAITING), "create After");
    run(&mut other, "begin; update calendar_connections set direction = 'pull'");
    insert(&mut client, "Not yet");
    insert(&mut other, "In the same transaction");
    run(&mut other, "commit");
    insert(&mut client, "No more");
    assert_eq!(text(&mut client, WAITING), "create After, create Not yet");
    // Where it does not come to that after all, it is as it was, also in that session.
    run(&mut other, "begin; update calendar_connections set direction = 'push'");
    insert(&mut other, "Undone");
    run(&mut other, "rollback");
    insert(&mut other, "Not queued");
    assert_eq!(text(&mut client, WAITING), "create After, create Not yet");
}

/// Hardest point 15: one operation at a time for each event, in order.
#[test]
fn what_two_sessions_change_of_one_event_waits_as_one_operation() {
    let (cluster, mut client) = start();
    run(&mut client, CONNECT);
    insert(&mut client, "Visit");
    run(&mut client, SENT);
    run(&mut client, "begin; update calendar_events set title = 'Visit Eve'");
    let mut other = cluster.connect("crm");
    let waits = thread::spawn(move || run(&mut other, "update calendar_events set location = 'Bonn'"));
    until_blocked(&mut cluster.connect("crm"));
    run(&mut client, "commit");
    waits.join().expect("the other session");
    assert_eq!(text(&mut client, WAITING), "update Visit Eve");
    // While that is being sent there may be another after it, and no third.
    run(&mut client, "update calendar_sync_queue set status = 'processing' where status = 'pending'");
    for location in ["Ulm", "Kiel"] {
        client.execute("update calendar_events set location = $1", &[&location]).expect("another change");
    }
    assert_eq!(text(&mut client, WAITING), "update Visit Eve");
}

/// Hardest point 9: what is on its way out is noted before it goes, and so is found by whoever undoes it.
#[test]
fn an_event_that_is_deleted_while_it_is_being_sent_is_deleted_there_after_it() {
    let (cluster, mut client) = start();
    run(&mut client, CONNECT);
    insert(&mut client, "Visit");
    let mut sender = cluster.connect("crm");
    run(&mut sender, "begin; update calendar_sync_queue set status = 'processing'");
    // It has seen the operation as pending, and finds that it is no more.
    let mut other = cluster.connect("crm");
    let waits = thread::spawn(move || run(&mut other, "delete from calendar_events"));
    until_blocked(&mut client);
    run(&mut sender, "commit");
    waits.join().expect("the other session");
    assert_eq!(text(&mut client, WAITING), "delete (gone)");
}

#[test]
fn what_is_rolled_back_to_a_savepoint_is_not_queued_and_what_is_prepared_is_queued_when_it_is_committed() {
    let (_cluster, mut client) = start();
    run(&mut client, CONNECT);
    // A trigger of the CRM's own that undoes what it does, in the midst of a statement.
    run(
        &mut client,
        "create function audit() returns trigger language plpgsql set search_path = public as $$
         begin
             begin
                 update calendar_events set location = 'no' where title = 'Bystander';
                 raise exception 'no';
             exception when raise_exception then null;
             end;
             if new.title = 'Visit' then
                 insert into calendar_events (user_id, title, event_date) values (new.user_id, 'Report', new.event_date);
             end if;
             return null;
         end $$;
         insert into calendar_events (user_id, title, event_date) values ('ada@example.com', 'Bystander', now());
         delete from calendar_sync_queue;
         create trigger audit after insert on calendar_events for each row execute function audit()",
    );
    insert(&mut client, "Visit");
    assert_eq!(text(&mut client, WAITING), "create Report, create Visit");
    // It fires for what the extension itself writes as well, and what it does then is plain SQL all the same.
    run(&mut client, "delete from calendar_sync_queue; delete from calendar_events where title = 'Report'");
    let upsert = "select calendar_upsert_event('ada@example.com', 'planner', '1', $1::text::jsonb)";
    client.execute(upsert, &[&r#"{"title": "Visit", "start": "2031-01-01T09:00Z"}"#]).expect("an application's event");
    assert_eq!(text(&mut client, WAITING), "create Report, create Visit");
    client.execute(INSERT_INTERACTIONS, &[&1, &2]).expect("interactions");
    assert_eq!(text(&mut client, WAITING), "create Report, create Visit, create visit 1, create visit 2");

    run(&mut client, "drop trigger audit on calendar_events; delete from calendar_sync_queue");
    run(
        &mut client,
        "begin; update calendar_events set location = 'Ulm' where title = 'Report'; prepare transaction 'p'",
    );
    assert_eq!(text(&mut client, WAITING), "");
    run(&mut client, "commit prepared 'p'");
    assert_eq!(text(&mut client, WAITING), "create Report");
}

#[test]
fn an_interaction_that_moves_to_another_partition_is_not_deleted_anywhere() {
    let (_cluster, mut client) = start();
    run(&mut client, CONNECT);
    run(
        &mut client,
        "create table visits (interaction_id uuid, subject text, interaction_date timestamptz, duration_minutes int,
             archived boolean default false, created_by text, region text, primary key (interaction_id, region)
         ) partition by list (region);
         create table north partition of visits for values in ('north');
         create table south partition of visits for values in ('south');
         select calendar_attach('visits', '{\"user\": {\"column\": \"created_by\"}}');
         insert into visits values (gen_random_uuid(), 'Moves', now(), 30, false, 'ada@example.com', 'north'),
             (gen_random_uuid(), 'Moves and changes', now(), 30, false, 'ada@example.com', 'north')",
    );
    run(&mut client, SENT);
    run(&mut client, "update visits set region = 'south' where subject = 'Moves'");
    assert_eq!(text(&mut client, WAITING), "");
    run(&mut client, "update visits set region = 'south', duration_minutes = 60 where region = 'north'");
    assert_eq!(text(&mut client, WAITING), "update Moves and changes");
    run(&mut client, SENT);
    run(&mut client, "delete from south where subject = 'Moves'; truncate visits");
    assert_eq!(text(&mut client, WAITING), "delete (gone), delete (gone)");
}

#[test]
fn a_role_of_the_level_user_needs_no_right_to_the_queue() {
    let (cluster, mut client) = start();
    run(&mut client, CONNECT);
    run(&mut client, "create role ada login; select calendar_grant('ada', 'user', 'ada@example.com')");
    let mut hers = cluster.config("crm").user("ada").connect(NoTls).or_else(|_| {
        let mut own = cluster.connect("crm");
        own.batch_execute("set session authorization ada").map(|()| own)
    });
    let hers = hers.as_mut().expect("her session");
    for (statement, waiting) in [
        (
            "insert into calendar_events (user_id, title, event_date) values ('ada@example.com', 'Hers', now())",
            "create Hers",
        ),
        ("update calendar_events set title = 'Hers, too'", "create Hers, too"),
        ("delete from calendar_events", ""),
    ] {
        run(hers, statement);
        assert_eq!(text(&mut client, WAITING), waiting, "{statement}");
    }
    assert!(hers.batch_execute("select from calendar_sync_queue").is_err());
}

#[test]
fn a_queue_that_takes_nothing_fails_nobodys_statement() {
    let (cluster, mut client) = start();
    run(&mut client, CONNECT);
    run(
        &mut client,
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'the disk is on fire'; end $$;
         create trigger refuse before insert on calendar_sync_queue for each row execute function refuse()",
    );
    let warnings = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&warnings);
    let mut config = cluster.config("crm");
    config.notice_callback(move |notice| heard.lock().expect("a lock").push_str(notice.message()));
    let mut session = config.connect(NoTls).expect("a session");
    insert(&mut session, "Visit");
    assert!(warnings.lock().expect("a lock").contains("not queued for other calendars: the disk is on fire"));
    assert_eq!(
        text(&mut client, "select status || ': ' || error_message from calendar_sync_log where action = 'queue'"),
        "failed: the disk is on fire"
    );
    // An interaction's event is tried again, and queued with it.
    client.execute(INSERT_INTERACTIONS, &[&1, &1]).expect("an interaction");
    assert_eq!(count(&mut client, "select count(*) from calendar_failures_pending"), 1);
    run(
        &mut client,
        "drop trigger refuse on calendar_sync_queue; update calendar_sync_failures set next_retry_at = now()",
    );
    assert_eq!(count(&mut client, "select count(*) from calendar_retry_failures() where resolved"), 1);
    assert_eq!(text(&mut client, WAITING), "create visit 1");
    // What was changed meanwhile goes out with the next comparison.
    run(&mut client, "select calendar_resume()");
    assert_eq!(text(&mut client, WAITING), "create Visit, create visit 1");
}

#[test]
fn what_triggers_do_not_see_is_found_by_comparing() {
    let (_cluster, mut client) = start();
    run(&mut client, CONNECT);
    for title in ["Changed", "Stays"] {
        insert(&mut client, title);
    }
    run(&mut client, SENT);
    run(
        &mut client,
        "set session_replication_role = replica;
         update calendar_events set location = 'Ulm', changed_at = clock_timestamp() where title = 'Changed';
         insert into calendar_events (user_id, title, event_date) values ('ada@example.com', 'New', now());
         reset session_replication_role",
    );
    assert_eq!(text(&mut client, WAITING), "");
    run(&mut client, "select calendar_resume()");
    assert_eq!(text(&mut client, WAITING), "update Changed, create New");
}

#[test]
fn the_worker_compares_each_calendar_once_a_day_however_often_it_starts() {
    let (cluster, mut client) = start();
    run(&mut client, CONNECT);
    run(
        &mut client,
        "insert into calendar_connections (user_id, name, provider, account_id, external_calendar_id, direction)
         select 'bob@example.com', 'Work', provider, account_id, 'b', direction from calendar_connections;
         update calendar_connections set status = 'paused';
         update calendar_connections set compared_at = now() where user_id = 'ada@example.com';
         set session_replication_role = replica;
         insert into calendar_events (user_id, title, event_date)
         values ('ada@example.com', 'Hers', now()), ('bob@example.com', 'His', now());
         reset session_replication_role",
    );
    cluster.set("calendar_sync.worker", "on");
    eventually("his was never compared", || !text(&mut client, WAITING).is_empty());
    assert_eq!(text(&mut client, WAITING), "create His");
    run(
        &mut client,
        "update calendar_connections set compared_at = now() - interval '25 hours' where user_id = 'ada@example.com';
         delete from calendar_sync_queue",
    );
    cluster.restart("fast");
    let mut client = cluster.connect("crm");
    eventually("hers was compared a day ago", || !text(&mut client, WAITING).is_empty());
    assert_eq!(text(&mut client, WAITING), "create Hers");
}

#[test]
fn restoring_a_dump_queues_nothing_and_the_copy_queues_nothing_until_it_is_the_real_one() {
    let (cluster, mut client) = start();
    run(&mut client, CONNECT);
    client.execute(INSERT_INTERACTIONS, &[&1, &2]).expect("interactions");
    run(&mut client, SENT);
    insert(&mut client, "Waits");
    let queue = "select string_agg(q::text, E'\\n' order by queue_id) from calendar_sync_queue q";
    let original = text(&mut client, queue);

    let dump = cluster.folder().join("crm.dump");
    let file = dump.to_str().expect("a path in UTF-8");
    cluster.run_program("pg_dump", "crm", &["--format=custom", "--file", file]);
    run(&mut cluster.connect("postgres"), "create database copy");
    cluster.run_program("pg_restore", "copy", &["--exit-on-error", "--dbname=copy", file]);
    let mut copy = cluster.connect("copy");
    assert_eq!(text(&mut copy, queue), original);
    assert_eq!(text(&mut copy, WAITING), "create Waits");

    client.execute(INSERT_INTERACTIONS, &[&3, &3]).expect("an interaction of the original");
    copy.execute(INSERT_INTERACTIONS, &[&4, &4]).expect("an interaction of the copy");
    insert(&mut copy, "Of the copy");
    run(&mut copy, "delete from calendar_events where title = 'visit 1'");
    assert_eq!(text(&mut client, WAITING), "create Waits, create visit 3");
    assert_eq!(text(&mut copy, WAITING), "create Waits");
    run(&mut copy, "select calendar_resume()");
    assert_eq!(text(&mut copy, WAITING), "create Of the copy, create Waits, create visit 4");
    run(&mut copy, "delete from calendar_events where title = 'visit 2'");
    assert_eq!(text(&mut copy, WAITING), "create Of the copy, create Waits, create visit 4, delete (gone)");
}
