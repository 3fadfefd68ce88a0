//! Nothing goes wrong any more, and all is synced until nothing is left to do: what must stand where.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::calendar::{Calendar, Entry, Event, Settings};
use super::{Model, World};
use crate::model::here::Here;
use crate::model::ledger::Side;
use crate::there::{Field, Shown};

/// What stands in one calendar, and here, before all comes to rest.
type Before = (Vec<Entry>, BTreeMap<usize, Shown>);

impl Model {
    /// `whole`: with everything open to everything.
    pub fn rest(&mut self, world: usize, whole: bool, step: usize) {
        for place in 0..self.worlds[world].calendars.len() {
            let calendar = &self.worlds[world].calendars[place];
            calendar.there.no_trouble();
            calendar.there.rest();
            calendar.log_in_again(&mut self.client, &self.worlds[world].user);
            let (policy, connection) = (calendar.settings.policy, calendar.connection);
            self.client.execute("select calendar_continue($1)", &[&connection]).expect("it goes on");
            if whole {
                self.connect_as(world, place, Settings { policy, ..Settings::WHOLE }).expect("it is open");
            }
        }
        self.worlds[world].note(format!("step {step}: at rest, whole {whole}"));
        let before = self.before(world);
        self.sync_until_nothing_is_left(world, step);
        let mut wrong = self.compare(world, &before);
        if whole {
            wrong.extend(self.settle(world));
        }
        let World { user, calendars, .. } = &self.worlds[world];
        if !wrong.is_empty() {
            let settings: Vec<&Settings> = calendars.iter().map(|calendar| &calendar.settings).collect();
            let diary = self.worlds[world].diary.join("\n");
            let trace = Here { client: &mut self.client, user }.trace();
            panic!("step {step}, {settings:?}, world {world}:\n{}\n{diary}\n{trace}", wrong.join("\n"));
        }
        if whole {
            // Old conflicts are looked through no more.
            self.client.execute("delete from calendar_sync_log where user_id = $1", &[user]).expect("an empty log");
            self.worlds[world].diary.clear();
        }
    }

    fn sync_until_nothing_is_left(&mut self, world: usize, step: usize) {
        let mut quiet = 0;
        for round in 0.. {
            assert!(round < 40, "step {step}: no rest is found: {}", self.unrest(world));
            let was_open = self.decide(world);
            quiet = if self.sync_once(world) && !was_open { quiet + 1 } else { 0 };
            if quiet == 2 {
                break;
            }
        }
    }

    /// Somebody decides all open conflicts; whether there were any.
    fn decide(&mut self, world: usize) -> bool {
        let open = "select event_id, l.connection_id
                    from calendar_event_links l
                    join calendar_connections c using (connection_id)
                    where c.user_id = $1 and l.sync_status = 'conflict'
                    order by link_id";
        let open = self.client.query(open, &[&self.worlds[world].user]).expect("conflicts");
        for row in &open {
            let (event, connection): (Uuid, Uuid) = (row.get(0), row.get(1));
            let keep = *self.random.one_of(&["local", "remote"]);
            let resolve = "select calendar_conflict_resolve($1, $2, $3)";
            self.client.execute(resolve, &[&event, &connection, &keep]).expect(resolve);
            self.worlds[world].note(format!("{event} is decided for {connection}: {keep}"));
        }
        !open.is_empty()
    }

    /// Whether there was nothing to do.
    fn sync_once(&mut self, world: usize) -> bool {
        let World { user, calendars, .. } = &self.worlds[world];
        calendars.iter().for_each(|calendar| calendar.log_in_again(&mut self.client, user));
        // What failed for good while things went wrong is tried again, as a DBA would.
        self.client
            .batch_execute(
                "select calendar_queue_retry(queue_id) from calendar_sync_queue where status = 'failed';
                 update calendar_sync_queue set scheduled_for = now() where status = 'pending';
                 update calendar_accounts set refresh_not_before = null",
            )
            .expect("everything is tried again");
        // What somebody was killed over waits where nothing may be sent.
        let is_quiet = "select bool_and(status = 'success' and created + updated + deleted + pushed = 0)
                            and not exists (
                                select
                                from calendar_sync_queue
                                join calendar_connections c using (connection_id)
                                where c.user_id = $1
                                  and calendar_sync_queue.status <> 'completed'
                                  and c.direction <> 'pull'
                            )
                        from calendar_sync_now($1)";
        self.client.query_one(is_quiet, &[user]).expect("a report").get(0)
    }

    fn unrest(&mut self, world: usize) -> String {
        let user = &self.worlds[world].user;
        let report = "select string_agg(r::text, '; ') from calendar_sync_now($1) r";
        let report: Option<String> = self.client.query_one(report, &[user]).expect("a report").get(0);
        format!("{report:?}\n{}", Here { client: &mut self.client, user }.trace())
    }

    /// Every event here, with what decides where it is to be seen.
    pub fn all_here(&mut self, world: usize) -> BTreeMap<usize, Event> {
        let origins = "select description, connection_id, coalesce(external_source, synced_from)
                       from calendar_events
                       where user_id = $1 and sync_status <> 'deleted' and event_status <> 'cancelled'";
        let origins = self.client.query(origins, &[&self.worlds[world].user]).expect("events");
        let mut shown = self.here(world);
        let mut events = BTreeMap::new();
        for row in origins {
            let number = row.get::<_, Option<&str>>(0).and_then(crate::there::number_of);
            let Some((number, (_, _, shown))) = number.and_then(|number| Some((number, shown.remove(&number)?))) else {
                continue;
            };
            events.insert(number, Event { shown, connection: row.get(1), source: row.get(2) });
        }
        events
    }

