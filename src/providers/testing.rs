//! What the tests of the providers' network sides share.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::account::{Ask, Change, InstanceChange, Watch};
use super::api::Token;
use crate::http::{Address, Client, Options, Policy};

/// About a calendar of the fake whose API is there, in the name of whoever the token is of.
pub fn ask(api: &str, token: String, calendar: &str) -> Ask {
    let options = Options {
        policy: Policy { allow_private: true, ..Policy::default() },
        timeout: Duration::from_secs(60),
        max_bytes: 10_000_000,
        user_agent: "test".into(),
        ca_file: None,
        proxy: None,
        names_good_for: Duration::ZERO,
    };
    Ask {
        client: Client::with(options).unwrap(),
        api: Address::parse(api).unwrap(),
        token: Token::new(Zeroizing::new(token)),
        calendar: calendar.into(),
        mailbox: None,
        options: Value::Null,
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The members of an object.
pub fn payload(event: Value) -> Map<String, Value> {
    match event {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

pub fn update(id: &str, etag: Option<&str>, changes: Value, instances: Vec<InstanceChange>) -> Change {
    let (external_id, etag) = (id.to_owned(), etag.map(str::to_owned));
    Change::Update { external_id, etag, payload: payload(changes), instances }
}

pub fn delete(id: &str, etag: Option<&str>) -> Change {
    Change::Delete { external_id: id.to_owned(), etag: etag.map(str::to_owned) }
}

/// A change of the timed occurrence that the series has at that time; `None`: it does not take place.
pub fn instance(original: &str, changes: Option<Value>) -> InstanceChange {
    InstanceChange {
        recurrence_id: at(original),
        all_day: false,
        external_id: None,
        etag: None,
        payload: changes.map(payload),
    }
}

pub fn watch(url: &str) -> Watch {
    Watch {
        webhook_id: Uuid::from_u128(9),
        notification_url: url.into(),
        client_state: "secret".into(),
        expires: Utc::now() + TimeDelta::days(30),
    }
}
