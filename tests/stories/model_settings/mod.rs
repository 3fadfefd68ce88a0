//! How calendars are connected changes all the time: direction, visibility, policy, filter, what they mirror, pauses. Under
//! whatever is said last each calendar holds what it is to hold; and once all of them are open to everything again, all
//! sides are equal, nothing is lost, nothing is there twice, and no conflict was settled silently.
//!
//! Some hundred steps here; `make model-settings` takes more (MODEL_STEPS). MODEL_SEED makes other choices.

mod calendar;
mod rest;

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::{Cluster, FakeGoogle, Random};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;

use crate::model::here::{CRM, Here, Way};
use crate::model::ledger::{Ledger, Origin, Side};
use crate::there::{Field, Google, Notion, Shown, There};
use calendar::{Calendar, Entry, Settings};

/// Steps between two rests.
const STRETCH: usize = 60;
/// Of so many rests one is with everything open to everything.
const WHOLE: usize = 2;
/// Events that a calendar has at most.
const MOST_EVENTS: usize = 25;

/// A user with calendars elsewhere.
struct World {
    user: String,
    calendars: Vec<Calendar>,
    ledger: Ledger,
    /// What was done since all of it was open the last time, for whoever looks into a failure.
    diary: Vec<String>,
}

impl World {
    fn note(&mut self, what: impl Into<String>) {
        self.diary.push(what.into());
    }
}

struct Model {
    // Dropped last.
    client: Client,
    random: Random,
    worlds: Vec<World>,
    /// Of the last event, and of the last value that was written.
    number: usize,
    value: usize,
    present: DateTime<Utc>,
    _cluster: Cluster,
}

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn however_often_it_changes_what_goes_where_each_calendar_holds_what_it_is_to_hold_and_nothing_is_lost_or_double() {
    let steps = setting("MODEL_STEPS").unwrap_or(240) as usize;
    let seed = setting("MODEL_SEED").unwrap_or(1);
    println!("MODEL_SEED={seed} MODEL_STEPS={steps}");
    let mut model = Model::begin(seed);
    for step in 1..=steps {
        model.step();
        if step % STRETCH == 0 || step == steps {
            let whole = (step / STRETCH).is_multiple_of(WHOLE) || step == steps;
            (0..model.worlds.len()).for_each(|world| model.rest(world, whole, step));
        }
        if step % 1_000 == 0 {
            println!("{step} steps");
        }
    }
}

