//! A user's database of events at Notion.

use std::collections::BTreeMap;

use calendar_sync_e2e::{FakeNotion, NotionFault, Random, text_of, title_of};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Entry, Field, Shown, There, description, end_of, number_of, start_text, text, with};

pub struct Notion {
    fake: FakeNotion,
    data_source: String,
    /// A page that is no event.
    other_page: String,
}

impl Notion {
    pub fn new() -> Self {
        let fake = FakeNotion::start();
        let data_source = fake.add_database("Plans", &FakeNotion::usual_schema());
        let other_page = fake.add_page(&data_source, &json!({ "Name": title_of("Not an event") }));
        Self { fake, data_source, other_page }
    }

    fn value(field: Field, value: &str) -> Value {
        match field {
            Field::Title => json!({ "Name": title_of(value) }),
            Field::Location => json!({ "Where": text_of(value) }),
            Field::Start => json!({ "When": { "date": { "start": value, "end": end_of(value) } } }),
        }
    }
}

impl There for Notion {
    fn provider(&self) -> &'static str {
        "notion"
    }

    fn registration(&self) -> (String, String, Value) {
        ("client".to_owned(), "secret".to_owned(), json!({ "endpoints": { "api": self.fake.url() } }))
    }

    fn tokens(&self) -> (String, Option<String>) {
        (FakeNotion::TOKEN.to_owned(), None)
    }

    fn calendar(&self) -> String {
        self.data_source.clone()
    }

    fn add(&self, number: usize, shown: &Shown) {
        let page = json!({ "Notes": text_of(&description(number)) });
        let page = shown.iter().fold(page, |page, (field, value)| with(page, Self::value(*field, value)));
        self.fake.add_page(&self.data_source, &page);
    }

    fn edit(&self, id: &str, field: Field, value: &str) {
        self.fake.edit_page(id, &Self::value(field, value));
    }

    fn delete(&self, id: &str) {
        self.fake.trash_page(id);
    }

    fn entries(&self) -> Vec<Entry> {
        let pages = self.fake.pages(&self.data_source);
        let seen = pages.iter().filter_map(|page| {
            let texts = |name: &str, kind: &str| -> String {
                let items = page["properties"][name][kind].as_array().map_or(&[][..], Vec::as_slice);
                items.iter().filter_map(|item| item["plain_text"].as_str()).collect()
            };
            let start = &page["properties"]["When"]["date"]["start"];
            let shown = BTreeMap::from([
                (Field::Title, texts("Name", "title")),
                (Field::Location, texts("Where", "rich_text")),
                (Field::Start, start.is_string().then(|| start_text(start))?),
            ]);
            Some(Entry { number: number_of(&texts("Notes", "rich_text")), id: text(&page["id"]), shown })
        });
        seen.collect()
    }

    fn count_requests(&self) -> usize {
        let requests = self.fake.count_requests();
        self.fake.forget_requests();
        requests
    }

    /// Rows in the trash are a list of their own.
    fn least_requests(&self) -> usize {
        2
    }

    fn rest(&self) {
        self.fake.advance(TimeDelta::minutes(10));
        self.fake.edit_page(&self.other_page, &json!({ "Name": title_of("Not an event") }));
    }

    fn lose_answer_to_create(&self) {
        self.fake.fail("POST /v1/pages", NotionFault::LoseReply, 1);
    }

    fn trouble(&self, random: &mut Random) {
        let faults = [
            NotionFault::LoseReply,
            NotionFault::LoseReply,
            NotionFault::LoseRequest,
            NotionFault::Gateway,
            NotionFault::Refuse(500, None),
            NotionFault::Refuse(429, Some(1)),
            NotionFault::Refuse(529, Some(1)),
            NotionFault::Duplicate,
            NotionFault::Reverse,
            NotionFault::EmptyPage,
        ];
        self.fake.fail("", random.one_of(&faults).clone(), 1 + random.below(3));
    }

    fn no_trouble(&self) {
        self.fake.clear_faults();
    }
}
