//! Series that both sides change at random, as wholes and one occurrence at a time, while requests go wrong and syncs are
//! rolled back: at rest both sides show the same, occurrence by occurrence, and what only one side has touched stands as it
//! was left there.
//!
//! Some hundred steps each, and none that is broken off; MODEL_STEPS takes more, MODEL_SEED repeats a run.

mod rest;

use std::collections::{BTreeMap, BTreeSet};

use calendar_sync_e2e::{ADA, Cluster, Random};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::{Value, json};

use crate::there::plan::{self, Plan, Seen};
use crate::there::series::{self, Edit, Occurrence, WithSeries};

/// Steps between two rests.
const STRETCH: usize = 12;
/// Series that there are at most.
const MOST: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Here,
    There,
}

type All = BTreeMap<(usize, String), Vec<Seen>>;

/// An occurrence here.
struct Instance {
    id: uuid::Uuid,
    occurrence: Occurrence,
    is_ours: bool,
}

struct Model {
    client: Client,
    there: Box<dyn WithSeries>,
    random: Random,
    is_rough: bool,
    plans: BTreeMap<usize, Plan>,
    /// Words that were never said before.
    words: usize,
    /// Who has touched a series since the last rest.
    touched: BTreeMap<usize, BTreeSet<Side>>,
    /// How he left it.
    left: BTreeMap<usize, All>,
    /// Series that were given another rule here since.
    replanned: BTreeSet<usize>,
    /// Occurrences that somebody has cancelled, on either side.
    cancelled: BTreeSet<(usize, String)>,
    history: Vec<String>,
    _cluster: Cluster,
}

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn run(connect: fn(&mut Client, &str) -> Box<dyn WithSeries>) {
    let seed = setting("MODEL_SEED").unwrap_or(12);
    let steps = setting("MODEL_STEPS").unwrap_or(240) as usize;
    let cluster = Cluster::start_with(&[
        ("calendar_sync.worker", "off"),
        ("calendar_sync.manual_sync_limit", "100000"),
        ("fsync", "off"),
    ]);
    let mut client = cluster.create_database("crm");
    let there = connect(&mut client, ADA);
    let mut model = Model {
        client,
        there,
        random: Random::new(seed),
        is_rough: setting("MODEL_STEPS").is_some(),
        plans: BTreeMap::new(),
        words: 0,
        touched: BTreeMap::new(),
        left: BTreeMap::new(),
        replanned: BTreeSet::new(),
        cancelled: BTreeSet::new(),
        history: Vec::new(),
        _cluster: cluster,
    };
    for step in 1..=steps {
        model.step();
        if step % STRETCH == 0 || step == steps {
            model.rest(&format!("seed {seed}, step {step}"));
        }
    }
}

#[test]
fn whatever_both_sides_do_to_series_at_google_they_are_the_same_at_rest() {
    run(series::google);
}

#[test]
fn whatever_both_sides_do_to_series_in_outlook_they_are_the_same_at_rest() {
    run(series::outlook);
}

impl Model {
    fn step(&mut self) {
        match self.random.below(100) {
            0..8 => self.add(),
            8..20 => self.edit_series_here(),
            20..42 => self.edit_one_here(),
            42..58 => self.edit_series_there(),
            58..80 => self.edit_one_there(),
            80..86 => {
                match self.random.below(8) {
                    0 => self.there.refuse_as_changed(),
                    _ => self.there.trouble(&mut self.random),
                }
                self.history.push("trouble".into());
            }
            86..88 => self.delete(),
            88 => self.sync_for_nothing(),
            // Where that strikes no seed repeats.
            89 if self.is_rough => self.sync_for_a_moment(),
            _ => {
                let force = self.random.below(10) == 0;
                let said = self.sync(force);
                self.history.push(format!("sync {said}"));
            }
        }
    }

    /// What was sent by a sync that has not been: there it is a change like any other, and may win a conflict.
    fn sent_for_nothing(&mut self) {
        self.touched.values_mut().for_each(|sides| {
            sides.insert(Side::There);
        });
    }

    /// In a transaction that is rolled back.
    fn sync_for_nothing(&mut self) {
        self.client.batch_execute("begin").expect("a transaction");
        let said = self.sync(false);
        self.client.batch_execute("rollback").expect("rolled back");
        self.sent_for_nothing();
        self.history.push(format!("sync for nothing {said}"));
    }

    /// Ended by a time-out, wherever it is then.
    fn sync_for_a_moment(&mut self) {
        let patience = 1 + self.random.below(60);
        self.client.batch_execute(&format!("set statement_timeout = {patience}")).expect("a time-out");
        let ended = self.client.query("select * from calendar_sync_now($1)", &[&ADA]).is_err();
        self.client.batch_execute("reset statement_timeout").expect("no time-out");
        self.sent_for_nothing();
        self.history.push(format!("sync for {patience} ms, broken off: {ended}"));
    }

