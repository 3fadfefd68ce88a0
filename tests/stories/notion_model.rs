//! Random edits here and in Notion, and requests that go wrong at random: at rest both sides are the same.

use std::collections::{BTreeMap, BTreeSet};

use calendar_sync_e2e::{ADA, Cluster, FakeNotion, NotionFault, text_of, title_of};
use postgres::Client;
use serde_json::json;
use uuid::Uuid;

/// Steps in `make test`; NOTION_STEPS for more, NOTION_SEED for others.
const STEPS: u64 = 120;
/// Steps after which both sides come to rest.
const ROUND: u64 = 12;
const MOST_ITEMS: usize = 9;

fn number_of(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).expect("31 bits") % sides
    }
}

/// What an item says, on either side: title, start, place.
type Said = [String; 3];

/// What was done to an item since both sides were at rest.
#[derive(Debug, Default, Clone)]
struct Done {
    /// By field, here and there: what it was set to last.
    set: [[Option<String>; 2]; 3],
    deleted: [bool; 2],
}

struct Model {
    _cluster: Cluster,
    client: Client,
    notion: FakeNotion,
    source: String,
    dice: Dice,
    step: u64,
    /// By the item's mark, which stands in its description.
    rested: BTreeMap<String, Said>,
    done: BTreeMap<String, Done>,
}

