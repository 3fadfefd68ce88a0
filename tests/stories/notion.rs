//! A Notion database and the calendar here, kept the same.

use calendar_sync_e2e::{ADA, Cluster, FakeNotion, NotionFault, Request, count, eventually, text, text_of, title_of};
use chrono::TimeDelta;
use postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

/// One of Ada's data sources, connected as 'Notion'.
struct Site {
    _cluster: Cluster,
    client: Client,
    notion: FakeNotion,
    source: String,
    account: Uuid,
}

impl Site {
    fn start() -> Self {
        Self::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "10000")])
    }

    fn start_with(settings: &[(&str, &str)]) -> Self {
        let cluster = Cluster::start_with(settings);
        let mut client = cluster.create_database("crm");
        let notion = FakeNotion::start();
        let source = notion.add_database("Team", &FakeNotion::usual_schema());
        let options = json!({ "api_url": notion.url() });
        client.execute("select calendar_oauth_register('notion', 'c', 's', $1)", &[&options]).expect("register");
        let add = "select calendar_account_add($1, 'notion', $2, account_email => $1)";
        let account = client.query_one(add, &[&ADA, &FakeNotion::TOKEN]).expect("add").get(0);
        let mut site = Self { _cluster: cluster, client, notion, source, account };
        site.connect("both", &json!({}));
        site
    }

    fn connect(&mut self, direction: &str, options: &Value) {
        let connect = "select calendar_connect($1, $2, $3, name => 'Notion', options => $4)";
        self.client.execute(connect, &[&self.account, &self.source, &direction, options]).expect("connect");
    }

    /// created, updated, deleted, pushed, conflicts
    fn sync(&mut self) -> [i32; 5] {
        let row = self.try_sync(false);
        assert_eq!((row.0.as_str(), row.1.as_str()), ("success", ""));
        row.2
    }

    fn try_sync(&mut self, force: bool) -> (String, String, [i32; 5]) {
        let sync = "select status, coalesce(error, ''), created, updated, deleted, pushed, conflicts
                    from calendar_sync_now($1, force => $2, name => 'Notion')";
        let row = self.client.query_one(sync, &[&ADA, &force]).expect("a row");
        (row.get(0), row.get(1), [2, 3, 4, 5, 6].map(|column| row.get(column)))
    }

    fn say(&mut self, query: &str) -> String {
        text(&mut self.client, query)
    }

    fn upsert(&mut self, id: &str, event: &Value) {
        self.client
            .execute("select calendar_upsert_event($1, 'planner', $2, $3)", &[&ADA, &id, event])
            .expect("upsert");
    }

    /// Titles and dates of the pages that are not in the trash.
    fn pages(&self) -> Vec<(String, Value)> {
        let shown = |page: &Value| {
            let properties = &page["properties"];
            let title = properties["Name"]["title"][0]["plain_text"].as_str().unwrap_or_default().to_owned();
            (title, json!([properties["When"]["date"]["start"], properties["When"]["date"]["end"]]))
        };
        self.notion.pages(&self.source).iter().map(shown).collect()
    }

    /// The id of the page of that title.
    fn page_of(&self, title: &str) -> String {
        let is_it = |page: &&Value| page["properties"]["Name"]["title"][0]["plain_text"] == title;
        let pages = self.notion.pages(&self.source);
        pages.iter().find(is_it).expect("the page")["id"].as_str().expect("an id").to_owned()
    }
}

fn events() -> &'static str {
    "select string_agg(concat_ws('|', title, event_date at time zone 'UTC', event_end at time zone 'UTC', all_day,
         event_status), E'\n' order by title)
     from calendar_events
     where sync_status <> 'deleted'"
}

#[test]
fn the_databases_of_an_integration_are_its_calendars() {
    let mut site = Site::start();
    site.notion.add_database("Private", &FakeNotion::usual_schema());
    let hidden = site.notion.add_database("Hidden", &FakeNotion::usual_schema());
    site.notion.share(&hidden, false);
    let seen = site.say(
        "select string_agg(name || ' ' || writable, ',' order by name)
         from calendar_accounts a, calendar_account_calendars(a.account_id)",
    );
    assert_eq!(seen, "Private true,Team true");
}