    fn word(&mut self) -> String {
        self.words += 1;
        format!("w{}", self.words)
    }

    /// To be called after it.
    fn done(&mut self, side: Side, number: usize, what: &str) {
        self.history.push(format!("{side:?} {number}: {what}"));
        self.touched.entry(number).or_default().insert(side);
        let all = if side == Side::Here { self.here() } else { self.there.all() };
        self.left.insert(number, all.into_iter().filter(|((of, _), _)| *of == number).collect());
    }

    fn add(&mut self) {
        if self.plans.len() >= MOST {
            return;
        }
        let number = self.words + 1;
        let title = self.word();
        let plan = Plan::roll(&mut self.random, number, Utc::now().date_naive());
        let side = if self.random.below(2) == 0 { Side::Here } else { Side::There };
        match side {
            Side::There => self.there.add_series(&plan, &title),
            Side::Here => {
                let mut event = plan.times_here();
                event["title"] = json!(title);
                event["description"] = json!(plan.description());
                event["recurrence"] = plan.rule();
                self.upsert(number, &event);
            }
        }
        self.plans.insert(number, plan.clone());
        self.done(side, number, &format!("added {plan:?}"));
    }

    fn upsert(&mut self, number: usize, event: &Value) {
        let statement = "select calendar_upsert_event($1, 'crm', $2, $3)";
        let upserted = self.client.execute(statement, &[&ADA, &number.to_string(), event]);
        upserted.unwrap_or_else(|error| panic!("{event}: {error:?}\n{}", self.trace()));
    }

    fn instances(&mut self) -> Vec<Instance> {
        let statement = "
            select event_id, coalesce(description, ''),
                extract(epoch from coalesce(recurrence_id, event_date))::bigint,
                extract(epoch from event_date)::bigint, extract(epoch from coalesce(event_end, event_date))::bigint,
                all_day, title, coalesce(location, ''), connection_id is null
            from calendar_events
            where user_id = $1 and sync_status <> 'deleted' and event_status <> 'cancelled'
            order by recurrence_id, event_id";
        let rows = self.client.query(statement, &[&ADA]).expect("occurrences");
        let read = |row: postgres::Row| {
            let description: String = row.get(1);
            let time = |column| DateTime::from_timestamp(row.get(column), 0).expect("a time");
            let occurrence = Occurrence {
                series: String::new(),
                number: plan::number_of(&description).unwrap_or_default(),
                original: time(2),
                start: time(3),
                end: time(4),
                all_day: row.get(5),
                title: row.get(6),
                place: row.get(7),
            };
            Instance { id: row.get(0), occurrence, is_ours: row.get(8) }
        };
        rows.into_iter().map(read).collect()
    }

    fn here(&mut self) -> All {
        let mut all = All::new();
        for one in self.instances() {
            all.entry(one.occurrence.key()).or_default().push(one.occurrence.seen());
        }
        all
    }

    fn edit_series_here(&mut self) {
        let ours: BTreeSet<usize> =
            self.instances().iter().filter(|one| one.is_ours).map(|one| one.occurrence.number).collect();
        let ours: Vec<usize> = ours.into_iter().filter(|number| self.plans.contains_key(number)).collect();
        if ours.is_empty() {
            return;
        }
        let number = *self.random.one_of(&ours);
        let word = self.word();
        let event = match self.random.below(8) {
            0..4 => json!({ "title": word }),
            4 | 5 => json!({ "location": word }),
            6 => {
                // On another day by a rule that says no other.
                let plan = self.replan(number);
                let mut event = plan.times_here();
                event["recurrence"] = plan.rule();
                event
            }
            _ => {
                let plan = self.replan_rule(number);
                json!({ "recurrence": plan.rule() })
            }
        };
        if event.get("title").or(event.get("location")).is_none() {
            self.replanned.insert(number);
        }
        self.upsert(number, &event);
        self.done(Side::Here, number, &format!("series {event}"));
    }

    /// Later, and the same rule.
    fn replan(&mut self, number: usize) -> Plan {
        let plan = self.plans.get_mut(&number).expect("a series");
        plan.postpone();
        plan.clone()
    }

    fn replan_rule(&mut self, number: usize) -> Plan {
        let plan = self.plans.get_mut(&number).expect("a series");
        plan.roll_rule(&mut self.random);
        plan.clone()
    }

