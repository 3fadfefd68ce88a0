//! The providers that the pages speak of, as fakes: registered in place of the real ones, with users who agree.

use std::collections::HashMap;

use calendar_sync_e2e::{ADA, FakeGoogle, FakeGraph, FakeNotion, GOOGLE_CLIENT, GRAPH_CLIENT, text, title_of};
use serde_json::{Value, json};
use url::Url;

/// An application's id and secret as they stand on the pages.
const CLIENT: (&str, &str) = ("CLIENT_ID", "CLIENT_SECRET");

pub struct Providers {
    google: FakeGoogle,
    graph: FakeGraph,
    /// Of Ada's mailbox.
    outlook: String,
    notion: FakeNotion,
    /// A data source.
    team: String,
}

impl Providers {
    /// Each with a calendar of Ada's; at Microsoft she may use a room's, too.
    pub fn start() -> Self {
        let (google, graph, notion) = (FakeGoogle::start(), FakeGraph::start(), FakeNotion::start());
        google.add_person(ADA, "Europe/Berlin");
        let outlook = graph.add_mailbox(ADA);
        let room = graph.add_mailbox("room@example.com");
        graph.share(&room, ADA, Some(true));
        let team = notion.add_database("Team", &FakeNotion::usual_schema());
        notion.register_client(CLIENT.0, CLIENT.1);
        Self { google, graph, outlook, notion, team }
    }

    /// What Ada sees in her calendar.
    pub fn titles(&self, provider: &str) -> Vec<String> {
        self.events(provider).into_iter().map(|(_, title)| title).collect()
    }

    /// Ada renames an event there.
    pub fn rename(&self, provider: &str, from: &str, to: &str) {
        let found = self.events(provider).into_iter().find(|(_, title)| title == from);
        let (id, _) = found.unwrap_or_else(|| panic!("no {from} at {provider}"));
        match provider {
            "google" => self.google.calendar(ADA).edit(&id, json!({ "summary": to })),
            "microsoft" => self.graph.calendar(&self.outlook).edit(&id, json!({ "subject": to })),
            _ => self.notion.edit_page(&id, &json!({ "Name": title_of(to) })),
        }
    }

    /// (id, title)
    fn events(&self, provider: &str) -> Vec<(String, String)> {
        let (events, title) = match provider {
            "google" => (self.google.calendar(ADA).events(), "/summary"),
            "microsoft" => (self.graph.calendar(&self.outlook).events(), "/subject"),
            _ => (self.notion.pages(&self.team), "/properties/Name/title/0/plain_text"),
        };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        events.iter().map(|event| (text(event.get("id")), text(event.pointer(title)))).collect()
    }

    /// An example with the fakes' applications and addresses in place of those that a reader has.
    pub fn registered(&self, sql: &str) -> String {
        let google = json!({
            "api": self.google.api(), "authorize": self.google.authorize(), "token": self.google.token(),
            "revoke": self.google.revoke(),
        });
        let graph = json!({
            "api": self.graph.api(), "authorize": self.graph.authorize(), "token": self.graph.token(),
        });
        let at_notion = |path: &str| format!("{}/v1{path}", self.notion.url());
        let notion = json!({
            "api": at_notion(""), "authorize": at_notion("/oauth/authorize"), "token": at_notion("/oauth/token"),
            "revoke": at_notion("/oauth/revoke"),
        });
        let mut sql = sql.replace("INTEGRATION_SECRET", FakeNotion::TOKEN);
        for (provider, client, endpoints) in
            [("google", GOOGLE_CLIENT, google), ("microsoft", GRAPH_CLIENT, graph), ("notion", CLIENT, notion)]
        {
            let call = format!("calendar_oauth_register('{provider}', '{}', '{}',", CLIENT.0, CLIENT.1);
            if sql.contains(&call) {
                let ours = format!("calendar_oauth_register('{provider}', '{}', '{}',", client.0, client.1);
                sql = sql.replace(&call, &ours).replacen("'{", &format!("'{{\"endpoints\": {endpoints},"), 1);
            }
        }
        sql
    }

    /// An example that finishes a login, with the state and the code that the provider gives for the page's address.
    pub fn logged_in(&self, page: &str, sql: &str, client: &mut postgres::Client) -> String {
        if !sql.contains("'STATE', 'CODE'") {
            return sql.to_owned();
        }
        let begin = page.lines().find(|line| line.starts_with("select calendar_oauth_begin(")).expect("how it begins");
        let address = text(client, begin.trim_end_matches(';'));
        let said: Vec<&str> = begin.split('\'').collect();
        let (user, provider, redirect_uri) = (said[1], said[3], said[5]);
        let given = match provider {
            "google" => query_of(&self.google.consent(&address, user)),
            "microsoft" => query_of(&self.graph.consent(&address, user)),
            // Its page gives the code alone.
            _ => {
                let code = self.notion.consent(redirect_uri, user);
                HashMap::from([("state".to_owned(), query_of(&address)["state"].clone()), ("code".to_owned(), code)])
            }
        };
        sql.replace("'STATE', 'CODE'", &format!("'{}', '{}'", given["state"], given["code"]))
    }
}

fn query_of(address: &str) -> HashMap<String, String> {
    Url::parse(address).expect("an address").query_pairs().into_owned().collect()
}
