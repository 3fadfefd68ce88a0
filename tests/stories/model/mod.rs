//! Random edits on both sides of a calendar, random faults of its provider, random cancels and crashes: once all is at
//! rest both sides are equal, nothing is lost, nothing is there twice, and no conflict was settled silently.
//!
//! Some hundred steps here, and none that is broken off; `make model` takes a hundred thousand (MODEL_STEPS), in several
//! runs at once (MODEL_RUNS), each with a server and choices of its own. MODEL_SEED makes other choices.

pub mod broken_off;
pub mod here;
pub mod ledger;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use calendar_sync_e2e::{Cluster, FakeGoogle, Random};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;
use serde_json::json;

use crate::there::{self, Field, Google, Notion, Outlook, Shown, There};
use here::{CRM, Here, Way};
use ledger::{Ledger, Origin, Side};

/// Steps between two rests.
const STRETCH: usize = 60;
/// Events that there are at most in a calendar.
const MOST_EVENTS: usize = 40;
/// Steps after which a run, at rest, says how far it is.
const TOLD: usize = 20 * STRETCH;

/// A user with one calendar elsewhere, in both directions.
struct World {
    user: String,
    there: Box<dyn There>,
    ledger: Ledger,
    policy: &'static str,
}

struct Model {
    cluster: Cluster,
    client: Client,
    random: Random,
    /// Whether syncs are broken off: where that strikes no seed repeats.
    is_rough: bool,
    worlds: Vec<World>,
    /// Of the last event, and of the last value that was written.
    number: usize,
    value: usize,
    present: DateTime<Utc>,
}

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_is_done_on_both_sides_and_goes_wrong_between_them_they_come_to_agree() {
    let all_steps = setting("MODEL_STEPS");
    let is_rough = all_steps.is_some();
    let first_seed = setting("MODEL_SEED").unwrap_or(1);
    let runs = setting("MODEL_RUNS").unwrap_or(1).max(1);
    let steps = all_steps.unwrap_or(600).div_ceil(runs) as usize;
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in first_seed..first_seed + runs {
            let stopped = &stopped;
            scope.spawn(move || run(seed, steps, is_rough, stopped));
        }
    });
}

/// `stopped`: another run has failed. Says now and then how far it is.
fn run(seed: u64, steps: usize, is_rough: bool, stopped: &AtomicBool) {
    println!("MODEL_SEED={seed} MODEL_STEPS={steps}");
    let _stops_others = StopIfPanicking(stopped);
    let begun = Instant::now();
    let mut model = Model::begin(seed, is_rough);
    for step in 1..=steps {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        model.step();
        if step % STRETCH == 0 || step == steps {
            model.rest(step);
        }
        if step % TOLD == 0 || step == steps {
            println!("seed {seed}: {step} of {steps} steps in {} s", begun.elapsed().as_secs());
            model.clean_up();
        }
    }
}

struct StopIfPanicking<'a>(&'a AtomicBool);

impl Drop for StopIfPanicking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Model {
    fn begin(seed: u64, is_rough: bool) -> Self {
        let cluster = Cluster::start_with(&[
            ("calendar_sync.worker", "off"),
            ("calendar_sync.manual_sync_limit", "10000"),
            ("fsync", "off"),
        ]);
        let mut client = cluster.create_database("crm");
        client.batch_execute(CRM).expect("the CRM's table");
        let mut model = Self {
            cluster,
            client,
            random: Random::new(seed),
            is_rough,
            worlds: Vec::new(),
            number: 0,
            value: 0,
            present: DateTime::from_timestamp(Utc::now().timestamp() / 60 * 60, 0).expect("a whole minute"),
        };
        let google = Rc::new(FakeGoogle::start());
        for (policy, number) in [("last_write", 1), ("local", 2), ("remote", 3)] {
            let person = Google::of(&google, &format!("person-{number}@example.com"));
            model.connect(Box::new(person), policy, &format!("a0000000-0000-4000-8000-00000000000{number}"));
        }
        let outlook = Outlook::of("person@contoso.example");
        model.connect(Box::new(outlook), "last_write", "c0000000-0000-4000-8000-000000000001");
        model.connect(Box::new(Notion::new()), "last_write", "b0000000-0000-4000-8000-000000000001");
        model
    }

    fn connect(&mut self, there: Box<dyn There>, policy: &'static str, user: &str) {
        let options = json!({ "conflict_policy": policy });
        there::connect(&mut self.client, &*there, user, &options);
        self.worlds.push(World { user: user.to_owned(), there, ledger: Ledger::default(), policy });
    }

    /// A value that was never written before.
    fn value(&mut self, field: Field) -> String {
        self.value += 1;
        match field {
            Field::Title => format!("title-{}.", self.value),
            Field::Location => format!("place-{}.", self.value),
            Field::Start => (self.present + TimeDelta::days(1) + TimeDelta::minutes(self.value as i64)).to_rfc3339(),
        }
    }

