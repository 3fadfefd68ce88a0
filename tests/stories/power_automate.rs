//! Calendars behind Power Automate flows: how a flow is run, what it may answer with, and what becomes of that.

use calendar_sync_e2e::{ADA, Cluster, FakeFlow, Pace, count, eventually, outlook_event, text};
use postgres::Client;
use serde_json::{Value, json};

const EVENTS: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";
/// Changes with every version of a row that is written.
const VERSIONS: &str = "select string_agg(ctid::text || xmin::text, ' ' order by event_id) from calendar_events";

fn without_worker() -> (Cluster, Client, FakeFlow) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let client = cluster.create_database("crm");
    (cluster, client, FakeFlow::start())
}

fn subscribe(client: &mut Client, flow: &FakeFlow) {
    let query = "select calendar_subscribe($1, $2, 'powerautomate', 'outlook')";
    client.execute(query, &[&ADA, &flow.url()]).expect("subscribe");
}

/// Status, counts (fetched, created, updated, deleted, unchanged) and error of one calendar_sync_now.
fn sync(client: &mut Client) -> (String, [i32; 5], String) {
    let query = "select status, fetched, created, updated, deleted, unchanged, coalesce(error, '')
                 from calendar_sync_now($1)";
    let row = client.query_one(query, &[&ADA]).expect("a row for the connection");
    (row.get(0), [1, 2, 3, 4, 5].map(|column| row.get(column)), row.get(6))
}

/// One event for each number, each on its own day of 2030.
fn events(numbers: std::ops::RangeInclusive<u32>) -> Vec<Value> {
    let start = |number| format!("2030-{:02}-{:02}T09:00:00", 1 + number / 28, 1 + number % 28);
    numbers.map(|number| outlook_event(&number.to_string(), &start(number))).collect()
}

fn with(mut event: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event
}

#[test]
fn a_flow_is_told_the_window_and_its_events_are_compared_with_what_is_here() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=3));
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client), ("success".into(), [3, 3, 0, 0, 0], String::new()));
    let request = &flow.requests()[0];
    assert_eq!((request.method.as_str(), request.headers["content-type"].as_str()), ("POST", "application/json"));
    let window: Value = serde_json::from_str(&request.body).expect("JSON");
    let days = format!(
        "select (({}::timestamptz - {}::timestamptz) = interval '395 days')::text",
        quoted(&window["endDateTime"]),
        quoted(&window["startDateTime"])
    );
    assert_eq!((text(&mut client, &days).as_str(), &window["timeZone"]), ("true", &json!("UTC")));

    let shown = "select concat_ws(' | ', title, event_date at time zone 'UTC', start_time, description, organizer,
                     external_source, synced_from, sync_status, ical_uid, last_updated at time zone 'UTC',
                     attendees -> 0 ->> 'address', metadata ->> 'web_link')
                 from calendar_events where external_id = '1'";
    assert_eq!(
        text(&mut client, shown),
        "Meeting 1 | 2030-01-02 09:00:00 | 09:00:00 | Agenda | ada@example.com | powerautomate | powerautomate | synced \
         | 040000008200E00074C5B7101A82E008-1 | 2026-02-03 04:05:06 | bob@example.com | \
         https://outlook.office365.com/owa/?itemid=1"
    );

    // In another order, with other fractions of seconds, in another wrapping: the same.
    let before = text(&mut client, VERSIONS);
    let again = events(1..=3).into_iter().rev().map(|event| {
        let start = event["start"].as_str().expect("a start").replace(".0000000", ".1234567");
        with(event, json!({ "start": start }))
    });
    flow.respond(json!({ "body": again.collect::<Vec<_>>() }).to_string());
    assert_eq!(sync(&mut client).1, [3, 0, 0, 0, 3]);
    assert_eq!(text(&mut client, VERSIONS), before);

    let mut changed = events(2..=4);
    changed[0] = with(changed[0].clone(), json!({ "subject": "Moved", "showAs": "oof" }));
    flow.respond_with(&changed);
    assert_eq!(sync(&mut client).1, [3, 1, 1, 1, 1]);
    let states = "select string_agg(external_id || ' ' || title || ' ' || sync_status || ' ' || event_status, ', '
                  order by external_id) from calendar_events";
    assert_eq!(
        text(&mut client, states),
        "1 Meeting 1 deleted cancelled, 2 Moved synced scheduled, 3 Meeting 3 synced scheduled, \
         4 Meeting 4 synced scheduled"
    );
}

