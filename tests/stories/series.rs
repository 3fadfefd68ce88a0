//! Single occurrences of series that are taken away or changed here, while their series goes on: the calendar elsewhere has
//! the same ones.

mod rules;

use std::sync::OnceLock;

use calendar_sync_e2e::{ADA, Cluster, count, text};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};

use crate::there::plan::{Freq, Plan};
use crate::there::series::{self, Edit, Occurrence, WithSeries};

type Connect = fn(&mut Client, &str) -> Box<dyn WithSeries>;

/// Providers whose calendars hold series.
const ALL: [Connect; 2] = [series::google, series::outlook];

struct World {
    cluster: Cluster,
    client: Client,
    there: Box<dyn WithSeries>,
}

impl World {
    fn start(connect: Connect) -> Self {
        let cluster =
            Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "100000")]);
        let mut client = cluster.create_database("crm");
        let there = connect(&mut client, ADA);
        Self { cluster, client, there }
    }

    /// On five days, each at nine, the first in three days; in both calendars.
    fn series_of_ours(&mut self) {
        self.upsert(&event_of(&plan()));
        self.settle();
    }

    /// The same, made there.
    fn series_of_theirs(&mut self) {
        self.there.add_series(&plan(), "standup");
        self.settle();
    }

    fn upsert(&mut self, event: &Value) {
        let upserted = self.client.execute("select calendar_upsert_event($1, 'crm', '1', $2)", &[&ADA, event]);
        upserted.unwrap_or_else(|error| panic!("{event}: {error:?}"));
    }

    fn run(&mut self, statement: &str) {
        self.client.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    /// Syncs until there is nothing left to do.
    fn settle(&mut self) {
        let mut said = String::new();
        for _ in 0..10 {
            let report = "select concat_ws(' ', status, created, updated, deleted, pushed, conflicts, error)
                          from calendar_sync_now('ada@example.com')";
            said = text(&mut self.client, report);
            let left = count(&mut self.client, "select count(*) from calendar_sync_queue where status <> 'completed'");
            if said == "success 0 0 0 0 0" && left == 0 {
                return;
            }
        }
        panic!("it does not come to rest: {said}\n{}", self.there.requests());
    }

    /// Day of the series, title and place of each occurrence that takes place here.
    fn here(&mut self) -> Vec<String> {
        let statement = "
            select concat_ws(' ', extract(day from recurrence_id - $1::text::timestamptz)::int, title, location)
            from calendar_events
            where series_id is not null and sync_status <> 'deleted' and event_status <> 'cancelled'
            order by recurrence_id";
        let rows = self.client.query(statement, &[&plan().start.and_utc().to_rfc3339()]).expect("occurrences");
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn there(&self) -> Vec<String> {
        let mut all = self.there.occurrences();
        all.sort_by_key(|one| one.original);
        let say = |one: &Occurrence| {
            let day = (one.original - plan().start.and_utc()).num_days();
            format!("{day} {} {}", one.title, one.place).trim_end().to_owned()
        };
        all.iter().map(say).collect()
    }

    /// Both sides have these, and nothing is left to be done.
    fn assert_both(&mut self, wanted: &[&str]) {
        self.settle();
        assert_eq!(self.here(), wanted, "here\n{}", self.there.requests());
        assert_eq!(self.there(), wanted, "there\n{}", self.there.requests());
    }

    /// The occurrence of that day, there.
    fn one_there(&self, day: i64) -> Occurrence {
        self.there.occurrences().into_iter().find(|one| one.original == at(day)).expect("an occurrence")
    }

    fn exdates(&mut self) -> String {
        let start = plan().start.and_utc().to_rfc3339();
        let statement = "select coalesce(string_agg(extract(day from x - $1::text::timestamptz)::text, ' '), '')
                         from calendar_series, unnest(exdates) x";
        self.client.query_one(statement, &[&start]).expect("its dates").get(0)
    }
}

/// The same for as long as these stories run, whatever the day is by then.
fn plan() -> Plan {
    static START: OnceLock<NaiveDateTime> = OnceLock::new();
    let start =
        *START.get_or_init(|| (Utc::now().date_naive() + TimeDelta::days(3)).and_hms_opt(9, 0, 0).expect("a time"));
    Plan { number: 1, all_day: false, zone: "UTC", start, freq: Freq::Daily, interval: 1, count: 5 }
}

/// As calendar_upsert_event takes it.
fn event_of(plan: &Plan) -> Value {
    let mut event = plan.times_here();
    event["title"] = json!("standup");
    event["description"] = json!(plan.description());
    event["recurrence"] = plan.rule();
    event
}

fn at(day: i64) -> DateTime<Utc> {
    (plan().start + TimeDelta::days(day)).and_utc()
}

/// SQL: the occurrence of that day.
fn of_day(day: i64) -> String {
    format!("recurrence_id = '{}'", at(day).to_rfc3339())
}

/// Hardest point 3.
#[test]
fn an_occurrence_whose_row_is_deleted_is_gone_everywhere_and_does_not_come_back() {
    for connect in ALL {
        for is_ours in [true, false] {
            let mut world = World::start(connect);
            if is_ours {
                world.series_of_ours()
            } else {
                world.series_of_theirs()
            }
            world.run(&format!("delete from calendar_events where {}", of_day(2)));
            assert_eq!(world.exdates(), "2");
            world.assert_both(&["0 standup", "1 standup", "3 standup", "4 standup"]);
            // Whatever becomes of the others.
            let series = world.one_there(0).series;
            world.there.edit_series(&series, &Edit::Place("hall".into()));
            world.assert_both(&["0 standup hall", "1 standup hall", "3 standup hall", "4 standup hall"]);
            if is_ours {
                world.upsert(&json!({ "location": "yard" }));
                world.assert_both(&["0 standup yard", "1 standup yard", "3 standup yard", "4 standup yard"]);
            }
        }
    }
}

#[test]
fn an_occurrence_of_its_own_goes_with_its_row_and_all_of_them_are_the_series() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.series_of_theirs();
        world.there.edit_one(&world.one_there(1), &Edit::Title("retrospective".into()));
        world.assert_both(&["0 standup", "1 retrospective", "2 standup", "3 standup", "4 standup"]);
        assert_eq!(text(&mut world.client, "select jsonb_array_length(overrides)::text from calendar_series"), "1");
        world.run("delete from calendar_events where title = 'retrospective'");
        assert_eq!(text(&mut world.client, "select coalesce(overrides::text, '') from calendar_series"), "");
        world.assert_both(&["0 standup", "2 standup", "3 standup", "4 standup"]);
        world.run("delete from calendar_events");
        world.assert_both(&[]);
        assert_eq!(text(&mut world.client, "select sync_status from calendar_series"), "deleted");
        assert_eq!(world.there.occurrences().len(), 0);
    }
}

