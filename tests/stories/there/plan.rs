//! What series there are.

use calendar_sync_e2e::Random;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

/// What is to be seen of an occurrence: title, place, start, end. Of one that takes whole days, dates.
pub type Seen = (String, String, String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freq {
    Daily,
    Weekly,
    Monthly,
}

/// When a series takes place.
#[derive(Clone, Debug)]
pub struct Plan {
    pub number: usize,
    pub all_day: bool,
    pub zone: &'static str,
    pub start: NaiveDateTime,
    pub freq: Freq,
    pub interval: usize,
    pub count: usize,
}

const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "UTC"];

impl Plan {
    pub fn roll(random: &mut Random, number: usize, today: NaiveDate) -> Self {
        let all_day = random.below(4) == 0;
        let hour = if all_day { 0 } else { *random.one_of(&[0, 9, 14, 22]) };
        let day = today + TimeDelta::days(3 + random.below(20) as i64);
        let day = in_every_month(day);
        let mut plan = Self {
            number,
            all_day,
            zone: if all_day { "UTC" } else { ZONES[random.below(ZONES.len())] },
            start: day.and_hms_opt(hour, if all_day { 0 } else { 15 }, 0).expect("a time"),
            freq: Freq::Daily,
            interval: 1,
            count: 5,
        };
        plan.roll_rule(random);
        plan
    }

    pub fn roll_rule(&mut self, random: &mut Random) {
        (self.freq, self.interval, self.count) = match random.below(4) {
            0 => (Freq::Daily, 1, 4 + random.below(3)),
            1 => (Freq::Daily, 2, 4 + random.below(3)),
            2 => (Freq::Weekly, 3, 4 + random.below(4)),
            _ => (Freq::Monthly, 1, 6 + random.below(5)),
        };
    }

    /// Later: by a day, or by half an hour. Not at an hour that a clock leaves out, or says twice, on some day.
    pub fn postpone(&mut self) {
        self.start += if self.all_day { TimeDelta::days(1) } else { TimeDelta::minutes(30) };
        if !self.all_day && is_unsure(self.start) {
            self.start += TimeDelta::hours(4);
        }
        self.start = in_every_month(self.start.date()).and_time(self.start.time());
    }

    /// Whether somebody moves an occurrence to there: it stays on its day, and off the hours at which clocks change.
    pub fn has_room(&self, original: DateTime<Utc>, at: DateTime<Utc>) -> bool {
        let zone: Tz = self.zone.parse().expect("a zone");
        let [original, at] = [original, at].map(|at| at.with_timezone(&zone).naive_local());
        original.date() == at.date() && !is_unsure(at)
    }

    pub fn description(&self) -> String {
        format!("series {}", self.number)
    }

    pub fn rule(&self) -> Value {
        let freq = format!("{:?}", self.freq).to_uppercase();
        json!([format!("RRULE:FREQ={freq};INTERVAL={};COUNT={}", self.interval, self.count)])
    }

    pub fn end(&self) -> NaiveDateTime {
        self.start + if self.all_day { TimeDelta::days(1) } else { TimeDelta::minutes(45) }
    }

    /// A time as all sides write it.
    pub fn text(&self, time: NaiveDateTime) -> String {
        time.format(if self.all_day { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%S" }).to_string()
    }

    /// As calendar_upsert_event takes it.
    pub fn times_here(&self) -> Value {
        let mut times = json!({ "start": self.text(self.start), "end": self.text(self.end()) });
        if !self.all_day {
            times["time_zone"] = json!(self.zone);
        }
        times
    }
}

/// The number in a series' description.
pub fn number_of(description: &str) -> Option<usize> {
    description.trim().strip_prefix("series ")?.parse().ok()
}

/// Whether clocks may be changed at that hour.
fn is_unsure(at: NaiveDateTime) -> bool {
    (1..4).contains(&at.hour())
}

/// That day, or the next one that every month has.
fn in_every_month(day: NaiveDate) -> NaiveDate {
    day.iter_days().find(|day| day.day() <= 28).unwrap_or(day)
}

/// An instant as all sides of these stories write it; of whole days the date.
pub fn time_text(at: DateTime<Utc>, all_day: bool) -> String {
    at.format(if all_day { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%MZ" }).to_string()
}
