//! Everything is brought to rest, and both sides are compared.

use std::collections::BTreeSet;

use super::{All, Model};
use crate::there::plan;

impl Model {
    pub fn rest(&mut self, when: &str) {
        self.there.no_trouble();
        let mut quiet = 0;
        for round in 0.. {
            let again = "select calendar_queue_retry(queue_id) from calendar_sync_queue where status = 'failed';
                         update calendar_sync_queue set scheduled_for = now() where status = 'pending';";
            self.client.batch_execute(again).expect("everything is tried again");
            let said = self.sync(quiet == 1);
            self.history.push(format!("rest {said}"));
            if round == 10 {
                self.give_in(when);
            }
            assert!(round < 30, "{when}: no rest is found\n{}", self.trace());
            let left = "select count(*) from calendar_sync_queue where status <> 'completed'";
            let left: i64 = self.client.query_one(left, &[]).expect("what is left").get(0);
            quiet = if said == "success 0 0 0 0 0" && left == 0 { quiet + 1 } else { 0 };
            if quiet == 2 {
                break;
            }
        }
        self.compare(when);
        self.touched.clear();
        self.left.clear();
        self.replanned.clear();
        self.history.push("-- at rest".into());
    }

    /// An edit beats a delete; but Outlook can't bring an occurrence back that was deleted there. Its link says so, and
    /// somebody takes it away here, too. That is all that there may be without a rest.
    fn give_in(&mut self, when: &str) {
        let refused = "select s.description, l.last_sync_error
                       from calendar_event_links l join calendar_series s using (series_id)
                       where l.sync_status = 'error'";
        let rows = self.client.query(refused, &[]).expect("what was refused");
        let (all_there, mut wrong) = (self.there.all(), Vec::new());
        for row in rows {
            let (description, error): (String, String) = (row.get(0), row.get(1));
            if !(error.contains("an occurrence that takes place again") || error.contains("cannot be restored")) {
                wrong.push(format!("{description}: {error}"));
            }
            let number = plan::number_of(&description).unwrap_or_default();
            for one in self.instances() {
                let key = one.occurrence.key();
                if one.occurrence.number != number || all_there.contains_key(&key) {
                    continue;
                }
                if !self.cancelled.contains(&key) {
                    wrong.push(format!("{key:?} is not there, and nobody has cancelled it"));
                }
                let cancel = "update calendar_events set event_status = 'cancelled' where event_id = $1";
                self.client.execute(cancel, &[&one.id]).expect("cancelled");
            }
            self.replanned.insert(number);
            self.history.push(format!("given in: {description}: {error}"));
        }
        assert!(wrong.is_empty(), "{when}:\n{}\n{}", wrong.join("\n"), self.trace());
    }

    fn compare(&mut self, when: &str) {
        let (here, there) = (self.here(), self.there.all());
        let mut wrong = Vec::new();
        let keys: BTreeSet<_> = here.keys().chain(there.keys()).collect();
        for key in keys {
            let [one, other] = [&here, &there].map(|side| side.get(key).cloned().unwrap_or_default());
            if one != other || one.len() > 1 {
                wrong.push(format!("{key:?}: here {one:?}, there {other:?}"));
            }
        }
        for (number, sides) in &self.touched {
            let now: All = here
                .iter()
                .filter(|((of, _), _)| of == number)
                .map(|(key, seen)| (key.clone(), seen.clone()))
                .collect();
            if sides.len() == 1 && !self.replanned.contains(number) && now != self.left[number] {
                wrong.push(format!("{number}: only {sides:?} touched it, left {:?}, now {now:?}", self.left[number]));
            }
        }
        assert!(wrong.is_empty(), "{when}:\n{}\n{}", wrong.join("\n"), self.trace());
        let present: BTreeSet<usize> = here.keys().map(|(number, _)| *number).collect();
        self.plans.retain(|number, _| present.contains(number));
    }

    /// For whoever looks into a failure.
    pub fn trace(&mut self) -> String {
        let queries = [
            "select to_jsonb(l)::text from calendar_event_links l where series_id is not null",
            "select to_jsonb(q)::text from calendar_sync_queue q where status <> 'completed' order by queue_id",
            "select concat_ws(' ', action, status, error_message, details) from calendar_sync_log order by log_id desc limit 30",
            "select to_jsonb(s)::text from calendar_series s",
        ];
        let all = queries.iter().flat_map(|query| self.client.query(*query, &[]).expect(query));
        let rows = all.map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n");
        let requests = self.there.requests();
        let last = self.history.iter().rposition(|it| it.starts_with("-- at rest")).unwrap_or_default();
        let before = self.history[..last].iter().rposition(|it| it.starts_with("-- at rest")).unwrap_or_default();
        format!("{}\n{requests}\n{rows}", self.history[before..].join("\n"))
    }
}
