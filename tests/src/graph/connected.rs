//! A database whose users' calendars are at the fake.

use postgres::Client;
use serde_json::json;
use uuid::Uuid;

use super::{FakeGraph, GRAPH_CLIENT};

impl FakeGraph {
    /// Registers the application that the fake knows.
    pub fn register(&self, client: &mut Client) {
        let options = json!({
            "api_url": self.api(),
            "authorize_url": self.authorize(),
            "token_url": self.token(),
            "redirect_uris": ["https://crm.example.com/microsoft/callback"],
        });
        let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
        client.execute(register, &[&GRAPH_CLIENT.0, &GRAPH_CLIENT.1, &options]).expect("calendar_oauth_register");
    }

    /// Stores somebody's login, as an application does that has its tokens.
    pub fn log_in(&self, client: &mut Client, who: &str) -> Uuid {
        let (access, refresh) = self.grant(who);
        let add = "select calendar_account_add($1, 'microsoft', $2, $3, now() + interval '59 minutes', $1)";
        client.query_one(add, &[&who, &access, &refresh]).expect("calendar_account_add").get(0)
    }

    /// Connects a calendar of somebody's, under the name 'Outlook'.
    pub fn connect(&self, client: &mut Client, who: &str, calendar: &str, direction: &str) -> Uuid {
        self.register(client);
        let account = self.log_in(client, who);
        let connect = "select calendar_connect($1, $2, $3, name => 'Outlook')";
        client.query_one(connect, &[&account, &calendar, &direction]).expect("calendar_connect").get(0)
    }
}
