//! What may go after a while goes by itself, and can be cancelled where it is asked for.

use calendar_sync_e2e::{ADA, Cluster, count, eventually};

const LOG: &str = "select count(*) from calendar_sync_log";

#[test]
fn the_worker_removes_what_may_go_batch_by_batch_and_leaves_what_may_not() {
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    client
        .batch_execute(
            "insert into calendar_sync_log (action, status, created_at)
             select 'pull', 'success', now() - interval '91 days' from generate_series(1, 12000);
             insert into calendar_sync_log (action, status, created_at)
             select 'pull', 'success', now() - interval '89 days' from generate_series(1, 10);
             insert into calendar_connections (user_id, name, provider, status, updated_at)
             values ('ada@example.com', 'old', 'ics', 'removed', now() - interval '91 days')",
        )
        .expect("rows of long ago");
    // A calendar that is made here wakes the worker, which has waited for one; each request wakes it again.
    client.execute("select calendar_subscribe($1, 'https://calendar.example.com/a')", &[&ADA]).expect("subscribe");
    client.execute("select calendar_pause(connection_id) from calendar_sync_status($1)", &[&ADA]).expect("pause");
    eventually("the removed connection has gone, the last of all", || {
        client.execute("select calendar_sync_request($1)", &[&ADA]).expect("request");
        count(&mut client, "select count(*) from calendar_connections") == 1
    });
    assert_eq!(
        count(&mut client, "select count(*) from calendar_sync_log where created_at < now() - interval '88 days'"),
        10
    );
}

#[test]
fn a_cleanup_that_is_cancelled_removes_nothing() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    client
        .batch_execute(
            "insert into calendar_sync_log (action, status, created_at)
             select 'pull', 'success', now() - interval '91 days' from generate_series(1, 30000);
             create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return old; end $$;
             create trigger wait before delete on calendar_sync_log for each row execute function wait();
             set statement_timeout = '300ms'",
        )
        .expect("a slow deletion");
    let error = client.query("select * from calendar_cleanup()", &[]).expect_err("it is cancelled");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"));
    assert_eq!(count(&mut client, LOG), 30000);
}
