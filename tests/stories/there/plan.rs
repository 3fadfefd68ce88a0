//! What series there are, in the words of each side.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

/// What is to be seen of an occurrence: title, place, start, end. Of one that takes whole days, dates.
pub type Seen = (String, String, String, String);

/// Numbers below what is asked for, the same ones for the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

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
    pub fn roll(dice: &mut Dice, number: usize, today: NaiveDate) -> Self {
        let all_day = dice.below(4) == 0;
        let hour = if all_day { 0 } else { *dice.one_of(&[0, 9, 14, 22]) };
        let day = today + TimeDelta::days(3 + dice.below(20) as i64);
        let day = in_every_month(day);
        let mut plan = Self {
            number,
            all_day,
            zone: if all_day { "UTC" } else { ZONES[dice.below(ZONES.len())] },
            start: day.and_hms_opt(hour, if all_day { 0 } else { 15 }, 0).expect("a time"),
            freq: Freq::Daily,
            interval: 1,
            count: 5,
        };
        plan.roll_rule(dice);
        plan
    }

    pub fn roll_rule(&mut self, dice: &mut Dice) {
        (self.freq, self.interval, self.count) = match dice.below(4) {
            0 => (Freq::Daily, 1, 4 + dice.below(3)),
            1 => (Freq::Daily, 2, 4 + dice.below(3)),
            2 => (Freq::Weekly, 3, 4 + dice.below(4)),
            _ => (Freq::Monthly, 1, 6 + dice.below(5)),
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

    fn end(&self) -> NaiveDateTime {
        self.start + if self.all_day { TimeDelta::days(1) } else { TimeDelta::minutes(45) }
    }

    fn text(&self, time: NaiveDateTime) -> String {
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

    pub fn times_of_google(&self) -> Value {
        let time = |time| match self.all_day {
            true => json!({ "date": self.text(time), "dateTime": null, "timeZone": null }),
            false => json!({ "dateTime": self.text(time), "timeZone": self.zone, "date": null }),
        };
        json!({ "start": time(self.start), "end": time(self.end()) })
    }

    /// A change of the times takes the pattern along, whose first day is the start's.
    pub fn times_of_graph(&self) -> Value {
        let time = |time: NaiveDateTime| json!({ "dateTime": time.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": self.zone });
        json!({
            "isAllDay": self.all_day, "start": time(self.start), "end": time(self.end()),
            "recurrence": self.pattern(),
        })
    }

    fn pattern(&self) -> Value {
        let weekday = self.start.weekday().to_string();
        let day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
            .into_iter()
            .find(|name| name.starts_with(&weekday))
            .unwrap_or_default()
            .to_lowercase();
        let pattern = match self.freq {
            Freq::Daily => json!({ "type": "daily", "interval": self.interval }),
            Freq::Weekly => json!({
                "type": "weekly", "interval": self.interval, "daysOfWeek": [day], "firstDayOfWeek": "monday",
            }),
            Freq::Monthly => json!({
                "type": "absoluteMonthly", "interval": self.interval, "dayOfMonth": self.start.day(),
            }),
        };
        json!({
            "pattern": pattern,
            "range": {
                "type": "numbered", "startDate": self.start.date().to_string(),
                "numberOfOccurrences": self.count, "recurrenceTimeZone": self.zone,
            },
        })
    }
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
