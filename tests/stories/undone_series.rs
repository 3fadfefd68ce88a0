//! What a session has sent of a series in a transaction that came to nothing is undone there, and what somebody there has
//! done since to an occurrence is theirs.

use calendar_sync_e2e::{ADA, Cluster, count};
use chrono::{NaiveTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::json;

use crate::there::plan::{Freq, Plan};
use crate::there::series::{self, Edit, Occurrence, WithSeries};

struct World {
    // Before its server.
    client: Client,
    _cluster: Cluster,
    there: Box<dyn WithSeries>,
}

/// Ada's calendar at every provider that holds series, one after the other.
fn worlds() -> impl Iterator<Item = World> {
    [series::google, series::outlook].into_iter().map(|connect: fn(&mut Client, &str) -> Box<dyn WithSeries>| {
        let cluster =
            Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
        let mut client = cluster.create_database("crm");
        let there = connect(&mut client, ADA);
        println!("{}", there.provider());
        World { client, _cluster: cluster, there }
    })
}

/// Five days.
fn daily() -> Plan {
    let start = (Utc::now() + TimeDelta::days(30)).date_naive().and_time(NaiveTime::MIN) + TimeDelta::hours(9);
    Plan { number: 1, all_day: false, zone: "Europe/Berlin", start, freq: Freq::Daily, interval: 1, count: 5 }
}

impl World {
    fn run(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn add(&mut self) {
        let mut event = daily().times_here();
        event["title"] = json!("daily");
        event["description"] = json!(daily().description());
        event["recurrence"] = daily().rule();
        self.client.execute("select calendar_upsert_event($1, 'crm', '1', $2)", &[&ADA, &event]).expect("upsert");
    }

    /// Changes one occurrence here.
    fn change(&mut self, place: usize, change: &str) {
        self.run(&format!(
            "update calendar_events set {change} where recurrence_id = (
                 select recurrence_id from calendar_events order by recurrence_id offset {place} limit 1)"
        ));
    }

    fn sync(&mut self) -> i32 {
        let sync = "select status, pushed, coalesce(error, '') from calendar_sync_now($1)";
        let row = self.client.query_one(sync, &[&ADA]).expect("a report");
        let (status, error): (String, String) = (row.get(0), row.get(2));
        assert_eq!((status.as_str(), error.as_str()), ("success", ""));
        row.get(1)
    }

    /// `sync` in a transaction that comes to nothing, with `changes` before it.
    fn in_vain(&mut self, changes: impl FnOnce(&mut Self)) {
        self.run("begin");
        changes(self);
        assert!(self.sync() > 0);
        self.run("rollback");
    }

    fn one_there(&self, place: usize) -> Occurrence {
        let mut all = self.there.occurrences();
        all.sort_by_key(|one| one.original);
        all.swap_remove(place)
    }

    fn edit_there(&self, place: usize, title: &str) {
        self.there.edit_one(&self.one_there(place), &Edit::Title(title.to_owned()));
    }

    /// Titles and places, the same on both sides, once nothing is left to do.
    fn at_rest(&mut self) -> Vec<String> {
        for _ in 0..4 {
            self.sync();
        }
        let left = "select (select count(*) from calendar_unconfirmed_pushes)
                           + (select count(*) from calendar_sync_queue where status <> 'completed')";
        assert_eq!(count(&mut self.client, left), 0);
        let here = "select concat_ws(', ', title, location) from calendar_events
                    where sync_status <> 'deleted' and event_status <> 'cancelled' order by recurrence_id";
        let here = self.client.query(here, &[]).expect("occurrences");
        let here: Vec<String> = here.iter().map(|row| row.get(0)).collect();
        let mut there = self.there.occurrences();
        there.sort_by_key(|one| one.original);
        let say = |one: &Occurrence| format!("{}, {}", one.title, one.place).trim_end_matches(", ").to_owned();
        assert_eq!(here, there.iter().map(say).collect::<Vec<_>>(), "{}", self.there.provider());
        here
    }
}

#[test]
fn what_was_edited_of_an_occurrence_that_nothing_was_sent_of_is_taken() {
    for mut world in worlds() {
        world.add();
        world.change(1, "title = 'ours'");
        world.change(2, "title = 'ours'");
        assert_eq!(world.at_rest(), ["daily", "ours", "ours", "daily", "daily"]);
        world.in_vain(|world| world.change(4, "location = 'here'"));
        world.edit_there(1, "theirs");
        world.edit_there(3, "theirs");
        assert_eq!(world.at_rest(), ["daily", "theirs", "ours", "theirs", "daily"]);
    }
}

#[test]
fn what_is_edited_there_comes_with_what_was_deleted_here_in_the_same_transaction() {
    for mut world in worlds() {
        world.there.add_series(&daily(), "daily");
        world.edit_there(1, "theirs");
        assert_eq!(world.at_rest(), ["daily", "theirs", "daily", "daily", "daily"]);
        world.edit_there(1, "theirs, later");
        world.change(3, "event_status = 'cancelled'");
        // Both are merged, and only what was deleted is sent.
        world.in_vain(|_| {});
        assert_eq!(world.at_rest(), ["daily", "theirs, later", "daily", "daily"]);
    }
}

#[test]
fn a_series_of_which_an_occurrence_was_edited_there_since_is_not_deleted() {
    for mut world in worlds() {
        world.in_vain(|world| {
            world.add();
            world.change(1, "title = 'ours'");
        });
        world.edit_there(1, "theirs");
        assert_eq!(world.at_rest(), ["daily", "theirs", "daily", "daily", "daily"]);
    }
}

#[test]
fn an_occurrence_that_was_cancelled_there_since_does_not_take_place() {
    for mut world in worlds() {
        world.add();
        world.change(1, "title = 'ours'");
        world.at_rest();
        world.in_vain(|world| world.change(4, "location = 'here'"));
        for place in [2, 1] {
            world.there.cancel_one(&world.one_there(place));
        }
        assert_eq!(world.at_rest(), ["daily", "daily", "daily"]);
    }
}