fn quoted(value: &Value) -> String {
    format!("'{}'", value.as_str().expect("a string"))
}

#[test]
fn the_worker_runs_flows_and_what_is_unchanged_writes_no_row_version() {
    let cluster = Cluster::start_with(&[("calendar_sync.http_timeout", "1500ms")]);
    let mut client = cluster.create_database("crm");
    let flow = FakeFlow::start();
    flow.respond_with(&events(1..=20));
    flow.set_pace(Pace::Endless);
    subscribe(&mut client, &flow);
    let pending = "select count(*) from calendar_connections where pending_location is not null";
    eventually("it is left running", || count(&mut client, pending) == 1);
    flow.set_pace(Pace::Polls(0));
    eventually("it is pulled", || count(&mut client, EVENTS) == 20);
    assert_eq!((flow.runs(), count(&mut client, pending)), (1, 0));
    let interval = "select (next_poll_at between now() + interval '5 hours' and now() + interval '7 hours')::text
                    from calendar_connections";
    assert_eq!(text(&mut client, interval), "true", "every six hours");
    let before = text(&mut client, VERSIONS);
    client.execute("select calendar_sync_request($1)", &[&ADA]).expect("request");
    eventually("it was run again", || {
        flow.runs() == 2
            && count(&mut client, "select count(*) from calendar_connections where leased_until is null") == 1
    });
    assert_eq!(text(&mut client, VERSIONS), before);
}

#[test]
fn a_trigger_of_get_is_found_out_once() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=2));
    flow.take_methods(&["GET"]);
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client).1, [2, 2, 0, 0, 0]);
    assert_eq!(sync(&mut client).1, [2, 0, 0, 0, 2]);
    let methods = |flow: &FakeFlow| flow.requests().iter().map(|request| request.method.clone()).collect::<Vec<_>>();
    assert_eq!(methods(&flow), ["POST", "GET", "GET"]);
    flow.take_methods(&["POST"]);
    assert_eq!(sync(&mut client).0, "success");
    assert_eq!(sync(&mut client).0, "success");
    assert_eq!(methods(&flow)[3..], ["GET", "POST", "POST"]);
}

#[test]
fn a_run_that_goes_on_is_asked_for_later_and_not_started_again() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=2));
    flow.set_pace(Pace::Endless);
    flow.set_retry_after(u64::MAX);
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client), ("pending".into(), [0; 5], String::new()));
    let no_later = "select (next_poll_at < now() + interval '7 hours')::text from calendar_connections";
    assert_eq!(text(&mut client, no_later), "true", "as the interval at the latest");
    flow.set_retry_after(60);
    assert_eq!(sync(&mut client).0, "pending");
    assert_eq!(text(&mut client, "select status from calendar_sync_status('ada@example.com')"), "pending");
    let soon = "select (next_poll_at between now() + interval '50 s' and now() + interval '61 s')::text
                from calendar_connections";
    assert_eq!(text(&mut client, soon), "true", "as Retry-After says");
    assert_eq!(sync(&mut client).0, "pending");
    assert_eq!((flow.runs(), flow.requests().len()), (1, 3));
    let location =
        "select (pending_location is not null and pending_since is not null)::text from calendar_connections";
    assert_eq!(text(&mut client, location), "true");

    // A server that fails for a while does not end the run.
    flow.refuse(503, &[], "ServerBusy");
    assert_eq!(sync(&mut client).0, "error");
    flow.stop_refusing();
    flow.set_pace(Pace::Polls(0));
    assert_eq!(sync(&mut client), ("success".into(), [2, 2, 0, 0, 0], String::new()));
    assert_eq!(flow.runs(), 1);
    assert_eq!(text(&mut client, location), "false");

    // One that is known no more is started anew, as is one that is too old.
    flow.set_pace(Pace::Endless);
    assert_eq!(sync(&mut client).0, "pending");
    flow.refuse(404, &[], "WorkflowRunNotFound");
    assert_eq!(sync(&mut client).0, "error");
    flow.stop_refusing();
    assert_eq!(sync(&mut client).0, "pending");
    assert_eq!(flow.runs(), 3);
    client.batch_execute("update calendar_connections set pending_since = now() - interval '1 day'").expect("update");
    assert_eq!(sync(&mut client).0, "pending");
    assert_eq!(sync(&mut client).0, "pending");
    assert_eq!(flow.runs(), 4);

    // Short runs are waited for.
    client.batch_execute("update calendar_connections set pending_location = null").expect("update");
    flow.set_retry_after(1);
    flow.set_pace(Pace::Polls(2));
    assert_eq!(sync(&mut client).0, "success");
}

