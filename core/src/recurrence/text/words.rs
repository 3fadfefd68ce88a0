//! English words: numbers, names, lists.

use chrono::Weekday;

use crate::recurrence::rule::{Frequency, Until};

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

/// The name of a month from 1 to 12.
pub fn month_name(month: i16) -> String {
    usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).copied().unwrap_or_default().to_owned()
}

/// In English.
pub const fn weekday_name(weekday: Weekday) -> &'static str {
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

/// The period that a frequency repeats.
pub const fn unit(frequency: Frequency) -> &'static str {
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

/// "a", "a and b", "a, b and c"; nothing for an empty list.
pub fn listed(values: &[String], word: &str) -> Option<String> {
    let (last, others) = values.split_last()?;
    if others.is_empty() { Some(last.clone()) } else { Some(format!("{} {word} {last}", others.join(", "))) }
}

/// Numbers in words, those that count from the end last; three or more that follow each other as "9 to 17".
pub fn numbers<T: Copy + Into<i16>>(values: &[T], say: impl Fn(i16) -> String) -> Vec<String> {
    let mut numbers: Vec<i16> = values.iter().map(|&value| value.into()).collect();
    numbers.sort_by_key(|number| (*number < 0, *number));
    let follows = |a: &i16, b: &i16| *a >= 0 && *b == a + 1;
    let said = numbers.chunk_by(follows).flat_map(|run| match run {
        [first, _, .., last] => vec![format!("{} to {}", say(*first), say(*last))],
        few => few.iter().map(|number| say(*number)).collect(),
    });
    said.collect()
}

/// "1st", "22nd", "113th".
fn ordinal(number: i16) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// "3rd", "last", "2nd to last".
pub fn nth(number: i16) -> String {
    match number {
        -1 => "last".to_owned(),
        1.. => ordinal(number),
        _ => format!("{} to last", ordinal(-number)),
    }
}

/// "2030-12-31 17:00:00 UTC", as precise as it is given.
pub fn end(until: Until) -> String {
    // 20301231T170000Z
    let text = until.to_string();
    let date = format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..8]);
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
    fn ordinals_end_as_they_are_spoken() {
        let spoken: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 113].map(ordinal).to_vec();
        assert_eq!(spoken.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th 113th");
    }
}
