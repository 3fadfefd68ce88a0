//! A rule in plain English: "every 2 weeks on Monday and Friday, 10 times".
//!
//! Nothing that makes a difference is left out: two rules that read the same give the same.

mod words;

use chrono::Weekday;

use self::words::{end, listed, month_name, nth, numbers, unit, weekday_name};
use super::rule::{Frequency, Rule, WeekdayNumber};

impl Rule {
    /// Says the rule in English, in lower case and without a full stop. What DTSTART adds is not said.
    pub fn to_english(&self) -> String {
        let chosen = self.chosen_days();
        let (days, positions) = match chosen {
            Some(days) => (days, None),
            None => (self.days(), self.positions()),
        };
        let weeks = listed(&numbers(&self.by_week_number, week), "and").map(|weeks| format!(" in {weeks} of the year"));
        let months = listed(&numbers(&self.by_month, month_name), "and").map(|months| format!(" in {months}"));
        let rest = [weeks, months, Some(self.times()), positions, self.week_start(), self.end()];
        let rest: Vec<String> = rest.into_iter().flatten().collect();
        self.pace() + &days + &rest.concat()
    }

    fn pace(&self) -> String {
        let unit = unit(self.frequency);
        match self.interval {
            1 => format!("every {unit}"),
            interval => format!("every {interval} {unit}s"),
        }
    }

    /// BYMONTHDAY, BYYEARDAY and BYDAY. The first says which days there are, unless INTERVAL has said it by counting
    /// days; the others choose among these.
    fn days(&self) -> String {
        let from_end = self.by_month_day.iter().any(|day| *day < 0);
        let of_month = if from_end { " day of the month" } else { "" };
        let dates = |word| {
            let month = listed(&numbers(&self.by_month_day, nth), word).map(|days| format!("the {days}{of_month}"));
            let year = listed(&numbers(&self.by_year_day, nth), word).map(|days| format!("the {days} day of the year"));
            [month, year]
        };
        let [and_month, and_year] = dates("and");
        let [or_month, or_year] = dates("or");
        let limits = [(and_month, or_month), (and_year, or_year), (self.weekdays(), self.limiting_weekdays())];
        let mut text = String::new();
        let mut says_days = self.frequency == Frequency::Daily;
        let mut limited = false;
        for (all, limit) in limits {
            let (Some(all), Some(limit)) = (all, limit) else { continue };
            if !says_days {
                text += if all.starts_with("from ") { " " } else { " on " };
                text += &all;
            } else {
                text += if limited { " and " } else { " if that is " };
                text += &limit;
                limited = true;
            }
            says_days = true;
        }
        text
    }

    fn weekdays(&self) -> Option<String> {
        // A week has one Monday; months and years have many.
        let has_one =
            !matches!(self.frequency, Frequency::Monthly | Frequency::Yearly) || !self.by_week_number.is_empty();
        let every = if has_one { "" } else { "every " };
        let mut days: Vec<String> = self.numbered_weekdays();
        let plain = self.plain_weekdays();
        if plain == WORKING_DAYS {
            let text = "from Monday to Friday";
            if has_one {
                return Some(text.to_owned());
            }
            days.insert(0, format!("every day {text}"));
        } else {
            days.splice(0..0, plain.into_iter().map(|day| format!("{every}{}", weekday_name(day))));
        }
        listed(&days, "and")
    }

    fn limiting_weekdays(&self) -> Option<String> {
        let plain = self.plain_weekdays().into_iter().map(|day| weekday_name(day).to_owned());
        listed(&plain.chain(self.numbered_weekdays()).collect::<Vec<_>>(), "or")
    }

    fn plain_weekdays(&self) -> Vec<Weekday> {
        self.by_day.iter().filter(|day| day.nth == 0).map(|day| day.weekday).collect()
    }

    fn numbered_weekdays(&self) -> Vec<String> {
        let within = if self.frequency == Frequency::Yearly && self.by_month.is_empty() { " of the year" } else { "" };
        let mut days: Vec<WeekdayNumber> = self.by_day.iter().filter(|day| day.nth != 0).copied().collect();
        days.sort_by_key(|day| (day.nth < 0, day.nth, day.weekday.num_days_from_monday()));
        let say = |day: WeekdayNumber| format!("the {} {}{within}", nth(day.nth.into()), weekday_name(day.weekday));
        days.into_iter().map(say).collect()
    }