impl Model {
    fn start(seed: u64) -> Self {
        let settings = [("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "100000")];
        let cluster = Cluster::start_with(&settings);
        let mut client = cluster.create_database("crm");
        let notion = FakeNotion::start();
        let source = notion.add_database("Team", &FakeNotion::usual_schema());
        let options = json!({ "api_url": notion.url() });
        client.execute("select calendar_oauth_register('notion', 'c', 's', $1)", &[&options]).expect("register");
        let add = "select calendar_account_add($1, 'notion', $2, account_email => $1)";
        let account: Uuid = client.query_one(add, &[&ADA, &FakeNotion::TOKEN]).expect("add").get(0);
        client.execute("select calendar_connect($1, $2, name => 'Notion')", &[&account, &source]).expect("connect");
        let (rested, done) = Default::default();
        Self { _cluster: cluster, client, notion, source, dice: Dice(seed | 1), step: 0, rested, done }
    }

    /// What is here, by mark, with the key that it goes by.
    fn here(&mut self) -> BTreeMap<String, (Said, Uuid, Option<String>)> {
        let query = "select description, title, to_char(event_date at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                         coalesce(location, ''), event_id, external_id, external_source
                     from calendar_events
                     where sync_status <> 'deleted' and event_status <> 'cancelled'";
        let rows = self.client.query(query, &[]).expect("events");
        let mut items = BTreeMap::new();
        for row in rows {
            let is_own = row.get::<_, Option<&str>>(6) == Some("planner");
            let said = [row.get(1), row.get(2), row.get(3)];
            let twice =
                items.insert(row.get(0), (said, row.get(4), row.get::<_, Option<String>>(5).filter(|_| is_own)));
            assert!(twice.is_none(), "twice here: {twice:?}");
        }
        items
    }

    /// What is there, by mark, with the page's id.
    fn there(&self) -> BTreeMap<String, (Said, String)> {
        let mut items = BTreeMap::new();
        for page in self.notion.pages(&self.source) {
            let properties = &page["properties"];
            let text = |name: &str, kind: &str| {
                properties[name][kind][0]["plain_text"].as_str().unwrap_or_default().to_owned()
            };
            let start = properties["When"]["date"]["start"].as_str().expect("a date");
            let start: chrono::DateTime<chrono::FixedOffset> = start.parse().expect("a time");
            let start = start.to_utc().format("%Y-%m-%d %H:%M").to_string();
            let said = [text("Name", "title"), start, text("Where", "rich_text")];
            let id = page["id"].as_str().expect("an id").to_owned();
            let twice = items.insert(text("Notes", "rich_text"), (said, id));
            assert!(twice.is_none(), "twice there: {twice:?}");
        }
        items
    }

    /// A field and a new value.
    fn change(&mut self) -> (usize, String) {
        let field = self.dice.roll(3);
        let value = match field {
            1 => format!("2031-01-{:02} {:02}:{:02}", 1 + self.step % 28, self.step / 60 % 24, self.step % 60),
            _ => format!("v{}", self.step),
        };
        (field, value)
    }

    fn note(&mut self, mark: &str, side: usize, field: usize, value: &str) {
        self.done.entry(mark.to_owned()).or_default().set[field][side] = Some(value.to_owned());
    }

    fn edit_here(&mut self) {
        let here = self.here();
        if here.is_empty() {
            return self.add_here();
        }
        let (mark, (_, event, own)) =
            here.into_iter().nth(self.dice.roll(0x7fff_ffff) % self.here().len()).expect("one");
        let (field, value) = self.change();
        match own {
            Some(key) => {
                let patch = match field {
                    0 => json!({ "title": value }),
                    1 => json!({ "start": value.replace(' ', "T") + ":00Z", "end": null }),
                    _ => json!({ "location": value }),
                };
                let upsert = "select calendar_upsert_event($1, 'planner', $2, $3)";
                self.client.execute(upsert, &[&ADA, &key, &patch]).expect("upsert");
            }
            None => {
                let column = ["title", "event_date", "location"][field];
                let cast = if field == 1 { "::timestamp at time zone 'UTC'" } else { "" };
                let update = format!("update calendar_events set {column} = $1::text{cast} where event_id = $2");
                self.client.execute(&update, &[&value, &event]).expect("update");
            }
        }
        self.note(&mark, 0, field, &value);
    }

    fn add_here(&mut self) {
        let mark = format!("here {}", self.step);
        let event = json!({ "title": mark, "description": mark, "start": "2031-02-01T09:00:00Z", "location": "x" });
        let upsert = "select calendar_upsert_event($1, 'planner', $2, $3)";
        self.client.execute(upsert, &[&ADA, &mark, &event]).expect("upsert");
        for (field, value) in [&mark, "2031-02-01 09:00", "x"].iter().enumerate() {
            self.note(&mark.clone(), 0, field, value);
        }
    }

    fn delete_here(&mut self) {
        let own = self.here().into_iter().filter_map(|(mark, (_, _, key))| Some((mark, key?)));
        let own: Vec<(String, String)> = own.collect();
        if let Some((mark, key)) = own.get(self.dice.roll(own.len().max(1))) {
            self.client.execute("select calendar_delete_event($1, 'planner', $2)", &[&ADA, key]).expect("delete");
            self.done.entry(mark.clone()).or_default().deleted[0] = true;
        }
    }

    fn edit_there(&mut self) {
        let there: Vec<_> = self.there().into_iter().collect();
        let Some((mark, (_, page))) = there.get(self.dice.roll(there.len().max(1))).cloned() else { return };
        let (field, value) = self.change();
        let properties = match field {
            0 => json!({ "Name": title_of(&value) }),
            1 => json!({ "When": { "date": { "start": value.replace(' ', "T") + ":00Z" } } }),
            _ => json!({ "Where": text_of(&value) }),
        };
        self.notion.edit_page(&page, &properties);
        self.note(&mark, 1, field, &value);
    }

    fn add_there(&mut self) {
        let mark = format!("there {}", self.step);
        self.notion.add_page(
            &self.source,
            &json!({
                "Name": title_of(&mark), "Notes": text_of(&mark), "Where": text_of("x"),
                "When": { "date": { "start": "2031-02-01T09:00:00Z" } },
            }),
        );
        for (field, value) in [&mark, "2031-02-01 09:00", "x"].iter().enumerate() {
            self.note(&mark.clone(), 1, field, value);
        }
    }

    fn trash_there(&mut self) {
        let there: Vec<_> = self.there().into_iter().collect();
        if let Some((mark, (_, page))) = there.get(self.dice.roll(there.len().max(1))) {
            self.notion.trash_page(page);
            self.done.entry(mark.clone()).or_default().deleted[1] = true;
        }
    }

    fn fail(&mut self) {
        let what = ["POST /v1/pages", "PATCH /v1/pages/*", "GET /v1/pages/*", "POST /v1/data_sources/*/query"];
        let faults = [
            NotionFault::LoseReply,
            NotionFault::LoseRequest,
            NotionFault::Refuse(500, None),
            NotionFault::Refuse(409, None),
            NotionFault::Refuse(429, Some(0)),
            NotionFault::Refuse(529, Some(3600)),
            NotionFault::Gateway,
            NotionFault::Duplicate,
            NotionFault::Reverse,
        ];
        let (what, fault) = (what[self.dice.roll(what.len())], faults[self.dice.roll(faults.len())].clone());
        self.notion.fail(what, fault, 1);
    }

    fn sync(&mut self) -> [i32; 4] {
        self.client
            .batch_execute(
                "update calendar_connections set next_poll_at = now(), consecutive_failures = 0, status = 'active';
                 update calendar_sync_queue set scheduled_for = now(), max_retries = 1000 where status = 'pending'",
            )
            .expect("due");
        let sync = "select created, updated, deleted, pushed from calendar_sync_now($1)";
        let row = self.client.query_one(sync, &[&ADA]).expect("a row");
        [0, 1, 2, 3].map(|column| row.get(column))
    }

    fn act(&mut self) {
        self.step += 1;
        let has_room = self.there().len().max(self.here().len()) < MOST_ITEMS;
        match self.dice.roll(16) {
            0 | 1 if has_room => self.add_here(),
            2 | 3 if has_room => self.add_there(),
            0..=5 => self.edit_here(),
            6..=9 => self.edit_there(),
            10 => self.delete_here(),
            11 => self.trash_there(),
            12 | 13 => self.fail(),
            _ => drop(self.sync()),
        }
    }

    /// Both sides come to rest, and hold what was done to them.
    fn rest(&mut self) {
        self.notion.clear_faults();
        let mut rounds = 0;
        while self.sync() != [0; 4] || self.has_pending() {
            rounds += 1;
            let step = self.step;
            assert!(rounds < 20, "no rest after step {step}: {}", self.state());
        }
        let here: BTreeMap<String, Said> = self.here().into_iter().map(|(mark, item)| (mark, item.0)).collect();
        let there: BTreeMap<String, Said> = self.there().into_iter().map(|(mark, item)| (mark, item.0)).collect();
        assert_eq!(here, there, "after step {}: here, there; done: {:#?}", self.step, self.done);
        let marks: BTreeSet<String> = self.rested.keys().chain(self.done.keys()).cloned().collect();
        for mark in marks {
            let done = self.done.get(&mark).cloned().unwrap_or_default();
            self.check(&mark, here.get(&mark), &done);
        }
        (self.rested, self.done) = (here, BTreeMap::new());
    }

    /// What the last sync said, and what waits.
    fn state(&mut self) -> String {
        let query = "select jsonb_pretty(jsonb_build_object(
                         'sync', (select jsonb_agg(to_jsonb(s)) from calendar_sync_now('ada@example.com') s),
                         'queue', (select jsonb_agg(to_jsonb(q)) from calendar_sync_queue q where status <> 'completed'),
                         'links', (select jsonb_agg(to_jsonb(l) - 'base') from calendar_event_links l
                                   where sync_status <> 'synced')))";
        self.client.query_one(query, &[]).expect("the state").get(0)
    }