    fn step(&mut self) {
        let world = self.random.below(self.worlds.len());
        match self.random.below(100) {
            0..20 => self.add(world),
            20..65 => self.edit(world),
            65..75 => self.delete(world),
            75..80 => {
                self.worlds[world].there.trouble(&mut self.random);
                self.worlds[world].ledger.broken_off();
            }
            80..97 => self.sync(world),
            97.. if !self.is_rough => self.sync_for_nothing(world),
            97 | 98 => self.sync_for_a_moment(world),
            _ if self.random.chance(0.15) => self.crash(),
            _ => self.sync_for_nothing(world),
        }
    }

    fn here(&mut self, world: usize) -> BTreeMap<usize, (usize, Way, Shown)> {
        Here { client: &mut self.client, user: &self.worlds[world].user }.events()
    }

    fn add(&mut self, world: usize) {
        let side = *self.random.one_of(&Side::BOTH);
        let way = *self.random.one_of(&Way::ALL);
        let shown: Shown = Field::ALL.into_iter().map(|field| (field, self.value(field))).collect();
        self.number += 1;
        let number = self.number;
        let are_few = self.here(world).len() < MOST_EVENTS;
        let World { user, there, ledger, .. } = &mut self.worlds[world];
        match side {
            Side::Here if are_few => {
                Here { client: &mut self.client, user }.add(number, way, &shown);
                ledger.created(number, side, way.origin(), &shown);
            }
            _ if there.events().len() < MOST_EVENTS => {
                there.add(number, &shown);
                ledger.created(number, side, Origin::Either, &shown);
            }
            _ => {}
        }
    }

    fn edit(&mut self, world: usize) {
        let field = *self.random.one_of(&Field::ALL);
        let value = self.value(field);
        if self.random.chance(0.5) {
            let all: Vec<_> = self.here(world).into_iter().collect();
            if all.is_empty() {
                return;
            }
            let (number, (_, way, before)) = self.random.one_of(&all).clone();
            let World { user, ledger, .. } = &mut self.worlds[world];
            Here { client: &mut self.client, user }.edit(number, way, field, &value);
            ledger.edited(number, Side::Here, &before, field, &value);
        } else {
            let World { there, ledger, .. } = &mut self.worlds[world];
            let all = there.events();
            if all.is_empty() {
                return;
            }
            let seen = self.random.one_of(&all);
            there.edit(&seen.id, field, &value);
            ledger.edited(seen.number, Side::There, &seen.shown, field, &value);
        }
    }

    fn delete(&mut self, world: usize) {
        if self.random.chance(0.5) {
            let all: Vec<_> = self.here(world).into_iter().collect();
            if all.is_empty() {
                return;
            }
            let (number, (_, way, before)) = self.random.one_of(&all).clone();
            let World { user, ledger, .. } = &mut self.worlds[world];
            Here { client: &mut self.client, user }.delete(number, way, &mut self.random);
            ledger.deleted(number, Side::Here, &before);
        } else {
            let World { user, there, ledger, .. } = &mut self.worlds[world];
            let all = there.events();
            if all.is_empty() {
                return;
            }
            let seen = self.random.one_of(&all);
            there.delete(&seen.id);
            ledger.deleted(seen.number, Side::There, &seen.shown);
            // Google alone remembers that it was there. Elsewhere it is made again.
            if there.provider() != "google" && (Here { client: &mut self.client, user }.is_unheard(seen.number)) {
                ledger.doubt(seen.number);
            }
        }
    }

    fn sync(&mut self, world: usize) {
        let user = self.worlds[world].user.clone();
        let force = self.random.chance(0.05);
        self.client.query("select * from calendar_sync_now($1, $2)", &[&user, &force]).expect("a report");
    }

    /// Ended by a time-out or the end of the session.
    fn sync_for_a_moment(&mut self, world: usize) {
        let World { user, ledger, .. } = &mut self.worlds[world];
        ledger.broken_off();
        broken_off::for_a_moment(&self.cluster, &mut self.client, &mut self.random, user);
        self.sync(world);
    }

    fn crash(&mut self) {
        self.worlds.iter_mut().for_each(|world| world.ledger.broken_off());
        broken_off::crash(&self.cluster, &mut self.client, &mut self.random);
    }

    /// In a transaction that is rolled back, with what it has changed itself.
    fn sync_for_nothing(&mut self, world: usize) {
        self.worlds[world].ledger.broken_off();
        let user = self.worlds[world].user.clone();
        if self.random.chance(0.7) {
            // Until it is undone it is there: nobody is to edit that.
            self.worlds[world].there.no_trouble();
            self.client.batch_execute("begin").expect("begin");
            for _ in 0..=self.random.below(2) {
                self.change_in_vain(world);
            }
            self.sync(world);
            self.client.batch_execute("rollback").expect("rollback");
            self.sync(world);
        } else {
            broken_off::for_nothing(&mut self.client, &user);
        }
        self.sync(world);
    }