#[test]
fn a_calendar_that_is_emptied_here_has_no_series_left_anywhere() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.series_of_ours();
        world.there.add_series(&Plan { number: 2, ..plan() }, "theirs");
        world.settle();
        world.run("truncate calendar_events");
        world.assert_both(&[]);
        assert_eq!(
            text(&mut world.client, "select string_agg(distinct sync_status, ' ') from calendar_series"),
            "deleted"
        );
        assert_eq!(world.there.occurrences().len(), 0);
        let agenda = "select count(*) from calendar_agenda('ada@example.com', now(), now() + interval '10 years')";
        assert_eq!(count(&mut world.client, agenda), 0);
        // Told of again it is back, as after any delete.
        world.upsert(&event_of(&plan()));
        world.assert_both(&["0 standup", "1 standup", "2 standup", "3 standup", "4 standup"]);
    }
}

#[test]
fn what_is_rolled_back_or_only_read_from_elsewhere_is_not_taken_out_of_its_series() {
    let mut world = World::start(series::google);
    world.series_of_theirs();
    let delete = format!("delete from calendar_events where {}", of_day(2));
    world.run(&format!("begin; savepoint s; {delete}; rollback to s; {delete}; rollback;"));
    world.run(&format!(
        "begin; savepoint s; {delete}; rollback to s; update calendar_events set location = 'hall'; commit"
    ));
    assert_eq!(world.exdates(), "");
    world.run("update calendar_connections set direction = 'pull'");
    world.run(&delete);
    assert_eq!(world.exdates(), "");
}