#[test]
fn an_answer_that_is_no_list_of_events_changes_nothing_and_says_what_to_do() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=3));
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client).0, "success");
    let before = text(&mut client, VERSIONS);
    for (body, said) in [
        ("", "is empty"),
        ("<html>Sign in</html>", "web page"),
        ("null", "no list of events"),
        ("{}", "no list of events"),
        (r#"{"value":null}"#, "no list of events"),
        (r#"{"value":[{"id":"1""#, "not JSON"),
        (r#"{"error":{"code":"NoResponse","message":"sig=secret"}}"#, "error (NoResponse)"),
    ] {
        flow.respond(body);
        let (status, _, error) = sync(&mut client);
        assert!(status == "error" && error.contains(said), "{body}: {status} {error}");
    }
    for (status, headers, code, said) in [
        (400, &[][..], "TriggerInputSchemaMismatch", "400, TriggerInputSchemaMismatch"),
        (403, &[], "MisMatchingOAuthClaims", "Anyone"),
        (401, &[], "MisMatchingOAuthClaims", "Anyone"),
        (404, &[], "WorkflowNotFound", "switched off"),
        (429, &["Retry-After: 7200"], "TooManyRequests", "429"),
        (502, &[], "NoResponse", "run history"),
        (504, &[], "GatewayTimeout", "run history"),
        (503, &[], "ServerBusy", "503"),
        (500, &[], "x", "500"),
        (302, &["Location: /elsewhere"], "x", "redirects what is sent"),
    ] {
        flow.refuse(status, headers, code);
        let (result, _, error) = sync(&mut client);
        assert!(result == "error" && error.contains(said), "{status}: {error}");
        if status == 429 {
            let pause = "select (next_poll_at > now() + interval '119 minutes')::text from calendar_connections";
            assert_eq!(text(&mut client, pause), "true", "Retry-After is obeyed");
        }
    }
    flow.stop_refusing();
    flow.set_pace(Pace::Silent);
    assert!(sync(&mut client).2.contains("needs a Response action"));
    assert_eq!(text(&mut client, VERSIONS), before);
    flow.set_pace(Pace::AtOnce);
    flow.respond("[]");
    assert_eq!(sync(&mut client).1, [0, 0, 0, 3, 0], "an empty list is an empty calendar");
}

#[test]
fn what_is_not_all_of_the_calendar_deletes_nothing() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=4));
    subscribe(&mut client, &flow);
    sync(&mut client);
    let other = "http://localhost:9/next";
    for body in [
        json!({ "value": events(1..=1), "@odata.nextLink": other }),
        json!({ "value": events(1..=1), "@odata.count": 4 }),
        json!({ "body": events(1..=1)[0] }),
        json!([{ "subject": "no id", "start": "2030-01-01T09:00:00" }]),
    ] {
        flow.respond(body.to_string());
        let (status, counts, _) = sync(&mut client);
        assert_eq!((status.as_str(), counts[3]), ("success", 0), "{body}");
        let partial = "select details ->> 'partial' from calendar_sync_log order by log_id desc limit 1";
        assert_ne!(text(&mut client, partial), "", "{body}");
    }
    assert_eq!(count(&mut client, EVENTS), 4);
    assert!(flow.requests().iter().all(|request| request.method == "POST"));

    // Changes only, with a delete.
    flow.respond(
        json!([with(events(5..=5).remove(0), json!({ "actionType": "added" })), { "id": "2", "actionType": "deleted" }])
            .to_string(),
    );
    assert_eq!(sync(&mut client).1, [2, 1, 0, 1, 0]);
    assert_eq!(count(&mut client, EVENTS), 4);

    // Further pages of the same host are asked for, and make it whole.
    flow.respond(json!({ "value": events(1..=1), "@odata.nextLink": flow.page_url(0) }).to_string());
    flow.set_pages(&[
        json!({ "value": events(3..=3), "nextLink": flow.page_url(1) }),
        json!({ "value": events(6..=6) }),
    ]);
    assert_eq!(sync(&mut client).1, [3, 1, 0, 2, 2]);
    assert_eq!(count(&mut client, EVENTS), 3);

    // All pages together have the limit of one.
    client.batch_execute("set calendar_sync.http_max_bytes = '2kB'").expect("set");
    assert!(sync(&mut client).2.contains("larger than 2048 bytes"));
}