    fn has_pending(&mut self) -> bool {
        let query = "select exists (select from calendar_sync_queue where status in ('pending', 'processing'))";
        self.client.query_one(query, &[]).expect("the queue").get(0)
    }

    /// Nothing is lost: what one side alone has set is as it was set, unless that side has deleted the item then.
    fn check(&self, mark: &str, now: Option<&Said>, done: &Done) {
        let Some(now) = now else {
            return assert!(done.deleted != [false; 2], "{mark} is lost after step {}: {done:?}", self.step);
        };
        for (field, set) in done.set.iter().enumerate() {
            let is_right = match (set, self.rested.get(mark)) {
                ([None, None], Some(rested)) => now[field] == rested[field],
                (_, Some(rested)) if done.deleted != [false; 2] && now[field] == rested[field] => true,
                (set, _) => set.iter().flatten().any(|value| now[field] == *value),
            };
            assert!(
                is_right,
                "{mark} after step {}: {now:?}, done: {done:?}, before: {:?}",
                self.step,
                self.rested.get(mark)
            );
        }
        let untouched = done.set.iter().flatten().all(Option::is_none);
        assert!(!(untouched && done.deleted != [false; 2]), "{mark} was deleted and is there after step {}", self.step);
    }
}

#[test]
fn whatever_is_done_on_either_side_of_notion_both_are_the_same_at_rest() {
    let steps = number_of("NOTION_STEPS", STEPS);
    let mut model = Model::start(number_of("NOTION_SEED", 20_300_501).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    while model.step < steps {
        model.act();
        if model.step.is_multiple_of(ROUND) {
            model.rest();
        }
    }
}
