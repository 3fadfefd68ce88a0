//! Syncs that do not come to their end.

use std::thread::{scope, sleep};
use std::time::Duration;

use calendar_sync_e2e::{Cluster, Random, eventually, worker_of};
use postgres::Client;

/// In a transaction that is rolled back.
pub fn for_nothing(client: &mut Client, user: &str) {
    let mut transaction = client.transaction().expect("a transaction");
    transaction.query("select * from calendar_sync_now($1)", &[&user]).expect("a report");
    transaction.rollback().expect("rolled back");
}

/// Ended by a time-out or the end of the session, wherever it is then.
pub fn for_a_moment(cluster: &Cluster, client: &mut Client, random: &mut Random, user: &str) {
    let patience = 1 + random.below(60);
    if random.chance(0.2) {
        let mut other = cluster.connect("crm");
        let pid: i32 = other.query_one("select pg_backend_pid()", &[]).expect("its pid").get(0);
        scope(|scope| {
            scope.spawn(move || {
                let _ = other.query("select * from calendar_sync_now($1)", &[&user]);
            });
            sleep(Duration::from_millis(patience as u64));
            client.execute("select pg_terminate_backend($1)", &[&pid]).expect("the end of a session");
        });
    } else {
        client.batch_execute(&format!("set statement_timeout = {patience}")).expect("a time-out");
        let _ = client.query("select * from calendar_sync_now($1)", &[&user]);
        client.batch_execute("reset statement_timeout").expect("no time-out");
    }
}

/// The worker is at all calendars when it, or the whole server, is killed.
pub fn crash(cluster: &Cluster, client: &mut Client, random: &mut Random) {
    cluster.set("calendar_sync.worker", "on");
    client.batch_execute("select calendar_sync_request()").expect("all are due");
    eventually("the worker is there", || worker_of(client, "crm").is_some());
    let victim = worker_of(client, "crm").expect("its pid");
    sleep(Duration::from_millis(random.below(150) as u64));
    if random.chance(0.3) {
        cluster.kill_server();
    } else {
        cluster.kill(victim);
    }
    cluster.set("calendar_sync.worker", "off");
    *client = cluster.connect("crm");
    eventually("the worker is gone", || worker_of(client, "crm").is_none());
}