#[test]
fn rows_come_as_events_and_follow_what_is_done_to_them() {
    let mut site = Site::start();
    let zoned = json!({ "start": "2030-07-01T09:00:00", "end": "2030-07-01T10:30:00", "time_zone": "Europe/Berlin" });
    let review = site.notion.add_event(&site.source, "Review", &zoned);
    let trip = site.notion.add_event(&site.source, "Trip", &json!({ "start": "2030-07-02", "end": "2030-07-04" }));
    site.notion.add_page(&site.source, &json!({ "Name": title_of("No date") }));
    assert_eq!(site.sync(), [2, 0, 0, 0, 0]);
    let first = "Review|2030-07-01 07:00:00|2030-07-01 08:30:00|f|scheduled\n\
                 Trip|2030-07-02 00:00:00|2030-07-05 00:00:00|t|scheduled";
    assert_eq!(site.say(events()), first);
    assert_eq!(site.sync(), [0, 0, 0, 0, 0]);
    site.notion
        .edit_page(&review, &json!({ "Name": title_of("Review 2"), "Status": { "status": { "name": "Done" } } }));
    site.notion.trash_page(&trip);
    assert_eq!(site.sync(), [0, 1, 1, 0, 0]);
    assert_eq!(site.say(events()), "Review 2|2030-07-01 07:00:00|2030-07-01 08:30:00|f|completed");
    site.notion.restore_page(&trip);
    site.notion.edit_page(&review, &json!({ "When": { "date": null } }));
    site.sync();
    assert_eq!(site.say(events()), "Trip|2030-07-02 00:00:00|2030-07-05 00:00:00|t|scheduled");
    // Gone for good, nothing tells of it: all rows are looked at.
    site.notion.erase_page(&trip);
    site.try_sync(true);
    assert_eq!(site.say(events()), "");
}

/// How many queries the last requests were: of rows, and of the trash.
fn queries(notion: &FakeNotion) -> [usize; 2] {
    let requests = notion.requests();
    let is_of_trash = |request: &&Request| request.body.contains("\"in_trash\":true");
    let trash = requests.iter().filter(is_of_trash).count();
    [requests.len() - trash, trash]
}

#[test]
fn the_worker_asks_once_where_nothing_has_changed_and_looks_at_the_trash_now_and_then_or_when_it_is_called() {
    let mut site = Site::start_with(&[]);
    let ids = ["a", "b"].map(|title| site.notion.add_event(&site.source, title, &json!({ "start": "2030-07-01" })));
    let event =
        |title| format!("select count(*) from calendar_events where title = '{title}' and sync_status <> 'deleted'");
    let request = "select calendar_sync_request()";
    site.client.batch_execute(request).expect("request");
    eventually("they are here", || count(&mut site.client, &event("b")) == 1);
    site.client.batch_execute("update calendar_connections set poll_interval = '100 ms'").expect("often");
    site.client.batch_execute(request).expect("request");
    site.notion.forget_requests();
    eventually("it was polled a number of times", || queries(&site.notion)[0] >= 15);
    let [rows, trash] = queries(&site.notion);
    assert!((2..=rows / 5 + 1).contains(&trash), "{trash} looks at the trash in {rows} polls");
    site.notion.trash_page(&ids[0]);
    eventually("it is gone here, too", || count(&mut site.client, &event("a")) == 0);

    site.client.batch_execute("update calendar_connections set poll_interval = '1 hour'").expect("seldom");
    let waits = "select count(*) from calendar_connections
                 where next_poll_at > now() + interval '30 minutes' and leased_until is null";
    eventually("it rests", || count(&mut site.client, waits) == 1);
    site.notion.trash_page(&ids[1]);
    site.client.batch_execute(request).expect("request");
    eventually("it was looked at, though nothing else has changed", || count(&mut site.client, &event("b")) == 0);
}

