//! On a standby all that reads works, and what would write says where it can be done.

use calendar_sync_e2e::{Cluster, INSERT_INTERACTIONS, count, create_crm, eventually};
use postgres::Client;
use postgres::error::SqlState;

const VIEWS: &str = "select c.relname::text
                     from pg_class c
                     join pg_depend d on d.objid = c.oid and d.deptype = 'e'
                     where c.relkind = 'v'
                     order by 1";

/// A CRM with a row that no trigger saw, and whose event is unsynced therefore.
fn crm() -> (Cluster, Client) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    client.execute(INSERT_INTERACTIONS, &[&1, &10]).expect("interactions");
    client
        .batch_execute(
            "select calendar_subscribe('ada@example.com', 'https://calendar.example.com/team.ics');
             select calendar_account_add('ada@example.com', 'notion', 'token');
             select calendar_feed_create('ada@example.com', 'feed');
             set session_replication_role = replica;
             update interaction set subject = 'Changed behind the back' where subject like '%1';
             reset session_replication_role",
        )
        .expect("what no trigger sees");
    (cluster, client)
}

/// What a view shows, without what is another's on a standby: the state of the worker.
fn shown(client: &mut Client, view: &str) -> Vec<String> {
    let query = format!("select v::text from {view} v where v::text !~ 'worker|standby|off' order by 1");
    client.query(&query, &[]).unwrap_or_else(|error| panic!("{view}: {error:?}")).iter().map(|row| row.get(0)).collect()
}

#[test]
fn every_view_can_be_read_on_a_standby_and_in_a_read_only_transaction() {
    let (cluster, mut client) = crm();
    let views: Vec<String> = client.query(VIEWS, &[]).expect("the views").iter().map(|row| row.get(0)).collect();
    assert!(views.len() >= 6, "{views:?}");
    let standby = cluster.standby();
    let mut there = standby.connect("crm");
    assert_eq!(count(&mut there, "select count(*) from calendar_unsynced_interactions where action = 'update'"), 1);
    assert_eq!(count(&mut there, "select count(*) from calendar_worker_status where state = 'standby'"), 1);
    client.batch_execute("begin transaction read only").expect("a read-only transaction");
    for view in &views {
        let here = shown(&mut client, view);
        if view != "calendar_metrics" {
            assert_eq!(shown(&mut there, view), here, "{view}");
        }
        assert_eq!(shown(&mut there, view).len(), here.len(), "{view}");
    }
    client.batch_execute("commit").expect("commit");
}

#[test]
fn no_view_takes_a_lock_that_a_writer_would_wait_for() {
    let (_cluster, mut client) = crm();
    client.batch_execute("begin").expect("begin");
    let views: Vec<String> = client.query(VIEWS, &[]).expect("the views").iter().map(|row| row.get(0)).collect();
    views.iter().for_each(|view| drop(shown(&mut client, view)));
    let locks = "select count(*) from pg_locks where pid = pg_backend_pid() and mode <> 'AccessShareLock'
                 and locktype not in ('virtualxid')";
    assert_eq!(count(&mut client, locks), 0);
}

/// Each function that writes, called with what there is.
const WRITING: &[&str] = &[
    "calendar_account_add('ada@example.com', 'notion', 'token')",
    "calendar_account_calendars(account_id) from calendar_account_status",
    "calendar_account_remove(account_id) from calendar_account_status",
    "calendar_attach('interaction')",
    "calendar_backfill()",
    "calendar_cleanup()",
    "calendar_connect(account_id, 'tasks') from calendar_account_status",
    "calendar_continue(connection_id) from calendar_connections",
    "calendar_delete_event('ada@example.com', 'app', '1')",
    "calendar_detach('interaction')",
    "calendar_feed_create('ada@example.com', 'another')",
    "calendar_feed_disable(feed_id) from calendar_feeds",
    "calendar_feed_rotate(feed_id) from calendar_feeds",
    "calendar_grant('pg_monitor', 'reader')",
    "calendar_ics_import('ada@example.com', E'BEGIN:VCALENDAR\\nEND:VCALENDAR')",
    "calendar_oauth_begin('ada@example.com', 'google', 'https://crm.example.com/callback')",
    "calendar_oauth_finish('state', 'code', 'ada@example.com')",
    "calendar_oauth_register('google', 'client', 'secret')",
    "calendar_pause(connection_id) from calendar_connections",
    "calendar_resume()",
    "calendar_retry_failures()",
    "calendar_rotate_key()",
    "calendar_subscribe('ada@example.com', 'https://calendar.example.com/team.ics')",
    "calendar_sync_now('ada@example.com')",
    "calendar_sync_request()",
    "calendar_unsubscribe(connection_id) from calendar_connections",
    "calendar_upsert_event('ada@example.com', 'app', '1', '{\"title\": \"t\", \"start\": \"2030-01-01\"}')",
    "calendar_upsert_events('ada@example.com', 'app', '[]')",
];

#[test]
fn what_would_write_says_where_it_can_be_done() {
    let (cluster, mut client) = crm();
    let standby = cluster.standby();
    let mut there = standby.connect("crm");
    client.batch_execute("set default_transaction_read_only = on").expect("read-only transactions");
    for call in WRITING {
        for (client, where_to) in [(&mut there, "primary"), (&mut client, "may write")] {
            let error = client.query(&format!("select {call}"), &[]).map(|_| ()).expect_err(call);
            let error = error.as_db_error().unwrap_or_else(|| panic!("{call}: {error}"));
            assert_eq!(error.code(), &SqlState::READ_ONLY_SQL_TRANSACTION, "{call}: {error}");
            assert!(error.hint().is_some_and(|hint| hint.contains(where_to)), "{call}: {error:?}");
        }
    }
    client.batch_execute("reset default_transaction_read_only").expect("reset");
    for call in WRITING.iter().filter(|call| call.contains("upsert") || call.contains("backfill")) {
        client.query(&format!("select {call}"), &[]).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
    eventually("the standby follows", || count(&mut there, "select count(*) from calendar_unsynced_interactions") == 0);
}
