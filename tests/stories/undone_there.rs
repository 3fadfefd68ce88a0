//! What a session has sent in a transaction that came to nothing is undone there, at every provider.

use calendar_sync_e2e::{ADA, Cluster, count, text};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};

use crate::there::{self, ALL, Field, There};

/// What is left of notes, and of operations that are not done.
const LEFT: &str = "select (select count(*) from calendar_unconfirmed_pushes)
                           + (select count(*) from calendar_sync_queue where status <> 'completed')";
pub const CONFLICTS: &str = "select count(*) from calendar_sync_log where action = 'conflict'";
/// Events and series.
const HERE: &str = "select coalesce(string_agg(concat_ws(', ', title, location, event_type, metadata ->> 'deal'), '; '
                                               order by title), '')
                    from calendar_events where sync_status <> 'deleted' and not (is_override and event_status = 'cancelled')";

pub struct World {
    // Before its server.
    pub client: Client,
    cluster: Cluster,
    pub there: Box<dyn There>,
}

/// A whole hour, in a month.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(Utc::now().timestamp() / 3_600 * 3_600, 0).expect("an hour") + TimeDelta::days(30)
}

/// Ada's calendar at every provider, one after the other.
pub fn worlds() -> impl Iterator<Item = World> {
    ALL.into_iter().map(|there| {
        let there = there();
        println!("{}", there.provider());
        let cluster =
            Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
        let mut client = cluster.create_database("crm");
        there::connect(&mut client, &*there, ADA, &json!({}));
        World { client, cluster, there }
    })
}

impl World {
    pub fn run(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// With fields that no provider holds.
    pub fn upsert(&mut self, number: usize, title: &str) {
        let event = json!({
            "title": title, "description": there::description(number), "event_type": "visit",
            "categories": ["of ours"], "metadata": { "deal": title.len(), "kept": true },
            "start": start(), "end": start() + there::LENGTH
        });
        self.change(number, &event);
    }

    fn change(&mut self, number: usize, event: &Value) {
        self.client
            .execute("select calendar_upsert_event($1, 'crm', $2, $3)", &[&ADA, &number.to_string(), event])
            .expect("upsert");
    }

    pub fn delete(&mut self, number: usize) {
        self.client
            .execute("select calendar_delete_event($1, 'crm', $2)", &[&ADA, &number.to_string()])
            .expect("delete");
    }

    pub fn sync(&mut self) -> i32 {
        let sync = "select status, pushed, coalesce(error, '') from calendar_sync_now($1)";
        let row = self.client.query_one(sync, &[&ADA]).expect("a report");
        let (status, error): (String, String) = (row.get(0), row.get(2));
        assert_eq!((status.as_str(), error.as_str()), ("success", ""));
        row.get(1)
    }

    /// `sync` in a transaction that comes to nothing, with `changes` before it.
    pub fn in_vain(&mut self, changes: impl FnOnce(&mut Self)) {
        self.run("begin");
        changes(self);
        assert!(self.sync() > 0);
        self.run("rollback");
    }

    /// Until nothing is left to do.
    pub fn come_to_rest(&mut self) {
        for _ in 0..3 {
            self.sync();
        }
        assert_eq!(count(&mut self.client, LEFT), 0);
        assert_eq!(self.sync(), 0);
    }

    /// Titles and locations there.
    pub fn shown(&self) -> Vec<String> {
        let events = self.there.events();
        let mut shown: Vec<String> = events
            .iter()
            .map(|event| format!("{}, {}", event.shown[&Field::Title], event.shown[&Field::Location]))
            .collect();
        shown.sort();
        shown
    }

    pub fn here(&mut self) -> String {
        text(&mut self.client, HERE)
    }

    pub fn edit(&self, field: Field, value: &str) {
        self.there.edit(&self.there.events()[0].id, field, value);
    }
}

#[test]
fn what_was_made_there_is_there_no_more_and_once_where_it_is_made_again() {
    for mut world in worlds() {
        world.in_vain(|world| world.upsert(1, "one"));
        assert_eq!(world.shown(), ["one, "]);
        world.come_to_rest();
        assert_eq!((world.shown().len(), world.here()), (0, String::new()));
        // Tried twice in vain, then done.
        for _ in 0..2 {
            world.in_vain(|world| world.upsert(1, "one"));
        }
        world.upsert(1, "one");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, ".into(), "one, visit, 3".into()));
        assert_eq!(count(&mut world.client, CONFLICTS), 0);
    }
}

#[test]
fn what_was_changed_there_is_as_before_and_what_others_changed_since_stays() {
    for mut world in worlds() {
        world.upsert(1, "one");
        world.come_to_rest();
        world.in_vain(|world| world.upsert(1, "another"));
        assert_eq!(world.shown(), ["another, "]);
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, ".into(), "one, visit, 3".into()));

        world.in_vain(|world| world.upsert(1, "another"));
        world.edit(Field::Location, "theirs");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, theirs".into(), "one, theirs, visit, 3".into()));
        let kept = "select array_to_string(categories, ',') || (metadata ->> 'kept') from calendar_events";
        assert_eq!(text(&mut world.client, kept), "of ourstrue");
        assert_eq!(count(&mut world.client, CONFLICTS), 0);
    }
}

#[test]
fn what_was_deleted_there_comes_back() {
    for mut world in worlds() {
        world.upsert(1, "one");
        world.come_to_rest();
        let id = text(&mut world.client, "select event_id::text from calendar_events");
        world.in_vain(|world| world.delete(1));
        assert_eq!(world.shown().len(), 0);
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, ".into(), "one, visit, 3".into()));
        assert_eq!(text(&mut world.client, "select event_id::text from calendar_events"), id);
        // Made, changed and deleted in one.
        world.in_vain(|world| {
            world.upsert(2, "two");
            assert_eq!(world.sync(), 1);
            world.upsert(2, "three");
            world.delete(1);
        });
        assert_eq!(world.shown(), ["three, "]);
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, ".into(), "one, visit, 3".into()));
        // An event of theirs likewise.
        world.delete(1);
        world.there.add(7, &there_shown("theirs"));
        world.come_to_rest();
        world.in_vain(|world| world.run("delete from calendar_events"));
        assert_eq!(world.shown().len(), 0);
        world.come_to_rest();
        assert_eq!(world.shown(), ["theirs, somewhere"]);
        assert_eq!(world.here(), "theirs, somewhere, meeting");
    }
}

fn there_shown(title: &str) -> there::Shown {
    let start = start().to_rfc3339();
    let shown = [(Field::Title, title), (Field::Location, "somewhere"), (Field::Start, start.as_str())];
    shown.into_iter().map(|(field, value)| (field, value.to_owned())).collect()
}

#[test]
fn what_somebody_there_has_edited_since_is_not_deleted() {
    for mut world in worlds() {
        world.in_vain(|world| world.upsert(1, "one"));
        world.edit(Field::Location, "theirs");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, theirs".into(), "one, theirs, visit, 3".into()));
    }
}

#[test]
fn what_came_from_there_in_the_same_transaction_is_not_deleted_there_before_that_is_committed() {
    for delete in ["select calendar_delete_event('ada@example.com', 'crm', '1')", "delete from calendar_events"] {
        for mut world in worlds() {
            world.upsert(1, "one");
            world.come_to_rest();
            world.edit(Field::Location, "theirs");
            world.run("begin; select * from calendar_sync_now('ada@example.com')");
            world.run(delete);
            world.run(
                "select * from calendar_queue_process(); select * from calendar_sync_now('ada@example.com'); rollback",
            );
            world.come_to_rest();
            let both = (world.shown().join("; "), world.here());
            assert_eq!(both, ("one, theirs".into(), "one, theirs, visit, 3".into()), "{delete}");

            world.run("begin; select * from calendar_sync_now('ada@example.com')");
            world.run(delete);
            world.run("select * from calendar_queue_process(); commit");
            world.come_to_rest();
            assert_eq!((world.shown().len(), world.here()), (0, String::new()), "{delete}");
        }
    }
}

#[test]
fn what_was_made_before_and_sent_in_vain_is_there_once_with_what_was_done_to_it_there_since() {
    for mut world in worlds() {
        world.upsert(1, "one");
        world.in_vain(|_| {});
        world.edit(Field::Title, "theirs");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("theirs, ".into(), "theirs, visit, 3".into()));
        let kept = "select array_to_string(categories, ',') from calendar_events";
        assert_eq!(text(&mut world.client, kept), "of ours");
        // And is gone where it is deleted here before it is sent again.
        world.upsert(2, "two");
        world.in_vain(|_| {});
        world.delete(2);
        world.come_to_rest();
        assert_eq!(world.shown(), ["theirs, "]);
    }
}

