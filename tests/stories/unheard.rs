//! What somebody has made there of an event whose creation nobody has heard of is an edit like any other, at every provider.

use calendar_sync_e2e::{ADA, Cluster, count, text};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::json;

use crate::there::{self, ALL, Field, There};

/// What is asked next: for what has changed there, or to create it once more.
const NEXT: [&str; 2] =
    ["select * from calendar_sync_now('ada@example.com')", "select * from calendar_queue_process()"];

struct World {
    // Before its server.
    client: Client,
    _cluster: Cluster,
    there: Box<dyn There>,
}

impl World {
    fn start(there: fn() -> Box<dyn There>, direction: &str) -> Self {
        let there = there();
        let cluster =
            Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
        let mut client = cluster.create_database("crm");
        there::connect(&mut client, &*there, ADA, &json!({ "conflict_policy": "local" }));
        let mut world = Self { client, _cluster: cluster, there };
        world.run(&format!("update calendar_connections set direction = '{direction}'"));
        world
    }

    fn run(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn upsert(&mut self, number: usize, title: &str) {
        let start: DateTime<Utc> =
            DateTime::from_timestamp(Utc::now().timestamp() / 3_600 * 3_600, 0).expect("an hour") + TimeDelta::days(30);
        let event = json!({
            "title": title, "description": there::description(number), "start": start, "end": start + there::LENGTH,
        });
        self.client
            .execute("select calendar_upsert_event($1, 'crm', $2, $3)", &[&ADA, &number.to_string(), &event])
            .expect("upsert");
    }

    /// Created there, and the answer lost.
    fn create_unheard(&mut self, number: usize, title: &str) {
        self.upsert(number, title);
        self.there.lose_answer_to_create();
        self.run("select * from calendar_queue_process()");
        self.there.no_trouble();
        assert_eq!(count(&mut self.client, "select count(*) from calendar_event_links where external_id is null"), 1);
        self.run("update calendar_sync_queue set scheduled_for = now() where status = 'pending'");
    }

    fn edit(&self, number: usize, field: Field, value: &str) {
        let event = self.there.events().into_iter().find(|event| event.number == number).expect("the event");
        self.there.edit(&event.id, field, value);
    }

    fn delete(&self, number: usize) {
        let event = self.there.events().into_iter().find(|event| event.number == number).expect("the event");
        self.there.delete(&event.id);
    }

    /// Until nothing is left to do: titles and places, the same on both sides.
    fn at_rest(&mut self) -> Vec<String> {
        for _ in 0..4 {
            self.run("update calendar_sync_queue set scheduled_for = now() where status = 'pending'");
            self.run("select * from calendar_sync_now('ada@example.com')");
        }
        let left = "select count(*) from calendar_sync_queue where status <> 'completed'";
        assert_eq!(count(&mut self.client, left), 0);
        let here = "select coalesce(string_agg(concat_ws(', ', title, location), '; ' order by title), '')
                    from calendar_events where sync_status <> 'deleted' and event_status <> 'cancelled'";
        let here = text(&mut self.client, here);
        let mut there = self.shown();
        assert_eq!(here, there.join("; "), "{}", self.there.provider());
        there.sort();
        there
    }

    fn shown(&self) -> Vec<String> {
        let say = |shown: &there::Shown| format!("{}, {}", shown[&Field::Title], shown[&Field::Location]);
        let mut shown: Vec<String> =
            self.there.events().iter().map(|event| say(&event.shown).trim_end_matches(", ").to_owned()).collect();
        shown.sort();
        shown
    }

    /// What the log says of titles that were lost.
    fn lost(&mut self) -> String {
        text(
            &mut self.client,
            "select coalesce(string_agg(field ->> 'remote', ', '), '')
             from calendar_sync_log, jsonb_array_elements(details -> 'fields') field
             where action = 'conflict'",
        )
    }
}

#[test]
fn what_was_edited_there_before_a_create_is_tried_again_is_merged_with_what_was_changed_here() {
    for there in ALL {
        for next in NEXT {
            let mut world = World::start(there, "both");
            world.create_unheard(1, "ours");
            world.edit(1, Field::Location, "yard");
            world.upsert(1, "ours, later");
            world.run(next);
            assert_eq!(world.at_rest(), ["ours, later, yard"]);
            assert_eq!(world.lost(), "");
        }
    }
}

#[test]
fn what_it_was_given_there_and_loses_is_in_the_log() {
    for there in ALL {
        for next in NEXT {
            let mut world = World::start(there, "both");
            world.create_unheard(1, "ours");
            world.edit(1, Field::Title, "theirs");
            world.run(next);
            assert_eq!(world.at_rest(), ["theirs"], "it was not changed here");
            world.create_unheard(2, "two");
            world.edit(2, Field::Title, "two of theirs");
            world.upsert(2, "two of ours");
            world.run(next);
            assert_eq!(world.at_rest(), ["theirs", "two of ours"]);
            assert_eq!(world.lost(), "two of theirs");
        }
    }
}

#[test]
fn what_is_deleted_here_before_anybody_heard_of_it_comes_back_if_it_was_edited_there() {
    for there in ALL {
        for next in NEXT {
            let mut world = World::start(there, "both");
            for (number, title) in [(1, "one"), (2, "two")] {
                world.create_unheard(number, title);
                if number == 1 {
                    world.edit(number, Field::Location, "yard");
                }
                world.run(&format!("select calendar_delete_event('{ADA}', 'crm', '{number}')"));
                world.run(next);
                assert_eq!(world.at_rest(), ["one, yard"], "{}, {next}", world.there.provider());
            }
        }
    }
}

/// Google alone remembers what was made under that identifier; elsewhere nothing tells it from what never arrived.
#[test]
fn what_is_deleted_there_before_anybody_heard_of_it_stays_deleted_if_it_was_not_changed_here() {
    for there in ALL {
        for next in NEXT {
            let mut world = World::start(there, "both");
            world.create_unheard(1, "one");
            world.delete(1);
            world.run(next);
            let left: &[&str] = if world.there.provider() == "google" { &[] } else { &["one"] };
            assert_eq!(world.at_rest(), left, "{}, {next}", world.there.provider());
            world.create_unheard(2, "two");
            world.delete(2);
            world.upsert(2, "two, later");
            world.run(next);
            assert_eq!(world.at_rest(), [left, &["two, later"]].concat(), "{}, {next}", world.there.provider());
        }
        let mut world = World::start(there, "push");
        world.create_unheard(1, "one");
        world.delete(1);
        assert_eq!(world.at_rest(), ["one"], "{}", world.there.provider());
    }
}

#[test]
fn a_calendar_that_is_only_sent_to_is_written_over_as_ever() {
    for there in ALL {
        let mut world = World::start(there, "push");
        world.create_unheard(1, "ours");
        world.edit(1, Field::Title, "theirs");
        world.run("select * from calendar_sync_now('ada@example.com')");
        assert_eq!(world.at_rest(), ["ours"]);
        let said = "select count(*) from calendar_sync_log where error_message = 'it was changed there meanwhile'";
        assert_eq!(count(&mut world.client, said), 1);
    }
}
