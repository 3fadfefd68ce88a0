//! Many calendars at once: none keeps the others waiting, and nothing that was fetched is lost.

use std::thread::{scope, sleep};
use std::time::Duration;

use calendar_sync_e2e::{ADA, Cluster, FakeWeb, Fault, count, eventually};
use postgres::Client;

const EVENTS: &str = "select count(*) from calendar_events";

fn calendar(title: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//stories//EN\r\nBEGIN:VEVENT\r\nUID:one@stories\r\n\
         DTSTAMP:20250101T000000Z\r\nDTSTART:20300101T090000Z\r\nDURATION:PT30M\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n\
         END:VCALENDAR\r\n"
    )
}

fn subscribe(client: &mut Client, web: &FakeWeb, path: &str) {
    client
        .execute(
            "select calendar_subscribe($1, $2, name => $3, poll_interval => '1 s')",
            &[&ADA, &web.url(path), &path],
        )
        .expect("subscribe");
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process").count()
}

#[test]
fn calendars_that_never_answer_keep_no_other_waiting() {
    let web = FakeWeb::start();
    // One thread, and no end to waiting within this story.
    let cluster =
        Cluster::start_with(&[("calendar_sync.worker_threads", "1"), ("calendar_sync.http_timeout", "10min")]);
    let mut client = cluster.create_database("crm");
    for number in 1..=2 {
        web.set_fault(&format!("/stalled{number}.ics"), Fault::Stall);
        subscribe(&mut client, &web, &format!("/stalled{number}.ics"));
    }
    for number in 1..=5 {
        web.serve(&format!("/good{number}.ics"), calendar("Good"));
        subscribe(&mut client, &web, &format!("/good{number}.ics"));
    }
    eventually("the stalled ones wait, and the good ones are asked again and again", || {
        (1..=2).all(|number| web.requests(&format!("/stalled{number}.ics")).len() == 1)
            && (1..=5).all(|number| web.not_modified(&format!("/good{number}.ics")) >= 3)
    });
    assert_eq!(count(&mut client, EVENTS), 5);
}

#[test]
fn one_server_that_never_answers_takes_its_share_of_the_threads_and_no_more() {
    let (stalled, good) = (FakeWeb::start(), FakeWeb::start());
    let cluster =
        Cluster::start_with(&[("calendar_sync.worker_threads", "1"), ("calendar_sync.http_timeout", "10min")]);
    let mut client = cluster.create_database("crm");
    for number in 1..=100 {
        stalled.set_fault(&format!("/{number}.ics"), Fault::Stall);
        subscribe(&mut client, &stalled, &format!("/{number}.ics"));
    }
    good.serve("/good.ics", calendar("Good"));
    subscribe(&mut client, &good, "/good.ics");
    eventually("the other server is asked again and again", || good.not_modified("/good.ics") >= 3);
    let asked = (1..=100).filter(|number| !stalled.requests(&format!("/{number}.ics")).is_empty()).count();
    assert!(asked < 25, "{asked} of 31 threads wait for one server");
}

#[test]
fn what_was_fetched_is_applied_once_the_row_that_another_session_locked_is_free() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker_threads", "1")]);
    let (mut client, mut other) = (cluster.create_database("crm"), cluster.connect("crm"));
    web.serve("/team.ics", calendar("Before"));
    subscribe(&mut client, &web, "/team.ics");
    eventually("it is pulled", || count(&mut client, EVENTS) == 1);

    web.set_fault("/team.ics", Fault::Hold);
    web.serve("/team.ics", calendar("After"));
    let asked = web.requests("/team.ics").len();
    eventually("it is on its way", || web.requests("/team.ics").len() > asked);
    let asked = web.requests("/team.ics").len();
    other.batch_execute("begin; select from calendar_connections for update").expect("the row");
    web.set_fault("/team.ics", None);
    sleep(Duration::from_secs(1));
    assert_eq!(web.requests("/team.ics").len(), asked, "nobody else has it");
    other.batch_execute("commit").expect("commit");
    let after = "select count(*) from calendar_events where title = 'After'";
    eventually("it is applied", || count(&mut client, after) == 1);
}

#[test]
fn a_call_amid_a_pull_is_another_pull() {
    let web = FakeWeb::start();
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    web.serve("/team.ics", calendar("One"));
    client.execute("select calendar_subscribe($1, $2)", &[&ADA, &web.url("/team.ics")]).expect("subscribe");
    eventually("it is pulled", || count(&mut client, EVENTS) == 1);
    for title in ["Two", "Two", "Three"] {
        web.set_fault("/team.ics", Fault::Hold);
        web.serve("/team.ics", calendar(title));
        let asked = web.requests("/team.ics").len();
        client.execute("select calendar_sync_request($1)", &[&ADA]).expect("request");
        eventually("it is on its way", || web.requests("/team.ics").len() == asked + 1);
        client.execute("select calendar_sync_request($1)", &[&ADA]).expect("request");
        web.set_fault("/team.ics", None);
        eventually("it is asked once more", || web.requests("/team.ics").len() == asked + 2);
        let idle = "select count(*) from calendar_connections where leased_until is null";
        eventually("the worker is done", || count(&mut client, idle) == 1);
    }
}

#[test]
fn a_pull_by_hand_asks_for_several_calendars_at_once_and_reports_them_by_name() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    let paths: Vec<String> = (1..=8).map(|number| format!("/{number}.ics")).collect();
    for path in &paths {
        web.serve(path, calendar(path));
        web.set_fault(path, Fault::Hold);
        subscribe(&mut client, &web, path);
    }
    let rows = scope(|scope| {
        let pull = scope.spawn(|| {
            client.query("select name, status, created from calendar_sync_now($1)", &[&ADA]).expect("a pull by hand")
        });
        eventually("all are asked before any has answered", || paths.iter().all(|path| web.requests(path).len() == 1));
        for path in paths.iter().rev() {
            web.set_fault(path, None);
        }
        pull.join().expect("the session")
    });
    let reports: Vec<(String, String, i32)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected: Vec<_> = paths.into_iter().map(|path| (path, "success".to_string(), 1)).collect();
    assert_eq!(reports, expected);
}

#[test]
fn a_cancelled_pull_of_many_calendars_leaves_neither_events_nor_threads() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    for number in 1..=20 {
        let path = format!("/{number}.ics");
        web.serve(&path, calendar(&path));
        if number > 5 {
            web.set_fault(&path, Fault::Stall);
        }
        subscribe(&mut client, &web, &path);
    }
    let pid = client.query_one("select pg_backend_pid()", &[]).expect("its pid").get(0);
    client.batch_execute("set statement_timeout = '2s'").expect("set");
    let error = client.query("select * from calendar_sync_now($1)", &[&ADA]).expect_err("the statement is cancelled");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error}");
    assert_eq!(count(&mut client, EVENTS), 0);
    eventually("its threads end", || threads(pid) == 1);
}
