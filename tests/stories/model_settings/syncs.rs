//! Syncs in the middle of it, some of which do not come to their end.

use postgres::Client;

use super::{Model, World};
use crate::model::broken_off;
use crate::model::ledger::Side;

impl Model {
    pub fn sync(&mut self, world: usize) {
        let World { user, calendars, ledger, diary } = &mut self.worlds[world];
        let force = self.random.chance(0.05);
        // What is there is here again, then.
        if force && calendars.iter().any(|calendar| calendar.settings.direction == "pull") {
            ledger.doubt_deleted(Side::Here);
        }
        diary.push(format!("sync, force {force}: {}", report(&mut self.client, user, force)));
    }

    /// In a transaction that is rolled back. What that has sent the next sync finds; before it nothing else is said of the
    /// calendars: what was made there for nothing, and is only pulled from there, is pulled as theirs.
    pub fn sync_for_nothing(&mut self, world: usize) {
        self.worlds[world].note("a sync for nothing");
        self.let_in(world);
        self.client.batch_execute("begin").expect("begin");
        if self.random.chance(0.5) {
            self.change_in_vain(world);
        }
        self.sync(world);
        self.client.batch_execute("rollback").expect("rolled back");
        self.sync_undisturbed(world);
    }

    /// Ended by a time-out or the end of the session; likewise. Only with one calendar: what the edit in one has lost to that in
    /// another for nothing, no log tells of.
    pub fn sync_for_a_moment(&mut self, world: usize) {
        self.worlds[world].note("a sync for a moment");
        let World { user, .. } = &self.worlds[world];
        broken_off::for_a_moment(&self.cluster, &mut self.client, &mut self.random, user);
        self.sync_undisturbed(world);
    }

    fn sync_undisturbed(&mut self, world: usize) {
        self.worlds[world].ledger.broken_off();
        self.let_in(world);
        self.sync(world);
    }

    /// Nothing is in the way of its calendars.
    fn let_in(&mut self, world: usize) {
        let World { user, calendars, .. } = &mut self.worlds[world];
        for calendar in calendars {
            calendar.there.no_trouble();
            calendar.log_in_again(&mut self.client, user);
        }
    }

    pub fn crash(&mut self) {
        for world in &mut self.worlds {
            world.note("a crash");
            world.ledger.broken_off();
        }
        broken_off::crash(&self.cluster, &mut self.client, &mut self.random);
    }
}

/// Syncs; what came of it.
fn report(client: &mut Client, user: &str, force: bool) -> String {
    let sync = "select coalesce(string_agg(r::text, '; '), '') from calendar_sync_now($1, $2) r";
    client.query_one(sync, &[&user, &force]).expect("a report").get(0)
}