#[test]
fn what_lies_beyond_a_window_that_has_become_shorter_was_not_deleted() {
    let (_cluster, mut client, flow) = without_worker();
    let start = |days: u32| {
        let query = format!("select to_char(now() + interval '{days} days', 'YYYY-MM-DD') || 'T09:00:00'");
        move |client: &mut Client| text(client, &query)
    };
    let (near, far) = (start(10)(&mut client), start(200)(&mut client));
    flow.respond_with(&[outlook_event("near", &near), outlook_event("nearer", &near), outlook_event("far", &far)]);
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client).1, [3, 3, 0, 0, 0]);
    client.batch_execute("set calendar_sync.expand_ahead = '90d'").expect("set");
    flow.respond_with(&[outlook_event("near", &near)]);
    assert_eq!(sync(&mut client).1, [1, 0, 0, 1, 1]);
    let kept = "select string_agg(external_id, ' ' order by external_id) from calendar_events
                where sync_status = 'synced'";
    assert_eq!(text(&mut client, kept), "far near");
    client.batch_execute("reset calendar_sync.expand_ahead").expect("reset");
    flow.respond_with(&[outlook_event("near", &near), outlook_event("new", &near)]);
    assert_eq!(sync(&mut client).1, [2, 1, 0, 1, 1]);
}

#[test]
fn waiting_for_a_run_can_be_cancelled() {
    let (_cluster, mut client, flow) = without_worker();
    flow.set_pace(Pace::Endless);
    subscribe(&mut client, &flow);
    client.batch_execute("set statement_timeout = '1500ms'").expect("set");
    let error = client.query("select * from calendar_sync_now($1)", &[&ADA]).expect_err("the statement is cancelled");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error}");
    client.batch_execute("reset statement_timeout").expect("reset");
    flow.set_pace(Pace::AtOnce);
    assert_eq!(sync(&mut client).0, "success");
}

#[test]
fn a_bad_item_keeps_its_last_good_data_and_the_others_are_taken() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=2));
    subscribe(&mut client, &flow);
    sync(&mut client);
    let mut bad = events(1..=3);
    bad[0] = with(bad[0].clone(), json!({ "start": "soon", "startWithTimeZone": null, "subject": "bad" }));
    flow.respond_with(&bad);
    assert_eq!(sync(&mut client), ("success".into(), [3, 1, 0, 0, 1], String::new()));
    let one = "select title || ' ' || sync_status || ' ' || event_status from calendar_events where external_id = '1'";
    assert_eq!(text(&mut client, one), "Meeting 1 error scheduled");
    let logged = "select details -> 'first' -> 0 ->> 'external_id' from calendar_sync_log order by log_id desc limit 1";
    assert_eq!(text(&mut client, logged), "1");
    flow.respond_with(&events(1..=3));
    sync(&mut client);
    assert_eq!(text(&mut client, one), "Meeting 1 synced scheduled");
}

