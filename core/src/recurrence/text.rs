//! A rule in plain English: "every 2 weeks on Monday and Friday, 10 times".

use std::fmt::Display;

use chrono::Weekday;

use super::rule::{Frequency, Rule, Until, WeekdayNumber};

impl Rule {
    /// Says the rule in English, in lower case and without a full stop. What DTSTART adds is not said.
    pub fn to_english(&self) -> String {
        let mut text = self.pace();
        let mut say = |phrase: Option<String>| {
            if let Some(phrase) = phrase {
                text.push_str(&phrase);
            }
        };
        say(self.days());
        say(self.weekdays());
        say(self.weeks());
        say(listed(" in ", &self.by_month, |month| MONTHS[usize::from(month - 1)].to_owned(), "and"));
        say(self.times());
        say(self.positions());
        say(self.week_start());
        say(self.end());
        text
    }

    fn pace(&self) -> String {
        let unit = unit(self.frequency);
        match self.interval {
            1 => format!("every {unit}"),
            interval => format!("every {interval} {unit}s"),
        }
    }

    /// BYMONTHDAY and BYYEARDAY.
    fn days(&self) -> Option<String> {
        let month =
            listed(" on the ", &from_start(&self.by_month_day), |day| day_from(i16::from(day), "of the month"), "and");
        let year = listed(
            " on the ",
            &from_start(&self.by_year_day),
            |day| format!("{} of the year", day_of_year(day)),
            "and",
        );
        match (month, year) {
            (Some(month), Some(year)) => Some(format!("{month}, only{year}")),
            (month, year) => month.or(year),
        }
    }

    fn weekdays(&self) -> Option<String> {
        // Beside days of the month or year, weekdays only choose among these.
        let limits = !(self.by_month_day.is_empty() && self.by_year_day.is_empty());
        let (before, word) = if limits { (" if that is ", "or") } else { (" on ", "and") };
        let within = if self.frequency == Frequency::Yearly && self.by_month.is_empty() { " of the year" } else { "" };
        let say = |day: WeekdayNumber| match day.nth {
            0 => weekday_name(day.weekday).to_owned(),
            nth => format!("the {} {}{within}", nth_from(i16::from(nth)), weekday_name(day.weekday)),
        };
        let mut days = self.by_day.clone();
        days.sort_by_key(|day| (day.nth < 0, day.nth, day.weekday.num_days_from_monday()));
        listed(before, &days, say, word)
    }

    fn weeks(&self) -> Option<String> {
        let say = |week: i8| match week {
            1.. => format!("week {week}"),
            _ => format!("the {} week", nth_from(i16::from(week))),
        };
        listed(" in ", &from_start(&self.by_week_number), say, "and").map(|weeks| format!("{weeks} of the year"))
    }

    fn times(&self) -> Option<String> {
        const MOST: usize = 12;
        let clock = self.frequency <= Frequency::Daily && !self.by_hour.is_empty() && !self.by_minute.is_empty();
        if clock && self.by_second.is_empty() && self.by_hour.len() * self.by_minute.len() <= MOST {
            let times = self.by_hour.iter().flat_map(|hour| self.by_minute.iter().map(move |minute| (*hour, *minute)));
            let times: Vec<(u8, u8)> = times.collect();
            return listed(" at ", &times, |(hour, minute)| format!("{hour:02}:{minute:02}"), "and");
        }
        let of = |name: &str, values: &[u8]| {
            let plural = if values.len() == 1 { "" } else { "s" };
            listed(&format!(" at {name}{plural} "), values, |value| value.to_string(), "and")
        };
        let parts = [of("hour", &self.by_hour), of("minute", &self.by_minute), of("second", &self.by_second)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.concat())
    }

