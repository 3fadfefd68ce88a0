//! Providers that take no more requests than their quota allows: the rest waits its turn, and no operation pays for it.

use calendar_sync_e2e::{ADA, Cluster, FakeNotion, GoogleCall, GoogleFault, Linked, count, text};
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

const TRIES: &str = "select coalesce(sum(retry_count), 0)::bigint from calendar_sync_queue";

/// Hardest point 13.
#[test]
fn a_calendar_that_is_asked_too_often_is_left_alone_and_no_operation_pays_for_it() {
    let mut linked = Linked::start(false, "push");
    linked.google.fail(GoogleCall::Insert, 1, GoogleFault::RefuseFor(429, "rateLimitExceeded", 600));
    for number in 0..5 {
        linked.upsert_titled(&number.to_string(), "One");
    }
    let handled = linked.client.query("select status, error from calendar_queue_process()", &[]).expect("process");
    assert_eq!(handled.len(), 5);
    for row in handled {
        assert_eq!(row.get::<_, &str>(0), "pending");
        assert!(row.get::<_, &str>(1).contains("too often"), "{row:?}");
    }
    assert_eq!(linked.google.count(GoogleCall::Insert), 1);
    let untouched = "select count(*) from calendar_sync_queue where status = 'pending' and retry_count = 0";
    assert_eq!(count(&mut linked.client, untouched), 5);
    let pause = "select round(extract(epoch from next_poll_at - now()))::bigint from calendar_connections";
    let seconds = count(&mut linked.client, pause);
    assert!((590..=600).contains(&seconds), "{seconds}");
}

/// Hardest point 13. Google's answer to who is over the quota is a 403, of which only the reason tells it from a refusal.
#[test]
fn what_google_takes_no_more_of_in_a_minute_it_gets_in_the_next_ones() {
    let mut linked = Linked::start(false, "push");
    linked.google.set_quota(5);
    let titles: Vec<String> = (0..12).map(|number| format!("Event {number:02}")).collect();
    for title in &titles {
        linked.upsert_titled(title, title);
    }
    for there in [5, 10] {
        let (status, pushed, error) = linked.sync_now();
        assert_eq!((status.as_str(), pushed), ("error", 5));
        assert!(error.contains("too often"), "{error}");
        assert_eq!(linked.remote().len(), there);
        assert_eq!(count(&mut linked.client, TRIES), 0, "no operation is to blame");
        linked.google.advance(TimeDelta::minutes(1));
    }
    assert_eq!(linked.sync_now(), ("success".into(), 2, String::new()));
    assert_eq!(linked.remote_titles(), titles);
    assert_eq!((linked.operations("completed"), count(&mut linked.client, TRIES)), (12, 0));
}

/// Hardest point 13.
#[test]
fn what_notion_takes_no_more_of_in_a_minute_it_gets_in_the_next_ones() {
    let notion = FakeNotion::start();
    let source = notion.add_database("Team", &FakeNotion::usual_schema());
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    let options = json!({ "api_url": notion.url() });
    client.execute("select calendar_oauth_register('notion', 'c', 's', $1)", &[&options]).expect("register");
    let add = "select calendar_account_add($1, 'notion', $2)";
    let account: Uuid = client.query_one(add, &[&ADA, &FakeNotion::TOKEN]).expect("an account").get(0);
    client.execute("select calendar_connect($1, $2, 'push')", &[&account, &source]).expect("connect");
    for number in 0..12 {
        let event = json!({ "title": format!("Event {number:02}"), "start": "2030-01-15T09:00:00Z" });
        let upsert = "select calendar_upsert_event($1, 'crm', $2, $3)";
        client.execute(upsert, &[&ADA, &number.to_string(), &event]).expect("upsert");
    }
    notion.limit_requests(8);
    notion.forget_requests();
    let mut syncs = 0;
    while count(&mut client, "select count(*) from calendar_sync_queue where status <> 'completed'") > 0 {
        notion.advance(TimeDelta::minutes(1));
        let row = client.query_one("select coalesce(error, '') from calendar_sync_now($1)", &[&ADA]).expect("a row");
        let (error, there) = (row.get::<_, &str>(0), notion.pages(&source).len());
        assert_eq!(error.contains("too often"), there < 12, "{there} pages: {error}");
        assert_eq!(count(&mut client, TRIES), 0, "no operation is to blame");
        syncs += 1;
    }
    assert_eq!(notion.pages(&source).len(), 12);
    let schemas = notion.requests().into_iter().filter(|one| one.method == "GET").count();
    assert_eq!((syncs, schemas), (2, 1), "what the database's properties are is asked for once, not for each page");
    let pause = "select concat_ws(' ', status, consecutive_failures) from calendar_connections";
    assert_eq!(text(&mut client, pause), "active 0");
}