    fn before(&mut self, world: usize) -> Vec<Before> {
        let here: BTreeMap<usize, Shown> =
            self.here(world).into_iter().map(|(number, (.., shown))| (number, shown)).collect();
        let World { calendars, .. } = &mut self.worlds[world];
        calendars.iter_mut().map(|calendar| (calendar.entries(&mut self.client), here.clone())).collect()
    }

    /// What is wrong by what is said of each calendar now.
    fn compare(&mut self, world: usize, before: &[Before]) -> Vec<String> {
        let twice = self.here(world).into_iter().filter(|(_, (times, ..))| *times > 1);
        let mut wrong: Vec<String> =
            twice.map(|(number, (times, ..))| format!("{number} is here {times} times")).collect();
        let here = self.all_here(world);
        let World { calendars, ledger, .. } = &mut self.worlds[world];
        let is_only = calendars.len() == 1;
        for (calendar, before) in calendars.iter_mut().zip(before) {
            let entries = calendar.entries(&mut self.client);
            let mut there: BTreeMap<usize, Shown> = BTreeMap::new();
            for Entry { number, id, shown } in &entries {
                match number {
                    None => wrong.push(format!("{id} stands for nothing: {shown:?}")),
                    Some(number) if there.insert(*number, shown.clone()).is_some() => {
                        wrong.push(format!("{number} is twice {:?}", calendar.side));
                    }
                    _ => {}
                }
            }
            let is_deleted = |number: usize, side: Side| ledger.is_deleted(number, side);
            wrong.extend(match calendar.settings.direction {
                "pull" => judge_pull(calendar, &before.0, &entries, |number| {
                    here.contains_key(&number) || Side::ALL.into_iter().any(|side| is_deleted(number, side))
                }),
                "push" => {
                    let now = here.iter().map(|(number, event)| (*number, event.shown.clone())).collect();
                    let mut wrong = judge_push(calendar, &here, &there, |number| is_deleted(number, calendar.side));
                    if is_only && before.1 != now {
                        wrong.push(format!(
                            "something came from a calendar that is only sent to: {:?}, {now:?}",
                            before.1
                        ));
                    }
                    wrong
                }
                _ => judge_both(calendar, &here, &there, |number| is_deleted(number, calendar.side)),
            });
        }
        wrong
    }

    fn settle(&mut self, world: usize) -> Vec<String> {
        let here: BTreeMap<usize, Shown> =
            self.here(world).into_iter().map(|(number, (.., shown))| (number, shown)).collect();
        let World { user, calendars, ledger, .. } = &mut self.worlds[world];
        let mut there = Vec::new();
        for calendar in calendars {
            if calendar.may_have_revived() {
                ledger.doubt_deleted(calendar.side);
            }
            let entries = calendar.entries(&mut self.client).into_iter();
            there.push((calendar.side, entries.filter_map(|entry| Some((entry.number?, entry.shown))).collect()));
        }
        let noted = Here { client: &mut self.client, user }.noted();
        ledger.settle(&here, &there, &noted)
    }
}

/// Nothing was done there, and all that is there is here.
fn judge_pull(calendar: &Calendar, before: &[Entry], now: &[Entry], is_here: impl Fn(usize) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    if before != now {
        wrong.push(format!("{:?} was changed, and is only pulled: {before:?}, {now:?}", calendar.side));
    }
    let missing = now.iter().filter_map(|entry| entry.number).filter(|number| !is_here(*number));
    wrong.extend(missing.map(|number| format!("{number} is {:?}, and was not pulled", calendar.side)));
    wrong
}

/// What belongs there is there, and nothing else of ours; what was edited there stands as long as nothing is changed here.
fn judge_push(
    calendar: &Calendar,
    here: &BTreeMap<usize, Event>,
    there: &BTreeMap<usize, Shown>,
    is_deleted: impl Fn(usize) -> bool,
) -> Vec<String> {
    let side = calendar.side;
    let mut wrong = Vec::new();
    for (number, event) in here {
        match there.get(number) {
            None if calendar.takes(event) && !is_deleted(*number) => {
                wrong.push(format!("{number} was not sent {side:?}"));
            }
            Some(_) if !calendar.takes(event) => wrong.push(format!("{number} does not belong {side:?}")),
            Some(shown) if calendar.hides(event) && !shown[&Field::Location].is_empty() => {
                wrong.push(format!("{number} is to be seen {side:?} as {shown:?}"));
            }
            _ => {}
        }
    }
    wrong
}

/// What belongs there is there as it is here, as far as that is anybody's business; nothing else is.
fn judge_both(
    calendar: &Calendar,
    here: &BTreeMap<usize, Event>,
    there: &BTreeMap<usize, Shown>,
    is_deleted: impl Fn(usize) -> bool,
) -> Vec<String> {
    let side = calendar.side;
    let mut wrong: Vec<String> = Vec::new();
    for (number, event) in here.iter().filter(|(_, event)| calendar.takes(event)) {
        match there.get(number) {
            None if !is_deleted(*number) => wrong.push(format!("{number} is not {side:?}")),
            Some(shown) if !calendar.may_show(event, shown) => {
                wrong.push(format!("{number} is {shown:?} {side:?}, and here {:?}", event.shown));
            }
            _ => {}
        }
    }
    let strange = there.keys().filter(|number| here.get(number).is_none_or(|event| !calendar.takes(event)));
    wrong.extend(strange.map(|number| format!("{number} is {side:?}, and does not belong there")));
    wrong
}
