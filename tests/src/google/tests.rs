//! Whatever is asked, there is an answer.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::channels::Channels;
use super::routes::respond;
use super::world::World;
use crate::web::Request;

/// The same numbers every time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % sides
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }

    fn value(&mut self, depth: usize) -> Value {
        const WORDS: [&str; 12] = [
            "",
            "confirmed",
            "cancelled",
            "2030-01-07",
            "2030-01-08",
            "-262143-01-01",
            "2030-01-07T09:00:00+01:00",
            "9999-12-31T23:59:59Z",
            "Europe/Berlin",
            "RRULE:FREQ=DAILY;COUNT=3",
            "EXDATE:20300108T090000Z",
            "abcde",
        ];
        match self.roll(if depth == 0 { 4 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.roll(2) == 0),
            2 | 3 => json!(self.pick(&WORDS)),
            4 => (0..self.roll(3)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        const KEYS: [&str; 16] = [
            "id",
            "start",
            "end",
            "date",
            "dateTime",
            "timeZone",
            "recurrence",
            "status",
            "summary",
            "attendees",
            "extendedProperties",
            "private",
            "type",
            "address",
            "params",
            "expiration",
        ];
        (0..self.roll(8)).map(|_| (self.pick(&KEYS).to_owned(), self.value(depth))).collect()
    }

    /// Mostly what makes an event, so that some are made.
    fn body(&mut self) -> String {
        let times = |date: &str| json!({ "start": { "date": date }, "end": { "date": "2030-01-09" } });
        let mut body = match self.roll(4) {
            0 => self.object(3),
            1 => times(self.pick(&["2030-01-07", "2030-01-08"])),
            _ => return times("2030-01-07").to_string().replacen('{', "{\"id\": \"abcde\", ", 1),
        };
        if let (Value::Object(all), Value::Object(more)) = (&mut body, self.object(2)) {
            all.extend(more.into_iter().filter(|(key, _)| key != "start" && key != "end"));
            all.insert("id".into(), json!(self.pick(&["abcde", "abcdf"])));
        }
        body.to_string()
    }
}

#[test]
fn strange_requests_are_answered_in_googles_envelope() {
    let mut world = World::new(Channels::new());
    let now = world.common.clock.now();
    let calendar = super::Calendar::new("a@b.c", "A", "a@b.c", chrono_tz::Europe::Berlin, now);
    world.calendars.insert("a@b.c".into(), calendar);
    let (token, _) = world.common.logins.grant("a@b.c", &mut world.common.clock);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut statuses: HashMap<u16, usize> = HashMap::new();
    for _ in 0..20_000 {
        let tails = [
            "",
            "/abcde",
            "/abcdf",
            "/abcde_20300107",
            "/abcde_20300107T080000Z",
            "/watch",
            "/abcde/instances",
            "/%ff",
        ];
        let root = match dice.roll(20) {
            0 => "channels/stop",
            1 => "token",
            _ => "calendars/primary/events",
        };
        let query = dice.pick(&[
            "",
            "?syncToken=s.0.0.0",
            "?pageToken=p.1.99999999999999999999.0",
            "?pageToken=p.1.7.0&maxResults=1",
            "?singleEvents=true&timeMin=-9999-01-01T00:00:00Z",
            "?singleEvents=true&orderBy=startTime&timeMin=0001-01-01T00:00:00Z",
            "?timeMin=2030-01-01T00:00:00Z&timeMax=9999-01-01T00:00:00Z",
            "?maxResults=-1",
            "?%ff=%zz&&&=",
        ]);
        let request = Request {
            method: dice.pick(&["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"]).into(),
            target: format!("/calendar/v3/{root}{}{query}", dice.pick(&tails)),
            headers: HashMap::from([("authorization".into(), format!("Bearer {token}"))]),
            body: dice.body(),
        };
        let reply = respond(&mut world, &request).reply.expect("an answer");
        *statuses.entry(reply.status).or_default() += 1;
        if reply.status >= 400 && root != "token" {
            let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!(body["error"]["code"], reply.status, "{request:?}");
            assert!(body["error"]["errors"][0]["reason"].is_string(), "{request:?}");
        }
    }
    for status in [200, 204, 400, 404, 409, 410] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
}