#[test]
fn what_was_sent_after_a_savepoint_is_undone_with_that_alone() {
    for mut world in worlds() {
        world.run("begin");
        world.upsert(1, "one");
        world.run("savepoint before");
        world.upsert(2, "two");
        assert_eq!(world.sync(), 2);
        world.run("rollback to before");
        world.upsert(3, "three");
        // At once, in the same transaction.
        world.sync();
        world.run("commit");
        world.come_to_rest();
        assert_eq!(world.shown(), ["one, ", "three, "]);
        assert_eq!(world.here(), "one, visit, 3; three, visit, 5");
    }
}

#[test]
fn of_a_transaction_that_is_committed_nothing_is_left_and_nothing_is_undone() {
    for mut world in worlds() {
        world.upsert(1, "one");
        world.upsert(2, "two");
        world.come_to_rest();
        for isolation in ["read committed", "serializable"] {
            world.run(&format!("begin isolation level {isolation}"));
            world.upsert(1, isolation);
            world.delete(2);
            world.upsert(3, "three");
            assert!(world.sync() > 0);
            world.run("commit");
            assert_eq!(count(&mut world.client, LEFT), 0);
            assert_eq!(world.sync(), 0);
            world.there.count_requests();
            assert_eq!(world.sync(), 0);
            assert_eq!(world.there.count_requests(), world.there.least_requests());
            assert_eq!(world.shown(), [format!("{isolation}, "), "three, ".into()]);
        }
    }
}

#[test]
fn a_session_that_dies_has_its_changes_undone() {
    for mut world in worlds() {
        world.upsert(1, "one");
        world.come_to_rest();
        let mut other = world.cluster.connect("crm");
        let pid: i32 = other.query_one("select pg_backend_pid()", &[]).expect("its pid").get(0);
        std::mem::swap(&mut world.client, &mut other);
        world.run("begin");
        world.upsert(1, "another");
        world.upsert(2, "two");
        assert_eq!(world.sync(), 2);
        std::mem::swap(&mut world.client, &mut other);
        assert_eq!(world.shown(), ["another, ", "two, "]);
        world.client.execute("select pg_terminate_backend($1, 10000)", &[&pid]).expect("its end");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, ".into(), "one, visit, 3".into()));
    }
}
