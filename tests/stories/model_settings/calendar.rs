//! A connected calendar, and all that can be said about how it is connected.

use std::collections::BTreeMap;

use calendar_sync_e2e::Random;
use postgres::Client;
use serde_json::json;
use uuid::Uuid;

use crate::model::ledger::Side;
use crate::there::{Field, Shown, There};

const DIRECTIONS: [&str; 3] = ["both", "pull", "push"];
const POLICIES: [&str; 4] = ["last_write", "local", "remote", "manual"];
/// Origins that a filter leaves.
const SOURCES: [&[&str]; 4] = [&[], &["crm"], &["interaction", "manual"], &["crm", "google"]];

/// How a calendar is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub direction: &'static str,
    pub busy_only: bool,
    pub policy: &'static str,
    /// Where what is sent comes from; empty: no filter.
    pub sources: &'static [&'static str],
    /// What comes from the user's other calendar is sent there, too.
    pub mirrors: bool,
}

impl Settings {
    /// Everything is everywhere.
    pub const WHOLE: Self =
        Self { direction: "both", busy_only: false, policy: "last_write", sources: &[], mirrors: true };

    /// With one thing changed.
    pub fn changed(&self, random: &mut Random) -> Self {
        let mut changed = self.clone();
        match random.below(6) {
            0 | 1 => changed.direction = *random.one_of(&DIRECTIONS),
            2 => changed.busy_only = !self.busy_only,
            3 => changed.policy = *random.one_of(&POLICIES),
            4 => changed.sources = *random.one_of(&SOURCES),
            _ => changed.mirrors = !self.mirrors,
        }
        changed
    }
}

/// An event here.
pub struct Event {
    pub shown: Shown,
    /// The calendar that it came from.
    pub connection: Option<Uuid>,
    /// As a filter calls where it came from.
    pub source: String,
}

/// An event there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `None` where nobody can tell what it stands for.
    pub number: Option<usize>,
    pub id: String,
    pub shown: Shown,
}

impl Entry {
    /// It says no more than when it takes place.
    pub fn is_block(&self) -> bool {
        self.shown[&Field::Location].is_empty()
    }
}

pub struct Calendar {
    pub there: Box<dyn There>,
    pub side: Side,
    pub settings: Settings,
    pub connection: Uuid,
    account: Uuid,
    /// Since all was open the last time it was to be told all anew, and it was only sent to: then what is not there any
    /// more is made there again, and nobody looks whether somebody has deleted it.
    is_told_anew: bool,
    was_only_told: bool,
    /// What stands for which event; a block does not say it itself.
    numbers: BTreeMap<String, usize>,
}

impl Calendar {
    pub fn connect(client: &mut Client, there: Box<dyn There>, side: Side, user: &str) -> Self {
        let (id, secret, endpoints) = there.registration();
        let register = "select calendar_oauth_register($1, $2, $3, $4)";
        client.execute(register, &[&there.provider(), &id, &secret, &endpoints]).expect("register");
        let account = log_in(client, &*there, user);
        let mut calendar = Self {
            there,
            side,
            settings: Settings::WHOLE,
            connection: Uuid::nil(),
            account,
            is_told_anew: false,
            was_only_told: false,
            numbers: BTreeMap::new(),
        };
        calendar.connection = calendar.ask_for(client, &Settings::WHOLE).expect("connect");
        calendar
    }

    /// Connects it in another way.
    ///
    /// # Errors
    /// The provider does not answer as it should: nothing has changed.
    pub fn change(&mut self, client: &mut Client, settings: Settings) -> Result<(), postgres::Error> {
        self.ask_for(client, &settings)?;
        self.is_told_anew |= settings.busy_only != self.settings.busy_only;
        self.was_only_told |= settings.direction == "push";
        self.settings = settings;
        Ok(())
    }

    /// Whether what was deleted there may have been made there again without anybody's edit. All is open now.
    pub fn may_have_revived(&mut self) -> bool {
        std::mem::take(&mut self.is_told_anew) & std::mem::take(&mut self.was_only_told)
    }

    fn ask_for(&self, client: &mut Client, settings: &Settings) -> Result<Uuid, postgres::Error> {
        let Settings { direction, busy_only, policy, sources, mirrors } = settings;
        let filter = if sources.is_empty() { json!({}) } else { json!({ "external_source": sources }) };
        let mirror_from = if *mirrors { json!([name(self.other_side())]) } else { json!([]) };
        let options = json!({ "conflict_policy": policy, "filter": filter, "mirror_from": mirror_from });
        let visibility = if *busy_only { "busy" } else { "details" };
        let row = client.query_one(
            "select calendar_connect($1, $2, $3, $4, $5, $6)",
            &[&self.account, &self.there.calendar(), direction, &visibility, &name(self.side), &options],
        )?;
        Ok(row.get(0))
    }

    fn other_side(&self) -> Side {
        if self.side == Side::There { Side::Elsewhere } else { Side::There }
    }

    /// After tokens were refused for good.
    pub fn log_in_again(&self, client: &mut Client, user: &str) {
        let waits = "select from calendar_accounts where account_id = $1 and status = 'reauth_required'";
        if client.execute(waits, &[&self.account]).expect("the account") > 0 {
            log_in(client, &*self.there, user);
        }
    }

    /// Whether what came from a calendar, or from none, belongs into this one.
    pub fn takes(&self, event: &Event) -> bool {
        let Settings { sources, mirrors, .. } = &self.settings;
        match event.connection {
            Some(origin) if origin == self.connection => true,
            Some(_) if !mirrors => false,
            _ => sources.is_empty() || sources.contains(&event.source.as_str()),
        }
    }

    /// Whether an event is to be seen in this calendar as a block of busy time.
    pub fn hides(&self, event: &Event) -> bool {
        self.settings.busy_only && event.connection != Some(self.connection)
    }

    /// Whether an event is to be seen in this calendar like that. What somebody has scribbled on a block stays.
    pub fn may_show(&self, event: &Event, shown: &Shown) -> bool {
        if !self.hides(event) {
            return *shown == event.shown;
        }
        shown[&Field::Location].is_empty()
            && shown[&Field::Title] != event.shown[&Field::Title]
            && shown[&Field::Start] == event.shown[&Field::Start]
    }

    /// All that is there.
    pub fn entries(&mut self, client: &mut Client) -> Vec<Entry> {
        let links = "select l.external_id, e.description
                     from calendar_event_links l
                     join calendar_events e using (event_id)
                     where l.connection_id = $1 and l.external_id is not null";
        for row in client.query(links, &[&self.connection]).expect("links") {
            let number = row.get::<_, Option<&str>>(1).and_then(crate::there::number_of);
            self.numbers.extend(number.map(|number| (row.get(0), number)));
        }
        let mut entries = Vec::new();
        for entry in self.there.entries() {
            self.numbers.extend(entry.number.map(|number| (entry.id.clone(), number)));
            let number = self.numbers.get(&entry.id).copied();
            entries.push(Entry { number, id: entry.id, shown: entry.shown });
        }
        entries
    }
}

fn name(side: Side) -> &'static str {
    if side == Side::There { "There" } else { "Elsewhere" }
}

fn log_in(client: &mut Client, there: &dyn There, user: &str) -> Uuid {
    let (access, refresh) = there.tokens();
    let add = "select calendar_account_add($1, $2, $3, $4, account_email => $5)";
    client.query_one(add, &[&user, &there.provider(), &access, &refresh, &there.calendar()]).expect("an account").get(0)
}