    /// Of which nobody knows afterwards.
    fn change_in_vain(&mut self, world: usize) {
        let all: Vec<_> = self.here(world).into_iter().collect();
        let user = self.worlds[world].user.clone();
        if all.is_empty() || self.random.chance(0.3) {
            let way = *self.random.one_of(&Way::ALL);
            let shown: Shown = Field::ALL.into_iter().map(|field| (field, self.value(field))).collect();
            self.number += 1;
            return Here { client: &mut self.client, user: &user }.add(self.number, way, &shown);
        }
        let (number, (_, way, _)) = self.random.one_of(&all).clone();
        let field = *self.random.one_of(&Field::ALL);
        let value = self.value(field);
        let mut here = Here { client: &mut self.client, user: &user };
        // With an interaction what was edited there goes without a word, and comes back as the CRM has it.
        if way.origin() == Origin::Interaction || self.random.chance(0.6) {
            here.edit(number, way, field, &value);
        } else {
            here.delete(number, way, &mut self.random);
        }
    }

    /// Nothing goes wrong any more, and all is synced until nothing is left to do; then both sides are compared.
    fn rest(&mut self, step: usize) {
        for world in 0..self.worlds.len() {
            self.worlds[world].there.no_trouble();
            let mut quiet = 0;
            for round in 0.. {
                assert!(round < 40, "step {step}: no rest is found: {}", self.unrest(world));
                quiet = if self.sync_once(world) { quiet + 1 } else { 0 };
                if quiet == 2 {
                    break;
                }
            }
            self.compare(world, step);
            self.worlds[world].there.rest();
        }
    }

    /// Forgets what is over, as a DBA may at any time: nothing of it is needed any more.
    fn clean_up(&mut self) {
        self.client.batch_execute("select calendar_cleanup(0, 0)").expect("a cleanup");
    }

    /// Whether there was nothing to do.
    fn sync_once(&mut self, world: usize) -> bool {
        let user = self.worlds[world].user.clone();
        self.log_in_again(world);
        // What failed for good while things went wrong is tried again, as a DBA would; and a worker that began as the last
        // one was killed, and ended as it was told to, is at nothing any more.
        self.client
            .batch_execute(
                "select calendar_queue_retry(queue_id) from calendar_sync_queue where status = 'failed';
                 update calendar_sync_queue set scheduled_for = now() where status = 'pending';
                 update calendar_accounts set refresh_not_before = null;
                 update calendar_connections set leased_until = null where leased_until is not null",
            )
            .expect("everything is tried again");
        let row = self
            .client
            .query_one(
                "select status, coalesce(error, ''), created + updated + deleted + pushed from calendar_sync_now($1)",
                &[&user],
            )
            .expect("a report");
        let (status, done): (String, i32) = (row.get(0), row.get(2));
        let left: i64 = self
            .client
            .query_one(
                "select count(*) from calendar_sync_queue q join calendar_connections c using (connection_id)
                 where c.user_id = $1 and q.status <> 'completed'",
                &[&user],
            )
            .expect("what is left")
            .get(0);
        status == "success" && done == 0 && left == 0
    }

    /// A user whose tokens were refused for good while things went wrong.
    fn log_in_again(&mut self, world: usize) {
        let World { user, there, .. } = &self.worlds[world];
        let waits = "select from calendar_accounts where user_id = $1 and status = 'reauth_required'";
        if self.client.execute(waits, &[user]).expect("the account") > 0 {
            let (access, refresh) = there.tokens();
            self.client
                .execute("select calendar_account_add($1, $2, $3, $4)", &[user, &there.provider(), &access, &refresh])
                .expect("a new login");
        }
    }

    fn unrest(&mut self, world: usize) -> String {
        let user = self.worlds[world].user.clone();
        let row = self
            .client
            .query_one(
                "select (select string_agg(r::text, '; ') from calendar_sync_now($1) r)
                        || ' queue: ' || coalesce((select string_agg(q::text, '; ') from calendar_sync_queue q
                                                   join calendar_connections c using (connection_id)
                                                   where c.user_id = $1 and q.status <> 'completed'), '')",
                &[&user],
            )
            .expect("what is left");
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    fn compare(&mut self, world: usize, step: usize) {
        let user = self.worlds[world].user.clone();
        let noted = Here { client: &mut self.client, user: &user }.noted();
        let all_here = self.here(world);
        let World { there, ledger, policy, .. } = &mut self.worlds[world];
        let mut wrong = Vec::new();
        let twice_here = all_here.iter().filter(|(_, (times, ..))| *times > 1);
        wrong.extend(twice_here.map(|(number, (times, ..))| format!("event {number} is here {times} times")));
        let mut all_there: BTreeMap<usize, Shown> = BTreeMap::new();
        for seen in there.events() {
            if all_there.insert(seen.number, seen.shown).is_some() {
                wrong.push(format!("event {} is there twice", seen.number));
            }
        }
        let here = all_here.into_iter().map(|(number, (_, _, shown))| (number, shown)).collect();
        wrong.extend(ledger.settle(&here, &[(Side::There, all_there)], &noted));
        let whose = format!("step {step}, {} with {policy}", there.provider());
        assert!(
            wrong.is_empty(),
            "{whose}:\n{}\n{}",
            wrong.join("\n"),
            Here { client: &mut self.client, user: &user }.trace()
        );
        // Old ones are looked through no more.
        self.client.execute("delete from calendar_sync_log where user_id = $1", &[&user]).expect("an empty log");
    }
}