/// Hardest point 2.
#[test]
fn a_database_that_is_no_longer_shared_loses_no_event_here() {
    let mut site = Site::start();
    site.notion.add_event(&site.source, "Review", &json!({ "start": "2030-07-01" }));
    site.sync();
    site.notion.share(&site.source, false);
    for force in [false, true] {
        let (status, error, counts) = site.try_sync(force);
        assert_eq!((status.as_str(), counts), ("error", [0; 5]));
        assert!(error.contains("cannot see this calendar"), "{error}");
    }
    assert_eq!(count(&mut site.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 1);
    site.notion.share(&site.source, true);
    assert_eq!(site.sync(), [0; 5]);
}

/// Hardest points 1 and 9.
#[test]
fn what_is_made_here_is_one_page_there_and_comes_back_as_no_change() {
    let mut site = Site::start();
    site.sync();
    let berlin = json!({
        "title": "Shift", "start": "2030-03-30T22:00:00", "end": "2030-03-31T06:00:00", "time_zone": "Europe/Berlin",
        "location": "Depot", "description": "Bring keys",
    });
    site.upsert("shift", &berlin);
    site.notion.fail("POST /v1/pages", NotionFault::LoseReply, 1);
    site.try_sync(false);
    site.client
        .batch_execute("update calendar_connections set next_poll_at = now(), consecutive_failures = 0")
        .expect("due");
    site.try_sync(false);
    site.client
        .batch_execute("update calendar_sync_queue set scheduled_for = now() where status = 'pending'")
        .expect("due");
    site.sync();
    let dates = json!(["2030-03-30T22:00:00.000+01:00", "2030-03-31T06:00:00.000+02:00"]);
    assert_eq!(site.pages(), [("Shift".to_owned(), dates)]);
    assert!(site.notion.property_names(&site.source).contains(&"calendar_sync key".to_owned()));
    for _ in 0..2 {
        assert_eq!(site.sync(), [0; 5]);
    }
    assert_eq!(count(&mut site.client, "select count(*) from calendar_events"), 1);
    assert_eq!(site.say("select sync_status from calendar_event_links"), "synced");
    assert_eq!(site.say("select time_zone from calendar_events"), "Europe/Berlin");
}

/// Hardest point 14.
#[test]
fn what_notion_cannot_hold_survives_an_edit_there() {
    let mut site = Site::start();
    site.sync();
    site.upsert(
        "plan",
        &json!({
            "title": "Plan", "start": "2030-07-01T09:00:00", "end": "2030-07-01T10:00:00", "time_zone": "Europe/Berlin",
            "show_as": "tentative", "importance": "HIGH", "sensitivity": "private", "metadata": { "project": 7 },
        }),
    );
    site.sync();
    let page = site.notion.pages(&site.source)[0]["id"].as_str().expect("an id").to_owned();
    let later = json!({ "start": "2030-07-01T08:00:00Z", "end": "2030-07-01T09:00:00Z" });
    site.notion.edit_page(&page, &json!({ "When": { "date": later }, "Where": text_of("Room 5") }));
    site.sync();
    let kept = "select concat_ws('|', event_date at time zone 'UTC', time_zone, show_as, importance, sensitivity,
                    metadata ->> 'project', location)
                from calendar_events";
    assert_eq!(site.say(kept), "2030-07-01 08:00:00|Europe/Berlin|tentative|HIGH|private|7|Room 5");
    assert_eq!(site.sync(), [0; 5]);
    assert_eq!(site.pages()[0].1, json!(["2030-07-01T08:00:00.000+00:00", "2030-07-01T09:00:00.000+00:00"]));
    // A series has no form there at all, and says so.
    site.upsert(
        "weekly",
        &json!({ "title": "Weekly", "start": "2030-07-01T09:00:00Z", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3"] }),
    );
    site.try_sync(false);
    assert_eq!(site.pages().len(), 1);
    let why = "select last_sync_error from calendar_event_links where series_id is not null";
    assert_eq!(site.say(why), "the provider cannot hold a recurring event: a page is one event");
}

/// Hardest point 5: Notion knows days and instants, and no zone's name.
#[test]
fn days_are_days_on_both_sides_and_nine_oclock_stays_nine_oclock() {
    let mut site = Site::start();
    site.sync();
    // Two days over the change of the clock, and nine o'clock in Berlin on both sides of it.
    site.upsert("fair", &json!({ "title": "Fair", "start": "2030-03-30", "end": "2030-04-01" }));
    for (key, day) in [("before", "2030-03-30"), ("after", "2030-04-01")] {
        let [start, end] = [9, 10].map(|hour| format!("{day}T{hour:02}:00:00"));
        site.upsert(key, &json!({ "title": key, "start": start, "end": end, "time_zone": "Europe/Berlin" }));
    }
    let away = site.notion.add_event(&site.source, "Away", &json!({ "start": "2030-10-26", "end": "2030-10-27" }));
    let zoned =
        json!({ "start": "2030-10-28T09:00:00", "end": "2030-10-28T10:00:00", "time_zone": "America/New_York" });
    site.notion.add_event(&site.source, "Call", &zoned);
    site.sync();
    site.notion.advance(TimeDelta::minutes(2));
    site.sync();
    let shown = "select string_agg(concat_ws(' ', title, event_date at time zone 'UTC', event_end - event_date,
                     case when all_day then 'days' else start_time::text end), ', ' order by event_date, title)
                 from calendar_events where sync_status <> 'deleted'";
    let both = "Fair 2030-03-30 00:00:00 2 days days, before 2030-03-30 08:00:00 01:00:00 09:00:00, \
                after 2030-04-01 07:00:00 01:00:00 09:00:00, Away 2030-10-26 00:00:00 2 days days, \
                Call 2030-10-28 13:00:00 01:00:00 13:00:00";
    assert_eq!(site.say(shown), both);
    let there = |site: &Site, title: &str| {
        site.pages().into_iter().find(|(name, _)| name == title).map(|(_, date)| date).expect("the page")
    };
    assert_eq!(there(&site, "Fair"), json!(["2030-03-30", "2030-03-31"]), "the last day, as Notion has it");
    let nine = |day: &str, offset: &str| json!([9, 10].map(|hour| format!("{day}T{hour:02}:00:00.000{offset}")));
    assert_eq!(there(&site, "before"), nine("2030-03-30", "+01:00"));
    assert_eq!(there(&site, "after"), nine("2030-04-01", "+02:00"));

    // Moved there, a day is a day still, and Berlin's clock goes on in Berlin.
    site.notion.edit_page(&away, &json!({ "When": { "date": { "start": "2030-10-27" } } }));
    let page = site.page_of("before");
    let later = json!({ "start": "2030-04-02T07:00:00Z", "end": "2030-04-02T08:00:00Z" });
    site.notion.edit_page(&page, &json!({ "When": { "date": later } }));
    site.sync();
    let moved = "select string_agg(concat_ws(' ', event_date at time zone 'UTC', event_end - event_date,
                     coalesce(start_time::text, 'days'), time_zone), ', ' order by event_date)
                 from calendar_events where title in ('before', 'Away')";
    assert_eq!(site.say(moved), "2030-04-02 07:00:00 01:00:00 09:00:00 Europe/Berlin, 2030-10-27 00:00:00 1 day days");
    assert_eq!(site.sync(), [0; 5]);
}

