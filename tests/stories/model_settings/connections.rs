//! What is said of calendars.

use super::calendar::{Calendar, Settings};
use super::{Model, World};

impl Model {
    /// Something else is said of a calendar; unless its provider is in trouble.
    pub fn change(&mut self, world: usize, calendar: usize) {
        let settings = self.worlds[world].calendars[calendar].settings.changed(&mut self.random);
        let _ = self.connect_as(world, calendar, settings);
    }

    pub fn connect_as(&mut self, world: usize, calendar: usize, settings: Settings) -> Result<(), postgres::Error> {
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

    pub fn pause_or_go_on(&mut self, world: usize, calendar: usize) {
        let call = if self.random.chance(0.5) { "calendar_pause" } else { "calendar_continue" };
        let Calendar { connection, side, .. } = self.worlds[world].calendars[calendar];
        self.worlds[world].note(format!("{side:?}: {call}"));
        self.client.execute(&format!("select {call}($1)"), &[&connection]).expect(call);
    }
}
