//! A dump with everything of accounts in it: calendars at all three providers, links, a conflict, changes on their way out,
//! channels. A copy beside the original leaves people's calendars alone; in its place it goes on where that left off.

use calendar_sync_e2e::{
    ADA, Cluster, FakeGoogle, FakeGraph, FakeNotion, GraphCall, Hooks, add_google_account, connect_calendar, count,
    eventually, post, rounds, text, title_of,
};
use chrono::{Days, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

const WAITING: &str = "select count(*) from calendar_sync_queue where status in ('pending', 'processing')";
const CONFLICTS: &str = "select count(*) from calendar_sync_conflicts where not resolved";
const EVENTS: &str = "select coalesce(string_agg(title, ', ' order by title), '') from calendar_events
    where sync_status <> 'deleted'";
/// What every calendar of Ada's holds once all is sent, and what was added in each by herself.
const OURS: [&str; 3] = ["Changed", "New", "Stays"];
const THEIRS: &str = "Theirs";

/// Ada's calendars at three providers, and a server.
struct World {
    google: FakeGoogle,
    graph: FakeGraph,
    outlook: String,
    notion: FakeNotion,
    database: String,
    cluster: Cluster,
    hooks: Hooks,
}

/// In ten days, at that hour.
fn time(hour: u32) -> String {
    format!("{}T{hour:02}:00:00", Utc::now().date_naive() + Days::new(10))
}

fn at_nine(title: &str) -> Value {
    json!({ "title": title, "start": time(9) + "Z", "end": time(10) + "Z" })
}

fn upsert(client: &mut Client, id: &str, title: &str) {
    client
        .execute("select calendar_upsert_event($1, 'crm', $2, $3)", &[&ADA, &id, &at_nine(title)])
        .unwrap_or_else(|error| panic!("upsert {title}: {error:?}"));
}

fn sync(client: &mut Client) -> Vec<(String, String)> {
    let query = "select status, coalesce(error, '') from calendar_sync_now($1)";
    client.query(query, &[&ADA]).expect("sync").iter().map(|row| (row.get(0), row.get(1))).collect()
}

impl World {
    fn start() -> (Self, Client) {
        let cluster = Cluster::start_with(&[
            ("calendar_sync.worker", "off"),
            ("calendar_sync.manual_sync_limit", "1000"),
            ("max_worker_processes", "16"),
        ]);
        let mut client = cluster.create_database("crm");
        client.batch_execute("create role hooks; select calendar_grant('hooks', 'web')").expect("the front end's role");
        let hooks = Hooks::start(cluster.config("crm").options("-c role=hooks").clone());
        let (google, graph, notion) = (FakeGoogle::start(), FakeGraph::start(), FakeNotion::start());
        google.add_person(ADA, "Europe/Berlin");
        let outlook = graph.add_mailbox(ADA);
        let database = notion.add_database("Plans", &FakeNotion::usual_schema());
        let world = Self { google, graph, outlook, notion, database, cluster, hooks };
        let connections = world.connect(&mut client);
        world.fill(&mut client, &connections);
        (world, client)
    }

    /// Connections at Google, Microsoft and Notion.
    fn connect(&self, client: &mut Client) -> [Uuid; 3] {
        let account = add_google_account(client, &self.google, ADA, ADA);
        let google = connect_calendar(client, account, ADA, "both", &json!({ "conflict_policy": "manual" }));
        let outlook = self.graph.connect(client, ADA, &self.outlook, "both");
        let options = json!({ "api_url": self.notion.url() });
        client.execute("select calendar_oauth_register('notion', 'c', 's', $1)", &[&options]).expect("register");
        let add = "select calendar_account_add($1, 'notion', $2, account_email => $1)";
        let account: Uuid = client.query_one(add, &[&ADA, &FakeNotion::TOKEN]).expect("an account").get(0);
        [google, outlook, connect_calendar(client, account, &self.database, "both", &json!({}))]
    }

    /// Events of both sides, a conflict nobody has decided, a channel of each calendar, and changes that wait to be sent.
    fn fill(&self, client: &mut Client, connections: &[Uuid; 3]) {
        for (id, title) in [("1", "Stays"), ("2", "To be changed"), ("3", "To go"), ("4", "Disputed")] {
            upsert(client, id, title);
        }
        self.add(THEIRS);
        self.settle(client);
        for (connection, provider) in connections.iter().zip(["google", "microsoft", "notion"]) {
            let register = "select calendar_webhook_register($1, $2)";
            client.execute(register, &[connection, &self.hooks.url(provider)]).expect("register");
        }
        let first = self.notion.subscribe(&self.hooks.url("notion"), "secret_of_this_integration");
        assert_eq!(post(&self.hooks.url("notion"), &first.headers, first.body.as_bytes()).map(|it| it.0), Some(200));

        let disputed = self.of_google("Disputed");
        self.google.calendar(ADA).edit(&disputed, json!({ "summary": "Disputed there" }));
        upsert(client, "4", "Disputed here");
        self.settle(client);
        assert_eq!(count(client, CONFLICTS), 1);

        upsert(client, "2", "Changed");
        upsert(client, "5", "New");
        client.execute("select calendar_delete_event($1, 'crm', '3')", &[&ADA]).expect("delete");
        let operations = "select string_agg(concat_ws(' ', operation, many), ', ' order by operation)
             from (select operation, count(*) as many from calendar_sync_queue where status = 'pending' group by 1) o";
        assert_eq!(text(client, operations), "create 3, delete 3, update 3");
    }

    /// Ada adds an event in each of her calendars.
    fn add(&self, title: &str) {
        let [start, end] = [14, 15].map(|hour| json!({ "dateTime": time(hour), "timeZone": "UTC" }));
        self.google.calendar(ADA).insert(json!({ "summary": title, "start": start, "end": end }));
        self.graph.calendar(&self.outlook).insert(json!({ "subject": title, "start": start, "end": end }));
        let date = json!({ "date": { "start": time(14) + "Z", "end": time(15) + "Z" } });
        self.notion.add_page(&self.database, &json!({ "Name": title_of(title), "When": date }));
    }

    fn of_google(&self, title: &str) -> String {
        let events = self.google.calendar(ADA).events();
        let event = events.iter().find(|event| event["summary"] == title).expect(title);
        event["id"].as_str().expect("an id").to_owned()
    }

    /// Syncs by hand until nothing waits.
    fn settle(&self, client: &mut Client) {
        for _ in 0..5 {
            self.notion.advance(TimeDelta::minutes(2));
            let synced = sync(client);
            assert!(synced.iter().all(|(status, _)| status == "success"), "{synced:?}");
            if count(client, WAITING) == 0 {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// The titles of each provider's calendar.
    fn titles(&self) -> [Vec<String>; 3] {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut titles = [
            self.google.calendar(ADA).events().iter().map(|event| word(&event["summary"])).collect::<Vec<_>>(),
            self.graph.calendar(&self.outlook).events().iter().map(|event| word(&event["subject"])).collect(),
            self.notion
                .pages(&self.database)
                .iter()
                .map(|page| word(&page["properties"]["Name"]["title"][0]["plain_text"]))
                .collect(),
        ];
        titles.iter_mut().for_each(|titles| titles.sort());
        titles
    }

    /// Requests of anybody, also those for tokens.
    fn requests(&self) -> usize {
        self.google.requests().len() + self.graph.requests().len() + self.notion.count_requests()
    }

    fn forget_requests(&self) {
        self.google.forget_requests();
        self.graph.forget_requests();
        self.notion.forget_requests();
    }

    fn dump(&self) -> String {
        let dump = self.cluster.folder().join("crm.dump");
        let file = dump.to_str().expect("a path in UTF-8").to_owned();
        self.cluster.run_program("pg_dump", "crm", &["--format=custom", "--file", &file]);
        file
    }

    /// The copy takes the original's place, also for the front end.
    fn replace_original(&self) -> Client {
        self.cluster.connect("postgres").batch_execute("drop database crm with (force)").expect("the original is gone");
        self.cluster.connect("postgres").batch_execute("alter database copy rename to crm").expect("rename");
        self.cluster.connect("crm")
    }
}

fn restore(cluster: &Cluster, dump: &str) -> Client {
    cluster.connect("postgres").batch_execute("create database copy").expect("create database");
    cluster.run_program("pg_restore", "copy", &["--exit-on-error", "--dbname=copy", dump]);
    cluster.connect("copy")
}

/// With what is disputed, as each of them has it.
fn wanted(google: &str) -> [Vec<String>; 3] {
    [google, "Disputed here", "Disputed here"].map(|disputed| {
        let mut titles: Vec<String> = OURS.iter().copied().chain([THEIRS, disputed]).map(str::to_owned).collect();
        titles.sort();
        titles
    })
}

fn refused(client: &mut Client, query: &str) -> String {
    let error = client.query(query, &[]).expect_err(query);
    error.as_db_error().map(|it| format!("{} {}", it.code().code(), it.message())).expect("the server's error")
}

fn everything_is_due(client: &mut Client) {
    client
        .batch_execute(
            "update calendar_connections set next_poll_at = now();
             update calendar_webhook_subscriptions set renew_at = now() where renew_at is not null;
             update calendar_accounts set token_expires_at = now() where refresh_token is not null",
        )
        .expect("due");
}

#[test]
fn a_copy_beside_the_original_asks_and_changes_nobodys_calendar() {
    let (world, mut original) = World::start();
    let mut copy = restore(&world.cluster, &world.dump());
    let links = "select count(*) from calendar_event_links";
    assert_eq!(count(&mut copy, links), count(&mut original, links));
    let (queued, before) = (count(&mut copy, WAITING), text(&mut copy, EVENTS));
    everything_is_due(&mut copy);
    world.google.expire_access_tokens();
    world.graph.expire_access_tokens();
    let channels = (world.google.channels().len(), world.graph.subscriptions().len());
    world.forget_requests();

    // By its worker, which is the only one, and by hand.
    world.cluster.set("calendar_sync.worker_databases", "copy");
    world.cluster.set("calendar_sync.worker", "on");
    rounds(&mut copy, "stands aside: restored copy");
    let synced = sync(&mut copy);
    assert!(synced.len() == 3 && synced.iter().all(|(_, error)| error.contains("restored copy")), "{synced:?}");
    assert!(copy.query("select * from calendar_queue_process()", &[]).expect("process").is_empty());
    for query in [
        "select calendar_webhook_stop(webhook_id) from calendar_webhook_subscriptions where provider <> 'notion'",
        "select calendar_webhook_register(connection_id, 'https://crm.example.com') from calendar_connections",
    ] {
        let error = refused(&mut copy, query);
        assert!(error.starts_with("55000") && error.contains("restored copy"), "{query}: {error}");
    }
    let calendars = "select calendar_account_calendars(account_id) from calendar_accounts where provider <> 'notion'";
    assert!(refused(&mut copy, calendars).contains("tokens are not renewed in a restored copy"));
    upsert(&mut copy, "6", "Of the copy");
    rounds(&mut copy, "stands aside: restored copy");
    assert_eq!(world.requests(), 0);
    assert_eq!((world.google.channels().len(), world.graph.subscriptions().len()), channels);
    assert_eq!((count(&mut copy, WAITING), count(&mut copy, CONFLICTS)), (queued, 1));
    assert_eq!(text(&mut copy, EVENTS), before.replace("New, ", "New, Of the copy, "));

    // The original sends what waited in it, and renews its channels.
    everything_is_due(&mut original);
    world.cluster.set("calendar_sync.worker_databases", "crm");
    eventually("all of it is there", || world.titles() == wanted("Disputed there"));
    eventually("and noted", || count(&mut original, WAITING) == 0);
    assert_eq!(count(&mut copy, WAITING), queued);
}

/// `original_went_on`: what waited in the dump was sent by the original before it was lost.
fn a_copy_takes_its_originals_place(original_went_on: bool) {
    let (world, mut original) = World::start();
    drop(restore(&world.cluster, &world.dump()));
    if original_went_on {
        world.settle(&mut original);
        assert_eq!(world.titles(), wanted("Disputed there"));
    }
    drop(original);
    // The front end has handed over all that came by then.
    world.google.notifications();
    world.graph.notifications();
    let mut copy = world.replace_original();
    // Nobody but whoever has the refresh tokens gets on.
    world.google.expire_access_tokens();
    world.graph.expire_access_tokens();
    let (channel, subscription) = (world.google.channels()[0].id.clone(), world.graph.subscriptions()[0].expires);
    world.graph.advance(TimeDelta::minutes(5));
    world.forget_requests();

    world.cluster.set("calendar_sync.worker", "on");
    copy.batch_execute("select calendar_resume()").expect("resume");
    eventually("all of it is there", || world.titles() == wanted("Disputed there"));
    eventually("and noted", || count(&mut copy, WAITING) == 0);
    assert_eq!(text(&mut copy, "select string_agg(distinct status, ' ') from calendar_accounts"), "active");
    let failed = "select coalesce(string_agg(concat_ws(' ', operation, provider, q.last_error), ', '), '')
                  from calendar_sync_queue q join calendar_connections using (connection_id) where q.status = 'failed'";
    assert_eq!(text(&mut copy, failed), "");
    let tokens = world.graph.count(GraphCall::Token);
    assert!(tokens > 0, "the copy renews tokens");

    // The channels are its own, and what comes through them is pulled.
    eventually("there is a new channel", || world.google.channels().iter().any(|it| it.id != channel));
    eventually("or the old one lasts longer", || {
        world.graph.subscriptions().iter().any(|it| it.expires > subscription)
    });
    eventually("nothing else is due", || {
        count(&mut copy, "select count(*) from calendar_connections where next_poll_at < now() + interval '1 minute'")
            == 0
    });
    let quiet = "update calendar_connections set next_poll_at = now() + interval '1 day', announced_for = null";
    copy.batch_execute(quiet).expect("no polls");
    world.add("Later");
    world.notion.advance(TimeDelta::minutes(2));
    world.notion.deliver();
    let later = "select coalesce(string_agg(distinct synced_from, ' ' order by synced_from), '') from calendar_events
                 where title = 'Later'";
    eventually("what changes there is announced", || text(&mut copy, later) == "google microsoft notion");

    // The conflict is still nobody's, and can be decided.
    assert_eq!(count(&mut copy, CONFLICTS), 1);
    copy.batch_execute(
        "select calendar_conflict_resolve(event_id, connection_id, 'local') from calendar_sync_conflicts where not resolved",
    )
    .expect("resolve");
    eventually("it is decided there", || world.titles()[0].contains(&"Disputed here".to_owned()));
    let twice = "select count(*) from (
                     select from calendar_events
                     where sync_status <> 'deleted'
                     group by connection_id, title
                     having count(*) > 1
                 ) t";
    assert_eq!(count(&mut copy, twice), 0, "{}", text(&mut copy, EVENTS));
}

#[test]
fn a_copy_that_takes_its_originals_place_sends_what_waited_and_gets_channels_of_its_own() {
    a_copy_takes_its_originals_place(false);
}

#[test]
fn a_copy_that_is_older_than_what_its_original_sent_makes_nothing_twice() {
    a_copy_takes_its_originals_place(true);
}

#[test]
fn a_copy_without_the_key_says_so_of_each_calendar_and_goes_on_once_it_has_it() {
    let (world, original) = World::start();
    let dump = world.dump();
    drop(original);
    let elsewhere =
        Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    elsewhere.connect("postgres").batch_execute("create role hooks").expect("a role");
    let mut copy = restore(&elsewhere, &dump);
    copy.batch_execute("select calendar_resume()").expect("resume");
    world.forget_requests();
    let synced = sync(&mut copy);
    let says = "sealed with a key that the key file does not hold";
    assert!(synced.len() == 3 && synced.iter().all(|it| it.0 == "error" && it.1.contains(says)), "{synced:?}");
    assert_eq!((world.requests(), count(&mut copy, WAITING)), (0, 9));

    let key = elsewhere.folder().join("key");
    let old = std::fs::read(world.cluster.folder().join("key")).expect("the key");
    std::fs::write(&key, old).expect("the same key");
    world.settle(&mut copy);
    assert_eq!(world.titles(), wanted("Disputed there"));
}