/// Whoever writes a series locks it before its occurrences; who deletes one of these has them in the other order.
#[test]
fn a_delete_does_not_wait_for_whoever_is_at_the_series_and_is_remembered_all_the_same() {
    let mut world = World::start(series::google);
    world.series_of_ours();
    let mut other = world.cluster.connect("crm");
    let mut busy = other.transaction().expect("a transaction");
    busy.execute("select from calendar_series for update", &[]).expect("locked");
    world.run(&format!("set lock_timeout = '5s'; delete from calendar_events where {}", of_day(2)));
    busy.commit().expect("commit");
    assert_eq!(world.exdates(), "");
    world.assert_both(&["0 standup", "1 standup", "3 standup", "4 standup"]);
    world.upsert(&json!({ "location": "yard" }));
    world.assert_both(&["0 standup yard", "1 standup yard", "3 standup yard", "4 standup yard"]);
}

#[test]
fn an_occurrence_that_is_one_of_its_own_only_there_follows_its_series_also_after_another_was_changed() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.run("update calendar_connections set conflict_policy = 'local'");
        world.series_of_ours();
        world.there.edit_one(&world.one_there(2), &Edit::Title("theirs".into()));
        world.upsert(&json!({ "title": "daily" }));
        world.assert_both(&["0 daily", "1 daily", "2 daily", "3 daily", "4 daily"]);
        world.run(&format!("update calendar_events set location = 'hall' where {}", of_day(4)));
        world.settle();
        world.upsert(&json!({ "title": "demo" }));
        world.assert_both(&["0 demo", "1 demo", "2 demo", "3 demo", "4 demo hall"]);
    }
}

#[test]
fn an_occurrence_that_is_changed_in_the_transaction_that_made_its_series_is_sent_as_it_is() {
    let mut world = World::start(series::google);
    world.run("begin");
    world.upsert(&event_of(&plan()));
    world.run(&format!("update calendar_events set location = 'hall' where {}; commit", of_day(1)));
    world.assert_both(&["0 standup", "1 standup hall", "2 standup", "3 standup", "4 standup"]);
}

#[test]
fn what_somebody_changes_there_of_a_series_whose_sync_was_rolled_back_here_comes_over() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.upsert(&event_of(&plan()));
        world.run("begin; select * from calendar_sync_now('ada@example.com'); rollback");
        world.there.edit_one(&world.one_there(1), &Edit::Place("hall".into()));
        world.there.cancel_one(&world.one_there(2));
        world.run(&format!("update calendar_events set location = 'yard' where {}", of_day(3)));
        world.assert_both(&["0 standup", "1 standup hall", "3 standup yard", "4 standup"]);
    }
}

#[test]
fn an_occurrence_that_outlook_does_not_take_on_its_neighbours_day_says_so_and_can_be_moved_back() {
    let mut world = World::start(series::outlook);
    world.series_of_ours();
    let moved = |days: i64| {
        let by = format!("recurrence_id + interval '{days} days'");
        format!(
            "update calendar_events set event_date = {by}, event_end = {by} + interval '45 minutes' where {}",
            of_day(1)
        )
    };
    world.run(&moved(1));
    world.run("select * from calendar_sync_now('ada@example.com')");
    let error = text(&mut world.client, "select sync_status || ' ' || last_sync_error from calendar_event_links");
    assert!(error.starts_with("error ") && error.contains("crossing or overlapping adjacent occurrence"), "{error}");
    world.run(&moved(0));
    world.run(&format!("update calendar_events set location = 'hall' where {}", of_day(2)));
    world.run("select calendar_queue_retry(queue_id) from calendar_sync_queue where status = 'failed'");
    world.assert_both(&["0 standup", "1 standup", "2 standup hall", "3 standup", "4 standup"]);
    assert_eq!(text(&mut world.client, "select sync_status from calendar_event_links"), "synced");
}