    fn edit_one_here(&mut self) {
        let all = self.instances();
        if all.is_empty() {
            return;
        }
        let one = self.random.one_of(&all);
        let Occurrence { number, original, start, .. } = one.occurrence.clone();
        let can_move = self.can_move(&one.occurrence, start + TimeDelta::minutes(10));
        let siblings = all.iter().filter(|other| other.occurrence.number == number).count();
        let (id, key) = (one.id, one.occurrence.key());
        let word = self.word();
        if siblings > 3 && self.random.below(9) == 0 {
            self.cancelled.insert(key);
            self.client.execute("delete from calendar_events where event_id = $1", &[&id]).expect("deleted");
            return self.done(Side::Here, number, &format!("{original}: row deleted"));
        }
        let change = match self.random.below(9) {
            0..4 => format!("title = '{word}'"),
            4..6 => format!("location = '{word}'"),
            6 | 7 if can_move => {
                "event_date = event_date + interval '10 minutes', event_end = event_end + interval '20 minutes'".into()
            }
            8 if siblings > 3 => {
                self.cancelled.insert(key);
                "event_status = 'cancelled'".into()
            }
            _ => format!("location = '{word}'"),
        };
        let statement = format!("update calendar_events set {change} where event_id = $1");
        self.client.execute(&statement, &[&id]).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        self.done(Side::Here, number, &format!("{original}: {change}"));
    }

    fn can_move(&self, one: &Occurrence, at: DateTime<Utc>) -> bool {
        !one.all_day && self.plans.get(&one.number).is_some_and(|plan| plan.has_room(one.original, at))
    }

    fn edit_series_there(&mut self) {
        let all: BTreeMap<usize, String> =
            self.there.occurrences().into_iter().map(|one| (one.number, one.series)).collect();
        let all: Vec<_> = all.into_iter().filter(|(number, _)| self.plans.contains_key(number)).collect();
        if all.is_empty() {
            return;
        }
        let (number, series) = self.random.one_of(&all).clone();
        let word = self.word();
        let what = match self.random.below(8) {
            0..4 => {
                self.there.edit_series(&series, &Edit::Title(word.clone()));
                format!("series title {word}")
            }
            4 | 5 => {
                self.there.edit_series(&series, &Edit::Place(word.clone()));
                format!("series place {word}")
            }
            6 => {
                let plan = self.replan(number);
                self.there.replan(&series, &plan);
                format!("series {plan:?}")
            }
            _ => {
                let plan = self.replan_rule(number);
                self.there.replan(&series, &plan);
                format!("series {plan:?}")
            }
        };
        self.done(Side::There, number, &what);
    }

    fn edit_one_there(&mut self) {
        let all = self.there.occurrences();
        if all.is_empty() {
            return;
        }
        let one = self.random.one_of(&all).clone();
        let siblings = all.iter().filter(|other| other.series == one.series).count();
        let word = self.word();
        let edit = match self.random.below(9) {
            0..4 => Edit::Title(word.clone()),
            4..6 => Edit::Place(word.clone()),
            6 | 7 if self.can_move(&one, one.start + TimeDelta::minutes(10)) => {
                Edit::Move(one.start + TimeDelta::minutes(10))
            }
            8 if siblings > 3 => {
                self.there.cancel_one(&one);
                self.cancelled.insert(one.key());
                return self.done(Side::There, one.number, &format!("cancel {}", one.original));
            }
            _ => Edit::Title(word.clone()),
        };
        self.there.edit_one(&one, &edit);
        let what = match edit {
            Edit::Title(_) => format!("title {word}"),
            Edit::Place(_) => format!("place {word}"),
            Edit::Move(to) => format!("move to {to}"),
        };
        self.done(Side::There, one.number, &format!("{}: {what}", one.original));
    }

    fn delete(&mut self) {
        if self.random.below(2) == 0 {
            let ours: Vec<usize> =
                self.instances().iter().filter(|one| one.is_ours).map(|one| one.occurrence.number).collect();
            if ours.is_empty() {
                return;
            }
            let number = *self.random.one_of(&ours);
            let statement = "select calendar_delete_event($1, 'crm', $2)";
            self.client.execute(statement, &[&ADA, &number.to_string()]).expect("deleted");
            self.done(Side::Here, number, "deleted");
        } else {
            let all = self.there.occurrences();
            if all.is_empty() {
                return;
            }
            let one = self.random.one_of(&all).clone();
            self.there.delete(&one.series);
            self.done(Side::There, one.number, "deleted");
        }
    }

    /// What is said of it.
    fn sync(&mut self, force: bool) -> String {
        let statement = "select concat_ws(' ', status, created, updated, deleted, pushed, conflicts, error)
                         from calendar_sync_now($1, force => $2)";
        self.client.query_one(statement, &[&ADA, &force]).expect("a report").get(0)
    }
}