    /// BYDAY with BYSETPOS where people have a word for it: "the last weekday of the month".
    fn chosen_days(&self) -> Option<String> {
        let kind = match self.plain_weekdays().as_slice() {
            days if days.len() < self.by_day.len() => return None,
            days if days == WORKING_DAYS => "weekday",
            [Weekday::Sat, Weekday::Sun] => "weekend day",
            days if days.len() == 7 => "day",
            _ => return None,
        };
        let chooses_times = [&self.by_hour, &self.by_minute, &self.by_second].iter().any(|list| list.len() > 1);
        let has_dates =
            !(self.by_month_day.is_empty() && self.by_year_day.is_empty() && self.by_week_number.is_empty());
        if chooses_times || has_dates {
            return None;
        }
        let within = match (self.frequency, self.by_month.len()) {
            (Frequency::Monthly, _) => " of the month",
            (Frequency::Yearly, 0) => " of the year",
            // The month follows.
            (Frequency::Yearly, 1) => "",
            (Frequency::Weekly, 0) => " of the week",
            _ => return None,
        };
        listed(&numbers(&self.by_set_position, nth), "and").map(|which| format!(" on the {which} {kind}{within}"))
    }

    /// BYHOUR, BYMINUTE and BYSECOND: those shorter than a day's or the rule's own period are times in it ("at"), others
    /// are what it is limited to ("in").
    fn times(&self) -> String {
        if let Some(times) = self.clock_times() {
            return times;
        }
        let part = |name: &str, values: &[u8], expands: bool| {
            let at = if expands { "at" } else { "in" };
            let plural = if values.len() == 1 { "" } else { "s" };
            let list = listed(&numbers(values, |value| value.to_string()), "and");
            list.map_or_else(String::new, |list| format!(" {at} {name}{plural} {list}"))
        };
        let hours = part("hour", &self.by_hour, false);
        let minutes = part("minute", &self.by_minute, self.frequency < Frequency::Minutely);
        hours + &minutes + &part("second", &self.by_second, self.frequency < Frequency::Secondly)
    }

    /// A few times of day as clocks show them.
    fn clock_times(&self) -> Option<String> {
        const MOST: usize = 12;
        let number = self.by_hour.len() * self.by_minute.len() * self.by_second.len().max(1);
        if self.frequency > Frequency::Daily || !(1..=MOST).contains(&number) {
            return None;
        }
        let mut times = Vec::new();
        for hour in &self.by_hour {
            for minute in &self.by_minute {
                let time = format!("{hour:02}:{minute:02}");
                times.extend(self.by_second.iter().map(|second| format!("{time}:{second:02}")));
                if self.by_second.is_empty() {
                    times.push(time);
                }
            }
        }
        listed(&times, "and").map(|times| format!(" at {times}"))
    }

    fn positions(&self) -> Option<String> {
        let which = listed(&numbers(&self.by_set_position, nth), "and")?;
        Some(format!(", only the {which} of these in each {}", unit(self.frequency)))
    }

    /// Where it makes a difference: with weeks that are left out, and with numbered weeks.
    fn week_start(&self) -> Option<String> {
        let matters = self.frequency == Frequency::Weekly && (self.interval > 1 || !self.by_set_position.is_empty())
            || !self.by_week_number.is_empty();
        (matters && self.week_start != Weekday::Mon)
            .then(|| format!(", weeks starting on {}", weekday_name(self.week_start)))
    }

    fn end(&self) -> Option<String> {
        let count = self.count.map(|count| if count == 1 { ", once".to_owned() } else { format!(", {count} times") });
        count.or_else(|| self.until.map(|until| format!(", until {}", end(until))))
    }
}

const WORKING_DAYS: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];

fn week(number: i16) -> String {
    if number > 0 { format!("week {number}") } else { format!("the {} week", nth(number)) }
}
