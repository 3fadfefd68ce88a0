//! A database whose users' calendars are at the fake.

use postgres::Client;
use serde_json::json;
use uuid::Uuid;

use super::{FakeGoogle, GOOGLE_CLIENT};

impl FakeGoogle {
    /// Registers the application that the fake knows.
    pub fn register(&self, client: &mut Client) {
        let options = json!({
            "api_url": self.api(),
            "authorize_url": self.authorize(),
            "token_url": self.token(),
            "revoke_url": self.revoke(),
            "redirect_uris": ["https://crm.example.com/oauth/google"],
        });
        let register = "select calendar_oauth_register('google', $1, $2, $3)";
        client.execute(register, &[&GOOGLE_CLIENT.0, &GOOGLE_CLIENT.1, &options]).expect("calendar_oauth_register");
    }

    /// Stores somebody's login, as an application does that has its tokens.
    pub fn log_in(&self, client: &mut Client, who: &str) -> Uuid {
        let (access, refresh) = self.grant(who);
        let add = "select calendar_account_add($1, 'google', $2, $3, now() + interval '59 minutes', $1)";
        client.query_one(add, &[&who, &access, &refresh]).expect("calendar_account_add").get(0)
    }

    /// Connects somebody's own calendar, under the name 'Google'.
    pub fn connect(&self, client: &mut Client, who: &str, direction: &str) -> Uuid {
        self.register(client);
        let account = self.log_in(client, who);
        let connect = "select calendar_connect($1, $2, $3, name => 'Google')";
        client.query_one(connect, &[&account, &who, &direction]).expect("calendar_connect").get(0)
    }
}