#[test]
fn a_series_is_expanded_and_keeps_its_local_time() {
    let (_cluster, mut client, flow) = without_worker();
    let start = text(&mut client, "select to_char(date_trunc('week', now()) + interval '7 days', 'YYYY-MM-DD')");
    let weekly = with(
        outlook_event("s", &format!("{start}T08:00:00")),
        json!({ "recurrence": "weekly", "timeZone": "W. Europe Standard Time", "numberOfOccurences": 50,
                "startWithTimeZone": null, "endWithTimeZone": null }),
    );
    flow.respond(json!({ "value": json!([weekly]).to_string() }).to_string());
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client).1, [1, 1, 0, 0, 0]);
    let shown = "select count(*) || ' ' || string_agg(distinct start_time::text || ' ' || time_zone || ' '
                     || external_id || ' ' || series_master_id, ', ') from calendar_events";
    assert_eq!(text(&mut client, shown), "50 08:00:00 Europe/Berlin s s");
    assert_eq!(sync(&mut client).1, [1, 0, 0, 0, 1]);
}

#[test]
fn a_new_url_keeps_the_events_and_a_mass_delete_is_held_back() {
    let (_cluster, mut client, flow) = without_worker();
    flow.respond_with(&events(1..=30));
    subscribe(&mut client, &flow);
    sync(&mut client);
    let before = text(&mut client, VERSIONS);
    flow.rotate_key();
    let (status, _, error) = sync(&mut client);
    assert!(status == "error" && error.contains("401, DirectApiAuthorizationRequired"), "{error}");
    assert_eq!(text(&mut client, "select status from calendar_connections"), "reauth_required");
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client).1, [30, 0, 0, 0, 30]);
    assert_eq!(text(&mut client, VERSIONS), before);

    flow.respond_with(&events(1..=5));
    let (status, _, error) = sync(&mut client);
    assert!(status == "error" && error.contains("25 of 30"), "{error}");
    assert_eq!(count(&mut client, EVENTS), 30);
}

#[test]
fn the_trigger_and_the_location_are_secrets_and_no_other_host_is_asked() {
    let (cluster, mut client, flow) = without_worker();
    let elsewhere = FakeFlow::start();
    flow.set_pace(Pace::Endless);
    flow.set_retry_after(60);
    subscribe(&mut client, &flow);
    assert_eq!(sync(&mut client).0, "pending");
    // The server quotes its URL in its error.
    flow.refuse(400, &[], "InvalidRequest");
    assert_eq!(sync(&mut client).0, "error");
    flow.stop_refusing();
    assert_eq!(sync(&mut client).0, "pending");
    let dump = cluster.run_program("pg_dump", "crm", &[]);
    let rows = text(&mut client, "select string_agg(c::text, '') from calendar_connections c")
        + &text(&mut client, "select string_agg(c::text, '') from calendar_sync_log c")
        + &text(&mut client, "select string_agg(c::text, '') from calendar_connection_status c");
    for secret in flow.secrets() {
        assert!(!dump.contains(secret) && !rows.contains(secret) && !cluster.log().contains(secret), "{secret}");
    }

    client.batch_execute("select calendar_unsubscribe(connection_id) from calendar_connections").expect("unsubscribe");
    assert_eq!(count(&mut client, "select count(*) from calendar_connections where pending_location is not null"), 0);
    flow.set_location(&elsewhere.url());
    subscribe(&mut client, &flow);
    assert!(sync(&mut client).2.contains("another host"));
    flow.refuse(307, &[&format!("Location: {}", elsewhere.url().replace("127.0.0.1", "localhost"))], "x");
    assert!(sync(&mut client).2.contains("redirects what is sent"));
    assert!(elsewhere.requests().is_empty());
}
