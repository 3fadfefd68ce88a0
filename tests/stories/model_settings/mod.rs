//! How calendars are connected changes all the time: direction, visibility, policy, filter, what they mirror, pauses. Under
//! whatever is said last each calendar holds what it is to hold; and once all of them are open to everything again, all
//! sides are equal, nothing is lost, nothing is there twice, and no conflict was settled silently.
//!
//! Some hundred steps here, and none that is broken off where no seed repeats it; `make model-settings` takes more (MODEL_STEPS). MODEL_SEED makes other choices.

mod calendar;
mod connections;
mod edits;
mod rest;
mod syncs;

use std::collections::BTreeMap;
use std::rc::Rc;

use calendar_sync_e2e::{Cluster, FakeGoogle, Random};
use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;

use crate::model::here::{CRM, Here, Way};
use crate::model::ledger::{Ledger, Side};
use crate::there::{Field, Google, Notion, Outlook, Shown, There};
use calendar::Calendar;

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
    /// Whether syncs are broken off where no seed repeats it.
    is_rough: bool,
    cluster: Cluster,
}

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn however_often_it_changes_what_goes_where_each_calendar_holds_what_it_is_to_hold_and_nothing_is_lost_or_double() {
    let steps = setting("MODEL_STEPS");
    let is_rough = steps.is_some();
    let steps = steps.unwrap_or(240) as usize;
    let seed = setting("MODEL_SEED").unwrap_or(1);
    println!("MODEL_SEED={seed} MODEL_STEPS={steps}");
    let mut model = Model::begin(seed, is_rough);
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
    fn begin(seed: u64, is_rough: bool) -> Self {
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
            is_rough,
            cluster,
        };
        let google = Rc::new(FakeGoogle::start());
        let person = |name: &str| -> Box<dyn There> { Box::new(Google::of(&google, name)) };
        model.connect("a0000000-0000-4000-8000-000000000001", vec![person("one@example.com")]);
        model.connect(
            "a0000000-0000-4000-8000-000000000002",
            vec![person("two@example.com"), person("three@example.com")],
        );
        let person = Box::new(Outlook::of("person@contoso.example"));
        model.connect("c0000000-0000-4000-8000-000000000001", vec![person]);
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
        let is_alone = self.worlds[world].calendars.len() == 1;
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
            (84..98, _) => self.sync(world),
            (98, _) if self.is_rough && is_alone => self.sync_for_a_moment(world),
            (99, _) if self.is_rough && self.random.chance(0.15) => self.crash(),
            _ => self.sync_for_nothing(world),
        }
    }

    fn here(&mut self, world: usize) -> BTreeMap<usize, (usize, Way, Shown)> {
        Here { client: &mut self.client, user: &self.worlds[world].user }.events()
    }
}