/// Hardest point 10: Notion has no condition, so a page is compared before it is changed.
#[test]
fn edits_on_both_sides_in_the_same_minute_are_merged() {
    let mut site = Site::start();
    site.notion.freeze(chrono::DateTime::UNIX_EPOCH + TimeDelta::days(22_000));
    site.sync();
    site.upsert("plan", &json!({ "title": "Plan", "start": "2030-07-01T09:00:00Z", "location": "Room 1" }));
    site.sync();
    let page = site.notion.pages(&site.source)[0]["id"].as_str().expect("an id").to_owned();
    site.notion.edit_page(&page, &json!({ "Where": text_of("Room 2") }));
    site.upsert("plan", &json!({ "title": "Plan B" }));
    site.sync();
    site.sync();
    assert_eq!(site.say("select title || ', ' || location from calendar_events"), "Plan B, Room 2");
    let there = site.notion.page(&page);
    assert_eq!(there["properties"]["Name"]["title"][0]["plain_text"], "Plan B");
    assert_eq!(there["properties"]["Where"]["rich_text"][0]["plain_text"], "Room 2");
    assert_eq!(site.sync(), [0; 5]);
}

/// Hardest point 10.
#[test]
fn an_edit_there_between_the_pull_and_the_push_is_not_overwritten() {
    let mut site = Site::start();
    site.sync();
    site.upsert("plan", &json!({ "title": "Plan", "start": "2030-07-01T09:00:00Z", "location": "Room 1" }));
    site.sync();
    let page = site.notion.pages(&site.source)[0]["id"].as_str().expect("an id").to_owned();
    site.upsert("plan", &json!({ "title": "Plan B" }));
    site.notion.fail("GET /v1/pages/*", NotionFault::MovedBefore("Room 2".to_owned()), 1);
    for _ in 0..3 {
        site.try_sync(false);
    }
    assert_eq!(site.say("select title || ', ' || location from calendar_events"), "Plan B, Room 2");
    let there = site.notion.page(&page);
    assert_eq!(there["properties"]["Name"]["title"][0]["plain_text"], "Plan B");
    assert_eq!(there["properties"]["Where"]["rich_text"][0]["plain_text"], "Room 2");
    // Of a delete, too: an edit beats it.
    site.client.execute("select calendar_delete_event($1, 'planner', 'plan')", &[&ADA]).expect("delete");
    site.notion.fail("GET /v1/pages/*", NotionFault::MovedBefore("Room 3".to_owned()), 1);
    for _ in 0..3 {
        site.try_sync(false);
    }
    assert_eq!(site.notion.page(&page)["in_trash"], false);
    assert_eq!(site.say("select location from calendar_events where sync_status <> 'deleted'"), "Room 3");
    assert_eq!(site.sync(), [0; 5]);
}