    fn positions(&self) -> Option<String> {
        let unit = unit(self.frequency);
        let say = |position: i16| nth_from(position);
        listed(", only the ", &from_start(&self.by_set_position), say, "and")
            .map(|which| format!("{which} of these in each {unit}"))
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
        count.or_else(|| self.until.map(|until| format!(", until {}", day_and_time(until))))
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const fn weekday_name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

const fn unit(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Yearly => "year",
        Frequency::Monthly => "month",
        Frequency::Weekly => "week",
        Frequency::Daily => "day",
        Frequency::Hourly => "hour",
        Frequency::Minutely => "minute",
        Frequency::Secondly => "second",
    }
}

/// Numbers that count from the start before those that count from the end.
fn from_start<T: Copy + Ord + Default>(numbers: &[T]) -> Vec<T> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by_key(|number| (*number < T::default(), *number));
    numbers
}

/// `before` and the values as "a, b and c"; nothing for an empty list.
fn listed<T: Copy>(before: &str, values: &[T], say: impl Fn(T) -> String, word: &str) -> Option<String> {
    let (last, others) = values.split_last()?;
    let last = say(*last);
    if others.is_empty() {
        return Some(format!("{before}{last}"));
    }
    let others: Vec<String> = others.iter().map(|value| say(*value)).collect();
    Some(format!("{before}{} {word} {last}", others.join(", ")))
}

/// "1st", "22nd", "113th".
fn ordinal(number: impl Display + Into<i32> + Copy) -> String {
    let suffix = match (number.into() % 10, number.into() % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// "3rd", "last", "2nd to last".
fn nth_from(number: i16) -> String {
    match number {
        -1 => "last".to_owned(),
        1.. => ordinal(number),
        _ => format!("{} to last", ordinal(-number)),
    }
}

/// "15th", "last day of the month".
fn day_from(day: i16, within: &str) -> String {
    if day > 0 { ordinal(day) } else { format!("{} day {within}", nth_from(day)) }
}

fn day_of_year(day: i16) -> String {
    format!("{} day", nth_from(day))
}

fn day_and_time(until: Until) -> String {
    // 20301231T170000Z
    let text = until.to_string();
    let date = format!("{}-{}-{}", &text[..text.len().min(4)], &text[4..6], &text[6..8]);
    match until {
        Until::Date(_) => date,
        Until::Local(_) => format!("{date} {}:{}:{}", &text[9..11], &text[11..13], &text[13..15]),
        Until::Utc(_) => format!("{date} {}:{}:{} UTC", &text[9..11], &text[11..13], &text[13..15]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_said_as_people_say_them() {
        for (rule, english) in [
            ("FREQ=DAILY", "every day"),
            ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=10", "every 2 weeks on Monday and Friday, 10 times"),
            ("FREQ=MONTHLY;BYDAY=-1FR", "every month on the last Friday"),
            ("FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "every month on the 1st, 15th and last day of the month"),
            ("FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "every month on the 13th if that is Friday"),
            ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "every year on the 4th Thursday in November"),
            ("FREQ=YEARLY;BYDAY=20MO;COUNT=1", "every year on the 20th Monday of the year, once"),
            ("FREQ=YEARLY;BYYEARDAY=1,-1", "every year on the 1st day of the year and last day of the year"),
            ("FREQ=YEARLY;BYWEEKNO=20;WKST=SU", "every year in week 20 of the year, weeks starting on Sunday"),
            ("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30", "every day at 09:00, 09:30, 17:00 and 17:30"),
            ("FREQ=DAILY;BYHOUR=9", "every day at hour 9"),
            ("FREQ=HOURLY;BYMINUTE=0,20,40", "every hour at minutes 0, 20 and 40"),
            (
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
                "every month on Monday, Tuesday, Wednesday, Thursday and Friday, only the last of these in each month",
            ),
            ("FREQ=DAILY;UNTIL=20301231", "every day, until 2030-12-31"),
            ("FREQ=DAILY;UNTIL=20301231T170000Z", "every day, until 2030-12-31 17:00:00 UTC"),
        ] {
            assert_eq!(Rule::parse(rule).unwrap().to_english(), english);
        }
    }

    #[test]
    fn ordinals_end_as_they_are_spoken() {
        let spoken: Vec<String> = [1_i16, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 113].map(ordinal).to_vec();
        assert_eq!(spoken.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th 113th");
    }
}