impl Model {
    fn begin(seed: u64) -> Self {
        let settings =
            [("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "100000"), ("fsync", "off")];
        let cluster = Cluster::start_with(&settings);
        let mut client = cluster.create_database("crm");
        client.batch_execute(CRM).expect("the CRM's table");
        let mut model = Self {
            client,
            random: Random::new(seed),
            worlds: Vec::new(),
            number: 0,
            value: 0,
            present: DateTime::from_timestamp(Utc::now().timestamp() / 60 * 60, 0).expect("a whole minute"),
            _cluster: cluster,
        };
        let google = Rc::new(FakeGoogle::start());
        let person = |name: &str| -> Box<dyn There> { Box::new(Google::of(&google, name)) };
        model.connect("a0000000-0000-4000-8000-000000000001", vec![person("one@example.com")]);
        model.connect(
            "a0000000-0000-4000-8000-000000000002",
            vec![person("two@example.com"), person("three@example.com")],
        );
        model.connect("b0000000-0000-4000-8000-000000000001", vec![Box::new(Notion::new())]);
        model
    }

    fn connect(&mut self, user: &str, calendars: Vec<Box<dyn There>>) {
        let sides = [Side::There, Side::Elsewhere];
        let calendars = calendars.into_iter().zip(sides);
        let calendars = calendars.map(|(there, side)| Calendar::connect(&mut self.client, there, side, user)).collect();
        self.worlds.push(World { user: user.to_owned(), calendars, ledger: Ledger::default(), diary: Vec::new() });
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
        // One of its calendars, or the database.
        let side = self.random.below(2 * self.worlds[world].calendars.len());
        let calendar = (side < self.worlds[world].calendars.len()).then_some(side);
        match (self.random.below(100), calendar) {
            (0..18, None) => self.add_here(world),
            (0..18, Some(calendar)) => self.add_there(world, calendar),
            (18..50, None) => self.edit_here(world),
            (18..50, Some(calendar)) => self.edit_there(world, calendar),
            (50..60, None) => self.delete_here(world),
            (50..60, Some(calendar)) => self.delete_there(world, calendar),
            (60..75, _) => self.change(world, calendar.unwrap_or_default()),
            (75..80, _) => self.pause_or_go_on(world, calendar.unwrap_or_default()),
            (80..84, _) => {
                self.worlds[world].note("trouble");
                let World { calendars, ledger, .. } = &mut self.worlds[world];
                calendars[calendar.unwrap_or_default()].there.trouble(&mut self.random);
                ledger.broken_off();
            }
            _ => self.sync(world),
        }
    }

    fn here(&mut self, world: usize) -> BTreeMap<usize, (usize, Way, Shown)> {
        Here { client: &mut self.client, user: &self.worlds[world].user }.events()
    }

    fn new_event(&mut self) -> (usize, Shown) {
        self.number += 1;
        (self.number, Field::ALL.into_iter().map(|field| (field, self.value(field))).collect())
    }

    fn add_here(&mut self, world: usize) {
        let way = *self.random.one_of(&Way::ALL);
        let (number, shown) = self.new_event();
        self.worlds[world].note(format!("{number} is made here: {way:?}, {shown:?}"));
        let World { user, ledger, .. } = &mut self.worlds[world];
        Here { client: &mut self.client, user }.add(number, way, &shown);
        ledger.created(number, Side::Here, way.origin(), &shown);
    }

    fn add_there(&mut self, world: usize, calendar: usize) {
        let (number, shown) = self.new_event();
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &calendars[calendar];
        if calendar.there.entries().len() < MOST_EVENTS {
            calendar.there.add(number, &shown);
            ledger.created(number, calendar.side, Origin::Either, &shown);
            let side = calendar.side;
            self.worlds[world].note(format!("{number} is made {side:?}: {shown:?}"));
        }
    }

    fn edit_here(&mut self, world: usize) {
        let field = *self.random.one_of(&Field::ALL);
        let value = self.value(field);
        let all = self.here(world);
        let Some((number, (_, way, before))) = pick(&mut self.random, all) else { return };
        self.worlds[world].note(format!("{number} is given {value} here ({way:?}), was {before:?}"));
        let World { user, ledger, .. } = &mut self.worlds[world];
        Here { client: &mut self.client, user }.edit(number, way, field, &value);
        ledger.edited(number, Side::Here, &before, field, &value);
    }

    /// Whatever somebody scribbles on a block of busy time, it is none of the event's.
    fn edit_there(&mut self, world: usize, calendar: usize) {
        let field = *self.random.one_of(&Field::ALL);
        let value = self.value(field);
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &mut calendars[calendar];
        let Some(entry) = pick(&mut self.random, calendar.entries(&mut self.client)) else { return };
        let Entry { number: Some(number), id, shown } = &entry else { return };
        match field {
            Field::Title if entry.is_block() => {}
            Field::Location if entry.is_block() => return,
            _ => ledger.edited(*number, calendar.side, shown, field, &value),
        }
        calendar.there.edit(id, field, &value);
        let side = calendar.side;
        self.worlds[world].note(format!("{number} is given {value} {side:?}, was {shown:?}"));
    }

    fn delete_here(&mut self, world: usize) {
        let all = self.here(world);
        let Some((number, (_, way, before))) = pick(&mut self.random, all) else { return };
        self.worlds[world].note(format!("{number} is deleted here ({way:?}), was {before:?}"));
        let World { user, ledger, .. } = &mut self.worlds[world];
        Here { client: &mut self.client, user }.delete(number, way, &mut self.random);
        ledger.deleted(number, Side::Here, &before);
    }

    fn delete_there(&mut self, world: usize, calendar: usize) {
        let here = self.all_here(world);
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &mut calendars[calendar];
        let Some(entry) = pick(&mut self.random, calendar.entries(&mut self.client)) else { return };
        let Some(number) = entry.number else { return };
        calendar.there.delete(&entry.id);
        ledger.deleted(number, calendar.side, &entry.shown);
        // It was to go from there anyway; or nobody knows what was to be seen of it.
        if entry.is_block() || here.get(&number).is_some_and(|event| !calendar.takes(event)) {
            ledger.doubt(number);
        }
        let side = calendar.side;
        self.worlds[world].note(format!("{number} is deleted {side:?}, was {:?}", entry.shown));
    }

    /// Something else is said of a calendar; unless its provider is in trouble.
    fn change(&mut self, world: usize, calendar: usize) {
        let settings = self.worlds[world].calendars[calendar].settings.changed(&mut self.random);
        let _ = self.connect_as(world, calendar, settings);
    }

    fn connect_as(&mut self, world: usize, calendar: usize, settings: Settings) -> Result<(), postgres::Error> {
        let side = self.worlds[world].calendars[calendar].side;
        self.worlds[world].note(format!("{side:?} is connected as {settings:?}"));
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let calendar = &mut calendars[calendar];
        calendar.change(&mut self.client, settings)?;
        let Settings { direction, sources, mirrors, .. } = &calendar.settings;
        if *direction == "push" {
            ledger.stop_listening(calendar.side);
        } else {
            ledger.listen(calendar.side);
        }
        // What is deleted there by its user, and at the same time to be deleted there because it belongs there no more.
        if !sources.is_empty() || !mirrors {
            ledger.doubt_deleted(calendar.side);
        }
        Ok(())
    }

    fn pause_or_go_on(&mut self, world: usize, calendar: usize) {
        let call = if self.random.chance(0.5) { "calendar_pause" } else { "calendar_continue" };
        let Calendar { connection, side, .. } = self.worlds[world].calendars[calendar];
        self.worlds[world].note(format!("{side:?}: {call}"));
        self.client.execute(&format!("select {call}($1)"), &[&connection]).expect(call);
    }

    /// Never in a transaction that is rolled back, as in the other model: what was made there by one that is undone, and then
    /// is only pulled from there, is known to come back as theirs.
    fn sync(&mut self, world: usize) {
        let World { user, calendars, ledger, diary } = &mut self.worlds[world];
        let force = self.random.chance(0.05);
        // What is there is here again, then.
        if force && calendars.iter().any(|calendar| calendar.settings.direction == "pull") {
            ledger.doubt_deleted(Side::Here);
        }
        diary.push(format!("sync, force {force}: {}", report(&mut self.client, user, force)));
    }
}

/// Syncs; what came of it.
fn report(client: &mut Client, user: &str, force: bool) -> String {
    let sync = "select coalesce(string_agg(r::text, '; '), '') from calendar_sync_now($1, $2) r";
    client.query_one(sync, &[&user, &force]).expect("a report").get(0)
}

fn pick<T>(random: &mut Random, all: impl IntoIterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    (!all.is_empty()).then(|| all.swap_remove(random.below(all.len())))
}