#[test]
fn what_is_deleted_here_goes_into_the_trash_there() {
    let mut site = Site::start();
    site.sync();
    site.upsert("plan", &json!({ "title": "Plan", "start": "2030-07-01T09:00:00Z" }));
    site.sync();
    let page = site.notion.pages(&site.source)[0]["id"].as_str().expect("an id").to_owned();
    site.client.execute("select calendar_delete_event($1, 'planner', 'plan')", &[&ADA]).expect("delete");
    site.sync();
    assert_eq!(site.notion.page(&page)["in_trash"], true);
    assert_eq!(site.sync(), [0; 5]);
}

#[test]
fn properties_are_named_in_the_options_and_what_is_missing_is_said() {
    let mut site = Site::start();
    site.notion.change_schema(&site.source, &json!({ "Due": { "date": {} }, "Venue": { "rich_text": {} } }));
    site.notion.add_page(
        &site.source,
        &json!({ "Name": title_of("Bill"), "Due": { "date": { "start": "2030-05-02" } }, "Venue": text_of("Bank") }),
    );
    site.connect("both", &json!({ "properties": { "start": "Due", "location": "Venue" } }));
    site.sync();
    assert_eq!(site.say("select title || ' ' || location from calendar_events"), "Bill Bank");
    // Options as they stand there may be handed in again, with what was learned.
    let again = "select calendar_connect(account_id, external_calendar_id, options => options || '{\"conflict_policy\": \"manual\"}')
                 from calendar_connections";
    site.client.execute(again, &[]).expect("connect");
    assert_eq!(site.sync(), [0; 5]);
    site.connect("both", &json!({ "properties": { "start": "Name" } }));
    let (status, error, _) = site.try_sync(false);
    assert_eq!(status, "error");
    assert!(error.contains("property \"Name\" (options.properties.start) is of type title"), "{error}");
    assert_eq!(count(&mut site.client, "select count(*) from calendar_events where sync_status <> 'deleted'"), 1);
}
